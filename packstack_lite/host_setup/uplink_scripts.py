"""Files of ifupdown and of EL's network-scripts for a bridge with an uplink.

Called by ``host_setup.uplink``. Pure: texts of the node's network files in, texts of the new files out.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Sequence, Tuple

from packstack_lite.host_setup.uplink_ini import UplinkMove
from packstack_lite.resources import NetworkFile
from packstack_lite.resources.uplink import IFUPDOWN_DIR, NETWORK_SCRIPTS_DIR
from packstack_lite.secret import quote_sh, quote_sh_inner

ROUTE_FILE_KINDS = ("route", "route6", "rule", "rule6")
# Starts a stanza or an option of its own in ifupdown's files (interfaces(5)).
_STANZA = re.compile(r"\s*(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|rename|template|source\S*)(\s|$)")
# Keys of an ifcfg file that belong to the addresses and not to the device (initscripts' sysconfig.txt).
_ADDRESS_KEYS = re.compile(
    r"\s*(BOOTPROTO|IPADDR|PREFIX|NETMASK|NETWORK|BROADCAST|GATEWAY|DNS\d|DOMAIN|SEARCH|PEERDNS|PEERROUTES|PEERNTP"
    r"|DEFROUTE|METRIC|ZONE|ARPCHECK|ARPUPDATE|PERSISTENT_DHCLIENT|DHCP|IPV4|IPV6|DHCPV6|SRCADDR|RES_OPTIONS)\w*="
)
_REPLACED_KEYS = re.compile(r"\s*(TYPE|DEVICETYPE|OVS_BRIDGE|NM_CONTROLLED|ONBOOT|UUID|NAME)=")


def ifupdown_files(move: UplinkMove) -> Tuple[NetworkFile, ...]:
    """Return the files of /etc/network that name the interface, with new content.

    The bridge takes the place of the interface in its stanzas, and the interface gets a stanza of its own as a port
    (README of Debian's openvswitch-switch). Every other line stays as it is. Files that have that already are returned
    unchanged.
    """
    texts = {path: text for path, text in move.network_files.items() if path.startswith(IFUPDOWN_DIR)}
    bridge_paths = [path for path, text in texts.items() if _stanzas(text, move.bridge)]
    if any(_is_moved(texts[path], move) for path in bridge_paths):
        return tuple(NetworkFile(path, texts[path]) for path in bridge_paths)
    changed = {path: rewrite_interfaces(text, move) for path, text in texts.items()}
    return tuple(NetworkFile(path, text) for path, text in changed.items() if text != texts[path])


def _is_moved(text: str, move: UplinkMove) -> bool:
    """Return whether the text already has the bridge with the interface as its port."""
    lines = [line.split() for stanza in _stanzas(text, move.bridge) for line in stanza]
    return ["ovs_type", "OVSBridge"] in lines and any(
        fields[0] == "ovs_ports" and move.interface in fields[1:] for fields in lines if fields
    )


def _stanzas(text: str, name: str) -> List[List[str]]:
    """Return the lines of every ``iface`` stanza of this name."""
    return [
        block for block in _split_stanzas(text.splitlines(keepends=True)) if block[0].split()[:2] == ["iface", name]
    ]


def _split_stanzas(lines: Sequence[str]) -> Iterator[List[str]]:
    """Split lines into stanzas.

    A line that ends with a backslash continues on the next one.
    """
    block: List[str] = []
    for line in lines:
        if block and _STANZA.match(line) and not block[-1].rstrip("\n").endswith("\\"):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def rewrite_interfaces(text: str, move: UplinkMove) -> str:
    """Replace the interface by the bridge in a text of ifupdown.

    A text that does not name the interface is returned unchanged.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    new_lines: List[str] = []
    mtu_lines: List[str] = []
    is_replaced = False
    for block in _split_stanzas(lines):
        stanza, trailing = _split_trailing_lines(block)
        fields = stanza[0].split() if stanza else []
        if fields[:2] == ["iface", move.interface]:
            mtu_lines += [line for line in stanza[1:] if line.split()[:1] == ["mtu"]]
            heading = re.sub(rf"(\s*iface\s+){re.escape(move.interface)}(?=\s|$)", rf"\g<1>{move.bridge}", stanza[0])
            new_lines += [heading, *stanza[1:], *([] if is_replaced else _bridge_options(move))]
            is_replaced = True
        elif fields and (fields[0] == "auto" or fields[0].startswith("allow-")) and move.interface in fields[1:]:
            new_lines += _autostart_lines(stanza[0], fields, move)
        else:
            new_lines += stanza
        new_lines += trailing
    if not is_replaced and new_lines == lines:
        return text
    return "".join([*new_lines, *(_port_stanza(move, mtu_lines) if is_replaced else [])])


def _split_trailing_lines(lines: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Split a stanza from the empty lines and comments that follow it."""
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return list(lines[:end]), list(lines[end:])


def _autostart_lines(line: str, fields: Sequence[str], move: UplinkMove) -> List[str]:
    """Render the line that brings the bridge up at boot.

    An interface with ``allow-hotplug`` comes up when its device appears; no such event exists for a bridge, which gets
    ``auto``.
    """
    if fields[0] == "auto":
        return [re.sub(rf"(?<=\s){re.escape(move.interface)}(?=\s|$)", move.bridge, line)]
    other_interfaces = [word for word in fields[1:] if word != move.interface]
    remaining = [" ".join([fields[0], *other_interfaces]) + "\n"] if other_interfaces else []
    return [*remaining, f"auto {move.bridge}\n"]


def _bridge_options(move: UplinkMove) -> List[str]:
    """Render the Open vSwitch options of the bridge's first stanza."""
    extra = f"set bridge {move.bridge} datapath_type={move.datapath} other-config:hwaddr={move.mac}"
    options = ("ovs_type OVSBridge", f"ovs_ports {move.interface}", f"ovs_extra {extra}")
    return [f"    {line}\n" for line in options]


def _port_stanza(move: UplinkMove, mtu_lines: Sequence[str]) -> List[str]:
    """Render the interface's own stanza as a port of the bridge."""
    return [
        f"\n# Written by packstack-lite: {move.interface} is a port of {move.bridge}, which has its addresses.\n",
        f"allow-{move.bridge} {move.interface}\n",
        f"iface {move.interface} inet manual\n",
        f"    ovs_bridge {move.bridge}\n",
        "    ovs_type OVSPort\n",
        *mtu_lines,
    ]


def network_scripts_files(move: UplinkMove) -> Tuple[NetworkFile, ...]:
    """Return the ifcfg files of the bridge and of the interface, with new content.

    The bridge's has all that belongs to addresses, the interface's the rest; files of routes and rules move along.
    Source: README.RHEL of Open vSwitch, whose ifup-ovs reads them.
    """
    bridge_path, port_path = (
        f"{NETWORK_SCRIPTS_DIR}/ifcfg-{move.bridge}",
        f"{NETWORK_SCRIPTS_DIR}/ifcfg-{move.interface}",
    )
    port_text, bridge_text = move.network_files.get(port_path, ""), move.network_files.get(bridge_path, "")
    if re.search(r"^\s*TYPE=\W?OVSPort", port_text, re.M) and re.search(r"^\s*TYPE=\W?OVSBridge", bridge_text, re.M):
        routes = [f"{NETWORK_SCRIPTS_DIR}/{kind}-{move.bridge}" for kind in ROUTE_FILE_KINDS]
        return tuple(
            NetworkFile(path, move.network_files[path])
            for path in (bridge_path, *routes, port_path)
            if path in move.network_files
        )
    files = [
        NetworkFile(bridge_path, render_bridge_ifcfg(port_text, move), 0o644),
        *[file for kind in ROUTE_FILE_KINDS for file in _move_routes(kind, move)],
        NetworkFile(port_path, render_port_ifcfg(port_text, move)),
    ]
    return tuple(files)


def render_bridge_ifcfg(interface_ifcfg: str, move: UplinkMove) -> str:
    """Render the bridge's ifcfg file from the interface's."""
    address_lines = [line for line in interface_ifcfg.splitlines() if _ADDRESS_KEYS.match(line)]
    if any(re.match(r"\s*BOOTPROTO=\W?dhcp", line, re.I) for line in address_lines):
        # With these keys, and no others, ifup-ovs asks for an address once the ports are up.
        address_lines = [line for line in address_lines if not re.match(r"\s*BOOTPROTO=", line)]
        address_lines += ["OVSBOOTPROTO=dhcp", f"OVSDHCPINTERFACES={quote_sh(move.interface)}"]
    # Neutron's agent sets fail mode "secure", in which the bridge forwards nothing until the agent has started, and at
    # boot the agent starts long after the network.
    extra = f"set-fail-mode {move.bridge} standalone -- set bridge {move.bridge} datapath_type={move.datapath}"
    header = [
        f"# Written by packstack-lite. {move.bridge} has the addresses of {move.interface}: change them here.",
        f"DEVICE={quote_sh(move.bridge)}",
        "DEVICETYPE=ovs",
        "TYPE=OVSBridge",
        "ONBOOT=yes",
        "NM_CONTROLLED=no",
        f'OVS_EXTRA="{quote_sh_inner(f"{extra} other-config:hwaddr={move.mac}")}"',
    ]
    return "".join(f"{line}\n" for line in [*header, *address_lines])


def render_port_ifcfg(interface_ifcfg: str, move: UplinkMove) -> str:
    """Render the interface's ifcfg file as a port, without addresses.

    Every other line stays as it is.
    """
    device_lines = [
        line
        for line in interface_ifcfg.splitlines()
        if not _ADDRESS_KEYS.match(line) and not _REPLACED_KEYS.match(line)
    ]
    if not any(re.match(r"\s*DEVICE=", line) for line in device_lines):
        device_lines.insert(0, f"DEVICE={quote_sh(move.interface)}")
    port_lines = (
        "DEVICETYPE=ovs",
        "TYPE=OVSPort",
        f"OVS_BRIDGE={quote_sh(move.bridge)}",
        "ONBOOT=yes",
        "NM_CONTROLLED=no",
    )
    return "".join(f"{line}\n" for line in [*device_lines, *port_lines, "BOOTPROTO=none"])


def _move_routes(kind: str, move: UplinkMove) -> List[NetworkFile]:
    """Move a file of routes or rules from the interface to the bridge."""
    old_path, new_path = f"{NETWORK_SCRIPTS_DIR}/{kind}-{move.interface}", f"{NETWORK_SCRIPTS_DIR}/{kind}-{move.bridge}"
    text: Optional[str] = move.network_files.get(old_path)
    if text is None:
        return []
    new_text = re.sub(rf"(?<![\w.-]){re.escape(move.interface)}(?![\w.-])", move.bridge, text)
    return [NetworkFile(new_path, new_text, 0o644), NetworkFile(old_path, None)]
