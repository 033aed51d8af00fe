"""Finds out whether text from an answer runs as a command: scripts, unit files and shell files are run by dash.

Every command that a script names is a stand-in, all scripts run as nobody, and ``pwned`` leaves a mark. Scripts are
changed so that none ends early, and each is run twice: once all stand-ins and conditions succeed, once they fail.
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
from tests.unit.dash import gap

# The command that no text may run; it stands in every hostile value, so that this word tells where one has got to.
WORD = "pwned"
# Each is meant for a way in which text stands in a script or a unit; none holds a "," or ":", which part lists.
HOSTILE = (
    f"$({WORD})`{WORD}`;{WORD};|{WORD}|&{WORD}&",
    f"'`{WORD}`;{WORD};'",
    f'"`{WORD}`;{WORD};"',
    f"\\'`{WORD}`\\\"`{WORD}`",
    f"{WORD}\\",
    f"%n%h%i%%{WORD}",
    f"$PATH$${{PATH}}$$$({WORD})",
)
LINES = f"\n{WORD}\nExecStart={WORD}\n"

_BUILT_IN = {"break", "case", "cd", "command", "do", "done", "echo", "elif", "else", "esac", "eval", "export", "false"}
_BUILT_IN |= {"fi", "for", "if", "in", "local", "printf", "pwd", "read", "set", "shift", "then", "trap", "true", "type"}
_BUILT_IN |= {"umask", "unset", "until", "wait", "while", "test", "kill", "return", "exit", "exec"}
_REAL = ("awk", "cat", "cut", "grep", "head", "sed", "sort", "tr")
_SHELL_FILES = re.compile(r"/etc/default/|/etc/sysconfig/|/root/keystonerc|rabbitmq-env\.conf$")
_BOTH_WAYS = 'for code in true false; do (PATH=$0/$code; export PATH; eval "$1") < "$0/stdin"; done'
_CONTINUED = re.compile(r"\\\n")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "s": " ", "\\": "\\", "'": "'", '"': '"'}


class Node:
    """A machine without any command of its own, on which scripts are run by nobody."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="packstack-lite-injection."))
        self.root.chmod(0o755)
        self.marks = self.root / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o777)
        self._known: set[str] = set()
        # Scripts that were run with the present text: most are the same on all hosts and profiles.
        self.done: set[str] = set()
        for code in ("true", "false"):
            tools = self.root / code
            tools.mkdir()
            self._script(tools / WORD, f": > '{self.marks}/ran'")
            # Debian's hands its words to a second shell.
            self._script(tools / "rabbitmqctl", f'/bin/dash -c ": $*"\n{code}')
            for name in ("sh", "dash", "bash"):
                (tools / name).symlink_to("/bin/dash")
            for name in _REAL:
                (tools / name).symlink_to(str(shutil.which(name)))

    def _script(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/dash\n{text}\n")
        path.chmod(0o755)

    def close(self) -> None:
        shutil.rmtree(self.root)

    def _stand_in(self, script: str) -> None:
        """Make every word of a script a command."""
        for name in set(re.findall(r"[A-Za-z][A-Za-z0-9_.-]*", script)) - self._known - _BUILT_IN:
            self._known.add(name)
            for code in ("true", "false"):
                path = self.root / code / name
                if not path.exists():
                    path.symlink_to(f"/bin/{code}")

    def runs(self, script: str, stdin: bytes = b"") -> str:
        """What is wrong with a script: it runs text, or text breaks its quoting; "" when nothing is."""
        if script in self.done:
            return ""
        self.done.add(script)
        script = _to_the_end(script)
        self._stand_in(script)
        (self.root / "stdin").write_bytes(stdin)
        errors = self._errors(script)
        if (self.marks / "ran").exists():
            (self.marks / "ran").unlink()
            return "it ran"
        if b"Syntax error" in errors or b"Bad substitution" in errors:
            return f"it breaks the quoting: {errors.decode(errors='replace')[-200:]}"
        return ""

    def _errors(self, script: str) -> bytes:
        """Run a script as nobody; what it says on standard error."""
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        try:
            done = subprocess.run(
                ["/bin/dash", "-c", _BOTH_WAYS, str(self.root), script],
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
        return bytes(done.stderr)


def _to_the_end(script: str) -> str:
    """The script without what ends it, or waits."""
    script = re.sub(r"\bset -[eu]+\b|\bset -[eu]\b", ":", script)
    script = re.sub(r"(?<![\w$./-])exit(?![\w./-])", ":", script)
    script = re.sub(r"(?<![\w$./-])exec(?= )", "", script)
    # A condition is a stand-in too, so that both its ways are gone.
    script = re.sub(r"(?m)(^|[\s;|&(!])\[(?= )", r"\1condition", script)
    return re.sub(r"(?<![\w$./-])sleep +[\w.\"$]+", "break", script)


def injected(node: Node, cloud: NodeContext) -> List[str]:
    """Each script or file of a cloud in which text from an answer runs, with what it did."""
    found = []
    for resource in services.declare(cloud):
        for where, script, stdin in scripts(resource):
            wrong = node.runs(script, stdin) if WORD in script or WORD.encode() in stdin else ""
            if wrong:
                found.append(f"{where}: {wrong}")
        for path, text in _texts(resource):
            found += [f"{path}: {wrong}" for wrong in wrong_in_file(node, path, text)]
    return found


def scripts(resource: Resource) -> "Iterator[tuple[str, str, bytes]]":
    """What a resource has run: to look at its state, to reach it, and when it is forgotten."""
    kind = type(resource)
    actions = [look.command for look in kind.probe([resource])]
    forget = resource.invalidate()
    for action in [*actions, *kind.fix([gap(resource)]), *([forget] if forget else [])]:
        if not isinstance(action, FileItem):
            assert isinstance(action, (Command, Job))
            yield f"{resource.id} ({action.description})", action.script, action.stdin


def _texts(resource: Resource) -> "Iterator[tuple[str, str]]":
    if isinstance(resource, File):
        yield resource.path, resource.data.decode()
    if isinstance(resource, Uplink):
        yield from ((file.path, file.content) for file in resource.files if file.content)


def wrong_in_file(node: Node, path: str, text: str) -> Iterator[str]:
    """What runs, or is read as something else, in a file of a shell's or systemd's."""
    if WORD not in text:
        return
    if text.startswith("#!/bin/sh") or _SHELL_FILES.search(path):
        yield from filter(None, [node.runs(text)])
    if path.startswith("/etc/systemd/system/"):
        for line in _CONTINUED.sub(" ", text).splitlines():
            if WORD in line and not line.startswith("#"):
                yield from wrong_in_line(node, line)


def wrong_in_line(node: Node, line: str) -> Iterator[str]:
    """The same for a line of a unit."""
    option, _, value = line.partition("=")
    if WORD in option:
        yield f"a line of its own: {line}"
    elif not option.startswith("Exec"):
        if "%" in value.replace("%%", "") or value.endswith("\\"):
            yield f"systemd reads something into {line}"
    else:
        try:
            argv = exec_words(value)
        except ValueError as error:
            yield f"{error}: {line}"
            return
        if argv[0] in ("/bin/sh", "sh") and argv[1] == "-c":
            yield from filter(None, [node.runs(argv[2])])
        elif WORD in argv[0]:
            yield f"it is the command of {line}"


def exec_words(line: str) -> List[str]:
    """A command line as systemd reads it (systemd.service(5), "COMMAND LINES"), with no variable of its own."""
    words, word, quote, place = [], None, "", 0
    while place < len(line):
        character = line[place]
        place += 1
        if character == "\\":
            if line[place : place + 1] not in _ESCAPES:
                raise ValueError("no escape of systemd's")
            word = (word or "") + _ESCAPES[line[place]]
            place += 1
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, word = character, word or ""
        elif not quote and character.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + character
    if quote:
        raise ValueError("a quotation mark is not closed")
    return [_plain(one) for one in [*words, *([] if word is None else [word])]]


def _plain(word: str) -> str:
    """A word whose specifiers and variables are all escaped ones."""
    for mark, what in (("%", "specifier"), ("$", "variable")):
        if mark in word.replace(mark * 2, ""):
            raise ValueError(f"systemd finds a {what}")
        word = word.replace(mark * 2, mark)
    return word
