"""Starting and stopping the container of a sandbox."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Callable, List

from packstack_lite.sandbox.local_commands import is_systemd_running, remove_directory, run_command
from packstack_lite.sandbox.model import Record, SandboxError

BOOT_SECONDS = 90.0
STOP_SECONDS = 120.0
# What waits for its disk ends when it has got it.
KILL_SECONDS = 60.0


def resolv_conf_mode(resolv_conf: str, uplink_exists: bool) -> str:
    """systemd-nspawn's --resolv-conf: a resolver on this machine's loopback is out of a container's reach."""
    servers = [line.split()[1] for line in resolv_conf.splitlines() if line.startswith("nameserver ")]
    is_loopback = all(server.startswith("127.") or server == "::1" for server in servers)
    return "copy-uplink" if is_loopback and uplink_exists else "copy-host"


def keeper_argv(record: Record, keeper: Path, resolv_conf: str, in_scope: bool) -> List[str]:
    """The keeper's command line; under systemd each boot gets a scope with a cgroup of its own."""
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
    """Start the container and wait until its SSH server answers; SandboxFault with the console's last line if not."""
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
            hint="that is the last line of its console; check that this machine may run systemd-nspawn",
        )


def _launch(record: Record, argv: List[str]) -> None:
    """Start the keeper in a session of its own, as nobody's child: it outlives this process."""
    script = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'
    pid = run_command(["sh", "-c", script, "sh", str(record.directory / "console.log"), *argv])
    (record.directory / "pid").write_text(pid)


def ssh_answers(address: str) -> bool:
    """Whether an SSH server introduces itself there."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def power_off(record: Record) -> None:
    """Shut the container down in order, as the power button would; kill it when it takes too long."""
    pid = record.running_pid()
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: not record.running_pid(), STOP_SECONDS):
        kill(record)
    wait_until(lambda: not local_interface_exists(record), 10)


def kill(record: Record) -> None:
    """End the container at once: its first process, on whose death the kernel ends all others, then the keeper.

    The container survives systemd-nspawn and the keeper when only these are killed.
    """
    pid = record.running_pid()
    for member in [*(_grandchild_pids(pid) if pid else []), *_cgroup_members(record)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    if not wait_until(lambda: not record.running_pid() and not _cgroup_members(record), KILL_SECONDS):
        remaining = ", ".join(map(str, _cgroup_members(record) or [record.running_pid()]))
        raise SandboxError(
            f"processes of sandbox {record.name!r} do not end: {remaining}",
            hint=f"a disk that is busy keeps them; later: packstack-lite sandbox down {record.name}",
        )
    wait_until(lambda: not local_interface_exists(record), 10)
    _remove_cgroups(record)
    remove_directory(Path("/run/systemd/nspawn/propagate") / f"packstack-lite-{record.name}")


def child_pids(pid: int) -> List[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _grandchild_pids(keeper: int) -> List[int]:
    """The container's first process is systemd-nspawn's child, and that is the keeper's."""
    return [grandchild for child in child_pids(keeper) for grandchild in child_pids(child)]


def _cgroups(record: Record) -> List[Path]:
    """The sandbox's own cgroup in each hierarchy, whether the keeper or systemd-run has made it."""
    unit = f"packstack-lite-sandbox-{record.name}"
    hierarchies = [Path("/sys/fs/cgroup") / part for part in ("", "systemd", "unified")]
    directories = [hierarchy / name for hierarchy in hierarchies for name in (unit, f"system.slice/{unit}.scope")]
    return [directory for directory in directories if directory.is_dir()]


def _cgroup_members(record: Record) -> List[int]:
    lists = [path for directory in _cgroups(record) for path in directory.rglob("cgroup.procs")]
    return sorted({int(pid) for path in lists for pid in path.read_text().split()})


def _remove_cgroups(record: Record) -> None:
    """Empty cgroups outlive their processes; children go before parents."""
    for directory in _cgroups(record):
        for path, _, _ in os.walk(directory, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path)


def local_interface_exists(record: Record) -> bool:
    """Whether the machine's end of the virtual cable is there."""
    return Path(f"/sys/class/net/{record.local_interface}").exists()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def last_console_line(console: str) -> str:
    """The last line of a console that says why; systemd-nspawn's note on its own clean-up does not."""
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    messages = [line for line in lines if not line.startswith("Attempted to remove disk file system")]
    return messages[-1] if messages else "its console is empty"
