"""Name servers and routes of a node: what the scripts read, and which servers instances can use too."""

from __future__ import annotations

import pytest

from packstack_lite.ip_addresses import is_reachable_by_others
from packstack_lite.nodes.facts import NetworkFacts, network, resolvers
from packstack_lite.nodes.facts.resolvers import usable_resolvers
from tests.clouds import read_facts
from tests.unit.dash import Dash

FILES = ("/etc/resolv.conf", "/run/systemd/resolve", "/run/NetworkManager", "/run/dnsmasq")
STUB = "# This is /run/systemd/resolve/stub-resolv.conf\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"
UPSTREAM = "nameserver 198.18.0.53\nnameserver 2001:db8::53\n# Too many DNS servers\nsearch lan\n"


def read_resolvers(tmp_path, files, nmcli="exit 1"):
    dash = Dash(tmp_path, FILES)
    dash.tool("nmcli", nmcli)
    for path, content in files.items():
        (tmp_path / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.lstrip("/")).write_text(content)
    reply = dash.run(resolvers.build_command())
    assert (reply.code, reply.err) == (0, "")
    return read_facts(NetworkFacts, reply)


RESOLV = "/etc/resolv.conf"
RESOLVED, NO_STUB = "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"
NMCLI = r"""
printf 'GENERAL.DEVICE:eth0\nIP4.DNS[1]:198.18.0.3\nIP4.DNS[2]:198.18.0.4\nIP6.DNS[1]:2001\\:db8\\:\\:3\n'
"""


@pytest.mark.parametrize(
    ("files", "nmcli", "usable"),
    [
        ({RESOLV: "nameserver 198.18.0.1\n"}, "", ("198.18.0.1",)),
        (
            {RESOLV: "#nameserver 198.18.0.9\n nameserver\t198.18.0.1 # lan\nnameserver 198.18.0.1"},
            "",
            ("198.18.0.1",),
        ),
        ({RESOLV: STUB, RESOLVED: UPSTREAM}, "", ("198.18.0.53", "2001:db8::53")),
        ({RESOLV: STUB}, "", ()),
        ({}, "", ()),
        ({RESOLV: "search lan\n"}, "", ()),
        ({RESOLV: "nameserver ::1\nnameserver 127.0.0.1\nnameserver fe80::1%eth0\n"}, "", ()),
        ({RESOLV: "nameserver 127.0.0.1\nnameserver 198.18.0.2\n", RESOLVED: UPSTREAM}, "", ("198.18.0.2",)),
        ({RESOLV: "nameserver 127.0.1.1\n"}, NMCLI, ("198.18.0.3", "198.18.0.4", "2001:db8::3")),
        ({RESOLV: "nameserver 127.0.0.1\n", NO_STUB: "nameserver 198.18.0.5\n"}, "", ("198.18.0.5",)),
        (
            {RESOLV: "nameserver 127.0.0.1\n", "/run/dnsmasq/resolv.conf": "nameserver 198.18.0.6\n"},
            "",
            ("198.18.0.6",),
        ),
        ({RESOLV: STUB, RESOLVED: "nameserver 127.0.0.1\n"}, "", ()),
    ],
)
def test_instances_get_what_the_node_itself_asks_in_the_end(tmp_path, files, nmcli, usable):
    facts = read_resolvers(tmp_path, files, nmcli)
    assert usable_resolvers(facts.resolvers, facts.upstream_resolvers) == usable


@pytest.mark.parametrize(
    "server",
    [
        "127.0.0.53",
        "127.0.1.1",
        "::1",
        "0.0.0.0",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "169.254.1.1",
        "ns1",
        "",
        "224.0.0.1",
    ],
)
def test_an_address_that_only_the_node_can_use_is_not_usable(server):
    assert not is_reachable_by_others(server)


@pytest.mark.parametrize("server", ["198.18.0.1", "2001:db8::1", "fd00::1", "10.0.0.2"])
def test_an_address_that_others_can_reach_is_usable(server):
    assert is_reachable_by_others(server)


def test_routes_are_read_without_the_default_one(tmp_path):
    dash = Dash(tmp_path)
    routes = (
        "default via 198.18.1.1 dev eth0\\n10.0.0.0/24 dev eth1 proto kernel scope link\\n"
        "172.16.0.1 via 198.18.1.9 dev eth0\\nunreachable 10.9.0.0/16\\n"
    )
    dash.tool("ip", f"case $* in '-4 route show') printf '{routes}' ;; esac")
    facts = read_facts(NetworkFacts, dash.run(network.build_commands()[0]))
    assert facts.routes == ("10.0.0.0/24", "172.16.0.1")
