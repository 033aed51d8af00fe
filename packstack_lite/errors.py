"""The expected errors, each with its exit code.

Every package raises them; ``cli`` prints them. ``message`` says what is wrong, ``hint`` what to type next. An
exception of any other type is a bug.
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
        """Describe the exit code in one line, for docs/reference.md."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.SUCCESS: "success",
    ExitCode.BUG: "a bug in packstack-lite; the message names a report file to attach",
    ExitCode.USAGE: "wrong usage, or an answer file with errors",
    ExitCode.PREFLIGHT_FAILED: "preflight found an error",
    ExitCode.CONNECT_FAILED: "cannot connect, authenticate or become root",
    ExitCode.PHASE_FAILED: "a phase failed; the same command resumes there",
    ExitCode.PROBLEM_FOUND: "verify or smoke found a problem",
    ExitCode.LOCKED: "another run holds the node's lock",
    ExitCode.CHANGES_PENDING: "`plan --exit-code` found changes, or `answers diff` found differences",
    ExitCode.INTERRUPTED: "interrupted",
}


class PackstackLiteError(Exception):
    """An expected failure: a message, a hint that says what to do, and an exit code."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PackstackLiteError):
    """The command line or a file named on it cannot be used."""

    exit_code = ExitCode.USAGE


class AnswersError(UsageError):
    """Answers have errors; ``errors`` lists all of them, not only the first.

    ``warnings`` holds the warnings of the same answers: a mistyped name often explains an error.
    """

    def __init__(self, message: str, errors: Sequence[str] = (), hint: str = "", warnings: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.errors = tuple(errors)
        self.warnings = tuple(warnings)


class ConfigOverrideError(AnswersError):
    """Files below --config-dir have errors.

    ``errors`` lists all of them, with file and line.
    """


class PreflightError(PackstackLiteError):
    """At least one preflight check found an error."""

    exit_code = ExitCode.PREFLIGHT_FAILED


class ConnectError(PackstackLiteError):
    """The node cannot be reached, or refuses the login or root's rights."""

    exit_code = ExitCode.CONNECT_FAILED


class PhaseError(PackstackLiteError):
    """A phase of apply failed; the next apply resumes there."""

    exit_code = ExitCode.PHASE_FAILED


class LockedError(PackstackLiteError):
    """Another run holds the node's lock."""

    exit_code = ExitCode.LOCKED
