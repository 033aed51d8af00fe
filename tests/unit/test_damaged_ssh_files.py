"""known_hosts, ~/.ssh/config and private keys, damaged: skipped with a warning or refused with a sentence."""

from __future__ import annotations

import base64
import socketserver
import subprocess
import threading

import paramiko
import pytest
from hypothesis import given, settings

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import warn_once
from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.remote import known_hosts
from packstack_lite.remote.host_keys import KnownHosts
from packstack_lite.remote.keys import read_key
from packstack_lite.remote.session import connect
from packstack_lite.remote.ssh_config import SshTarget, jump_target, resolve_ssh_target
from packstack_lite.secret import Secret
from tests.conftest import Tool
from tests.unit.damage import damaged

KINDS = {"ed25519": (), "ecdsa": (), "rsa": ("-b", "1024")}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A key file of each kind, one with a passphrase, and one in the old format."""
    place = tmp_path_factory.mktemp("keys")

    def make(name, kind, *words, passphrase=""):
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "x", "-f", str(place / name), *words]
        subprocess.run(argv, check=True)

    for kind, words in KINDS.items():
        make(kind, kind, *words)
    make("closed", "ed25519", "-a", "1", passphrase="word")
    make("pem", "rsa", "-b", "1024", "-m", "PEM")
    return place


@pytest.fixture(scope="module")
def public(keys):
    return {kind: (keys / f"{kind}.pub").read_bytes().strip() for kind in KINDS}


@pytest.fixture
def told():
    """Collect what is warned of."""
    return []


def text_of(public):
    """A known_hosts with every form of line: plain, pattern, hashed, marked, of a kind that is not known here."""
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


def key_of(line):
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
def test_a_broken_line_is_skipped_and_named_and_the_others_count(tmp_path, public, told, name):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"other " + public["rsa"] + b"\n" + BROKEN[name] + b"\ncloud " + public["ed25519"] + b"\n")
    known, revoked = known_hosts.read(str(path), "cloud", told.append)
    assert (known, revoked) == ([key_of(public["ed25519"])], [])
    assert told == [f"{path}: line 2 is broken and was skipped; to remove: sed -i 2d {path}"]


def test_many_broken_lines_are_one_warning_whose_command_removes_them(tmp_path, public, told):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"a\nb\ncloud " + public["ed25519"] + b"\nc\n")
    known_hosts.read(str(path), "cloud", told.append)
    (warning,) = told
    assert "lines 1, 2, 4 are broken" in warning
    subprocess.run(warning.partition("to remove: ")[2], shell=True, check=True)
    assert path.read_bytes() == b"cloud " + public["ed25519"] + b"\n"
    path.write_bytes(b"x\n" * 100)
    known_hosts.read(str(path), "cloud", told.append)
    assert "lines 1, 2, 3, 4, 5 and 95 more are broken" in told[1]


def test_every_form_of_line_is_honoured(tmp_path, public, told):
    path = tmp_path / "known_hosts"
    path.write_bytes(text_of(public))
    one, two, three = (key_of(public[kind]) for kind in KINDS)
    for host, wanted in {
        "cloud": [one, three],
        "CLOUD": [one],
        "198.18.0.9": [one],
        "a.example.com": [two],
        "bad.example.com": [],
        "a.example.org": [],
        "[cloud]:2222": [three],
        "c": [],
    }.items():
        assert known_hosts.read(str(path), host, told.append) == (wanted, [two]), host
    assert told == []


def test_a_revoked_key_is_refused(tmp_path, public, told):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"cloud " + public["ecdsa"] + b"\n@revoked * " + public["ecdsa"] + b"\n")
    target = SshTarget(
        "cloud", known_hosts_file=str(path), config_file=str(tmp_path / "none"), accept_new_host_key=True
    )
    with pytest.raises(ConnectError, match="@revoked"):
        KnownHosts(resolve_ssh_target(target), told.append).verify_key(key_of(public["ecdsa"]), None)


@pytest.mark.parametrize("kind", ["directory", "unreadable", "too large", "none", "device"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, told, monkeypatch, kind):
    path = tmp_path / "known_hosts"
    if kind == "directory":
        path.mkdir()
    elif kind == "unreadable":
        path.write_text("")
        monkeypatch.setattr("builtins.open", refused)
    elif kind == "too large":
        path.write_bytes(b"\n" * (known_hosts.LARGEST + 1))
    shown = "/dev/null" if kind == "device" else str(path)
    assert known_hosts.read(shown, "cloud", told.append) == ([], [])
    wanted = {"directory": "Is a directory", "unreadable": "Permission denied", "too large": "is larger than 16 MiB"}
    assert len(told) == (kind in wanted)
    assert wanted.get(kind, "") in "".join(told)


def refused(path, *words, **how):
    raise PermissionError(13, "Permission denied", path)


def test_a_new_key_is_no_part_of_a_last_line_without_an_end(tmp_path, public, told):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"other " + public["rsa"])
    target = SshTarget(
        "cloud", known_hosts_file=str(path), config_file=str(tmp_path / "none"), accept_new_host_key=True, port=22
    )
    KnownHosts(resolve_ssh_target(target), told.append).verify_key(key_of(public["ed25519"]), None)
    for host, kind in (("other", "rsa"), ("cloud", "ed25519")):
        assert known_hosts.read(str(path), host, told.append)[0] == [key_of(public[kind])]
    assert told == []


def test_a_key_that_cannot_be_kept_is_a_warning(tmp_path, public, told):
    (tmp_path / "file").touch()
    target = SshTarget(
        "cloud", known_hosts_file=str(tmp_path / "file/known"), config_file="/nonexistent", accept_new_host_key=True
    )
    KnownHosts(resolve_ssh_target(target), told.append).verify_key(key_of(public["ed25519"]), None)
    assert "cannot be kept there" in told[0]


@pytest.fixture
def silent_server():
    """A port that answers and hangs up: the tool reads known_hosts as soon as it is connected."""

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"SSH-2.0-x\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("line", "warned"),
    [(BROKEN["bad base64"], True), (b"@cert-authority * ssh-rsa AAAA", True), (b"@x", True), (b"# \xa9\0", False)],
)
def test_the_tool_itself_goes_on(tmp_path, silent_server, line, warned):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_bytes(line + b"\n")
    outcome = Tool(tmp_path)("plan", "--host", f"root@127.0.0.1:{silent_server}")
    assert outcome.code == 4, outcome.err
    assert "does not speak SSH with us" in outcome.err
    assert (f"warning: {tmp_path}/.ssh/known_hosts: line 1 is broken" in outcome.err) is warned


def test_a_warning_is_told_once_in_a_run(capsys):
    options = Options(color="never")
    for _ in range(3):
        warn_once(options, "known_hosts: line 2 is broken")
    assert capsys.readouterr().err.count("line 2") == 1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def test_no_known_hosts_gives_a_traceback(place, public):
    path = place / "known_hosts"

    @given(damaged(text_of(public)))
    def check(content):
        path.write_bytes(content)
        known, revoked = known_hosts.read(str(path), "cloud", lambda text: None)
        assert all(isinstance(key, paramiko.PKey) for key in (*known, *revoked))

    check()


def test_no_private_key_gives_a_traceback(place, keys):
    path = place / "key"

    @settings(max_examples=60)
    @given(damaged(*((keys / name).read_bytes() for name in (*KINDS, "closed", "pem", "rsa.pub"))))
    def check(content):
        path.write_bytes(content)
        notes = []
        key = read_key(str(path), lambda question: Secret("word"), notes, True)
        assert bool(key) is not bool(notes)
        assert all(len(note.splitlines()) == 1 for note in notes)

    check()


def test_a_private_key_that_is_whole_is_read(keys):
    notes = []
    for name in (*KINDS, "pem"):
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


def test_a_damaged_certificate_beside_a_key_is_noted(place, keys):
    key = place / "with-certificate"
    key.write_bytes((keys / "ed25519").read_bytes())
    (place / "with-certificate-cert.pub").write_bytes(b"ssh-ed25519-cert-v01@openssh.com AAAA\n")
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
def test_no_configuration_gives_a_traceback(place, content):
    path = place / "config"
    path.write_bytes(content)
    target = SshTarget("cloud", config_file=str(path))
    try:
        route = resolve_ssh_target(target)
        for jump in route.jump_hosts:
            jump_target(jump, target)
    except UsageError as fault:
        assert fault.message.startswith(str(path))
        assert fault.hint
        assert fault.message.isprintable()
    else:
        assert 0 < route.port < 65536
        assert all(word.isprintable() and word for word in (route.user, route.address, route.host_key_alias))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"Host cloud\n  Port many\n", ":2: Port 'many' is none"),
        (b"Port 70000\n", ":1: Port '70000' is none"),
        (b"Host cloud\n\n  Unfinished\n", ":3: the line cannot be read"),
        (b"\0\0\0\n", ":1: the line cannot be read"),
        (b'Host cloud\n  HostName ""\n', ":2: hostname '' cannot be one"),
        (b"Host cloud\n  User \xa9\n", ":2: the line cannot be read"),
        (b"CanonicalizeHostname yes\n", " cannot be used: "),
        (b"CanonicalizeMaxDots x\n", " cannot be used: "),
        (b"ProxyJump a b\n", ": ProxyJump 'a b' names no host"),
        (b"ProxyJump a:99999\n", ": ProxyJump 'a:99999' names no host"),
        (b"ProxyJump cloud\n", ": ProxyJump leads in a circle: cloud → cloud"),
        (b"Host cloud\nProxyJump b\nHost b\nProxyJump cloud\n", ": ProxyJump leads in a circle: cloud → b → cloud"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, says):
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(UsageError) as fault:
        connect(SshTarget("cloud", config_file=str(path)))
    assert f"{path}{says}" in fault.value.message
    assert fault.value.hint


def test_a_directory_in_place_of_the_configuration_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a directory"):
        resolve_ssh_target(SshTarget("cloud", config_file=str(tmp_path)))


def test_bytes_that_are_no_utf_8_matter_only_where_they_are_used(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"# caf\xe9\nHost caf\xe9\n  Port 1\nHost cloud\n  Port 2222\n  UserKnownHostsFile none\n")
    route = resolve_ssh_target(SshTarget("cloud", config_file=str(path)))
    assert (route.port, route.known_hosts_files[0]) == (2222, "/dev/null")


def test_a_home_of_nobody_s_is_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "config"
    path.write_text("UserKnownHostsFile ~nobody-here/known\n")
    assert resolve_ssh_target(SshTarget("cloud", config_file=str(path))).known_hosts_files[0] == "~nobody-here/known"


@pytest.mark.parametrize(
    ("jump", "target"),
    [
        ("jump", ("", "jump", 0)),
        ("me@jump:2022", ("me", "jump", 2022)),
        ("ssh://me@[::1]:22/", ("me", "::1", 22)),
        ("[::1]", ("", "::1", 0)),
    ],
)
def test_the_words_of_proxyjump(jump, target):
    found = jump_target(jump, SshTarget("cloud", config_file="/c", accept_new_host_key=True))
    assert (found.user, found.host, found.port) == target
    assert (found.config_file, found.accept_new_host_key) == ("/c", True)


@pytest.mark.parametrize("name", ["a..b", "x" * 70 + ".example"])
def test_a_name_that_is_no_host_s_is_refused(tmp_path, name):
    with pytest.raises(ConnectError, match="no such host name"):
        connect(SshTarget(name, config_file=str(tmp_path / "none")))
