"""Bridges of Open vSwitch and of the kernel, and address translation for what is behind one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.ovs import NO_SWITCH
from packstack_lite.secret import sh

_LOOK = r"""
command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 show >/dev/null 2>&1 || exit 75
ovs-vsctl br-exists %(name)s || exit 3
ovs-vsctl get bridge %(name)s datapath_type | tr -d '"'
ip -o -4 addr show dev %(name)s 2>/dev/null | awk '{print $4}' | tr '\n' ' '; echo
ip -o link show dev %(name)s 2>/dev/null | grep -q '[<,]UP[,>]' && echo up || echo down
offload=$(ethtool -k %(name)s 2>/dev/null) || { echo unknown; echo unknown; exit 0; }
echo "$offload" | grep -qE '^(tcp|generic)-segmentation-offload: on' && echo on || echo off
echo "$offload" | grep -q '^tx-checksumming: on' && echo on || echo off
"""


@dataclass(frozen=True)
class Bridge(Resource):
    """A bridge with its address. ``datapath`` netdev is the one in user space.

    On netdev, segmentation offload must be off, or bulk TCP into a guest stalls
    (measured on Debian 12, OVS 3.1 with userspace TSO). With ``tunnels`` the host computes checksums itself as well:
    that switch drops what it would have to finish before it goes into a tunnel (until OVS 3.2, netdev_push_header).
    """

    kind: ClassVar[str] = "bridge"
    name: str
    address: str = ""
    datapath: str = "system"
    up: bool = True
    offload: bool = False
    tunnels: bool = False
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"bridge:{self.name}"

    @property
    def _without_offload(self) -> bool:
        return self.datapath == "netdev" and not self.offload

    def want(self) -> Optional[State]:
        wanted = {"datapath": self.datapath or "system", "state": "up" if self.up else "down"}
        if self.address:
            wanted["address"] = self.address
        if self._without_offload:
            wanted["offload"] = "off"
        if self._without_offload and self.tunnels:
            wanted["checksums"] = "the host's"
        return wanted

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Bridge, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {self.id: NO_SWITCH}
            if reply.code == 3:
                return {self.id: None}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            datapath, addresses, state, offload, checksums = reply.out.splitlines()
            address = _address(self.address, addresses)
            seen = {"datapath": datapath or "system", "address": address, "state": state, "offload": offload}
            return {self.id: {**seen, "checksums": "the host's" if checksums == "off" else "offloaded"}}

        return Look(Command(_LOOK % {"name": sh(self.name)}, says=f"look at bridge {self.name}"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Bridge, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        name, datapath = sh(self.name), self.datapath or "system"
        make = f"--may-exist add-br {name} -- set bridge {name} datapath_type={datapath}"
        lines = [
            f"ovs-vsctl --timeout=30 {make} || exit 1",
            f"ip link set {name} {'up' if self.up else 'down'} || exit 1",
        ]
        if self.address:
            lines.append(f"ip addr replace {sh(self.address)} dev {name} || exit 1")
        if self._without_offload:
            lines.append(f"ethtool -K {name} tso off gso off{' tx off' if self.tunnels else ''} || exit 1")
        return Command("\n".join(lines), timeout=60, says=f"make bridge {self.name}")


def _address(wanted: str, there: str) -> str:
    """The wanted one, if it is among those that are there (others may stand beside it), else all of these."""
    return wanted if wanted in there.split() else there.strip()


_LOOK_AT_LINUX = r"""
ip link show dev %(name)s >/dev/null 2>&1 || exit 3
[ -d /sys/class/net/%(name)s/bridge ] && echo bridge || echo other
ip -o -4 addr show dev %(name)s | awk '{print $4}' | tr '\n' ' '; echo
ip -o link show dev %(name)s | grep -q '[<,]UP[,>]' && echo up || echo down
"""


@dataclass(frozen=True)
class LinuxBridge(Resource):
    """A bridge of the kernel's with its address. An interface of another kind by that name is not touched."""

    kind: ClassVar[str] = "linux_bridge"
    name: str
    address: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"linux_bridge:{self.name}"

    def want(self) -> Optional[State]:
        wanted = {"kind": "bridge", "state": "up"}
        return {**wanted, "address": self.address} if self.address else wanted

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(LinuxBridge, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 3:
                return {self.id: None}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            kind, addresses, state = reply.out.splitlines()
            address = _address(self.address, addresses)
            return {self.id: {"kind": kind, "address": address, "state": state}}

        return Look(Command(_LOOK_AT_LINUX % {"name": sh(self.name)}, says=f"look at bridge {self.name}"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(LinuxBridge, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        name = sh(self.name)
        lines = [
            f"[ -e /sys/class/net/{name} ] || ip link add {name} type bridge || exit 1",
            f"ip link set {name} up || exit 1",
        ]
        if self.address:
            lines.append(f"ip addr replace {sh(self.address)} dev {name} || exit 1")
        return Command("\n".join(lines), timeout=60, says=f"make bridge {self.name}")


@dataclass(frozen=True)
class Nat(Resource):
    """What comes from ``source`` (a CIDR) leaves by the default route under the host's own address.

    ``bridges_pass`` keeps it off what only passes a bridge of the kernel on its way to an instance: its answer would
    come back under another address than the one that was asked, and be refused.
    """

    kind: ClassVar[str] = "nat"
    source: str
    bridge: str = "br-ex"
    bridges_pass: bool = False
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"nat:{self.source}"

    @property
    def rules(self) -> List[Tuple[str, str]]:
        """Each rule's table, and the rule from its chain on."""
        routed = " -m physdev ! --physdev-is-bridged" if self.bridges_pass else ""
        return [
            ("nat", f"POSTROUTING -s {self.source} ! -o {self.bridge}{routed} -j MASQUERADE"),
            ("filter", f"FORWARD -i {self.bridge} -j ACCEPT"),
            ("filter", f"FORWARD -o {self.bridge} -j ACCEPT"),
        ]

    @property
    def _past(self) -> Tuple[str, str]:
        """The translation as other answers had it."""
        return replace(self, bridges_pass=not self.bridges_pass).rules[0]

    def want(self) -> Optional[State]:
        return {"rules": True}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Nat, member)._look() for member in group]

    def _look(self) -> Look:
        checks = [f"iptables -w 5 {_words('-C', rule)} 2>/dev/null" for rule in (*self.rules, self._past)]
        checks[-1] = f"! {checks[-1]}"
        script = "command -v iptables >/dev/null || exit 75\n" + " && ".join(checks)

        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {self.id: Unknown(Phase.PACKAGES, "iptables is not installed")}
            return {self.id: {"rules": True} if reply.ok else None}

        return Look(Command(script, says="look at address translation"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Nat, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        pairs = [(_words("-C", rule), _words("-A", rule)) for rule in self.rules]
        lines = [f"iptables -w 10 {there} 2>/dev/null || iptables -w 10 {new} || exit 1" for there, new in pairs]
        lines.append(f"iptables -w 10 {_words('-D', self._past)} 2>/dev/null || true")
        return Command("\n".join(lines), says=f"translate addresses of {self.source}")


def _words(action: str, rule: Tuple[str, str]) -> str:
    """What iptables is told; without a table it means filter."""
    table, text = rule
    return f"{action} {text}" if table == "filter" else f"-t {table} {action} {text}"
