"""The machine's side of a sandbox's network: packet rules and bridges that can be taken back one by one.

The interfaces themselves are made by systemd-nspawn at each boot and configured by the keeper
(``data/keeper``); they vanish with the container.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List, Tuple

from packstack_lite.sandbox.local_commands import lock_sandbox, run_command
from packstack_lite.sandbox.model import Record, list_records

BENCHMARK_RANGE = "198.18.0.0/15"


def iptables_rules(record: Record) -> List[List[str]]:
    """Rule specifications, each ``[table, chain, ...]``: NAT to the world, and passage where FORWARD drops.

    What is bridged passes FORWARD too, where the kernel's br_netfilter is on.
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
    """The names and MAC addresses of a segment's bridges.

    A bridge without an address of its own takes that of a port, another one whenever ports come and go, and its
    neighbours talk to the old one.
    """
    if not record.segment:
        return []
    names = (record.management_interface, record.tunnel_bridge)
    return [(name, f"02:c6:12:00:{index:02x}:{record.number:02x}") for index, name in enumerate(names)]


def set_up_network(record: Record) -> None:
    """Put rules and bridges in place, once, and let the machine forward."""
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
    """Take back rules and bridges, unless another host of the segment uses them."""
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
    """However often they are there."""
    for table, chain, *spec in iptables_rules(record):
        argv = ["iptables", "-w", "-t", table, "-D", chain, *spec]
        while subprocess.run(argv, capture_output=True).returncode == 0:
            continue


def _interface_exists(interface: str) -> bool:
    return Path(f"/sys/class/net/{interface}").exists()
