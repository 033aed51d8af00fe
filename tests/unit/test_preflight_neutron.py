"""Checks of Neutron's drivers: their packages, and network cards for SR-IOV."""

from __future__ import annotations

import pytest

from packstack_lite.nodes.facts import Interface
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from tests.clouds import ADDRESS, facts, profile_of

SRIOV = {
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch", "sriovnicswitch"),
    "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": ("lab:eth4",),
}
CARDS = (Interface("host0", True, 1500, (f"{ADDRESS}/24",)), Interface("eth4", True, 1500, ()))


def levels_messages_hints(check, answers, profile="debian12-zed", **changes):
    return [(finding.level, finding.message, finding.hint) for finding in _find(check, answers, profile, changes)]


def _find(check, answers, profile, changes):
    return CHECKS[check](CheckContext(facts(**changes), answers, profile_of(profile)))


@pytest.mark.parametrize(("profile", "count"), [("debian12-zed", 0), ("debian13-epoxy", 1), ("centos9s-epoxy", 1)])
def test_an_agent_without_packages_is_an_error(profile, count):
    findings = levels_messages_hints("driver", {"CONFIG_NEUTRON_L2_AGENT": "linuxbridge"}, profile)
    assert len(findings) == count
    for level, message, hint in findings:
        assert (level, message) == (
            "error",
            f"CONFIG_NEUTRON_L2_AGENT=linuxbridge: {profile_of(profile).title} has no packages for it",
        )
        assert hint == "set CONFIG_NEUTRON_L2_AGENT=ovn and CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=ovn"


@pytest.mark.parametrize(
    ("vfs", "interfaces", "level", "words"),
    [
        ({}, CARDS[:1], "error", "there is no interface eth4"),
        ({}, CARDS, "error", "eth4 has no SR-IOV, or it is disabled"),
        ({"eth4": 0}, CARDS, "warning", "eth4 has no virtual functions"),
    ],
)
def test_a_card_without_virtual_functions_is_found(vfs, interfaces, level, words):
    ((findings, message, hint),) = levels_messages_hints("sriov", SRIOV, sriov_vfs=vfs, interfaces=interfaces)
    assert findings == level and words in message and hint


def test_a_card_with_virtual_functions_gives_no_finding_and_none_is_checked_without_the_driver():
    assert levels_messages_hints("sriov", SRIOV, sriov_vfs={"eth4": 4}, interfaces=CARDS) == []
    assert levels_messages_hints("sriov", {**SRIOV, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch",)}) == []
