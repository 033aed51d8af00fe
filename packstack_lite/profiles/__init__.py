"""One YAML per distribution and release: packages, units, paths, users. Data, no code.

Services ask a Profile for names by role (``profile.unit("nova-api")``), so that another
distribution is another file beside this one.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from typing import Any, Dict, Mapping, Tuple, TypeVar, cast

import yaml

from packstack_lite.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class UwsgiApi:
    """How the distribution runs one API under uwsgi: what its ini file has to say.

    ``app`` is the WSGI script, ``threads`` per process; ``settings`` are lines of this API
    alone. Source: the inis that the packages ship.
    """

    app: str
    name: str
    log: str
    plugins: str
    threads: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class VirtualHost:
    """How the distribution runs one API inside the web server: mod_wsgi's part of a virtual host.

    ``app`` is the WSGI script, ``name`` what its processes are called, ``threads`` are per process.
    """

    app: str
    name: str
    log: str
    threads: int


@dataclass(frozen=True)
class Profile:
    """A distribution with its OpenStack release.

    ``packages`` by service, ``units`` by role, ``users`` by service (the account's group has
    the same name), ``paths`` by what is there, ``logs`` by role. ``masked`` are units that the packages
    enable and this cloud does not want. ``markers`` name, by service, a table that the release's migrations
    fill; ``drivers`` what the release calls an implementation that a configuration chooses by its name.
    ``quirks`` name faults and limits of the packaged release for which a service has a cure. An API is in
    ``uwsgi``, in ``mod_wsgi``, or in neither: then its unit serves it by itself.
    """

    name: str
    title: str
    os_id: str
    os_versions: Tuple[str, ...]
    release: str
    package_manager: str
    python: str
    packages: Mapping[str, Tuple[str, ...]]
    units: Mapping[str, str]
    masked_units: Tuple[str, ...]
    users: Mapping[str, str]
    paths: Mapping[str, str]
    logs: Mapping[str, str]
    commands: Mapping[str, str]
    marker_tables: Mapping[str, str]
    drivers: Mapping[str, str]
    uwsgi: Mapping[str, UwsgiApi] = field(default_factory=dict)
    mod_wsgi: Mapping[str, VirtualHost] = field(default_factory=dict)
    quirks: Tuple[str, ...] = ()

    def unit(self, role: str) -> str:
        """The unit's name, without ``.service``."""
        return self._look_up("units", self.units, role)

    def user(self, service: str) -> str:
        """The account that the service runs as."""
        return self._look_up("users", self.users, service)

    def path(self, key: str) -> str:
        """An absolute path on the target."""
        return self._look_up("paths", self.paths, key)

    def command(self, key: str) -> str:
        """A program's name, found in the target's PATH."""
        return self._look_up("commands", self.commands, key)

    def log_path(self, role: str, service: str) -> str:
        """Where a role's unit writes: its own entry, else the distribution's common pattern."""
        pattern = self.logs.get(role, self.logs["otherwise"])
        return pattern.format(service=service, unit=self.units.get(role, role))

    def uwsgi_api(self, role: str) -> UwsgiApi:
        """How an API runs under uwsgi."""
        return self._look_up("uwsgi", self.uwsgi, role)

    def marker_table(self, service: str) -> str:
        """The table that tells that a service's schema is there."""
        return self._look_up("markers", self.marker_tables, service)

    def driver(self, key: str) -> str:
        """What this release calls an implementation."""
        return self._look_up("drivers", self.drivers, key)

    def packages_for(self, service: str) -> Tuple[str, ...]:
        """The packages of a service."""
        return self._look_up("packages", self.packages, service)

    def all_packages(self) -> Tuple[str, ...]:
        """All that any answers may bring, but a Ceph cluster's own."""
        return tuple(sorted({name for group, names in self.packages.items() if group != "ceph" for name in names}))

    def _look_up(self, table: str, entries: Mapping[str, T], key: str) -> T:
        if key not in entries:
            raise LookupError(f"the profile {self.name} has no {key!r} in its {table}: add it to {self.name}.yaml")
        return entries[key]


def list_names() -> Tuple[str, ...]:
    """The names of all profiles."""
    directory = resources.files("packstack_lite.profiles")
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in directory.iterdir() if entry.name.endswith(".yaml")))


def load(name: str) -> Profile:
    """The profile of that name; UsageFault with the names that there are."""
    if name not in list_names():
        raise UsageError(f"there is no profile {name!r}", f"choose one of: {', '.join(list_names())}")
    text = (resources.files("packstack_lite.profiles") / f"{name}.yaml").read_text(encoding="utf-8")
    return _parse_profile(yaml.safe_load(text))


def detect(os_id: str, os_version: str) -> Profile:
    """The profile for an operating system (ID and VERSION_ID of its os-release).

    Raises UsageFault that lists what is supported.
    """
    profiles = [load(name) for name in list_names()]
    for profile in profiles:
        if profile.os_id == os_id and os_version in profile.os_versions:
            return profile
    supported = "; ".join(f"{profile.title} [{profile.name}]" for profile in profiles)
    raise UsageError(
        f"{os_id or 'this operating system'} {os_version}".rstrip() + " is not supported",
        f"deploy on one of: {supported}",
    )


def _parse_profile(data: Dict[str, Any]) -> Profile:
    known_keys = {known_keys.name for known_keys in fields(Profile)}
    required_keys = {
        known_keys.name for known_keys in fields(Profile) if known_keys.default is known_keys.default_factory is MISSING
    }
    if not required_keys <= set(data) <= known_keys:
        wrong_keys = sorted((required_keys - set(data)) | (set(data) - known_keys))
        raise LookupError(f"profile {data.get('name')}: keys {wrong_keys} are missing or unknown")
    values: Dict[str, Any] = {key: _freeze(value) for key, value in data.items()}
    values["uwsgi"] = {role: UwsgiApi(**api) for role, api in data.get("uwsgi", {}).items()}
    values["mod_wsgi"] = {role: VirtualHost(**host) for role, host in data.get("mod_wsgi", {}).items()}
    return Profile(**values)


def _freeze(value: object) -> object:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        return {str(key): _freeze(entry) for key, entry in cast(Dict[str, object], value).items()}
    return value
