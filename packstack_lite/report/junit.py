"""The results of smoke as JUnit XML, for CI servers.

Used by ``cli``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Sequence

from packstack_lite.engine.results import Case

# Characters that XML 1.0 does not allow, not even escaped (its production Char).
_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"failed": "failure", "skipped": "skipped"}


def cases_to_junit(suite_name: str, cases: Sequence[Case]) -> str:
    """Return a test suite of these cases.

    The detail of a failed or skipped case is its message.
    """
    root = ElementTree.Element("testsuites")
    suite_element = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite_name,
        tests=str(len(cases)),
        failures=str(_count(cases, "failed")),
        errors="0",
        skipped=str(_count(cases, "skipped")),
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    for case in cases:
        _add_case(suite_element, suite_name, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, suite_name: str, case: Case) -> None:
    """Add a case's element to the suite, with its outcome and its detail."""
    attributes = {"classname": suite_name, "name": _strip_invalid_xml(case.name), "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    detail = _strip_invalid_xml(case.detail)
    tag = _TAGS.get(case.outcome)
    if tag:
        ElementTree.SubElement(element, tag, message=detail.split("\n", 1)[0]).text = detail
    elif detail:
        ElementTree.SubElement(element, "system-out").text = detail


def _count(cases: Sequence[Case], outcome: str) -> int:
    """Return how many cases have this outcome."""
    return sum(case.outcome == outcome for case in cases)


def _strip_invalid_xml(text: str) -> str:
    """Return the text with characters that XML 1.0 forbids replaced by U+FFFD."""
    return _INVALID_XML.sub("�", text)
