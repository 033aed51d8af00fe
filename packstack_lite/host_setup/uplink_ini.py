"""Files of systemd-networkd and NetworkManager for a bridge with an uplink.

Called by ``host_setup.uplink``. Pure: texts of the node's network files in, texts of the new files out.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Callable, List, Mapping, Sequence, Tuple

from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.resources import NetworkFile
from packstack_lite.resources.uplink import NETWORKD_FILE, NM_PROFILE

Section = Tuple[str, Tuple[str, ...]]
# A fixed namespace, so that a second run writes the same files.
_UUIDS = uuid.UUID("5c6f0f0e-1f3a-4a5e-9a53-1b1f4c3f7d10")


@dataclass(frozen=True)
class UplinkMove:
    """A move of an interface into a bridge, and what is known of both.

    ``uplinks`` maps interfaces and bridges to their facts, ``network_files`` the paths of the node's network files to
    their texts. ``datapath`` is Open vSwitch's datapath_type (``system`` or ``netdev``).
    """

    bridge: str
    interface: str
    datapath: str
    uplinks: Mapping[str, UplinkFacts]
    network_files: Mapping[str, str]

    @property
    def interface_facts(self) -> UplinkFacts:
        """Return the facts about the interface."""
        return self.uplinks.get(self.interface, UplinkFacts())

    @property
    def mac(self) -> str:
        """Return the MAC address that the bridge takes over from the interface."""
        return self.interface_facts.mac

    def source_text(self, path_for: Callable[[str], str]) -> str:
        """Return the text of the file that configures the addresses.

        That is the bridge's file after the move, the interface's before. ``path_for`` formats the path of our file.
        """
        if path_for(self.interface) in self.network_files and path_for(self.bridge) in self.network_files:
            return self.network_files[path_for(self.bridge)]
        return self.network_files.get(self.interface_facts.config_path, "")


def networkd_files(move: UplinkMove) -> Tuple[NetworkFile, ...]:
    """Render networkd's files of the bridge and of the interface.

    The bridge's has all that the interface's had, the interface's has no addresses. Their names sort before all
    others.
    """
    carried_sections = [
        section
        for section in parse_sections(move.source_text(NETWORKD_FILE.format))
        if section[0] not in ("Match", "Link")
    ]
    interface_sections = parse_sections(move.network_files.get(move.interface_facts.config_path, ""))
    link_lines = [
        line
        for name, lines in interface_sections
        if name == "Link"
        for line in lines
        if not line.startswith("RequiredForOnline=")
    ]
    bridge_lines = [
        f"# Written by packstack-lite. {move.bridge} has the addresses of {move.interface}: change them here.",
        *_section_lines(
            [("Match", (f"Name={move.bridge}",)), *carried_sections, *_keep_dhcp_client_id(move, carried_sections)]
        ),
    ]
    port_lines = [
        f"# Written by packstack-lite. {move.interface} is a port of the Open vSwitch bridge {move.bridge}.",
        *_section_lines(
            [
                ("Match", (f"Name={move.interface}",)),
                ("Link", (*link_lines, "RequiredForOnline=no")),
                ("Network", ("LinkLocalAddressing=no", "IPv6AcceptRA=no")),
            ]
        ),
    ]
    return (
        NetworkFile(NETWORKD_FILE.format(move.bridge), _join_lines(bridge_lines), 0o644),
        NetworkFile(NETWORKD_FILE.format(move.interface), _join_lines(port_lines), 0o644),
    )


def _keep_dhcp_client_id(move: UplinkMove, carried_sections: Sequence[Section]) -> List[Section]:
    """Carry over the IAID by which DHCP servers know the node.

    networkd derives it from the interface's name, so that the bridge would get another one.
    """
    has_iaid = any(line.startswith("IAID=") for _, lines in carried_sections for line in lines)
    iaid = move.interface_facts.iaid
    return [("DHCPv4", (f"IAID={int(iaid, 16)}",))] if iaid and not has_iaid else []


def network_manager_files(move: UplinkMove) -> Tuple[NetworkFile, ...]:
    """Render NetworkManager's five connection profiles.

    They are the bridge, its port and its interface (with the addresses), the uplink's port and the uplink's interface
    (without). Their priority makes them win over the old profile.
    """
    old_sections = dict(parse_sections(move.source_text(NM_PROFILE.format)))
    bridge, interface = move.bridge, move.interface
    profiles: List[Tuple[str, List[Section]]] = [
        (
            f"{bridge}-bridge",
            [
                _connection_section(f"{bridge}-bridge", "ovs-bridge", bridge),
                ("ovs-bridge", (f"datapath-type={move.datapath}",) if move.datapath != "system" else ()),
            ],
        ),
        (
            f"{bridge}-port",
            [_connection_section(f"{bridge}-port", "ovs-port", bridge, f"{bridge}-bridge", "ovs-bridge")],
        ),
        (
            f"{interface}-port",
            [_connection_section(f"{interface}-port", "ovs-port", interface, f"{bridge}-bridge", "ovs-bridge")],
        ),
        (
            bridge,
            [
                _connection_section(
                    bridge, "ovs-interface", bridge, f"{bridge}-port", "ovs-port", _firewalld_zone(old_sections)
                ),
                ("ovs-interface", ("type=internal",)),
                *_keep_mac(move),
                *[(name, old_sections.get(name, ("method=disabled",))) for name in ("ipv4", "ipv6")],
            ],
        ),
        (interface, [_connection_section(interface, "ethernet", interface, f"{interface}-port", "ovs-port")]),
    ]
    header = f"# Written by packstack-lite: {interface} is a port of {bridge}, which has its addresses."
    return tuple(
        NetworkFile(NM_PROFILE.format(name), _join_lines([header, *_section_lines(sections)]), 0o600)
        for name, sections in profiles
    )


def _keep_mac(move: UplinkMove) -> List[Section]:
    """Set the bridge's MAC address, but not in user space, where the switch sets it.

    There NetworkManager 1.42 takes the bridge down and up for it, and forgets the routes that this removes.
    """
    return [("ethernet", (f"cloned-mac-address={move.mac}",))] if move.datapath == "system" else []


def _firewalld_zone(sections: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the line that names firewalld's zone, which belongs to the connection."""
    return [line for line in sections.get("connection", ()) if line.startswith("zone=")]


def _connection_section(
    name: str, kind: str, interface: str, master: str = "", slave_type: str = "", extra_lines: Sequence[str] = ()
) -> Section:
    """Return the [connection] section of a NetworkManager profile of ours."""
    lines = [
        f"id=packstack-lite-{name}",
        f"uuid={_uuid(name)}",
        f"type={kind}",
        f"interface-name={interface}",
        "autoconnect-priority=100",
    ]
    if master:
        lines += [f"master={_uuid(master)}", f"slave-type={slave_type}"]
    return "connection", (*lines, *extra_lines)


def _uuid(name: str) -> str:
    """Return the UUID of our profile of this name, which is always the same."""
    return str(uuid.uuid5(_UUIDS, name))


def parse_sections(text: str) -> List[Section]:
    """Split an INI-like text into its sections, in their order.

    Each has its lines, stripped, without the empty ones.
    """
    parsed: List[Tuple[str, List[str]]] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            parsed.append((stripped[1:-1], []))
        elif stripped and parsed:
            parsed[-1][1].append(stripped)
    return [(name, tuple(lines)) for name, lines in parsed]


def _section_lines(sections: Sequence[Section]) -> List[str]:
    """Format sections as lines, each section after an empty line."""
    return [line for name, lines in sections for line in ("", f"[{name}]", *lines)]


def _join_lines(lines: Sequence[str]) -> str:
    """Return the lines as one text, each ended by a line break."""
    return "".join(f"{line}\n" for line in lines)
