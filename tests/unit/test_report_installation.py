"""How far an installation is, from the lines of apt, yum and dnf, and what the display makes of it."""

from __future__ import annotations

import io
import re

import pytest

from packstack_lite.engine.events import Output, PhaseStarted, StepStarted
from packstack_lite.report.console import Console
from packstack_lite.report.installation import InstallationProgress
from packstack_lite.report.wait_line import QUIET_SECONDS
from packstack_lite.resources.base import Phase
from tests.unit.test_report_console import Clock, Terminal, without_escapes

# As apt 2.6 prints them into a file.
APT_TOTAL = "1 upgraded, 663 newly installed, 0 to remove and 3 not upgraded."
APT_BEGIN = ["Get:1 http://mirror bookworm InRelease [151 kB]", "Setting up half-configured (1) ...", APT_TOTAL]


def follow(lines, seconds=0.0):
    """Return the progress after these lines, one each so many seconds."""
    progress = InstallationProgress()
    for number, line in enumerate(lines):
        progress.on_line(line, number * seconds)
    return progress


def apt_lines(downloaded, unpacked, set_up):
    return [
        *APT_BEGIN,
        "Need to get 181 MB/292 MB of archives.",
        *(f"Get:{number} http://mirror bookworm/main amd64 p{number} all 1 [9 kB]" for number in range(downloaded)),
        *(
            line
            for n in range(unpacked)
            for line in (f"Preparing to unpack .../p{n}.deb ...", f"Unpacking p{n} (1) ...")
        ),
        *(f"Setting up p{number} (1) ..." for number in range(set_up)),
    ]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], ""),
        (APT_BEGIN[:2], ""),
        (["0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded."], ""),
        (["1 aktualisiert, 663 neu installiert, 0 zu entfernen und 3 nicht aktualisiert."], ""),
        (APT_BEGIN, "downloading 0 of 664 packages, 0 %"),
        (apt_lines(332, 0, 0), "downloading 332 of 664 packages, 5 %"),
        (apt_lines(664, 332, 0), "unpacking 332 of 664 packages, 22 %"),
        # Only some of them were not downloaded before.
        (apt_lines(10, 664, 0), "unpacking 664 of 664 packages, 35 %"),
        (apt_lines(0, 664, 332), "setting up 332 of 664 packages, 67 %"),
        (apt_lines(0, 664, 700), "setting up 664 of 664 packages, 100 %"),
        ([*apt_lines(0, 664, 664), "1 upgraded, 2 newly installed, 1 reinstalled, 0 to remove and 0 not upgraded."],
         "downloading 0 of 4 packages, 0 %"),
    ],
)  # fmt: skip
def test_apts_lines_are_counted(lines, text):
    assert follow(lines).describe(0.0) == text


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        # dnf 4.14, then yum 3.4.3.
        (["(12/48): python3-nova-27.rpm       1.2 MB/s | 3.9 MB     00:03"], "downloading 12 of 48 packages, 2 %"),
        (["(48/48): a.rpm", "  Installing       : python3-oslo-1.el9.noarch          25/50 "],
         "installing 25 of 50 packages, 50 %"),
        (["  Installing : 1:openstack-nova-api-20.6.1.noarch        25/50 "], "installing 25 of 50 packages, 50 %"),
        (["  Upgrading        : a-1.el9.noarch     50/50 ", "  Verifying        : a-1.el9.noarch     25/50 "],
         "verifying 25 of 50 packages, 95 %"),
        (["Installing:", " openstack-nova noarch 1:27.1.0-1.el9s epoxy 20 k"], ""),
    ],
)  # fmt: skip
def test_yums_and_dnfs_own_counts_are_used(lines, text):
    assert follow(lines).describe(0.0) == text


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (2, ""),
        (30, ", about 10 s left"),
        (10, ", a few seconds left"),
        (300, ", about 2 min left"),
    ],
)
def test_the_time_left_follows_from_the_time_so_far(seconds, left):
    progress = follow(apt_lines(0, 664, 332))
    assert progress.describe(float(seconds)) == f"setting up 332 of 664 packages, 67 %{left}"
    assert "left" not in follow(apt_lines(20, 0, 0)).describe(300.0), "too early to tell"


def test_the_bar_is_readable_without_colours():
    assert follow(APT_BEGIN).bar() == "╌" * 10
    assert follow(apt_lines(0, 664, 332)).bar() == "━" * 6 + "╌" * 4
    assert follow(apt_lines(0, 664, 664)).bar() == "━" * 10


def run_installation(console, clock):
    step = "install 41 packages"
    console.on_event(PhaseStarted("a", Phase.PACKAGES))
    console.on_event(StepStarted("a", Phase.PACKAGES, step))
    for line in apt_lines(0, 664, 332):
        console.on_event(Output("a", Phase.PACKAGES, step, line + "\n"))
    clock.now = 60.0


def test_a_terminal_shows_bar_counts_and_the_last_line():
    clock = Clock()
    console = Console(Terminal(), clock=clock)
    run_installation(console, clock)
    console.close()
    with console.rich_console.capture() as captured:
        console.rich_console.print(console._render())
    rows = [line.rstrip() for line in without_escapes(captured.get()).splitlines()]
    assert re.fullmatch(r" +install 41 packages +60 s", rows[1])
    assert rows[2] == "        ━━━━━━╌╌╌╌  setting up 332 of 664 packages, 67 %, about 30 s left"
    assert rows[3] == "        Setting up p331 (1) ..."


def test_without_a_terminal_the_counts_are_in_the_line_after_a_while():
    clock, stream = Clock(), io.StringIO()
    console = Console(stream, clock=clock)
    run_installation(console, clock)
    assert clock.now > QUIET_SECONDS
    console.tick()
    text = "Packages: still install 41 packages, 60 s | setting up 332 of 664 packages, 67 %, about 30 s left"
    assert stream.getvalue().splitlines()[-1] == f"   60.0  {text}"
