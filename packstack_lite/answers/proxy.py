"""The answer that may hold a proxy's password: checked without ever being repeated. No host is asked."""

from __future__ import annotations

import re
from typing import Any, Iterator

from packstack_lite.answers.places import at

_PROXY = "CONFIG_HTTP_PROXY"
_FORM = re.compile(r"http://([^\s:@/]+(:[^\s:@/]*)?@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")


def faults(answers: Any) -> Iterator[str]:
    """A proxy that is none: curl, yum and apt would each read something else into it."""
    given = answers[_PROXY].reveal()
    if given and not _FORM.fullmatch(given):
        yield f"{at(answers, _PROXY)}: is not of the form http://[USER:PASSWORD@]HOST:PORT"
