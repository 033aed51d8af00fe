"""What ~/.ssh/config has to say of a host, together with what the caller said."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Tuple

import paramiko

from packstack_lite.errors import UsageError

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class SshTarget:
    """A host as the caller names it; empty fields are left to ~/.ssh/config.

    ``key`` is a private key file, ``known_hosts`` one more file of host keys. ``accept_new``
    takes the key of a host that is not known yet, and keeps it. ``config_file`` is read in place of
    the user's own (ssh -F); one that is not there says nothing.
    """

    host: str
    user: str = ""
    port: int = 0
    key_file: str = ""
    known_hosts_file: str = ""
    accept_new_host_key: bool = False
    config_file: str = "~/.ssh/config"


@dataclass(frozen=True)
class ResolvedSshTarget:
    """A target with nothing left open: where to connect, as whom, with which keys, by which jumps."""

    name: str
    address: str
    port: int
    user: str
    key_files: Tuple[str, ...]
    has_explicit_keys: bool
    identities_only: bool
    jump_hosts: Tuple[str, ...]
    host_key_alias: str
    known_hosts_files: Tuple[str, ...]
    accept_new_host_key: bool


def resolve_ssh_target(target: SshTarget) -> ResolvedSshTarget:
    """Join a target with the configuration (ssh_config(5): HostName, User, Port, IdentityFile,
    IdentitiesOnly, ProxyJump, UserKnownHostsFile, StrictHostKeyChecking, HostKeyAlias)."""
    ssh_options = _read_ssh_config(target)
    port = target.port or int(ssh_options.get("port", "22"))
    address = ssh_options.get("hostname", target.host)
    explicit_keys = [str(target.key_file)] if target.key_file else _split_value(ssh_options.get("identityfile", []))
    jumps = ssh_options.get("proxyjump", "none")
    checking = ssh_options.get("stricthostkeychecking", "ask").lower()
    return ResolvedSshTarget(
        name=target.host,
        address=address,
        port=port,
        user=target.user or ssh_options.get("user") or getpass.getuser(),
        key_files=tuple(_expand_home(explicit_keys) or _default_key_files()),
        has_explicit_keys=bool(explicit_keys),
        identities_only=bool(target.key_file) or ssh_options.get("identitiesonly", "no").lower() == "yes",
        jump_hosts=() if jumps.lower() == "none" else tuple(jump.strip() for jump in jumps.split(",")),
        host_key_alias=ssh_options.get("hostkeyalias") or (address if port == 22 else f"[{address}]:{port}"),
        known_hosts_files=_known_hosts_files(target, ssh_options),
        accept_new_host_key=target.accept_new_host_key or checking in ("accept-new", "no"),
    )


def _read_ssh_config(target: SshTarget) -> Mapping[str, str]:
    path = Path(target.config_file).expanduser()
    if not path.is_file():
        return {}
    try:
        return paramiko.SSHConfig.from_path(str(path)).lookup(target.host)
    except (paramiko.ConfigParseError, OSError) as error:
        raise UsageError(
            f"{path} cannot be used: {error}", "mend it; ssh -G HOST shows what ssh reads there"
        ) from error


def _split_value(value: "str | List[str]") -> List[str]:
    return value.split() if isinstance(value, str) else list(value)


def _known_hosts_files(target: SshTarget, ssh_options: Mapping[str, str]) -> Tuple[str, ...]:
    user_files = _split_value(ssh_options.get("userknownhostsfile", "~/.ssh/known_hosts"))
    return tuple(
        _expand_home(
            [*([target.known_hosts_file] if target.known_hosts_file else []), *user_files, "/etc/ssh/ssh_known_hosts"]
        )
    )


def _expand_home(paths: List[str]) -> List[str]:
    return [str(Path(path).expanduser()) for path in paths]


def _default_key_files() -> List[str]:
    return [str(path) for path in (Path.home() / ".ssh" / name for name in DEFAULT_KEYS) if path.exists()]
