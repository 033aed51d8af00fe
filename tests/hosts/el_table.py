"""Read the table of an enterprise Linux layout.

The table holds its RPMs, and the pools that their files come from.

``data/NAME/layout.yaml`` names the other files of the table; with ``extends`` it adds to another layout. Facts
(``rdo.json``, a copy of what is known about RDO's packages) give names, units, users, paths and modes; YAML files add
the rest: the pools of files and the packages of the base system.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import yaml

from packstack_lite.answers.parameter_table import YAML_LOADER
from tests.hosts.rpms import Rpm, User

DATA = Path(__file__).parent / "data"
UNIT_DIR = "/usr/lib/systemd/system"
LIST_FIELDS = ("requires", "provides", "obsoletes", "conflicts")
TEXT_FIELDS = ("version", "release", "summary", "pre", "post", "raw", "triggers")


@dataclass(frozen=True)
class Pool:
    """A set of files, with their paths on a test host, that RPMs take theirs from.

    ``debs`` are the Debian packages and ``pip`` the Python packages whose files it holds; ``script`` is a file of
    ``data`` that makes more of them. ``units`` are patterns of unit files to keep, as they are not Debian's own.
    ``drop`` are patterns of paths to remove, then ``renames`` maps patterns to new paths. Files that no RPM claims go
    to the RPM ``default_package``, or nowhere.
    """

    name: str
    debs: Tuple[str, ...] = ()
    pip: Tuple[str, ...] = ()
    script: str = ""
    units: Tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    drop: Tuple[str, ...] = ()
    default_package: str = ""


@dataclass(frozen=True)
class PackageEntry:
    """An RPM and where its files come from.

    ``claims`` are patterns of paths in its ``pool``; ``files`` maps paths to whole texts, ``links`` paths to the
    targets of symbolic links; ``empty_configs`` are configuration files that are made empty where the pool has none.
    """

    rpm: Rpm
    pool: str = ""
    claims: Tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    empty_configs: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Everything about one enterprise Linux; ``data`` is the parsed layout.yaml."""

    name: str
    pools: Tuple[Pool, ...]
    entries: Tuple[PackageEntry, ...]
    data: Mapping[str, Any]

    def string_list(self, key: str) -> Tuple[str, ...]:
        """Return a list of layout.yaml, () where the key is missing."""
        return tuple(map(str, self.data.get(key) or ()))


def read_data(name: str) -> str:
    """Return the text of a file below ``tests/hosts/data``."""
    return (DATA / name).read_text(encoding="utf-8")


@lru_cache(maxsize=None)
def read_yaml(name: str) -> Dict[str, Any]:
    """Return the content of a YAML file below ``tests/hosts/data``; nobody changes it."""
    return yaml.load(read_data(name), Loader=YAML_LOADER)  # type: ignore[no-any-return]


def load_layout(name: str) -> Layout:
    """Read the layout of that name.

    Raises LookupError where an RPM requires what none provides.
    """
    data = read_yaml(f"{name}/layout.yaml")
    if data.get("extends"):
        data = _merge(read_yaml(data["extends"]), data)
    tables = [read_yaml(table) for table in data["tables"]]
    # A pool of a later table replaces one of the same name.
    pools = {
        key: _parse_pool(key, pool_row) for table in tables for key, pool_row in (table.get("pools") or {}).items()
    }
    rows: Dict[str, Dict[str, Any]] = (
        _rows_from_facts(json.loads(read_data(data["facts"]))) if data.get("facts") else {}
    )
    for table in tables:
        for key, row in (table.get("rpms") or {}).items():
            rows[key] = _merge(rows.get(key, {}), row or {})
        for key in table.get("empty_packages") or ():
            summary = f"{key}: its files are in the base system"
            rows.setdefault(key, {"summary": summary, "repository": data["base_repository"]})
    entries = tuple(_parse_entry(key, row, data["repository"]) for key, row in rows.items() if not row.get("absent"))
    _check_requirements(entries)
    return Layout(name, tuple(pools.values()), entries, data)


def _parse_pool(name: str, row: Mapping[str, Any]) -> Pool:
    """Return the pool of a row of the table."""
    lists = {key: tuple(row.get(key) or ()) for key in ("debs", "pip", "units", "drop")}
    return Pool(
        name,
        renames=row.get("renames") or {},
        default_package=row.get("default_package", ""),
        script=row.get("script", ""),
        **lists,
    )


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> Dict[str, Any]:
    """Return ``old`` with the values of ``new``.

    Lists and mappings are joined, others replaced.
    """
    merged = dict(old)
    for key, value in new.items():
        current = merged.get(key)
        if isinstance(value, list) and isinstance(current, list):
            merged[key] = current + value
        elif isinstance(value, dict) and isinstance(current, dict):
            merged[key] = {**current, **value}
        else:
            merged[key] = value
    return merged


def _rows_from_facts(services: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    """Return the table's rows that the facts give, by package name."""
    rows = {}
    for service, details in services.items():
        for package in details["packages"]:
            row = {**package, "pool": service, "unit_details": details.get("unit_details") or {}}
            row["dist"] = details.get("dist_conf_settings") or {}
            row.update(_parse_version(details.get("version", "")))
            rows[str(package["name"])] = row
    return rows


def _parse_version(nvr: str) -> Dict[str, str]:
    """Split NAME-VERSION-RELEASE into the fields of a row; none for other texts."""
    parts = nvr.rsplit("-", 2)
    if len(parts) != 3 or " " in nvr:
        return {}
    return {"version": parts[1], "release": parts[2]}


def unit_text(name: str, details: Mapping[str, Any]) -> str:
    """Return a unit file's text; a list gives one line for each of its items."""
    sections: Dict[str, List[str]] = {"Unit": [f"Description={name.rsplit('.', 1)[0]}"], "Service": [], "Install": []}
    for key, value in details.items():
        if key in ("After", "Before", "Requires", "Wants", "PartOf", "BindsTo", "Conflicts", "Description"):
            section = "Unit"
        else:
            section = "Install" if key in ("WantedBy", "Alias", "RequiredBy", "Also") else "Service"
        for each in value if isinstance(value, list) else [value]:
            sections[section].append(f"{key}={each}")
    return "\n\n".join("\n".join([f"[{key}]", *lines]) for key, lines in sections.items() if lines) + "\n"


def ini_text(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Return the text of an ini file."""
    return "\n".join("\n".join([f"[{s}]", *[f"{k} = {v}" for k, v in o.items()], ""]) for s, o in sections.items())


def _parse_entry(name: str, row: Mapping[str, Any], repository: str) -> PackageEntry:
    """Return a package of the table: its RPM and where its files come from."""
    details, files, links = row.get("unit_details") or {}, dict(row.get("files") or {}), dict(row.get("links") or {})
    files.update({path: read_data(source) for path, source in (row.get("copies") or {}).items()})
    for unit in row.get("units") or ():
        unit_details = details.get(unit)
        if unit_details and "alias_of" in unit_details:
            links.setdefault(f"{UNIT_DIR}/{unit}", unit_details["alias_of"])
        elif unit_details:
            files.setdefault(f"{UNIT_DIR}/{unit}", unit_text(unit, unit_details))
    for path in row.get("dist_conf") or ():
        files.setdefault(path, ini_text((row.get("dist") or {}).get(path.rsplit("/", 1)[-1], {})))
    config = [path for path in (*(row.get("config_files") or ()), *(row.get("httpd_conf") or ())) if path[-1] != "/"]
    return PackageEntry(
        _parse_rpm(name, row, repository, config),
        row.get("pool", ""),
        (*(row.get("bin") or ()), *config, *(row.get("claims") or ())),
        files,
        links,
        tuple(path for path in config if path.endswith((".conf", ".ini")) and "*" not in path and path not in files),
    )


def _parse_rpm(name: str, row: Mapping[str, Any], repository: str, config: List[str]) -> Rpm:
    """Return the RPM of a row; ``config`` are its configuration files."""
    lists: Dict[str, Any] = {
        key: tuple(row.get(key) or ()) for key in ("requires", "provides", "obsoletes", "conflicts")
    }
    texts: Dict[str, Any] = {key: str(row[key]) for key in TEXT_FIELDS if row.get(key)}
    not_preset = row.get("units_not_in_post") or ()
    return Rpm(
        name,
        row.get("rpm_name", name),
        row.get("repository", repository),
        users=tuple(_parse_user(each) for each in row.get("users") or ()),
        modes=row.get("modes") or {},
        owned_dirs=tuple(d.rstrip("/") for key in ("dirs", "log_dirs") for d in row.get(key) or () if "*" not in d),
        config_patterns=tuple(config),
        units=tuple(unit for unit in row.get("units") or () if "@" not in unit and unit not in not_preset),
        **lists,
        **texts,
    )


def _parse_user(row: Mapping[str, Any]) -> User:
    """Return the account of a row."""
    groups = tuple(row.get("groups") or ())
    return User(row["name"], row.get("uid"), groups, row.get("home") or "/", row.get("shell") or "/sbin/nologin")


def _check_requirements(entries: Tuple[PackageEntry, ...]) -> None:
    """Raise LookupError where an RPM requires a name that none provides."""
    provided = {entry.rpm.name for entry in entries}
    provided |= {name.split()[0] for entry in entries for name in entry.rpm.provides}
    for entry in entries:
        missing = [need for need in entry.rpm.requires if need.split()[0] not in provided and need[0] != "/"]
        if missing:
            raise LookupError(f"{entry.rpm.name} requires {', '.join(missing)}, which no row of the table provides")
