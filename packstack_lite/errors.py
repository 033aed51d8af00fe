"""What can go wrong, as the person at the terminal sees it.

Every error says what is wrong and, in ``hint``, what to type next. ``cli`` alone turns
them into output; the exit codes are those of the command line's contract.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Sequence


class ExitCode(IntEnum):
    """The process's exit status."""

    SUCCESS = 0
    BUG = 1
    USAGE = 2
    PREFLIGHT_FAILED = 3
    CONNECT_FAILED = 4
    PHASE_FAILED = 5
    PROBLEM_FOUND = 6
    LOCKED = 7
    CHANGES_PENDING = 10
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """What it tells a script, as docs/reference.md prints it."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.SUCCESS: "fine",
    ExitCode.BUG: "a bug of ours; a report file to attach is named",
    ExitCode.USAGE: "usage, or an answer file that cannot be used",
    ExitCode.PREFLIGHT_FAILED: "preflight says that it would not work",
    ExitCode.CONNECT_FAILED: "cannot connect, authenticate or become root",
    ExitCode.PHASE_FAILED: "a phase failed; the same command resumes there",
    ExitCode.PROBLEM_FOUND: "verify or smoke found a fault",
    ExitCode.LOCKED: "another run holds the host's lock",
    ExitCode.CHANGES_PENDING: "`plan --exit-code`: there are changes; `answers diff`: there are differences",
    ExitCode.INTERRUPTED: "interrupted",
}


class PackstackLiteError(Exception):
    """A foreseen failure: a sentence, a way out, an exit code."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PackstackLiteError):
    """The command line or a file named on it cannot be used."""

    exit_code = ExitCode.USAGE


class AnswersError(UsageError):
    """An answer file holds faults; ``faults`` lists every one of them, not only the first.

    ``warnings`` are what else was doubtful in it: a mistyped name often explains a fault.
    """

    def __init__(self, message: str, errors: Sequence[str] = (), hint: str = "", warnings: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.errors = tuple(errors)
        self.warnings = tuple(warnings)


class ConfigOverrideError(AnswersError):
    """The tree of --config-dir holds faults; ``faults`` lists every one, with file and line."""


class PreflightError(PackstackLiteError):
    """At least one check says that a deployment would not work."""

    exit_code = ExitCode.PREFLIGHT_FAILED


class ConnectError(PackstackLiteError):
    """The host cannot be reached, refuses us, or does not let us become root."""

    exit_code = ExitCode.CONNECT_FAILED


class PhaseError(PackstackLiteError):
    """A phase of apply failed; running apply again resumes there."""

    exit_code = ExitCode.PHASE_FAILED


class LockedError(PackstackLiteError):
    """Another run holds the host's lock."""

    exit_code = ExitCode.LOCKED
