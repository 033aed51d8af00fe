"""What runs on the host keeps to what CentOS 7 has: systemd 219, coreutils 8.22, util-linux 2.23, curl 7.29, and so on.

Read off the source: every text in the code that reaches the host, its shell files, and every rendered unit. The same
limits as a program, for a host that has newer tools: tests/hosts/data/el7-limits, tested below.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pytest
import yaml

from packstack_lite import profiles
from tests.conftest import PROJECT
from tests.rendered import CASES, files, on, text

PACKAGE = PROJECT / "packstack_lite"
ROOMS = ("remote", "resources", "hosts", "services", "preflight", "engine", "smoke")
FACTS = PROJECT / "tests" / "facts"
SYSTEMD = yaml.safe_load((FACTS / "el7-systemd.yaml").read_text())
LIMITS = PROJECT / "tests" / "hosts" / "data" / "el7-limits"


class Newer(NamedTuple):
    """Something that EL7's tools do not know: see tests/facts/el7-tools.yaml."""

    like: str
    since: str
    example: str
    instead: str


NEWER = tuple(Newer(**row) for row in yaml.safe_load((FACTS / "el7-tools.yaml").read_text()))

# Where something newer stands with another way beside it for hosts that do not have it; the words tell the place.
BESIDE = {
    ("remote/shell.py", "LC_ALL=C.UTF-8; export LC_ALL"): "only where locale -a tells of it",
    ("resources/message_user.py", "rabbitmqctl -q import_definitions"): "without it, eval",
    ("hosts/gather.py", 'say python "$(python3 -c'): "asks whether there is one",
}


def newer_than_el7(said: str) -> List[Tuple[str, str]]:
    """What in a text EL7 does not know: its words, and what it is."""
    return [(found[0], row.since) for row in NEWER for found in re.finditer(row.like, said)]


def strings(path: Path) -> Iterator[str]:
    """Every string of a module, an f-string and a list of words as one, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    docs = {id(first.value) for first in bodies if isinstance(first, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, (ast.List, ast.Tuple)):
            yield " ".join(str(part.value) for part in node.elts if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | parts):
            yield node.value


def without_comments(shell: str) -> str:
    return re.sub(r"(?m)^\s*#.*$", "", shell.replace("\\\n", " "))


def texts() -> Dict[str, List[str]]:
    """By module, every text that may be run on the host."""
    modules = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]
    shells = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.sh"))]
    of_code = {path.relative_to(PACKAGE).as_posix(): list(strings(path)) for path in modules}
    return {**of_code, **{path.relative_to(PACKAGE).as_posix(): [path.read_text()] for path in shells}}


TEXTS = {name: [without_comments(said) for said in found] for name, found in texts().items()}


def test_the_texts_are_really_read():
    everything = "\n".join(said for found in TEXTS.values() for said in found)
    for known in ("exec systemd-run --quiet", "ceph-mon --mkfs", "curl --noproxy", "ss -ltn 'sport = :X'"):
        assert known in everything, known


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_newer_than_el7_is_asked_for(name):
    for said in TEXTS[name]:
        for (where, words), _reason in BESIDE.items():
            said = said.replace(words, "") if where == name else said
        assert not newer_than_el7(said), f"{name}: EL7 does not know this: {newer_than_el7(said)}\nin: {said[:400]}"


@pytest.mark.parametrize(("name", "words"), BESIDE)
def test_exceptions_are_still_there_and_still_needed(name, words):
    assert any(words in said for said in TEXTS[name]), f"{name} no longer says {words!r}: take it off BESIDE"
    assert newer_than_el7(words), f"EL7 knows {words!r}: take it off BESIDE"


@pytest.mark.parametrize("row", NEWER, ids=lambda row: row.example)
def test_the_table_finds_what_it_is_for_and_not_what_to_write_instead(row):
    assert row.since in [since for _, since in newer_than_el7(row.example)]
    assert not newer_than_el7(row.instead)


def test_a_text_in_a_module_would_be_found(tmp_path):
    """In an f-string, over a line's end, in a list; a comment and a docstring are none."""
    module = tmp_path / "module.py"
    lines = [
        '"""timedatectl show"""',
        "# ip -j",
        r'x = f"systemctl show \\\n {1}.service --value"',
        'y = ["ss", "-lO"]',
    ]
    module.write_text("\n".join(lines))
    found = [without_comments(said) for said in strings(module)]
    assert sorted(since for said in found for _, since in newer_than_el7(said)) == ["iproute 5", "systemd 230"]


# --- units


def known_directives(section: str) -> set:
    words = SYSTEMD["directives"].get(section, "").split()
    groups = [word for word in words if word in SYSTEMD["groups"]]
    return {*words, *(name for group in groups for name in SYSTEMD["groups"][group].split())} - set(groups)


def unknown_to_219(unit: str) -> List[str]:
    """What systemd 219 would complain of in a unit: directives, programs without a path, a prefix of later versions."""
    wrong, section = [], ""
    for line in unit.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.strip() and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            if name not in known_directives(section):
                wrong.append(f"[{section}] {name}=")
            # 239 takes a program without its path, 231 and 234 brought "+", "!" and ":".
            if name.startswith("Exec") and value and not value.lstrip("@-").startswith("/"):
                wrong.append(line)
            if re.match(r"Standard(Output|Error)=(file|append|truncate):", line) or line == "Type=exec":
                wrong.append(line)
    return wrong


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize("case", CASES)
def test_units_are_made_of_what_systemd_219_knows(profile, case):
    units = {path: text(file) for path, file in files(on(profile, CASES[case]())).items() if "/systemd/" in path}
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
def test_what_systemd_219_does_not_know_is_found(line):
    assert unknown_to_219(f"[Service]\n{line}\n")
    assert not unknown_to_219("[Timer]\nOnCalendar=daily\nRandomizedDelaySec=1h\n")


@pytest.mark.parametrize("profile", profiles.list_names())
def test_programs_of_units_stand_where_el_has_them(profile):
    """On EL everything of /sbin and /usr/sbin stays there: /bin/ip is Debian's."""
    elsewhere = re.compile(r"=/(usr/)?bin/(ip|ethtool|iptables|losetup|vgchange)\b")
    assert elsewhere.search("ExecStart=/bin/ip link")
    for case in CASES.values():
        units = {path: text(file) for path, file in files(on(profile, case())).items() if "/systemd/" in path}
        assert not [path for path, unit in units.items() if elsewhere.search(unit)]


# --- the limits as a program


@pytest.fixture
def limited(tmp_path):
    """Runs a command of a machine on which every tool knows everything, behind the limits."""
    ours, theirs = tmp_path / "limits", tmp_path / "real"
    ours.mkdir()
    theirs.mkdir()
    for name in tools():
        (ours / name).symlink_to(LIMITS)
        (theirs / name).write_text('#!/bin/sh\nprintf "%s " "$@"\n')
        (theirs / name).chmod(0o755)

    def run(command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        own = {"PATH": f"{ours}:{theirs}:/bin:/usr/bin", "EL7_LIMITS_LOG": str(tmp_path / "log")}
        shell, env = ["/bin/sh", "-c", command], {**os.environ, **own, **more}
        return subprocess.run(shell, env=env, capture_output=True, text=True, check=False)

    run.log_path = tmp_path / "log"  # type: ignore[attr-defined]
    return run


def tools() -> List[str]:
    return subprocess.run([LIMITS], capture_output=True, text=True, check=True).stdout.split()


# Those of the table that are a tool's options, and not the shell's or the file's.
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
    told = limited.log_path.read_text()
    assert told.startswith(command.split()[0]) and "asked by /bin/sh -c" in told and told.count("\n") == 1


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
def test_limits_become_the_tool_itself_otherwise(limited, command):
    done = limited(f"set -f; {command}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == command.split()[1:]


def test_limits_do_not_judge_the_scripts_of_packages(limited):
    assert limited("systemctl show --value x", DPKG_RUNNING_VERSION="1.21").stdout == "show --value x "


def test_limits_and_facts_say_the_same_of_systemd():
    said = LIMITS.read_text()
    for tool in ("systemctl", "systemd-run"):
        for option in SYSTEMD[tool].split():
            assert re.search(rf"{option}(?![\w-])", said), f"{tool} {option}"
