"""preflight as a user runs it, over a wire that counts turn-arounds."""

from __future__ import annotations

import json

from packstack_lite.preflight import CHECKS


def test_preflight_keeps_to_four_flights_however_many_checks_there_are(tool, server, wire):
    """This machine is looked at, and left as it is; what is found there is its own affair."""
    words = ["--host", f"root@127.0.0.1:{wire.port}", "--ssh-key", server.key, "--accept-new", "--output=json"]
    done = tool("preflight", *words)
    assert done.code in (0, 3), done.err
    assert {found["name"] for found in json.loads(done.out)["findings"]} <= set(CHECKS)
    assert not [found for found in done.data["findings"] if "the check itself failed" in found["message"]]
    connecting = 8  # as tests/ssh/test_host.py counts them, login and root shell included
    assert wire.flights - connecting <= 4
