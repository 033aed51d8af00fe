"""Single settings in somebody else's file: KEY=VALUE, in a section or not; the rest of the file stays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.edited import ENDS, PUT, SCRATCH
from packstack_lite.secret import Secret, plain, sh

# First file: what is wanted, HOW KEY VALUE per line, HOW being set, add (words to those that are there) or secret.
# mode=look prints KEY VALUE of each as it is; otherwise the file is printed with them in it. A line that begins with
# white space goes on with the value before.
_AWK = r"""
FNR == 1 { part++ }
part == 1 {
    split($0, said, "\t")
    order[++wanted] = said[2]
    how[said[2]] = said[1]
    value[said[2]] = said[3]
    next
}
{
    line[++count] = $0
    further = $0 ~ /^[ \t]+[^ \t#;\r]/
    if ($0 ~ /^\[[^]]*\]/) {
        current = substr($0, 2, index($0, "]") - 2)
        key = ""
        if (current == section && !header) header = count
    } else if ($0 ~ /^[#;]/ || $0 ~ /^[ \t\r]*$/) {
        next
    } else if (!further) {
        key = $0
        sub(/[ \t]*[=:].*/, "", key)
    }
    if (current != section || !(key in how)) next
    text = $0
    if (!further) sub(/^[^=:]*[=:]/, "", text)
    gsub(/^[ \t]+|[ \t\r]+$/, "", text)
    if (further) {
        seen[key] = seen[key] " " text
        drop[count] = 1
    } else {
        seen[key] = text
        if (key in at) drop[at[key]] = 1
        at[key] = count
    }
}
END {
    for (i = 1; i <= wanted; i++) {
        key = order[i]
        if (mode == "look") printf "%s\t%s\n", key, (key in at ? seen[key] : "")
        else if (key in at) line[at[key]] = key "=" whole(key)
        else new[++news] = key "=" whole(key)
    }
    if (mode == "look") exit
    for (i = 1; i <= count; i++) {
        if (i in drop) continue
        out(line[i])
        if (i == header) for (j = 1; j <= news; j++) out(new[j])
    }
    if (section == "") for (j = 1; j <= news; j++) out(new[j])
    if (count && ends) printf "\n"
}
function out(text) {
    printf "%s%s", (printed++ ? "\n" : ""), text
}
function whole(key,    have, n, words, i) {
    if (how[key] != "add") return value[key]
    have = seen[key]
    gsub(/,/, " ", have)
    n = split(value[key], words, " ")
    for (i = 1; i <= n; i++)
        if (index(" " have " ", " " words[i] " ") == 0) have = have (have == "" ? "" : " ") words[i]
    return have
}
"""

_FILE = (
    SCRATCH
    + r"""
cat > "$work/wanted"
there() { [ -f "$file" ] && { [ -z "$section" ] || grep -qF -e "[$section]" "$file"; }; }
"""
)

_LOOK = (
    _FILE
    + r"""
there || exit 3
stat -L -c 'mode	%a' -- "$file"
awk -v mode=look -v section="$section" "$program" "$work/wanted" "$file" > "$work/seen"
while IFS='	' read -r key value; do
    if grep -q "^secret	$key	" "$work/wanted" && [ -n "$value" ]; then
        value=$(printf %s "$value" | sha256sum) value=${value%% *}
    fi
    printf '%s\t%s\n' "$key" "$value"
done < "$work/seen"
"""
)

_CLOSE = (
    _FILE
    + ENDS
    + PUT
    + r"""
there || { echo "there is no $file${section:+ with a section [$section]}" >&2; exit 1; }
awk -v mode=edit -v section="$section" -v ends="$(ends "$file")" "$program" "$work/wanted" "$file" > "$work/new" ||
    exit 1
[ -z "$mode" ] || { keep "$(readlink -f -- "$file")" && chmod "$mode" -- "$file"; } || exit 1
put "$file" "$work/new"
"""
)


@dataclass(frozen=True)
class Settings(Resource):
    """Keys of a section ("" in a file without sections) with these values; whatever else stands there stays.

    ``add`` adds a value's words to those that are there. ``mode`` is the file's mode, where it matters. ``optional``
    means that nothing is wanted where the file or the section is not there.
    """

    kind: ClassVar[str] = "settings"
    path: str
    values: Tuple[Tuple[str, Union[str, Secret]], ...]
    section: str = ""
    add: bool = False
    mode: str = ""
    optional: bool = False
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"settings:{self.path}" + (f"[{self.section}]" if self.section else "")

    def want(self) -> Optional[State]:
        wanted = {key: _told(value) for key, value in self.values}
        return {**wanted, "mode": self.mode} if self.mode else wanted

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Settings, member)._look() for member in group]

    def _look(self) -> Look:
        return Look(self._command(_LOOK, f"look at {self.path}"), self._parse)

    def _command(self, script: str, says: str) -> Command:
        where = f"file={sh(self.path)} section={sh(self.section)} mode={sh(self.mode)}"
        lines = "".join(f"{self._how(value)}\t{key}\t{plain(value)}\n" for key, value in self.values)
        return Command(f"program={sh(_AWK)}\n{where}\n{script}", stdin=lines.encode(), says=says)

    def _how(self, value: Union[str, Secret]) -> str:
        return "secret" if isinstance(value, Secret) else "add" if self.add else "set"

    def _parse(self, reply: Reply) -> Dict[str, Seen]:
        if reply.code == 3:
            return {self.id: self.want() if self.optional else None}
        lines = dict(line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line)
        missing = {key for key, _ in self.values} - set(lines)
        if not reply.ok or missing:
            raise ValueError(f"exit {reply.code}: {reply.err.strip()[-300:]}")
        seen = {key: self._seen(lines[key], value) for key, value in self.values}
        return {self.id: {**seen, "mode": lines.get("mode", "").zfill(4)}}

    def _seen(self, text: str, value: Union[str, Secret]) -> str:
        """What is there, in the words of ``want``: added words stand for whatever holds them all."""
        if isinstance(value, Secret):
            return f"sha256 {text[:12]}" if text else "nothing"
        held = set(text.replace(",", " ").split())
        return value if self.add and set(value.split()) <= held else text or "nothing"

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        resources = [cast(Settings, gap.resource) for gap in gaps]
        return [resource._command(_CLOSE, f"set {resource._keys} in {resource.path}") for resource in resources]

    @property
    def _keys(self) -> str:
        return ", ".join(key for key, _ in self.values)


def _told(value: Union[str, Secret]) -> str:
    if isinstance(value, Secret):
        return f"sha256 {hashlib.sha256(value.reveal().encode()).hexdigest()[:12]}"
    return value
