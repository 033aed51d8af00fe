"""Turn every failure of a run into a message, a hint and an exit code.

No traceback reaches the terminal.
"""

from __future__ import annotations

import errno
import io
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Callable, Container, List, Optional, Sequence

import click

from packstack_lite import __version__
from packstack_lite.cli.echo import echo
from packstack_lite.cli.interrupt import GUARD
from packstack_lite.errors import AnswersError, ExitCode, PackstackLiteError
from packstack_lite.report.escape import escape_text
from packstack_lite.secret import Masker, Secret
from packstack_lite.state_paths import state_directory

# Errors that a file of the user's can cause. ENOENT is not one: the missing file may be ours.
_USER_FILE_ERRNOS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG),
}
RESUME_HINT = "completed phases are kept; run the same command again to continue"


def run_guarded(command: Callable[[], object], arguments: Sequence[str], verbs: Container[str] = ()) -> int:
    """Call the command, print an error if it fails, and return the exit code.

    Of the command line's ``arguments``, a bug report shows only the names of options and the ``verbs``.
    """
    try:
        code = command()
        return code if isinstance(code, int) else ExitCode.SUCCESS
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.ClickException as click_error:
        usage = io.StringIO()
        click_error.show(usage)
        echo(usage.getvalue().rstrip("\n"), err=True)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        _print_interrupted()
        return ExitCode.INTERRUPTED
    except PackstackLiteError as known_error:
        _print_known_error(known_error)
        return known_error.exit_code
    except OSError as os_error:
        if os_error.errno == errno.EPIPE:
            # The reader of the pipe (head, less) has exited: keep Python from reporting that again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.BUG
        if os_error.errno in _USER_FILE_ERRNOS:
            where = f"{os.fsdecode(os_error.filename)}: " if isinstance(os_error.filename, (str, bytes, Path)) else ""
            _print_error(f"{where}{os_error.strerror}", "check that path, its owner and mode, and the free space (df)")
            return ExitCode.USAGE
        return _report_bug(os_error, arguments, verbs)
    except Exception as bug:
        return _report_bug(bug, arguments, verbs)


def _print_error(message: str, hint: str = "") -> None:
    """Print an error message and its hint on stderr."""
    echo(f"packstack-lite: {message}", err=True)
    if hint:
        echo(f"  → {hint}", err=True)


def _print_interrupted() -> None:
    """Print that the run was interrupted, and what goes on on the nodes."""
    _print_error("interrupted", RESUME_HINT)
    for line in GUARD.describe():
        echo(f"  {line}", err=True)


def _print_known_error(error: PackstackLiteError) -> None:
    """Print an expected error, with every error and warning of an answer file."""
    _print_error(error.message)
    if isinstance(error, AnswersError):
        for line in [*error.errors, *(f"warning: {warning}" for warning in error.warnings)]:
            echo(f"  {line}", err=True)
    if error.hint:
        echo(f"  → {error.hint}", err=True)


def _report_bug(error: BaseException, arguments: Sequence[str], verbs: Container[str]) -> int:
    """Write a bug report, print where it is, and return the exit code."""
    masker = Masker(Secret(value) for value in _argument_values(arguments, verbs))
    report_path = write_bug_report(error, arguments, verbs)
    hint = (
        f"attach {report_path} to a bug report"
        if report_path
        else "run again with a writable home directory to get a report file"
    )
    _print_error(f"internal error ({masker.mask_lines(_first_line(error))})", hint)
    return ExitCode.BUG


def _first_line(error: BaseException) -> str:
    """Return the type and the first line of an exception."""
    return f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]


def _argument_values(arguments: Sequence[str], verbs: Container[str]) -> List[str]:
    """Return the arguments that may be secrets.

    Names of options and verbs are not.
    """
    option_values = [word.partition("=")[2] for word in arguments if word.startswith("-")]
    return [value for value in option_values if value] + [
        argument for argument in arguments if not argument.startswith("-") and argument not in verbs
    ]


def write_bug_report(error: BaseException, arguments: Sequence[str], verbs: Container[str] = ()) -> Optional[Path]:
    """Write a bug report, mode 0600, without values that may be secrets.

    Of ``arguments`` it has the names of options and the ``verbs``, which are names of commands. Every other word of
    them is masked, in the traceback too. Return the path, None if it cannot be written.
    """
    masker = Masker(Secret(value) for value in _argument_values(arguments, verbs))
    masked_arguments = [word.partition("=")[0] if word.startswith("-") or word in verbs else "…" for word in arguments]
    text = "\n".join(
        [
            f"packstack-lite {__version__}, Python {platform.python_version()}, {platform.platform()}",
            "arguments: " + " ".join(masked_arguments),
            "",
            masker.mask_lines("".join(traceback.format_exception(type(error), error, error.__traceback__))),
        ]
    )
    path = state_directory() / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(escape_text(text), encoding="utf-8")
    except OSError:
        return None
    return path
