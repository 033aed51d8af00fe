"""Packet rules and bridges of this machine for a sandbox's network.

``lifecycle`` creates and removes them. The interfaces themselves are made at each boot, by systemd-nspawn and
``data/keeper`` or by ``vm.virtual_machine``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List, Tuple

from packstack_lite.sandbox.local_commands import lock_sandbox, run_command
from packstack_lite.sandbox.model import Record, list_records

BENCHMARK_RANGE = "198.18.0.0/15"


def iptables_rules(record: Record) -> List[List[str]]:
    """Return a sandbox's iptables rules, each as ``[table, chain, ...]``.

    They do NAT to other networks, and accept its packets where FORWARD drops.

    Packets within a bridge pass FORWARD too where the kernel's br_netfilter is on.
    """
    comment = ["-m", "comment", "--comment", f"packstack-lite-sandbox {record.group_name}"]
    nat_rules = [
        ["nat", "POSTROUTING", "-s", network, "!", "-d", BENCHMARK_RANGE, *comment, "-j", "MASQUERADE"]
        for network in (record.management_network, record.external_network)
    ]
    interfaces = [record.management_interface, *([record.tunnel_bridge] if record.segment else [])]
    forward_rules = [
        ["filter", "FORWARD", direction, interface, *comment, "-j", "ACCEPT"]
        for interface in interfaces
        for direction in ("-i", "-o")
    ]
    return nat_rules + forward_rules


def segment_bridges(record: Record) -> List[Tuple[str, str]]:
    """Return names and MAC addresses of a segment's bridges; none for a single node.

    The address is fixed because a bridge takes over a port's: it would change as ports come and go, while neighbours
    still use the old one.
    """
    if not record.segment:
        return []
    names = (record.management_interface, record.tunnel_bridge)
    return [(name, f"02:c6:12:00:{index:02x}:{record.number:02x}") for index, name in enumerate(names)]


def set_up_network(record: Record) -> None:
    """Create packet rules and bridges, and switch IPv4 forwarding on.

    Rules of an earlier run are replaced.
    """
    with lock_sandbox(f"{record.group_name}_way"):
        _delete_rules(record)
        for table, chain, *spec in iptables_rules(record):
            run_command(["iptables", "-w", "-t", table, "-I", chain, *spec])
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        for name, mac in segment_bridges(record):
            if not _interface_exists(name):
                run_command(["ip", "link", "add", name, "address", mac, "type", "bridge", "mcast_snooping", "0"])
            run_command(["ip", "link", "set", name, "up"])
        if record.segment:
            run_command(["ip", "addr", "replace", f"{record.gateway}/24", "dev", record.management_interface])
            run_command(["ip", "route", "replace", record.external_network, "via", record.first_address])


def tear_down_network(record: Record) -> None:
    """Remove packet rules and bridges, unless another node of the segment uses them."""
    with lock_sandbox(f"{record.group_name}_way"):
        if any(
            other.is_in_use()
            for other in list_records()
            if other.group_name == record.group_name and other.name != record.name
        ):
            return
        _delete_rules(record)
        for name, _ in segment_bridges(record):
            if _interface_exists(name):
                run_command(["ip", "link", "del", name])


def _delete_rules(record: Record) -> None:
    """Delete the rules, as many times as they are there."""
    for table, chain, *spec in iptables_rules(record):
        argv = ["iptables", "-w", "-t", table, "-D", chain, *spec]
        while subprocess.run(argv, capture_output=True).returncode == 0:
            continue


def _interface_exists(interface: str) -> bool:
    """Return whether this machine has a network interface of that name."""
    return Path(f"/sys/class/net/{interface}").exists()
