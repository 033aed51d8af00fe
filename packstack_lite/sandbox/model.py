"""A sandbox's record on disk, its state now, and checks of a user's request.

Reads records and /proc; the only file it writes is ``sandbox.json``.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Iterable, List, Optional

from packstack_lite.errors import ExitCode, PackstackLiteError, UsageError
from packstack_lite.recommended import recommend
from packstack_lite.sandbox import record_file
from packstack_lite.sandbox.addresses import Addresses
from packstack_lite.sandbox.distros import DEBIAN_SUITES, find_plugin

SANDBOX_HOME = Path("/var/lib/packstack-lite-sandbox")
# How a sandbox is booted. A user may also ask for ``machine``: qemu where KVM works, else uml.
KINDS = ("container", "machine", "qemu", "uml")
MAX_NETWORKS = 127
BASE_TREE = "base"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class SandboxError(PackstackLiteError):
    """This machine cannot make, start or stop a sandbox.

    Nodes that are new in a call that fails are removed again; a sandbox that existed before stays.
    """

    exit_code = ExitCode.PREFLIGHT_FAILED


@dataclass(frozen=True)
class Sandbox:
    """A throw-away node and its state now, as callers outside this package see it.

    ``address`` is its own in 198.18.0.0/15 (RFC 2544); ``external_network`` is routed to it, for floating addresses.
    ``state`` is ``running`` or ``stopped``. ``pid`` is the process on this machine that keeps it running, 0 when
    stopped. ``key`` and ``known_hosts`` are files for ssh. ``root`` is its root directory on this machine, empty while
    it is stopped or where it has a disk. ``segment`` is the name of the group of nodes that it was made with, and
    ``tunnel`` the address of its second interface there; both are "" for a single node.
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
    """The content of ``sandbox.json``; everything else about a sandbox is derived.

    ``number`` gives its networks. ``tree`` is the name of the tree that it was made from; ``layered`` is true where its
    root is an overlay over that tree, false for a copy. Nodes that were made together (``--hosts``) share ``number``
    and ``segment``, the name of the first; ``member`` counts them from 1, and is 0 for a single node.
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
        """The segment's name, or the sandbox's own where it is single.

        Nodes with one group name are locked and stopped together.
        """
        return self.segment or self.name

    @property
    def directory(self) -> Path:
        """The directory with all files of this sandbox."""
        return SANDBOX_HOME / "sandboxes" / self.name

    @property
    def root(self) -> Path:
        """The directory where the tree is mounted or copied."""
        return self.directory / "root"

    @property
    def writable_dir(self) -> Path:
        """The directory that receives the sandbox's writes.

        It is the overlay's upper directory, or the copy.
        """
        return self.directory / "upper" if self.layered else self.root

    def save(self) -> None:
        """Write ``sandbox.json``, by a rename so that nobody reads half of it."""
        temporary = self.directory / "sandbox.json.part"
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")
        os.replace(temporary, self.directory / "sandbox.json")

    def running_pid(self) -> int:
        """Return the id of the process that keeps the sandbox running, 0 when stopped.

        A reused id does not count.
        """
        try:
            pid = int((self.directory / "pid").read_text())
            cmdline_path = Path(f"/proc/{pid}/cmdline")
            cmdline = cmdline_path.read_bytes().split(b"\0")
            if cmdline == [b""]:
                # In the middle of execve(2) a process has an empty command line for a moment.
                time.sleep(0.1)
                cmdline = cmdline_path.read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if str(self.root).encode() in cmdline else 0

    def is_in_use(self) -> bool:
        """Return whether the sandbox runs or is being started.

        Its tree is mounted before it boots.
        """
        return bool(self.running_pid()) or os.path.ismount(self.root)

    def to_sandbox(self) -> Sandbox:
        """Return the sandbox that this record describes, with its state now."""
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
    """Return the directory of a named tree."""
    return SANDBOX_HOME / "trees" / distro / tree


def archives_dir(distro: str) -> Path:
    """Return the directory of all packages that were downloaded for a distribution.

    Only Debian releases have one. It is not made here.
    """
    return SANDBOX_HOME / "archives" / distro


def list_records() -> List[Record]:
    """Read the records of all sandboxes, sorted by number and member.

    Raises UsageError for a damaged record.
    """
    paths = sorted((SANDBOX_HOME / "sandboxes").glob("*/sandbox.json"))
    return sorted((_read_record(path) for path in paths), key=lambda r: (r.number, r.member))


def _read_record(path: Path) -> Record:
    """Read one record; fields of later releases are ignored.

    Raises UsageError for a damaged record.
    """
    types = {field.name: field.type for field in fields(Record)}
    required = [field.name for field in fields(Record) if field.default is MISSING]
    record = Record(**record_file.read(path, types, required))
    is_valid = record.kind in KINDS and _NAME.fullmatch(record.distro) and 0 < record.number <= MAX_NETWORKS
    if record.name != path.parent.name or not is_valid:
        raise record_file.damaged(path, "it is of another sandbox, or of an unknown kind, distro or number")
    return record


def find_records(name: str) -> List[Record]:
    """Return the records of a segment's nodes, or of the one sandbox of that name.

    Raises UsageError where there is neither.
    """
    return [record for record in list_records() if record.segment == name] or [find_record(name)]


def find_group_name(name: str) -> str:
    """Return the segment that a node belongs to.

    It is the name itself for a single or unknown sandbox.
    """
    return next((record.group_name for record in list_records() if record.name == name), name)


def find_record(name: str) -> Record:
    """Return the record of one sandbox.

    Raises UsageError, with the names that there are, where there is none.
    """
    records = list_records()
    for record in records:
        if record.name == name:
            return record
    names = ", ".join(record.name for record in records)
    hint = recommend("sandbox", "up", name)
    raise UsageError(f"there is no sandbox {name!r}", f"there is {names}; to make another: {hint}" if names else hint)


def require_matching(sandbox: Sandbox, distro: Optional[str], kind: Optional[str] = None) -> Sandbox:
    """Return the sandbox, if it is what the user asked for; None asks for nothing.

    Raises UsageError where its distribution or kind is not the requested one.
    """
    if kind and kind != sandbox.kind and (kind != "machine" or sandbox.kind == "container"):
        raise UsageError(
            f"the sandbox {sandbox.name!r} is a {sandbox.kind}, not a {kind}",
            hint=f"leave out --kind, name another sandbox, or: {recommend('sandbox', 'down', sandbox.name)}",
        )
    if distro and distro != sandbox.distro:
        raise UsageError(
            f"the sandbox {sandbox.name!r} runs {sandbox.distro}, not {distro}",
            hint=f"leave out --distro, name another sandbox, or: {recommend('sandbox', 'down', sandbox.name)}",
        )
    return sandbox


def find_free_number(used_numbers: Iterable[int], routes: str) -> int:
    """Return the lowest number whose two networks are free.

    ``routes`` is the output of ``ip route show``.

    Raises SandboxError where all are in use.
    """
    busy = set(used_numbers)
    for number in range(1, MAX_NETWORKS + 1):
        prefixes = (f"198.18.{2 * number - 1}.", f"198.18.{2 * number}.")
        if number not in busy and not any(prefix in routes for prefix in prefixes):
            return number
    raise SandboxError(
        f"all {MAX_NETWORKS} sandbox networks in 198.18.0.0/16 are in use", hint=recommend("sandbox", "list")
    )


def validate_request(name: str, distro: str, kind: str) -> None:
    """Check name, distribution and kind of a new sandbox.

    Raises UsageError for one that is not possible.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a sandbox's name", hint="use up to 32 lower-case letters, digits and dashes"
        )
    if distro not in DEBIAN_SUITES:
        find_plugin(distro)
    if kind not in KINDS:
        raise UsageError(f"no sandbox of kind {kind!r}", hint=f"known: {', '.join(KINDS)}")
    if kind != "container" and distro not in DEBIAN_SUITES:
        raise UsageError(f"a sandbox of kind {kind} does not run {distro}", hint="leave out --kind: a container does")
