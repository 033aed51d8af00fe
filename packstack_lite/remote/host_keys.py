"""Verify a host's key.

Known keys pass, unknown ones need confirmation, changed or revoked ones are refused.

Used by ``session``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Optional

import paramiko

from packstack_lite.errors import ConnectError
from packstack_lite.remote import known_hosts
from packstack_lite.remote.known_hosts import Warn
from packstack_lite.remote.ssh_config import ResolvedSshTarget

ConfirmPrompt = Optional[Callable[[str], bool]]

# known_hosts says ssh-rsa, while the handshake names the key by its signature algorithm (RFC 8332).
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}


class KnownHosts:
    """The keys that known_hosts files hold for one host.

    ``warn`` gets a message for each line or file skipped.
    """

    def __init__(self, route: ResolvedSshTarget, warn: Warn) -> None:
        self._route = route
        self._warn = warn
        self._known_keys: List[paramiko.PKey] = []
        self._revoked: List[paramiko.PKey] = []
        for path in route.known_hosts_files:
            known, revoked = known_hosts.read_host_keys(path, route.host_key_alias, warn)
            self._known_keys += known
            self._revoked += revoked

    def prefer_known_key_types(self, transport: paramiko.Transport) -> None:
        """Ask the host for a key of a type that is known, if it has one."""
        key_types = dict.fromkeys(key.get_name() for key in self._known_keys)
        known_types = [name for key_type in key_types for name in _SIGNATURES.get(key_type, (key_type,))]
        options = transport.get_security_options()
        preferred: List[str] = [name for name in known_types if name in options.key_types]
        options.key_types = [*preferred, *(name for name in options.key_types if name not in preferred)]

    def verify_key(self, key: paramiko.PKey, confirm: ConfirmPrompt) -> None:
        """Accept a known key, or a new one that is confirmed, which is then stored.

        Raises ConnectError for a changed, revoked or unconfirmed key.
        """
        if key in self._revoked:
            raise ConnectError(
                f"{self._route.name}: its host key is marked @revoked in known_hosts: "
                f"{key.fingerprint} ({key.get_name()}); do not trust a host that has it",
                f"give the host a new key; ssh-keygen -F '{self._route.host_key_alias}' shows the line that revokes it",
            )
        if not self._known_keys:
            self._accept_new_key(key, confirm)
        elif key not in self._known_keys:
            self._refuse_changed_key(key)

    def _refuse_changed_key(self, key: paramiko.PKey) -> None:
        """Raise ConnectError for a key that differs from the known ones."""
        known_fingerprints = ", ".join(
            f"{known_key.fingerprint} ({known_key.get_name()})" for known_key in self._known_keys
        )
        raise ConnectError(
            f"{self._route.name}: its host key has changed: known is {known_fingerprints}, "
            f"shown is {key.fingerprint} ({key.get_name()}); somebody may intercept the connection, "
            "or the host was reinstalled",
            f"if the host was reinstalled: ssh-keygen -R '{self._route.host_key_alias}'",
        )

    def _accept_new_key(self, key: paramiko.PKey, confirm: ConfirmPrompt) -> None:
        """Record an unknown key if the user or --accept-new accepts it, else raise."""
        message = f"{self._route.name}: its host key is not known: {key.fingerprint} ({key.get_name()})"
        if not self._route.accept_new_host_key and not (confirm and confirm(f"{message}. Is it the right one?")):
            raise ConnectError(
                message, "compare it with the host's own (ssh-keygen -lf FILE there), then use --accept-new"
            )
        self._append_key(key)

    def _append_key(self, key: paramiko.PKey) -> None:
        """Append the key to known_hosts.

        As with ssh, a file that cannot be written causes a warning only.
        """
        path = Path(self._route.known_hosts_files[0])
        line = f"{self._route.host_key_alias} {key.get_name()} {key.get_base64()}\n".encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("ab+") as file:
                # Appended to a last line without a newline, both lines would be lost.
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
        except OSError as error:
            self._warn(f"{path}: the host key of {self._route.name} cannot be stored: {error.strerror}")
