"""Checks of network answers: errors and warnings name parameter and line, and are reported together."""

from __future__ import annotations

import itertools
import re

import pytest

from packstack_lite.answers import (
    PARAMETERS,
    derive_node_answers,
    migrate_answer_file,
    read_answer_file,
    resolve_answers,
)
from packstack_lite.answers.derived_defaults import derive_default
from packstack_lite.answers.l2_agents import TUNNEL_TYPES
from packstack_lite.answers.network_rewrites import rewrite_network_answers
from packstack_lite.answers.values import is_valid, split_list
from packstack_lite.errors import AnswersError

ADDRESS = "198.18.1.10"
HOSTS = derive_node_answers([ADDRESS])
AGENT, ML2, OVS = "CONFIG_NEUTRON_L2_AGENT", "CONFIG_NEUTRON_ML2_", "CONFIG_NEUTRON_OVS_"
TENANT, DRIVERS, RANGES = f"{ML2}TENANT_NETWORK_TYPES", f"{ML2}TYPE_DRIVERS", f"{ML2}VLAN_RANGES"
MAPPINGS, IFACES, TUNNEL = f"{OVS}BRIDGE_MAPPINGS", f"{OVS}BRIDGE_IFACES", f"{OVS}TUNNEL_IF"
DEMO, FLOATING, POOLS = (f"CONFIG_PROVISION_DEMO{end}" for end in ("", "_FLOATRANGE", "_ALLOCATION_POOLS"))
PRIVATE, SERVERS = "CONFIG_PROVISION_DEMO_PRIVATE_RANGE", "CONFIG_NEUTRON_DNS_SERVERS"

# The lines of a file from its third on, and every error: its line and a part of its message.
ERRORS = {
    "a tenant type that is no driver": (
        [f"{TENANT}=gre", f"{DRIVERS}=vxlan,flat"],
        [(3, f"gre is not among {DRIVERS} (")],
    ),
    "vlan without ranges": (
        [f"{TENANT}=vlan", f"{DRIVERS}=vlan,flat"],
        [(3, f"vlan needs ranges in {RANGES}, PHYSNET:FIRST:LAST")],
    ),
    "vlan with a network but no range": (
        [f"{TENANT}=vlan", f"{DRIVERS}=vlan,flat", f"{RANGES}=extnet"],
        [(3, f"vlan needs ranges in {RANGES} (")],
    ),
    "vlan on an unknown network": (
        [f"{TENANT}=vlan", f"{DRIVERS}=vlan,flat", f"{RANGES}=physnet1:1:9"],
        [(5, f"physnet1 is not in {MAPPINGS}: extnet")],
    ),
    "gre without ids": ([f"{TENANT}=gre", f"{DRIVERS}=gre,flat"], [(3, f"gre needs IDs in {ML2}TUNNEL_ID_RANGES")]),
    "vxlan without ids": ([f"{ML2}VNI_RANGES="], [("--", f"vxlan needs IDs in {ML2}VNI_RANGES (")]),
    "vlan and vxlan, both without ids": (
        [f"{TENANT}=vlan,vxlan", f"{DRIVERS}=vlan,vxlan,flat", f"{ML2}VNI_RANGES="],
        [(3, f"vlan needs ranges in {RANGES}, "), (3, f"vxlan needs IDs in {ML2}VNI_RANGES (")],
    ),
    "geneve under linuxbridge": (
        [f"{TENANT}=geneve", f"{DRIVERS}=geneve,flat", f"{AGENT}=linuxbridge"],
        [(3, "linuxbridge does not support geneve; use vxlan")],
    ),
    "linuxbridge with other drivers": (
        ["CONFIG_NEUTRON_L2_AGENT=linuxbridge", f"{ML2}MECHANISM_DRIVERS=openvswitch"],
        [(4, "openvswitch does not contain linuxbridge, the CONFIG_NEUTRON_L2_AGENT (")],
    ),
    "gre under linuxbridge": (
        [f"{TENANT}=gre", f"{DRIVERS}=gre,flat", f"{ML2}TUNNEL_ID_RANGES=1:9", f"{AGENT}=linuxbridge"],
        [(3, "linuxbridge does not support gre; use vxlan")],
    ),
    "a network card with two networks": (
        [f"{ML2}MECHANISM_DRIVERS=openvswitch,sriovnicswitch", f"{ML2}SRIOV_INTERFACE_MAPPINGS=a:eth1,b:eth1"],
        [(4, "the interface eth1 is mapped twice")],
    ),
    "an interface mapped twice": (
        [f"{AGENT}=linuxbridge", "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS=extnet:eth1,b:eth1"],
        [(4, "the interface eth1 is mapped twice")],
    ),
    "a network with two interfaces": (
        [f"{AGENT}=linuxbridge", "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS=extnet:eth1,extnet:eth2"],
        [(4, "the network extnet is mapped twice")],
    ),
    "an unsupported driver": (
        [f"{ML2}MECHANISM_DRIVERS=openvswitch,cisco_nexus"],
        [(3, "cisco_nexus is not deployed by this release; remove it")],
    ),
    "a network mapped twice": ([f"{MAPPINGS}=extnet:br-b,extnet:br-ex"], [(3, "the network extnet is mapped twice")]),
    "a bridge mapped twice": ([f"{MAPPINGS}=extnet:br-ex,other:br-ex"], [(3, "the bridge br-ex is mapped twice")]),
    "an interface in two bridges": (
        [f"{MAPPINGS}=extnet:br-ex,b:br-b", f"{IFACES}=br-ex:eth1,br-b:eth1"],
        [(4, "the interface eth1 can be in only one bridge")],
    ),
    "a bridge as its own interface": ([f"{IFACES}=br-ex:br-ex"], [(3, "the bridge br-ex cannot be its own interface")]),
    "interface and network turned round": (
        [f"{IFACES}=extnet:br-ex"],
        [(3, "br-ex is a bridge, not an interface; extnet is a physical network: BRIDGE:INTERFACE")],
    ),
    "a bridge as interface": (
        [f"{MAPPINGS}=extnet:br-ex,lab:br-lab", f"{IFACES}=br-ex:br-lab"],
        [(4, "br-lab is a bridge, not an interface")],
    ),
    "an external bridge as interface": (
        ["CONFIG_NEUTRON_L3_EXT_BRIDGE=eth0", f"{MAPPINGS}=extnet:br-ex", f"{IFACES}=br-ex:eth0", f"{DEMO}=n"],
        [(5, "eth0 is a bridge, not an interface")],
    ),
    "a bridge as SR-IOV card": (
        [f"{ML2}MECHANISM_DRIVERS=openvswitch,sriovnicswitch", f"{ML2}SRIOV_INTERFACE_MAPPINGS=extnet:br-ex"],
        [(4, "br-ex is a bridge, not an interface")],
    ),
    "an interface as a bridge of compute nodes": (
        [f"{IFACES}=br-ex:eth0", f"{OVS}BRIDGES_COMPUTE=eth0"],
        [(4, f"eth0 is an interface in {IFACES}, not a bridge")],
    ),
    "the demo on an unknown network": ([f"{OVS}EXTERNAL_PHYSNET=out"], [(3, f"out is not in {MAPPINGS}: extnet")]),
    "the demo's gateway on another bridge": (
        [f"{MAPPINGS}=extnet:br-out"],
        [(3, "extnet is mapped to br-out, but the gateway of the floating addresses is on br-ex")],
    ),
    "the private network of IPv6": ([f"{PRIVATE}=fd00::/64"], [(3, "fd00::/64 is not an IPv4 network")]),
    "a private network without room": ([f"{PRIVATE}=10.0.0.0/29"], [(3, "10.0.0.0/29 has no room for a router")]),
    "name servers of the host alone": (
        [f"{SERVERS}=127.0.0.53,198.18.0.1,::1"],
        [(3, "127.0.0.53 is not the address of a server"), (3, "::1 is not the address of a server")],
    ),
    "a name server's name": ([f"{SERVERS}=ns.example.org"], [(3, "ns.example.org is a name; instances get")]),
    "the demo without flat networks": ([f"{DRIVERS}=vxlan"], [(3, "does not contain flat")]),
    "the demo where flat is not allowed": (
        [f"{ML2}FLAT_NETWORKS=other", f"{MAPPINGS}=extnet:br-ex,other:br-b"],
        [(3, f"does not contain extnet, the {OVS}EXTERNAL_PHYSNET")],
    ),
    "a pool with the gateway": (
        [f'{POOLS}=["start=172.24.4.1,end=172.24.4.9"]'],
        [(3, "contains the gateway 172.24.4.1")],
    ),
    "a pool outside the floating range": (
        [f'{POOLS}=["start=198.18.9.2,end=198.18.9.9"]', f"{FLOATING}=198.18.2.0/24"],
        [(3, f"is not a range within 198.18.2.0/24, the {FLOATING} (")],
    ),
    "a pool up to the broadcast address": (
        [f'{POOLS}=["start=172.24.4.9,end=172.24.4.255"]'],
        [(3, "contains 172.24.4.255, which no host")],
    ),
    "pools that overlap": (
        [f'{POOLS}=["start=172.24.4.9,end=172.24.4.20", "start=172.24.4.20,end=172.24.4.30"]'],
        [(3, "172.24.4.9 to 172.24.4.20 and 172.24.4.20 to 172.24.4.30 overlap")],
    ),
    "the floating range on the private network": ([f"{FLOATING}=10.0.0.0/16"], [(3, "overlaps 10.0.0.0/24")]),
    "IPv4 and IPv6": (
        ["CONFIG_MARIADB_HOST=fd00::1"],
        [(3, "CONFIG_MARIADB_HOST=fd00::1: uses another IP version than allinone: CONFIG_CONTROLLER_HOST=198.18.1.10")],
    ),
}
WARNINGS = {
    "SR-IOV without network cards": (
        [f"{ML2}MECHANISM_DRIVERS=openvswitch,sriovnicswitch"],
        [(3, f"sriovnicswitch connects nothing without network cards in {ML2}SRIOV_INTERFACE_MAPPINGS")],
    ),
    "vlan without ranges beside vxlan": (
        [f"{TENANT}=vlan,vxlan", f"{DRIVERS}=vlan,vxlan,flat"],
        [(3, f"vlan is not used without {RANGES}, PHYSNET:FIRST:LAST")],
    ),
    "VPN with OVN": (
        [f"{AGENT}=ovn", "CONFIG_NEUTRON_VPNAAS=y"],
        [(4, f"is not used with {AGENT} (")],
    ),
    "a network card without the SR-IOV driver": (
        [f"{ML2}SRIOV_INTERFACE_MAPPINGS=extnet:eth1"],
        [(3, f"is not used without sriovnicswitch in {ML2}MECHANISM_DRIVERS")],
    ),
    "metering with OVN": (
        [f"{AGENT}=ovn", "CONFIG_NEUTRON_METERING_AGENT_INSTALL=y"],
        [(4, f"is not used with {AGENT} (")],
    ),
    "a mapping without an interface": (
        [f"{MAPPINGS}=extnet:br-ex,vlans:br-vlan"],
        [(3, f"vlans:br-vlan has no interface in {IFACES}: vlans does not leave the node")],
    ),
    "an interface in a bridge that nothing is mapped to": (
        [f"{IFACES}=br-x:eth1"],
        [(3, f"br-x is not in {MAPPINGS}: no network uses it")],
    ),
    "flat on an unknown network": ([f"{ML2}FLAT_NETWORKS=extnet,b"], [(3, f"b is not in {MAPPINGS}: extnet")]),
    "a tunnel interface without tunnels": (
        [f"{TUNNEL}=eth1", f"{TENANT}=vlan", f"{DRIVERS}=vlan,flat", f"{RANGES}=extnet:1:9"],
        [(3, f"eth1 is not used: no type of {DRIVERS} (")],
    ),
    "a tunnel interface within a bridge": (
        [f"{TUNNEL}=eth1", f"{IFACES}=br-ex:eth1"],
        [(3, "puts eth1 into br-ex; use br-ex for tunnels")],
    ),
    "the other agent's tunnel interface": (
        ["CONFIG_NEUTRON_OVN_TUNNEL_IF=eth1"],
        [(3, f"that agent uses {TUNNEL}, which is empty")],
    ),
    "a bridge without an interface for tunnels": (
        [f"{TUNNEL}=br-ex"],
        [(3, "br-ex is a bridge without an interface in")],
    ),
    "the other agent's mapping": (
        ["CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS=a:b"],
        [(3, f"that agent uses {MAPPINGS}, which is extnet:br-ex")],
    ),
    "a name among addresses": (
        ["CONFIG_AMQP_HOST=queue.example.org"],
        [(3, "CONFIG_AMQP_HOST=queue.example.org: is a name, but ")],
    ),
    "a storage host that is ignored": (
        ["CONFIG_STORAGE_HOST=198.18.1.99", "CONFIG_CINDER_INSTALL=y"],
        [(3, f"is ignored without CONFIG_UNSUPPORTED=y: volumes are on the controller, {ADDRESS}")],
    ),
    "a floating range that holds the controller": (
        [f"{FLOATING}=198.18.1.0/24"],
        [(3, f"{ADDRESS}, the controller, could also be assigned as a floating address")],
    ),
    "a pool that holds the controller": (
        [f"{FLOATING}=198.18.1.0/24", f'{POOLS}=["start=198.18.1.9,end=198.18.1.11"]'],
        [(4, f"{ADDRESS}, the controller")],
    ),
}
# Valid and common answers, which give no warning.
VALID = {
    "nothing": [],
    "vlan": [f"{TENANT}=vlan,vxlan", f"{DRIVERS}=vlan,vxlan,flat", f"{RANGES}=extnet:100:199"],
    "gre": [f"{TENANT}=gre", f"{DRIVERS}=gre,flat", f"{ML2}TUNNEL_ID_RANGES=1:1000"],
    "geneve under openvswitch": [f"{TENANT}=geneve", f"{DRIVERS}=geneve,flat"],
    "geneve as the only tunnel": [f"{DRIVERS}=geneve,flat"],
    "a tenant type without type drivers": [f"{TENANT}=geneve"],
    "IDs with spaces": [f"{ML2}VNI_RANGES=10 : 100"],
    "vlan for SR-IOV": [
        f"{TENANT}=vlan,vxlan",
        f"{DRIVERS}=vlan,vxlan,flat",
        f"{RANGES}=cards:1:9",
        f"{ML2}MECHANISM_DRIVERS=openvswitch,sriovnicswitch",
        f"{ML2}SRIOV_INTERFACE_MAPPINGS=cards:eth1,cards:eth2",
    ],
    "two networks on a bridge of OVN": [f"{AGENT}=ovn", "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS=extnet:br-ex,lab:br-ex"],
    "another bridge": [f"{MAPPINGS}=extnet:br-out", "CONFIG_NEUTRON_L3_EXT_BRIDGE=br-out"],
    "provider networks": [f"{MAPPINGS}=extnet:br-out", "CONFIG_NEUTRON_L3_EXT_BRIDGE=provider"],
    "no demo": [f"{DEMO}=n", f"{DRIVERS}=vxlan", f"{OVS}EXTERNAL_PHYSNET=other"],
    "a pool without the controller": [
        f"{FLOATING}=198.18.1.0/24",
        f'{POOLS}=["start=198.18.1.100,end=198.18.1.200","start=198.18.1.201,end=198.18.1.254"]',
    ],
    "a tunnel interface": [f"{TUNNEL}=eth1"],
    "a storage host": ["CONFIG_STORAGE_HOST=198.18.1.99", "CONFIG_CINDER_INSTALL=y", "CONFIG_UNSUPPORTED=y"],
    "an empty answer": ["CONFIG_NEUTRON_OVS_TUNNEL_IF="],
    "the same answer for both agents": ["CONFIG_NEUTRON_OVN_TUNNEL_IF=eth1", f"{TUNNEL}=eth1"],
}


def write_answers(tmp_path, lines):
    """Write an answer file with these lines from the third on; the agent is Open vSwitch unless they set it."""
    path = tmp_path / "a.txt"
    agent = "" if any(line.startswith(AGENT) for line in lines) else f"{AGENT}=openvswitch"
    path.write_text("\n".join(["[general]", agent, *lines]) + "\n")
    return path


def assert_findings(messages, expected, path):
    """Compare messages with the expected (line, part of the message), in any order."""
    assert len(messages) == len(expected), messages
    for line, words in expected:
        start = f"{path}:{line}: " if isinstance(line, int) else ""
        assert [message for message in messages if message.startswith(start) and words in message], (
            start,
            words,
            messages,
        )


@pytest.mark.parametrize("case", ERRORS)
def test_network_errors(case, tmp_path):
    lines, expected = ERRORS[case]
    path = write_answers(tmp_path, lines)
    with pytest.raises(AnswersError) as failure:
        resolve_answers([path], node_answers=HOSTS)
    assert_findings(failure.value.errors, expected, path)


@pytest.mark.parametrize("case", WARNINGS)
def test_network_warnings(case, tmp_path):
    lines, expected = WARNINGS[case]
    path = write_answers(tmp_path, lines)
    assert_findings(resolve_answers([path], node_answers=HOSTS).warnings, expected, path)


@pytest.mark.parametrize("case", VALID)
def test_valid_networks_give_no_warning(case, tmp_path):
    assert resolve_answers([write_answers(tmp_path, VALID[case])], node_answers=HOSTS).warnings == ()


def test_network_errors_are_reported_together(tmp_path):
    """One file with several independent errors."""
    cases = [
        "a tenant type that is no driver",
        "a pool with the gateway",
        "IPv4 and IPv6",
        "a bridge as its own interface",
    ]
    path = write_answers(tmp_path, [line for case in cases for line in ERRORS[case][0]])
    with pytest.raises(AnswersError) as failure:
        resolve_answers([path], node_answers=HOSTS)
    text = "\n".join(failure.value.errors)
    for case in cases:
        for _, words in ERRORS[case][1]:
            assert words in text
    lines = [int(error[len(str(path)) + 1 :].split(":")[0]) for error in failure.value.errors]
    assert lines == sorted(lines)


def test_hosts_that_are_all_names_or_of_one_ip_version_give_no_warning():
    for host in ("cloud.example.org", "fd00::1"):
        assert resolve_answers(node_answers=derive_node_answers([host])).warnings == ()


def packstack_rewrites(agent, drivers, types, tenants):
    """Rewrite three answers as neutron_350.py does (initSequences, Train and 2025.1), on their texts."""
    words = split_list(drivers)
    # Packstack looks for the text "ovn", which "sriovnicswitch" contains: then no port could be bound.
    if agent == "ovn" and "sriovnicswitch" in words and not {"ovn", "openvswitch", "linuxbridge"} & set(words):
        drivers += ", ovn"
    if agent == "openvswitch" and "sriovnicswitch" in words and not {"openvswitch", "linuxbridge"} & set(words):
        drivers += ", openvswitch"
    if agent == "ovn":
        drivers = drivers if "ovn" in split_list(drivers) else "ovn"
        types = types if "geneve" in types else f"{types}, geneve"
        tenants = "geneve"
    elif agent == "openvswitch" and "openvswitch" not in drivers:
        drivers = "openvswitch"
    return [split_list(text) for text in (drivers, types, tenants)]


def combinations_of(words):
    """Return the texts of all ordered lists of at most two words, and the empty one."""
    return [",".join(pick) for size in range(3) for pick in itertools.permutations(words, size)]


@pytest.mark.parametrize("agent", ["ovn", "openvswitch", "linuxbridge"])
@pytest.mark.parametrize("ranges", ["", "extnet:1:9"])
def test_network_answers_are_rewritten_as_packstack_does(agent, ranges):
    """Every combination; OVN's own VLAN and local networks are deployed as they are asked for."""
    words = combinations_of(["local", "vlan", "gre", "vxlan", "geneve"])
    for drivers, types, tenants in [
        *((drivers, "flat", "vlan") for drivers in combinations_of([*TUNNEL_TYPES, "sriovnicswitch", "l2population"])),
        *(("", types, tenants) for types in words for tenants in words),
    ]:
        given = {f"{ML2}MECHANISM_DRIVERS": drivers, DRIVERS: types, TENANT: tenants, RANGES: ranges}
        rewrites = {name: text for name, text, reason in rewrite_network_answers(given, agent) if reason}
        ours = [split_list({**given, **rewrites}[name]) for name in (f"{ML2}MECHANISM_DRIVERS", DRIVERS, TENANT)]
        theirs = packstack_rewrites(agent, drivers, types, tenants)
        if agent == "ovn":
            possible = [kind for kind in split_list(tenants) if kind == "local" or (kind == "vlan" and ranges)]
            assert set(ours[2]) <= {"geneve", *possible}
            assert set(possible) <= set(ours[2])
            if not possible:
                assert ours[2] == theirs[2]
            theirs[2] = ours[2]
        assert ours == theirs, given


REWRITTEN = {
    "A1": (["TYPE_DRIVERS=vxlan,flat", "TENANT_NETWORK_TYPES=vxlan"], ("vxlan", "flat", "geneve"), ("geneve",), [4, 5]),
    "A2": (["TYPE_DRIVERS=vxlan,flat"], ("vxlan", "flat", "geneve"), ("geneve",), [4]),
    "gre": (
        ["TYPE_DRIVERS=gre,flat,geneve", "TENANT_NETWORK_TYPES=gre,geneve"],
        ("gre", "flat", "geneve"),
        ("geneve",),
        [5],
    ),
    "empty": (["TYPE_DRIVERS=flat,geneve", "TENANT_NETWORK_TYPES="], ("flat", "geneve"), ("geneve",), [5]),
    "vlan": (
        ["TYPE_DRIVERS=vlan,geneve,flat", "TENANT_NETWORK_TYPES=vlan", "VLAN_RANGES=extnet:1:9"],
        ("vlan", "geneve", "flat"),
        ("vlan",),
        [],
    ),
}


@pytest.mark.parametrize("case", REWRITTEN)
def test_what_ovn_cannot_have_is_rewritten_with_a_warning_each(case, tmp_path):
    lines, types, tenants, warned_lines = REWRITTEN[case]
    path = write_answers(tmp_path, [f"{AGENT}=ovn", *(f"{ML2}{line}" for line in lines)])
    answers = resolve_answers([path], node_answers=HOSTS)
    assert (answers[DRIVERS], answers[TENANT]) == (types, tenants)
    assert_findings(answers.warnings, [(line, "is used instead of") for line in warned_lines], path)


def test_a_flag_beside_the_default_agent_is_rewritten_too():
    answers = resolve_answers(node_answers=HOSTS, flags={DRIVERS: "vxlan,flat"})
    assert answers[DRIVERS] == ("vxlan", "flat", "geneve")
    assert answers.warnings == (
        f"--os-neutron-ml2-type-drivers: {DRIVERS}: does not contain geneve, the tunnels of OVN;"
        " vxlan,flat,geneve is used instead of vxlan,flat",
    )


def test_an_invalid_word_is_reported_as_it_was_given():
    with pytest.raises(AnswersError) as failure:
        resolve_answers(node_answers=HOSTS, flags={DRIVERS: "vxlan,flatt"})
    assert any("'flatt' is not one of" in error for error in failure.value.errors)


@pytest.mark.parametrize(
    "given, name, text",
    [
        ({DRIVERS: "geneve,flat"}, TENANT, "geneve"),
        ({DRIVERS: "gre,geneve"}, TENANT, "gre"),
        ({DRIVERS: "vlan,flat", RANGES: "extnet:1:9"}, TENANT, "vlan"),
        ({DRIVERS: "vlan,flat"}, TENANT, "vxlan"),
        ({TENANT: "geneve"}, DRIVERS, "vxlan,flat,geneve"),
    ],
)
def test_a_network_type_default_follows_the_other_answer(given, name, text):
    assert derive_default(name, given, "openvswitch")[0] == text


INTERFACE_PARAMETERS = [
    parameter for parameter in PARAMETERS if re.search("interface|bridge", parameter.grammar.lower())
]


@pytest.mark.parametrize(
    "name", ["*", "$NIC", "${NIC}", "br-much-too-long-a-name", "198.18.1.10", "-x", "eth0/1", "a b"]
)
def test_names_of_interfaces_and_bridges_are_checked_everywhere(name):
    assert len(INTERFACE_PARAMETERS) >= 11
    for parameter in INTERFACE_PARAMETERS:
        text = f"extnet:{name}" if ":" in parameter.grammar else name
        assert not is_valid(parameter, text), parameter.name
        if parameter.grammar == "BRIDGE:INTERFACE":
            assert not is_valid(parameter, f"{name}:eth0"), parameter.name
        assert is_valid(parameter, "extnet:eth0.100" if ":" in parameter.grammar else "eth0.100"), parameter.name


def test_migrate_maps_no_network_to_what_is_no_bridge(tmp_path):
    path = tmp_path / "old.txt"
    path.write_text(f"[general]\nCONFIG_NEUTRON_L3_EXT_BRIDGE=*\n{MAPPINGS}=lab:br-lab\nCONFIG_MYSQL_PW=x\n")
    assert "extnet:*" not in migrate_answer_file(read_answer_file(path)).text
