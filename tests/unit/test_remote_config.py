"""What ~/.ssh/config, the caller and ssh's own defaults make of a target together."""

from __future__ import annotations

import getpass

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.remote.ssh_config import SshTarget, resolve_ssh_target


@pytest.fixture
def told(tmp_path):
    """Resolve a target against a configuration file with this text."""

    def resolved(text, **target):
        config = tmp_path / "config"
        config.write_text(text)
        return resolve_ssh_target(SshTarget(**{"host": "cloud", "config_file": str(config), **target}))

    return resolved


def test_without_a_configuration_ssh_s_own_defaults_hold(tmp_path):
    route = resolve_ssh_target(SshTarget("cloud", config_file=str(tmp_path / "none")))
    assert (route.address, route.port, route.user, route.jump_hosts) == ("cloud", 22, getpass.getuser(), ())
    assert (route.accept_new_host_key, route.identities_only, route.host_key_alias) == (False, False, "cloud")


def test_the_configuration_fills_what_the_caller_left_open(told):
    route = told("Host cloud\n HostName 198.18.0.9\n Port 2222\n User admin\n IdentityFile /k\n IdentitiesOnly yes\n")
    assert (route.address, route.port, route.user) == ("198.18.0.9", 2222, "admin")
    assert (route.key_files, route.identities_only, route.host_key_alias) == (("/k",), True, "[198.18.0.9]:2222")


def test_the_caller_has_the_last_word(told):
    text = "Host *\n Port 2222\n User admin\n IdentityFile /k\n"
    route = told(text, user="root", port=22, key="/mine", known_hosts="/known")
    assert (route.user, route.port, route.keys, route.identities_only) == ("root", 22, ("/mine",), True)
    assert route.known_hosts[0] == "/known"


@pytest.mark.parametrize(("word", "taken"), [("accept-new", True), ("no", True), ("yes", False), ("ask", False)])
def test_strict_host_key_checking(told, word, taken):
    assert told(f"StrictHostKeyChecking {word}\n").accept_new_host_key is taken


def test_an_alias_stands_in_known_hosts_without_a_port(told):
    assert told("HostKeyAlias the-cloud\nPort 2222\n").host_key_alias == "the-cloud"


@pytest.mark.parametrize(("word", "jumps"), [("none", ()), ("a", ("a",)), ("me@a:2222, b", ("me@a:2222", "b"))])
def test_jumps(told, word, jumps):
    assert told(f"ProxyJump {word}\n").jump_hosts == jumps


def test_a_configuration_that_cannot_be_read_is_named(told, tmp_path):
    with pytest.raises(UsageError) as fault:
        told("Host 'unfinished\n")
    assert str(tmp_path / "config") in fault.value.message
    assert "ssh -G" in fault.value.hint
