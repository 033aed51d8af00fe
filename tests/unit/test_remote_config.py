"""How the caller's options, ~/.ssh/config and ssh's defaults combine."""

from __future__ import annotations

import getpass

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.remote.ssh_config import SshTarget, resolve_ssh_target


@pytest.fixture
def resolve(tmp_path):
    """A function that resolves a target against a configuration file with this text."""

    def resolve_with(text, **target):
        config = tmp_path / "config"
        config.write_text(text)
        return resolve_ssh_target(SshTarget(**{"host": "cloud", "config_file": str(config), **target}))

    return resolve_with


def test_without_a_configuration_ssh_s_defaults_count(tmp_path):
    route = resolve_ssh_target(SshTarget("cloud", config_file=str(tmp_path / "none")))
    assert (route.address, route.port, route.user, route.jump_hosts) == ("cloud", 22, getpass.getuser(), ())
    assert (route.accept_new_host_key, route.identities_only, route.host_key_alias) == (False, False, "cloud")


def test_the_configuration_supplies_missing_options(resolve):
    route = resolve(
        "Host cloud\n HostName 198.18.0.9\n Port 2222\n User admin\n IdentityFile /k\n IdentitiesOnly yes\n"
    )
    assert (route.address, route.port, route.user) == ("198.18.0.9", 2222, "admin")
    assert (route.key_files, route.identities_only, route.host_key_alias) == (("/k",), True, "[198.18.0.9]:2222")


def test_the_caller_s_options_win(resolve):
    text = "Host *\n Port 2222\n User admin\n IdentityFile /k\n"
    route = resolve(text, user="root", port=22, key_file="/mine", known_hosts_file="/known")
    assert (route.user, route.port, route.key_files, route.identities_only) == ("root", 22, ("/mine",), True)
    assert route.known_hosts_files[0] == "/known"


@pytest.mark.parametrize(("value", "is_accepted"), [("accept-new", True), ("no", True), ("yes", False), ("ask", False)])
def test_strict_host_key_checking_decides_about_new_keys(resolve, value, is_accepted):
    assert resolve(f"StrictHostKeyChecking {value}\n").accept_new_host_key is is_accepted


def test_host_key_alias_has_no_port(resolve):
    assert resolve("HostKeyAlias the-cloud\nPort 2222\n").host_key_alias == "the-cloud"


@pytest.mark.parametrize(("value", "jumps"), [("none", ()), ("a", ("a",)), ("me@a:2222, b", ("me@a:2222", "b"))])
def test_proxyjump_is_split_into_hosts(resolve, value, jumps):
    assert resolve(f"ProxyJump {value}\n").jump_hosts == jumps


def test_an_invalid_configuration_is_named(resolve, tmp_path):
    with pytest.raises(UsageError) as caught:
        resolve("Host 'unfinished\n")
    assert str(tmp_path / "config") in caught.value.message
    assert "ssh -G" in caught.value.hint
