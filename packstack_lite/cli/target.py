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
from packstack_lite.cli.terminal import say
from packstack_lite.errors import UsageFault
from packstack_lite.sandbox import guest_image

_HOST = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:@\[\]]+)(?::(?P<port>\d{1,5}))?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
WAYS = "name one with --host, --sandbox or --answer-file; --allinone alone means this machine"


@dataclass(frozen=True)
class Target:
    """How a host is reached. ``direct`` means this machine, as root, without SSH.

    ``user`` and ``port`` are None where ~/.ssh/config decides, or the file of --ssh-config. ``sandbox`` is
    the throw-away host that the address belongs to.
    """

    address: str
    user: Optional[str] = None
    port: Optional[int] = None
    key: Optional[Path] = None
    known_hosts: Optional[Path] = None
    direct: bool = False
    sandbox: Optional[sandbox.Sandbox] = None


def parse_host(text: str) -> Target:
    """``[user@]host[:port]``; an IPv6 address with a port stands in brackets."""
    bare = text.rsplit("@", 1)[-1]
    if bare.count(":") > 1 and not bare.startswith("["):
        user = text.rsplit("@", 1)[0] if "@" in text else None
        return Target(bare, user)
    found = _HOST.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if not found or (port is not None and not 0 < port < 65536):
        raise UsageFault(f"{text!r} is not a host", "write it as [USER@]HOST[:PORT]")
    return Target(found["host"].strip("[]"), found["user"], port)


def choose(options: Options, controller: str = "", here: bool = False, make: bool = False) -> Target:
    """The host that the options mean.

    ``controller`` is what the answers say; ``here`` lets this machine be the last resort;
    ``make`` lets a sandbox that is not there be made. Raises UsageFault when no host is named.
    """
    if options.sandbox and options.host:
        raise UsageFault("--host and --sandbox exclude each other", "leave one of them out")
    if options.distro and not options.sandbox:
        raise UsageFault("--distro says what a sandbox runs, and no sandbox is named", "add --sandbox, or leave it out")
    if options.kind and not options.sandbox:
        raise UsageFault("--kind says how a sandbox is made, and no sandbox is named", "add --sandbox, or leave it out")
    if options.sandbox:
        return _in_sandbox(options, options.sandbox, make)
    if options.host:
        return _over_ssh(parse_host(options.host), options)
    if controller:
        return of_host(options, controller)
    if here:
        return _over_ssh(Target(own_address()), options, direct=os.geteuid() == 0)
    raise UsageFault("no host is named", WAYS)


def of_host(options: Options, name: str) -> Target:
    """How a host that the answers name is reached."""
    box = None if options.ssh_key else _sandbox_at(name)
    if box:
        return _of_sandbox(box)
    return _over_ssh(parse_host(name), options, direct=os.geteuid() == 0 and is_own(name))


def _over_ssh(target: Target, options: Options, direct: bool = False) -> Target:
    return Target(target.address, target.user, target.port, options.ssh_key, None, direct)


def _sandbox_at(address: str) -> Optional[sandbox.Sandbox]:
    """The sandbox of this machine that an address belongs to: its key and its host key are known here."""
    boxes = sandbox.list_all() if os.geteuid() == 0 else []
    return next((box for box in boxes if box.address == address), None)


def _of_sandbox(box: sandbox.Sandbox) -> Target:
    return Target(box.address, "root", 22, box.key, box.known_hosts, sandbox=box)


def _in_sandbox(options: Options, name: str, make: bool) -> Target:
    if make:
        box = furnished(options, _up(options, name))
    else:
        box = sandbox.agree(sandbox.find(name), options.distro, options.kind)
        if box.state != "running":
            raise UsageFault(f"the sandbox {name} is {box.state}", f"packstack-lite sandbox up {name}")
    if box.kind != "container":
        # Its packages were there before us.
        options.ignore += ["leftovers", "database"]
    return _of_sandbox(box)


def _up(options: Options, name: str) -> sandbox.Sandbox:
    """A sandbox to deploy on. A new machine has the packages already: installing is slow within it."""

    def tell(text: str) -> None:
        say(options, text)

    if any(box.name == name for box in sandbox.list_all()):
        box = sandbox.agree(sandbox.find(name), options.distro, options.kind)
        return sandbox.up(name, tell, kind=box.kind)
    if options.kind in (None, "container"):
        return sandbox.up(name, tell, options.distro, options.kind)
    distro = options.distro or sandbox.DEFAULT_DISTRO
    sandbox.check_request(name, distro, options.kind)
    found = re.fullmatch(r"([a-z]+)(\d+)", distro)
    packages = profiles.detect(*found.groups()).every_package() if found else ()
    return sandbox.up(name, tell, distro, options.kind, packages=packages)


def furnished(options: Options, box: sandbox.Sandbox) -> sandbox.Sandbox:
    """The sandbox, with the guest image that its demo is made from."""
    if box.kind == "container":
        guest_image.lend(box.root, say=lambda text: say(options, text))
    else:
        guest_image.send(sandbox.ssh_argv(box), say=lambda text: say(options, text))
    return box


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_own(host: str) -> bool:
    """Whether the name or address is this machine's: only then can a socket be bound to it."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return any(_binds(family, address) for family, _, _, _, address in found)


def _binds(family: int, address: object) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(address)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


def own_address() -> str:
    """This machine's address on its default route; no packet is sent to learn it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("198.18.255.254", 9))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise UsageFault(
            "this machine's address cannot be told: it has no default route", "set one, or say --host ADDRESS"
        ) from error
