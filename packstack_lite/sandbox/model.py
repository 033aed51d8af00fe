"""What a sandbox is: its record on disk, its numbers and its places. Pure but for reading records."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Iterable, List, Optional

from packstack_lite.errors import ExitCode, PackstackLiteError, UsageError
from packstack_lite.sandbox import record_file
from packstack_lite.sandbox.addresses import Addresses
from packstack_lite.sandbox.distros import DEBIAN_SUITES, find_plugin

SANDBOX_HOME = Path("/var/lib/packstack-lite-sandbox")
# A machine is of the kind of what boots it; asked for is also ``machine``, what this machine can do best.
KINDS = ("container", "machine", "qemu", "uml")
MAX_NETWORKS = 127
BASE_TREE = "base"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class SandboxError(PackstackLiteError):
    """This machine could not make, start or stop a sandbox; nothing half made is left behind."""

    exit_code = ExitCode.PREFLIGHT_FAILED


@dataclass(frozen=True)
class Sandbox:
    """A throw-away host as its user sees it; addresses come from 198.18.0.0/15 (RFC 2544).

    ``segment`` is the first host's name where several were made together, and ``tunnel`` the address
    of the second interface that each of these has; "" for a host that is alone. ``state`` is
    ``running`` or ``stopped``; ``pid`` is the keeper's process on this machine,
    0 when stopped; ``root`` is the tree as the sandbox sees it, an empty directory while
    a layered sandbox is stopped. ``external_network`` is routed to ``address``.
    """

    name: str
    kind: str
    distro: str
    address: str
    state: str
    key: Path
    known_hosts: Path
    external_network: str
    root: Path
    pid: int
    segment: str = ""
    tunnel: str = ""


@dataclass(frozen=True)
class Record(Addresses):
    """What is kept on disk about one sandbox (``sandbox.json``); all else follows from it.

    ``layered`` says that the tree is an overlay over the named tree and not a copy of it. Hosts that were made
    together (``--hosts``) share ``number`` and ``segment``, the first one's name; ``member`` counts them from 1.
    """

    name: str
    kind: str
    distro: str
    number: int
    tree: str
    layered: bool
    segment: str = ""
    member: int = 0

    @property
    def group_name(self) -> str:
        """What names the hosts that come and go together."""
        return self.segment or self.name

    @property
    def directory(self) -> Path:
        """The directory that holds everything of this sandbox."""
        return SANDBOX_HOME / "sandboxes" / self.name

    @property
    def root(self) -> Path:
        """Where the tree is mounted or copied."""
        return self.directory / "root"

    @property
    def writable_dir(self) -> Path:
        """The directory whose files are this sandbox's own: the overlay's upper one, or the copy."""
        return self.directory / "upper" if self.layered else self.root

    def save(self) -> None:
        """Write ``sandbox.json``; the rename makes it appear whole or not at all."""
        temporary = self.directory / "sandbox.json.part"
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")
        os.replace(temporary, self.directory / "sandbox.json")

    def running_pid(self) -> int:
        """The running keeper's process id, 0 when there is none (a reused id does not count)."""
        try:
            pid = int((self.directory / "pid").read_text())
            cmdline_path = Path(f"/proc/{pid}/cmdline")
            cmdline = cmdline_path.read_bytes().split(b"\0")
            if cmdline == [b""]:
                # For a moment a process that becomes another program has no words at all.
                time.sleep(0.1)
                cmdline = cmdline_path.read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if str(self.root).encode() in cmdline else 0

    def is_in_use(self) -> bool:
        """Whether it runs, or is about to: its tree is mounted before it boots."""
        return bool(self.running_pid()) or os.path.ismount(self.root)

    def to_sandbox(self) -> Sandbox:
        """The record together with what is true right now."""
        pid = self.running_pid()
        return Sandbox(
            name=self.name,
            kind=self.kind,
            distro=self.distro,
            address=self.address,
            state="running" if pid else "stopped",
            key=self.directory / "id_ed25519",
            known_hosts=self.directory / "known_hosts",
            external_network=self.external_network,
            root=self.root,
            pid=pid,
            segment=self.segment,
            tunnel=self.tunnel_address,
        )


def tree_dir(distro: str, tree: str) -> Path:
    """Where a named tree is kept."""
    return SANDBOX_HOME / "trees" / distro / tree


def archives_dir(distro: str) -> Path:
    """Return the directory of all packages that were downloaded for a Debian release."""
    return SANDBOX_HOME / "archives" / distro


def list_records() -> List[Record]:
    """Every sandbox on this machine, by number and member. Raises UsageFault when the record of one is damaged."""
    paths = sorted((SANDBOX_HOME / "sandboxes").glob("*/sandbox.json"))
    return sorted((_read_record(path) for path in paths), key=lambda r: (r.number, r.member))


def _read_record(path: Path) -> Record:
    """A record as this release understands it. Raises UsageFault for a damaged one."""
    kinds = {field.name: field.type for field in fields(Record)}
    needed = [field.name for field in fields(Record) if field.default is MISSING]
    record = Record(**record_file.read(path, kinds, needed))
    is_valid = record.kind in KINDS and _NAME.fullmatch(record.distro) and 0 < record.number <= MAX_NETWORKS
    if record.name != path.parent.name or not is_valid:
        raise record_file.damaged(path, "it is of another sandbox, or of a kind, distro or number that is not known")
    return record


def find_records(name: str) -> List[Record]:
    """What a name stands for: all hosts of the segment that bears it, else one host; UsageFault for neither."""
    return [record for record in list_records() if record.segment == name] or [find_record(name)]


def find_group_name(name: str) -> str:
    """What the hosts that come and go together with a host are locked by; the name itself while there is none."""
    return next((record.group_name for record in list_records() if record.name == name), name)


def find_record(name: str) -> Record:
    """The record of one sandbox; UsageFault with the way to make it when there is none."""
    for record in list_records():
        if record.name == name:
            return record
    raise UsageError(f"there is no sandbox {name!r}", hint=f"packstack-lite sandbox up {name}")


def require_matching(sandbox: Sandbox, distro: Optional[str], kind: Optional[str] = None) -> Sandbox:
    """The sandbox; UsageFault when it runs something else than is asked for: what it runs stays."""
    if kind and kind != sandbox.kind and (kind != "machine" or sandbox.kind == "container"):
        raise UsageError(
            f"the sandbox {sandbox.name!r} is a {sandbox.kind}, not a {kind}",
            hint=f"leave out --kind, name another sandbox, or: packstack-lite sandbox down {sandbox.name}",
        )
    if distro and distro != sandbox.distro:
        raise UsageError(
            f"the sandbox {sandbox.name!r} runs {sandbox.distro}, not {distro}",
            hint=f"leave out --distro, name another sandbox, or: packstack-lite sandbox down {sandbox.name}",
        )
    return sandbox


def find_free_number(used_numbers: Iterable[int], routes: str) -> int:
    """The lowest number whose two networks nobody uses; ``routes`` is what ``ip route`` printed."""
    busy = set(used_numbers)
    for number in range(1, MAX_NETWORKS + 1):
        prefixes = (f"198.18.{2 * number - 1}.", f"198.18.{2 * number}.")
        if number not in busy and not any(prefix in routes for prefix in prefixes):
            return number
    raise SandboxError(
        f"all {MAX_NETWORKS} sandbox networks in 198.18.0.0/16 are in use", hint="packstack-lite sandbox list"
    )


def validate_request(name: str, distro: str, kind: str) -> None:
    """UsageFault when the words cannot make a sandbox."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a sandbox's name", hint="use up to 32 lower-case letters, digits and dashes"
        )
    if distro not in DEBIAN_SUITES:
        find_plugin(distro)
    if kind not in KINDS:
        raise UsageError(f"no sandbox of kind {kind!r}", hint=f"known: {', '.join(KINDS)}")
    if kind != "container" and distro not in DEBIAN_SUITES:
        raise UsageError(f"a machine does not run {distro}", hint="leave out --kind: a container does")
