"""Single settings in somebody else's file: KEY=VALUE, in a section or not; the rest of the file stays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.edit_sh import REPLACE_FILE_SH, SCRATCH_DIR_SH, TRAILING_NEWLINE_SH
from packstack_lite.secret import Secret, quote_sh, reveal_text

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

_PRELUDE_SH = (
    SCRATCH_DIR_SH
    + r"""
cat > "$work/wanted"
there() { [ -f "$file" ] && { [ -z "$section" ] || grep -qF -e "[$section]" "$file"; }; }
"""
)

_PROBE_SCRIPT = (
    _PRELUDE_SH
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

_FIX_SCRIPT = (
    _PRELUDE_SH
    + TRAILING_NEWLINE_SH
    + REPLACE_FILE_SH
    + r"""
there || { echo "there is no $file${section:+ with a section [$section]}" >&2; exit 1; }
awk -v mode=edit -v section="$section" -v ends="$(ends "$file")" "$program" "$work/wanted" "$file" > "$work/new" ||
    exit 1
[ -z "$mode" ] || { keep "$(readlink -f -- "$file")" && chmod "$mode" -- "$file"; } || exit 1
put "$file" "$work/new"
"""
)


@dataclass(frozen=True)
class IniSettings(Resource):
    """Keys of a section ("" in a file without sections) with these values; whatever else stands there stays.

    ``add`` adds a value's words to those that are there. ``mode`` is the file's mode, where it matters. ``optional``
    means that nothing is wanted where the file or the section is not there.
    """

    kind: ClassVar[str] = "settings"
    path: str
    values: Tuple[Tuple[str, Union[str, Secret]], ...]
    section: str = ""
    append: bool = False
    mode: str = ""
    ignore_missing: bool = False
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"settings:{self.path}" + (f"[{self.section}]" if self.section else "")

    def desired(self) -> Optional[State]:
        desired = {key: _comparable_value(value) for key, value in self.values}
        return {**desired, "mode": self.mode} if self.mode else desired

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(IniSettings, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        return Probe(self._command(_PROBE_SCRIPT, f"look at {self.path}"), self._parse)

    def _command(self, script: str, description: str) -> Command:
        variables = f"file={quote_sh(self.path)} section={quote_sh(self.section)} mode={quote_sh(self.mode)}"
        lines = "".join(f"{self._operation(value)}\t{key}\t{reveal_text(value)}\n" for key, value in self.values)
        return Command(
            f"program={quote_sh(_AWK)}\n{variables}\n{script}", stdin=lines.encode(), description=description
        )

    def _operation(self, value: Union[str, Secret]) -> str:
        return "secret" if isinstance(value, Secret) else "add" if self.append else "set"

    def _parse(self, reply: Reply) -> Dict[str, Observed]:
        if reply.code == 3:
            return {self.id: self.desired() if self.ignore_missing else None}
        lines = dict(line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line)
        missing = {key for key, _ in self.values} - set(lines)
        if not reply.ok or missing:
            raise ValueError(f"exit {reply.code}: {reply.err.strip()[-300:]}")
        observed = {key: self._observed_value(lines[key], value) for key, value in self.values}
        return {self.id: {**observed, "mode": lines.get("mode", "").zfill(4)}}

    def _observed_value(self, text: str, value: Union[str, Secret]) -> str:
        """What is there, in the words of ``want``: added words stand for whatever holds them all."""
        if isinstance(value, Secret):
            return f"sha256 {text[:12]}" if text else "nothing"
        present_words = set(text.replace(",", " ").split())
        return value if self.append and set(value.split()) <= present_words else text or "nothing"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        resources = [cast(IniSettings, diff.resource) for diff in diffs]
        return [resource._command(_FIX_SCRIPT, f"set {resource._keys} in {resource.path}") for resource in resources]

    @property
    def _keys(self) -> str:
        return ", ".join(key for key, _ in self.values)


def _comparable_value(value: Union[str, Secret]) -> str:
    if isinstance(value, Secret):
        return f"sha256 {hashlib.sha256(value.reveal().encode()).hexdigest()[:12]}"
    return value
