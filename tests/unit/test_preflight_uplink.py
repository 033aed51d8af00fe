"""The check of uplinks: one finding for each thing that can be wrong with an interface and its bridge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packstack_lite.nodes.facts import Interface, UplinkFacts
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from tests.clouds import ADDRESS, change_facts, facts
from tests.unit.test_preflight_checks import levels_and_messages

ANSWERS = {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:host0",)}
GOOD = UplinkFacts(
    mac="2:0:0:0:0:1", addresses=(f"{ADDRESS}/24",), managed_by="networkd", config_path="/etc/systemd/network/x.network"
)
MANAGED = replace(
    GOOD, managed_by="NetworkManager", config_path="/etc/NetworkManager/system-connections/x.nmconnection"
)
INTERFACES = (Interface("host0", True, 1500, (f"{ADDRESS}/24",)), Interface("eth1", True, 1500, ()))

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


def check_uplink(uplinks, pair="br-ex:host0", answers=None, **changes):
    all_answers = {**ANSWERS, "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": (pair,), **(answers or {})}
    return levels_and_messages("uplink", all_answers, uplinks=uplinks, **{"interfaces": INTERFACES, **changes})


@pytest.mark.parametrize(("level", "words", "pair", "uplinks"), BAD)
def test_a_bad_uplink_gives_one_finding(level, words, pair, uplinks):
    findings = [(kind, message) for kind, message in check_uplink(uplinks, pair) if kind != "info"]
    assert [kind for kind, _ in findings] == [level]
    assert words in findings[0][1]


def test_a_move_of_the_connections_interface_is_announced():
    ((level, message),) = check_uplink({"host0": GOOD}, answers={"CONFIG_NEUTRON_BRIDGE_IFACES_TIMEOUT": 45})
    assert level == "info"
    assert "name servers move to br-ex; if no new connection succeeds within 45 seconds" in message


@pytest.mark.parametrize(
    "uplinks",
    [
        {"eth1": UplinkFacts()},
        {"eth1": GOOD},
        {"eth1": replace(GOOD, master="ovs-system", bridge="br-ex"), "br-ex": replace(GOOD, bridge_ports=("eth1",))},
    ],
)
def test_a_second_interface_and_a_moved_one_give_no_finding(uplinks):
    assert check_uplink(uplinks, "br-ex:eth1") == []


def test_the_hint_for_network_managers_plug_in_depends_on_the_distribution():
    context = CheckContext(facts(uplinks={"host0": MANAGED}, interfaces=INTERFACES), ANSWERS, None)
    (on_debian, _) = [finding.hint for finding in CHECKS["uplink"](context)]
    assert on_debian == "Debian has no such plug-in: let systemd-networkd or ifupdown configure host0"
    context = replace(context, facts=change_facts(context.facts, os_id="centos"))
    (on_el, _) = [finding.hint for finding in CHECKS["uplink"](context)]
    assert on_el.startswith("dnf -y install NetworkManager-ovs")


def test_network_manager_with_its_plug_in_needs_a_profile_in_keyfile_format():
    assert [level for level, _ in check_uplink({"host0": MANAGED}, nm_has_ovs_plugin=True)] == ["info"]
    ((_, message), _) = check_uplink({"host0": replace(MANAGED, config_path="")}, nm_has_ovs_plugin=True)
    assert "has no connection profile for host0" in message
    ((_, message), _) = check_uplink(
        {"host0": replace(MANAGED, config_path="/etc/x/ifcfg-host0")}, nm_has_ovs_plugin=True
    )
    assert "a format without Open vSwitch bridges" in message


def test_network_manager_may_manage_a_bridge_with_its_own_uplink():
    """And no other bridge."""
    moved = {"host0": replace(MANAGED, bridge="br-ex")}
    assert levels_and_messages("networkmanager", ANSWERS, uplinks=moved, nm_interfaces=("host0", "br-ex")) == []
    ((_, message),) = levels_and_messages("networkmanager", ANSWERS, uplinks=moved, nm_interfaces=("br-ex", "br-int"))
    assert "NetworkManager manages br-int:" in message
    ((_, message),) = levels_and_messages("networkmanager", ANSWERS, uplinks={"host0": GOOD}, nm_interfaces=("br-ex",))
    assert "NetworkManager manages br-ex:" in message


@pytest.mark.parametrize(
    ("float_range", "pools", "words"),
    [
        ("172.24.4.0/24", "[]", "172.24.4.0/24 is not in the network behind br-ex (198.18.1.0/24)"),
        ("198.18.1.0/24", "[]", "floating addresses are taken from all of 198.18.1.0/24"),
        ("198.18.1.0/24", "", "floating addresses are taken from all of 198.18.1.0/24"),
        ("198.18.1.0/24", '["start=198.18.1.200,end=198.18.1.220"]', ""),
    ],
)
def test_the_floating_range_is_in_the_network_behind_the_bridge(float_range, pools, words):
    answers = {
        "CONFIG_PROVISION_DEMO": True,
        "CONFIG_PROVISION_DEMO_FLOATRANGE": float_range,
        "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": pools,
    }
    findings = [message for level, message in check_uplink({"host0": GOOD}, answers=answers) if level == "warning"]
    assert [message for message in findings if words in message] == findings
    assert len(findings) == bool(words)
    all_answers = {**ANSWERS, **answers}
    assert levels_and_messages("interfaces", all_answers, uplinks={"host0": GOOD}, interfaces=INTERFACES) == []


def test_the_answer_of_another_agent_is_ignored():
    answers = {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth7",)}
    assert levels_and_messages("uplink", answers) == []
