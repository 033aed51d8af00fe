"""Whatever runs on a node uses only tools and options of CentOS 7: systemd 219, coreutils 8.22, curl 7.29 and so on.

Checked in the source: every string that may run on a node, its shell files, and every rendered unit. The program
tests/hosts/data/el7-limits imposes the same limits on a node with newer tools; it is tested below.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pytest
import yaml

from packstack_lite import profiles
from tests.conftest import PROJECT
from tests.rendered import CASES, files_of_case, text
from tests.sources import nodes_of
from tests.unit.check_each import check_each

PACKAGE = PROJECT / "packstack_lite"
ROOMS = (
    "remote",
    "resources",
    "nodes",
    "services",
    "host_setup",
    "config_overrides",
    "preflight",
    "engine",
    "smoke",
)
FACTS = PROJECT / "tests" / "facts"
SYSTEMD = yaml.safe_load((FACTS / "el7-systemd.yaml").read_text())
LIMITS = PROJECT / "tests" / "hosts" / "data" / "el7-limits"


class Newer(NamedTuple):
    """A pattern of something that EL 7's tools do not know: a row of tests/facts/el7-tools.yaml."""

    like: str
    since: str
    example: str
    instead: str


NEWER = tuple(Newer(**row) for row in yaml.safe_load((FACTS / "el7-tools.yaml").read_text()))

# Uses of something newer that are allowed, as the code has another way for EL 7: (module, code): reason.
EXCEPTIONS = {
    ("remote/shell.py", "LC_ALL=C.UTF-8; export LC_ALL"): "only where locale -a lists it",
    ("remote/push.py", "xargs -0 -r sync --"): "only where sync --help names files",
    ("resources/rabbitmq_user.py", "rabbitmqctl -q import_definitions"): "eval where RabbitMQ lacks it",
}


def newer_than_el7(text: str) -> List[Tuple[str, str]]:
    """Find what EL 7 does not know: (matched code, tool and version that brought it)."""
    return [(match[0], row.since) for row in NEWER for match in re.finditer(row.like, text)]


def strings(path: Path) -> Iterator[str]:
    """Yield every string of a module without its docstrings; an f-string or list counts as one string."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body[0] for node in nodes_of(path) if isinstance(node, documented) and node.body]
    docs = {id(first.value) for first in bodies if isinstance(first, ast.Expr)}
    parts = {id(part) for node in nodes_of(path) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes_of(path):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, (ast.List, ast.Tuple)):
            yield " ".join(str(part.value) for part in node.elts if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | parts):
            yield node.value


def without_comments(shell: str) -> str:
    return re.sub(r"(?m)^\s*#.*$", "", shell.replace("\\\n", " "))


@lru_cache(maxsize=None)
def texts() -> Dict[str, List[str]]:
    """Return every text that may run on a node, by module, without the shell's comments."""
    modules = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]
    shells = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.sh"))]
    by_path = {**{path: list(strings(path)) for path in modules}, **{path: [path.read_text()] for path in shells}}
    return {
        path.relative_to(PACKAGE).as_posix(): [without_comments(text) for text in of_module]
        for path, of_module in by_path.items()
    }


def test_every_room_is_searched():
    assert {name.split("/")[0] for name in texts()} == set(ROOMS)


def test_known_commands_are_among_the_searched_texts():
    everything = "\n".join(text for of_module in texts().values() for text in of_module)
    for known in ("exec systemd-run --quiet", "ceph-mon --mkfs", "curl --noproxy", "ss -ltn 'sport = :X'"):
        assert known in everything, known


def test_nothing_newer_than_el7_is_used():
    def check(name: str) -> None:
        for searched in texts()[name]:
            for module, code in EXCEPTIONS:
                searched = searched.replace(code, "") if module == name else searched
            newer = newer_than_el7(searched)
            assert not newer, f"EL 7 does not know this: {newer}\nin: {searched[:400]}"

    check_each(texts(), check)


@pytest.mark.parametrize(("name", "code"), EXCEPTIONS)
def test_exceptions_still_exist_and_are_still_needed(name, code):
    assert any(code in text for text in texts()[name]), f"{name} no longer has {code!r}: remove it from EXCEPTIONS"
    assert newer_than_el7(code), f"EL 7 knows {code!r}: remove it from EXCEPTIONS"


@pytest.mark.parametrize("row", NEWER, ids=lambda row: row.example)
def test_a_row_matches_its_example_and_not_its_replacement(row):
    assert row.since in [since for _, since in newer_than_el7(row.example)]
    assert not newer_than_el7(row.instead)


def test_newer_code_in_a_module_is_found(tmp_path):
    """In an f-string, across a line break and in a list; not in a comment or a docstring."""
    module = tmp_path / "module.py"
    lines = [
        '"""timedatectl show"""',
        "# ip -j",
        r'x = f"systemctl show \\\n {1}.service --value"',
        'y = ["ss", "-lO"]',
    ]
    module.write_text("\n".join(lines))
    texts_found = [without_comments(text) for text in strings(module)]
    assert sorted(since for text in texts_found for _, since in newer_than_el7(text)) == ["iproute 5", "systemd 230"]


# --- units


def known_directives(section: str) -> set:
    names = SYSTEMD["directives"].get(section, "").split()
    groups = [name for name in names if name in SYSTEMD["groups"]]
    return {*names, *(name for group in groups for name in SYSTEMD["groups"][group].split())} - set(groups)


def unknown_to_219(unit: str) -> List[str]:
    """List what systemd 219 rejects in a unit: directives, programs without a path, prefixes of later versions."""
    wrong, section = [], ""
    for line in unit.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.strip() and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            if name not in known_directives(section):
                wrong.append(f"[{section}] {name}=")
            # systemd 239 accepts a program without its path; 231 and 234 brought "+", "!" and ":".
            if name.startswith("Exec") and value and not value.lstrip("@-").startswith("/"):
                wrong.append(line)
            if re.match(r"Standard(Output|Error)=(file|append|truncate):", line) or line == "Type=exec":
                wrong.append(line)
    return wrong


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize("case", CASES)
def test_units_use_only_directives_of_systemd_219(profile, case):
    units = {path: text(file) for path, file in files_of_case(profile, case).items() if "/systemd/" in path}
    assert units
    assert not {path: wrong for path, unit in units.items() if (wrong := unknown_to_219(unit))}


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeMaxSec=5",
        "ExecStart=ip link",
        "ExecStart=+/bin/ip",
        "StandardOutput=append:/x",
        "Type=exec",
        "OnCalendar=daily",
    ],
)
def test_a_line_that_systemd_219_does_not_know_is_found(line):
    assert unknown_to_219(f"[Service]\n{line}\n")
    assert not unknown_to_219("[Timer]\nOnCalendar=daily\nRandomizedDelaySec=1h\n")


@pytest.mark.parametrize("profile", profiles.list_names())
def test_units_name_programs_by_els_paths(profile):
    """On EL everything of /sbin and /usr/sbin stays there: /bin/ip is Debian's."""
    debian_path = re.compile(r"=/(usr/)?bin/(ip|ethtool|iptables|losetup|vgchange)\b")
    assert debian_path.search("ExecStart=/bin/ip link")
    for case in CASES:
        units = {path: text(file) for path, file in files_of_case(profile, case).items() if "/systemd/" in path}
        assert not [path for path, unit in units.items() if debian_path.search(unit)]


# --- tests/hosts/data/el7-limits


@pytest.fixture
def limited(tmp_path):
    """Runs a command behind the limits, on a machine whose tools accept everything."""
    limits, real_tools = tmp_path / "limits", tmp_path / "real"
    limits.mkdir()
    real_tools.mkdir()
    for name in tools():
        (limits / name).symlink_to(LIMITS)
        (real_tools / name).write_text('#!/bin/sh\nprintf "%s " "$@"\n')
        (real_tools / name).chmod(0o755)

    def run(command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": f"{limits}:{real_tools}:/bin:/usr/bin", "EL7_LIMITS_LOG": str(tmp_path / "log")}
        shell, env = ["/bin/sh", "-c", command], {**os.environ, **environment, **more}
        return subprocess.run(shell, env=env, capture_output=True, text=True, check=False)

    run.log_path = tmp_path / "log"  # type: ignore[attr-defined]
    return run


def tools() -> List[str]:
    return subprocess.run([LIMITS], capture_output=True, text=True, check=True).stdout.split()


# Examples of the table that are options of a tool, not of the shell or of a file.
REFUSED = [row.example for row in NEWER if row.example.split()[0] in tools()]


@pytest.mark.parametrize(
    "command",
    [
        *REFUSED,
        "systemd-run -p RuntimeMaxSec=5 x",
        "systemd-run --unit x --working-directory=/ y",
        "systemctl is-active --wait x",
    ],
)
def test_limits_refuse_what_el7_does_not_know(limited, command):
    done = limited(command.replace("$new", "/x"))
    assert done.returncode == 1 and "of CentOS 7" in done.stderr and not done.stdout
    log = limited.log_path.read_text()
    assert log.startswith(command.split()[0]) and "asked by /bin/sh -c" in log and log.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "systemctl show --property=Id,LoadState a.service b.service",
        "systemctl disable --now clean.service",
        "systemd-run --quiet --unit=x.service --setenv=A=b /bin/sh x --collect",
        "systemd-run --unit x -- true --wait",
        "curl --noproxy * --silent --fail --output /dev/null --max-time 30 http://198.18.0.1:5000/v3",
        "ip -o -4 addr show dev br-ex",
        "ss -ltn sport = :6080",
        "timeout -k 60 5 sh -v",
        "sync",
        "env A=1 sh -S",
        "dd if=/dev/null of=x conv=notrunc,fsync status=none",
        "tar -x -z -f - -C x",
        "timedatectl",
    ],
)
def test_limits_run_the_tool_itself_for_everything_else(limited, command):
    done = limited(f"set -f; {command}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == command.split()[1:]


def test_sync_does_not_offer_to_take_files(limited):
    """The push asks it; this machine's own sync would say that it does."""
    assert limited("sync --help").stdout == "Usage: sync [OPTION]\n"


def test_limits_do_not_apply_to_scripts_of_packages(limited):
    assert limited("systemctl show --value x", DPKG_RUNNING_VERSION="1.21").stdout == "show --value x "


def test_limits_and_facts_agree_on_systemd():
    program = LIMITS.read_text()
    for tool in ("systemctl", "systemd-run"):
        for option in SYSTEMD[tool].split():
            assert re.search(rf"{option}(?![\w-])", program), f"{tool} {option}"
