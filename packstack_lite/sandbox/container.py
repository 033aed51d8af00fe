"""Boot, shut down and kill sandboxes of kind container (systemd-nspawn).

A shell program, ``data/keeper``, runs the container and outlives this process. Called by ``lifecycle``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Callable, List

from packstack_lite.recommended import recommend
from packstack_lite.sandbox.local_commands import is_systemd_running, remove_directory, run_command
from packstack_lite.sandbox.model import Record, SandboxError
from packstack_lite.sandbox.nspawn_run import NSPAWN_CLEANUP_NOISE

BOOT_SECONDS = 90.0
STOP_SECONDS = 120.0
# A process in the kernel's uninterruptible wait for a disk is killed when that ends.
KILL_SECONDS = 60.0


def resolv_conf_mode(resolv_conf: str, uplink_exists: bool) -> str:
    """Return systemd-nspawn's --resolv-conf.

    A container cannot reach a resolver on this machine's loopback.

    ``resolv_conf`` is the text of /etc/resolv.conf; ``uplink_exists`` says whether systemd-resolved keeps the real
    servers in /run/systemd/resolve/resolv.conf.
    """
    servers = [line.split()[1] for line in resolv_conf.splitlines() if line.startswith("nameserver ")]
    is_loopback = all(server.startswith("127.") or server == "::1" for server in servers)
    return "copy-uplink" if is_loopback and uplink_exists else "copy-host"


def keeper_argv(record: Record, keeper: Path, resolv_conf: str, in_scope: bool) -> List[str]:
    """Return the command line of ``data/keeper``.

    ``in_scope`` runs each boot in a systemd scope with its own cgroup.
    """
    unit = f"--unit=packstack-lite-sandbox-{record.name}"
    prefix = ["systemd-run", "--scope", "--quiet", "--collect", "--property=Delegate=yes", unit] if in_scope else []
    args = [
        str(record.root),
        record.name,
        record.local_interface,
        record.gateway,
        record.address,
        record.external_network,
    ]
    return ["/bin/sh", str(keeper), *args, record.local_tunnel_interface, resolv_conf, *prefix]


def boot(record: Record) -> None:
    """Start the container and wait until its SSH server answers.

    Raises SandboxError with the console's last line where it does not within BOOT_SECONDS.
    """
    uplink = Path("/run/systemd/resolve/resolv.conf").exists()
    resolv = resolv_conf_mode(Path("/etc/resolv.conf").read_text(), uplink)
    keeper = record.directory / "keeper"
    with ExitStack() as stack:
        data = resources.files("packstack_lite.sandbox") / "data" / "keeper"
        shutil.copy(stack.enter_context(resources.as_file(data)), keeper)
    _launch(record, keeper_argv(record, keeper, resolv, is_systemd_running()))
    if (
        not wait_until(lambda: not record.running_pid() or ssh_answers(record.address), BOOT_SECONDS)
        or not record.running_pid()
    ):
        last_line = last_console_line((record.directory / "console.log").read_text(errors="replace"))
        raise SandboxError(
            f"sandbox {record.name!r} did not come up: {last_line}",
            hint="that is the last line of its console; check that systemd-nspawn works on this machine",
        )


def _launch(record: Record, argv: List[str]) -> None:
    """Start the keeper and write its pid file.

    It has a session of its own, so that it outlives this process.
    """
    script = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'
    pid = run_command(["sh", "-c", script, "sh", str(record.directory / "console.log"), *argv])
    (record.directory / "pid").write_text(pid)


def ssh_answers(address: str) -> bool:
    """Return whether an SSH server answers on port 22 of the address."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def power_off(record: Record) -> None:
    """Shut the container down as its power button would; kill it after STOP_SECONDS."""
    pid = record.running_pid()
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: not record.running_pid(), STOP_SECONDS):
        kill(record)
    _remove_cables(record)


def kill(record: Record) -> None:
    """Kill the container at once.

    First its process 1, with which the kernel kills all others in it, then the keeper.

    Killing only systemd-nspawn and the keeper would leave the container running. Raises SandboxError where processes
    still exist after KILL_SECONDS.
    """
    pid = record.running_pid()
    for process in [*(_grandchild_pids(pid) if pid else []), *_cgroup_members(record)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    if not wait_until(lambda: not record.running_pid() and not _cgroup_members(record), KILL_SECONDS):
        remaining = ", ".join(map(str, _cgroup_members(record) or [record.running_pid()]))
        raise SandboxError(
            f"processes of sandbox {record.name!r} do not end: {remaining}",
            hint=f"they may wait for a busy disk; try again later: {recommend('sandbox', 'down', record.name)}",
        )
    _remove_cables(record)
    _remove_cgroups(record)
    remove_directory(Path("/run/systemd/nspawn/propagate") / f"packstack-lite-{record.name}")


def child_pids(pid: int) -> List[int]:
    """Return the ids of a process's children, none where it does not exist."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _grandchild_pids(keeper: int) -> List[int]:
    """Return the id of the container's process 1, in a list; empty if it has ended.

    ``keeper`` is the process id of the keeper, whose child is systemd-nspawn, whose child is process 1.
    """
    return [grandchild for child in child_pids(keeper) for grandchild in child_pids(child)]


def _cgroups(record: Record) -> List[Path]:
    """Return the sandbox's cgroup directories in all hierarchies.

    They were made by the keeper or by systemd-run.
    """
    unit = f"packstack-lite-sandbox-{record.name}"
    hierarchies = [Path("/sys/fs/cgroup") / part for part in ("", "systemd", "unified")]
    directories = [hierarchy / name for hierarchy in hierarchies for name in (unit, f"system.slice/{unit}.scope")]
    return [directory for directory in directories if directory.is_dir()]


def _cgroup_members(record: Record) -> List[int]:
    """Return the ids of all processes in the sandbox's cgroups."""
    lists = [path for directory in _cgroups(record) for path in directory.rglob("cgroup.procs")]
    return sorted({int(pid) for path in lists for pid in path.read_text().split()})


def _remove_cgroups(record: Record) -> None:
    """Remove the sandbox's empty cgroups, children first.

    They stay when their processes have ended.
    """
    for directory in _cgroups(record):
        for path, _, _ in os.walk(directory, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path)


def local_interface_exists(record: Record) -> bool:
    """Return whether this machine's end of the virtual cable exists."""
    return Path(f"/sys/class/net/{record.local_interface}").exists()


def _remove_cables(record: Record) -> None:
    """Remove this machine's ends of the cables.

    The kernel does it too, but late on a busy machine.
    """
    for interface in (record.local_interface, record.local_tunnel_interface):
        if interface and Path(f"/sys/class/net/{interface}").exists():
            # The kernel may be faster.
            subprocess.run(["ip", "link", "del", interface], capture_output=True, check=False)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds (True), or until the time is over (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def last_console_line(console: str) -> str:
    """Return the last console line that may tell why a container did not come up.

    Messages of systemd-nspawn about its own clean-up are skipped. Without such a line it is "its console is empty".
    """
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    messages = [line for line in lines if not line.startswith(NSPAWN_CLEANUP_NOISE)]
    return messages[-1] if messages else "its console is empty"
