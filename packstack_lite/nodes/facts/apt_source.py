"""Ask apt whether an update succeeds, and whether pins and holds stop us.

Used by ``package_source``. Measured on a bare Debian 12, busy with two deployments: 1.7 s (0.3 s of CPU) for an update
of the Release files alone, 1.8 s and 9 MB for one of everything, 14 to 24 s (5 to 8 s of CPU) for a simulated
installation. So only Release files are fetched, and an installation is simulated only where a pin or a hold is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.nodes.facts.fields import Values

UPDATE_SECONDS = 35

# Part of package_source's script: $d is its scratch directory, standard input has a line OS VERSION NAMES per profile.
# The update has its own lists and cache, and no hooks of other packages. All of Release is checked as apt itself does:
# it is there, signed by a known key, and of the right time. apt.conf(5): #clear works in files only, and the file of
# -c is read last; the options of index targets are in apt's doc/acquire-additional-files.md.
SCRIPT = r"""
LC_ALL=C
export LC_ALL
chmod 711 "$d"
mkdir -p "$d/lists/partial" "$d/cache/archives/partial" "$d/none/partial"
eval "$(apt-config shell own_lists Dir::State::lists/d list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
# apt compares with the last Release, and asks before a suite becomes another release.
cp -p "$own_lists"*Release "$d/lists" 2>/dev/null
{
    printf '#clear APT::Update::%s;\n' Pre-Invoke Post-Invoke Post-Invoke-Success
    printf 'Dir::State::lists "%s/lists/";\nDir::Cache "%s/cache/";\n' "$d" "$d"
    printf 'Acquire::%s;\n' 'Retries "0"' 'http::Timeout "8"' 'https::Timeout "8"'
    apt-config dump | sed -n 's/^\(Acquire::IndexTargets::.*\)::MetaKey .*/\1::DefaultEnabled "false";/p'
} > "$d/conf"

in_memory='-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache='
# With a pattern it names packages that are not installed too: they may be on hold.
dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' '*' > "$d/status" 2>/dev/null
cat /etc/apt/preferences /etc/apt/preferences.d/* 2>/dev/null | grep -q '^Package:' && : > "$d/limited"
grep -q '^h' "$d/status" && : > "$d/limited"
names=$(awk -v os="${ID:-} ${VERSION_ID:-}" '$1 " " $2 == os {$1 = $2 = ""; print}')
# The package lists of the last update; without any there is nothing to simulate with.
if [ -e "$d/limited" ] && [ -n "$names" ] && ls "$own_lists"*Packages* >/dev/null 2>&1; then
    timeout 40 apt-get -s -y $in_memory --no-install-recommends install $names > "$d/simulated" 2>&1
    [ $? != 124 ] || : > "$d/simulated"
fi &

# SOURCESENTRY is FILE:LINE in a .list file and FILE:NUMBER-OF-STANZA in a .sources file.
for file in "$parts"*.sources; do
    [ ! -r "$file" ] || awk -v file="$file" '
        /^[ \t]*$/ {inside = 0; next}
        /^#/ {next}
        !inside {inside = 1; print file ":" ++stanza "|" file ":" FNR}' "$file"
done > "$d/stanzas"
# Without lists: apt would make its cache of all packages first (2 s).
apt-get $in_memory -o Dir::State::lists="$d/none/" indextargets --no-release-info \
    --format '$(SOURCESENTRY)|$(REPO_URI)|$(RELEASE)|$(ARCHITECTURE)' 2>/dev/null | sort -u > "$d/entries"
# A list that apt cannot read: what looks like a source.
[ -s "$d/entries" ] || for file in "$list" "$parts"*.list "$parts"*.sources; do
    [ ! -r "$file" ] || awk -v file="$file" '
        /^[ \t]*deb(-src)?[ \t]/ {sub(/\[[^]]*\]/, ""); print file ":" FNR "|" $2 "|" $3 "|"}
        /^URIs:/ {for (i = 2; i <= NF; i++) print file ":" FNR "|" $i "||"}' "$file"
done > "$d/entries"
awk -F '|' 'NR == FNR && FILENAME ~ /stanzas$/ {line[$1] = $2; next}
    {sub(/\/\/[^\/@ ]*@/, "//"); if ($1 in line) sub(/^[^|]*/, line[$1]); print "source_entry=" $0}
' "$d/stanzas" "$d/entries"
sed 's/|/ /; s/^/package_source=#/' "$d/stanzas"

timeout @seconds@ apt-get -q -c "$d/conf" update > "$d/output" 2>&1
[ $? != 124 ] || echo 'E: no answer within @seconds@ seconds' >> "$d/output"
sed 's|//[^/@ ]*@|//|g; s/^/package_source=@/' "$d/output"
for file in "$d"/lists/*Release; do
    [ ! -r "$file" ] || sed '/^SHA256:/,$d' "$file" | awk -v name="${file##*/}" '
        /^Origin:/ {sub(/^[^:]*: */, ""); origin = $0}
        /^Codename:/ {codename = $2}
        END {print "source_release=" name "|" origin "|" codename}'
done
[ -z "${VERSION_CODENAME:-}" ] || echo os_codename="$VERSION_CODENAME"
wait

for file in /etc/apt/preferences /etc/apt/preferences.d/*; do
    [ ! -f "$file" ] || awk -v place="$file" '
        /^Package:/ {line = FNR; names = $0; sub(/^[^:]*: */, "", names)}
        /^Pin-Priority:/ {priority = $2}
        /^Pin:/ {pin = $0; sub(/^[^:]*: */, "", pin)}
        /^[ \t]*$/ {end()}
        END {end()}
        function end() {
            if (names != "") print "pin=" place ":" line "|" names "|" pin "|" priority
            names = ""
        }' "$file"
done
# While dpkg runs, packages are unfinished for a moment.
grep -qxs dpkg /proc/[0-9]*/comm || awk 'substr($0, 2, 1) ~ /[UFHWt]/ || substr($0, 3, 1) == "R" {
    state = substr($0, 2, 1); word["U"] = "unpacked"; word["F"] = "half configured"; word["H"] = "half installed"
    print "unfinished_package=" $NF " (" (state in word ? word[state] : "awaits a trigger") ")"}' "$d/status"
awk '/^h/ {print "held_package=" $NF " " (substr($0, 2, 1) == "i" ? "installed" : "absent")}' "$d/status"
[ ! -s "$d/simulated" ] || awk -v names=" $names " '
    /^Inst / {if (index(names, " " $2 " ")) print "simulated_install=" $0; next}
    /^Conf / {next}
    /^The following packages have unmet/ {telling = 1}
    /^The following held packages/ {telling = 1; print "simulated_install=" $0; next}
    /^[^ ]/ && !/^The following packages have unmet/ && !/^The following held/ {telling = 0}
    telling || /^E: / {print "simulated_install=" $0}' "$d/simulated"
""".replace("@seconds@", str(UPDATE_SECONDS))


@dataclass(frozen=True)
class SourceEntry:
    """An enabled source of apt, for one architecture: a suite of an archive.

    ``place`` is FILE:LINE, in a .sources file the first line of the stanza. ``uri`` is without a password.
    ``architecture`` is "" or not a name where the suite has none.
    """

    place: str
    uri: str
    suite: str
    architecture: str = ""

    @property
    def is_disc(self) -> bool:
        """Return whether it is a CD or DVD that somebody would have to insert."""
        return self.uri.startswith("cdrom:")


@dataclass(frozen=True)
class SourceRelease:
    """A source's Release file; ``file_name`` is its name in apt's lists."""

    file_name: str
    origin: str
    codename: str


@dataclass(frozen=True)
class Pin:
    """A stanza of apt's preferences; ``place`` is FILE:LINE."""

    place: str
    names: str
    pin: str
    priority: str


def parse_entries(values: Values) -> Tuple[SourceEntry, ...]:
    """Parse rows PLACE|URI|SUITE|ARCHITECTURE.

    Raises ValueError for a row of another length.
    """
    return tuple(
        SourceEntry(place, uri, suite, architecture)
        for place, uri, suite, architecture in (value.split("|") for value in values)
    )


def parse_releases(values: Values) -> Tuple[SourceRelease, ...]:
    """Parse rows FILE|ORIGIN|CODENAME. Raises ValueError for a row of another length."""
    return tuple(
        SourceRelease(name, origin, codename) for name, origin, codename in (value.split("|") for value in values)
    )


def parse_pins(values: Values) -> Tuple[Pin, ...]:
    """Parse rows PLACE|NAMES|PIN|PRIORITY.

    Raises ValueError for a row with fewer columns.
    """
    # A regular expression in NAMES may contain the separator.
    rows = [re.fullmatch(r"([^|]*)\|(.*)\|([^|]*)\|([^|]*)", value) for value in values]
    if not all(rows):
        raise ValueError("a pin without its columns")
    return tuple(Pin(*row.groups()) for row in rows if row)


_FAILED_FETCH = re.compile(r"Err:\d+ (.+) (\S+) (?:InRelease|Release|Release\.gpg)\b.*")
_MALFORMED = re.compile(r"Malformed (?:entry|stanza|line) (\d+) in (?:list file|sources? list|sources file) (\S+) (.*)")
_ON_LINE = re.compile(r"(.*) on line (\d+) in (?:source list|list file) (\S+)")
# Sentences that say nothing of one source.
_GENERAL = ("The list of sources could not be read", "Some index files failed to download")


def find_failures(output: Sequence[str], entries: Sequence[SourceEntry], stanzas: Mapping[str, str]) -> List[str]:
    """Return what fails in ``apt-get update``, as ``FILE:LINE: URI SUITE: reason``.

    ``output`` are the lines of apt-get, ``stanzas`` map FILE:NUMBER of a stanza to FILE:LINE.
    """
    reasons: Dict[Tuple[str, str], str] = {}
    messages: List[str] = []
    for index, line in enumerate(output):
        failed = _FAILED_FETCH.fullmatch(line.rstrip())
        if failed:
            following = output[index + 1].strip() if output[index + 1 : index + 2] else ""
            is_reason = bool(following) and output[index + 1].startswith(" ")
            reasons[failed[1].rstrip("/"), failed[2]] = following if is_reason else "does not answer"
        elif re.match(r"(E|Error): ", line):
            messages.append(line.split(": ", 1)[1].strip())
    lines = [f"{_place_of(entries, uri, suite)}{uri} {suite}: {reason}" for (uri, suite), reason in reasons.items()]
    for message in messages:
        # The same source again: it has no Release file, is not signed.
        is_reported = any(uri in message and suite in message for uri, suite in reasons)
        if not is_reported and not message.startswith(_GENERAL):
            lines.append(_describe_message(message, entries, stanzas))
    return list(dict.fromkeys(lines))


def _describe_message(message: str, entries: Sequence[SourceEntry], stanzas: Mapping[str, str]) -> str:
    """Return a message of apt with FILE:LINE in front of it, if it is about a source."""
    malformed, on_line = _MALFORMED.fullmatch(message), _ON_LINE.fullmatch(message)
    if malformed:
        number, path, part = malformed.groups()
        return f"{stanzas.get(f'{path}:{number}', f'{path}:{number}')}: malformed entry {part}"
    if on_line:
        return f"{on_line[3]}:{on_line[2]}: {on_line[1]}"
    message = message.replace(" Updates for this repository will not be applied.", "")
    about = [entry for entry in entries if entry.uri.rstrip("/") in message and entry.suite.rstrip("/") in message]
    # http://host/debian is also the beginning of http://host/debian-security, and bookworm of bookworm-updates.
    longest = max(about, key=lambda entry: (len(entry.uri), len(entry.suite)), default=None)
    return f"{longest.place}: {message}" if longest else message


def _place_of(entries: Sequence[SourceEntry], uri: str, suite: str) -> str:
    """Return "FILE:LINE: " of a source, "" for one that no entry names."""
    places = [entry.place for entry in entries if (entry.uri.rstrip("/"), entry.suite) == (uri, suite)]
    return f"{places[0]}: " if places else ""
