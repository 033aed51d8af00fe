"""Host keys: known_hosts is honoured, an unknown key is asked about, a changed one refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Optional

import paramiko

from packstack_lite.errors import ConnectError
from packstack_lite.remote.ssh_config import ResolvedSshTarget

ConfirmPrompt = Optional[Callable[[str], bool]]

# A key kept as ssh-rsa is offered under newer signature names.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}


class KnownHosts:
    """What is known of one host."""

    def __init__(self, route: ResolvedSshTarget) -> None:
        self._route = route
        self._keys = paramiko.HostKeys()
        for path in route.known_hosts_files:
            if os.path.isfile(path):
                self._keys.load(path)

    def _known_keys(self) -> "dict[str, paramiko.PKey]":
        entry = self._keys.lookup(self._route.host_key_alias)
        return dict(entry.items()) if entry else {}

    def prefer_known_key_types(self, transport: paramiko.Transport) -> None:
        """Have the host show a key of a kind that is known, if it has one."""
        known_types = [name for key_type in self._known_keys() for name in _SIGNATURES.get(key_type, (key_type,))]
        options = transport.get_security_options()
        preferred: List[str] = [name for name in known_types if name in options.key_types]
        options.key_types = [*preferred, *(name for name in options.key_types if name not in preferred)]

    def verify_key(self, key: paramiko.PKey, confirm: ConfirmPrompt) -> None:
        """Raises ConnectFault unless the key is the known one, or is taken as a new one."""
        known_keys = self._known_keys()
        if not known_keys:
            self._accept_new_key(key, confirm)
        elif known_keys.get(key.get_name()) != key:
            self._refuse_changed_key(key, known_keys)

    def _refuse_changed_key(self, key: paramiko.PKey, known_keys: "dict[str, paramiko.PKey]") -> None:
        known_fingerprints = ", ".join(
            f"{known_key.fingerprint} ({key_type})" for key_type, known_key in known_keys.items()
        )
        raise ConnectError(
            f"{self._route.name}: its host key has changed: known is {known_fingerprints}, "
            f"shown is {key.fingerprint} ({key.get_name()}); somebody may be in between, or the host was made anew",
            f"if the host was made anew: ssh-keygen -R '{self._route.host_key_alias}'",
        )

    def _accept_new_key(self, key: paramiko.PKey, confirm: ConfirmPrompt) -> None:
        message = f"{self._route.name}: its host key is not known: {key.fingerprint} ({key.get_name()})"
        if not self._route.accept_new_host_key and not (confirm and confirm(f"{message}. Is it the right one?")):
            raise ConnectError(
                message, "compare it with the host's own (ssh-keygen -lf FILE there), then say --accept-new"
            )
        self._append_key(key)

    def _append_key(self, key: paramiko.PKey) -> None:
        path = Path(self._route.known_hosts_files[0])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{self._route.host_key_alias} {key.get_name()} {key.get_base64()}\n")
