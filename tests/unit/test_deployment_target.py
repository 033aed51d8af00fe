"""Choose the machine to connect to; recognize the owner of a lock."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from packstack_lite.deployment import ConnectionOptions, NodeSelection, connection_target
from packstack_lite.engine.lock import lock_owner, owner_is_gone
from packstack_lite.errors import UsageError


@pytest.mark.parametrize(
    ("text", "user", "address", "port"),
    [
        ("cloud1", None, "cloud1", None),
        ("root@198.18.1.10", "root", "198.18.1.10", None),
        ("admin@cloud1:2222", "admin", "cloud1", 2222),
        ("[::1]:22", None, "::1", 22),
        ("root@::1", "root", "::1", None),
        ("::1", None, "::1", None),
    ],
)
def test_a_host_is_parsed(text, user, address, port):
    target = connection_target.parse_target(text)
    assert (target.user, target.address, target.port) == (user, address, port)


@pytest.mark.parametrize("text", ["", "a b", "@host", "host:", "host:0", "host:99999", "host:ssh", "user@"])
def test_an_invalid_host_is_refused(text):
    with pytest.raises(UsageError):
        connection_target.parse_target(text)


def test_host_and_sandbox_exclude_each_other():
    with pytest.raises(UsageError, match="exclude"):
        connection_target.choose_target(NodeSelection(host="a", sandbox="aio"))


@pytest.mark.parametrize("options", [NodeSelection(distro="debian13"), NodeSelection(distro="debian13", host="a")])
def test_distro_without_a_sandbox_is_refused(options):
    with pytest.raises(UsageError, match="no sandbox is named"):
        connection_target.choose_target(options, controller="198.18.1.10")


def test_a_sandbox_is_created_with_the_requested_distro(monkeypatch):
    requests = []

    class Stop(Exception):
        pass

    def up(name, progress, distro, kind):
        assert kind is None
        requests.append((name, distro))
        raise Stop

    monkeypatch.setattr(connection_target.sandbox, "up", up)
    for distro in ("debian13", None):
        with pytest.raises(Stop):
            connection_target.choose_target(NodeSelection(sandbox="a", distro=distro), create_sandbox=True)
    assert requests == [("a", "debian13"), ("a", None)]


def test_a_missing_host_is_refused_with_a_hint():
    with pytest.raises(UsageError) as caught:
        connection_target.choose_target(NodeSelection())
    assert "--sandbox" in caught.value.hint


def test_a_named_host_wins_over_the_answers():
    assert connection_target.choose_target(NodeSelection(host="cloud1"), controller="198.18.1.10").address == "cloud1"


def test_the_controller_in_the_answers_is_the_target():
    target = connection_target.choose_target(NodeSelection(), controller="198.18.1.10")
    assert target.address == "198.18.1.10"
    assert not target.is_local


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may work on this machine without SSH")
def test_root_needs_no_ssh_to_this_machine():
    assert connection_target.choose_target(NodeSelection(), controller="127.0.0.1").is_local


def test_other_users_go_through_ssh(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not connection_target.choose_target(NodeSelection(), controller="127.0.0.1").is_local


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may work on this machine without SSH")
def test_root_needs_no_ssh_to_this_machine_if_it_is_named():
    assert connection_target.choose_target(NodeSelection(host="127.0.0.1")).is_local


@pytest.mark.parametrize(
    ("host", "connection"),
    [
        ("root@127.0.0.1", ConnectionOptions()),
        ("127.0.0.1:2222", ConnectionOptions()),
        ("127.0.0.1", ConnectionOptions(ssh_key=Path("key"))),
        ("127.0.0.1", ConnectionOptions(ssh_config=Path("config"))),
    ],
)
def test_a_user_a_port_or_a_key_asks_for_ssh_even_to_this_machine(host, connection):
    assert not connection_target.choose_target(NodeSelection(host=host), connection).is_local


def test_own_addresses_are_recognized():
    assert connection_target.is_this_machine("127.0.0.1")
    assert not connection_target.is_this_machine("198.19.255.1")
    assert not connection_target.is_this_machine("no-such-name.invalid")


def test_a_lock_owner_is_gone_when_its_process_has_ended():
    process = subprocess.Popen(["true"])
    process.wait()
    assert owner_is_gone(lock_owner(process.pid))
    assert not owner_is_gone(lock_owner())
    assert not owner_is_gone(f"somebody@elsewhere (process {process.pid})")
    assert not owner_is_gone("somebody who has not said who")


@pytest.mark.parametrize("name", ["a..b", "x" * 70, "\u202ec", "a\0b"])
def test_a_name_that_cannot_be_encoded_is_as_one_that_does_not_resolve(name):
    """getaddrinfo raises UnicodeError or ValueError for it, and no OSError."""
    assert connection_target.resolve_address(name) == name
    assert connection_target.is_this_machine(name) is False
