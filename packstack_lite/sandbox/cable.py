"""Delay, cut and heal a node's network cable, to test failures (``sandbox link``).

It is done at this machine's end of the cable.

Nothing is changed on the node. A reboot of the node heals the cable, as its interfaces are made anew.
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

from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.sandbox import cable_relay, local_commands
from packstack_lite.sandbox.local_commands import ProgressCallback, run_command
from packstack_lite.sandbox.model import Record, SandboxError, find_record

INTERFACE_CHOICES = ("main", "tunnel")
MAX_DELAY_SECONDS = 10.0
# States of a bridge port (linux/if_bridge.h): a disabled port passes nothing, and the node still sees a carrier.
PORT_DISABLED, PORT_FORWARDING = "0", "3"
READY_SECONDS = 10.0


def parse_delay(text: str) -> float:
    """Convert ``50ms`` or ``0.2s`` into seconds. Raises UsageError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    value = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else 0.0
    if not 0 < value <= MAX_DELAY_SECONDS:
        raise UsageError(f"{text!r} is not a delay", hint=f"write it as 50ms or 0.2s, at most {MAX_DELAY_SECONDS:.0f}s")
    return value


def change_cable(name: str, action: str, amount: str, interface: str, progress: ProgressCallback) -> None:
    """Delay (by ``amount``), cut or heal a node's cable.

    ``interface`` is main or tunnel.

    Only packets to the node are delayed, so a round trip takes ``amount`` longer. Raises UsageError for invalid
    arguments, SandboxError where this machine cannot do it.
    """
    delay = _validate_change(action, amount, interface)
    local_commands.require_root()
    record = find_record(name)
    device = record.local_tunnel_interface if interface == "tunnel" else record.local_interface
    if not device:
        raise UsageError(f"the sandbox {name!r} has no tunnel interface", hint="sandboxes made with --hosts have one")
    if not record.running_pid():
        raise UsageError(f"the sandbox {name!r} is stopped", hint=recommend("sandbox", "up", record.group_name))
    with local_commands.lock_sandbox(f"{name}_link"):
        heal_cable(record, device)
        if action == "cut":
            cut_cable(record, device)
        elif action == "delay":
            delay_cable(record, device, delay, progress)


def _validate_change(action: str, amount: str, interface: str) -> float:
    """Check the arguments of ``change_cable``; return the delay in seconds, or 0.0."""
    if action not in ("delay", "cut", "heal"):
        raise UsageError(f"a link has no action {action!r}", hint="use delay 50ms, cut or heal")
    if interface not in INTERFACE_CHOICES:
        raise UsageError(f"no interface {interface!r}", hint=f"known: {', '.join(INTERFACE_CHOICES)}")
    if action == "delay":
        return parse_delay(amount)
    if amount:
        raise UsageError(
            f"{action} takes no argument, but got {amount!r}", hint=recommend("sandbox", "link", "HOST", action)
        )
    return 0.0


def heal_cable(record: Record, device: str) -> None:
    """Bring a cable back to its state after a boot."""
    stop_relays(record, device)
    subprocess.run(["tc", "qdisc", "del", "dev", device, "root"], capture_output=True)
    if record.segment:
        run_command(["bridge", "link", "set", "dev", device, "state", PORT_FORWARDING])
    else:
        run_command(["ip", "link", "set", device, "up"])
        run_command(["ip", "route", "replace", record.external_network, "via", record.address])


def cut_cable(record: Record, device: str) -> None:
    """Stop all packets.

    A segment's node keeps its carrier, as when a switch fails; a single node loses it.
    """
    if not record.segment:
        run_command(["ip", "link", "set", device, "down"])
        return
    run_command(["bridge", "link", "set", "dev", device, "state", PORT_DISABLED])
    # Otherwise the bridge goes on sending here what should go to a relay's port.
    Path(f"/sys/class/net/{device}/brport/flush").write_text("1\n")


def delay_cable(record: Record, device: str, delay: float, progress: ProgressCallback) -> None:
    """Delay packets to the node by ``delay`` seconds.

    By the kernel's netem, or by a relay in user space where the kernel has none.
    """
    netem = ["tc", "qdisc", "replace", "dev", device, "root", "netem", "delay", f"{delay * 1000:g}ms", "limit", "10000"]
    if subprocess.run(netem, capture_output=True).returncode == 0:
        return
    if not record.segment:
        raise SandboxError(
            f"this machine's kernel has no netem, and the sandbox {record.name!r} has no bridge for a relay",
            hint=f"make it with --hosts 1: {recommend('sandbox', 'down', record.name)},"
            f" then {recommend('sandbox', 'up', record.name, '--hosts', 1)}",
        )
    progress("this machine's kernel has no netem: a relay in user space delays the link")
    cut_cable(record, device)
    try:
        _start_relay(record, device, delay)
    except BaseException:
        heal_cable(record, device)
        raise


def _start_relay(record: Record, device: str, delay: float) -> None:
    """Start the relay of a cable and wait until it is ready.

    Raises SandboxError with its last line of output where it does not start.
    """
    log = record.directory / f"relay-{device}.log"
    bridge = record.management_interface if device == record.local_interface else record.tunnel_bridge
    argv = [sys.executable, cable_relay.__file__, device, tap_name(device), bridge, f"{delay:g}"]
    script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!'
    _pid_file(record, device).write_text(run_command(["sh", "-c", script, "sh", str(log), *argv]))
    deadline = time.monotonic() + READY_SECONDS
    while "ready" not in log.read_text(errors="replace"):
        if time.monotonic() > deadline or (log.read_text(errors="replace") and not relay_pids(record, device)):
            last_line = (log.read_text(errors="replace").splitlines() or ["nothing"])[-1]
            raise SandboxError(f"the relay of {record.name!r} did not start: {last_line}", hint=f"its log: {log}")
        time.sleep(0.05)


def tap_name(device: str) -> str:
    """Return the name of the relay's interface.

    It is as long as the cable's, at most 15 characters.
    """
    return device.replace("pl", "pr", 1)


def _pid_file(record: Record, device: str) -> Path:
    """Return the file with the id of a cable's relay process."""
    return record.directory / f"relay-{device}.pid"


def relay_pids(record: Record, device: str) -> List[int]:
    """Return the id of the process that relays a cable, if there is one.

    A reused id does not count.
    """
    try:
        pid = int(_pid_file(record, device).read_text())
        cmdline = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return []
    return [pid] if tap_name(device).encode() in cmdline else []


def stop_relays(record: Record, *devices: str) -> None:
    """Stop the relays of these cables and wait for their end.

    By default those of all cables of the node.
    """
    for device in devices or (record.local_interface, record.local_tunnel_interface):
        for pid in relay_pids(record, device) if device else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + READY_SECONDS
            while relay_pids(record, device) and time.monotonic() < deadline:
                time.sleep(0.02)
