"""Connecting: keys, host keys, ~/.ssh/config, jump hosts, sudo, and every error on the way."""

from __future__ import annotations

import socket
import subprocess

import pytest

from packstack_lite.errors import ConnectError, ExitCode
from packstack_lite.remote.command import Command
from packstack_lite.remote.connections import SshConnection
from packstack_lite.secret import Secret
from tests.conftest import Tool
from tests.ssh.conftest import NOPASS, NOSUDO, PASS, PASSWORD
from tests.ssh.server import make_key, start_server


def login(target, **options):
    """The user of the root shell, and the user that sudo was called by."""
    connection = SshConnection(target, **options)
    try:
        return connection.run([Command("id -un; echo ${SUDO_USER:-none}")])[0].out.split()
    finally:
        connection.close()


def connect_error(target, **options):
    """The message and hint of the ConnectError that the connection raises."""
    with pytest.raises(ConnectError) as caught:
        SshConnection(target, **options)
    assert caught.value.exit_code == ExitCode.CONNECT_FAILED
    assert caught.value.hint, "the hint says what to type"
    return f"{caught.value.message} → {caught.value.hint}"


def test_root_logs_in_by_key(target):
    assert login(target()) == ["root", "none"]


def test_an_unknown_host_key_is_refused_confirmed_or_accepted(target, tmp_path):
    known = str(tmp_path / "known")
    assert "is not known: SHA256:" in connect_error(target(known_hosts_file=known))
    assert "--accept-new" in connect_error(target(known_hosts_file=known), confirm=lambda question: False)
    asked = []
    assert login(target(known_hosts_file=known), confirm=lambda question: asked.append(question) or True) == [
        "root",
        "none",
    ]
    assert len(asked) == 1
    assert login(target(known_hosts_file=known)) == ["root", "none"], "the key was stored"
    assert login(target(known_hosts_file=str(tmp_path / "other"), accept_new_host_key=True)) == ["root", "none"]


def test_a_changed_host_key_is_always_refused_with_both_fingerprints(target, tmp_path, server):
    make_key(tmp_path / "another")
    another = " ".join((tmp_path / "another.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {another}\n")
    message = connect_error(
        target(known_hosts_file=str(tmp_path / "known"), accept_new_host_key=True), confirm=lambda question: True
    )
    assert message.count("SHA256:") == 2
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in message


def test_the_error_names_the_keys_that_were_tried(target, tmp_path):
    make_key(tmp_path / "wrong")
    message = connect_error(target(key_file=str(tmp_path / "wrong")))
    assert f"cannot log in as root with {tmp_path}/wrong" in message
    assert "no such file" in connect_error(target(key_file=str(tmp_path / "none")))


def test_a_passphrase_is_asked_for(target, server, tmp_path):
    subprocess.run(["cp", server.key, str(tmp_path / "locked")], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "sesame", "-f", str(tmp_path / "locked")], check=True)
    locked = target(key_file=str(tmp_path / "locked"))
    assert "has a passphrase; ssh-add it first" in connect_error(locked)
    assert login(locked, ask_password=lambda question: Secret("sesame")) == ["root", "none"]
    assert "wrong passphrase" in connect_error(locked, ask_password=lambda question: Secret("else"))


def test_unknown_and_unreachable_hosts_are_distinguished(target):
    assert "host name cannot be resolved" in connect_error(target(host="no-such-host.invalid"))
    assert "cannot be reached" in connect_error(target(port=1))


def test_a_port_without_ssh_is_named(target):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        import threading

        def answer():
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert "no SSH connection on port" in connect_error(target(port=listener.getsockname()[1]))


def test_the_user_s_ssh_configuration_counts(target, server, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        f"Host cloud\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.key}\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {server.known_hosts}\n"
    )
    bare = target(host="cloud", port=0, user="", key_file="", known_hosts_file="", config_file=str(config))
    assert login(bare) == ["root", "none"]


def test_proxyjump_is_followed(target, server, tmp_path):
    config = tmp_path / "config"
    common = f" IdentityFile {server.key}\n IdentitiesOnly yes\n User root\n UserKnownHostsFile {server.known_hosts}\n"
    config.write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {server.port}\n{common}"
        f"Host inside\n HostName 127.0.0.1\n Port {server.port}\n ProxyJump gate\n{common}"
    )
    inside = target(host="inside", port=0, user="", key_file="", known_hosts_file="", config_file=str(config))
    assert login(inside) == ["root", "none"]


def test_sudo_without_a_password(target, users):
    assert login(target(user=NOPASS)) == ["root", NOPASS]


def test_sudo_with_a_password_asks_once(target, users):
    asked = []
    assert login(target(user=PASS), ask_password=lambda question: asked.append(question) or Secret(PASSWORD)) == [
        "root",
        PASS,
    ]
    assert len(asked) == 1
    assert PASS in asked[0]
    assert "password was refused" in connect_error(target(user=PASS), ask_password=lambda question: Secret("wrong"))
    assert "run it on a terminal" in connect_error(target(user=PASS))


def test_a_user_without_sudo_rights_is_refused(target, users):
    message = connect_error(target(user=NOSUDO), ask_password=lambda question: Secret(PASSWORD))
    assert f"{NOSUDO} cannot become root with sudo" in message


def test_max_sessions_1_is_enough(tmp_path, target):
    tmp_path.chmod(0o755)
    narrow = start_server(tmp_path, sessions=1)
    try:
        message = target(port=narrow.port, key_file=narrow.key, known_hosts_file=narrow.known_hosts)
        assert login(message) == ["root", "none"]
    finally:
        narrow.process.terminate()
        narrow.process.wait()


def test_the_command_line_reports_an_unknown_host_key(server, tmp_path):
    tool = Tool(tmp_path)
    arguments = ["preflight", "--host", f"root@127.0.0.1:{server.port}", "--ssh-key", server.key, "--output", "json"]
    unknown = tool(*arguments)
    assert (unknown.code, unknown.out, "Traceback" in unknown.err) == (4, "", False)
    assert "--accept-new" in unknown.err
    checked = tool(*arguments, "--accept-new")
    assert checked.code in (0, 3), checked.err
    assert {finding["host"] for finding in checked.data["findings"]} == {"127.0.0.1"}
    assert tool(*arguments).code == checked.code, "the key was stored in the caller's known_hosts"
