"""SELinux booleans: switches of the SELinux policy, on now and after each boot.

One that the policy does not have is a difference, and its fix fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.remote.command import Command, Job, Reply
from packstack_lite.resources.base import (
    Description,
    Diff,
    IndividualResource,
    Observed,
    Phase,
    Probe,
    Unknown,
    job_name,
    join_names,
)
from packstack_lite.resources.shell import parse_pairs

_PROBE_SCRIPT = r"""
getsebool -a 2>/dev/null | sed -n 's/ --> /\t/p'
rpm -q --quiet --whatprovides PACKAGE >/dev/null 2>&1 && printf 'policy\tinstalled\n'
exit 0
"""
# All in one transaction: each call of setsebool builds the whole policy again, some 20 seconds.
_ENABLE_SCRIPT = r"""
set --
for name in $(cat); do
    getsebool "$name" >/dev/null 2>&1 || {
        echo "the SELinux policy has no boolean $name: is the module of PACKAGE loaded? semodule -l | grep -i os-" >&2
        exit 1
    }
    set -- "$@" "$name=1"
done
setsebool -P "$@"
"""


BooleansState = Mapping[str, str]
"""Each boolean's value: on, off, or "not in the policy"."""


@dataclass(frozen=True)
class SelinuxBooleans(IndividualResource[BooleansState]):
    """SELinux booleans that are on, now and after each boot.

    ``package`` brings the policy module that defines them.
    """

    kind: ClassVar[str] = "booleans"
    names: Tuple[str, ...]
    package: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``booleans:PACKAGE``, for the policy's package."""
        return f"booleans:{self.package}"

    @property
    def label(self) -> str:
        """Return ``SELinux booleans of PACKAGE``."""
        return f"SELinux booleans of {self.package}"

    def desired(self) -> BooleansState:
        """Return "on" for each boolean."""
        return dict.fromkeys(self.names, "on")

    def describe(self, diff: Diff["SelinuxBooleans"]) -> Description:
        """Describe the booleans to switch on, and those that the policy lacks."""
        state = diff.state() or {}
        absent = [name for name in diff.keys if state.get(name, "off") != "off"]
        reason = f"not in the policy: {join_names(absent)}" if absent else ""
        return Description(f"switch on SELinux booleans {join_names(diff.keys)}", reason)

    def probe_one(self) -> Probe[BooleansState]:
        """Return the probe that prints each boolean's value."""

        def parse(reply: Reply) -> Dict[str, Observed[BooleansState]]:
            """Return each boolean's value; Unknown until the policy's package is installed."""
            values = parse_pairs(reply.out)
            if "policy" not in values:
                return {self.id: Unknown(Phase.PACKAGES, f"{self.package} brings them")}
            return {self.id: {name: values.get(name, "not in the policy") for name in self.names}}

        script = _PROBE_SCRIPT.replace("PACKAGE", self.package)
        return Probe(Command(script, description="probe SELinux booleans"), parse)

    def fix_one(self, diff: Diff["SelinuxBooleans"]) -> Job:
        """Return the job that switches on the booleans that differ, for good."""
        script, names = _ENABLE_SCRIPT.replace("PACKAGE", self.package), " ".join(diff.keys)
        return Job(
            job_name(self.id),
            script,
            names.encode(),
            timeout=600,
            description="switch on SELinux booleans",
            must_end=True,
        )
