"""What ~/.ssh/config has to say of a host, together with what the caller said."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Tuple

import paramiko

from packstack_lite.errors import UsageFault

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Target:
    """A host as the caller names it; empty fields are left to ~/.ssh/config.

    ``key`` is a private key file, ``known_hosts`` one more file of host keys. ``accept_new``
    takes the key of a host that is not known yet, and keeps it. ``config_file`` is read in place of
    the user's own (ssh -F); one that is not there says nothing.
    """

    host: str
    user: str = ""
    port: int = 0
    key: str = ""
    known_hosts: str = ""
    accept_new: bool = False
    config_file: str = "~/.ssh/config"


@dataclass(frozen=True)
class Route:
    """A target with nothing left open: where to connect, as whom, with which keys, by which jumps."""

    name: str
    address: str
    port: int
    user: str
    keys: Tuple[str, ...]
    explicit: bool
    only_keys: bool
    jumps: Tuple[str, ...]
    known_as: str
    known_hosts: Tuple[str, ...]
    accept_new: bool


def resolve(target: Target) -> Route:
    """Join a target with the configuration (ssh_config(5): HostName, User, Port, IdentityFile,
    IdentitiesOnly, ProxyJump, UserKnownHostsFile, StrictHostKeyChecking, HostKeyAlias)."""
    told = _told(target)
    port = target.port or int(told.get("port", "22"))
    address = told.get("hostname", target.host)
    own = [str(target.key)] if target.key else _words(told.get("identityfile", []))
    jumps = told.get("proxyjump", "none")
    checking = told.get("stricthostkeychecking", "ask").lower()
    return Route(
        name=target.host,
        address=address,
        port=port,
        user=target.user or told.get("user") or getpass.getuser(),
        keys=tuple(_expand(own) or _defaults()),
        explicit=bool(own),
        only_keys=bool(target.key) or told.get("identitiesonly", "no").lower() == "yes",
        jumps=() if jumps.lower() == "none" else tuple(jump.strip() for jump in jumps.split(",")),
        known_as=told.get("hostkeyalias") or (address if port == 22 else f"[{address}]:{port}"),
        known_hosts=_known_hosts(target, told),
        accept_new=target.accept_new or checking in ("accept-new", "no"),
    )


def _told(target: Target) -> Mapping[str, str]:
    path = Path(target.config_file).expanduser()
    if not path.is_file():
        return {}
    try:
        return paramiko.SSHConfig.from_path(str(path)).lookup(target.host)
    except (paramiko.ConfigParseError, OSError) as error:
        raise UsageFault(
            f"{path} cannot be used: {error}", "mend it; ssh -G HOST shows what ssh reads there"
        ) from error


def _words(value: "str | List[str]") -> List[str]:
    return value.split() if isinstance(value, str) else list(value)


def _known_hosts(target: Target, told: Mapping[str, str]) -> Tuple[str, ...]:
    own = _words(told.get("userknownhostsfile", "~/.ssh/known_hosts"))
    return tuple(_expand([*([target.known_hosts] if target.known_hosts else []), *own, "/etc/ssh/ssh_known_hosts"]))


def _expand(paths: List[str]) -> List[str]:
    return [str(Path(path).expanduser()) for path in paths]


def _defaults() -> List[str]:
    return [str(path) for path in (Path.home() / ".ssh" / name for name in DEFAULT_KEYS) if path.exists()]
