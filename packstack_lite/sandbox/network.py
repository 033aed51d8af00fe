"""The machine's side of a sandbox's network: packet rules and bridges that can be taken back one by one.

The interfaces themselves are made by systemd-nspawn at each boot and configured by the keeper
(``data/keeper``); they vanish with the container.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List, Tuple

from packstack_lite.sandbox.machine import locked, run
from packstack_lite.sandbox.model import Record, records

TEST_RANGE = "198.18.0.0/15"


def rules(record: Record) -> List[List[str]]:
    """Rule specifications, each ``[table, chain, ...]``: NAT to the world, and passage where FORWARD drops.

    What is bridged passes FORWARD too, where the kernel's br_netfilter is on.
    """
    mark = ["-m", "comment", "--comment", f"packstack-lite-sandbox {record.group}"]
    nat = [
        ["nat", "POSTROUTING", "-s", net, "!", "-d", TEST_RANGE, *mark, "-j", "MASQUERADE"]
        for net in (record.network, record.external_network)
    ]
    interfaces = [record.bridge, *([record.tunnel_bridge] if record.segment else [])]
    passage = [
        ["filter", "FORWARD", way, interface, *mark, "-j", "ACCEPT"] for interface in interfaces for way in ("-i", "-o")
    ]
    return nat + passage


def bridges(record: Record) -> List[Tuple[str, str]]:
    """The names and MAC addresses of a segment's bridges.

    A bridge without an address of its own takes that of a port, another one whenever ports come and go, and its
    neighbours talk to the old one.
    """
    if not record.segment:
        return []
    names = (record.bridge, record.tunnel_bridge)
    return [(name, f"02:c6:12:00:{kind:02x}:{record.number:02x}") for kind, name in enumerate(names)]


def open_way(record: Record) -> None:
    """Put rules and bridges in place, once, and let the machine forward."""
    with locked(f"{record.group}_way"):
        _take_back_rules(record)
        for table, chain, *spec in rules(record):
            run(["iptables", "-w", "-t", table, "-I", chain, *spec])
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        for name, mac in bridges(record):
            if not _exists(name):
                run(["ip", "link", "add", name, "address", mac, "type", "bridge", "mcast_snooping", "0"])
            run(["ip", "link", "set", name, "up"])
        if record.segment:
            run(["ip", "addr", "replace", f"{record.gateway}/24", "dev", record.bridge])
            run(["ip", "route", "replace", record.external_network, "via", record.first_address])


def close_way(record: Record) -> None:
    """Take back rules and bridges, unless another host of the segment uses them."""
    with locked(f"{record.group}_way"):
        if any(other.in_use() for other in records() if other.group == record.group and other.name != record.name):
            return
        _take_back_rules(record)
        for name, _ in bridges(record):
            if _exists(name):
                run(["ip", "link", "del", name])


def _take_back_rules(record: Record) -> None:
    """However often they are there."""
    for table, chain, *spec in rules(record):
        argv = ["iptables", "-w", "-t", table, "-D", chain, *spec]
        while subprocess.run(argv, capture_output=True).returncode == 0:
            continue


def _exists(interface: str) -> bool:
    return Path(f"/sys/class/net/{interface}").exists()
