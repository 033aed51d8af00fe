"""The files by which systemd-networkd and NetworkManager keep a bridge in an interface's place."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Callable, List, Mapping, Sequence, Tuple

from packstack_lite.hosts.facts import Wiring
from packstack_lite.resources import NetFile
from packstack_lite.resources.uplink import NETWORKD, PROFILE

Section = Tuple[str, Tuple[str, ...]]
# The same on every run, so that a second one writes the same files.
_UUIDS = uuid.UUID("5c6f0f0e-1f3a-4a5e-9a53-1b1f4c3f7d10")


@dataclass(frozen=True)
class Move:
    """What the texts are made from: which interface goes into which bridge, and what the host says of both."""

    bridge: str
    interface: str
    datapath: str
    wiring: Mapping[str, Wiring]
    texts: Mapping[str, str]

    @property
    def card(self) -> Wiring:
        """The interface."""
        return self.wiring.get(self.interface, Wiring())

    @property
    def mac(self) -> str:
        """The address that the bridge takes over: the interface's own."""
        return self.card.mac

    def source(self, path_of: Callable[[str], str]) -> str:
        """The text that addresses come from: the bridge's own one if it has taken over already."""
        if path_of(self.interface) in self.texts and path_of(self.bridge) in self.texts:
            return self.texts[path_of(self.bridge)]
        return self.texts.get(self.card.path, "")


def networkd(move: Move) -> Tuple[NetFile, ...]:
    """Two files that sort before all others: the bridge with all that the interface had, the interface without."""
    carried = [part for part in sections(move.source(NETWORKD.format)) if part[0] not in ("Match", "Link")]
    own = sections(move.texts.get(move.card.path, ""))
    link = [
        line for name, lines in own if name == "Link" for line in lines if not line.startswith("RequiredForOnline=")
    ]
    bridge = [
        f"# Written by packstack-lite. {move.bridge} has the addresses of {move.interface}: change them here.",
        *_lines([("Match", (f"Name={move.bridge}",)), *carried, *_same_client(move, carried)]),
    ]
    card = [
        f"# Written by packstack-lite. {move.interface} is a port of the Open vSwitch bridge {move.bridge}.",
        *_lines(
            [
                ("Match", (f"Name={move.interface}",)),
                ("Link", (*link, "RequiredForOnline=no")),
                ("Network", ("LinkLocalAddressing=no", "IPv6AcceptRA=no")),
            ]
        ),
    ]
    return (
        NetFile(NETWORKD.format(move.bridge), _text(bridge), 0o644),
        NetFile(NETWORKD.format(move.interface), _text(card), 0o644),
    )


def _same_client(move: Move, carried: Sequence[Section]) -> List[Section]:
    """networkd makes up the number by which DHCP servers know it from the interface: the bridge keeps the old one."""
    said = any(line.startswith("IAID=") for _, lines in carried for line in lines)
    iaid = move.card.iaid
    return [("DHCPv4", (f"IAID={int(iaid, 16)}",))] if iaid and not said else []


def network_manager(move: Move) -> Tuple[NetFile, ...]:
    """Five profiles: the bridge, its own port and interface with all that the interface had, the interface's port,
    the interface without. They win over the old profile by their priority."""
    kept = dict(sections(move.source(PROFILE.format)))
    bridge, card = move.bridge, move.interface
    profiles: List[Tuple[str, List[Section]]] = [
        (
            f"{bridge}-bridge",
            [
                _connection(f"{bridge}-bridge", "ovs-bridge", bridge),
                ("ovs-bridge", (f"datapath-type={move.datapath}",) if move.datapath != "system" else ()),
            ],
        ),
        (f"{bridge}-port", [_connection(f"{bridge}-port", "ovs-port", bridge, f"{bridge}-bridge", "ovs-bridge")]),
        (f"{card}-port", [_connection(f"{card}-port", "ovs-port", card, f"{bridge}-bridge", "ovs-bridge")]),
        (
            bridge,
            [
                _connection(bridge, "ovs-interface", bridge, f"{bridge}-port", "ovs-port", _zone(kept)),
                ("ovs-interface", ("type=internal",)),
                *_same_mac(move),
                *[(name, kept.get(name, ("method=disabled",))) for name in ("ipv4", "ipv6")],
            ],
        ),
        (card, [_connection(card, "ethernet", card, f"{card}-port", "ovs-port")]),
    ]
    head = f"# Written by packstack-lite: {card} is a port of {bridge}, which has its addresses."
    return tuple(NetFile(PROFILE.format(name), _text([head, *_lines(parts)]), 0o600) for name, parts in profiles)


def _same_mac(move: Move) -> List[Section]:
    """The bridge in user space gets its interface's address from the switch; told so here, NetworkManager takes it down
    and up for it and forgets the routes that are gone then (seen with 1.42)."""
    return [("ethernet", (f"cloned-mac-address={move.mac}",))] if move.datapath == "system" else []


def _zone(kept: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """firewalld's zone is the connection's, not the address's."""
    return [line for line in kept.get("connection", ()) if line.startswith("zone=")]


def _connection(
    name: str, kind: str, interface: str, master: str = "", slave_type: str = "", more: Sequence[str] = ()
) -> Section:
    lines = [
        f"id=packstack-lite-{name}",
        f"uuid={_uuid(name)}",
        f"type={kind}",
        f"interface-name={interface}",
        "autoconnect-priority=100",
    ]
    if master:
        lines += [f"master={_uuid(master)}", f"slave-type={slave_type}"]
    return "connection", (*lines, *more)


def _uuid(name: str) -> str:
    return str(uuid.uuid5(_UUIDS, name))


def sections(text: str) -> List[Section]:
    """The parts of such a file in their order, each with its lines but the empty ones."""
    found: List[Tuple[str, List[str]]] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            found.append((bare[1:-1], []))
        elif bare and found:
            found[-1][1].append(bare)
    return [(name, tuple(lines)) for name, lines in found]


def _lines(parts: Sequence[Section]) -> List[str]:
    return [line for name, lines in parts for line in ("", f"[{name}]", *lines)]


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
