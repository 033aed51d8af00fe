"""Bridges of Open vSwitch and of the kernel, and address translation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import (
    Diff,
    IndividualResource,
    Observed,
    Phase,
    Probe,
    Unknown,
)
from packstack_lite.resources.ovs import OVS_NOT_RUNNING
from packstack_lite.resources.shell import require_ok
from packstack_lite.secret import quote_sh

BridgeState = Mapping[str, str]
"""Address, up or down, and more, as the kind has it."""


class NatState(TypedDict):
    """The rules are there; a node without them has no state."""

    rules: bool


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
class OvsBridge(IndividualResource[BridgeState]):
    """A bridge of Open vSwitch with its address.

    ``datapath`` "netdev" is the one in user space, "" means "system". On netdev, segmentation offload has to be off, or
    bulk TCP into a guest stalls (measured on Debian 12, OVS 3.1 with userspace TSO); ``keep_offload`` leaves it on.
    With ``has_tunnels`` the node computes checksums itself as well: OVS until 3.2 drops packets whose checksum is left
    to the card before they enter a tunnel (netdev_push_header).
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
        """Return ``bridge:NAME``."""
        return f"bridge:{self.name}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``bridge:NAME``."""
        return (f"bridge:{self.name}",)

    @property
    def _needs_offload_off(self) -> bool:
        """Return whether offload has to be off: on netdev without ``keep_offload``."""
        return self.datapath == "netdev" and not self.keep_offload

    def desired(self) -> BridgeState:
        """Return the bridge's datapath, its state (up or down) and its address, if any.

        On netdev without ``keep_offload`` also that segmentation offload is off; with tunnels, that the node computes
        the checksums (``the host's``), not the card.
        """
        desired = {"datapath": self.datapath or "system", "state": "up" if self.up else "down"}
        if self.address:
            desired["address"] = self.address
        if self._needs_offload_off:
            desired["offload"] = "off"
        if self._needs_offload_off and self.has_tunnels:
            desired["checksums"] = "the host's"
        return desired

    def probe_one(self) -> Probe[BridgeState]:
        """Return the probe of the bridge: datapath, address, up or down, offloads."""

        def parse(reply: Reply) -> Dict[str, Observed[BridgeState]]:
            """Return the bridge's state, None without a bridge, Unknown without OVS."""
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            if reply.code == 3:
                return {self.id: None}
            require_ok(reply)
            datapath, addresses, state, offload, checksums = reply.out.splitlines()
            address = _matching_address(self.address, addresses)
            observed = {"datapath": datapath or "system", "address": address, "state": state, "offload": offload}
            return {self.id: {**observed, "checksums": "the host's" if checksums == "off" else "offloaded"}}

        return Probe(
            Command(_PROBE_OVS_BRIDGE % {"name": quote_sh(self.name)}, description=f"probe bridge {self.name}"), parse
        )

    def fix_one(self, diff: Diff["OvsBridge"]) -> Command:
        """Return the command that creates the bridge and sets all that it shall have."""
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
        return Command("\n".join(lines), timeout=60, description=f"create bridge {self.name}")


def _matching_address(desired: str, present: str) -> str:
    """Return the desired address if the bridge has it, else all its addresses.

    ``present`` are the bridge's addresses, separated by white space.
    """
    return desired if desired in present.split() else present.strip()


_PROBE_LINUX_BRIDGE = r"""
ip link show dev %(name)s >/dev/null 2>&1 || exit 3
[ -d /sys/class/net/%(name)s/bridge ] && echo bridge || echo other
ip -o -4 addr show dev %(name)s | awk '{print $4}' | tr '\n' ' '; echo
ip -o link show dev %(name)s | grep -q '[<,]UP[,>]' && echo up || echo down
"""


@dataclass(frozen=True)
class LinuxBridge(IndividualResource[BridgeState]):
    """A bridge of the kernel with its address.

    An interface of that name that is no bridge is left alone.
    """

    kind: ClassVar[str] = "linux_bridge"
    name: str
    address: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``linux_bridge:NAME``."""
        return f"linux_bridge:{self.name}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``bridge:NAME``."""
        return (f"bridge:{self.name}",)

    @property
    def label(self) -> str:
        """Return ``bridge NAME``."""
        return f"bridge {self.name}"

    def desired(self) -> BridgeState:
        """Return the kind "bridge", the state "up" and the bridge's address, if any."""
        desired = {"kind": "bridge", "state": "up"}
        return {**desired, "address": self.address} if self.address else desired

    def probe_one(self) -> Probe[BridgeState]:
        """Return the probe of the interface: its kind, its addresses, and up or down."""

        def parse(reply: Reply) -> Dict[str, Observed[BridgeState]]:
            """Return the interface's state, None if it does not exist."""
            if reply.code == 3:
                return {self.id: None}
            require_ok(reply)
            kind, addresses, state = reply.out.splitlines()
            address = _matching_address(self.address, addresses)
            return {self.id: {"kind": kind, "address": address, "state": state}}

        return Probe(
            Command(_PROBE_LINUX_BRIDGE % {"name": quote_sh(self.name)}, description=f"probe bridge {self.name}"),
            parse,
        )

    def fix_one(self, diff: Diff["LinuxBridge"]) -> Command:
        """Return the command that creates the bridge, sets it up and adds its address."""
        name = quote_sh(self.name)
        lines = [
            f"[ -e /sys/class/net/{name} ] || ip link add {name} type bridge || exit 1",
            f"ip link set {name} up || exit 1",
        ]
        if self.address:
            lines.append(f"ip addr replace {quote_sh(self.address)} dev {name} || exit 1")
        return Command("\n".join(lines), timeout=60, description=f"create bridge {self.name}")


@dataclass(frozen=True)
class Nat(IndividualResource[NatState]):
    """Address translation: packets from ``source_cidr`` get the node's address.

    ``exempt_bridged`` leaves out packets that only cross a bridge of the kernel on their way to an instance: replies
    would come from another address than the one asked, and be refused.
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
        """Return ``nat:CIDR``."""
        return f"nat:{self.source_cidr}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``nat:CIDR BRIDGE``."""
        return (f"nat:{self.source_cidr} {self.bridge}",)

    @property
    def label(self) -> str:
        """Return ``address translation for CIDR``."""
        return f"address translation for {self.source_cidr}"

    @property
    def rules(self) -> List[Tuple[str, str]]:
        """Return iptables' rules as (table, rule), the rule from its chain on.

        They are quoted for sh.
        """
        bridge = quote_sh(self.bridge)
        routed = " -m physdev ! --physdev-is-bridged" if self.exempt_bridged else ""
        return [
            ("nat", f"POSTROUTING -s {self.source_cidr} ! -o {bridge}{routed} -j MASQUERADE"),
            ("filter", f"FORWARD -i {bridge} -j ACCEPT"),
            ("filter", f"FORWARD -o {bridge} -j ACCEPT"),
        ]

    @property
    def _obsolete_rule(self) -> Tuple[str, str]:
        """Return the rule that other values of ``exempt_bridged`` left behind."""
        return replace(self, exempt_bridged=not self.exempt_bridged).rules[0]

    def desired(self) -> NatState:
        """Return that the rules exist."""
        return {"rules": True}

    def probe_one(self) -> Probe[NatState]:
        """Return the probe that checks each rule, and that the obsolete one is gone."""
        checks = [
            f"iptables -w 5 {iptables_args('-C', rule)} 2>/dev/null" for rule in (*self.rules, self._obsolete_rule)
        ]
        checks[-1] = f"! {checks[-1]}"
        script = "command -v iptables >/dev/null || exit 75\n" + " && ".join(checks)

        def parse(reply: Reply) -> Dict[str, Observed[NatState]]:
            """Return that the rules exist, None if not, Unknown without iptables."""
            if reply.code == 75:
                return {self.id: Unknown(Phase.PACKAGES, "iptables is not installed")}
            return {self.id: {"rules": True} if reply.ok else None}

        return Probe(Command(script, description="probe address translation"), parse)

    def fix_one(self, diff: Diff["Nat"]) -> Command:
        """Return the command that adds missing rules and deletes the obsolete one."""
        pairs = [(iptables_args("-C", rule), iptables_args("-A", rule)) for rule in self.rules]
        lines = [
            f"iptables -w 10 {check_args} 2>/dev/null || iptables -w 10 {append_args} || exit 1"
            for check_args, append_args in pairs
        ]
        lines.append(f"iptables -w 10 {iptables_args('-D', self._obsolete_rule)} 2>/dev/null || true")
        return Command("\n".join(lines), description=f"translate addresses of {self.source_cidr}")


def iptables_args(action: str, rule: Tuple[str, str]) -> str:
    """Return iptables' arguments for a rule, which is one of ``Nat.rules``.

    ``action`` is ``-A``, ``-C`` or ``-D``. The default table, filter, is not named.
    """
    table, text = rule
    return f"{action} {text}" if table == "filter" else f"-t {table} {action} {text}"
