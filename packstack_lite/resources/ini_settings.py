"""Single settings in a file of another owner: KEY=VALUE, in a section or not.

The rest of the file stays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple, Union

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import (
    Description,
    Diff,
    IndividualResource,
    Observed,
    Phase,
    Probe,
    describe_keys,
    join_names,
)
from packstack_lite.resources.shell import (
    REPLACE_FILE_SH,
    SCRATCH_DIR_SH,
    TRAILING_NEWLINE_SH,
    parse_pairs,
    require_ok,
)
from packstack_lite.secret import Secret, quote_sh, reveal_text

# First file: the desired settings, OPERATION KEY VALUE per line. OPERATION is set, add (add words to those that are
# there) or secret. mode=probe prints KEY VALUE of each as it is; mode=edit prints the file with the settings in it. A
# line that begins with white space continues the value before it.
_AWK = r"""
FNR == 1 { part++ }
part == 1 {
    split($0, fields, "\t")
    order[++setting_count] = fields[2]
    operation[fields[2]] = fields[1]
    value[fields[2]] = fields[3]
    next
}
{
    line[++count] = $0
    continues = $0 ~ /^[ \t]+[^ \t#;\r]/
    if ($0 ~ /^\[[^]]*\]/) {
        current = substr($0, 2, index($0, "]") - 2)
        key = ""
        if (current == section && !header) header = count
    } else if ($0 ~ /^[#;]/ || $0 ~ /^[ \t\r]*$/) {
        next
    } else if (!continues) {
        key = $0
        sub(/[ \t]*[=:].*/, "", key)
    }
    if (current != section || !(key in operation)) next
    text = $0
    if (!continues) sub(/^[^=:]*[=:]/, "", text)
    gsub(/^[ \t]+|[ \t\r]+$/, "", text)
    if (continues) {
        old[key] = old[key] " " text
        drop[count] = 1
    } else {
        old[key] = text
        if (key in at) drop[at[key]] = 1
        at[key] = count
    }
}
END {
    for (i = 1; i <= setting_count; i++) {
        key = order[i]
        if (mode == "probe") printf "%s\t%s\n", key, (key in at ? old[key] : "")
        else if (key in at) line[at[key]] = key "=" whole(key)
        else new[++news] = key "=" whole(key)
    }
    if (mode == "probe") exit
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
    if (operation[key] != "add") return value[key]
    have = old[key]
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
cat > "$work/desired"
present() { [ -f "$file" ] && { [ -z "$section" ] || grep -qF -e "[$section]" "$file"; }; }
"""
)

_PROBE_SCRIPT = (
    _PRELUDE_SH
    + r"""
present || exit 3
stat -L -c 'mode	%a' -- "$file"
awk -v mode=probe -v section="$section" "$program" "$work/desired" "$file" > "$work/values"
while IFS='	' read -r key value; do
    if grep -q "^secret	$key	" "$work/desired" && [ -n "$value" ]; then
        value=$(printf %s "$value" | sha256sum) value=${value%% *}
    fi
    printf '%s\t%s\n' "$key" "$value"
done < "$work/values"
"""
)

_FIX_SCRIPT = (
    _PRELUDE_SH
    + TRAILING_NEWLINE_SH
    + REPLACE_FILE_SH
    + r"""
present || { echo "$file${section:+ with a section [$section]} does not exist" >&2; exit 1; }
awk -v mode=edit -v section="$section" -v ends="$(ends "$file")" "$program" "$work/desired" "$file" > "$work/new" ||
    exit 1
[ -z "$mode" ] || { keep "$(readlink -f -- "$file")" && chmod "$mode" -- "$file"; } || exit 1
put "$file" "$work/new"
"""
)


SettingsState = Mapping[str, str]
"""Values by key, a secret's as its digest; ``mode`` of the file."""


@dataclass(frozen=True)
class IniSettings(IndividualResource[SettingsState]):
    """Keys of a section ("" in a file without sections) with these values.

    The rest of the file stays. ``append`` adds a value's words to those that are there. ``mode`` is the file's mode,
    where it matters. With ``ignore_missing`` nothing is desired while the file or the section does not exist.
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
        """Return ``settings:PATH[SECTION]``."""
        return f"settings:{self.path}" + (f"[{self.section}]" if self.section else "")

    @property
    def label(self) -> str:
        """Return ``PATH [SECTION]``."""
        return self.path + (f" [{self.section}]" if self.section else "")

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the keys whose values are secrets."""
        return frozenset(key for key, value in self.values if isinstance(value, Secret))

    def desired(self) -> SettingsState:
        """Return the comparable value of each key, and the file's mode if it is ours."""
        desired = {key: _comparable_value(value) for key, value in self.values}
        return {**desired, "mode": self.mode} if self.mode else desired

    def describe(self, diff: Diff["IniSettings"]) -> Description:
        """Describe the keys that are set or that differ."""
        if diff.state() is None:
            return Description(f"set {join_names([key for key, _ in self.values])} in {self.label}")
        return Description(f"change {self.label}", describe_keys(diff))

    def probe_one(self) -> Probe[SettingsState]:
        """Return the probe that reads the values of these keys, and the file's mode."""
        return Probe(self._command(_PROBE_SCRIPT, f"probe settings in {self.path}"), self._parse)

    def _command(self, script: str, description: str) -> Command:
        """Return a command that runs a script with the file, the section and the values."""
        variables = f"file={quote_sh(self.path)} section={quote_sh(self.section)} mode={quote_sh(self.mode)}"
        lines = "".join(f"{self._operation(value)}\t{key}\t{reveal_text(value)}\n" for key, value in self.values)
        return Command(
            f"program={quote_sh(_AWK)}\n{variables}\n{script}", stdin=lines.encode(), description=description
        )

    def _operation(self, value: Union[str, Secret]) -> str:
        """Return what the program does with a value: "set", "add" or "secret"."""
        return "secret" if isinstance(value, Secret) else "add" if self.append else "set"

    def _parse(self, reply: Reply) -> Dict[str, Observed[SettingsState]]:
        """Return the keys' values and the file's mode.

        Without the file that is None, or with ``ignore_missing`` the desired state.
        """
        if reply.code == 3:
            return {self.id: self.desired() if self.ignore_missing else None}
        values = parse_pairs(reply.out)
        require_ok(reply, {key for key, _ in self.values} <= set(values))
        observed = {key: self._observed_value(values[key], value) for key, value in self.values}
        return {self.id: {**observed, "mode": values.get("mode", "").zfill(4)}}

    def _observed_value(self, text: str, value: Union[str, Secret]) -> str:
        """Return the observed value in the form of ``desired``.

        With ``append`` this is the desired value if all its words are there.
        """
        if isinstance(value, Secret):
            return f"sha256 {text[:12]}" if text else "nothing"
        present_words = set(text.replace(",", " ").split())
        return value if self.append and set(value.split()) <= present_words else text or "nothing"

    def fix_one(self, diff: Diff["IniSettings"]) -> Command:
        """Return the command that sets the keys in the file and keeps its other lines."""
        keys = ", ".join(key for key, _ in self.values)
        return self._command(_FIX_SCRIPT, f"set {keys} in {self.path}")


def _comparable_value(value: Union[str, Secret]) -> str:
    """Return the value as in the state: a secret's is its digest."""
    if isinstance(value, Secret):
        return f"sha256 {hashlib.sha256(value.reveal().encode()).hexdigest()[:12]}"
    return value
