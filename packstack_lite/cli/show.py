"""Results on stdout, as text or as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import out, say
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import AppliedReport, Case, Change, Fault
from packstack_lite.report import jsonout, junit, text
from packstack_lite.report.runlog import RunLog


def _json(payload: jsonout.Payload) -> None:
    print(jsonout.dumps(payload))


def changes(options: Options, found: Sequence[Change], diff: bool) -> None:
    """A plan; with ``diff`` the lines that would change below each entry."""
    if options.json:
        _json(jsonout.plan(found, diff))
    else:
        text.plan(out(options), found, diff)


def applied(options: Options, report: AppliedReport, extra: Sequence[str] = ()) -> None:
    """What an apply did and how long each phase took; ``extra`` lines follow in text."""
    if options.json:
        _json(jsonout.applied(report))
    else:
        text.applied(out(options), report, extra)


def faults(options: Options, found: Sequence[Fault]) -> None:
    """What verify found."""
    if options.json:
        _json(jsonout.verify(found))
    else:
        text.faults(out(options), found)


def findings(options: Options, found: Sequence[Finding], gone: Sequence[Finding] = ()) -> None:
    """What preflight found; an ignored error says so. ``gone`` is what --fix has mended."""
    if options.json:
        _json(jsonout.preflight(found, gone))
    else:
        text.findings(out(options), found, options.ignore, gone)


def case(options: Options, ended: Case, log: Optional[RunLog]) -> None:
    """A case of smoke's as it ends: that it did to whoever waits, all of it to the log."""
    told = f"{ended.outcome:8}{ended.name} {ended.seconds:.1f} s"
    say(options, told)
    if log:
        log.say(f"{told}\n{ended.detail}")


def cases(options: Options, found: Sequence[Case]) -> None:
    """What smoke tried, each promise one line."""
    if options.json:
        _json(jsonout.smoke(found))
    else:
        text.cases(out(options), found)


def write_junit(path: Path, found: Sequence[Case]) -> None:
    """The cases as JUnit XML."""
    path.write_text(junit.of_cases("smoke", found), encoding="utf-8")
