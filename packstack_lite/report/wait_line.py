"""Show what a run waits for while it prints nothing. Used by ``cli.terminal``.

On a terminal that is a line which is drawn over and over; without one a line every QUIET_SECONDS.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, Optional, TextIO, Tuple

from packstack_lite.report.escape import escape_text
from packstack_lite.report.formatting import format_seconds

# Seconds without a line after which, without a terminal, a line says what is waited for.
QUIET_SECONDS = 15.0
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_CLEAR_LINE = "\r\x1b[K"
_LONGEST = 72


class WaitLine:
    """The line that says what is waited for. Any thread may begin and end work.

    ``clock`` returns seconds. ``starts_thread`` is False where a test calls ``tick`` itself.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic, starts_thread: bool = True) -> None:
        self._stream = stream
        self._clock = clock
        self._starts_thread = starts_thread
        self._is_terminal = stream.isatty()
        self._lock = threading.RLock()
        self._work: Dict[object, Tuple[str, float]] = {}
        self._printed_at = clock()
        self._is_drawn = False
        self._thread: Optional[threading.Thread] = None

    @contextmanager
    def working(self, description: str) -> Iterator[None]:
        """Show the description until the block ends."""
        key = object()
        with self._lock:
            if not self._work:
                self._printed_at = self._clock()
            self._work[key] = (description, self._clock())
            if self._is_terminal:
                self.tick()
            if self._thread is None and self._starts_thread:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._work[key]
                if not self._work:
                    self._clear()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the line while the block prints something else."""
        with self._lock:
            self._clear()
            yield
            self._printed_at = self._clock()

    def tick(self) -> None:
        """Draw the line anew, or print one if it was quiet for long enough."""
        with self._lock:
            if not self._work:
                return
            now = self._clock()
            description, started_at = next(iter(self._work.values()))
            others = f" and {len(self._work) - 1} more" if len(self._work) > 1 else ""
            text = escape_text(f"{description[:_LONGEST]}{others}").replace("\n", " ")
            seconds = format_seconds(now - started_at)
            if self._is_terminal:
                frame = _FRAMES[int(now * 10) % len(_FRAMES)]
                self._stream.write(f"{_CLEAR_LINE}  {frame} {text}  {seconds}")
                self._is_drawn = True
            elif now - self._printed_at >= QUIET_SECONDS:
                self._stream.write(f"{text} … {seconds}\n")
                self._printed_at = now
            self._stream.flush()

    def _clear(self) -> None:
        """Remove the line from the terminal."""
        if self._is_drawn:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._is_drawn = False

    def _run(self) -> None:
        """Draw the line while there is work."""
        while True:
            time.sleep(0.125 if self._is_terminal else 1.0)
            with self._lock:
                if not self._work:
                    self._thread = None
                    return
            self.tick()
