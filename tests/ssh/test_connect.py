"""Getting in: keys, host keys, the configuration, jumps, sudo; and each way of not getting in."""

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
from tests.ssh.server import make_key, start


def whoami(*words, **how):
    host = SshConnection(*words, **how)
    try:
        return host.run([Command("id -un; echo ${SUDO_USER:-none}")])[0].out.split()
    finally:
        host.close()


def refused(*words, **how):
    with pytest.raises(ConnectError) as fault:
        SshConnection(*words, **how)
    assert fault.value.exit_code == ExitCode.CONNECT_FAILED
    assert fault.value.hint, "what to type?"
    return f"{fault.value.message} → {fault.value.hint}"


def test_root_by_key(target):
    assert whoami(target()) == ["root", "none"]


def test_an_unknown_host_key_is_refused_asked_about_or_taken(target, tmp_path):
    known = str(tmp_path / "known")
    assert "is not known: SHA256:" in refused(target(known_hosts=known))
    assert "--accept-new" in refused(target(known_hosts=known), ask=lambda question: False)
    asked = []
    assert whoami(target(known_hosts=known), ask=lambda question: asked.append(question) or True) == ["root", "none"]
    assert len(asked) == 1
    assert whoami(target(known_hosts=known)) == ["root", "none"], "the key was kept"
    assert whoami(target(known_hosts=str(tmp_path / "other"), accept_new=True)) == ["root", "none"]


def test_a_changed_host_key_is_always_refused_with_both_fingerprints(target, tmp_path, server):
    make_key(tmp_path / "another")
    another = " ".join((tmp_path / "another.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {another}\n")
    told = refused(target(known_hosts=str(tmp_path / "known"), accept_new=True), ask=lambda question: True)
    assert told.count("SHA256:") == 2
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in told


def test_a_wrong_key_says_which_were_tried(target, tmp_path):
    make_key(tmp_path / "wrong")
    told = refused(target(key=str(tmp_path / "wrong")))
    assert f"does not let root in with {tmp_path}/wrong" in told
    assert "no such file" in refused(target(key=str(tmp_path / "none")))


def test_a_key_with_a_passphrase(target, server, tmp_path):
    subprocess.run(["cp", server.key, str(tmp_path / "locked")], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "sesame", "-f", str(tmp_path / "locked")], check=True)
    locked = target(key=str(tmp_path / "locked"))
    assert "has a passphrase; ssh-add it first" in refused(locked)
    assert whoami(locked, password=lambda question: Secret("sesame")) == ["root", "none"]
    assert "wrong passphrase" in refused(locked, password=lambda question: Secret("else"))


def test_hosts_that_are_not_there(target):
    assert "no such host name" in refused(target(host="no-such-host.invalid"))
    assert "cannot be reached" in refused(target(port=1))


def test_a_port_that_does_not_speak_ssh(target):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        import threading

        def answer():
            connection, _ = mute.accept()
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert "does not speak SSH" in refused(target(port=mute.getsockname()[1]))


def test_the_users_configuration_counts(target, server, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        f"Host cloud\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.key}\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {server.known_hosts}\n"
    )
    bare = target(host="cloud", port=0, user="", key="", known_hosts="", config_file=str(config))
    assert whoami(bare) == ["root", "none"]


def test_through_a_jump(target, server, tmp_path):
    config = tmp_path / "config"
    common = f" IdentityFile {server.key}\n IdentitiesOnly yes\n User root\n UserKnownHostsFile {server.known_hosts}\n"
    config.write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {server.port}\n{common}"
        f"Host inside\n HostName 127.0.0.1\n Port {server.port}\n ProxyJump gate\n{common}"
    )
    inside = target(host="inside", port=0, user="", key="", known_hosts="", config_file=str(config))
    assert whoami(inside) == ["root", "none"]


def test_sudo_without_a_password(target, users):
    assert whoami(target(user=NOPASS)) == ["root", NOPASS]


def test_sudo_with_a_password_asks_once(target, users):
    asked = []
    assert whoami(target(user=PASS), password=lambda question: asked.append(question) or Secret(PASSWORD)) == [
        "root",
        PASS,
    ]
    assert len(asked) == 1
    assert PASS in asked[0]
    assert "password was not taken" in refused(target(user=PASS), password=lambda question: Secret("wrong"))
    assert "run it on a terminal" in refused(target(user=PASS))


def test_no_right_to_become_root(target, users):
    told = refused(target(user=NOSUDO), password=lambda question: Secret(PASSWORD))
    assert f"{NOSUDO} is not allowed to become root by sudo" in told


def test_one_channel_is_enough(tmp_path, target):
    tmp_path.chmod(0o755)
    narrow = start(tmp_path, sessions=1)
    try:
        told = target(port=narrow.port, key=narrow.key, known_hosts=narrow.known_hosts)
        assert whoami(told) == ["root", "none"]
    finally:
        narrow.process.terminate()
        narrow.process.wait()


def test_the_command_line_says_it_in_a_sentence_too(server, tmp_path):
    tool = Tool(tmp_path)
    words = ["preflight", "--host", f"root@127.0.0.1:{server.port}", "--ssh-key", server.key, "--output", "json"]
    unknown = tool(*words)
    assert (unknown.code, unknown.out, "Traceback" in unknown.err) == (4, "", False)
    assert "--accept-new" in unknown.err
    checked = tool(*words, "--accept-new")
    assert checked.code in (0, 3), checked.err
    assert {finding["host"] for finding in checked.data["findings"]} == {"127.0.0.1"}
    assert tool(*words).code == checked.code, "the key was kept in the caller's known_hosts"
