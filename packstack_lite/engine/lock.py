"""Allow one run at a time on a node: a lock there, which names its owner.

Used by ``deployment``.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import secrets
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from packstack_lite.errors import ConnectError, LockedError, PhaseError
from packstack_lite.remote.command import Command, Connection
from packstack_lite.state_paths import LOCK_DIR, STATE_DIR

# Seconds. A killed run holds the lock until the last command of its shell on the node ends; the longest of these waits
# for a unit (resources.unit).
OWNER_GONE_TIMEOUT = 150.0
# Characters of an owner's name that are shown.
_LONGEST_NAME = 200

# The lock belongs to the root shell of the connection. When that process has ended, the run is over (sshd ends it with
# the connection) and the lock is stale. A process number can be reused after a reboot, hence the start time, field 22
# of /proc/PID/stat. Whoever looks at the lock or changes it holds a flock(2) on the state directory meanwhile: of many
# rivals that find a stale lock one takes it over, and the others then find that one's. The kernel ends the flock with
# the script, however that ends.
_GUARD_SCRIPT = r"""
set -f
umask 077
lock=%(lock)s
mkdir -p "${lock%%/*}" || exit 1
exec 9< "${lock%%/*}"
flock -w 60 9 || { echo "another run has been looking at it for 60 seconds" >&2; exit 1; }
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
me="$PACKSTACK_LITE_SHELL $(started "$PACKSTACK_LITE_SHELL")"
set -- $(sed -n 2p "$lock/holder" 2>/dev/null)
"""
_TAKE_SCRIPT = (
    _GUARD_SCRIPT
    + r"""
owner=$(cat)
if [ -n "${2:-}" ] && [ "$(started "$1")" = "$2" ] && [ "$(sed -n 1p "$lock/holder")" != "$owner" ]; then
    sed -n 1p "$lock/holder"
    exit 7
fi
rm -rf "$lock"
mkdir "$lock" && printf '%%s\n%%s\n' "$owner" "$me" > "$lock/holder.new" && mv "$lock/holder.new" "$lock/holder"
"""
)
# A run that lost its lock with its connection leaves that of its successor alone.
_RELEASE_SCRIPT = (
    _GUARD_SCRIPT
    + r"""
[ "${1:-} ${2:-}" != "$me" ] || rm -rf "$lock"
"""
)


def take_command(owner: str, run: str) -> Command:
    """Return a command that takes the node's lock, unless another run holds it.

    ``owner`` is a name as ``lock_owner`` returns it. ``run`` is a random word: a lock with this word is the run's own,
    taken by a shell whose connection was lost but which the node may not have ended yet. A stale lock, whose owner's
    root shell has ended, is replaced. The command exits with 7 and prints the owner's line (JSON) when another run
    holds the lock.
    """
    payload = json.dumps({"who": owner, "run": run}).encode()
    return Command(_TAKE_SCRIPT % {"lock": LOCK_DIR}, stdin=payload, description="take the lock")


def release_command() -> Command:
    """Return the command that releases the lock if this root shell still has it."""
    return Command(_RELEASE_SCRIPT % {"lock": LOCK_DIR}, description="release the lock")


@contextmanager
def hold_lock(
    connection: Connection,
    owner: str,
    owner_is_gone: Callable[[str], bool] = lambda owner: False,
    announce: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Hold the node's lock; raises LockedError when another run holds it.

    ``owner_is_gone`` tells of an owner whether that run is known to be over. Then its last command on the node is
    awaited for up to OWNER_GONE_TIMEOUT seconds, which ``announce`` reports once.
    """
    run = secrets.token_hex(8)
    for attempt in Retrying(
        retry=retry_if_exception_type(_OwnerEndingError),
        stop=stop_after_delay(OWNER_GONE_TIMEOUT),
        wait=wait_fixed(1),
        before_sleep=lambda state: _announce_waiting(state, announce),
        reraise=True,
    ):
        with attempt:
            _take_lock(connection, owner, run, owner_is_gone)
    # The lock ends with the root shell that took it. A new shell takes it again, or stops the run if another has it.
    connection.after_reopening(lambda: _take_lock(connection, owner, run, owner_is_gone))
    try:
        yield
    except KeyboardInterrupt:
        # No command can be sent before the one that runs has ended. The shell ends after it, and with it the lock.
        connection.abort()
        raise
    finally:
        connection.after_reopening(None)
        # A lost connection has ended the shell that owns the lock, so the lock is stale already.
        with suppress(ConnectError):
            connection.run([release_command()])


def lock_owner(pid: int = 0) -> str:
    """Return the name that other runs see of this process, or of process ``pid``."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {pid or os.getpid()})"


def owner_is_gone(owner: str) -> bool:
    """Tell whether the owner was a run on this machine that has ended.

    Owners of another account or machine count as alive.
    """
    pid = int("".join(re.findall(r" \(process ([0-9]{1,10})\)$", owner)) or 0)
    return owner == lock_owner(pid) and not Path(f"/proc/{pid}").exists()


class _OwnerEndingError(LockedError):
    """The owner's run is over, but its last command on the node still runs.

    Until that ends the lock is not stale and cannot be taken.
    """


def _announce_waiting(state: RetryCallState, announce: Callable[[str], None]) -> None:
    """Report once that the lock's owner is over but its last command still runs."""
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and isinstance(error, _OwnerEndingError):
        announce(f"{error.message}; that run is over, waiting for its last command to end")


def _take_lock(connection: Connection, owner: str, run: str, owner_is_gone: Callable[[str], bool]) -> None:
    """Take the node's lock. Raises LockedError if another run has it.

    Raises _OwnerEndingError, to be retried, if that run is over and only its last command still runs.
    """
    reply = connection.run([take_command(owner, run)])[0]
    if reply.code == 7:
        current_owner = _parse_owner(reply.out)
        raise (_OwnerEndingError if owner_is_gone(current_owner) else LockedError)(
            f"{connection.name}: locked by another run: {current_owner}",
            "wait for it to end, then run the same command again",
        )
    if not reply.ok:
        raise PhaseError(
            f"{connection.name}: cannot take the lock {LOCK_DIR}: {reply.err.strip()}",
            f"on the node, look for a full disk (df {STATE_DIR}) and for a file in the way: ls -ld {LOCK_DIR}",
        )


def _parse_owner(line: str) -> str:
    """Return the name of the lock's owner from the line in the lock's file."""
    try:
        return str(json.loads(line)["who"])[:_LONGEST_NAME]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "an unnamed owner"
