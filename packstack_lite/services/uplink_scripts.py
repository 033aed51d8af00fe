"""The files by which ifupdown and EL's network-scripts keep a bridge in an interface's place."""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Sequence, Tuple

from packstack_lite.resources import NetFile
from packstack_lite.resources.uplink import IFUPDOWN, SCRIPTS
from packstack_lite.services.uplink_ini import Move

ROUTES = ("route", "route6", "rule", "rule6")
# Where ifupdown's files begin something new (interfaces(5)).
_STANZA = re.compile(r"\s*(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|rename|template|source\S*)(\s|$)")
# What of an ifcfg file is the address's own business and not the device's (initscripts' sysconfig.txt).
_ADDRESS = re.compile(
    r"\s*(BOOTPROTO|IPADDR|PREFIX|NETMASK|NETWORK|BROADCAST|GATEWAY|DNS\d|DOMAIN|SEARCH|PEERDNS|PEERROUTES|PEERNTP"
    r"|DEFROUTE|METRIC|ZONE|ARPCHECK|ARPUPDATE|PERSISTENT_DHCLIENT|DHCP|IPV4|IPV6|DHCPV6|SRCADDR|RES_OPTIONS)\w*="
)
_REPLACED = re.compile(r"\s*(TYPE|DEVICETYPE|OVS_BRIDGE|NM_CONTROLLED|ONBOOT|UUID|NAME)=")


def ifupdown(move: Move) -> Tuple[NetFile, ...]:
    """The files of /etc/network that name the interface, with the bridge in its stanzas' place; the interface gets one
    of its own as a port (the README of Debian's openvswitch-switch). Every other line stays as it is."""
    texts = {path: text for path, text in move.texts.items() if path.startswith(IFUPDOWN)}
    there = [path for path, text in texts.items() if _stanzas(text, move.bridge)]
    if any(_is_bridge(texts[path], move) for path in there):
        return tuple(NetFile(path, texts[path]) for path in there)
    changed = {path: interfaces(text, move) for path, text in texts.items()}
    return tuple(NetFile(path, text) for path, text in changed.items() if text != texts[path])


def _is_bridge(text: str, move: Move) -> bool:
    lines = [line.split() for stanza in _stanzas(text, move.bridge) for line in stanza]
    return ["ovs_type", "OVSBridge"] in lines and any(
        words[0] == "ovs_ports" and move.interface in words[1:] for words in lines if words
    )


def _stanzas(text: str, name: str) -> List[List[str]]:
    """The lines of every ``iface`` stanza of this name."""
    return [block for block in _blocks(text.splitlines(keepends=True)) if block[0].split()[:2] == ["iface", name]]


def _blocks(lines: Sequence[str]) -> Iterator[List[str]]:
    """The lines, parted where something new begins; a line that ends with a backslash goes on."""
    block: List[str] = []
    for line in lines:
        if block and _STANZA.match(line) and not block[-1].rstrip("\n").endswith("\\"):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def interfaces(text: str, move: Move) -> str:
    """A file of ifupdown's with the bridge instead of the interface; as it was when it does not name it."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    out: List[str] = []
    mtu: List[str] = []
    begun = False
    for block in _blocks(lines):
        stanza, rest = _parted(block)
        words = stanza[0].split() if stanza else []
        if words[:2] == ["iface", move.interface]:
            mtu += [line for line in stanza[1:] if line.split()[:1] == ["mtu"]]
            head = re.sub(rf"(\s*iface\s+){re.escape(move.interface)}(?=\s|$)", rf"\g<1>{move.bridge}", stanza[0])
            out += [head, *stanza[1:], *([] if begun else _of_bridge(move))]
            begun = True
        elif words and (words[0] == "auto" or words[0].startswith("allow-")) and move.interface in words[1:]:
            out += _started(stanza[0], words, move)
        else:
            out += stanza
        out += rest
    if not begun and out == lines:
        return text
    return "".join([*out, *(_of_port(move, mtu) if begun else [])])


def _parted(lines: Sequence[str]) -> Tuple[List[str], List[str]]:
    """A stanza's own lines, and the empty ones and comments behind it."""
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return list(lines[:end]), list(lines[end:])


def _started(line: str, words: Sequence[str], move: Move) -> List[str]:
    """A bridge is never plugged in: it comes up at boot, also where the interface came up when it appeared."""
    if words[0] == "auto":
        return [re.sub(rf"(?<=\s){re.escape(move.interface)}(?=\s|$)", move.bridge, line)]
    others = [word for word in words[1:] if word != move.interface]
    kept = [" ".join([words[0], *others]) + "\n"] if others else []
    return [*kept, f"auto {move.bridge}\n"]


def _of_bridge(move: Move) -> List[str]:
    extra = f"set bridge {move.bridge} datapath_type={move.datapath} other-config:hwaddr={move.mac}"
    told = ("ovs_type OVSBridge", f"ovs_ports {move.interface}", f"ovs_extra {extra}")
    return [f"    {line}\n" for line in told]


def _of_port(move: Move, mtu: Sequence[str]) -> List[str]:
    return [
        f"\n# Written by packstack-lite: {move.interface} is a port of {move.bridge}, which has its addresses.\n",
        f"allow-{move.bridge} {move.interface}\n",
        f"iface {move.interface} inet manual\n",
        f"    ovs_bridge {move.bridge}\n",
        "    ovs_type OVSPort\n",
        *mtu,
    ]


def network_scripts(move: Move) -> Tuple[NetFile, ...]:
    """ifcfg files of the bridge, with all that is about addresses, and of the interface, with the rest; routes and
    rules go along. Source: README.RHEL of Open vSwitch, whose ifup-ovs reads them."""
    bridge, card = f"{SCRIPTS}/ifcfg-{move.bridge}", f"{SCRIPTS}/ifcfg-{move.interface}"
    old, done = move.texts.get(card, ""), move.texts.get(bridge, "")
    if re.search(r"^\s*TYPE=\W?OVSPort", old, re.M) and re.search(r"^\s*TYPE=\W?OVSBridge", done, re.M):
        routes = [f"{SCRIPTS}/{kind}-{move.bridge}" for kind in ROUTES]
        return tuple(NetFile(path, move.texts[path]) for path in (bridge, *routes, card) if path in move.texts)
    files = [
        NetFile(bridge, ifcfg_bridge(old, move), 0o644),
        *[file for kind in ROUTES for file in _routes(kind, move)],
        NetFile(card, ifcfg_port(old, move)),
    ]
    return tuple(files)


def ifcfg_bridge(old: str, move: Move) -> str:
    """The bridge's ifcfg file, from the interface's one."""
    carried = [line for line in old.splitlines() if _ADDRESS.match(line)]
    if any(re.match(r"\s*BOOTPROTO=\W?dhcp", line, re.I) for line in carried):
        # ifup-ovs asks for an address once the ports are up, and only when told so in these words.
        carried = [line for line in carried if not re.match(r"\s*BOOTPROTO=", line)]
        carried += ["OVSBOOTPROTO=dhcp", f"OVSDHCPINTERFACES={move.interface}"]
    # Neutron's agent sets the bridge to pass nothing without it; at boot it comes long after the network.
    extra = f"set-fail-mode {move.bridge} standalone -- set bridge {move.bridge} datapath_type={move.datapath}"
    head = [
        f"# Written by packstack-lite. {move.bridge} has the addresses of {move.interface}: change them here.",
        f"DEVICE={move.bridge}",
        "DEVICETYPE=ovs",
        "TYPE=OVSBridge",
        "ONBOOT=yes",
        "NM_CONTROLLED=no",
        f'OVS_EXTRA="{extra} other-config:hwaddr={move.mac}"',
    ]
    return "".join(f"{line}\n" for line in [*head, *carried])


def ifcfg_port(old: str, move: Move) -> str:
    """The interface's ifcfg file as a port: without addresses, the rest as it was."""
    kept = [line for line in old.splitlines() if not _ADDRESS.match(line) and not _REPLACED.match(line)]
    if not any(re.match(r"\s*DEVICE=", line) for line in kept):
        kept.insert(0, f"DEVICE={move.interface}")
    told = ("DEVICETYPE=ovs", "TYPE=OVSPort", f"OVS_BRIDGE={move.bridge}", "ONBOOT=yes", "NM_CONTROLLED=no")
    return "".join(f"{line}\n" for line in [*kept, *told, "BOOTPROTO=none"])


def _routes(kind: str, move: Move) -> List[NetFile]:
    """What leads over the interface leads over the bridge."""
    old, new = f"{SCRIPTS}/{kind}-{move.interface}", f"{SCRIPTS}/{kind}-{move.bridge}"
    text: Optional[str] = move.texts.get(old)
    if text is None:
        return []
    moved = re.sub(rf"(?<![\w.-]){re.escape(move.interface)}(?![\w.-])", move.bridge, text)
    return [NetFile(new, moved, 0o644), NetFile(old, None)]
