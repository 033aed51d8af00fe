"""What no unit test may depend on."""

from __future__ import annotations

import pytest

from packstack_lite.cli import target


@pytest.fixture(autouse=True)
def no_sandboxes_of_this_machine(monkeypatch):
    """A sandbox that happens to run here may have an address that a test uses."""
    monkeypatch.setattr(target, "_sandbox_at", lambda address: None)
