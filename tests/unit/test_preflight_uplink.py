"""The check of interfaces that are to go into bridges: one finding for each thing that can be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packstack_lite.nodes.facts import Interface, UplinkFacts
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from tests.clouds import ADDRESS, change_facts, facts
from tests.unit.test_preflight_checks import said

ANSWERS = {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:host0",)}
GOOD = UplinkFacts(
    mac="2:0:0:0:0:1", addresses=(f"{ADDRESS}/24",), managed_by="networkd", config_path="/etc/systemd/network/x.network"
)
MANAGED = replace(
    GOOD, managed_by="NetworkManager", config_path="/etc/NetworkManager/system-connections/x.nmconnection"
)
OTHER = (Interface("host0", True, 1500, (f"{ADDRESS}/24",)), Interface("eth1", True, 1500, ()))

BAD = [
    ("error", "there is no interface eth7 (CONFIG_NEUTRON_OVS_BRIDGE_IFACES)", "br-ex:eth7", {}),
    ("error", "host0 is a port of the bridge br-lan already", "br-ex:host0", {"host0": replace(GOOD, bridge="br-lan")}),
    ("error", "host0 is a member of bond0", "br-ex:host0", {"host0": replace(GOOD, master="bond0")}),
    (
        "error",
        "host0.5 is on top of host0",
        "br-ex:host0",
        {"host0": replace(GOOD, upper_interfaces=("host0.5",))},
    ),
    ("error", "host0 has no carrier", "br-ex:host0", {"host0": replace(GOOD, has_carrier=False)}),
    ("error", "host0 is wireless", "br-ex:host0", {"host0": replace(GOOD, is_wireless=True)}),
    (
        "error",
        "nothing that packstack-lite supports configures host0",
        "br-ex:host0",
        {"host0": replace(GOOD, managed_by="")},
    ),
    ("error", "its plug-in for Open vSwitch is not installed", "br-ex:host0", {"host0": MANAGED}),
    (
        "error",
        "br-ex has another interface of the node already: eth1",
        "br-ex:host0",
        {"host0": GOOD, "br-ex": UplinkFacts(bridge_ports=("eth1",))},
    ),
    (
        "warning",
        "a move of host0 into br-ex was interrupted",
        "br-ex:host0",
        {"host0": replace(GOOD, is_move_pending=True)},
    ),
]


def told(wiring, pair="br-ex:host0", answers=None, **changes):
    wanted = {**ANSWERS, "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": (pair,), **(answers or {})}
    return said("uplink", wanted, uplinks=wiring, **{"interfaces": OTHER, **changes})


@pytest.mark.parametrize(("level", "words", "pair", "wiring"), BAD)
def test_what_is_wrong_is_found(level, words, pair, wiring):
    found = [(kind, message) for kind, message in told(wiring, pair) if kind != "info"]
    assert [kind for kind, _ in found] == [level]
    assert words in found[0][1]


def test_a_connection_that_goes_over_it_is_told_what_will_happen():
    ((level, message),) = told({"host0": GOOD}, answers={"CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT": 45})
    assert level == "info"
    assert "name servers move to br-ex; if no new connection succeeds within 45 seconds" in message


@pytest.mark.parametrize(
    "wiring",
    [
        {"eth1": UplinkFacts()},
        {"eth1": GOOD},
        {"eth1": replace(GOOD, master="ovs-system", bridge="br-ex"), "br-ex": replace(GOOD, bridge_ports=("eth1",))},
    ],
)
def test_a_second_interface_and_one_that_has_moved_are_fine(wiring):
    assert told(wiring, "br-ex:eth1") == []


def test_network_manager_without_its_plug_in_has_another_way_out_on_debian():
    subject = CheckContext(facts(uplinks={"host0": MANAGED}, interfaces=OTHER), ANSWERS, None)
    (on_debian, _) = [remark.hint for remark in CHECKS["uplink"](subject)]
    assert on_debian == "Debian has no such plug-in: let systemd-networkd or ifupdown configure host0"
    subject = replace(subject, facts=change_facts(subject.facts, os_id="centos"))
    (on_el, _) = [remark.hint for remark in CHECKS["uplink"](subject)]
    assert on_el.startswith("dnf install NetworkManager-ovs")


def test_network_manager_with_its_plug_in():
    assert [level for level, _ in told({"host0": MANAGED}, nm_has_ovs_plugin=True)] == ["info"]
    ((_, message), _) = told({"host0": replace(MANAGED, config_path="")}, nm_has_ovs_plugin=True)
    assert "has no connection profile for host0" in message
    ((_, message), _) = told({"host0": replace(MANAGED, config_path="/etc/x/ifcfg-host0")}, nm_has_ovs_plugin=True)
    assert "a format without Open vSwitch bridges" in message


def test_network_manager_keeps_its_hands_on_a_bridge_that_it_has_made():
    """And on no other one."""
    moved = {"host0": replace(MANAGED, bridge="br-ex")}
    assert said("networkmanager", ANSWERS, uplinks=moved, nm_interfaces=("host0", "br-ex")) == []
    ((_, message),) = said("networkmanager", ANSWERS, uplinks=moved, nm_interfaces=("br-ex", "br-int"))
    assert "NetworkManager manages br-int:" in message
    ((_, message),) = said("networkmanager", ANSWERS, uplinks={"host0": GOOD}, nm_interfaces=("br-ex",))
    assert "NetworkManager manages br-ex:" in message


@pytest.mark.parametrize(
    ("floating", "pools", "words"),
    [
        ("172.24.4.0/24", (), "172.24.4.0/24 is not in the network behind br-ex (198.18.1.0/24)"),
        ("198.18.1.0/24", (), "floating addresses are taken from all of 198.18.1.0/24"),
        ("198.18.1.0/24", ("start=198.18.1.200,end=198.18.1.220",), ""),
    ],
)
def test_floating_addresses_are_of_the_network_behind_the_bridge(floating, pools, words):
    answers = {
        "CONFIG_PROVISION_DEMO": True,
        "CONFIG_PROVISION_DEMO_FLOATRANGE": floating,
        "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": pools,
    }
    found = [message for level, message in told({"host0": GOOD}, answers=answers) if level == "warning"]
    assert [message for message in found if words in message] == found
    assert len(found) == bool(words)
    wanted = {**ANSWERS, **answers}
    assert said("interfaces", wanted, uplinks={"host0": GOOD}, interfaces=OTHER) == []


def test_the_other_agents_answer_is_not_looked_at():
    answers = {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth7",)}
    assert said("uplink", answers) == []
