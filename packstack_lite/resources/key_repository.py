"""Key repositories that are made once, on the host, and never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.tsv import parse_tsv
from packstack_lite.secret import quote_sh

_PROBE_SCRIPT = r"""
for directory in DIRECTORIES; do
    [ -s "$directory/0" ] && printf '%s\t%s\n' "$directory" "$(stat -c '0%a	%U' "$directory")"
done
exit 0
"""


@dataclass(frozen=True)
class KeyRepository(Resource):
    """A fernet key repository: files 0 (staged) and 1 (primary), 32 random bytes in urlsafe base64 each.

    Source of the format: keystone's fernet_utils; writing it directly takes 0.1 s instead of
    the 3 s of ``keystone-manage fernet_setup``. Rotation by keystone adds files, which is fine.
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
        return f"keys:{self.directory}"

    def desired(self) -> Optional[State]:
        return {"present": True, "mode": "0700", "owner": self.owner}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        repositories = cast("Sequence[KeyRepository]", resources)
        script = _PROBE_SCRIPT.replace(
            "DIRECTORIES", " ".join(quote_sh(repository.directory) for repository in repositories)
        )

        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = parse_tsv(reply, 2)
            return {
                repository.id: {
                    "present": True,
                    "mode": lines[repository.directory][0],
                    "owner": lines[repository.directory][1],
                }
                if repository.directory in lines
                else None
                for repository in repositories
            }

        return [Probe(Command(script, description="look at key repositories"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(KeyRepository, diff.resource)._make() for diff in diffs]

    def _make(self) -> Command:
        directory, owner = quote_sh(self.directory), f"{self.owner}:{self.group}"
        script = f"""
umask 077
mkdir -p {directory}
for n in 1 0; do
    [ -s {directory}/$n ] && continue
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\\n' > {directory}/$n.new && mv {directory}/$n.new {directory}/$n
done
chown -R {owner} {directory} && chmod 0700 {directory} && chmod 0600 {directory}/*
"""
        return Command(script, description=f"make keys in {self.directory}")
