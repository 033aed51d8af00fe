"""Profiles: a distribution's names of packages, units, paths and accounts.

Each profile is a YAML file with a block per service; it extends a family (``families/``) and holds only what differs
(docs/decisions/0020). Services look names up by role (``profile.unit("nova-api")``), so that another distribution is
data, not code. ``{python}`` in a package's name is the profile's ``python``; ``api_threads`` limits the threads of
every API.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Mapping, Optional, Tuple, TypeVar

from packstack_lite.errors import UsageError
from packstack_lite.profiles.documents import (
    REQUIRED_KEYS,
    STRING_MAPPING_KEYS,
    ProfileError,
    format_position,
    freeze,
    list_profile_files,
    packaged_directory,
    read_merged,
)

if TYPE_CHECKING:
    from importlib.abc import Traversable

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class UwsgiApi:
    """Settings of one API that the distribution runs under uwsgi.

    ``app`` is the path of the WSGI script, ``threads`` the number per process; ``settings`` are further lines of this
    API's ini file. Source: the ini files that the packages ship.
    """

    app: str
    name: str
    log_path: str
    plugins: str
    threads: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class VirtualHost:
    """Settings of one API that the distribution runs in Apache with mod_wsgi.

    ``app`` is the path of the WSGI script, ``name`` that of its process group, ``threads`` the number per process.
    """

    app: str
    name: str
    log_path: str
    threads: int


@dataclass(frozen=True)
class StateDirectoryEntry:
    """A directory that a service writes to: owner, mode and what in it is the owner's.

    See ``resources.StateDirectory``. Source: what the packages make (their file lists and scripts).
    """

    owner: str
    mode: str = ""
    content: str = ""
    excluded: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """A distribution with its OpenStack release.

    ``packages``, ``users``, ``marker_tables`` and ``masked_units`` have an entry per service, the others one per role
    or file.
    ``users`` are the accounts that services run as; the account's group has the same name and owns the configuration
    (root:GROUP 0640). ``masked_units`` come with a service's packages and are not wanted. ``log_pattern`` holds for
    roles without an entry in ``logs``. ``marker_tables`` name a table that exists once a service's schema is complete.
    ``drivers`` are the release's names of implementations that a configuration chooses by name. ``quirks`` name faults
    and limits of the packaged release for which a service has a workaround. An API is in ``uwsgi``, in ``mod_wsgi``, or
    in neither: then its unit serves it. ``directories`` are those that each service writes to, by path.

    The methods raise LookupError for a role, service or key that the profile does not have.
    """

    name: str
    title: str
    os_id: str
    os_versions: Tuple[str, ...]
    release: str
    package_manager: str
    python: str
    log_pattern: str
    packages: Mapping[str, Tuple[str, ...]]
    units: Mapping[str, str]
    masked_units: Mapping[str, Tuple[str, ...]]
    users: Mapping[str, str]
    paths: Mapping[str, str]
    logs: Mapping[str, str]
    commands: Mapping[str, str]
    marker_tables: Mapping[str, str]
    drivers: Mapping[str, str]
    uwsgi: Mapping[str, UwsgiApi]
    mod_wsgi: Mapping[str, VirtualHost]
    directories: Mapping[str, Mapping[str, StateDirectoryEntry]]
    quirks: Tuple[str, ...]

    def unit(self, role: str) -> str:
        """Return the name of a role's unit, without ``.service``.

        Example: ``unit("httpd")`` is ``apache2`` on Debian.
        """
        return self._look_up("units", self.units, role)

    def user(self, service: str) -> str:
        """Return the account that a service runs as."""
        return self._look_up("users", self.users, service)

    def path(self, key: str) -> str:
        """Return an absolute path on the node.

        ``key`` names a file or directory by its use: ``fernet-keys``, ``ml2``.
        """
        return self._look_up("paths", self.paths, key)

    def command(self, key: str) -> str:
        """Return the name of a program in the node's PATH.

        ``key`` names it by its use. Example: ``command("port-filter")`` is ``nft`` on Debian.
        """
        return self._look_up("commands", self.commands, key)

    def log_path(self, role: str, service: str) -> str:
        """Return the log file of a role's unit.

        It is the role's entry in ``logs``, else ``log_pattern`` with service and unit filled in.
        """
        pattern = self.logs.get(role, self.log_pattern)
        return pattern.format(service=service, unit=self.units.get(role, role))

    def uwsgi_api(self, role: str) -> UwsgiApi:
        """Return the uwsgi settings of an API."""
        return self._look_up("uwsgi", self.uwsgi, role)

    def marker_table(self, service: str) -> str:
        """Return DATABASE.TABLE, which exists once a service's schema is complete."""
        return self._look_up("marker_tables", self.marker_tables, service)

    def driver(self, key: str) -> str:
        """Return the name that this release has for an implementation.

        Example: ``driver("key-manager")`` is ``barbican``.
        """
        return self._look_up("drivers", self.drivers, key)

    def packages_for(self, service: str) -> Tuple[str, ...]:
        """Return the names of a service's packages in this distribution."""
        return self._look_up("packages", self.packages, service)

    def all_packages(self) -> Tuple[str, ...]:
        """List every package that some answer may install, sorted.

        The daemons of a Ceph cluster (``ceph``) are left out; its clients' packages are not.
        """
        return tuple(sorted({name for group, names in self.packages.items() if group != "ceph" for name in names}))

    def masked_units_for(self, services: Iterable[str]) -> Tuple[str, ...]:
        """Return the unwanted units that the packages of these services bring."""
        return tuple(dict.fromkeys(unit for service in services for unit in self.masked_units.get(service, ())))

    def _look_up(self, table: str, entries: Mapping[str, T], key: str) -> T:
        """Return an entry of a table. Raises LookupError that names profile and table."""
        if key not in entries:
            raise LookupError(
                f"the profile {self.name} has no {key!r} in its {table}: add it to {self.name}.yaml or its family "
                "(null removes what the family has)"
            )
        return entries[key]


def list_names() -> Tuple[str, ...]:
    """List the names of all profiles, sorted."""
    return list_profile_files(packaged_directory())


@lru_cache(maxsize=None)
def load(name: str) -> Profile:
    """Load the profile called ``name``; later calls return the same object.

    Raises UsageError that lists the known names.
    """
    if name not in list_names():
        raise UsageError(f"there is no profile {name!r}", f"choose one of: {', '.join(list_names())}")
    return load_from(packaged_directory(), name)


def load_from(directory: Traversable, name: str) -> Profile:
    """Load a profile from a directory with NAME.yaml and families/.

    Raises ProfileError.
    """
    document = read_merged(directory, name)
    values = {key: freeze(document[key]) for key in REQUIRED_KEYS if key != "services"}
    tables = _collect_tables(f"{name}.yaml", document["services"])
    tables["marker_tables"] = _tables_of_release(f"{name}.yaml", tables["marker_tables"], values["release"])
    tables["packages"] = _fill_in_python(f"{name}.yaml", tables["packages"], values["python"])
    for key in ("uwsgi", "mod_wsgi"):
        tables[key] = _limit_threads(tables[key], document.get("api_threads"))
    return Profile(name=name, **values, **tables)


def detect(os_id: str, os_version: str) -> Profile:
    """Find the profile for an operating system (ID and VERSION_ID of its os-release).

    Raises UsageError that lists the supported systems, and ProfileError if two profiles are for the same system.
    """
    profiles = [load(name) for name in list_names()]
    by_system = index_by_system(profiles)
    if (os_id, os_version) in by_system:
        return by_system[os_id, os_version]
    supported = "; ".join(f"{profile.title} [{profile.name}]" for profile in profiles)
    raise UsageError(
        f"{os_id or 'this operating system'} {os_version}".rstrip() + " is not supported",
        f"deploy on one of: {supported}",
    )


def index_by_system(profiles: Iterable[Profile]) -> Dict[Tuple[str, str], Profile]:
    """Map each operating system (ID and VERSION_ID) to its profile.

    Raises ProfileError if two profiles are for the same system: none of them could be chosen.
    """
    by_system: Dict[Tuple[str, str], Profile] = {}
    for profile in profiles:
        for version in profile.os_versions:
            other = by_system.setdefault((profile.os_id, version), profile)
            if other is not profile:
                raise ProfileError(
                    f"{other.name}.yaml and {profile.name}.yaml are both for os_id {profile.os_id}, "
                    f"os_versions {version}: only one profile can be for a system"
                )
    return by_system


def _collect_tables(file_name: str, blocks: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Turn a block per service into the tables of a Profile.

    Keys that a block has once (``packages``, ``user``, ...) become entries under the service's name.
    """
    tables: Dict[str, Any] = {
        table: {service: freeze(block[key]) for service, block in blocks.items() if key in block}
        for key, table in (
            ("packages", "packages"),
            ("user", "users"),
            ("marker_table", "marker_tables"),
            ("masked_units", "masked_units"),
        )
    }
    for key in STRING_MAPPING_KEYS:
        tables[key] = _join_mappings(file_name, blocks, key)
    for key, record_type in (("uwsgi", UwsgiApi), ("mod_wsgi", VirtualHost)):
        joined = _join_mappings(file_name, blocks, key)
        tables[key] = {name: _make_record(file_name, record_type, key, name, entry) for name, entry in joined.items()}
    tables["directories"] = {
        service: {
            path: _make_record(file_name, StateDirectoryEntry, f"{service}: directories", path, freeze(entry))
            for path, entry in block["directories"].items()
        }
        for service, block in blocks.items()
        if "directories" in block
    }
    tables["quirks"] = tuple(entry for block in blocks.values() for entry in block.get("quirks", ()))
    return {name: MappingProxyType(table) if isinstance(table, dict) else table for name, table in tables.items()}


def _fill_in_python(
    file_name: str, packages: Mapping[str, Tuple[str, ...]], python: str
) -> Mapping[str, Tuple[str, ...]]:
    """Replace ``{python}`` in the names of packages by the profile's ``python``.

    Raises ProfileError for any other word in braces.
    """
    filled: Dict[str, Tuple[str, ...]] = {}
    for service, names in packages.items():
        try:
            filled[service] = tuple(name.format(python=python) for name in names)
        except (LookupError, ValueError) as error:
            position = format_position(file_name, "services", service, "packages")
            raise ProfileError(f"{position}: only {{python}} may stand in braces") from error
    return MappingProxyType(filled)


def _tables_of_release(file_name: str, tables: Mapping[str, Any], release: str) -> Mapping[str, str]:
    """Return each service's marker table in a release.

    Raises ProfileError for a release that such a block lacks.
    """
    chosen: Dict[str, str] = {}
    for service, table in tables.items():
        chosen[service] = table.get(release, table.get("default", "")) if isinstance(table, Mapping) else table
        if not chosen[service]:
            position = format_position(file_name, "services", service, "marker_table")
            raise ProfileError(f"{position}: there is no entry for release {release}, and no default")
    return MappingProxyType(chosen)


def _limit_threads(apis: Mapping[str, Any], limit: Optional[int]) -> Mapping[str, Any]:
    """Return the APIs with at most ``limit`` threads per process; None is no limit."""
    return MappingProxyType(
        {name: replace(api, threads=min(api.threads, limit or api.threads)) for name, api in apis.items()}
    )


def _join_mappings(file_name: str, blocks: Mapping[str, Mapping[str, Any]], key: str) -> Dict[str, Any]:
    """Join one mapping of all blocks.

    Raises ProfileError where two blocks have the same entry.
    """
    joined: Dict[str, Any] = {}
    owners: Dict[str, str] = {}
    for service, block in blocks.items():
        for name, value in block.get(key, {}).items():
            if name in owners:
                position = format_position(file_name, "services", service, key, name)
                raise ProfileError(f"{position}: service {owners[name]} has this key too")
            owners[name], joined[name] = service, value
    return joined


def _make_record(file_name: str, record_type: Callable[..., R], key: str, name: str, entry: Mapping[str, Any]) -> R:
    """Make the object of one API from its settings. Raises ProfileError."""
    try:
        return record_type(**entry)
    except TypeError as error:
        raise ProfileError(f"{file_name}: {key}.{name}: a key is missing or unknown: {error}") from error
