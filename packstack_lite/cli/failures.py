"""Every way a run can end, as a sentence, a hint and an exit code. No traceback reaches the terminal."""

from __future__ import annotations

import errno
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Callable, Container, List, Optional, Sequence

import click

from packstack_lite import __version__
from packstack_lite.errors import AnswersFault, ExitCode, PackstackLiteError
from packstack_lite.report.runlog import state_home
from packstack_lite.secret import Masker, Secret

RESUME = "whatever was finished stays; run the same command again to go on"


def guarded(run: Callable[[], object], arguments: Sequence[str], verbs: Container[str] = ()) -> int:
    """Call the command; the process's exit code, with everything said about a failure.

    ``arguments`` are the command line's, of which a bug report shows options' names and ``verbs`` only.
    """
    try:
        code = run()
        return code if isinstance(code, int) else ExitCode.FINE
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted", RESUME)
        return ExitCode.INTERRUPTED
    except PackstackLiteError as foreseen:
        _tell_foreseen(foreseen)
        return foreseen.exit_code
    except OSError as failed:
        if failed.errno == errno.EPIPE:
            # The reader of our output has gone (head, less): keep Python from complaining at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.BUG
        return _unforeseen(failed, arguments, verbs)
    except Exception as unexpected:
        return _unforeseen(unexpected, arguments, verbs)


def _tell(message: str, hint: str = "") -> None:
    click.echo(f"packstack-lite: {message}", err=True)
    if hint:
        click.echo(f"  → {hint}", err=True)


def _tell_foreseen(error: PackstackLiteError) -> None:
    _tell(error.message)
    if isinstance(error, AnswersFault):
        for fault in [*error.faults, *(f"warning: {warning}" for warning in error.warnings)]:
            click.echo(f"  {fault}", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)


def _unforeseen(error: BaseException, arguments: Sequence[str], verbs: Container[str]) -> int:
    hide = Masker(Secret(value) for value in _values(arguments, verbs))
    written = write_report(error, arguments, verbs)
    where = (
        f"attach {written} to a bug report"
        if written
        else "run again with a writable home directory to get a report file"
    )
    _tell(f"this should not have happened ({hide.lines(_first_line(error))})", where)
    return ExitCode.BUG


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]


def _values(arguments: Sequence[str], verbs: Container[str]) -> List[str]:
    """Everything on the command line that may be a secret: what is no option's name and no verb."""
    after_sign = [word.partition("=")[2] for word in arguments if word.startswith("-")]
    return [value for value in after_sign if value] + [w for w in arguments if not w.startswith("-") and w not in verbs]


def write_report(error: BaseException, arguments: Sequence[str], verbs: Container[str] = ()) -> Optional[Path]:
    """A file for a bug report, 0600; None where none could be written. Holds no value of an option."""
    hide = Masker(Secret(value) for value in _values(arguments, verbs))
    named = [word.partition("=")[0] if word.startswith("-") or word in verbs else "…" for word in arguments]
    text = "\n".join(
        [
            f"packstack-lite {__version__}, Python {platform.python_version()}, {platform.platform()}",
            "arguments: " + " ".join(named),
            "",
            hide.lines("".join(traceback.format_exception(type(error), error, error.__traceback__))),
        ]
    )
    path = state_home() / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError:
        return None
    return path
