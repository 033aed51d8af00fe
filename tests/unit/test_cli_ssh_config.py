"""``--ssh-config``: another file instead of ~/.ssh/config, as ``ssh -F``."""

from __future__ import annotations

import pytest

from packstack_lite.cli.app import cli
from packstack_lite.deployment import ConnectionOptions, connection
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.options import NO_CALLBACKS
from packstack_lite.errors import ExitCode
from packstack_lite.remote.ssh_config import resolve_ssh_target
from tests.conftest import cli_runner

# What `vagrant ssh-config` writes, the address added to the name.
VAGRANT = """\
Host debian12 198.18.3.12
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/a path/private_key"
  IdentitiesOnly yes
  LogLevel FATAL
"""


def open_connection(address, ssh_config=None):
    connection.open_connection(ConnectionTarget(address), ConnectionOptions(ssh_config=ssh_config), NO_CALLBACKS)


@pytest.fixture
def routes(monkeypatch):
    """Record the resolved targets instead of connecting."""
    targets = []
    monkeypatch.setattr(
        connection, "SshConnection", lambda target, **policy: targets.append(resolve_ssh_target(target))
    )
    return targets


def test_the_file_decides_how_the_host_is_reached(routes, tmp_path):
    config = tmp_path / "ssh-config"
    config.write_text(VAGRANT)
    open_connection("198.18.3.12", config)
    (route,) = routes
    assert (route.name, route.address, route.port, route.user) == ("198.18.3.12", "127.0.0.1", 2222, "vagrant")
    assert (route.key_files, route.identities_only, route.accept_new_host_key) == (
        ("/a path/private_key",),
        True,
        True,
    )
    assert route.known_hosts_files[0] == "/dev/null"


def test_the_users_own_file_is_not_read_then(routes, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\n Port 2022\n User somebody\n")
    (tmp_path / "other").write_text("Host *\n Port 3022\n")
    open_connection("cloud")
    open_connection("cloud", tmp_path / "other")
    assert [(route.port, route.user == "somebody") for route in routes] == [(2022, True), (3022, False)]


def test_a_missing_file_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "none"
    with pytest.raises(SystemExit) as ended:
        cli.main(args=["preflight", "--host", "cloud", "--ssh-config", str(path)])
    assert ended.value.code == ExitCode.USAGE


def test_the_help_lists_the_option_with_those_of_all_verbs():
    assert "--ssh-config FILE" in cli_runner().invoke(cli, ["--help"]).output
