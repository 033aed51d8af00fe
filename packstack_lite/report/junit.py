"""The results of smoke and preflight as JUnit XML, for the pages of CI servers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Sequence

from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import Case

# What XML 1.0 cannot hold, not even escaped (its production Char).
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"failed": "failure", "skipped": "skipped"}


def of_cases(suite: str, cases: Sequence[Case]) -> str:
    """A test suite of these cases; a failure's or a skip's detail is its message."""
    root = ElementTree.Element("testsuites")
    top = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(cases)),
        failures=str(_count(cases, "failed")),
        errors="0",
        skipped=str(_count(cases, "skipped")),
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    for case in cases:
        _add(top, suite, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def of_findings(suite: str, checks: Sequence[str], findings: Sequence[Finding], ignored: Sequence[str] = ()) -> str:
    """A test suite with one case per check: errors that are not ignored fail it."""
    return of_cases(suite, [_verdict(check, [f for f in findings if f.name == check], ignored) for check in checks])


def _verdict(check: str, findings: Sequence[Finding], ignored: Sequence[str]) -> Case:
    failed = check not in ignored and any(found.level == "error" for found in findings)
    return Case(check, "failed" if failed else "passed", 0.0, "\n".join(map(_told, findings)))


def _told(found: Finding) -> str:
    return f"{found.host}: {found.level}: {found.message}" + (f"\n→ {found.fix}" if found.fix else "")


def _add(suite: ElementTree.Element, name: str, case: Case) -> None:
    about = {"classname": name, "name": _clean(case.name), "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", about)
    detail = _clean(case.detail)
    tag = _TAGS.get(case.outcome)
    if tag:
        ElementTree.SubElement(element, tag, message=detail.split("\n", 1)[0]).text = detail
    elif detail:
        ElementTree.SubElement(element, "system-out").text = detail


def _count(cases: Sequence[Case], outcome: str) -> int:
    return sum(case.outcome == outcome for case in cases)


def _clean(text: str) -> str:
    return _UNSPEAKABLE.sub("�", text)
