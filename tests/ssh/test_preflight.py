"""preflight as a user runs it, through a relay that counts round trips."""

from __future__ import annotations

import json

from packstack_lite.preflight import CHECKS


def test_preflight_takes_four_round_trips_for_all_checks(tool, server, relay):
    """Check this machine, which is not changed; its findings do not matter."""
    arguments = ["--host", f"root@127.0.0.1:{relay.port}", "--ssh-key", server.key, "--accept-new", "--output=json"]
    result = tool("preflight", *arguments)
    assert result.code in (0, 3), result.err
    assert {finding["name"] for finding in json.loads(result.out)["findings"]} <= set(CHECKS)
    assert not [finding for finding in result.data["findings"] if "the check itself failed" in finding["message"]]
    connecting = 8  # login and root shell, as counted in test_connection.py
    assert relay.round_trips - connecting <= 4
