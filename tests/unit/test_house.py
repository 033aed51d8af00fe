"""The rules of the house (CONTRIBUTING.md), read off the source itself."""

from __future__ import annotations

import ast
import configparser
import statistics
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packstack_lite"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)

COMMON = {"errors", "secret", "__init__"}
# Which rooms a room may import. A dotted entry allows that one module of a room: the contracts
# (commands, facts, events, results) are plain values and may be known further up and down.
MAY_IMPORT = {
    "errors": set(),
    "secret": set(),
    "answers": set(),
    "profiles": set(),
    "remote": set(),
    "resources": {"remote.command"},
    "services": {"resources", "profiles", "nodes.facts", "nodes.node", "answers.l2_agents", "host_setup"},
    "host_setup": {"services", "resources", "profiles", "nodes.facts", "nodes.node", "answers.l2_agents"},
    "config_overrides": {"services", "resources", "profiles"},
    "engine": {"services", "resources", "remote", "nodes.facts", "nodes.node", "profiles"},
    "nodes": {"remote", "answers", "profiles"},
    "preflight": {
        "nodes",
        "remote.command",
        "profiles",
        "engine.events",
        "answers",
        "resources.database",
        "services",
    },
    "smoke": {"engine.events", "engine.results", "remote.command", "resources", "nodes", "profiles", "services"},
    "diagnosis": {"services", "resources", "profiles", "answers", "config_overrides"},
    "report": {"engine.events", "engine.results", "resources.base"},
    "sandbox": {"remote"},
}
ONLY_IN = {"paramiko": {"remote"}, "click": {"cli", "report"}, "rich": {"cli", "report"}}
# What would be I/O; importlib.resources (our own package data) is not.
IMPURE = {
    "os",
    "subprocess",
    "socket",
    "shutil",
    "tempfile",
    "urllib.request",
    "http",
    "requests",
    "pathlib",
    "threading",
}

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
# Modules that may be longer, each with its reason.
LONGER_FOR_A_REASON = {
    "resources/hostside/cloud_api.py": "one program sent to the host whole; it cannot import from us there",
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first[:-3] if first.endswith(".py") else first


def is_hostside(path: Path) -> bool:
    """Programs that run on the host or in the guest: data to us, not modules."""
    return bool({"hostside", "guest"} & set(path.parts))


@lru_cache(maxsize=None)
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            names.add(node.module)
            if node.module == "packstack_lite":
                names.update(f"packstack_lite.{alias.name}" for alias in node.names)
    return names


def allowed(room: str, imported: str) -> bool:
    parts = imported.split(".")[1:]
    if not parts or parts[0] == room or parts[0] in COMMON or parts[0] == "__version__":
        return True
    return any(parts[: len(entry.split("."))] == entry.split(".") for entry in MAY_IMPORT[room])


OURS = [path for path in MODULES if not is_hostside(path)]
every_module = pytest.mark.parametrize("path", OURS, ids=name_of)


@every_module
def test_rooms_import_one_way(path):
    room = room_of(path)
    if room in ("cli", "__init__", "__main__"):
        return
    assert room in MAY_IMPORT, f"the room {room} has no place in the import rule yet"
    wrong = [name for name in imports_of(path) if name.split(".")[0] == "packstack_lite" and not allowed(room, name)]
    assert not wrong, f"{name_of(path)} may not import {', '.join(wrong)}"


def test_nobody_imports_the_command_line():
    users = [
        name_of(p)
        for p in OURS
        if room_of(p) != "cli" and any(n.startswith("packstack_lite.cli") for n in imports_of(p))
    ]
    assert set(users) <= {"__main__.py"}


@every_module
def test_libraries_stay_in_their_rooms(path):
    for name in imports_of(path):
        rooms = ONLY_IN.get(name.split(".")[0])
        assert rooms is None or room_of(path) in rooms, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in OURS if room_of(p) in ("services", "resources")], ids=name_of)
def test_services_and_resources_are_pure(path):
    wrong = [name for name in imports_of(path) if name in IMPURE or name.split(".")[0] in IMPURE]
    opens = [
        n.lineno for n in ast.walk(parsed(path)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "open"
    ]
    assert not wrong, f"{name_of(path)} imports {', '.join(wrong)}"
    assert not opens, f"{name_of(path)} opens a file in line {opens}"


@every_module
def test_python_39_reads_it(path):
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_exception_is_swallowed_unseen(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            where = f"{name_of(path)}:{node.lineno}"
            assert node.type is not None, f"{where}: name the exception"
            assert not all(isinstance(s, ast.Pass) for s in node.body), (
                f"{where}: handle it, or say contextlib.suppress"
            )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if name_of(path) in LONGER_FOR_A_REASON:
        assert lines > LONGEST_MODULE, f"{name_of(path)} is short again: take it off LONGER_FOR_A_REASON"
    else:
        assert lines <= LONGEST_MODULE, f"{name_of(path)} has {lines} lines"


def functions() -> list[tuple[str, int]]:
    return [
        (f"{name_of(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_functions_are_short():
    lengths = functions()
    assert not [f"{name}: {length} lines" for name, length in lengths if length > LONGEST_FUNCTION]
    assert statistics.median(length for _, length in lengths) <= 10


def test_setup_cfg_names_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = set(config["options"]["packages"].split())
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert named == there | {"packstack_lite.templates", "packstack_lite.answer_files"}


def test_every_e2e_file_has_its_place_in_the_order():
    from tests.conftest import CLOUDS, E2E_ORDER

    there = {path.name for path in (ROOT / "tests/e2e").glob("test_*.py")}
    assert set(E2E_ORDER) == there, "add the new file to E2E_ORDER in tests/conftest.py"
    assert set(CLOUDS) <= there


def test_the_oldest_versions_that_are_tested_are_those_of_setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    floors = dict(line.split(">=") for line in config["options"]["install_requires"].split())
    lines = (ROOT / "tests/tools/oldest-versions.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: tested.get(name, "").removesuffix(".0").removesuffix(".0") for name in floors} == {
        name: floor.removesuffix(".0").removesuffix(".0") for name, floor in floors.items()
    }, "setup.cfg's install_requires and tests/tools/oldest-versions.txt differ"
