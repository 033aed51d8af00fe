"""Combine the options of a caller with those of ~/.ssh/config.

Used by ``session``.
"""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Tuple

import paramiko

from packstack_lite.errors import UsageError

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
FIX_HINT = "correct it; ssh -G HOST shows how ssh reads it"
# [ssh://][USER@]HOST[:PORT]; an IPv6 address with a port is in brackets.
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^@:/\s\[\]]+)(?::(?P<port>\d{1,5}))?/?")


@dataclass(frozen=True)
class SshTarget:
    """A host to connect to, as the caller names it.

    ~/.ssh/config supplies empty fields. ``key_file`` is a private key, ``known_hosts_file`` an additional file of host
    keys. ``accept_new_host_key`` accepts and stores the key of an unknown host. ``config_file`` replaces ~/.ssh/config
    (ssh -F); a missing one counts as empty.
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
    """A target with all options known.

    Address, user, keys, jump hosts and known_hosts files. ``has_explicit_keys``: an option or the configuration names
    the keys. ``identities_only``: the agent is not asked. ``host_key_alias`` is the host's name in known_hosts files;
    the first of these gets new keys.
    """

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
    """Combine a target with its ssh configuration.

    Options of ssh_config(5) that count: HostName, User, Port, IdentityFile, IdentitiesOnly, ProxyJump,
    UserKnownHostsFile, StrictHostKeyChecking, HostKeyAlias. Raises UsageError, with file and line, for a configuration
    that cannot be used.
    """
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


def parse_jump(jump: str, target: SshTarget) -> SshTarget:
    """Return the jump host that an entry of ProxyJump names.

    It inherits the files and the host key policy of ``target``. Raises UsageError for an entry that is not
    [USER@]HOST[:PORT].
    """
    match = _JUMP.fullmatch(jump)
    port = int(match["port"] or 0) if match else 0
    if not match or port > 65535:
        raise UsageError(f"{target.config_file}: ProxyJump {jump!r} names no host", "write it as [USER@]HOST[:PORT]")
    host, user = match["host"].strip("[]"), match["user"] or ""
    return SshTarget(
        host,
        user,
        port,
        known_hosts_file=target.known_hosts_file,
        accept_new_host_key=target.accept_new_host_key,
        config_file=target.config_file,
    )


def _read_ssh_config(target: SshTarget) -> Mapping[str, str]:
    """Return ssh_config's options for the target's host, keywords in lower case.

    Raises UsageError, with file and line, for a file or value that cannot be used.
    """
    path = os.path.expanduser(target.config_file)
    text = _read_text(path)
    try:
        options = paramiko.SSHConfig.from_text(text).lookup(target.host)
    except Exception as error:
        # Besides its own ConfigParseError paramiko raises KeyError, ValueError, ImportError and others.
        raise _unusable_config_error(path, text, error) from error
    for key, value in options.items():
        message = _value_error(key, value)
        if message:
            raise UsageError(f"{path}{_line_label(text, key, value)}: {message}", FIX_HINT)
    return options


def _read_text(path: str) -> str:
    """Return the file's text, "" without a file.

    As with ssh, bytes that are not UTF-8 are accepted.
    """
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory, not a file for ssh -F", "move it away")
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its owner and mode") from error
    return data.decode(errors="surrogateescape")


def _unusable_config_error(path: str, text: str, error: Exception) -> UsageError:
    """Return the error for an unusable file, with its first unreadable line."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            paramiko.SSHConfig.from_text(line)
            if isinstance(error, UnicodeError) and not line.lstrip().startswith("#"):
                line.encode()
        except Exception:
            return UsageError(f"{path}:{number}: the line is not valid (see ssh_config(5))", FIX_HINT)
    return UsageError(f"{path} cannot be used: {str(error)!a} ({type(error).__name__})", FIX_HINT)


def _value_error(key: str, value: object) -> str:
    """Return what is wrong with an option's value, "" for a valid one."""
    if key == "port" and not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value) and 0 < int(value) < 65536):
        return f"Port {value!a} is not a number from 1 to 65535"
    if key in ("hostname", "user", "hostkeyalias") and not (isinstance(value, str) and value and value.isprintable()):
        return f"{key} {value!a} is not valid"
    paths = value if isinstance(value, list) else [value]
    if key in ("identityfile", "userknownhostsfile") and any("\0" in str(path) for path in paths):
        return f"{key} {value!a} is not a valid file name"
    return ""


def _line_label(text: str, key: str, value: object) -> str:
    """Return ``:NUMBER`` of the first line that sets an option to this value.

    Return "" if several lines make up the value.
    """
    pattern = re.compile(rf"\s*{key}(\s*=\s*|\s+)\"?{re.escape(str(value))}\"?\s*", re.IGNORECASE)
    lines = enumerate(text.split("\n"), 1)
    return next((f":{number}" for number, line in lines if pattern.fullmatch(line)), "")


def _split_value(value: "str | List[str]") -> List[str]:
    """Return an option's value as a list; a text is split at white space."""
    return value.split() if isinstance(value, str) else list(value)


def _known_hosts_files(target: SshTarget, ssh_options: Mapping[str, str]) -> Tuple[str, ...]:
    """Return the known_hosts files to read; new keys go to the first one."""
    user_files = _split_value(ssh_options.get("userknownhostsfile", "~/.ssh/known_hosts"))
    # New keys are written to the first file; "none" means that they are not stored.
    user_files = ["/dev/null"] if user_files in ([], ["none"]) else user_files
    return tuple(
        _expand_home(
            [*([target.known_hosts_file] if target.known_hosts_file else []), *user_files, "/etc/ssh/ssh_known_hosts"]
        )
    )


def _expand_home(paths: List[str]) -> List[str]:
    """Return the paths with ~ and ~USER replaced; an unknown user's stays."""
    # Path.expanduser would raise RuntimeError for an unknown ~USER.
    return [os.path.expanduser(path) for path in paths]


def _default_key_files() -> List[str]:
    """Return the paths of the default private keys in ~/.ssh that exist."""
    return [str(path) for path in (Path.home() / ".ssh" / name for name in DEFAULT_KEYS) if os.path.exists(path)]
