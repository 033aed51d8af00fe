"""Detect text of answers that runs as a command.

dash runs the scripts, unit files and shell files.

Every command in a script is a stand-in, scripts run as nobody, and the command ``pwned`` leaves a mark. Scripts are
changed so that none ends early. Each runs twice: all stand-ins and conditions succeed, then all of them fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List

from packstack_lite import services
from packstack_lite.remote.command import Command, FileItem, Job
from packstack_lite.resources import File, Uplink
from packstack_lite.resources.base import Resource
from packstack_lite.services import NodeContext
from tests.unit.dash import missing_diff

# The command that must never run. Every hostile value contains it, which also shows where a value ends up.
COMMAND = "pwned"
# Each targets one way of putting text into a script or unit. None contains "," or ":", which separate list items.
HOSTILE = (
    f"$({COMMAND})`{COMMAND}`;{COMMAND};|{COMMAND}|&{COMMAND}&",
    f"'`{COMMAND}`;{COMMAND};'",
    f'"`{COMMAND}`;{COMMAND};"',
    f"\\'`{COMMAND}`\\\"`{COMMAND}`",
    f"{COMMAND}\\",
    f"%n%h%i%%{COMMAND}",
    f"$PATH$${{PATH}}$$$({COMMAND})",
)
LINES = f"\n{COMMAND}\nExecStart={COMMAND}\n"

_BUILT_IN = {"break", "case", "cd", "command", "do", "done", "echo", "elif", "else", "esac", "eval", "export", "false"}
_BUILT_IN |= {"fi", "for", "if", "in", "local", "printf", "pwd", "read", "set", "shift", "then", "trap", "true", "type"}
_BUILT_IN |= {"umask", "unset", "until", "wait", "while", "test", "kill", "return", "exit", "exec"}
_REAL = ("awk", "cat", "cut", "grep", "head", "sed", "sort", "tr")
_SHELL_FILES = re.compile(r"/etc/default/|/etc/sysconfig/|/root/keystonerc|rabbitmq-env\.conf$")
# Aliases of the stand-ins spare a process for each; where dash expands none, the stand-in on the PATH runs.
_RUN_BOTH_WAYS = (
    'for code in true false; do (PATH=$0/$code; export PATH; for name in $2; do alias "$name=$code"; done; '
    'eval "$1") < "$0/stdin"; done'
)
_DEFINED_FUNCTION = re.compile(r"([A-Za-z0-9_]+) *\(\)")
_CONTINUED = re.compile(r"\\\n")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "s": " ", "\\": "\\", "'": "'", '"': '"'}


class ShellSandbox:
    """An environment without real commands, in which scripts run as nobody."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="packstack-lite-injection."))
        self.root.chmod(0o755)
        self.marks = self.root / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o777)
        self._known: set[str] = set()
        # Scripts that already ran with this text: most are the same on all nodes and profiles.
        self.done: set[str] = set()
        # Problems of all scripts that ran, with their stdin: the scenarios share most.
        self._problems: dict[tuple[str, bytes], str] = {}
        for code in ("true", "false"):
            tools = self.root / code
            tools.mkdir()
            self._script(tools / COMMAND, f": > '{self.marks}/ran'")
            # Debian's rabbitmqctl passes its arguments to a second shell.
            self._script(tools / "rabbitmqctl", f'/bin/dash -c ": $*"\n{code}')
            for name in ("sh", "dash", "bash"):
                (tools / name).symlink_to("/bin/dash")
            for name in _REAL:
                (tools / name).symlink_to(str(shutil.which(name)))

    def _script(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/dash\n{text}\n")
        path.chmod(0o755)

    def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.root)

    def _add_stand_ins(self, script: str) -> None:
        """Create a stand-in for every name in a script."""
        for name in _find_names(script) - self._known - _BUILT_IN:
            self._known.add(name)
            for code in ("true", "false"):
                path = self.root / code / name
                if not path.exists():
                    path.symlink_to(f"/bin/{code}")

    def find_problem(self, script: str, stdin: bytes = b"") -> str:
        """Run a script; return the problem, or "".

        The text ran, or it broke the quoting.
        """
        if script in self.done:
            return ""
        self.done.add(script)
        key = (script, stdin)
        if key not in self._problems:
            self._problems[key] = self._run(script, stdin)
        return self._problems[key]

    def _run(self, script: str, stdin: bytes) -> str:
        """Run a script that did not run before; return the problem, or ""."""
        script = _run_to_the_end(script)
        self._add_stand_ins(script)
        (self.root / "stdin").write_bytes(stdin)
        errors = self._errors(script)
        if (self.marks / "ran").exists():
            (self.marks / "ran").unlink()
            return "it ran"
        if b"Syntax error" in errors or b"Bad substitution" in errors:
            return f"it breaks the quoting: {errors.decode(errors='replace')[-200:]}"
        return ""

    def _aliases(self, script: str) -> List[str]:
        """Return the names in a script that a stand-in of no effect answers for, its own functions excepted."""
        own = {COMMAND, "rabbitmqctl", "sh", "dash", "bash", *_REAL, *_BUILT_IN, *_DEFINED_FUNCTION.findall(script)}
        return sorted(_find_names(script) - own)

    def _errors(self, script: str) -> bytes:
        """Run a script as nobody; return its standard error."""
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        try:
            result = subprocess.run(
                ["/bin/dash", "-c", _RUN_BOTH_WAYS, str(self.root), script, " ".join(self._aliases(script))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={},
                cwd=self.root,
                timeout=5,
                **user,  # type: ignore[call-overload]
            )
        except subprocess.TimeoutExpired as error:
            return error.stderr or b""
        return bytes(result.stderr)


def _find_names(script: str) -> "set[str]":
    """Return every word of a script that may be the name of a command."""
    return set(re.findall(r"[A-Za-z][A-Za-z0-9_.-]*", script))


def _run_to_the_end(script: str) -> str:
    """Return the script without commands that end it or wait."""
    script = re.sub(r"\bset -[eu]+\b|\bset -[eu]\b", ":", script)
    script = re.sub(r"(?<![\w$./-])exit(?![\w./-])", ":", script)
    script = re.sub(r"(?<![\w$./-])exec(?= )", "", script)
    # A condition is a stand-in too, so that both branches run.
    script = re.sub(r"(?m)(^|[\s;|&(!])\[(?= )", r"\1condition", script)
    return re.sub(r"(?<![\w$./-])sleep +[\w.\"$]+", "break", script)


def find_injections(sandbox: ShellSandbox, context: NodeContext) -> List[str]:
    """List the scripts and files of a node in which text of an answer runs.

    Each with the problem.
    """
    problems = []
    for resource in services.declare(context):
        for source, script, stdin in scripts(resource):
            problem = sandbox.find_problem(script, stdin) if COMMAND in script or COMMAND.encode() in stdin else ""
            if problem:
                problems.append(f"{source}: {problem}")
        for path, text in _texts(resource):
            problems += [f"{path}: {problem}" for problem in find_problems_in_file(sandbox, path, text)]
    return problems


def scripts(resource: Resource) -> "Iterator[tuple[str, str, bytes]]":
    """Iterate over a resource's scripts: probe, fix and invalidation.

    Yields (source, script, stdin).
    """
    kind = type(resource)
    actions = [probe.command for probe in kind.probe([resource])]
    invalidation = resource.invalidate()
    for action in [*actions, *kind.fix([missing_diff(resource)]), *([invalidation] if invalidation else [])]:
        if not isinstance(action, FileItem):
            assert isinstance(action, (Command, Job))
            yield f"{resource.id} ({action.description})", action.script, action.stdin


def _texts(resource: Resource) -> "Iterator[tuple[str, str]]":
    if isinstance(resource, File):
        yield resource.path, resource.data.decode()
    if isinstance(resource, Uplink):
        yield from ((file.path, file.content) for file in resource.files if file.content)


def find_problems_in_file(sandbox: ShellSandbox, path: str, text: str) -> Iterator[str]:
    """Find text that runs, or is misread, in a shell file or a unit file."""
    if COMMAND not in text:
        return
    if text.startswith("#!/bin/sh") or _SHELL_FILES.search(path):
        yield from filter(None, [sandbox.find_problem(text)])
    if path.startswith("/etc/systemd/system/"):
        for line in _CONTINUED.sub(" ", text).splitlines():
            if COMMAND in line and not line.startswith("#"):
                yield from find_problems_in_line(sandbox, line)


def find_problems_in_line(sandbox: ShellSandbox, line: str) -> Iterator[str]:
    """Find such text in a line of a unit file."""
    option, _, value = line.partition("=")
    if COMMAND in option:
        yield f"text became a line of its own: {line}"
    elif not option.startswith("Exec"):
        if "%" in value.replace("%%", "") or value.endswith("\\"):
            yield f"systemd interprets {line}"
    else:
        try:
            argv = split_exec_line(value)
        except ValueError as error:
            yield f"{error}: {line}"
            return
        if argv[0] in ("/bin/sh", "sh") and argv[1] == "-c":
            yield from filter(None, [sandbox.find_problem(argv[2])])
        elif COMMAND in argv[0]:
            yield f"text is the command of {line}"


def split_exec_line(line: str) -> List[str]:
    """Split a command line as systemd does.

    See systemd.service(5), "COMMAND LINES". Raises ValueError.
    """
    args, arg, quote, position = [], None, "", 0
    while position < len(line):
        character = line[position]
        position += 1
        if character == "\\":
            if line[position : position + 1] not in _ESCAPES:
                raise ValueError("an escape that systemd does not know")
            arg = (arg or "") + _ESCAPES[line[position]]
            position += 1
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, arg = character, arg or ""
        elif not quote and character.isspace():
            args += [] if arg is None else [arg]
            arg = None
        else:
            arg = (arg or "") + character
    if quote:
        raise ValueError("a quotation mark is not closed")
    return [_unescape(one) for one in [*args, *([] if arg is None else [arg])]]


def _unescape(arg: str) -> str:
    """Return an argument with its specifiers and variables unescaped.

    Raises ValueError for unescaped ones.
    """
    for mark, meaning in (("%", "specifier"), ("$", "variable")):
        if mark in arg.replace(mark * 2, ""):
            raise ValueError(f"systemd finds a {meaning}")
        arg = arg.replace(mark * 2, mark)
    return arg
