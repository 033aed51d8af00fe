"""The answer that may hold a proxy's password: checked without ever being repeated. No host is asked."""

from __future__ import annotations

import re
from typing import Any, Iterator

from packstack_lite.answers.checks.origins import origin_label

_PROXY = "CONFIG_HTTP_PROXY"
_PROXY_URL = re.compile(r"http://([^\s:@/]+(:[^\s:@/]*)?@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")


def find_errors(answers: Any) -> Iterator[str]:
    """A proxy that is none: curl, yum and apt would each read something else into it."""
    proxy_url = answers[_PROXY].reveal()
    if proxy_url and not _PROXY_URL.fullmatch(proxy_url):
        yield f"{origin_label(answers, _PROXY)}: is not of the form http://[USER:PASSWORD@]HOST:PORT"
