"""Ports that the cloud's own hosts alone may reach: which, for whom, and rules that are lost are seen."""

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


def of(profile="debian12-zed", answers=None, others=(), **facts):
    return replace(cloud({**ON, **(answers or {})}, profile=profile, **facts), other_nodes=others)


def declared(found, kind):
    made = firewall.declare(found, services.services_on_node(found))
    return [resource for resource in made if isinstance(resource, kind)]


def script(found):
    return next(file.content for file in declared(found, File) if file.path == "/etc/packstack-lite/guard")


def closed(text):
    """The ports that the rules refuse."""
    spans = re.findall(r"--dport ([\d:]+)", text) or re.search(r"tcp dport \{ (.*?) \}", text)[1].split(", ")
    ends = [[int(end) for end in re.split("[-:]", span)] for span in spans]
    return {port for span in ends for port in range(span[0], span[-1] + 1)}


@pytest.mark.parametrize("profile", PROFILES)
def test_databases_queue_and_cache_are_closed_and_what_users_need_is_not(profile):
    everything = dict.fromkeys([f"CONFIG_{name}_INSTALL" for name in ("SWIFT", "BARBICAN", "CINDER", "HORIZON")], True)
    found = of(profile, everything)
    ports = closed(script(found))
    internal = {"mariadb", "rabbitmq", "memcached", "metadata", "swift-object", "swift-container", "swift-account"}
    assert {PORTS[name] for name in internal} <= ports
    public = set(public_ports(services.SERVICES, {}))
    assert not ports & {22, 80, 443, *public}
    assert {5900, 16509, 49152, 49215} <= ports and 49216 not in ports


def test_only_ports_of_what_the_host_has_are_closed():
    """The user may have a database of his own on a host that only computes."""
    found = of()
    (text,) = [file.content for file in firewall.declare(found, ["nova-compute"]) if file.id.endswith("/guard")]
    assert 5900 in closed(text) and not closed(text) & {3306, 5672, 11211}
    assert not closed(script(found)) & {6200, 3260, 3300}


def test_nobody_is_shut_out_while_a_host_cannot_be_asked_for_its_addresses():
    silent = Node(name="c3", address="", hostname="", roles=("compute",))
    assert declared(of(others=OTHERS), OnlyAllowedPeers)
    found = of(others=(*OTHERS, silent))
    assert not declared(found, OnlyAllowedPeers)
    assert [peer.attributed_to for peer in declared(found, AllowedPeer)] == ["c1", "c2"]


def test_a_host_without_such_ports_has_nothing_to_guard():
    """One that routes alone: no empty list of ports, which the kernel would refuse."""
    made = firewall.declare(of(others=OTHERS), ["openvswitch", "neutron-openvswitch"])
    assert [guard.enabled for guard in made if isinstance(guard, PortFilter)] == [False]
    assert not [peer for peer in made if isinstance(peer, AllowedPeer)]


@pytest.mark.parametrize("profile", PROFILES)
def test_each_other_host_is_let_in_on_its_own_before_anybody_is_refused(profile):
    found = of(profile, others=OTHERS)
    assert script(found) == script(of(profile)), "a host that is added changes no rules of the others"
    told = declared(found, AllowedPeer)
    assert {peer.attributed_to: peer.addresses for peer in told} == {
        "c1": ("198.18.1.11", "198.19.1.11"),
        "c2": ("198.18.1.12", "2001:db8::2"),
    }
    (guard,) = declared(found, PortFilter)
    assert {peer.id for peer in told} <= set(guard.needs)
    (only,) = declared(found, OnlyAllowedPeers)
    assert {*only.addresses} == {address for peer in told for address in peer.addresses}
    assert ADDRESS not in only.addresses, "its own packets come over the loopback"


@pytest.mark.parametrize("profile", PROFILES)
def test_an_answer_to_a_connection_of_the_hosts_own_is_never_refused(profile):
    """Ports of migration are within those that the kernel takes for connections of its own."""
    assert re.search(
        r"tcp flags & \(fin \| syn \| rst \| ack\) == syn|--tcp-flags FIN,SYN,RST,ACK SYN", script(of(profile))
    )
    assert "policy drop" not in script(of(profile))


@pytest.mark.parametrize(("on", "kind"), [("firewalld", FirewalldPorts), ("iptables", IptablesPorts)])
def test_a_firewall_that_closes_everything_is_told_of_the_other_hosts(on, kind):
    found = of("centos7-train", others=OTHERS, firewall=on)
    ports, *others = declared(found, kind)
    assert (bool(ports.ports), ports.peers) == (True, ())
    assert [(told.attributed_to, told.ports, told.peers) for told in others] == [
        ("c1", (), ("198.18.1.11", "198.19.1.11")),
        ("c2", (), ("198.18.1.12", "2001:db8::2")),
    ]
    assert len({told.id for told in (ports, *others)}) == 3
    assert [guard.enabled for guard in declared(found, PortFilter)] == [False]


@pytest.mark.parametrize(
    ("answers", "facts", "wanted"),
    [
        ({}, {}, True),
        ({}, {"firewall": "ufw"}, True),
        ({}, {"firewall": "nftables"}, True),
        ({}, {"firewall": "firewalld"}, False),
        ({}, {"nft_support": "no"}, False),
        ({"CONFIG_FIREWALL": False}, {}, False),
    ],
)
def test_where_there_is_a_guard_and_where_an_earlier_one_is_taken_back(answers, facts, wanted):
    found = of(answers=answers, **facts)
    (guard,) = declared(found, PortFilter)
    assert guard.enabled is wanted
    gone = declared(found, Absent)
    assert bool(gone) is not wanted and all(each.created_by_us and guard.id in each.needs for each in gone)
    assert set(guard.trigger_ids) == ({file.id for file in declared(found, File)} if wanted else set())


def test_a_kernel_that_takes_no_rules_is_a_finding_with_a_way_out():
    def remarks(found):
        return list(system_config.check_port_filter(CheckContext(found.facts, found.answers, found.profile, "host")))

    (remark,) = remarks(of(nft_support="no"))
    assert "nftables" in remark.message and "CONFIG_FIREWALL" in remark.hint
    assert remarks(of()) == remarks(of("centos7-train", nft_support="no")) == []
    assert (
        remarks(of(nft_support="no", firewall="firewalld"))
        == remarks(of(answers={"CONFIG_FIREWALL": False}, nft_support="no"))
        == []
    )


def test_a_kernel_that_translates_no_addresses_is_a_finding_and_gets_no_rules():
    able, not_able = of(), of(nat_support="no")
    assert list(system_config.check_nat(CheckContext(able.facts, able.answers, able.profile, "host"))) == []
    (remark,) = system_config.check_nat(CheckContext(not_able.facts, not_able.answers, not_able.profile, "host"))
    assert "nft_chain_nat" in remark.hint
    made = [openvswitch.declare(found) for found in (able, not_able)]
    assert [sum(isinstance(each, Nat) for each in resources) for resources in made] == [1, 0]
    boot = [
        next(each.content for each in resources if each.id.endswith("packstack-lite-bridge.service"))
        for resources in made
    ]
    assert ["iptables" in text for text in boot] == [True, False]


def test_whether_the_kernel_takes_rules_is_a_fact():
    assert read_facts(SecurityFacts, Reply(0, "nat_support=no\n")).nat_support == "no"
    assert read_facts(SecurityFacts, Reply(0, "nft_support=no\n")).nft_support == "no"
    assert read_facts(SecurityFacts, Reply(0)).nft_support == ""


# --- the script and the resource, with stand-ins that remember

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
    made = Dash(tmp_path, moved=["/etc/packstack-lite", "/run/packstack-lite"])
    (tmp_path / "run").mkdir()
    made.tool("systemctl", SYSTEMCTL)
    made.tool("nft", NFT)
    return made


def install(dash, text):
    place = dash.root / "etc/packstack-lite"
    place.mkdir(parents=True, exist_ok=True)
    for path in dash.moved:
        text = text.replace(path, f"{dash.root}{path}")
    (place / "guard").write_text(text)


def wanted(found):
    (guard,) = declared(found, PortFilter)
    return guard


def told(dash, guard):
    return dash.probe(guard)[guard.id]


def test_rules_are_loaded_once_and_seen_when_lost_or_changed(dash):
    guard = wanted(of())
    assert told(dash, guard) is None
    install(dash, script(of()))
    assert all(reply.ok for reply in dash.fix(guard))
    assert is_as_desired(guard, told(dash, guard))
    (dash.root / "rules").write_text("table inet packstack_lite { }")
    assert told(dash, guard)["rules"] == "lost"
    dash.fix(guard)
    assert is_as_desired(guard, told(dash, guard))
    (dash.root / "rules").unlink()
    assert told(dash, guard)["rules"] == "lost"
    dash.fix(guard)
    (dash.root / "enabled").write_text("disabled")
    assert told(dash, guard)["after a boot"] == "disabled"


def test_files_that_are_about_to_change_make_the_rules_count_as_lost(dash):
    guard = wanted(of())
    install(dash, script(of()))
    dash.fix(guard)
    dash.run(guard.invalidate())
    assert told(dash, guard)["rules"] == "lost"
    assert " 6200" not in dash.read_note("rules")
    install(dash, script(of(answers={"CONFIG_SWIFT_INSTALL": True})))
    dash.fix(guard)
    assert is_as_desired(guard, told(dash, guard)) and " 6200" in dash.read_note("rules")


def test_a_host_comes_and_goes_while_the_guard_stays_in_force(dash):
    """Before there are rules it is noted; then rules are loaded anew in one step, and count as loaded."""
    found = of(others=OTHERS)
    guard, (first, second), (only,) = wanted(found), declared(found, AllowedPeer), declared(found, OnlyAllowedPeers)
    assert dash.probe(first)[first.id] == {"shut out": ("198.18.1.11", "198.19.1.11")}
    assert dash.fix(first)[0].ok and is_as_desired(first, dash.probe(first)[first.id])
    assert dash.read_note("rules") == ""
    install(dash, script(found))
    dash.fix(guard)
    rules = dash.read_note("rules")
    assert rules.index("ip saddr 198.18.1.11 accept") < rules.index("reject") and "198.18.1.12" not in rules
    assert not is_as_desired(second, dash.probe(second)[second.id])
    assert dash.fix(second)[0].ok
    assert "ip6 saddr 2001:db8::2 accept" in dash.read_note("rules") and is_as_desired(guard, told(dash, guard))
    assert is_as_desired(only, dash.probe(only)[only.id])
    fewer = replace(only, addresses=first.addresses)
    (gap,) = diff_resources([fewer], dash.probe(fewer))
    assert describe_diff(gap) == ("close internal ports to 198.18.1.12, 2001:db8::2 (not a node of this cloud)")
    assert fewer.fix([gap]) and dash.run(fewer.fix([gap])[0]).ok
    assert "198.18.1.12" not in dash.read_note("rules") and "198.19.1.11" in dash.read_note("rules")
    assert is_as_desired(fewer, dash.probe(fewer)[fewer.id]) and is_as_desired(guard, told(dash, guard))


def test_a_guard_is_taken_back_with_its_unit_and_its_rules(dash):
    install(dash, script(of()))
    dash.fix(wanted(of()))
    off = wanted(of(answers={"CONFIG_FIREWALL": False}))
    assert told(dash, off) is not None
    assert all(reply.ok for reply in dash.fix(off))
    assert told(dash, off) is None and not dash.read_note("rules")


def test_rules_that_the_kernel_refuses_are_a_fault_and_not_in_force(dash):
    guard = wanted(of())
    install(dash, script(of()))
    dash.tool("nft", "echo refused >&2; exit 1")
    dash.tool("journalctl", "echo 'guard: refused'")
    (reply,) = dash.fix(guard)
    assert not reply.ok and "refused" in reply.err
    assert not is_as_desired(guard, told(dash, guard))


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


def test_iptables_is_told_the_same_where_there_is_no_nft(dash):
    dash.tool("iptables", IPTABLES)
    dash.tool("iptables-restore", '[ "$1" = --noflush ] && cat > $T/rules')
    found = of("centos7-train", others=OTHERS)
    guard = wanted(found)
    install(dash, script(found))
    for _ in range(2):
        assert all(reply.ok for reply in dash.fix(guard))
        assert is_as_desired(guard, told(dash, guard))
    for peer in declared(found, AllowedPeer):
        assert dash.fix(peer)[0].ok
    rules = dash.read_note("rules")
    assert rules.index("-s 198.19.1.11 -j RETURN") < rules.index("REJECT") and "COMMIT" in rules
    assert "2001:db8::2" not in rules, "iptables is of IPv4 alone"
    assert is_as_desired(guard, told(dash, guard))
    (dash.root / "jumps").unlink()
    assert told(dash, guard)["rules"] == "lost", "a chain that nobody asks"
    dash.fix(guard)
    assert all(reply.ok for reply in dash.fix(wanted(of("centos7-train", {"CONFIG_FIREWALL": False}))))
    assert not dash.read_note("rules") and not dash.read_note("jumps")
