"""``answers migrate``: convert an old answer file to the current format."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import click

from packstack_lite.answers import (
    LineChange,
    describe_changes,
    migrate_answer_file,
    read_answer_file,
    write_answer_text,
)
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, print_stderr
from packstack_lite.counts import format_count
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.report.escape import escape_text

_FILE = click.Path(path_type=Path)


@click.command("migrate")
@click.argument("old", type=_FILE, metavar="OLD")
@click.option("--to", "new", type=_FILE, metavar="NEW", help="Write the new file there instead of to stdout.")
@shared_options(with_parameters=False)
@pass_options
def migrate(options: Options, old: Path, new: Optional[Path]) -> None:
    """Convert an answer file of any Packstack release to the current format.

    OLD is never changed, and NEW must not exist. Each change is reported on stderr; lines that have no effect any
    more are kept as comments. The new file holds OLD's passwords and gets mode 0600, also after > NEW. With --output
    json stdout gets the changes, and the file is written only with --to.
    """
    if new and (new.exists() or new.is_symlink()):
        raise UsageError(
            f"{new} exists already, and answer files are never replaced", "name another file, or remove it"
        )
    migration = migrate_answer_file(read_answer_file(old))
    if new:
        write_answer_text(new, migration.text)
    elif not options.is_json:
        _write_to_stdout(migration.text)
    if options.is_json:
        print_json(
            {"changes": [_change_to_json(change) for change in migration.changes], "written": str(new) if new else None}
        )
        return
    for sentence in describe_changes(old, migration.changes):
        print_stderr(options, sentence)
    print_stderr(options, format_count(len(migration.changes), "change"))
    print_stderr(options, f"next: {recommend('--validate-answer-file', new or 'NEW')}")


def _write_to_stdout(text: str) -> None:
    """Write a text with passwords to stdout.

    If stdout is a file of this user, restrict it to mode 0600.
    """
    # A replacement of stdout (in tests, IDEs) has no file descriptor.
    with contextlib.suppress(io.UnsupportedOperation):
        status = os.fstat(sys.stdout.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            os.fchmod(sys.stdout.fileno(), 0o600)
    # A file or a program gets the text as it is.
    sys.stdout.write(escape_text(text) if sys.stdout.isatty() else text)


def _change_to_json(change: LineChange) -> Dict[str, Any]:
    """Return a change as a JSON object; secrets, and texts that may be one, are null."""
    hidden = change.is_secret
    return {
        "kind": change.kind,
        "line": change.line_number,
        "name": change.name or None,
        "before": None if hidden else change.old_text,
        "now": change.current_name or None,
        "after": None if hidden else change.new_text,
        "why": change.reason.lstrip("; "),
        "other_line": change.other_line_number or None,
    }
