"""known_hosts, ~/.ssh/config and private keys, damaged: skipped with a warning or refused with a sentence."""

from __future__ import annotations

import base64
import socketserver
import subprocess
import threading

import paramiko
import pytest
from hypothesis import given, settings

from packstack_lite.cli.app import cli
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import warn_once
from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.remote import known_hosts
from packstack_lite.remote.host_keys import KnownHosts
from packstack_lite.remote.keys import read_key
from packstack_lite.remote.session import connect
from packstack_lite.remote.ssh_config import SshTarget, parse_jump, resolve_ssh_target
from packstack_lite.secret import Secret
from tests.conftest import cli_runner
from tests.unit.damage import damaged

KEY_TYPES = {"ed25519": (), "ecdsa": (), "rsa": ("-b", "1024")}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A directory of key files: one of each type, one with a passphrase, one in the PEM format."""
    directory = tmp_path_factory.mktemp("keys")

    def make(name, kind, *options, passphrase=""):
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "x", "-f", str(directory / name), *options]
        subprocess.run(argv, check=True)

    for kind, options in KEY_TYPES.items():
        make(kind, kind, *options)
    make("closed", "ed25519", "-a", "1", passphrase="word")
    make("pem", "rsa", "-b", "1024", "-m", "PEM")
    return directory


@pytest.fixture(scope="module")
def public(keys):
    return {kind: (keys / f"{kind}.pub").read_bytes().strip() for kind in KEY_TYPES}


@pytest.fixture
def warnings():
    """The list that ``warn`` appends to."""
    return []


def known_hosts_text(public):
    """A known_hosts text with every form of line: plain, pattern, hashed, marked, and of an unknown key type."""
    salt = base64.b64encode(b"s" * 20).decode()
    hashed = paramiko.HostKeys.hash_host("cloud", f"|1|{salt}|").encode()
    blob = b"\0\0\0\x1ask-ssh-ed25519@openssh.com\0\0\0\x01x"
    return b"\n".join(
        [
            b"# kept by hand",
            b"cloud,198.18.0.9 " + public["ed25519"],
            b"*.example.com,!bad.example.com " + public["ecdsa"] + b" a comment with \xa9",
            hashed + b" " + public["rsa"],
            b"@cert-authority *.example.org " + public["rsa"],
            b"@revoked * " + public["ecdsa"],
            b"[cloud]:2222 " + public["rsa"],
            b"cloud sk-ssh-ed25519@openssh.com " + base64.b64encode(blob),
            b"",
        ]
    )


def to_key(line):
    """The key of a line ``TYPE BASE64``."""
    return paramiko.PKey.from_type_string(line.split()[0].decode(), base64.b64decode(line.split()[1]))


BROKEN = {
    "bad base64": b"cloud ssh-ed25519 AAAA\xa9AAA=",
    "one byte": b"\xa9",
    "NUL bytes": b"\0" * 80,
    "two fields": b"cloud ssh-ed25519",
    "a key cut short": b"cloud ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
    "a key of another type": b"cloud ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAAA==",
    "an unknown marker": b"@trusted cloud ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==",
    "a hashed name cut short": b"|1|c3Nz|c3Nz ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==",
    "half of a merge": b"<<<<<<< HEAD",
    "a very long line": b"x" * 1_000_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_skipped_with_a_warning_and_the_others_count(tmp_path, public, warnings, name):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"other " + public["rsa"] + b"\n" + BROKEN[name] + b"\ncloud " + public["ed25519"] + b"\n")
    known, revoked = known_hosts.read_host_keys(str(path), "cloud", warnings.append)
    assert (known, revoked) == ([to_key(public["ed25519"])], [])
    assert warnings == [f"{path}: line 2 is broken and was skipped; to remove: sed -i 2d {path}"]


def test_many_broken_lines_are_one_warning_whose_command_removes_them(tmp_path, public, warnings):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"a\nb\ncloud " + public["ed25519"] + b"\nc\n")
    known_hosts.read_host_keys(str(path), "cloud", warnings.append)
    (warning,) = warnings
    assert "lines 1, 2, 4 are broken" in warning
    subprocess.run(warning.partition("to remove: ")[2], shell=True, check=True)
    assert path.read_bytes() == b"cloud " + public["ed25519"] + b"\n"
    path.write_bytes(b"x\n" * 100)
    known_hosts.read_host_keys(str(path), "cloud", warnings.append)
    assert "lines 1, 2, 3, 4, 5 and 95 more are broken" in warnings[1]


def test_every_form_of_line_is_read(tmp_path, public, warnings):
    path = tmp_path / "known_hosts"
    path.write_bytes(known_hosts_text(public))
    one, two, three = (to_key(public[kind]) for kind in KEY_TYPES)
    for host, expected in {
        "cloud": [one, three],
        "CLOUD": [one],
        "198.18.0.9": [one],
        "a.example.com": [two],
        "bad.example.com": [],
        "a.example.org": [],
        "[cloud]:2222": [three],
        "c": [],
    }.items():
        assert known_hosts.read_host_keys(str(path), host, warnings.append) == (expected, [two]), host
    assert warnings == []


def test_a_revoked_key_is_refused(tmp_path, public, warnings):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"cloud " + public["ecdsa"] + b"\n@revoked * " + public["ecdsa"] + b"\n")
    target = SshTarget(
        "cloud", known_hosts_file=str(path), config_file=str(tmp_path / "none"), accept_new_host_key=True
    )
    with pytest.raises(ConnectError, match="@revoked"):
        KnownHosts(resolve_ssh_target(target), warnings.append).verify_key(to_key(public["ecdsa"]), None)


@pytest.mark.parametrize("kind", ["directory", "unreadable", "too large", "none", "device"])
def test_an_unreadable_file_is_named(tmp_path, warnings, monkeypatch, kind):
    path = tmp_path / "known_hosts"
    if kind == "directory":
        path.mkdir()
    elif kind == "unreadable":
        path.write_text("")
        monkeypatch.setattr("builtins.open", raise_permission_error)
    elif kind == "too large":
        path.write_bytes(b"\n" * (known_hosts.MAX_FILE_SIZE + 1))
    shown = "/dev/null" if kind == "device" else str(path)
    assert known_hosts.read_host_keys(shown, "cloud", warnings.append) == ([], [])
    expected = {"directory": "Is a directory", "unreadable": "Permission denied", "too large": "is larger than 16 MiB"}
    assert len(warnings) == (kind in expected)
    assert expected.get(kind, "") in "".join(warnings)


def raise_permission_error(path, *arguments, **options):
    raise PermissionError(13, "Permission denied", path)


def test_a_new_key_gets_its_own_line_after_a_missing_newline(tmp_path, public, warnings):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"other " + public["rsa"])
    target = SshTarget(
        "cloud", known_hosts_file=str(path), config_file=str(tmp_path / "none"), accept_new_host_key=True, port=22
    )
    KnownHosts(resolve_ssh_target(target), warnings.append).verify_key(to_key(public["ed25519"]), None)
    for host, kind in (("other", "rsa"), ("cloud", "ed25519")):
        assert known_hosts.read_host_keys(str(path), host, warnings.append)[0] == [to_key(public[kind])]
    assert warnings == []


def test_a_key_that_cannot_be_stored_is_a_warning(tmp_path, public, warnings):
    (tmp_path / "file").touch()
    target = SshTarget(
        "cloud", known_hosts_file=str(tmp_path / "file/known"), config_file="/nonexistent", accept_new_host_key=True
    )
    KnownHosts(resolve_ssh_target(target), warnings.append).verify_key(to_key(public["ed25519"]), None)
    assert "cannot be stored" in warnings[0]


@pytest.fixture
def silent_server():
    """A port that greets and closes; known_hosts is read as soon as it is connected."""

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"SSH-2.0-x\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("line", "is_warned"),
    [(BROKEN["bad base64"], True), (b"@cert-authority * ssh-rsa AAAA", True), (b"@x", True), (b"# \xa9\0", False)],
)
def test_the_command_line_goes_on_with_a_warning(tmp_path, silent_server, line, is_warned):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_bytes(line + b"\n")
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    outcome = cli_runner(env=env).invoke(cli, ["plan", "--host", f"root@127.0.0.1:{silent_server}"])
    assert isinstance(outcome.exception, SystemExit), outcome.exception
    assert outcome.exit_code == 4, outcome.stderr
    assert "no SSH connection on port" in outcome.stderr
    assert (f"warning: {tmp_path}/.ssh/known_hosts: line 1 is broken" in outcome.stderr) is is_warned


def test_a_warning_is_printed_once_in_a_run(capsys):
    options = Options(color="never")
    for _ in range(3):
        warn_once(options, "known_hosts: line 2 is broken")
    assert capsys.readouterr().err.count("line 2") == 1


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def test_no_damaged_known_hosts_raises(directory, public):
    path = directory / "known_hosts"

    @given(damaged(known_hosts_text(public)))
    def check(content):
        path.write_bytes(content)
        known, revoked = known_hosts.read_host_keys(str(path), "cloud", lambda text: None)
        assert all(isinstance(key, paramiko.PKey) for key in (*known, *revoked))

    check()


def test_no_damaged_private_key_raises(directory, keys):
    path = directory / "key"

    @settings(max_examples=60)
    @given(damaged(*((keys / name).read_bytes() for name in (*KEY_TYPES, "closed", "pem", "rsa.pub"))))
    def check(content):
        path.write_bytes(content)
        notes = []
        key = read_key(str(path), lambda question: Secret("word"), notes, True)
        assert bool(key) is not bool(notes)
        assert all(len(note.splitlines()) == 1 for note in notes)

    check()


def test_intact_private_keys_are_read(keys):
    notes = []
    for name in (*KEY_TYPES, "pem"):
        assert read_key(str(keys / name), None, notes, True), name
    assert read_key(str(keys / "closed"), lambda question: Secret("word"), notes, True)
    assert notes == []
    assert read_key(str(keys / "closed"), None, notes, True) is None
    assert read_key(str(keys / "closed"), lambda question: Secret("another"), notes, True) is None
    assert read_key(str(keys), None, notes, True) is None
    assert [note.partition(" (")[2] for note in notes] == [
        "has a passphrase; ssh-add it first)",
        "wrong passphrase)",
        "cannot be used: Is a directory)",
    ]


def test_a_damaged_certificate_of_a_key_is_noted(directory, keys):
    key = directory / "with-certificate"
    key.write_bytes((keys / "ed25519").read_bytes())
    (directory / "with-certificate-cert.pub").write_bytes(b"ssh-ed25519-cert-v01@openssh.com AAAA\n")
    notes = []
    assert read_key(str(key), None, notes, True) is None
    assert "cannot be used" in notes[0]


CONFIG = b"""\
# mine
Include ~/.ssh/more
Host cloud cl*
  HostName 198.18.0.9
  Port 2222
  User "admin"
  IdentityFile ~/.ssh/%h
  UserKnownHostsFile ~/.ssh/a ~/.ssh/b
  HostKeyAlias the-cloud
  ProxyJump me@jump:2022,other
  StrictHostKeyChecking = accept-new
Match host *.example.com user root
  IdentitiesOnly yes
Host *
  ProxyCommand none
"""


@given(damaged(CONFIG))
def test_no_damaged_configuration_gives_more_than_a_usage_error(directory, content):
    path = directory / "config"
    path.write_bytes(content)
    target = SshTarget("cloud", config_file=str(path))
    try:
        route = resolve_ssh_target(target)
        for jump in route.jump_hosts:
            parse_jump(jump, target)
    except UsageError as caught:
        assert caught.message.startswith(str(path))
        assert caught.hint
        assert caught.message.isprintable()
    else:
        assert 0 < route.port < 65536
        assert all(value.isprintable() and value for value in (route.user, route.address, route.host_key_alias))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"Host cloud\n  Port many\n", ":2: Port 'many' is not a number"),
        (b"Port 70000\n", ":1: Port '70000' is not a number"),
        (b"Host cloud\n\n  Unfinished\n", ":3: the line is not valid"),
        (b"\0\0\0\n", ":1: the line is not valid"),
        (b'Host cloud\n  HostName ""\n', ":2: hostname '' is not valid"),
        (b"Host cloud\n  User \xa9\n", ":2: the line is not valid"),
        (b"CanonicalizeHostname yes\n", " cannot be used: "),
        (b"CanonicalizeMaxDots x\n", " cannot be used: "),
        (b"ProxyJump a b\n", ": ProxyJump 'a b' names no host"),
        (b"ProxyJump a:99999\n", ": ProxyJump 'a:99999' names no host"),
        (b"ProxyJump cloud\n", ": ProxyJump is a loop: cloud → cloud"),
        (b"Host cloud\nProxyJump b\nHost b\nProxyJump cloud\n", ": ProxyJump is a loop: cloud → b → cloud"),
    ],
)
def test_an_unusable_configuration_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        connect(SshTarget("cloud", config_file=str(path)))
    assert f"{path}{message}" in caught.value.message
    assert caught.value.hint


def test_a_directory_in_place_of_the_configuration_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a directory"):
        resolve_ssh_target(SshTarget("cloud", config_file=str(tmp_path)))


def test_bytes_that_are_not_utf_8_are_errors_only_in_used_options(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"# caf\xe9\nHost caf\xe9\n  Port 1\nHost cloud\n  Port 2222\n  UserKnownHostsFile none\n")
    route = resolve_ssh_target(SshTarget("cloud", config_file=str(path)))
    assert (route.port, route.known_hosts_files[0]) == (2222, "/dev/null")


def test_an_unknown_user_s_home_counts_as_a_missing_file(tmp_path):
    path = tmp_path / "config"
    path.write_text("UserKnownHostsFile ~nobody-here/known\n")
    assert resolve_ssh_target(SshTarget("cloud", config_file=str(path))).known_hosts_files[0] == "~nobody-here/known"


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        ("jump", ("", "jump", 0)),
        ("me@jump:2022", ("me", "jump", 2022)),
        ("ssh://me@[::1]:22/", ("me", "::1", 22)),
        ("[::1]", ("", "::1", 0)),
    ],
)
def test_an_entry_of_proxyjump_is_parsed(jump, expected):
    target = parse_jump(jump, SshTarget("cloud", config_file="/c", accept_new_host_key=True))
    assert (target.user, target.host, target.port) == expected
    assert (target.config_file, target.accept_new_host_key) == ("/c", True)


@pytest.mark.parametrize("name", ["a..b", "x" * 70 + ".example"])
def test_an_invalid_host_name_is_refused(tmp_path, name):
    with pytest.raises(ConnectError, match="host name cannot be resolved"):
        connect(SshTarget(name, config_file=str(tmp_path / "none")))


def test_a_file_larger_than_any_private_key_is_not_read(tmp_path):
    """cryptography takes quadratic time for many beginnings of a key."""
    path, notes = tmp_path / "id_rsa", []
    path.write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA==" * 100_000)
    assert read_key(str(path), None, notes, True) is None
    assert notes == [f"{path} (cannot be used: larger than any private key)"]
