"""Bridges of Open vSwitch and of the kernel, and address translation for what is behind one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.resources.ovs import OVS_NOT_RUNNING
from packstack_lite.secret import quote_sh

_PROBE_OVS_BRIDGE = r"""
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
class OvsBridge(Resource):
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
    keep_offload: bool = False
    has_tunnels: bool = False
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"bridge:{self.name}"

    @property
    def _needs_offload_off(self) -> bool:
        return self.datapath == "netdev" and not self.keep_offload

    def desired(self) -> Optional[State]:
        desired = {"datapath": self.datapath or "system", "state": "up" if self.up else "down"}
        if self.address:
            desired["address"] = self.address
        if self._needs_offload_off:
            desired["offload"] = "off"
        if self._needs_offload_off and self.has_tunnels:
            desired["checksums"] = "the host's"
        return desired

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(OvsBridge, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            if reply.code == 3:
                return {self.id: None}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            datapath, addresses, state, offload, checksums = reply.out.splitlines()
            address = _matching_address(self.address, addresses)
            observed = {"datapath": datapath or "system", "address": address, "state": state, "offload": offload}
            return {self.id: {**observed, "checksums": "the host's" if checksums == "off" else "offloaded"}}

        return Probe(
            Command(_PROBE_OVS_BRIDGE % {"name": quote_sh(self.name)}, description=f"look at bridge {self.name}"), parse
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(OvsBridge, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        name, datapath = quote_sh(self.name), self.datapath or "system"
        make = f"--may-exist add-br {name} -- set bridge {name} datapath_type={datapath}"
        lines = [
            f"ovs-vsctl --timeout=30 {make} || exit 1",
            f"ip link set {name} {'up' if self.up else 'down'} || exit 1",
        ]
        if self.address:
            lines.append(f"ip addr replace {quote_sh(self.address)} dev {name} || exit 1")
        if self._needs_offload_off:
            lines.append(f"ethtool -K {name} tso off gso off{' tx off' if self.has_tunnels else ''} || exit 1")
        return Command("\n".join(lines), timeout=60, description=f"make bridge {self.name}")


def _matching_address(desired: str, present: str) -> str:
    """The wanted one, if it is among those that are there (others may stand beside it), else all of these."""
    return desired if desired in present.split() else present.strip()


_PROBE_LINUX_BRIDGE = r"""
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

    def desired(self) -> Optional[State]:
        desired = {"kind": "bridge", "state": "up"}
        return {**desired, "address": self.address} if self.address else desired

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(LinuxBridge, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 3:
                return {self.id: None}
            if not reply.ok:
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            kind, addresses, state = reply.out.splitlines()
            address = _matching_address(self.address, addresses)
            return {self.id: {"kind": kind, "address": address, "state": state}}

        return Probe(
            Command(_PROBE_LINUX_BRIDGE % {"name": quote_sh(self.name)}, description=f"look at bridge {self.name}"),
            parse,
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(LinuxBridge, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        name = quote_sh(self.name)
        lines = [
            f"[ -e /sys/class/net/{name} ] || ip link add {name} type bridge || exit 1",
            f"ip link set {name} up || exit 1",
        ]
        if self.address:
            lines.append(f"ip addr replace {quote_sh(self.address)} dev {name} || exit 1")
        return Command("\n".join(lines), timeout=60, description=f"make bridge {self.name}")


@dataclass(frozen=True)
class Nat(Resource):
    """What comes from ``source`` (a CIDR) leaves by the default route under the host's own address.

    ``bridges_pass`` keeps it off what only passes a bridge of the kernel on its way to an instance: its answer would
    come back under another address than the one that was asked, and be refused.
    """

    kind: ClassVar[str] = "nat"
    source_cidr: str
    bridge: str = "br-ex"
    exempt_bridged: bool = False
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"nat:{self.source_cidr}"

    @property
    def rules(self) -> List[Tuple[str, str]]:
        """Each rule's table, and the rule from its chain on (POSIX sh)."""
        bridge = quote_sh(self.bridge)
        routed = " -m physdev ! --physdev-is-bridged" if self.exempt_bridged else ""
        return [
            ("nat", f"POSTROUTING -s {self.source_cidr} ! -o {bridge}{routed} -j MASQUERADE"),
            ("filter", f"FORWARD -i {bridge} -j ACCEPT"),
            ("filter", f"FORWARD -o {bridge} -j ACCEPT"),
        ]

    @property
    def _obsolete_rule(self) -> Tuple[str, str]:
        """The translation as other answers had it."""
        return replace(self, exempt_bridged=not self.exempt_bridged).rules[0]

    def desired(self) -> Optional[State]:
        return {"rules": True}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(Nat, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        checks = [
            f"iptables -w 5 {_iptables_args('-C', rule)} 2>/dev/null" for rule in (*self.rules, self._obsolete_rule)
        ]
        checks[-1] = f"! {checks[-1]}"
        script = "command -v iptables >/dev/null || exit 75\n" + " && ".join(checks)

        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {self.id: Unknown(Phase.PACKAGES, "iptables is not installed")}
            return {self.id: {"rules": True} if reply.ok else None}

        return Probe(Command(script, description="look at address translation"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Nat, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        pairs = [(_iptables_args("-C", rule), _iptables_args("-A", rule)) for rule in self.rules]
        lines = [
            f"iptables -w 10 {check_args} 2>/dev/null || iptables -w 10 {append_args} || exit 1"
            for check_args, append_args in pairs
        ]
        lines.append(f"iptables -w 10 {_iptables_args('-D', self._obsolete_rule)} 2>/dev/null || true")
        return Command("\n".join(lines), description=f"translate addresses of {self.source_cidr}")


def _iptables_args(action: str, rule: Tuple[str, str]) -> str:
    """What iptables is told; without a table it means filter."""
    table, text = rule
    return f"{action} {text}" if table == "filter" else f"-t {table} {action} {text}"
