"""The port filter: which ports it closes, whom it lets in, and how lost rules are noticed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from packstack_lite import services
from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.host_setup import firewall
from packstack_lite.nodes.facts import SecurityFacts
from packstack_lite.nodes.node import Node
from packstack_lite.preflight import system_config
from packstack_lite.preflight.check import CheckContext
from packstack_lite.remote.command import Reply
from packstack_lite.resources import (
    Absent,
    AllowedPeer,
    File,
    FirewalldPorts,
    IptablesPorts,
    Nat,
    OnlyAllowedPeers,
    PortFilter,
)
from packstack_lite.services._base.context import PORTS
from packstack_lite.services.networking import openvswitch
from packstack_lite.services.registry import public_ports
from tests.clouds import ADDRESS, cloud, read_facts
from tests.unit.dash import Dash, is_as_desired

PROFILES = ["centos7-train", "centos9s-epoxy", "debian12-zed", "debian13-epoxy"]
OTHERS = (
    Node(name="c1", address="198.18.1.11", hostname="c1", roles=("compute",), tunnel_address="198.19.1.11"),
    Node(name="c2", address="198.18.1.12", hostname="c2", roles=("compute",), tunnel_address="2001:db8::2"),
)
ON = {"CONFIG_FIREWALL": True}


def make_context(profile="debian12-zed", answers=None, others=(), **facts):
    return replace(cloud({**ON, **(answers or {})}, profile=profile, **facts), other_nodes=others)


def declared(context, kind):
    resources = firewall.declare(context, services.services_on_node(context))
    return [resource for resource in resources if isinstance(resource, kind)]


def filter_script(context):
    return next(file.content for file in declared(context, File) if file.path == "/etc/packstack-lite/guard")


def closed_ports(text):
    """Return the ports that the rules refuse."""
    spans = re.findall(r"--dport ([\d:]+)", text) or re.search(r"tcp dport \{ (.*?) \}", text)[1].split(", ")
    ends = [[int(end) for end in re.split("[-:]", span)] for span in spans]
    return {port for span in ends for port in range(span[0], span[-1] + 1)}


@pytest.mark.parametrize("profile", PROFILES)
def test_databases_queue_and_cache_are_closed_and_public_apis_are_not(profile):
    everything = dict.fromkeys([f"CONFIG_{name}_INSTALL" for name in ("SWIFT", "BARBICAN", "CINDER", "HORIZON")], True)
    context = make_context(profile, everything)
    ports = closed_ports(filter_script(context))
    internal = {"mariadb", "rabbitmq", "memcached", "metadata", "swift-object", "swift-container", "swift-account"}
    assert {PORTS[name] for name in internal} <= ports
    public = set(public_ports(services.SERVICES, {}))
    assert not ports & {22, 80, 443, *public}
    assert {5900, 16509, 49152, 49215} <= ports and 49216 not in ports


def test_only_ports_of_services_on_the_node_are_closed():
    """The user may have a database of their own on a compute node."""
    context = make_context()
    (text,) = [file.content for file in firewall.declare(context, ["nova-compute"]) if file.id.endswith("/guard")]
    assert 5900 in closed_ports(text) and not closed_ports(text) & {3306, 5672, 11211}
    assert not closed_ports(filter_script(context)) & {6200, 3260, 3300}


def test_no_peer_is_revoked_while_a_nodes_addresses_are_unknown():
    silent = Node(name="c3", address="", hostname="", roles=("compute",))
    assert declared(make_context(others=OTHERS), OnlyAllowedPeers)
    context = make_context(others=(*OTHERS, silent))
    assert not declared(context, OnlyAllowedPeers)
    assert [peer.attributed_to for peer in declared(context, AllowedPeer)] == ["c1", "c2"]


def test_a_node_without_internal_ports_has_no_filter():
    """A network node: the kernel would refuse an empty list of ports."""
    resources = firewall.declare(make_context(others=OTHERS), ["openvswitch", "neutron-openvswitch"])
    assert [port_filter.enabled for port_filter in resources if isinstance(port_filter, PortFilter)] == [False]
    assert not [peer for peer in resources if isinstance(peer, AllowedPeer)]


@pytest.mark.parametrize("profile", PROFILES)
def test_each_peer_is_a_resource_of_its_own_and_precedes_the_filter(profile):
    context = make_context(profile, others=OTHERS)
    assert filter_script(context) == filter_script(make_context(profile)), (
        "an added node changes no rules of the others"
    )
    peers = declared(context, AllowedPeer)
    assert {peer.attributed_to: peer.addresses for peer in peers} == {
        "c1": ("198.18.1.11", "198.19.1.11"),
        "c2": ("198.18.1.12", "2001:db8::2"),
    }
    (port_filter,) = declared(context, PortFilter)
    assert {peer.id for peer in peers} <= set(port_filter.needs)
    (only,) = declared(context, OnlyAllowedPeers)
    assert {*only.addresses} == {address for peer in peers for address in peer.addresses}
    assert ADDRESS not in only.addresses, "its own packets come over the loopback"


@pytest.mark.parametrize("profile", PROFILES)
def test_replies_to_the_nodes_own_connections_are_never_refused(profile):
    """Migration uses ports that the kernel also takes for outgoing connections."""
    assert re.search(
        r"tcp flags & \(fin \| syn \| rst \| ack\) == syn|--tcp-flags FIN,SYN,RST,ACK SYN",
        filter_script(make_context(profile)),
    )
    assert "policy drop" not in filter_script(make_context(profile))


@pytest.mark.parametrize(("on", "kind"), [("firewalld", FirewalldPorts), ("iptables", IptablesPorts)])
def test_a_closed_firewall_lets_peers_in(on, kind):
    context = make_context("centos7-train", others=OTHERS, firewall=on)
    ports, *others = declared(context, kind)
    assert (bool(ports.ports), ports.peers) == (True, ())
    assert [(other.attributed_to, other.ports, other.peers) for other in others] == [
        ("c1", (), ("198.18.1.11", "198.19.1.11")),
        ("c2", (), ("198.18.1.12", "2001:db8::2")),
    ]
    assert len({each.id for each in (ports, *others)}) == 3
    assert [port_filter.enabled for port_filter in declared(context, PortFilter)] == [False]


@pytest.mark.parametrize(
    ("answers", "facts", "is_enabled"),
    [
        ({}, {}, True),
        ({}, {"firewall": "ufw"}, True),
        ({}, {"firewall": "nftables"}, True),
        ({}, {"firewall": "firewalld"}, False),
        ({}, {"nft_support": "no"}, False),
        ({"CONFIG_FIREWALL": False}, {}, False),
    ],
)
def test_where_the_filter_is_installed_and_where_removed(answers, facts, is_enabled):
    context = make_context(answers=answers, **facts)
    (port_filter,) = declared(context, PortFilter)
    assert port_filter.enabled is is_enabled
    absent_files = declared(context, Absent)
    assert bool(absent_files) is not is_enabled and all(
        each.created_by_us and port_filter.id in each.needs for each in absent_files
    )
    assert set(port_filter.trigger_ids) == ({file.id for file in declared(context, File)} if is_enabled else set())


def make_check_context(context):
    return CheckContext(context.facts, context.answers, context.profile, "node")


def test_a_kernel_without_packet_rules_is_a_finding_with_a_hint():
    def findings(context):
        return list(system_config.check_port_filter(make_check_context(context)))

    (finding,) = findings(make_context(nft_support="no"))
    assert "nftables" in finding.message and "CONFIG_FIREWALL" in finding.hint
    assert findings(make_context()) == findings(make_context("centos7-train", nft_support="no")) == []
    assert findings(make_context(nft_support="no", firewall="firewalld")) == []
    assert findings(make_context(answers={"CONFIG_FIREWALL": False}, nft_support="no")) == []


def test_a_kernel_without_address_translation_is_a_finding_and_gets_no_rules():
    with_nat, without_nat = make_context(), make_context(nat_support="no")
    assert list(system_config.check_nat(make_check_context(with_nat))) == []
    (finding,) = system_config.check_nat(make_check_context(without_nat))
    assert "nft_chain_nat" in finding.hint
    by_context = [openvswitch.declare(context) for context in (with_nat, without_nat)]
    assert [sum(isinstance(each, Nat) for each in resources) for resources in by_context] == [1, 0]
    boot = [
        next(each.content for each in resources if each.id.endswith("packstack-lite-bridge.service"))
        for resources in by_context
    ]
    assert ["iptables" in text for text in boot] == [True, False]


def test_whether_the_kernel_has_packet_rules_is_a_fact():
    assert read_facts(SecurityFacts, Reply(0, "nat_support=no\n")).nat_support == "no"
    assert read_facts(SecurityFacts, Reply(0, "nft_support=no\n")).nft_support == "no"
    assert read_facts(SecurityFacts, Reply(0)).nft_support == ""


# --- the script and the resource, with stand-in tools that keep state

SYSTEMCTL = r"""
echo "$*" >> $T/calls
case $1 in
is-enabled) cat $T/enabled 2>/dev/null || exit 1 ;;
is-active) cat $T/active 2>/dev/null || { echo inactive; exit 3; } ;;
enable) echo enabled > $T/enabled ;;
restart) sh $T/etc/packstack-lite/guard start && echo active > $T/active ;;
disable) sh $T/etc/packstack-lite/guard stop; rm -f $T/enabled $T/active ;;
esac
"""
NFT = r"""
case $1 in
-f) cat > $T/rules ;;
list) cat $T/rules 2>/dev/null || exit 1 ;;
delete) rm $T/rules ;;
esac
"""


@pytest.fixture
def dash(tmp_path):
    node = Dash(tmp_path, moved=["/etc/packstack-lite", "/run/packstack-lite"])
    (tmp_path / "run").mkdir()
    node.tool("systemctl", SYSTEMCTL)
    node.tool("nft", NFT)
    return node


def install(dash, text):
    directory = dash.root / "etc/packstack-lite"
    directory.mkdir(parents=True, exist_ok=True)
    for path in dash.moved:
        text = text.replace(path, f"{dash.root}{path}")
    (directory / "guard").write_text(text)


def declared_filter(context):
    (port_filter,) = declared(context, PortFilter)
    return port_filter


def observe(dash, port_filter):
    return dash.probe(port_filter)[port_filter.id]


def test_rules_are_loaded_and_noticed_when_lost_or_changed(dash):
    port_filter = declared_filter(make_context())
    assert observe(dash, port_filter) is None
    install(dash, filter_script(make_context()))
    assert all(reply.ok for reply in dash.fix(port_filter))
    assert is_as_desired(port_filter, observe(dash, port_filter))
    (dash.root / "rules").write_text("table inet packstack_lite { }")
    assert observe(dash, port_filter)["rules"] == "lost"
    dash.fix(port_filter)
    assert is_as_desired(port_filter, observe(dash, port_filter))
    (dash.root / "rules").unlink()
    assert observe(dash, port_filter)["rules"] == "lost"
    dash.fix(port_filter)
    (dash.root / "enabled").write_text("disabled")
    assert observe(dash, port_filter)["after a boot"] == "disabled"


def test_rules_count_as_lost_before_their_files_change(dash):
    port_filter = declared_filter(make_context())
    install(dash, filter_script(make_context()))
    dash.fix(port_filter)
    dash.run(port_filter.invalidate())
    assert observe(dash, port_filter)["rules"] == "lost"
    assert " 6200" not in dash.read_note("rules")
    install(dash, filter_script(make_context(answers={"CONFIG_SWIFT_INSTALL": True})))
    dash.fix(port_filter)
    assert is_as_desired(port_filter, observe(dash, port_filter)) and " 6200" in dash.read_note("rules")


def test_nodes_come_and_go_while_the_filter_stays_in_force(dash):
    """Before there are rules a peer is only recorded; later the rules are loaded again in one step."""
    context = make_context(others=OTHERS)
    port_filter, (first, second), (only,) = (
        declared_filter(context),
        declared(context, AllowedPeer),
        declared(context, OnlyAllowedPeers),
    )
    assert dash.probe(first)[first.id] == {"shut out": ("198.18.1.11", "198.19.1.11")}
    assert dash.fix(first)[0].ok and is_as_desired(first, dash.probe(first)[first.id])
    assert dash.read_note("rules") == ""
    install(dash, filter_script(context))
    dash.fix(port_filter)
    rules = dash.read_note("rules")
    assert rules.index("ip saddr 198.18.1.11 accept") < rules.index("reject") and "198.18.1.12" not in rules
    assert not is_as_desired(second, dash.probe(second)[second.id])
    assert dash.fix(second)[0].ok
    assert "ip6 saddr 2001:db8::2 accept" in dash.read_note("rules") and is_as_desired(
        port_filter, observe(dash, port_filter)
    )
    assert is_as_desired(only, dash.probe(only)[only.id])
    fewer = replace(only, addresses=first.addresses)
    (diff,) = diff_resources([fewer], dash.probe(fewer))
    assert describe_diff(diff) == ("close internal ports to 198.18.1.12, 2001:db8::2 (not a node of this cloud)")
    assert fewer.fix([diff]) and dash.run(fewer.fix([diff])[0]).ok
    assert "198.18.1.12" not in dash.read_note("rules") and "198.19.1.11" in dash.read_note("rules")
    assert is_as_desired(fewer, dash.probe(fewer)[fewer.id]) and is_as_desired(port_filter, observe(dash, port_filter))


def test_a_disabled_filter_loses_its_unit_and_its_rules(dash):
    install(dash, filter_script(make_context()))
    dash.fix(declared_filter(make_context()))
    off = declared_filter(make_context(answers={"CONFIG_FIREWALL": False}))
    assert observe(dash, off) is not None
    assert all(reply.ok for reply in dash.fix(off))
    assert observe(dash, off) is None and not dash.read_note("rules")


def test_rules_that_the_kernel_refuses_are_an_error_and_not_in_force(dash):
    port_filter = declared_filter(make_context())
    install(dash, filter_script(make_context()))
    dash.tool("nft", "echo refused >&2; exit 1")
    dash.tool("journalctl", "echo 'guard: refused'")
    (reply,) = dash.fix(port_filter)
    assert not reply.ok and "refused" in reply.err
    assert not is_as_desired(port_filter, observe(dash, port_filter))


IPTABLES = r"""
while [ "$1" = -w ]; do shift 2; done
case "$1 $2" in
"-C INPUT") [ -e $T/jumps ] ;;
"-I INPUT") [ ! -e $T/jumps ] && echo '-A INPUT -j PACKSTACK-LITE' > $T/jumps ;;
"-D INPUT") rm $T/jumps ;;
"-S INPUT") cat $T/jumps 2>/dev/null ;;
"-S PACKSTACK-LITE") cat $T/rules 2>/dev/null ;;
"-F PACKSTACK-LITE") [ -e $T/rules ] ;;
"-X PACKSTACK-LITE") rm $T/rules ;;
esac
"""


def test_iptables_loads_the_same_rules_without_nft(dash):
    dash.tool("iptables", IPTABLES)
    dash.tool("iptables-restore", '[ "$1" = --noflush ] && cat > $T/rules')
    context = make_context("centos7-train", others=OTHERS)
    port_filter = declared_filter(context)
    install(dash, filter_script(context))
    for _ in range(2):
        assert all(reply.ok for reply in dash.fix(port_filter))
        assert is_as_desired(port_filter, observe(dash, port_filter))
    for peer in declared(context, AllowedPeer):
        assert dash.fix(peer)[0].ok
    rules = dash.read_note("rules")
    assert rules.index("-s 198.19.1.11 -j RETURN") < rules.index("REJECT") and "COMMIT" in rules
    assert "2001:db8::2" not in rules, "iptables is for IPv4 only"
    assert is_as_desired(port_filter, observe(dash, port_filter))
    (dash.root / "jumps").unlink()
    assert observe(dash, port_filter)["rules"] == "lost", "a chain that no rule jumps to"
    dash.fix(port_filter)
    assert all(
        reply.ok for reply in dash.fix(declared_filter(make_context("centos7-train", {"CONFIG_FIREWALL": False})))
    )
    assert not dash.read_note("rules") and not dash.read_note("jumps")
