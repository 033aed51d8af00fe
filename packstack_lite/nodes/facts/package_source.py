"""Ask whether the package source answers, with the package manager's settings.

``software.SoftwareFacts.package_source`` holds the result.
"""

from __future__ import annotations

from typing import Sequence, Tuple

from packstack_lite.nodes.facts import apt_source
from packstack_lite.nodes.facts.fields import named_texts, parse_key_values
from packstack_lite.remote.command import Command, Reply

TIMEOUT_SECONDS = 50.0
# The exit code of a command that took too long.
TIMEOUT_EXIT_CODE = 124

# Fetch what yum would fetch first of each enabled repository, repomd.xml, with yum's own settings (proxy, certificates,
# user), and delete it. Not "makecache": that downloads everything into yum's cache. A repository with
# skip_if_unavailable counts only if no other answers either. Settings go to curl in a file: they may hold passwords.
_YUM = r"""
command -v curl >/dev/null || exit 0
umask 077
{
    for file in /etc/yum/vars/* /etc/dnf/vars/*; do
        [ ! -f "$file" ] || printf 'var\t%s\t%s\n' "${file##*/}" "$(head -n 1 "$file")"
    done
    printf 'var\tbasearch\t%s\nvar\tarch\t%s\n' "$(uname -m)" "$(uname -m)"
    printf 'var\treleasever\t%s\n' "${VERSION_ID%%.*}"
    for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
        [ ! -r "$file" ] || { echo '[]'; sed 's/\r$//' "$file"; }
    done
} | awk -v d="$d" '
    BEGIN {
        option["proxy"] = "proxy"; option["username"] = "user"; option["sslcacert"] = "cacert"
        option["sslclientcert"] = "cert"; option["sslclientkey"] = "key"
    }
    function expand(text,   name) {
        for (name in vars) gsub("[$][{]?" name "[}]?", vars[name], text)
        return text
    }
    function quoted(text,   i, letter, all) {
        for (i = 1; i <= length(text); i++) {
            letter = substr(text, i, 1)
            all = all (letter == "\\" || letter == "\"" ? "\\" : "") letter
        }
        return "\"" all "\""
    }
    function of(key) { return (id SUBSEP key) in setting ? setting[id, key] : setting["main", key] }
    function write_repo(   name, word, count, words, i) {
        if (id == "" || id == "main" || tolower(of("enabled")) ~ /^(0|no|false|off)/) return
        number++
        for (name in option) if (of(name) != "" && of(name) !~ /^_none_$/) {
            word = expand(of(name)); if (name == "username") word = word ":" expand(of("password"))
            print option[name] " = " quoted(word) > (d "/" number ".curl")
        }
        if (of("proxy") == "_none_") print "noproxy = \"*\"" > (d "/" number ".curl")
        if (of("proxy_username") != "")
            print "proxy-user = " quoted(of("proxy_username") ":" of("proxy_password")) > (d "/" number ".curl")
        if (tolower(of("sslverify")) ~ /^(0|no|false|off)/) print "insecure" > (d "/" number ".curl")
        print "silent" > (d "/" number ".curl"); close(d "/" number ".curl")
        print id, tolower(of("skip_if_unavailable")) ~ /^(1|yes|true|on)/ ? "may" : "must" > (d "/" number ".urls")
        for (name in is_url) {
            count = split(expand(of(name)), words, /[ ,]+/)
            for (i = 1; i <= count; i++) if (words[i] != "") print name, words[i] > (d "/" number ".urls")
        }
        close(d "/" number ".urls")
    }
    BEGIN {is_url["baseurl"] = is_url["mirrorlist"] = is_url["metalink"] = 1}
    /^var\t/ {split($0, words, "\t"); if (!(words[2] in vars)) vars[words[2]] = words[3]; next}
    /^[ \t]*([#;].*)?$/ {next}
    /^\[/ {write_repo(); id = $0; gsub(/^\[|\].*$/, "", id); key = ""; next}
    /^[^ \t]/ {key = $0; sub(/[ \t]*=.*/, "", key); value = $0; sub(/^[^=]*=[ \t]*/, "", value)}
    /^[^ \t]/ {setting[id, key] = value}
    /^[ \t]/ && key != "" {sub(/^[ \t]+/, ""); setting[id, key] = setting[id, key] " " $0}
    END {write_repo()}'
fetch() {
    printf 'url = "%s"\n' "$2" | curl -K "$d/$1.curl" -K - --show-error --fail --location \
        --connect-timeout 6 --max-time 10 --output "$d/$1.got" 2> "$d/$1.log"
}
listed() {
    sed -n -e 's/.*<url[^>]*>\([a-z]*:[^<]*repomd.xml\)<.*/\1/p' \
        -e 's|^\([a-z]*://[^ ]*[^ /]\)/* *$|\1/repodata/repomd.xml|p' "$d/$1.got" | head -n 3
}
answers() {
    tried= url=
    while read -r kind url; do
        tried=$url
        if [ "$kind" = baseurl ]; then
            fetch "$1" "${url%/}/repodata/repomd.xml" && break
        elif fetch "$1" "$url"; then
            for mirror in $(listed "$1"); do fetch "$1" "$mirror" && break 2; done
        fi
    done
    [ -z "$url" ] || { : > "$d/reached"; return; }
    reason=$(sed -n 's/^curl: ([0-9]*) *//p' "$d/$1.log" | head -n 1)
    printf '%s: %s (%s)\n' "$2" "${reason:-lists no URL that answers}" "${tried:-no URL}" |
        sed 's|//[^/@ ]*@|//|g' > "$d/$1.$3"
}
number=1
while [ -f "$d/$number.urls" ]; do
    { read -r name need; answers "$number" "$name" "$need"; } < "$d/$number.urls" &
    number=$((number + 1))
done
wait
cat "$d"/*.must > "$d/missed" 2>/dev/null
[ -s "$d/missed" ] || [ -e "$d/reached" ] || cat "$d"/*.may > "$d/missed" 2>/dev/null
if [ $number = 1 ]; then echo "no package source is configured"
elif [ -s "$d/missed" ]; then sort -u "$d/missed"; else echo reachable; fi
"""

# What keeps yum or dnf from a package: excludes of all repositories, and locked versions.
_YUM_LIMITS = r"""
for file in /etc/yum.conf /etc/dnf/dnf.conf; do
    [ ! -f "$file" ] || [ -L "$file" ] || awk -v file="$file" '
        /^\[/ {inside = $0 ~ /^\[main\]/; key = ""; next}
        /^[ \t]*([#;].*)?$/ {next}
        /^[^ \t]/ {key = $0; sub(/[ \t]*=.*/, "", key); line = FNR}
        inside && (key == "exclude" || key == "excludepkgs") {
            value = $0; if (value ~ /^[^ \t]/) sub(/^[^=]*=/, "", value)
            gsub(/[ \t,]+/, " ", value); sub(/^ /, "", value)
            if (value != "") print "package_exclude=" file ":" line " " value}' "$file"
done
for file in /etc/yum/pluginconf.d/versionlock.list /etc/dnf/plugins/versionlock.list; do
    [ ! -f "$file" ] || [ -L "$file" ] || awk -v file="$file" '
        /^[ \t]*(#.*)?$/ {next}
        {print "version_lock=" file ":" FNR " " $1}' "$file"
done
"""

_FIND_MANAGER = r"""
[ ! -r /etc/os-release ] || . /etc/os-release
manager=
case " ${ID:-} ${ID_LIKE:-} " in
*rhel*|*centos*|*fedora*) if command -v yum >/dev/null || command -v dnf >/dev/null; then manager=yum; fi ;;
*) if command -v apt-get >/dev/null; then manager=apt; fi ;;
esac
[ -n "$manager" ] || exit 0
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
"""


# Operating systems by ID and VERSION_ID, each with names of packages.
PackageNames = Sequence[Tuple[str, str, Sequence[str]]]


def build_command(package_names: PackageNames = ()) -> Command:
    """Return the command that tries the package source.

    It prints ``reachable`` or an error for each source, or what apt says; nothing if the package manager is unknown.
    ``package_names`` are those that apply would install on the node, for each system that it may have.
    """
    script = (
        f"{_FIND_MANAGER}if [ $manager = apt ]; then\n{apt_source.SCRIPT}\n"
        f"else {{\n{_YUM}\n}} | sed 's/^/package_source=/'; {_YUM_LIMITS}\nfi\n"
    )
    stdin = "".join(" ".join([os_id, version, *names]) + "\n" for os_id, version, names in package_names)
    return Command(
        script, stdin.encode(), timeout=TIMEOUT_SECONDS, description="ask the package source", concurrent=True
    )


def parse_result(reply: Reply) -> str:
    """Return the script's lines, or its error message if there are none."""
    if reply.code == TIMEOUT_EXIT_CODE:
        return f"no answer within {TIMEOUT_SECONDS:.0f} seconds"
    values_by_key = parse_key_values([reply])
    lines = values_by_key.get("package_source", [])
    output = [line[1:] for line in lines if line.startswith("@")]
    if not output:
        return "\n".join(lines).strip() or reply.err.strip()
    entries = apt_source.parse_entries(values_by_key.get("source_entry", ()))
    stanzas = named_texts([line[1:] for line in lines if line.startswith("#")])
    failures = apt_source.find_failures(output, entries, stanzas)
    return "\n".join(failures) or ("reachable" if entries else "no package source is configured")
