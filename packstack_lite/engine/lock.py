"""Allow one run at a time on a node: a lock there, which names its owner.

Used by ``deployment``.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from packstack_lite.errors import ConnectError, LockedError, PhaseError
from packstack_lite.remote.command import Command, Connection
from packstack_lite.state_paths import LOCK_DIR

# Seconds. A killed run holds the lock until the last command of its shell on the node ends; the longest of these waits
# for a unit (resources.unit).
OWNER_GONE_TIMEOUT = 150.0
# Characters of an owner's name that are shown.
_LONGEST_NAME = 200

# The lock belongs to the root shell of the connection. When that process has ended, the run is over (sshd ends it with
# the connection) and the lock is stale. A process number can be reused after a reboot, hence the start time, field 22
# of /proc/PID/stat.
_TAKE_SCRIPT = r"""
umask 077
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
take() {
    mkdir "$1" 2>/dev/null || return 1
    { cat; printf '\n%%s %%s\n' "$PACKSTACK_LITE_SHELL" "$(started "$PACKSTACK_LITE_SHELL")"; } > "$1/holder.new"
    mv "$1/holder.new" "$1/holder"
}
lock=%(lock)s
mkdir -p "${lock%%/*}"
take "$lock" && exit 0
for i in 1 2 3 4 5 6 7 8 9 10; do [ -s "$lock/holder" ] && break; sleep 0.1; done
set -- $(sed -n 2p "$lock/holder" 2>/dev/null)
if [ -n "${2:-}" ] && [ "$(started "$1")" = "$2" ]; then sed -n 1p "$lock/holder"; exit 7; fi
mv "$lock" "$lock.stale.$$" && rm -rf "$lock.stale.$$"
take "$lock" || { sed -n 1p "$lock/holder"; exit 7; }
"""


def take_command(owner: str) -> Command:
    """Return a command that takes the node's lock, unless another run holds it.

    ``owner`` is a name as ``lock_owner`` returns it. A stale lock, whose owner's root shell has ended, is replaced.
    The command exits with 7 and prints the owner's line (JSON) when another run holds the lock.
    """
    return Command(
        _TAKE_SCRIPT % {"lock": LOCK_DIR}, stdin=json.dumps({"who": owner}).encode(), description="take the lock"
    )


def release_command() -> Command:
    """Return the command that releases the lock."""
    return Command(f"rm -rf {LOCK_DIR}", description="release the lock")


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
    for attempt in Retrying(
        retry=retry_if_exception_type(_OwnerEndingError),
        stop=stop_after_delay(OWNER_GONE_TIMEOUT),
        wait=wait_fixed(1),
        before_sleep=lambda state: _announce_waiting(state, announce),
        reraise=True,
    ):
        with attempt:
            _take_lock(connection, owner, owner_is_gone)
    try:
        yield
    finally:
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


def _take_lock(connection: Connection, owner: str, owner_is_gone: Callable[[str], bool]) -> None:
    """Take the node's lock. Raises LockedError if another run has it.

    Raises _OwnerEndingError, to be retried, if that run is over and only its last command still runs.
    """
    reply = connection.run([take_command(owner)])[0]
    if reply.code == 7:
        current_owner = _parse_owner(reply.out)
        raise (_OwnerEndingError if owner_is_gone(current_owner) else LockedError)(
            f"{connection.name}: locked by another run: {current_owner}",
            "wait for it to end, then run the same command again",
        )
    if not reply.ok:
        raise PhaseError(
            f"{connection.name}: cannot take the lock {LOCK_DIR}: {reply.err.strip()}",
            f"on the node, look for a full disk (df /var/lib) and for a file in the way: ls -ld {LOCK_DIR}",
        )


def _parse_owner(line: str) -> str:
    """Return the name of the lock's owner from the line in the lock's file."""
    try:
        return str(json.loads(line)["who"])[:_LONGEST_NAME]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "an unnamed owner"
