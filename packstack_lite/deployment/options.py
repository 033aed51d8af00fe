"""Values that a deployment is opened with.

``cli`` builds them from the command line, a script builds them by hand.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, ContextManager, Mapping, Optional, Tuple

from packstack_lite.secret import Secret


@dataclass(frozen=True)
class AnswerSources:
    """The sources of a run's answers, the weakest first.

    ``files`` are answer files, of which the last wins. ``environment`` holds variables such as
    PACKSTACK_CONFIG_DEBUG_MODE; nothing else reads ``os.environ`` for answers. ``settings`` are texts NAME=VALUE,
    as after ``--set``. ``flags`` maps parameter names to texts, as the parameters' own options give them.
    """

    files: Tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeSelection:
    """The machine that a run connects to as the controller.

    If no field is set, it is the one that CONFIG_CONTROLLER_HOST names.
    ``host`` is [USER@]HOST[:PORT] of a machine reached over SSH, ``sandbox`` the name of a sandbox; only one may be
    set. ``host`` does not change the answer, which stays the controller's address in the cloud. ``distro`` and ``kind``
    (container or machine) are what a new sandbox gets and an existing one must have.
    """

    host: Optional[str] = None
    sandbox: Optional[str] = None
    distro: Optional[str] = None
    kind: Optional[str] = None


@dataclass(frozen=True)
class ConnectionOptions:
    """Options for reaching nodes over SSH; they override ~/.ssh/config.

    ``ssh_config`` is read instead of ~/.ssh/config. With ``accept_new_host_key`` the key of a node that is not in
    known_hosts is accepted and kept; a changed key is always refused.
    """

    ssh_key: Optional[Path] = None
    ssh_config: Optional[Path] = None
    accept_new_host_key: bool = False


@dataclass(frozen=True)
class RunOptions:
    """Options of a run, which all verbs share.

    ``config_dir`` holds the configuration overrides. ``ignored_checks`` are preflight checks whose errors do not
    stop apply. ``job_timeout`` replaces the timeout of every job, in seconds. With ``debug`` the run log holds every
    command and its reply. At most ``parallel`` nodes are connected to, read or changed at the same time.
    """

    config_dir: Optional[Path] = None
    ignored_checks: Tuple[str, ...] = ()
    job_timeout: Optional[int] = None
    debug: bool = False
    parallel: int = 32


def _ignore_message(message: str) -> None:
    """Drop a message."""


def _show_nothing(description: str) -> ContextManager[None]:
    """Return a context manager that shows nothing."""
    return nullcontext()


@dataclass(frozen=True)
class Callbacks:
    """Functions that a deployment calls while it works.

    By default it is silent and asks nothing.
    ``warn`` gets a warning without the word "warning", ``progress`` a line for the person who waits. Both may be
    called from several threads. ``confirm`` answers whether to trust a host key, ``ask_password`` gives a password
    of sudo or of a key; None means that nobody can answer. ``working`` returns a context manager that shows what is
    being waited for, outside of apply's phases, which tell by events.
    """

    warn: Callable[[str], None] = _ignore_message
    progress: Callable[[str], None] = _ignore_message
    working: Callable[[str], ContextManager[None]] = _show_nothing
    confirm: Optional[Callable[[str], bool]] = None
    ask_password: Optional[Callable[[str], Secret]] = None


# Defaults of parameters; all are frozen.
NO_ANSWERS = AnswerSources()
CONTROLLER_OF_ANSWERS = NodeSelection()
DEFAULT_CONNECTION = ConnectionOptions()
DEFAULT_RUN = RunOptions()
NO_CALLBACKS = Callbacks()
