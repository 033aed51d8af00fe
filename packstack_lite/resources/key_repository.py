"""Fernet key repositories, created once on the node and never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, TypedResource
from packstack_lite.resources.shell import parse_tsv
from packstack_lite.secret import quote_sh

# Standard input, one line per directory: OWNER DIRECTORY. Printed: the directory, its mode, and its owner, or the owner
# of a key in it that is another's. A key that others may read has its own mode printed in the directory's place.
_PROBE_SCRIPT = r"""
while read -r owner directory; do
    [ -s "$directory/0" ] || continue
    wrong=$(find "$directory" ! -user "$owner" -print -quit)
    open=$(find "$directory" -mindepth 1 -perm /077 -print -quit)
    printf '%s\t%s\t%s\n' "$directory" "$(stat -c '0%a' "${open:-$directory}")" "$(stat -c %U "${wrong:-$directory}")"
done
exit 0
"""


class KeyRepositoryState(TypedDict):
    """The presence of a staged key, and mode and owner of the directory and its keys."""

    present: bool
    mode: str
    owner: str


@dataclass(frozen=True)
class KeyRepository(TypedResource[KeyRepositoryState]):
    """A fernet key repository with a staged and a primary key.

    The files 0 (staged) and 1 (primary) hold 32 random bytes each, in urlsafe base64. Source of the format: keystone's
    fernet_utils. Writing the files takes 0.1 s, ``keystone-manage fernet_setup`` 3 s. Keys that a rotation by keystone
    adds are left alone.
    """

    kind: ClassVar[str] = "keys"
    directory: str
    owner: str
    group: str
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``keys:DIRECTORY``."""
        return f"keys:{self.directory}"

    @property
    def label(self) -> str:
        """Return ``fernet keys in DIRECTORY``."""
        return f"fernet keys in {self.directory}"

    def desired(self) -> KeyRepositoryState:
        """Return that a staged key is present, mode 0700, and the directory's owner."""
        return {"present": True, "mode": "0700", "owner": self.owner}

    @classmethod
    def probe(cls, resources: Sequence["KeyRepository"]) -> List[Probe[KeyRepositoryState]]:
        """Return one probe for all directories with a staged key.

        It reads mode and owner, of the keys too.
        """

        def parse(reply: Reply) -> Dict[str, Observed[KeyRepositoryState]]:
            """Return each directory's state, by resource id; None without a staged key."""
            rows = parse_tsv(reply, 2)
            states: Dict[str, Observed[KeyRepositoryState]] = {}
            for repository in resources:
                states[repository.id] = None
                if repository.directory in rows:
                    mode, owner = rows[repository.directory]
                    states[repository.id] = {"present": True, "mode": mode, "owner": owner}
            return states

        lines = "".join(f"{repository.owner} {repository.directory}\n" for repository in resources)
        return [Probe(Command(_PROBE_SCRIPT, stdin=lines.encode(), description="probe key repositories"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["KeyRepository"]]) -> List[Action]:
        """Return a command for each directory."""
        return [diff.resource._create_command() for diff in diffs]

    def _create_command(self) -> Command:
        """Return the command that creates missing keys and sets owner and mode.

        The keys are 0 (staged) and 1 (primary): 32 random bytes in URL-safe Base64. Existing keys stay.
        """
        directory, owner = quote_sh(self.directory), f"{self.owner}:{self.group}"
        script = f"""
umask 077
mkdir -p {directory}
for n in 1 0; do
    [ -s {directory}/$n ] && continue
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\\n' > {directory}/$n.new &&
        mv {directory}/$n.new {directory}/$n
done
chown -R {owner} {directory} && chmod 0700 {directory} && chmod 0600 {directory}/*
"""
        return Command(script, description=f"create fernet keys in {self.directory}")
