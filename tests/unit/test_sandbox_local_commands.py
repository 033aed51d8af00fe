"""Installing missing tools on this machine while another apt process is running."""

from __future__ import annotations

import pytest
from tenacity import wait_fixed

from packstack_lite.sandbox import local_commands
from packstack_lite.sandbox.model import SandboxError

# Fails once for each line of a file, with that line as error message.
APT = """#!/bin/sh
echo "$*" >> {calls}
[ -s {errors} ] || exit 0
head -n 1 {errors} >&2
sed -i 1d {errors}
exit 100
"""
LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """A fake apt-get: called with messages it fails with each of them once; returns a function for its calls."""
    calls, errors = tmp_path / "calls", tmp_path / "errors"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/apt-get"
    program.write_text(APT.format(calls=calls, errors=errors))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def fail_with(*messages):
        errors.write_text("".join(f"{message}\n" for message in messages))
        return lambda: calls.read_text().splitlines()

    return fail_with


def test_an_install_waits_for_dpkgs_lock(apt):
    calls = apt()
    local_commands.install_tools({"no-such-tool": "package"}, lambda text: None)
    assert calls() == ["-o DPkg::Lock::Timeout=300 install -y --no-install-recommends package"]


def test_an_update_waits_for_the_lock_of_the_package_lists(apt, monkeypatch):
    monkeypatch.setattr(local_commands, "wait_fixed", lambda seconds: wait_fixed(seconds / 20))
    calls = apt(LISTS, LISTS)
    local_commands.run_apt_get(["update"], lock_timeout=5)
    assert calls() == ["update"] * 3


def test_waiting_for_a_lock_has_a_timeout(apt):
    calls = apt(*[LISTS] * 100)
    with pytest.raises(SandboxError, match="lists/lock"):
        local_commands.run_apt_get(["update"], lock_timeout=0.2)
    assert 1 < len(calls()) < 100


def test_another_error_is_raised_at_once(apt):
    calls = apt("E: Unable to locate package nothing")
    with pytest.raises(SandboxError, match="locate"):
        local_commands.run_apt_get(["install", "nothing"])
    assert len(calls()) == 1
