"""The rules of the house (CONTRIBUTING.md), checked in the source: imports, I/O, lengths, docstrings, packages."""

from __future__ import annotations

import ast
import configparser
import re
import statistics
from functools import lru_cache
from pathlib import Path

from tests.sources import nodes_of, parse_module

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packstack_lite"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)

COMMON = {
    *("activity", "counts", "errors", "ip_addresses", "lazy_exports", "manifest", "recommended", "secret"),
    *("state_paths", "__init__", "__version__"),
}
# DESIGN's order of rooms, the highest first. No entry of MAY_IMPORT leads upwards.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("deployment",),
    ("report", "preflight", "diagnosis", "smoke", "engine", "sandbox"),
    ("config_overrides", "host_setup", "services"),
    ("resources", "nodes", "answers", "profiles"),
    ("remote",),
)
# The rooms that a room may import. A dotted entry allows one module of a room: contracts such as commands, facts,
# events and results are plain values, which several layers may know.
MAY_IMPORT = {
    "activity": set(),
    "counts": set(),
    "errors": set(),
    "ip_addresses": set(),
    "manifest": set(),
    "recommended": set(),
    "secret": set(),
    "state_paths": set(),
    "lazy_exports": set(),
    "answers": set(),
    "profiles": set(),
    "remote": set(),
    "sandbox": set(),
    "resources": {"remote.command"},
    "nodes": {"remote.command"},
    "services": {"resources", "profiles", "nodes.facts", "nodes.node", "answers.l2_agents", "host_setup"},
    "host_setup": {"services", "resources", "profiles", "nodes.facts", "nodes.node", "answers.l2_agents"},
    "config_overrides": {"services", "resources", "profiles"},
    "engine": {"services", "resources", "remote.command", "remote.connection_proxy"},
    "preflight": {"engine.events", "services", "resources.database", "nodes", "answers", "profiles", "remote.command"},
    "smoke": {"engine.results", "services", "resources", "nodes.node", "profiles", "remote.command"},
    "diagnosis": {"services", "resources", "profiles", "answers", "config_overrides"},
    "report": {"engine.events", "engine.results", "resources.base"},
    "deployment": {
        *("engine", "preflight", "diagnosis", "smoke", "sandbox", "report.run_log", "report.formatting"),
        *("services", "config_overrides", "resources", "nodes", "answers", "profiles", "remote"),
    },
    # Nodes are reached through deployment alone; the other rooms only parse, describe or print.
    "cli": {
        *("deployment", "sandbox", "report", "answers"),
        *("engine.events", "engine.results", "preflight.fixes", "diagnosis.explanation", "resources.base"),
    },
    "__main__": {"cli.app"},
}
ONLY_IN = {"paramiko": {"remote"}, "click": {"cli"}, "rich": {"cli", "report"}}
# Modules that do I/O; importlib.resources (our own package data) is allowed.
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

LONGEST_DOCSTRING_LINE = 80
# Methods of Python's own protocols do what their name says; a class's docstring describes its fields.
NEEDS_NO_DOCSTRING = {
    *("__init__", "__post_init__", "__enter__", "__exit__", "__repr__", "__str__"),
    *("__getitem__", "__iter__", "__len__", "__contains__"),
}
# A docstring names the thing or begins with a verb; a clause in its place leaves the reader guessing.
VAGUE_BEGINNING = re.compile(r"(What|Where|Whether|Who|Whose|Which|When|How|The same|Those)\b")

LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
# Modules that may be longer, each with its reason.
LONGER_FOR_A_REASON: dict[str, str] = {}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first[:-3] if first.endswith(".py") else first


def is_hostside(path: Path) -> bool:
    """Return whether the file is a program for a node or a guest: data of the package, not a module."""
    return bool({"hostside", "guest"} & set(path.parts))


@lru_cache(maxsize=None)
def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in nodes_of(path):
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
    if not parts or parts[0] == room or parts[0] in COMMON:
        return True
    return any(parts[: len(entry.split("."))] == entry.split(".") for entry in MAY_IMPORT[room])


OURS = [path for path in MODULES if not is_hostside(path)]


def test_rooms_import_one_way():
    wrong = []
    for path in OURS:
        room = room_of(path)
        if room == "__init__":
            continue
        assert room in MAY_IMPORT, f"the room {room} is missing in MAY_IMPORT and LAYERS"
        forbidden = [n for n in imports_of(path) if n.split(".")[0] == "packstack_lite" and not allowed(room, n)]
        wrong += [f"{name_of(path)} may not import {name}" for name in sorted(forbidden)]
    assert not wrong, "\n".join(wrong)


def test_the_import_rule_only_leads_to_the_same_layer_or_a_lower_one():
    layer_by_room = {room: index for index, rooms in enumerate(LAYERS) for room in rooms}
    assert set(layer_by_room) == set(MAY_IMPORT) - COMMON
    upwards = [
        f"{room} -> {entry}"
        for room, entries in MAY_IMPORT.items()
        for entry in entries
        if layer_by_room[entry.split(".")[0]] < layer_by_room[room]
    ]
    assert not upwards


def test_every_room_of_the_import_rule_exists():
    there = {room_of(path) for path in MODULES}
    named = {entry.split(".")[0] for entries in MAY_IMPORT.values() for entry in entries} | set(MAY_IMPORT)
    assert named <= there


def test_nobody_imports_the_command_line():
    users = [
        name_of(path)
        for path in OURS
        if room_of(path) != "cli" and any(name.startswith("packstack_lite.cli") for name in imports_of(path))
    ]
    assert users == ["__main__.py"]


def test_libraries_stay_in_their_rooms():
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in OURS
        for name in imports_of(path)
        if room_of(path) not in ONLY_IN.get(name.split(".")[0], {room_of(path)})
    ]
    assert not wrong


def test_deployment_prints_nothing():
    """Messages leave through callbacks and events; cli prints them."""
    streams = {"print", "input", "stdout", "stderr", "stdin"}
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in OURS
        if room_of(path) == "deployment"
        for node in nodes_of(path)
        if getattr(node, "id", getattr(node, "attr", "")) in streams
    ]
    assert not wrong


def test_services_host_setup_and_resources_do_no_io():
    wrong = []
    for path in OURS:
        if room_of(path) not in ("services", "host_setup", "resources"):
            continue
        impure = [name for name in imports_of(path) if name in IMPURE or name.split(".")[0] in IMPURE]
        wrong += [f"{name_of(path)} imports {name}" for name in impure]
        wrong += [
            f"{name_of(path)}:{node.lineno} opens a file"
            for node in nodes_of(path)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"
        ]
    assert not wrong, "\n".join(wrong)


def test_python_39_reads_every_module():
    for path in OURS:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_every_handler_names_its_exception_and_does_something():
    wrong = []
    for path in MODULES:
        for node in nodes_of(path):
            if isinstance(node, ast.ExceptHandler):
                where = f"{name_of(path)}:{node.lineno}"
                if node.type is None:
                    wrong.append(f"{where}: name the exception")
                if all(isinstance(statement, ast.Pass) for statement in node.body):
                    wrong.append(f"{where}: handle it, or use contextlib.suppress")
    assert not wrong, "\n".join(wrong)


def test_modules_are_short():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    long_modules = {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE}
    assert set(long_modules) == set(LONGER_FOR_A_REASON), "shorten it; a short one leaves LONGER_FOR_A_REASON"


def functions() -> list[tuple[str, int]]:
    return [
        (f"{name_of(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_functions_are_short():
    lengths = functions()
    assert not [f"{name}: {length} lines" for name, length in lengths if length > LONGEST_FUNCTION]
    assert statistics.median(length for _, length in lengths) <= 10


def is_click_command(node: ast.AST) -> bool:
    """Return whether a function is a click command, whose docstring is the user's help text."""
    return any(
        isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") in ("command", "group")
        for decorator in getattr(node, "decorator_list", [])
    )


def docstring_errors(node: ast.AST) -> list[str]:
    """Return what is wrong with the docstring of a module, class or function."""
    docstring = ast.get_docstring(node)
    if docstring is None:
        return [] if getattr(node, "name", "") in NEEDS_NO_DOCSTRING else ["has no docstring"]
    first_line = docstring.split("\n", 1)[0]
    errors = []
    # A command's help may be longer, and its first sentence may take several lines: click wraps it.
    if not is_click_command(node):
        if len(first_line) > LONGEST_DOCSTRING_LINE:
            errors.append(f"first line has {len(first_line)} characters")
        if not first_line.endswith("."):
            errors.append("first line has no full stop")
    beginning = VAGUE_BEGINNING.match(first_line)
    if beginning:
        errors.append(f"begins with {beginning[0]!r}")
    return errors


def test_every_module_class_and_function_has_a_docstring_with_a_short_first_line():
    """Functions within functions and programs for nodes count; programs for sandboxes' guests do not."""
    errors = [
        f"{name_of(path)}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', 'module')}: {error}"
        for path in MODULES
        if "guest" not in path.parts and parse_module(path).body
        for node in nodes_of(path)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        for error in docstring_errors(node)
    ]
    assert not errors, "\n" + "\n".join(errors)


def test_a_bad_docstring_is_reported():
    source = """
@click.command()
def command():
    'Print more than fits into the first line of a docstring, because this help text is wrapped by click'
def no_docstring(): pass
def __init__(self): pass
def vague():
    'What it does.'
def unended():
    'Return it'
def endless():
    'Return REPEATED.'
def good():
    'Return it.'
""".replace("REPEATED", "it " * 30)
    errors = {node.name: docstring_errors(node) for node in ast.parse(source).body}
    assert {name: messages for name, messages in errors.items() if messages} == {
        "no_docstring": ["has no docstring"],
        "vague": ["begins with 'What'"],
        "unended": ["first line has no full stop"],
        "endless": ["first line has 98 characters"],
    }


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


# Files that need the time of day, and for what.
TIME_OF_DAY = {
    "nodes/facts/system.py": "whether the clock is right",
    "resources/unit_start.py": "journalctl --since",
    "resources/hostside/swift_rings.py": "the name of a backup",
    "smoke/hostside/smoke_storage.py": "the expiry of a temporary URL",
    "report/run_log.py": "the name of a run's directory",
    "deployment/remembered.py": "the day of a deployment",
}


def test_waits_are_not_measured_by_the_time_of_day():
    """Chrony sets the clock of a new machine while it is deployed: a wait would never end, or end at once."""
    clocks = re.compile(r"time\.time\(\)|\bdate \+%%?s")
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".sh") or path.parent.name == "data"]
    found = {name_of(path) for path in files if path.is_file() and clocks.search(path.read_text(errors="replace"))}
    assert found == set(TIME_OF_DAY), found ^ set(TIME_OF_DAY)
