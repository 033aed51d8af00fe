"""Which host key is asked for and taken: hashed names, kinds of keys, the words of ~/.ssh/config."""

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
from tests.ssh.server import run, start


def answers(*words, **how):
    host = SshConnection(*words, **how)
    try:
        return host.run([Command("id -u")])[0].out == "0\n"
    finally:
        host.close()


def configured(target, server, tmp_path, *lines):
    """A target all of whose particulars stand in a configuration file."""
    config = tmp_path / "config"
    told = (
        "HostName 127.0.0.1", f"Port {server.port}", f"IdentityFile {server.key}", "IdentitiesOnly yes", "User root",
    )  # fmt: skip
    config.write_text("Host cloud\n" + "".join(f"  {line}\n" for line in (*told, *lines)))
    return target(host="cloud", port=0, user="", key="", known_hosts="", config_file=str(config))


def test_hashed_names_are_found(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_text(Path(server.known_hosts).read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert answers(target(known_hosts=str(known)))


def test_broken_lines_are_passed_over_with_a_warning(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_bytes(b"127.0.0.1 ssh-ed25519 AAA\xa9=\n@cert-authority * x\n" + Path(server.known_hosts).read_bytes())
    warnings = []
    assert answers(target(known_hosts=str(known)), warn=warnings.append)
    assert [warning.partition(";")[0] for warning in warnings] == [f"{known}: lines 1, 2 are broken and were skipped"]


def test_a_revoked_key_is_refused_although_it_is_known(target, server, tmp_path):
    known = tmp_path / "known"
    line = Path(server.known_hosts).read_text()
    known.write_text(f"{line}@revoked * {line.split(' ', 1)[1]}")
    with pytest.raises(ConnectError, match="@revoked"):
        SshConnection(target(known_hosts=str(known)))


def test_another_machines_hashed_name_does_not_count(target, server, tmp_path):
    known = tmp_path / "known"
    known.write_text(Path(server.known_hosts).read_text().replace("127.0.0.1", "198.18.0.1"))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    with pytest.raises(ConnectError, match="is not known"):
        SshConnection(target(known_hosts=str(known)))


def test_a_kind_of_key_that_is_known_is_asked_for(target, tmp_path):
    two = start(tmp_path)
    try:
        second = tmp_path / "host_ecdsa"
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(second)], check=True)
        with (tmp_path / "sshd_config").open("a") as config:
            config.write(f"HostKey {second}\n")
        two.process.terminate()
        two.process.wait()
        two.process = run(tmp_path, two.port)
        for kind in ("ed25519", "ecdsa"):
            public = (tmp_path / f"host_{kind}.pub").read_text().split()[:2]
            (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{two.port} {' '.join(public)}\n")
            assert answers(target(port=two.port, key=two.key, known_hosts=two.known_hosts)), kind
    finally:
        two.process.terminate()
        two.process.wait()


def test_accept_new_in_the_configuration_takes_and_keeps_it(target, server, tmp_path):
    known = tmp_path / "known"
    told = configured(target, server, tmp_path, f"UserKnownHostsFile {known}", "StrictHostKeyChecking accept-new")
    assert answers(told)
    assert f"[127.0.0.1]:{server.port} ssh-ed25519" in known.read_text()


def test_an_alias_names_the_host_in_known_hosts(target, server, tmp_path):
    known = tmp_path / "known"
    lines = (f"UserKnownHostsFile {known}", "HostKeyAlias the-cloud")
    key = " ".join(Path(server.known_hosts).read_text().split()[1:])
    known.write_text(f"the-cloud {key}\n")
    assert answers(configured(target, server, tmp_path, *lines))


def test_a_key_that_changes_between_two_runs_is_refused(target, tmp_path):
    made = start(tmp_path)
    try:
        told = target(port=made.port, key=made.key, known_hosts=made.known_hosts, accept_new=True)
        assert answers(told)
        made.new_host_key()
        with pytest.raises(ConnectError, match="has changed"):
            SshConnection(told)
    finally:
        made.process.terminate()
        made.process.wait()


def test_one_channel_is_enough_for_sudo_too(target, users, tmp_path_factory):
    narrow = start(tmp_path_factory.mktemp("narrow"), sessions=1)
    # The keys are read as the user who logs in, so the way to them is open.
    for path in (narrow.home, *narrow.home.parents):
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    try:
        told = {"port": narrow.port, "key": narrow.key, "known_hosts": narrow.known_hosts}
        for _ in range(3):
            assert answers(target(user=NOPASS, **told))
            assert answers(target(user=PASS, **told), password=lambda question: Secret(PASSWORD))
    finally:
        narrow.process.terminate()
        narrow.process.wait()


def test_a_forced_command_is_quoted_to_the_user(target, tmp_path):
    made = start(tmp_path)
    try:
        keys = tmp_path / "authorized_keys"
        keys.write_text("command=\"echo 'Please login as the user cloud.'\" " + keys.read_text())
        with pytest.raises(ConnectError, match=r"Please login as the user cloud\.") as fault:
            SshConnection(target(port=made.port, key=made.key, known_hosts=made.known_hosts))
        assert "USER@HOST" in fault.value.hint
    finally:
        made.process.terminate()
        made.process.wait()
