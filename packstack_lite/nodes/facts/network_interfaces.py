"""A host's network interfaces, read from iproute2's words."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.nodes.facts import Interface

_KIND = re.compile(r"\\\s+(bond|bridge|dummy|geneve|gre|ipvlan|macvlan|openvswitch|team|tun|veth|vlan|vxlan)\s")


def parse_interfaces(text: str) -> Tuple[Interface, ...]:
    """Interfaces, from ``ip -o -d link`` and, after an empty line, ``ip -o addr``."""
    links_text, _, addresses_text = text.partition("\n\n")
    addresses: Dict[str, List[str]] = {}
    for line in addresses_text.splitlines():
        _, name, family, address = line.split()[:4]
        if family in ("inet", "inet6"):
            addresses.setdefault(name, []).append(address)
    return tuple(_parse_interface(line, addresses) for line in links_text.splitlines() if line.strip())


def _parse_interface(line: str, addresses: Mapping[str, List[str]]) -> Interface:
    fields = line.split()
    name = fields[1].rstrip(":").split("@")[0]
    kind = _KIND.search(line + " ")
    up = "UP" in fields[2].strip("<>").split(",")
    mtu = int(fields[fields.index("mtu") + 1])
    return Interface(name, up, mtu, tuple(addresses.get(name, ())), kind.group(1) if kind else "")


def parse_dhcp_addresses(text: str) -> Tuple[str, ...]:
    """The IPv4 addresses that have a lease and not a life for ever, from the same text."""
    lines = [line.split() for line in text.partition("\n\n")[2].splitlines()]
    return tuple(fields[3].split("/")[0] for fields in lines if fields[2] == "inet" and "dynamic" in fields[4:])


def first_ipv4_address(interfaces: Sequence[Interface], name: str) -> str:
    """The first IPv4 address of the interface of this name; "" without one."""
    candidates = [address for interface in interfaces if interface.name == name for address in interface.addresses]
    return next((address.split("/")[0] for address in candidates if ":" not in address), "")
