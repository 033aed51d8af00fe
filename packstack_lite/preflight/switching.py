"""Checks of what switches packets: it is what it was, there are packages for it, and the cards that it gives away."""

from __future__ import annotations

from typing import Tuple

from packstack_lite.answers import agents
from packstack_lite.preflight.subject import Remarks, Subject, error, warning


def agent(subject: Subject) -> Remarks:
    """What switches packets is what it was: ports, routers and addresses of a living cloud do not move over."""
    wanted, there = str(subject.answers.get(agents.AGENT) or ""), subject.facts.mechanisms
    if there and wanted not in there:
        yield error(
            f"this cloud's networks were made with {','.join(there)}; CONFIG_NEUTRON_L2_AGENT={wanted} would leave"
            " every network, router and instance port without a connection",
            f"set CONFIG_NEUTRON_L2_AGENT={_known(there)}, or deploy {wanted} on a fresh host",
        )


def _known(mechanisms: Tuple[str, ...]) -> str:
    return next((name for name in mechanisms if name in ("ovn", "openvswitch", "linuxbridge")), mechanisms[0])


def packaged(subject: Subject) -> Remarks:
    """The release has packages for what the network's answers ask for."""
    if subject.profile is None:
        return
    for asked, instead in agents.lacking(subject.answers, subject.profile.packages):
        yield error(f"{asked}: {subject.profile.title} is without", f"set {instead}")


def functions(subject: Subject) -> Remarks:
    """The network cards that instances get parts of (SR-IOV) are there and have been divided."""
    if "sriovnicswitch" not in (subject.answers.get(agents.MECHANISMS) or ()):
        return
    there = {card.name for card in subject.facts.interfaces}
    for pair in subject.answers.get(agents.SRIOV) or ():
        card = str(pair).partition(":")[2]
        parts = subject.facts.functions.get(card)
        if card not in there:
            yield error(f"there is no interface {card} ({agents.SRIOV})", "ip -brief link shows those that there are")
        elif parts is None:
            yield error(
                f"{card} cannot be divided: it has no SR-IOV, or that is switched off in the machine's firmware",
                f"take another card in {agents.SRIOV}, or leave sriovnicswitch out of {agents.MECHANISMS}",
            )
        elif not parts:
            yield warning(
                f"{card} has no functions yet that instances could get",
                f"echo 4 > /sys/class/net/{card}/device/sriov_numvfs, and the same at each boot",
            )
