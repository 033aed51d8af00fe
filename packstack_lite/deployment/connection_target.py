"""Choose the machine to connect to.

It is a sandbox, a machine reached over SSH, or this machine. Used before connecting.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional

from packstack_lite import profiles, sandbox
from packstack_lite.deployment.options import (
    DEFAULT_CONNECTION,
    NO_CALLBACKS,
    Callbacks,
    ConnectionOptions,
    NodeSelection,
)
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.sandbox import guest_image

# What a name that cannot be looked up raises: a label of 64 characters or a NUL is no OSError.
_UNRESOLVED = (OSError, ValueError)
_HOST = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:@\[\]]+)(?::(?P<port>\d{1,5}))?")
CHOOSE_HINT = "name one with --host, --sandbox or --answer-file; --allinone alone means this machine"


@dataclass(frozen=True)
class ConnectionTarget:
    """The way to reach a node.

    ``is_local`` means this machine, as root and without SSH.

    ``user`` and ``port`` are None where ssh_config(5) decides. ``sandbox`` is the sandbox that has the address.
    With ``has_preinstalled_packages`` the node's packages were installed before the first run.
    """

    address: str
    user: Optional[str] = None
    port: Optional[int] = None
    key_file: Optional[Path] = None
    known_hosts_file: Optional[Path] = None
    is_local: bool = False
    sandbox: Optional[sandbox.Sandbox] = None
    has_preinstalled_packages: bool = False


def parse_target(text: str) -> ConnectionTarget:
    """Parse ``[user@]host[:port]``.

    An IPv6 address with a port is in brackets. Raises UsageError.
    """
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
    selection: NodeSelection,
    connection: ConnectionOptions = DEFAULT_CONNECTION,
    callbacks: Callbacks = NO_CALLBACKS,
    controller: str = "",
    allow_local: bool = False,
    create_sandbox: bool = False,
) -> ConnectionTarget:
    """Choose the controller, and the way to reach it.

    ``selection`` wins over ``controller``, the name in the answers. ``allow_local`` permits this machine where
    nothing else is named, ``create_sandbox`` permits to create a missing sandbox. Raises UsageError.
    """
    _reject_contradictions(selection)
    if selection.sandbox:
        return _choose_sandbox(selection, selection.sandbox, create_sandbox, callbacks)
    if selection.host and (connection.ssh_key or connection.ssh_config):
        return replace(parse_target(selection.host), key_file=connection.ssh_key)
    if selection.host:
        return find_target(selection.host, connection, callbacks)
    if controller:
        return find_target(controller, connection, callbacks)
    if allow_local:
        return ConnectionTarget(find_own_address(), key_file=connection.ssh_key, is_local=os.geteuid() == 0)
    raise UsageError("no host is named", CHOOSE_HINT)


def _reject_contradictions(selection: NodeSelection) -> None:
    """Raise UsageError for options that exclude or need each other."""
    if selection.sandbox and selection.host:
        raise UsageError("--host and --sandbox exclude each other", "leave one of them out")
    if selection.distro and not selection.sandbox:
        raise UsageError("--distro is for a sandbox, and no sandbox is named", "add --sandbox, or leave it out")
    if selection.kind and not selection.sandbox:
        raise UsageError("--kind is for a sandbox, and no sandbox is named", "add --sandbox, or leave it out")


def find_target(name: str, connection: ConnectionOptions, callbacks: Callbacks = NO_CALLBACKS) -> ConnectionTarget:
    """Return the way to reach a node that the answers or --host name.

    Root needs no SSH to this machine, unless a user or a port asks for it. A sandbox's own key is used unless one was
    given.
    """
    parsed = replace(parse_target(name), key_file=connection.ssh_key)
    if parsed.user or parsed.port:
        return parsed
    try:
        box = None if connection.ssh_key else _find_sandbox_at(parsed.address)
    except UsageError as damaged:
        # The damaged record may be another sandbox's.
        callbacks.warn(f"{damaged.message}; the sandboxes of this machine are unknown to this run")
        box = None
    if box:
        return sandbox_target(box)
    return replace(parsed, is_local=os.geteuid() == 0 and is_this_machine(parsed.address))


def _find_sandbox_at(address: str) -> Optional[sandbox.Sandbox]:
    """Return the sandbox of this machine that has the address.

    Only root may list sandboxes.
    """
    boxes = sandbox.list_all() if os.geteuid() == 0 else []
    return next((box for box in boxes if box.address == address), None)


def sandbox_target(box: sandbox.Sandbox) -> ConnectionTarget:
    """Return the way to reach a sandbox: as root, with the sandbox's own key."""
    return ConnectionTarget(box.address, "root", 22, box.key, box.known_hosts, sandbox=box)


def _choose_sandbox(
    selection: NodeSelection, name: str, create_sandbox: bool, callbacks: Callbacks
) -> ConnectionTarget:
    """Return the way to reach the selected sandbox; create it if permitted."""
    if create_sandbox:
        box = add_guest_image(_start_sandbox(selection, name, callbacks.progress), callbacks.progress)
    else:
        box = sandbox.require_matching(sandbox.find(name), selection.distro, selection.kind)
        if box.state != "running":
            raise UsageError(f"the sandbox {name} is {box.state}", recommend("sandbox", "up", name))
    return replace(sandbox_target(box), has_preinstalled_packages=box.kind != "container")


def _start_sandbox(selection: NodeSelection, name: str, progress: Callable[[str], None]) -> sandbox.Sandbox:
    """Start or create a sandbox.

    A new machine gets its packages now, because installing inside it is slow.
    """
    if any(box.name == name for box in sandbox.list_all()):
        box = sandbox.require_matching(sandbox.find(name), selection.distro, selection.kind)
        return sandbox.up(name, progress, kind=box.kind)
    if selection.kind in (None, "container"):
        return sandbox.up(name, progress, selection.distro, selection.kind)
    distro = selection.distro or sandbox.DEFAULT_DISTRO
    sandbox.validate_request(name, distro, selection.kind)
    match = re.fullmatch(r"([a-z]+)(\d+)", distro)
    packages = profiles.detect(*match.groups()).all_packages() if match else ()
    return sandbox.up(name, progress, distro, selection.kind, packages=packages)


def add_guest_image(box: sandbox.Sandbox, progress: Callable[[str], None]) -> sandbox.Sandbox:
    """Copy the guest image of the demo into a sandbox; return the sandbox."""
    if box.kind == "container":
        guest_image.copy_image(box.root, progress=progress)
    else:
        guest_image.upload_image(sandbox.ssh_argv(box), progress=progress)
    return box


def resolve_address(host: str) -> str:
    """Return the IPv4 address of a host name or address.

    A name that does not resolve here is returned unchanged.
    """
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except _UNRESOLVED:
        return host


def is_this_machine(host: str) -> bool:
    """Return whether a name or address is this machine's own.

    Only then can a socket be bound to it.
    """
    try:
        addresses = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except _UNRESOLVED:
        return False
    return any(_can_bind(family, address) for family, _, _, _, address in addresses)


def _can_bind(family: int, address: object) -> bool:
    """Return whether a socket can be bound to the address."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp_socket:
            udp_socket.bind(address)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


def find_own_address() -> str:
    """Return this machine's address on its default route, without sending a packet.

    Raises UsageError.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
            # RFC 2544's test network: connect() of a datagram socket only selects the route.
            udp_socket.connect(("198.18.255.254", 9))
            return str(udp_socket.getsockname()[0])
    except OSError as error:
        raise UsageError(
            "this machine's address is unknown: it has no default route", "add one, or give --host ADDRESS"
        ) from error
