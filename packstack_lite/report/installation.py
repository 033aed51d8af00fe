"""Follow an installation by the lines that apt, yum and dnf print.

Used by ``console``. In another language than English these lines are others: then nothing is known, and the last line
is shown instead.
"""

from __future__ import annotations

import re
from typing import Dict, Optional

from packstack_lite.counts import format_count

# What a package goes through, in order, with its share of the time: measured with apt and a fast mirror on 2026-12-01,
# 664 packages of Debian 12. dnf and yum unpack and set up as one.
_DOWNLOADING = "downloading"
_SHARES = {_DOWNLOADING: 0.1, "unpacking": 0.25, "setting up": 0.65}
_RPM_SHARES = {_DOWNLOADING: 0.1, "installing": 0.8, "verifying": 0.1}

_APT_TOTAL = re.compile(r"\d+ upgraded, \d+ newly installed\b.*")
_APT_COUNTS = re.compile(r"(\d+) (?:upgraded|newly installed|reinstalled|downgraded)\b")
_APT_STAGES = (
    (_DOWNLOADING, re.compile(r"Get:\d+ ")),
    ("unpacking", re.compile(r"Unpacking ")),
    ("setting up", re.compile(r"Setting up ")),
)
_RPM_STAGES = (
    (_DOWNLOADING, re.compile(r"\((\d+)/(\d+)\): ")),
    ("installing", re.compile(r"\s*(?:Installing|Upgrading|Updating|Reinstalling)\s*: .*\s(\d+)/(\d+)\s*")),
    ("verifying", re.compile(r"\s*Verifying\s*: .*\s(\d+)/(\d+)\s*")),
)
# Before that, too little is known for an estimate.
_MIN_FRACTION, _MIN_SECONDS = 0.05, 5.0
# With it the line fits into 80 columns.
_BAR_WIDTH = 10


class InstallationProgress:
    """Counts packages, and how many of them have passed each stage."""

    def __init__(self) -> None:
        self._total = 0
        self._started_at = 0.0
        self._counts: Dict[str, int] = {}
        self._shares = _SHARES
        self._stage = ""

    def on_line(self, line: str, now: float) -> None:
        """Take one line of output, printed at ``now`` in seconds."""
        if _APT_TOTAL.fullmatch(line):
            self._begin(sum(map(int, _APT_COUNTS.findall(line))), _SHARES, now)
        elif self._shares is _SHARES and self._total:
            for stage, pattern in _APT_STAGES:
                if pattern.match(line):
                    self._count(stage, self._counts[stage] + 1)
        for stage, pattern in _RPM_STAGES:
            match = pattern.match(line)
            if match:
                self._on_rpm_count(stage, int(match.group(1)), int(match.group(2)), now)

    def _begin(self, total: int, shares: Dict[str, float], now: float) -> None:
        """Begin anew, with the number of packages."""
        self._total, self._shares, self._started_at = total, shares, now
        self._counts = dict.fromkeys(shares, 0)
        self._stage = next(iter(shares))

    def _count(self, stage: str, count: int) -> None:
        """Record how many packages have passed a stage."""
        self._stage = stage
        self._counts[stage] = min(count, self._total)

    def _on_rpm_count(self, stage: str, count: int, total: int, now: float) -> None:
        """Take dnf's or yum's own counts.

        Their totals of downloads and of packages differ where some files are there already.
        """
        if self._shares is not _RPM_SHARES:
            self._begin(total, _RPM_SHARES, now)
        self._total = total
        self._count(stage, count)

    @property
    def is_known(self) -> bool:
        """Return whether the number of packages is known."""
        return self._total > 0

    @property
    def fraction(self) -> float:
        """Return the part that is done, from 0 to 1.

        What has passed a later stage has passed the earlier ones. Once a package is unpacked, all are downloaded.
        """
        if not self._total:
            return 0.0
        done, passed = 0.0, 0
        for stage, share in reversed(list(self._shares.items())):
            is_over = stage == _DOWNLOADING and passed > 0
            passed = self._total if is_over else max(passed, self._counts[stage])
            done += share * passed
        return done / self._total

    def describe(self, now: float) -> str:
        """Return a text such as "setting up 412 of 687 packages, 58 %, about 1 min left".

        "" while the number of packages is not known.
        """
        if not self.is_known:
            return ""
        left = self._seconds_left(now)
        remaining = f", {_format_left(left)} left" if left is not None else ""
        counts = f"{self._counts[self._stage]} of {format_count(self._total, 'package')}"
        return f"{self._stage} {counts}, {int(100 * self.fraction)} %{remaining}"

    def bar(self) -> str:
        """Return a bar of characters that differ without colours too."""
        filled = int(_BAR_WIDTH * self.fraction)
        return "━" * filled + "╌" * (_BAR_WIDTH - filled)

    def _seconds_left(self, now: float) -> Optional[float]:
        """Return an estimate from the time so far, None while it would mean nothing."""
        elapsed = now - self._started_at
        if self.fraction < _MIN_FRACTION or elapsed < _MIN_SECONDS:
            return None
        return elapsed * (1 - self.fraction) / self.fraction


def _format_left(seconds: float) -> str:
    """Return a time that is no more than an estimate."""
    if seconds < 10:
        return "a few seconds"
    return f"about {round(seconds / 60)} min" if seconds >= 90 else f"about {round(seconds, -1):.0f} s"
