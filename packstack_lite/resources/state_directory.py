"""Directories that services write to, with their owner and mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Description, Diff, Observed, Phase, Probe, TypedResource, Unknown, join_names
from packstack_lite.resources.shell import parse_tsv
from packstack_lite.secret import quote_sh

# Standard input, one line per directory: PATH OWNER, and find's conditions for what in it has to be the owner's ("-"
# for nothing). Printed: PATH, its type, mode and owner, and the first path in it that is another's ("-" for none).
# Without the account the type is "unknown".
_PROBE_SCRIPT = r"""
while read -r path owner conditions; do
    if ! id -u "$owner" >/dev/null 2>&1; then printf '%s\tunknown\t-\t-\t-\n' "$path"; continue; fi
    [ -e "$path" ] || continue
    other=
    if [ "$conditions" != - ]; then
        set -f
        other=$(find -H "$path" -xdev -mindepth 1 $conditions ! -user "$owner" -print -quit 2>/dev/null)
        set +f
    fi
    printf '%s\t%s\t%s\n' "$path" "$(stat -L -c '%F	%a	%U' -- "$path")" "${other:--}"
done
"""
_GIVE_SCRIPT = r"""
mkdir -p %(path)s && chown %(owner)s: %(path)s && chmod %(mode)s %(path)s || exit 1
"""
# Standard input: find's conditions, as the probe has them.
_GIVE_CONTENT_SCRIPT = r"""
read -r conditions
set -f
find -H %(path)s -xdev -mindepth 1 $conditions ! -user %(owner)s -exec chown -h %(owner)s: {} +
"""
# Access that the owner needs at least, where a directory's mode is not prescribed.
OWNER_ACCESS = "u=rwx"
_FIND_CONDITIONS = {
    "all": "",
    # Nova opens its locks in it, its list of the hypervisors that share the directory, and the formats of its disks.
    "instances": "( -type d -o -path */locks/* -o -name compute_nodes -o -name disk.info )",
    "top": "-maxdepth 1",
    # A store of objects has millions of files: only its first two levels are looked at, and all is mended.
    "store": "-maxdepth 2",
}
_GIVE_CONDITIONS = {**_FIND_CONDITIONS, "store": ""}

StateDirectoryState = Mapping[str, str]
"""``type``, ``mode``, ``owner``; ``content``: the first path in the directory that is another's, "-" for none."""


@dataclass(frozen=True)
class StateDirectory(TypedResource[StateDirectoryState]):
    """A directory that a service writes to, with its owner and mode.

    Its package makes it. ``mode`` "" demands only that the owner can read, write and enter it. ``content`` says what in
    it belongs to the owner too: "all", "instances" (what Nova writes itself; disks change owners), "top" (what is
    directly in it), "store" (all, but only its first two levels are looked at) or "" (not looked at). ``excluded`` are
    names in it, or patterns, that are left alone with all below them. Other file systems that are mounted in it are
    never looked at.
    """

    kind: ClassVar[str] = "state_directory"
    path: str
    owner: str
    mode: str = ""
    content: str = ""
    excluded: Tuple[str, ...] = ()
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``state_directory:PATH``."""
        return f"state_directory:{self.path}"

    @property
    def label(self) -> str:
        """Return the path."""
        return self.path

    def desired(self) -> StateDirectoryState:
        """Return the type, the mode, the owner, and that nothing in it is another's."""
        return {"type": "directory", "mode": self.mode or OWNER_ACCESS, "owner": self.owner, "content": "-"}

    def describe(self, diff: Diff["StateDirectory"]) -> Description:
        """Describe the creation, or what is given back to the owner."""
        state = diff.state()
        if state is None:
            return Description(f"create directory {self.path}")
        return Description(f"give {self.path} to {self.owner}", join_names(self._faults(diff, state)))

    def describe_drift(self, diff: Diff["StateDirectory"]) -> str:
        """Describe the wrong owner or mode, and the first path with a wrong owner."""
        state = diff.state()
        if state is None:
            return f"directory {self.path} is missing"
        return f"{self.path}: {join_names(self._faults(diff, state))}"

    def _faults(self, diff: Diff["StateDirectory"], state: StateDirectoryState) -> List[str]:
        """Return what is wrong, in words."""
        desired = self.desired()
        faults = [f"{key} is {state[key]} (should be {desired[key]})" for key in diff.keys if key != "content"]
        return [*faults, *([f"{state['content']} is not {self.owner}'s"] if "content" in diff.keys else [])]

    @classmethod
    def probe(cls, resources: Sequence["StateDirectory"]) -> List[Probe[StateDirectoryState]]:
        """Return one probe for all directories."""

        def parse(reply: Reply) -> Dict[str, Observed[StateDirectoryState]]:
            """Return each directory's state, by id.

            None if it is missing, Unknown if its owner's account is.
            """
            rows = parse_tsv(reply, 4)
            return {directory.id: directory._parse_state(rows.get(directory.path, [])) for directory in resources}

        lines = "".join(
            f"{directory.path} {directory.owner} {directory._conditions(_FIND_CONDITIONS)}\n" for directory in resources
        )
        return [Probe(Command(_PROBE_SCRIPT, stdin=lines.encode(), description="probe state directories"), parse)]

    def _parse_state(self, fields: Sequence[str]) -> Observed[StateDirectoryState]:
        """Return the state from the fields of one line of the probe, [] for none."""
        if not fields:
            return None
        type_, mode, owner, other = fields
        if type_ == "unknown":
            return Unknown(Phase.PACKAGES, f"the account {self.owner} does not exist yet")
        mode = mode.zfill(4)
        if not self.mode and int(mode, 8) & 0o700 == 0o700:
            mode = OWNER_ACCESS
        return {"type": type_, "mode": mode, "owner": owner, "content": other}

    def _conditions(self, by_content: Mapping[str, str]) -> str:
        """Return find's conditions for what has to be the owner's; "-" for nothing.

        Patterns in it are not quoted: the script splits it at blanks and expands nothing.
        """
        if not self.content:
            return "-"
        names = " -o ".join(f"-name {name}" for name in self.excluded)
        # -maxdepth has to be the first.
        excluded = f"( {names} ) -prune -o" if names else ""
        condition = by_content[self.content]
        parts = [condition, excluded] if condition.startswith("-maxdepth") else [excluded, condition]
        return " ".join(part for part in parts if part) or "-true"

    @classmethod
    def fix(cls, diffs: Sequence[Diff["StateDirectory"]]) -> List[Action]:
        """Return a command for each directory, which gives it to its owner."""
        return [diff.resource._give_command() for diff in diffs]

    def _give_command(self) -> Command:
        """Return the command that sets owner and mode; it makes a missing directory."""
        path, owner = quote_sh(self.path), quote_sh(self.owner)
        values = {"path": path, "owner": owner, "mode": self.mode or OWNER_ACCESS}
        script = _GIVE_SCRIPT % values + (_GIVE_CONTENT_SCRIPT % values if self.content else "")
        description = f"give {self.path} to {self.owner}"
        return Command(
            script, stdin=f"{self._conditions(_GIVE_CONDITIONS)}\n".encode(), timeout=600, description=description
        )
