"""The table of an enterprise Linux layout: which RPMs there are and where their content comes from.

``data/NAME/layout.yaml`` names the other files of the table; one that ``extends`` another has that one's too. Facts
(``rdo.json``, a copy of what is known of RDO's packages) give names, units, users, paths and modes; the YAML files
beside it say what the facts do not: the pools of files that the content is taken from, and the packages of the base
system.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Dict, List, Mapping, Tuple

import yaml

from packstack_lite.sandbox.rpms import Rpm, User

UNITS = "/usr/lib/systemd/system"
LISTS = ("requires", "provides", "obsoletes", "conflicts")
TEXTS = ("version", "release", "summary", "pre", "post", "raw", "triggers")


@dataclass(frozen=True)
class Pool:
    """Files as on a host, to be handed out to RPMs.

    ``debs`` are Debian packages whose files it holds, ``script`` a file of ``data`` that makes some in the pool's
    directory; ``pip`` are requirements, for a layout whose code comes from there. ``units`` are patterns of unit files
    that are the program's own and not Debian's. ``moves`` are renamed, in order, ``drop`` patterns left out; what no
    package claims belongs to ``rest``.
    """

    name: str
    debs: Tuple[str, ...] = ()
    pip: Tuple[str, ...] = ()
    script: str = ""
    units: Tuple[str, ...] = ()
    moves: Mapping[str, str] = field(default_factory=dict)
    drop: Tuple[str, ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class Entry:
    """An RPM with its content: ``claims`` are patterns of paths in its ``pool``, ``files`` whole texts, ``links``
    symbolic links; ``stubs`` are configuration files to be made, empty, where the pool has none."""

    rpm: Rpm
    pool: str = ""
    claims: Tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    stubs: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Everything about one enterprise Linux; ``data`` is layout.yaml as it is."""

    name: str
    pools: Tuple[Pool, ...]
    entries: Tuple[Entry, ...]
    data: Mapping[str, Any]

    def words(self, key: str) -> Tuple[str, ...]:
        """A list of layout.yaml, () where it is not there."""
        return tuple(map(str, self.data.get(key) or ()))


def text(name: str) -> str:
    """A file of ``data``, by its path there."""
    place = resources.files("packstack_lite.sandbox") / "data"
    for part in name.split("/"):
        place = place / part
    return place.read_text(encoding="utf-8")


def load(name: str) -> Layout:
    """The layout of that name, whole. LookupError where a package requires what none provides."""
    data = yaml.safe_load(text(f"{name}/layout.yaml"))
    if data.get("extends"):
        data = _joined(yaml.safe_load(text(data["extends"])), data)
    tables = [yaml.safe_load(text(table)) for table in data["tables"]]
    # A later table's pool stands for an earlier one's of that name.
    pools = {key: _pool(key, each) for table in tables for key, each in (table.get("pools") or {}).items()}
    rows: Dict[str, Dict[str, Any]] = _facts(json.loads(text(data["facts"]))) if data.get("facts") else {}
    for table in tables:
        for key, row in (table.get("rpms") or {}).items():
            rows[key] = _joined(rows.get(key, {}), row or {})
        for key in table.get("hollow") or ():
            told = f"{key}: its files are the base system's own"
            rows.setdefault(key, {"summary": told, "repository": data["base_repository"]})
    entries = tuple(_entry(key, row, data["repository"]) for key, row in rows.items() if not row.get("absent"))
    _check(entries)
    return Layout(name, tuple(pools.values()), entries, data)


def _pool(name: str, row: Mapping[str, Any]) -> Pool:
    lists = {key: tuple(row.get(key) or ()) for key in ("debs", "pip", "units", "drop")}
    return Pool(name, moves=row.get("moves") or {}, rest=row.get("rest", ""), script=row.get("script", ""), **lists)


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> Dict[str, Any]:
    """Lists and mappings grow, all else is replaced."""
    joined = dict(old)
    for key, value in new.items():
        before = joined.get(key)
        if isinstance(value, list) and isinstance(before, list):
            joined[key] = before + value
        elif isinstance(value, dict) and isinstance(before, dict):
            joined[key] = {**before, **value}
        else:
            joined[key] = value
    return joined


def _facts(services: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The rows that the facts give."""
    rows = {}
    for service, about in services.items():
        for package in about["packages"]:
            row = {**package, "pool": service, "unit_details": about.get("unit_details") or {}}
            row["dist"] = about.get("dist_conf_settings") or {}
            row.update(_version(about.get("version", "")))
            rows[str(package["name"])] = row
    return rows


def _version(nvr: str) -> Dict[str, str]:
    parts = nvr.rsplit("-", 2)
    if len(parts) != 3 or " " in nvr:
        return {}
    return {"version": parts[1], "release": parts[2]}


def unit_text(name: str, details: Mapping[str, Any]) -> str:
    """A unit file from what is known of it; a key's list is a line each."""
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
    """An ini file."""
    return "\n".join("\n".join([f"[{s}]", *[f"{k} = {v}" for k, v in o.items()], ""]) for s, o in sections.items())


def _entry(name: str, row: Mapping[str, Any], repository: str) -> Entry:
    details, files, links = row.get("unit_details") or {}, dict(row.get("files") or {}), dict(row.get("links") or {})
    files.update({path: text(copied) for path, copied in (row.get("copies") or {}).items()})
    for unit in row.get("units") or ():
        about = details.get(unit)
        if about and "alias_of" in about:
            links.setdefault(f"{UNITS}/{unit}", about["alias_of"])
        elif about:
            files.setdefault(f"{UNITS}/{unit}", unit_text(unit, about))
    for path in row.get("dist_conf") or ():
        files.setdefault(path, ini_text((row.get("dist") or {}).get(path.rsplit("/", 1)[-1], {})))
    config = [path for path in (*(row.get("config_files") or ()), *(row.get("httpd_conf") or ())) if path[-1] != "/"]
    return Entry(
        _rpm(name, row, repository, config),
        row.get("pool", ""),
        (*(row.get("bin") or ()), *config, *(row.get("claims") or ())),
        files,
        links,
        tuple(path for path in config if path.endswith((".conf", ".ini")) and "*" not in path and path not in files),
    )


def _rpm(name: str, row: Mapping[str, Any], repository: str, config: List[str]) -> Rpm:
    lists: Dict[str, Any] = {
        key: tuple(row.get(key) or ()) for key in ("requires", "provides", "obsoletes", "conflicts")
    }
    texts: Dict[str, Any] = {key: str(row[key]) for key in TEXTS if row.get(key)}
    not_preset = row.get("units_not_in_post") or ()
    return Rpm(
        name,
        row.get("rpm_name", name),
        row.get("repository", repository),
        users=tuple(_user(each) for each in row.get("users") or ()),
        modes=row.get("modes") or {},
        dirs=tuple(d.rstrip("/") for key in ("dirs", "log_dirs") for d in row.get(key) or () if "*" not in d),
        config=tuple(config),
        units=tuple(unit for unit in row.get("units") or () if "@" not in unit and unit not in not_preset),
        **lists,
        **texts,
    )


def _user(row: Mapping[str, Any]) -> User:
    groups = tuple(row.get("groups") or ())
    return User(row["name"], row.get("uid"), groups, row.get("home") or "/", row.get("shell") or "/sbin/nologin")


def _check(entries: Tuple[Entry, ...]) -> None:
    provided = {entry.rpm.name for entry in entries}
    provided |= {name.split()[0] for entry in entries for name in entry.rpm.provides}
    for entry in entries:
        lacking = [need for need in entry.rpm.requires if need.split()[0] not in provided and need[0] != "/"]
        if lacking:
            raise LookupError(f"{entry.rpm.name} requires {', '.join(lacking)}, which no row of the table provides")
