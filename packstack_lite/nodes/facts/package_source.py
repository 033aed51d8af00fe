"""Ask whether the package source answers, with the package manager's own settings, changing nothing.

``software.SoftwareFacts.package_source`` holds the result.
"""

from __future__ import annotations

from packstack_lite.nodes.facts.fields import parse_key_values
from packstack_lite.remote.command import Command, Reply

TIMEOUT_SECONDS = 50.0
# The exit code of a command that took too long.
TIMEOUT_EXIT_CODE = 124

# What apt would fetch first, fetched with apt's own settings (proxies too) and thrown away. Not "update":
# that runs the hooks of others.
_APT = r"""
helper=/usr/lib/apt/apt-helper
fetch() {
    timeout 20 "$helper" -q -o Acquire::Retries=0 -o Acquire::http::Timeout=8 -o Acquire::https::Timeout=8 \
        -o APT::Sandbox::User=root download-file "$1" "$d/$2"
}
answers() {
    fetch "$1" "$2" > "$d/$2.said" 2>&1 && return
    fetch "${1%InRelease}Release" "$2" >/dev/null 2>&1 && return
    [ -z "$url" ] || { : > "$d/reached"; return; }
    reason=$(sed -n 's/^E: *//p' "$d/$2.said" | head -n 1)
    printf '%s\n' "${reason:-$1 does not answer}" | sed 's|//[^/@ ]*@|//|g'
}
apt-get update --print-uris 2>"$d/trouble" | sed -n "s/^'\(.*InRelease\)'.*/\1/p" |
    grep -v '^cdrom:' | sort -u > "$d/uris"
if [ ! -s "$d/uris" ]; then
    trouble=$(grep '^E:' "$d/trouble" | head -n 1)
    echo "${trouble:-no package source is configured}"
    exit 0
fi
number=0
while read -r uri; do
    number=$((number + 1))
    answers "$uri" "$number" &
done < "$d/uris" > "$d/answers"
wait
if [ -s "$d/answers" ]; then sort -u "$d/answers"; else echo reachable; fi
"""

# What yum would fetch first of every enabled repository, repomd.xml, fetched with yum's own settings (proxy,
# certificates, user) and thrown away. Not "makecache": that loads all of it, and writes it into yum's cache. A
# repository that may be skipped counts where no other answers either. Settings go to curl in a file, as they may
# hold passwords.
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
    function full(text,   name) {
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
    function of(key) { return (id SUBSEP key) in said ? said[id, key] : said["main", key] }
    function tell(   name, word, count, words, i) {
        if (id == "" || id == "main" || tolower(of("enabled")) ~ /^(0|no|false|off)/) return
        number++
        for (name in option) if (of(name) != "" && of(name) !~ /^_none_$/) {
            word = full(of(name)); if (name == "username") word = word ":" full(of("password"))
            print option[name] " = " quoted(word) > (d "/" number ".curl")
        }
        if (of("proxy") == "_none_") print "noproxy = \"*\"" > (d "/" number ".curl")
        if (of("proxy_username") != "")
            print "proxy-user = " quoted(of("proxy_username") ":" of("proxy_password")) > (d "/" number ".curl")
        if (tolower(of("sslverify")) ~ /^(0|no|false|off)/) print "insecure" > (d "/" number ".curl")
        print "silent" > (d "/" number ".curl"); close(d "/" number ".curl")
        print id, tolower(of("skip_if_unavailable")) ~ /^(1|yes|true|on)/ ? "may" : "must" > (d "/" number ".urls")
        for (name in place) {
            count = split(full(of(name)), words, /[ ,]+/)
            for (i = 1; i <= count; i++) if (words[i] != "") print name, words[i] > (d "/" number ".urls")
        }
        close(d "/" number ".urls")
    }
    BEGIN {place["baseurl"] = place["mirrorlist"] = place["metalink"] = 1}
    /^var\t/ {split($0, words, "\t"); if (!(words[2] in vars)) vars[words[2]] = words[3]; next}
    /^[ \t]*([#;].*)?$/ {next}
    /^\[/ {tell(); id = $0; gsub(/^\[|\].*$/, "", id); key = ""; next}
    /^[^ \t]/ {key = $0; sub(/[ \t]*=.*/, "", key); value = $0; sub(/^[^=]*=[ \t]*/, "", value); said[id, key] = value}
    /^[ \t]/ && key != "" {sub(/^[ \t]+/, ""); said[id, key] = said[id, key] " " $0}
    END {tell()}'
fetch() {
    printf 'url = "%s"\n' "$2" | curl -K "$d/$1.curl" -K - --show-error --fail --location \
        --connect-timeout 6 --max-time 10 --output "$d/$1.got" 2> "$d/$1.said"
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
            for place in $(listed "$1"); do fetch "$1" "$place" && break 2; done
        fi
    done
    [ -z "$url" ] || { : > "$d/reached"; return; }
    reason=$(sed -n 's/^curl: ([0-9]*) *//p' "$d/$1.said" | head -n 1)
    printf '%s: %s (%s)\n' "$2" "${reason:-names no place that answers}" "${tried:-no URL}" |
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


def build_command() -> Command:
    """Return the script. It prints ``reachable`` or an error for each source; nothing if it knows no manager."""
    script = (
        f"{_FIND_MANAGER}{{ if [ $manager = apt ]; then\n{_APT}\nelse\n{_YUM}\nfi; }} | sed 's/^/package_source=/'\n"
    )
    return Command(script, timeout=TIMEOUT_SECONDS, description="ask the package source", concurrent=True)


def parse_result(reply: Reply) -> str:
    """Return what the script printed, a line for each source; its error message if it printed nothing."""
    if reply.code == TIMEOUT_EXIT_CODE:
        return f"no answer within {TIMEOUT_SECONDS:.0f} seconds"
    return "\n".join(parse_key_values([reply]).get("package_source", ())).strip() or reply.err.strip()
