"""Checks of what switches packets: packages for it, and network cards that are divided."""

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


def said(check, answers, profile="debian12-zed", **changes):
    return [(remark.level, remark.message, remark.hint) for remark in _remarks(check, answers, profile, changes)]


def _remarks(check, answers, profile, changes):
    return CHECKS[check](CheckContext(facts(**changes), answers, profile_of(profile)))


@pytest.mark.parametrize(("profile", "there"), [("debian12-zed", 0), ("debian13-epoxy", 1), ("centos9s-epoxy", 1)])
def test_an_agent_that_the_release_is_without(profile, there):
    found = said("driver", {"CONFIG_NEUTRON_L2_AGENT": "linuxbridge"}, profile)
    assert len(found) == there
    for level, message, fix in found:
        assert (level, message) == (
            "error",
            f"CONFIG_NEUTRON_L2_AGENT=linuxbridge: {profile_of(profile).title} has no packages for it",
        )
        assert fix == "set CONFIG_NEUTRON_L2_AGENT=ovn and CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=ovn"


@pytest.mark.parametrize(
    ("functions", "interfaces", "level", "words"),
    [
        ({}, CARDS[:1], "error", "there is no interface eth4"),
        ({}, CARDS, "error", "eth4 has no SR-IOV, or it is disabled"),
        ({"eth4": 0}, CARDS, "warning", "eth4 has no virtual functions"),
    ],
)
def test_a_card_that_cannot_give_away_parts(functions, interfaces, level, words):
    ((found, message, fix),) = said("sriov", SRIOV, sriov_vfs=functions, interfaces=interfaces)
    assert found == level and words in message and fix


def test_a_divided_card_is_fine_and_none_is_looked_at_without_its_driver():
    assert said("sriov", SRIOV, sriov_vfs={"eth4": 4}, interfaces=CARDS) == []
    assert said("sriov", {**SRIOV, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch",)}) == []
