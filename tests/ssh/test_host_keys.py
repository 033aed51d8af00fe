"""Host keys: hashed names, key types, and the options of ~/.ssh/config."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from packstack_lite.errors import ConnectError
from packstack_lite.remote.command import Command
from packstack_lite.remote.connections import SshConnection
from packstack_lite.secret import Secret
from tests.ssh.conftest import NOPASS, PASS, PASSWORD
from tests.ssh.server import start_server, start_sshd


def becomes_root(target, **options):
    """Whether a connection opens a root shell."""
    connection = SshConnection(target, **options)
    try:
        return connection.run([Command("id -u")])[0].out == "0\n"
    finally:
        connection.close()


def configured(target, server, tmp_path, *lines):
    """A target whose options are all in a configuration file."""
    config = tmp_path / "config"
    options = (
        "HostName 127.0.0.1", f"Port {server.port}", f"IdentityFile {server.key}", "IdentitiesOnly yes", "User root",
    )  # fmt: skip
    config.write_text("Host cloud\n" + "".join(f"  {line}\n" for line in (*options, *lines)))
    return target(host="cloud", port=0, user="", key_file="", known_hosts_file="", config_file=str(config))


def test_hashed_names_are_found(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_text(Path(server.known_hosts).read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert becomes_root(target(known_hosts_file=str(known)))


def test_broken_lines_are_skipped_with_a_warning(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_bytes(b"127.0.0.1 ssh-ed25519 AAA\xa9=\n@cert-authority * x\n" + Path(server.known_hosts).read_bytes())
    warnings = []
    assert becomes_root(target(known_hosts_file=str(known)), warn=warnings.append)
    assert [warning.partition(";")[0] for warning in warnings] == [f"{known}: lines 1, 2 are broken and were skipped"]


def test_a_revoked_key_is_refused_although_it_is_known(target, server, tmp_path):
    known = tmp_path / "known"
    line = Path(server.known_hosts).read_text()
    known.write_text(f"{line}@revoked * {line.split(' ', 1)[1]}")
    with pytest.raises(ConnectError, match="@revoked"):
        SshConnection(target(known_hosts_file=str(known)))


def test_another_host_s_hashed_name_does_not_count(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_text(Path(server.known_hosts).read_text().replace("127.0.0.1", "198.18.0.1"))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    with pytest.raises(ConnectError, match="is not known"):
        SshConnection(target(known_hosts_file=str(known)))


def test_the_key_type_in_known_hosts_is_preferred(target, tmp_path):
    two = start_server(tmp_path)
    try:
        second = tmp_path / "host_ecdsa"
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(second)], check=True)
        with (tmp_path / "sshd_config").open("a") as config:
            config.write(f"HostKey {second}\n")
        two.process.terminate()
        two.process.wait()
        two.process = start_sshd(tmp_path, two.port)
        for key_type in ("ed25519", "ecdsa"):
            public = (tmp_path / f"host_{key_type}.pub").read_text().split()[:2]
            (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{two.port} {' '.join(public)}\n")
            assert becomes_root(target(port=two.port, key_file=two.key, known_hosts_file=two.known_hosts)), key_type
    finally:
        two.process.terminate()
        two.process.wait()


def test_accept_new_in_the_configuration_stores_the_key(target, server, tmp_path):
    known = tmp_path / "known"
    options = configured(target, server, tmp_path, f"UserKnownHostsFile {known}", "StrictHostKeyChecking accept-new")
    assert becomes_root(options)
    assert f"[127.0.0.1]:{server.port} ssh-ed25519" in known.read_text()


def test_host_key_alias_names_the_host_in_known_hosts(target, server, tmp_path):
    known = tmp_path / "known"
    lines = (f"UserKnownHostsFile {known}", "HostKeyAlias the-cloud")
    key = " ".join(Path(server.known_hosts).read_text().split()[1:])
    known.write_text(f"the-cloud {key}\n")
    assert becomes_root(configured(target, server, tmp_path, *lines))


def test_a_key_that_changes_between_two_runs_is_refused(target, tmp_path):
    server = start_server(tmp_path)
    try:
        options = target(
            port=server.port, key_file=server.key, known_hosts_file=server.known_hosts, accept_new_host_key=True
        )
        assert becomes_root(options)
        server.change_host_key()
        with pytest.raises(ConnectError, match="has changed"):
            SshConnection(options)
    finally:
        server.process.terminate()
        server.process.wait()


def test_max_sessions_1_is_enough_for_sudo(target, users, tmp_path_factory):
    narrow = start_server(tmp_path_factory.mktemp("narrow"), sessions=1)
    # sshd reads authorized_keys as the user who logs in, who must be able to enter its directories.
    for path in (narrow.home, *narrow.home.parents):
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    try:
        options = {"port": narrow.port, "key_file": narrow.key, "known_hosts_file": narrow.known_hosts}
        for _ in range(3):
            assert becomes_root(target(user=NOPASS, **options))
            assert becomes_root(target(user=PASS, **options), ask_password=lambda question: Secret(PASSWORD))
    finally:
        narrow.process.terminate()
        narrow.process.wait()


def test_a_forced_command_is_quoted_to_the_user(target, tmp_path):
    server = start_server(tmp_path)
    try:
        keys = tmp_path / "authorized_keys"
        keys.write_text("command=\"echo 'Please login as the user cloud.'\" " + keys.read_text())
        with pytest.raises(ConnectError, match=r"Please login as the user cloud\.") as caught:
            SshConnection(target(port=server.port, key_file=server.key, known_hosts_file=server.known_hosts))
        assert "USER@HOST" in caught.value.hint
    finally:
        server.process.terminate()
        server.process.wait()
