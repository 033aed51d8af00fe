"""Host keys: known_hosts is honoured, an unknown key is asked about, a changed one refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Optional

import paramiko

from packstack_lite.errors import ConnectFault
from packstack_lite.remote.config import Route

Ask = Optional[Callable[[str], bool]]

# A key kept as ssh-rsa is offered under newer signature names.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}


class KnownHosts:
    """What is known of one host."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._keys = paramiko.HostKeys()
        for path in route.known_hosts:
            if os.path.isfile(path):
                self._keys.load(path)

    def _known(self) -> "dict[str, paramiko.PKey]":
        found = self._keys.lookup(self._route.known_as)
        return dict(found.items()) if found else {}

    def prefer(self, transport: paramiko.Transport) -> None:
        """Have the host show a key of a kind that is known, if it has one."""
        wanted = [name for kind in self._known() for name in _SIGNATURES.get(kind, (kind,))]
        options = transport.get_security_options()
        first: List[str] = [name for name in wanted if name in options.key_types]
        options.key_types = [*first, *(name for name in options.key_types if name not in first)]

    def check(self, key: paramiko.PKey, ask: Ask) -> None:
        """Raises ConnectFault unless the key is the known one, or is taken as a new one."""
        known = self._known()
        if not known:
            self._new(key, ask)
        elif known.get(key.get_name()) != key:
            self._changed(key, known)

    def _changed(self, key: paramiko.PKey, known: "dict[str, paramiko.PKey]") -> None:
        old = ", ".join(f"{kept.fingerprint} ({kind})" for kind, kept in known.items())
        raise ConnectFault(
            f"{self._route.name}: its host key has changed: known is {old}, "
            f"shown is {key.fingerprint} ({key.get_name()}); somebody may be in between, or the host was made anew",
            f"if the host was made anew: ssh-keygen -R '{self._route.known_as}'",
        )

    def _new(self, key: paramiko.PKey, ask: Ask) -> None:
        shown = f"{self._route.name}: its host key is not known: {key.fingerprint} ({key.get_name()})"
        if not self._route.accept_new and not (ask and ask(f"{shown}. Is it the right one?")):
            raise ConnectFault(
                shown, "compare it with the host's own (ssh-keygen -lf FILE there), then say --accept-new"
            )
        self._keep(key)

    def _keep(self, key: paramiko.PKey) -> None:
        path = Path(self._route.known_hosts[0])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{self._route.known_as} {key.get_name()} {key.get_base64()}\n")
