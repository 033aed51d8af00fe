"""Which machine is meant: a sandbox, a host over SSH, or this very one."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from packstack_lite import profiles, sandbox
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_stderr, warn_once
from packstack_lite.errors import UsageError
from packstack_lite.sandbox import guest_image

_HOST = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:@\[\]]+)(?::(?P<port>\d{1,5}))?")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
CHOOSE_HINT = "name one with --host, --sandbox or --answer-file; --allinone alone means this machine"


@dataclass(frozen=True)
class ConnectionTarget:
    """How a host is reached. ``direct`` means this machine, as root, without SSH.

    ``user`` and ``port`` are None where ~/.ssh/config decides, or the file of --ssh-config. ``sandbox`` is
    the throw-away host that the address belongs to.
    """

    address: str
    user: Optional[str] = None
    port: Optional[int] = None
    key_file: Optional[Path] = None
    known_hosts_file: Optional[Path] = None
    is_local: bool = False
    sandbox: Optional[sandbox.Sandbox] = None


def parse_target(text: str) -> ConnectionTarget:
    """``[user@]host[:port]``; an IPv6 address with a port stands in brackets."""
    without_user = text.rsplit("@", 1)[-1]
    if without_user.count(":") > 1 and not without_user.startswith("["):
        user = text.rsplit("@", 1)[0] if "@" in text else None
        return ConnectionTarget(without_user, user)
    match = _HOST.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if not match or (port is not None and not 0 < port < 65536):
        raise UsageError(f"{text!r} is not a host", "write it as [USER@]HOST[:PORT]")
    return ConnectionTarget(match["host"].strip("[]"), match["user"], port)


def choose_target(
    options: Options, controller: str = "", allow_local: bool = False, create_sandbox: bool = False
) -> ConnectionTarget:
    """The host that the options mean.

    ``controller`` is what the answers say; ``here`` lets this machine be the last resort;
    ``make`` lets a sandbox that is not there be made. Raises UsageFault when no host is named.
    """
    if options.sandbox and options.host:
        raise UsageError("--host and --sandbox exclude each other", "leave one of them out")
    if options.distro and not options.sandbox:
        raise UsageError("--distro says what a sandbox runs, and no sandbox is named", "add --sandbox, or leave it out")
    if options.kind and not options.sandbox:
        raise UsageError("--kind says how a sandbox is made, and no sandbox is named", "add --sandbox, or leave it out")
    if options.sandbox:
        return _choose_sandbox(options, options.sandbox, create_sandbox)
    if options.host:
        return _ssh_target(parse_target(options.host), options)
    if controller:
        return find_target(options, controller)
    if allow_local:
        return _ssh_target(ConnectionTarget(find_own_address()), options, is_local=os.geteuid() == 0)
    raise UsageError("no host is named", CHOOSE_HINT)


def find_target(options: Options, name: str) -> ConnectionTarget:
    """How a host that the answers name is reached."""
    try:
        box = None if options.ssh_key else _find_sandbox_at(name)
    except UsageError as damaged:
        # Of one sandbox; this host need not be it.
        warn_once(options, f"{damaged.message}; no sandbox of this machine is known now")
        box = None
    if box:
        return _sandbox_target(box)
    return _ssh_target(parse_target(name), options, is_local=os.geteuid() == 0 and is_this_machine(name))


def _ssh_target(target: ConnectionTarget, options: Options, is_local: bool = False) -> ConnectionTarget:
    return ConnectionTarget(target.address, target.user, target.port, options.ssh_key, None, is_local)


def _find_sandbox_at(address: str) -> Optional[sandbox.Sandbox]:
    """The sandbox of this machine that an address belongs to: its key and its host key are known here."""
    boxes = sandbox.list_all() if os.geteuid() == 0 else []
    return next((box for box in boxes if box.address == address), None)


def _sandbox_target(box: sandbox.Sandbox) -> ConnectionTarget:
    return ConnectionTarget(box.address, "root", 22, box.key, box.known_hosts, sandbox=box)


def _choose_sandbox(options: Options, name: str, create_sandbox: bool) -> ConnectionTarget:
    if create_sandbox:
        box = add_guest_image(options, _start_sandbox(options, name))
    else:
        box = sandbox.require_matching(sandbox.find(name), options.distro, options.kind)
        if box.state != "running":
            raise UsageError(f"the sandbox {name} is {box.state}", f"packstack-lite sandbox up {name}")
    if box.kind != "container":
        # Its packages were there before us.
        options.ignore += ["leftovers", "database"]
    return _sandbox_target(box)


def _start_sandbox(options: Options, name: str) -> sandbox.Sandbox:
    """A sandbox to deploy on. A new machine has the packages already: installing is slow within it."""

    def report_progress(text: str) -> None:
        print_stderr(options, text)

    if any(box.name == name for box in sandbox.list_all()):
        box = sandbox.require_matching(sandbox.find(name), options.distro, options.kind)
        return sandbox.up(name, report_progress, kind=box.kind)
    if options.kind in (None, "container"):
        return sandbox.up(name, report_progress, options.distro, options.kind)
    distro = options.distro or sandbox.DEFAULT_DISTRO
    sandbox.validate_request(name, distro, options.kind)
    match = re.fullmatch(r"([a-z]+)(\d+)", distro)
    packages = profiles.detect(*match.groups()).all_packages() if match else ()
    return sandbox.up(name, report_progress, distro, options.kind, packages=packages)


def add_guest_image(options: Options, box: sandbox.Sandbox) -> sandbox.Sandbox:
    """The sandbox, with the guest image that its demo is made from."""
    if box.kind == "container":
        guest_image.copy_image(box.root, progress=lambda text: print_stderr(options, text))
    else:
        guest_image.upload_image(sandbox.ssh_argv(box), progress=lambda text: print_stderr(options, text))
    return box


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_this_machine(host: str) -> bool:
    """Whether the name or address is this machine's: only then can a socket be bound to it."""
    try:
        addresses = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return any(_can_bind(family, address) for family, _, _, _, address in addresses)


def _can_bind(family: int, address: object) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp_socket:
            udp_socket.bind(address)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


def find_own_address() -> str:
    """This machine's address on its default route; no packet is sent to learn it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
            udp_socket.connect(("198.18.255.254", 9))
            return str(udp_socket.getsockname()[0])
    except OSError as error:
        raise UsageError(
            "this machine's address cannot be told: it has no default route", "set one, or say --host ADDRESS"
        ) from error
