"""SELinux's booleans: the switches of its policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.resources.job_names import job_name

_PROBE_SCRIPT = r"""
getsebool -a 2>/dev/null | sed -n 's/ --> /\t/p'
rpm -q --quiet --whatprovides PACKAGE >/dev/null 2>&1 && printf 'policy\tinstalled\n'
exit 0
"""
# All in one transaction: each one for itself would build the whole policy again, some 20 seconds.
_ENABLE_SCRIPT = r"""
set --
for name in $(cat); do
    getsebool "$name" >/dev/null 2>&1 ||
        { echo "the policy knows no $name: is PACKAGE's loaded? semodule -l | grep -i os-" >&2; exit 1; }
    set -- "$@" "$name=1"
done
setsebool -P "$@"
"""


@dataclass(frozen=True)
class SelinuxBooleans(Resource):
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

    def desired(self) -> Optional[State]:
        return dict.fromkeys(self.names, "on")

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(SelinuxBooleans, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = dict(line.split("\t", 1) for line in reply.out.splitlines() if "\t" in line)
            if "policy" not in lines:
                return {self.id: Unknown(Phase.PACKAGES, f"{self.package} brings them")}
            return {self.id: {name: lines.get(name, "not in the policy") for name in self.names}}

        return Probe(
            Command(_PROBE_SCRIPT.replace("PACKAGE", self.package), description="look at SELinux's booleans"), parse
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(SelinuxBooleans, diff.resource)._enable(diff) for diff in diffs]

    def _enable(self, diff: Diff) -> Job:
        script, names = _ENABLE_SCRIPT.replace("PACKAGE", self.package), " ".join(diff.keys)
        return Job(job_name(self.id), script, names.encode(), timeout=600, description="switch SELinux's booleans on")
