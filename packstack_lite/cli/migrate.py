"""``answers migrate``: an old answer file as one of today."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import click

from packstack_lite import answers as room
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import print_json, say
from packstack_lite.errors import UsageFault

_FILE = click.Path(path_type=Path)


@click.command("migrate")
@click.argument("old", type=_FILE, metavar="OLD")
@click.option("--to", "new", type=_FILE, metavar="NEW", help="Write the new file there; without it, to stdout.")
@shared(parameters=False)
@pass_options
def migrate(options: Options, old: Path, new: Optional[Path]) -> None:
    """Write the answers of an old file, of any Packstack release, as a file of today.

    OLD is never changed, and NEW must not be there yet. What changed is told on stderr, line by line;
    lines that no longer count are kept as comments. The new file holds OLD's passwords: it is made 0600,
    also behind > NEW. With --output json stdout gets the changes, and the file is written with --to only.
    """
    if new and (new.exists() or new.is_symlink()):
        raise UsageFault(
            f"{new} is there already, and answer files are never replaced", "name another file, or remove it"
        )
    told = room.migrate(room.read(old))
    if new:
        room.write_text(new, told.text)
    elif not options.json:
        _to_stdout(told.text)
    if options.json:
        print_json({"changes": [_fields(change) for change in told.changes], "written": str(new) if new else None})
        return
    for sentence in room.sentences(old, told.changes):
        say(options, sentence)
    say(options, f"{len(told.changes)} changes" if len(told.changes) != 1 else "1 change")
    say(options, f"next: packstack-lite --validate-answer-file {new or 'NEW'}")


def _to_stdout(text: str) -> None:
    """The file itself; where stdout is a file of ours, nobody else may read it: it gets passwords."""
    # What stands in for stdout in a pipe of objects (tests, IDEs) is no file at all.
    with contextlib.suppress(io.UnsupportedOperation):
        told = os.fstat(sys.stdout.fileno())
        if stat.S_ISREG(told.st_mode) and told.st_uid == os.geteuid():
            os.fchmod(sys.stdout.fileno(), 0o600)
    sys.stdout.write(text)


def _fields(change: room.Change) -> Dict[str, Any]:
    """A change for scripts; secrets, and what might be one, are null."""
    hidden = change.secret
    return {
        "kind": change.kind,
        "line": change.line,
        "name": change.name or None,
        "before": None if hidden else change.before,
        "now": change.now or None,
        "after": None if hidden else change.after,
        "why": change.why.lstrip("; "),
        "other_line": change.other or None,
    }
