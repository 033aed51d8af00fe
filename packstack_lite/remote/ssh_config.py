"""What ~/.ssh/config has to say of a host, together with what the caller said."""

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
MEND = "mend it; ssh -G HOST shows what ssh reads there"
# [ssh://][USER@]HOST[:PORT]; an IPv6 address with a port stands in brackets.
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^@:/\s\[\]]+)(?::(?P<port>\d{1,5}))?/?")


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
    IdentitiesOnly, ProxyJump, UserKnownHostsFile, StrictHostKeyChecking, HostKeyAlias).

    Raises UsageFault, with file and line, for a configuration that cannot be used.
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


def jump_target(jump: str, of: SshTarget) -> SshTarget:
    """The target that a word of ProxyJump names, with what ``of`` says for all hosts. Raises UsageFault."""
    found = _JUMP.fullmatch(jump)
    port = int(found["port"] or 0) if found else 0
    if not found or port > 65535:
        raise UsageError(f"{of.config_file}: ProxyJump {jump!r} names no host", "write it as [USER@]HOST[:PORT]")
    host, user = found["host"].strip("[]"), found["user"] or ""
    return SshTarget(
        host,
        user,
        port,
        known_hosts_file=of.known_hosts_file,
        accept_new_host_key=of.accept_new_host_key,
        config_file=of.config_file,
    )


def _read_ssh_config(target: SshTarget) -> Mapping[str, str]:
    path = os.path.expanduser(target.config_file)
    text = _text(path)
    try:
        told = paramiko.SSHConfig.from_text(text).lookup(target.host)
    except Exception as error:
        # Besides its own ConfigParseError paramiko raises what happens to happen: KeyError, ValueError, ImportError ...
        raise _broken(path, text, error) from error
    for key, value in told.items():
        fault = _fault(key, value)
        if fault:
            raise UsageError(f"{path}{_line_of(text, key, value)}: {fault}", MEND)
    return told


def _text(path: str) -> str:
    """The file's text, "" without one. As ssh does, bytes that are no UTF-8 are let through."""
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory, not a file that ssh -F would read", "move it away")
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its owner and mode") from error
    return data.decode(errors="surrogateescape")


def _broken(path: str, text: str, error: Exception) -> UsageError:
    """What cannot be used, with the first line that alone cannot be read either."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            paramiko.SSHConfig.from_text(line)
            if isinstance(error, UnicodeError) and not line.lstrip().startswith("#"):
                line.encode()
        except Exception:
            return UsageError(f"{path}:{number}: the line cannot be read as ssh_config(5) has it", MEND)
    return UsageError(f"{path} cannot be used: {str(error)!a} ({type(error).__name__})", MEND)


def _fault(key: str, value: object) -> str:
    """What is wrong with a value that is used here; "" when nothing is."""
    if key == "port" and not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value) and 0 < int(value) < 65536):
        return f"Port {value!a} is none: a number from 1 to 65535 is"
    if key in ("hostname", "user", "hostkeyalias") and not (isinstance(value, str) and value and value.isprintable()):
        return f"{key} {value!a} cannot be one"
    words = value if isinstance(value, list) else [value]
    if key in ("identityfile", "userknownhostsfile") and any("\0" in str(word) for word in words):
        return f"{key} {value!a} cannot be the name of a file"
    return ""


def _line_of(text: str, key: str, value: object) -> str:
    """``:NUMBER`` of the first line that gives the key this value, "" where it is put together of several."""
    wanted = re.compile(rf"\s*{key}(\s*=\s*|\s+)\"?{re.escape(str(value))}\"?\s*", re.IGNORECASE)
    lines = enumerate(text.split("\n"), 1)
    return next((f":{number}" for number, line in lines if wanted.fullmatch(line)), "")


def _split_value(value: "str | List[str]") -> List[str]:
    return value.split() if isinstance(value, str) else list(value)


def _known_hosts_files(target: SshTarget, ssh_options: Mapping[str, str]) -> Tuple[str, ...]:
    user_files = _split_value(ssh_options.get("userknownhostsfile", "~/.ssh/known_hosts"))
    # A key that is new is written to the first file: with "none" to no file at all.
    user_files = ["/dev/null"] if user_files in ([], ["none"]) else user_files
    return tuple(
        _expand_home(
            [*([target.known_hosts_file] if target.known_hosts_file else []), *user_files, "/etc/ssh/ssh_known_hosts"]
        )
    )


def _expand_home(paths: List[str]) -> List[str]:
    # Path.expanduser raises where there is no such ~USER.
    return [os.path.expanduser(path) for path in paths]


def _default_key_files() -> List[str]:
    return [str(path) for path in (Path.home() / ".ssh" / name for name in DEFAULT_KEYS) if os.path.exists(path)]
