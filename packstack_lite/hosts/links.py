"""A host's network interfaces, read from iproute2's words."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.hosts.facts import Interface

_KIND = re.compile(r"\\\s+(bond|bridge|dummy|geneve|gre|ipvlan|macvlan|openvswitch|team|tun|veth|vlan|vxlan)\s")


def interfaces(text: str) -> Tuple[Interface, ...]:
    """Interfaces, from ``ip -o -d link`` and, after an empty line, ``ip -o addr``."""
    found, _, owned = text.partition("\n\n")
    addresses: Dict[str, List[str]] = {}
    for line in owned.splitlines():
        _, name, family, address = line.split()[:4]
        if family in ("inet", "inet6"):
            addresses.setdefault(name, []).append(address)
    return tuple(_interface(line, addresses) for line in found.splitlines() if line.strip())


def _interface(line: str, addresses: Mapping[str, List[str]]) -> Interface:
    words = line.split()
    name = words[1].rstrip(":").split("@")[0]
    kind = _KIND.search(line + " ")
    up = "UP" in words[2].strip("<>").split(",")
    mtu = int(words[words.index("mtu") + 1])
    return Interface(name, up, mtu, tuple(addresses.get(name, ())), kind.group(1) if kind else "")


def leased(text: str) -> Tuple[str, ...]:
    """The IPv4 addresses that have a lease and not a life for ever, from the same text."""
    lines = [line.split() for line in text.partition("\n\n")[2].splitlines()]
    return tuple(words[3].split("/")[0] for words in lines if words[2] == "inet" and "dynamic" in words[4:])


def address_of(interfaces: Sequence[Interface], name: str) -> str:
    """The first IPv4 address of the interface of this name; "" without one."""
    own = [address for interface in interfaces if interface.name == name for address in interface.addresses]
    return next((address.split("/")[0] for address in own if ":" not in address), "")
