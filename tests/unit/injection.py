"""Detect text of answers that runs as a command.

dash runs the scripts, unit files and shell files.

Every command in a script is a stand-in, scripts run as nobody, and the command ``pwned`` leaves a mark. Scripts are
changed so that none ends early. Each runs twice: all stand-ins and conditions succeed, then all of them fail.

One shell runs all scripts of a node, each in subshells of its own. If something of theirs ran or broke, each runs again
in a shell of its own, which tells which one it was.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List, Sequence

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
# The arguments: for each script its text, its aliases and the name of its standard input.
_RUN_BOTH_WAYS = (
    "while [ $# -gt 0 ]; do for code in true false; do "
    '(set -- "$1" "$2"; PATH=$0/$code; export PATH; for name in $2; do alias "$name=$code"; done; '
    'eval "$1") < "$0/$3"; done; shift 3; done; echo "$0: the end" >&2'
)
# Bytes of scripts that one shell gets at once; Linux allows 2 MiB of arguments (execve(2)).
_MOST_AT_ONCE = 500_000
_DEFINED_FUNCTION = re.compile(r"([A-Za-z0-9_]+) *\(\)")
_CONTINUED = re.compile(r"\\\n")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "s": " ", "\\": "\\", "'": "'", '"': '"'}


class ShellSandbox:
    """An environment without real commands, in which scripts run as nobody."""

    # In seconds, and one more for each further script; for a script that waits for what never comes.
    timeout = 5.0

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="packstack-lite-injection."))
        self.root.chmod(0o755)
        self.marks = self.root / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o777)
        self._known: set[str] = set()
        # Scripts that already ran with this text: most are the same on all nodes and profiles.
        self.done: set[str] = set()
        # Resources without problems, by profile and id: an equal one of another scenario needs no second look.
        self.harmless: dict[tuple[str, str], Resource] = {}
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
        return self.find_problems([(script, stdin)])[0]

    def find_problems(self, scripts: "Sequence[tuple[str, bytes]]") -> List[str]:
        """Run scripts with their standard inputs; return the problem of each, or ""."""
        # Of scripts with the same text, which differ in what they read, only the first runs.
        new = {script: (script, stdin) for script, stdin in reversed(scripts) if script not in self.done}
        self.done.update(new)
        unknown = [one for one in new.values() if one not in self._problems]
        while unknown:
            batch, size = [unknown.pop()], 0
            while unknown and size + len(unknown[-1][0]) < _MOST_AT_ONCE:
                batch.append(unknown.pop())
                size += len(batch[-1][0])
            self._problems.update(dict.fromkeys(batch, "") if self._are_harmless(batch) else map(self._run, batch))
        return [self._problems[one] if new.get(one[0]) == one else "" for one in scripts]

    def _are_harmless(self, batch: "Sequence[tuple[str, bytes]]") -> bool:
        """Run several scripts in one shell; return whether it came to its end without a problem."""
        errors = self._errors(batch) if len(batch) > 1 else b""
        return errors.endswith(b": the end\n") and not self._problem(errors)

    def _run(self, one: "tuple[str, bytes]") -> "tuple[tuple[str, bytes], str]":
        """Run a script in a shell of its own; return it and the problem, or ""."""
        return one, self._problem(self._errors([one]))

    def _problem(self, errors: bytes) -> str:
        """Return the problem of the scripts that ran, or ""."""
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

    def _arguments(self, scripts: "Sequence[tuple[str, bytes]]") -> Iterator[str]:
        """Yield the arguments of _RUN_BOTH_WAYS, with stand-ins and standard inputs made."""
        for number, (text, stdin) in enumerate(scripts):
            script = _run_to_the_end(text)
            self._add_stand_ins(script)
            (self.root / f"stdin{number}").write_bytes(stdin)
            yield from (script, " ".join(self._aliases(script)), f"stdin{number}")

    def _errors(self, scripts: "Sequence[tuple[str, bytes]]") -> bytes:
        """Run scripts as nobody; return their standard error."""
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        process = subprocess.Popen(
            ["/bin/dash", "-c", _RUN_BOTH_WAYS, str(self.root), *self._arguments(scripts)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
            cwd=self.root,
            start_new_session=True,
            **user,  # type: ignore[call-overload]
        )
        try:
            return bytes(process.communicate(timeout=self.timeout + len(scripts) - 1)[1])
        except subprocess.TimeoutExpired as error:
            # The whole session: a loop without end runs in a subshell, which would outlive its shell.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return error.stderr or b""


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
    recorder = ScriptRecorder()
    problems = []
    resources = {(context.profile.name, resource.id): resource for resource in services.declare(context)}
    resources = {key: resource for key, resource in resources.items() if sandbox.harmless.get(key) != resource}
    for resource in resources.values():
        for source, script, stdin in scripts(resource):
            if COMMAND in script or COMMAND.encode() in stdin:
                problems.append(f"{source}: {recorder.find_problem(script, stdin)}")
        for path, text in _texts(resource):
            problems += [f"{path}: {problem}" for problem in find_problems_in_file(recorder, path, text)]
    found = recorder.resolve(problems, sandbox)
    if not found:
        sandbox.harmless.update(resources)
    return found


class ScriptRecorder:
    """Collects scripts, and returns for each a mark that stands for its problem until they run, all at once."""

    def __init__(self) -> None:
        self._scripts: "list[tuple[str, bytes]]" = []

    def find_problem(self, script: str, stdin: bytes = b"") -> str:
        """Record a script; return its mark."""
        self._scripts.append((script, stdin))
        return f"\0{len(self._scripts) - 1}"

    def resolve(self, problems: List[str], sandbox: ShellSandbox) -> List[str]:
        """Run the scripts; return the problems with those of the scripts, and without scripts that have none."""
        of_scripts = sandbox.find_problems(self._scripts)
        found = []
        for source, mark, number in (problem.partition("\0") for problem in problems):
            if not mark or of_scripts[int(number)]:
                found.append(source + (of_scripts[int(number)] if mark else ""))
        return found


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


def find_problems_in_file(sandbox: "ShellSandbox | ScriptRecorder", path: str, text: str) -> Iterator[str]:
    """Find text that runs, or is misread, in a shell file or a unit file."""
    if COMMAND not in text:
        return
    if text.startswith("#!/bin/sh") or _SHELL_FILES.search(path):
        yield from filter(None, [sandbox.find_problem(text)])
    if path.startswith("/etc/systemd/system/"):
        for line in _CONTINUED.sub(" ", text).splitlines():
            if COMMAND in line and not line.startswith("#"):
                yield from find_problems_in_line(sandbox, line)


def find_problems_in_line(sandbox: "ShellSandbox | ScriptRecorder", line: str) -> Iterator[str]:
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
