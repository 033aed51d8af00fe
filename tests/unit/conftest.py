"""What no unit test may depend on."""

from __future__ import annotations

import pytest

from packstack_lite.deployment import connection_target


@pytest.fixture(autouse=True)
def no_sandboxes_of_this_machine(monkeypatch):
    """A sandbox that happens to run here may have an address that a test uses."""
    monkeypatch.setattr(connection_target, "_find_sandbox_at", lambda address: None)
