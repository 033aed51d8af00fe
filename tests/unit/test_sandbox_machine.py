"""What a sandbox needs of this machine, with another apt at work beside ours."""

from __future__ import annotations

import pytest

from packstack_lite.sandbox import local_commands
from packstack_lite.sandbox.model import SandboxError

# Fails as often as a file has lines, each of them the last words of apt.
APT = """#!/bin/sh
echo "$*" >> {calls}
[ -s {faults} ] || exit 0
head -n 1 {faults} >&2
sed -i 1d {faults}
exit 100
"""
LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """A stand-in for apt-get that fails with these words first; returns what it was called with."""
    calls, faults = tmp_path / "calls", tmp_path / "faults"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/apt-get"
    program.write_text(APT.format(calls=calls, faults=faults))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def fails(*words):
        faults.write_text("".join(f"{word}\n" for word in words))
        return lambda: calls.read_text().splitlines()

    return fails


def test_an_install_waits_for_dpkg(apt):
    calls = apt()
    local_commands.install_tools({"no-such-tool": "package"}, lambda text: None)
    assert calls() == ["-o DPkg::Lock::Timeout=300 install -y --no-install-recommends package"]


def test_lists_that_another_apt_is_fetching_are_waited_for(apt):
    calls = apt(LISTS, LISTS)
    local_commands.run_apt_get(["update"], lock_timeout=5)
    assert calls() == ["update"] * 3


def test_waiting_ends(apt):
    calls = apt(*[LISTS] * 100)
    with pytest.raises(SandboxError, match="lists/lock"):
        local_commands.run_apt_get(["update"], lock_timeout=0.2)
    assert 1 < len(calls()) < 100


def test_another_fault_is_not_waited_for(apt):
    calls = apt("E: Unable to locate package nothing")
    with pytest.raises(SandboxError, match="locate"):
        local_commands.run_apt_get(["install", "nothing"])
    assert len(calls()) == 1
