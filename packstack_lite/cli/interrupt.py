"""End a run at Ctrl-C, SIGTERM or SIGHUP, wherever it waits. Used by ``cli.app``.

The first signal raises KeyboardInterrupt in the main thread. Python can do so only between two of its own
instructions, and cleaning up may wait for a node that does not answer. A thread of its own therefore watches: it ends
the process GRACE_SECONDS later, or at once at a second signal.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, List, Optional, Type

from packstack_lite import activity
from packstack_lite.errors import ExitCode
from packstack_lite.report.escape import escape_text

# Seconds that cleaning up may take after the first signal.
GRACE_SECONDS = 7.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class InterruptGuard:
    """The state of this process's interrupt: what went on, and whether it was said."""

    def __init__(self) -> None:
        self._activities: Optional[List[activity.Activity]] = None
        self._is_reported = False
        self._was_raised = False
        self._terminal_modes: Optional[List[Any]] = None

    def __enter__(self) -> None:
        """Watch for the signals from now on. An ignored one, as with nohup, stays ignored."""
        self._terminal_modes = _read_terminal_modes()
        receiver, sender = socket.socketpair()
        sender.setblocking(False)
        watched = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in watched:
            signal.signal(number, self._raise_interrupt)
        # The kernel's signal reaches this file descriptor even while the main thread is inside a call of C.
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(receiver, sender, set(watched)), daemon=True).start()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """End the process if it exits as interrupted and has threads left.

        Python would wait for them, and they may wait for a node.
        """
        others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
        is_interrupted = isinstance(error, SystemExit) and error.code == ExitCode.INTERRUPTED
        if is_interrupted and not all(thread.daemon for thread in others):
            self.end_now()

    def describe(self) -> List[str]:
        """Return what still runs on the nodes, as it was at the first signal."""
        self._remember()
        self._is_reported = True
        return activity.describe_activities(self._activities or [])

    def end_now(self) -> None:
        """End the process without waiting for its threads, which may wait for a node."""
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        self._restore_terminal()
        os._exit(ExitCode.INTERRUPTED)

    def _remember(self) -> None:
        """Keep what goes on now, unless it was kept before: cleaning up changes it."""
        if self._activities is None:
            self._activities = activity.list_activities()

    def _raise_interrupt(self, number: int, frame: Optional[FrameType]) -> None:
        """Interrupt the main thread at the first signal; ``_watch`` sees to the others."""
        self._remember()
        if not self._was_raised:
            self._was_raised = True
            raise KeyboardInterrupt

    def _watch(self, receiver: socket.socket, sender: socket.socket, watched: "set[int]") -> None:
        """Wait for signals; end the process when it does not end by itself.

        ``sender`` is held open here. Of a closed terminal both the kernel and the shell tell, so SIGHUP is never the
        second signal.
        """
        while not watched & set(receiver.recv(64)):
            pass
        self._remember()
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline or activity.list_cleanups():
            receiver.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                numbers = set(receiver.recv(64))
            except socket.timeout:
                if cleanups := activity.list_cleanups():
                    self._print(f"packstack-lite: still {', '.join(cleanups)}; interrupt again to end at once")
                    deadline = time.monotonic() + GRACE_SECONDS
                continue
            if numbers & (watched - {signal.SIGHUP}):
                break
        if not self._is_reported:
            self._print("\n".join(["packstack-lite: interrupted", *(f"  {line}" for line in self.describe())]))
        self.end_now()

    def _print(self, text: str) -> None:
        """Write to stderr past Python's buffers, which another thread may hold."""
        with suppress(OSError):
            os.write(2, f"{escape_text(text)}\n".encode())

    def _restore_terminal(self) -> None:
        """Show the cursor and echo what is typed, as before the run."""
        with suppress(OSError, termios.error):
            if self._terminal_modes is not None:
                termios.tcsetattr(0, termios.TCSANOW, self._terminal_modes)
            if os.isatty(2):
                os.write(2, _SHOW_CURSOR.encode())


def _read_terminal_modes() -> Optional[List[Any]]:
    """Return the modes of the terminal on standard input; None for no terminal."""
    try:
        return termios.tcgetattr(0)
    except (OSError, termios.error):
        return None


GUARD = InterruptGuard()
