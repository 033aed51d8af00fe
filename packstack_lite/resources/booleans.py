"""SELinux's booleans: the switches of its policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.names import job_name

_BOOLEANS = r"""
getsebool -a 2>/dev/null | sed -n 's/ --> /\t/p'
rpm -q --quiet --whatprovides PACKAGE >/dev/null 2>&1 && printf 'policy\tinstalled\n'
exit 0
"""
# All in one transaction: each one for itself would build the whole policy again, some 20 seconds.
_SWITCH = r"""
set --
for name in $(cat); do
    getsebool "$name" >/dev/null 2>&1 ||
        { echo "the policy knows no $name: is PACKAGE's loaded? semodule -l | grep -i os-" >&2; exit 1; }
    set -- "$@" "$name=1"
done
setsebool -P "$@"
"""


@dataclass(frozen=True)
class Booleans(Resource):
    """These switches of the policy are on, for good. ``package`` brings the policy that knows them."""

    kind: ClassVar[str] = "booleans"
    names: Tuple[str, ...]
    package: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"booleans:{self.package}"

    def want(self) -> Optional[State]:
        return dict.fromkeys(self.names, "on")

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Booleans, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            lines = dict(line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line)
            if "policy" not in lines:
                return {self.id: Unknown(Phase.PACKAGES, f"{self.package} brings them")}
            return {self.id: {name: lines.get(name, "not in the policy") for name in self.names}}

        return Look(Command(_BOOLEANS.replace("PACKAGE", self.package), says="look at SELinux's booleans"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Booleans, gap.resource)._switch(gap) for gap in gaps]

    def _switch(self, gap: Gap) -> Job:
        script, names = _SWITCH.replace("PACKAGE", self.package), " ".join(gap.keys)
        return Job(job_name(self.id), script, names.encode(), timeout=600, says="switch SELinux's booleans on")
