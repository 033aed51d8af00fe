"""The cable of one host: delayed, cut, healed, on this machine's end; the host itself is not asked.

A reboot of the host heals it, as its cables are new then.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox import machine, relay
from packstack_lite.sandbox.machine import Say, run
from packstack_lite.sandbox.model import Record, SandboxFault, record_of

INTERFACES = ("main", "tunnel")
LONGEST = 10.0
# A bridge port's states of the spanning tree (linux/if_bridge.h): a disabled one passes nothing and keeps its carrier.
DISABLED, FORWARDING = "0", "3"
READY_SECONDS = 10.0


def seconds(text: str) -> float:
    """``50ms`` or ``0.2s`` in seconds; UsageFault for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    value = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if not 0 < value <= LONGEST:
        raise UsageFault(f"{text!r} is no delay", hint=f"write it as 50ms or 0.2s, at most {LONGEST:.0f}s")
    return value


def change(name: str, what: str, amount: str, interface: str, say: Say) -> None:
    """``what`` is delay (by ``amount``), cut or heal; of the host's main or tunnel interface.

    Delayed is what goes to the host, so that a round trip takes so much longer. UsageFault for words that cannot be,
    SandboxFault when this machine cannot do it.
    """
    delay = _check(what, amount, interface)
    machine.need_root()
    record = record_of(name)
    end = record.tunnel_interface if interface == "tunnel" else record.interface
    if not end:
        raise UsageFault(f"the sandbox {name!r} has no tunnel interface", hint="hosts made with --hosts have one")
    if not record.pid():
        raise UsageFault(f"the sandbox {name!r} is stopped", hint=f"packstack-lite sandbox up {record.group}")
    with machine.locked(f"{name}_link"):
        heal(record, end)
        if what == "cut":
            cut(record, end)
        elif what == "delay":
            slow(record, end, delay, say)


def _check(what: str, amount: str, interface: str) -> float:
    if what not in ("delay", "cut", "heal"):
        raise UsageFault(f"{what!r} cannot be done to a link", hint="say delay 50ms, cut or heal")
    if interface not in INTERFACES:
        raise UsageFault(f"no interface {interface!r}", hint=f"known: {', '.join(INTERFACES)}")
    if what == "delay":
        return seconds(amount)
    if amount:
        raise UsageFault(f"{what} takes no {amount!r}", hint=f"packstack-lite sandbox link HOST {what}")
    return 0.0


def heal(record: Record, end: str) -> None:
    """As after a boot."""
    forget(record, end)
    subprocess.run(["tc", "qdisc", "del", "dev", end, "root"], capture_output=True)
    if record.segment:
        run(["bridge", "link", "set", "dev", end, "state", FORWARDING])
    else:
        run(["ip", "link", "set", end, "up"])
        run(["ip", "route", "replace", record.external_network, "via", record.address])


def cut(record: Record, end: str) -> None:
    """Nothing passes. A segment's host does not notice, as with a switch that fails; a host alone loses carrier."""
    if not record.segment:
        run(["ip", "link", "set", end, "down"])
        return
    run(["bridge", "link", "set", "dev", end, "state", DISABLED])
    # Or the bridge would go on sending here what a relay's port could take.
    Path(f"/sys/class/net/{end}/brport/flush").write_text("1\n")


def slow(record: Record, end: str, delay: float, say: Say) -> None:
    """By the kernel's netem; without it by a relay of ours between the cable and its bridge."""
    netem = ["tc", "qdisc", "replace", "dev", end, "root", "netem", "delay", f"{delay * 1000:g}ms", "limit", "10000"]
    if subprocess.run(netem, capture_output=True).returncode == 0:
        return
    if not record.segment:
        raise SandboxFault(
            f"this machine's kernel has no netem, and the sandbox {record.name!r} no bridge for a relay in its place",
            hint=f"make it with --hosts 1: packstack-lite sandbox down {record.name}",
        )
    say("this machine's kernel has no netem: a relay in user space delays the link")
    cut(record, end)
    try:
        _relay(record, end, delay)
    except BaseException:
        heal(record, end)
        raise


def _relay(record: Record, end: str, delay: float) -> None:
    log = record.place / f"relay-{end}.log"
    bridge = record.bridge if end == record.interface else record.tunnel_bridge
    argv = [sys.executable, relay.__file__, end, tap_of(end), bridge, f"{delay:g}"]
    script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!'
    _pid_file(record, end).write_text(run(["sh", "-c", script, "sh", str(log), *argv]))
    deadline = time.monotonic() + READY_SECONDS
    while "ready" not in log.read_text():
        if time.monotonic() > deadline or (log.read_text() and not relays(record, end)):
            said = (log.read_text().splitlines() or ["nothing"])[-1]
            raise SandboxFault(f"the relay of {record.name!r} did not begin: {said}", hint=f"to see more: {log}")
        time.sleep(0.05)


def tap_of(end: str) -> str:
    """The relay's own interface, of as many characters as the cable's end."""
    return end.replace("pl", "pr", 1)


def _pid_file(record: Record, end: str) -> Path:
    return record.place / f"relay-{end}.pid"


def relays(record: Record, end: str) -> List[int]:
    """The process that relays the cable now, if there is one (a reused id does not count)."""
    try:
        pid = int(_pid_file(record, end).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return []
    return [pid] if tap_of(end).encode() in words else []


def forget(record: Record, *ends: str) -> None:
    """End the relays of these cables, of all by default, and wait for them."""
    for end in ends or (record.interface, record.tunnel_interface):
        for pid in relays(record, end) if end else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + READY_SECONDS
            while relays(record, end) and time.monotonic() < deadline:
                time.sleep(0.02)
