"""The machine's side of a sandbox's network: packet rules that can be taken back one by one.

The interface itself is made by systemd-nspawn at each boot and configured by the keeper
(``data/keeper``); it vanishes with the container.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List

from packstack_lite.sandbox.machine import run
from packstack_lite.sandbox.model import Record

TEST_RANGE = "198.18.0.0/15"


def rules(record: Record) -> List[List[str]]:
    """Rule specifications, each ``[table, chain, ...]``: NAT to the world, and passage where FORWARD drops."""
    mark = ["-m", "comment", "--comment", f"packstack-lite-sandbox {record.name}"]
    nat = [
        ["nat", "POSTROUTING", "-s", net, "!", "-d", TEST_RANGE, *mark, "-j", "MASQUERADE"]
        for net in (record.network, record.external_network)
    ]
    passage = [["filter", "FORWARD", way, record.interface, *mark, "-j", "ACCEPT"] for way in ("-i", "-o")]
    return nat + passage


def open_way(record: Record) -> None:
    """Put the rules in place, once, and let the machine forward."""
    close_way(record)
    for table, chain, *spec in rules(record):
        run(["iptables", "-w", "-t", table, "-I", chain, *spec])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def close_way(record: Record) -> None:
    """Take the rules back, however often they are there."""
    for table, chain, *spec in rules(record):
        argv = ["iptables", "-w", "-t", table, "-D", chain, *spec]
        while subprocess.run(argv, capture_output=True).returncode == 0:
            continue
