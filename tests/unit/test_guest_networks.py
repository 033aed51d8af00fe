"""What instances get from their node: name servers, the demo's private network, the floating range."""

from __future__ import annotations

import pytest

from packstack_lite import profiles
from packstack_lite.nodes.facts import Interface
from packstack_lite.preflight import run_checks
from packstack_lite.resources import ApiObject
from tests.clouds import ADDRESS, ANSWERS, OVN, cloud, facts, profile_of
from tests.rendered import files, on, resources_of, text

TRAIN = "centos7-train"
STUB = {"resolvers": ("127.0.0.53",), "upstream_resolvers": ("198.18.0.53", "2001:db8::53")}
LOST = {"resolvers": ("127.0.0.1", "::1"), "upstream_resolvers": ()}
DNS = "CONFIG_NEUTRON_DNS_SERVERS"
RANGE = "CONFIG_PROVISION_DEMO_PRIVATE_RANGE"
EVERY_PROFILE = pytest.mark.parametrize("profile", profiles.list_names())


def option(profile, path_key, name, answers, **changes):
    """Return the value of an option in a rendered file; None without it."""
    context = on(profile, cloud(answers, **changes))
    lines = text(files(context)[context.profile.path(path_key)]).splitlines()
    values = [line.partition(" = ")[2] for line in lines if line.startswith(f"{name} = ")]
    return values[0] if values else None


@pytest.mark.parametrize(
    ("answers", "changes", "servers", "trains"),
    [
        ({}, STUB, "198.18.0.53,2001:db8::53", "198.18.0.53"),
        ({}, {**STUB, "resolvers": ("198.18.0.1",)}, "198.18.0.1,::", "198.18.0.1"),
        ({}, LOST, "0.0.0.0,::", "0.0.0.0"),
        ({}, {"resolvers": ("2001:db8::1",)}, "0.0.0.0,2001:db8::1", "0.0.0.0"),
        ({DNS: ("198.18.0.7", "198.18.0.8")}, STUB, "198.18.0.7,198.18.0.8,::", "198.18.0.7,198.18.0.8"),
    ],
)
@EVERY_PROFILE
def test_ovn_announces_servers_that_instances_reach_and_never_resolv_conf(profile, answers, changes, servers, trains):
    announced = option(profile, "ml2", "dns_servers", {**OVN, **answers}, **changes)
    assert announced == (trains if profile == TRAIN else servers)


@EVERY_PROFILE
def test_the_dhcp_agent_forwards_to_servers_that_it_reaches_from_its_namespace(profile):
    assert option(profile, "dhcp-agent", "dnsmasq_dns_servers", {}, **STUB) == "198.18.0.53,2001:db8::53"
    assert option(profile, "dhcp-agent", "dnsmasq_dns_servers", {DNS: ("198.18.0.7",)}, **STUB) == "198.18.0.7"
    assert option(profile, "dhcp-agent", "dnsmasq_dns_servers", {}, **LOST) is None


def findings(check, answers, roles=("controller", "network"), **changes):
    found = run_checks(facts(**changes), {**ANSWERS, **answers}, profile_of("debian12-zed"), "n1", roles)
    return [(finding.level, finding.message, finding.hint) for finding in found if finding.check == check]


def test_a_node_without_a_server_for_instances_is_warned_about():
    ((level, message, hint),) = findings("resolvers", OVN, **LOST)
    assert (level, hint) == ("warning", f"set {DNS}=ADDRESS")
    assert message.startswith("instances get no name server: /etc/resolv.conf has only 127.0.0.1, ::1, which")
    ((_, message, _),) = findings("resolvers", OVN, resolvers=())
    assert message == "instances get no name server: /etc/resolv.conf has none"


@pytest.mark.parametrize(
    ("answers", "roles", "changes"),
    [
        (OVN, ("controller", "network"), STUB),
        ({**OVN, DNS: ("198.18.0.1",)}, ("controller", "network"), LOST),
        # Who announces them: Neutron's server with OVN, the DHCP agents of network nodes otherwise.
        (OVN, ("network",), LOST),
        ({"CONFIG_NEUTRON_L2_AGENT": "openvswitch"}, ("controller",), LOST),
    ],
)
def test_other_nodes_are_not_warned_about(answers, roles, changes):
    assert findings("resolvers", answers, roles, **changes) == []


DEMO = {"CONFIG_PROVISION_DEMO": True, "CONFIG_PROVISION_DEMO_FLOATRANGE": "172.24.4.0/24"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interfaces": (Interface("eth0", True, 1500, ("10.0.0.7/24",)),)}, "overlaps 10.0.0.0/24 (eth0)"),
        ({"interfaces": (Interface("eth0", True, 1500, ("10.1.2.3/8",)),)}, "overlaps 10.0.0.0/8 (eth0)"),
        ({"resolvers": ("10.0.0.53",)}, "overlaps 10.0.0.53/32 (a name server)"),
        ({"resolvers": ("127.0.0.53",), "upstream_resolvers": ("10.0.0.53",)}, "overlaps 10.0.0.53/32 (a name server)"),
        ({"routes": ("10.0.0.128/25",)}, "overlaps 10.0.0.128/25 (a route)"),
    ],
)
def test_a_private_network_that_the_node_uses_is_warned_about_with_a_free_one(changes, words):
    used = {"interfaces": (), "resolvers": (), **changes}
    ((level, message, hint),) = findings("private", DEMO, **used)
    assert level == "warning" and words in message and hint.startswith(f"set {RANGE}=")
    free_range = hint.partition("=")[2]
    assert findings("private", {**DEMO, RANGE: free_range}, **used) == []
    deployed = {**used, "deployed_by_us": True}
    assert "create a network with another range" in findings("private", DEMO, **deployed)[0][2]


def test_the_suggested_network_is_not_the_floating_range():
    everything = {"interfaces": (), "routes": ("10.0.0.0/8", "172.16.0.0/12"), "resolvers": ()}
    ((_, _, hint),) = findings(
        "private", {**DEMO, "CONFIG_PROVISION_DEMO_FLOATRANGE": "192.168.100.0/24"}, **everything
    )
    assert hint == f"set {RANGE}=192.168.101.0/24"


@pytest.mark.parametrize(
    ("answers", "changes"),
    [
        (DEMO, {"routes": ("10.0.1.0/24",), "resolvers": ("10.0.1.1", "fd00::1", "127.0.0.1")}),
        ({**DEMO, "CONFIG_PROVISION_DEMO": False}, {"routes": ("10.0.0.0/24",)}),
    ],
)
def test_a_private_network_of_its_own_is_fine(answers, changes):
    assert findings("private", answers, **changes) == []


def test_the_private_network_is_the_answers():
    subnets = {one.name: one.body for one in resources_of(cloud({RANGE: "192.168.77.5/26"}), ApiObject)}
    subnet = subnets["private_subnet"]
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("192.168.77.0/26", "192.168.77.1")


UPLINK = {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:host0",), **DEMO}
NETWORK = f"{ADDRESS.rpartition('.')[0]}.0/24"
PREFIX = ADDRESS.rpartition(".")[0]


def part(cidr, router=f"{PREFIX}.1", name="host0", **changes):
    interfaces = (Interface(name, True, 1500, (f"{ADDRESS}/24",)),)
    answers = {**UPLINK, "CONFIG_PROVISION_DEMO_FLOATRANGE": cidr}
    found = findings("uplink", answers, default_gateway=router, interfaces=interfaces, **changes)
    return [one for one in found if "only a part" in one[1]]


def test_a_floating_range_that_is_a_part_of_the_network_is_an_error_that_says_what_to_answer():
    ((level, message, hint),) = part(f"{PREFIX}.64/27")
    assert level == "error" and f"its router {PREFIX}.1 is not in that part" in message
    assert hint.endswith(
        f"CONFIG_PROVISION_DEMO_FLOATRANGE={NETWORK}"
        f""" CONFIG_PROVISION_DEMO_ALLOCATION_POOLS='["start={PREFIX}.64,end={PREFIX}.95"]'"""
    )
    # At the network's edges, the addresses that no host can have are left out.
    assert f'"start={PREFIX}.225,end={PREFIX}.254"' in part(f"{PREFIX}.224/27")[0][2]
    assert part(f"{PREFIX}.64/27", name="br-ex"), "the address is on the bridge once it has moved"
    assert "and a router is not in that part" in part(f"{PREFIX}.64/27", router="")[0][1]
    assert part(f"{PREFIX}.64/27", deployed_by_us=True)[0][0] == "warning"


@pytest.mark.parametrize(
    ("cidr", "router"),
    [(NETWORK, f"{PREFIX}.1"), (NETWORK, ""), (f"{PREFIX}.0/27", f"{PREFIX}.1"), ("172.24.4.0/24", f"{PREFIX}.1")],
)
def test_the_whole_network_or_a_part_with_its_router_is_no_error(cidr, router):
    assert part(cidr, router) == []


def test_the_networks_own_router_is_the_gateway():
    interfaces = (Interface("host0", True, 1500, (f"{ADDRESS}/24",)),)
    answers = {**OVN, **UPLINK, "CONFIG_PROVISION_DEMO_FLOATRANGE": NETWORK}
    context = cloud(answers, default_gateway=f"{PREFIX}.254", interfaces=interfaces)
    (subnet,) = [one for one in resources_of(context, ApiObject) if one.name == "public_subnet"]
    assert subnet.body["gateway_ip"] == f"{PREFIX}.254"
