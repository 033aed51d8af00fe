"""Damaged files on the user's machine and damaged replies of a node: tolerated, or an expected error."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from packstack_lite import services
from packstack_lite.answers import PasswordStore, resolve_answers, write_answer_file
from packstack_lite.config_overrides import loader
from packstack_lite.config_overrides.overlay import apply_overrides
from packstack_lite.deployment import answer_sources, clouds_yaml
from packstack_lite.deployment import connection_target as targets
from packstack_lite.deployment.options import Callbacks, ConnectionOptions
from packstack_lite.engine import lock as locks
from packstack_lite.engine import plan as planning
from packstack_lite.engine import probe as looking
from packstack_lite.errors import (
    AnswersError,
    ConfigOverrideError,
    ConnectError,
    ExitCode,
    PackstackLiteError,
    UsageError,
)
from packstack_lite.nodes.facts.gather import gather_facts
from packstack_lite.remote.command import Command, Job, Reply
from packstack_lite.remote.jobs import JobRunner
from packstack_lite.remote.shell import Shell
from packstack_lite.report.run_log import open_log
from packstack_lite.resources import ApiObject, File
from packstack_lite.resources.swift_rings import SwiftRings
from packstack_lite.sandbox import model
from packstack_lite.secret import Masker
from packstack_lite.smoke.runner import parse_case
from tests.clouds import cloud
from tests.unit.damage import damaged
from tests.unit.test_nodes_gather import LINKS, PORTS, SYSTEM

CLOUD = cloud()
DECLARED = services.declare(CLOUD)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def assert_expected_error(error, path=""):
    """Assert that an error names the file, has a hint, and is no bug."""
    assert str(path) in error.message
    assert error.hint
    assert error.exit_code is not ExitCode.BUG


# Stored passwords.

STORED = json.dumps(
    {"CONFIG_NOVA_KS_PW": "0a1b2c3d4e5f6a7b", "CONFIG_BARBICAN_KEK": "aGVsbG8gaGVsbG8gaGVsbG8="}, indent=1
)


@given(damaged(STORED.encode(), b"[" * 20_000))
def test_no_password_file_gives_a_traceback(directory, content):
    path = directory / "passwords.json"
    path.write_bytes(content)
    try:
        word = PasswordStore(path).get_password("CONFIG_NOVA_KS_PW", 16)
    except UsageError as error:
        assert_expected_error(error, path)
    else:
        assert word.isprintable() and word.isascii() and word


@pytest.mark.parametrize("word", [None, 1, "", "a b", "a\nb", "\ud800", ["a"], {"a": "b"}])
def test_a_value_that_is_no_generated_password_is_refused(tmp_path, word):
    path = tmp_path / "passwords.json"
    path.write_text(json.dumps({"CONFIG_NOVA_KS_PW": word}))
    with pytest.raises(UsageError, match="is not a valid password file"):
        PasswordStore(path)


def test_the_damaged_line_of_a_password_file_is_named(tmp_path):
    (tmp_path / "p.json").write_text(STORED[:40])
    with pytest.raises(UsageError, match=r"p\.json:2: is not a valid password file"):
        PasswordStore(tmp_path / "p.json")


# clouds.yaml.

OURS = {
    "packstack-lite-aio": clouds_yaml.make_cloud_entry("http://198.18.1.10:5000/v3", "admin", "p", "admin", "RegionOne")
}
CLOUDS = yaml.safe_dump({"cache": {"class": "x"}, "clouds": {"prod": {"auth": {"auth_url": "https://prod"}}}})


@settings(max_examples=60)
@given(damaged(CLOUDS.encode(), b"clouds: {a: !!int x, b: !!bool y, c: !!timestamp z}\n", b"[" * 600))
def test_no_clouds_yaml_gives_a_traceback_or_is_written_partly(directory, content):
    path = directory / "clouds.yaml"
    path.write_bytes(content)
    try:
        clouds_yaml.merge_clouds(path, OURS)
    except UsageError as error:
        assert_expected_error(error, path)
        assert "nothing was added" in error.message
        assert path.read_bytes() == content
    else:
        assert yaml.safe_load(path.read_bytes())["clouds"]["packstack-lite-aio"] == OURS["packstack-lite-aio"]
    (directory / "clouds.yaml.packstack-lite.orig").unlink(missing_ok=True)
    assert not list(directory.glob(".clouds*"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("clouds:\n  a: {\n", ":3 cannot be read as YAML"),
        ("clouds: !!int x\n", " cannot be read as YAML"),
        (None, "Is a directory"),
    ],
)
def test_clouds_yaml_is_refused_with_its_line(tmp_path, content, says):
    path = tmp_path / "clouds.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(UsageError) as error:
        clouds_yaml.merge_clouds(path, OURS)
    assert says in error.value.message


def test_an_unwritable_path_of_clouds_yaml_is_refused(tmp_path):
    (tmp_path / "openstack").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        clouds_yaml.merge_clouds(tmp_path / "openstack" / "clouds.yaml", OURS)


def test_the_copy_of_clouds_yaml_is_identical(tmp_path):
    path = tmp_path / "clouds.yaml"
    path.write_bytes(b"\xef\xbb\xbf# mine\r\nclouds: {}\r\n")
    clouds_yaml.merge_clouds(path, OURS)
    kept = tmp_path / "clouds.yaml.packstack-lite.orig"
    assert kept.read_bytes() == b"\xef\xbb\xbf# mine\r\nclouds: {}\r\n"
    assert kept.stat().st_mode & 0o777 == 0o600


# Answers of earlier runs.

EARLIER = "packstack-answers-20260101-120000.txt"


@pytest.fixture(scope="module")
def answer_file_content(directory):
    write_answer_file(directory / "whole.txt", resolve_answers(address="198.18.1.10"))
    return (directory / "whole.txt").read_bytes()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_no_answer_file_of_an_earlier_run_gives_a_traceback(directory, answer_file_content, monkeypatch):
    monkeypatch.setenv("HOME", str(directory))
    path = directory / EARLIER
    start = answer_file_content[: answer_file_content.index(b"CONFIG_CONTROLLER_HOST") + 60]

    @settings(max_examples=50)
    @given(damaged(start))
    def check(content):
        path.write_bytes(content)
        try:
            assert answer_sources.find_earlier_answer_files("198.18.1.10") in ((), (path,))
        except UsageError as error:
            assert_expected_error(error, path)

    check()
    path.unlink()


@pytest.mark.parametrize("content", [b"\x7fELF\0", b"", b"[general]\nCONFIG_CONTR", b"\xff" * 100])
def test_damaged_answers_of_an_earlier_run_are_refused(home, content):
    """Otherwise new passwords would be generated."""
    (home / EARLIER).write_bytes(content)
    with pytest.raises(UsageError) as error:
        answer_sources.find_earlier_answer_files("198.18.1.10")
    assert error.value.hint.endswith(f"mv {home / EARLIER} {home / EARLIER}.damaged")


def test_damaged_answers_are_reported_with_their_lines(home):
    (home / EARLIER).write_text("[general]\n#\nCONFIG_CONTROLLER_H\n")
    with pytest.raises(AnswersError) as error:
        answer_sources.find_earlier_answer_files("198.18.1.10")
    assert f"{EARLIER}:3:" in error.value.errors[0]


def test_answers_for_another_host_are_ignored(home, answer_file_content):
    (home / EARLIER).write_bytes(answer_file_content)
    assert answer_sources.find_earlier_answer_files("198.18.1.11") == ()
    assert answer_sources.find_earlier_answer_files("198.18.1.10") == (home / EARLIER,)


# Records of sandboxes.


@pytest.fixture
def sandbox_record(tmp_path, monkeypatch):
    """Return a sandbox record. All examples of a property test share it and overwrite it."""
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    made = model.Record("aio", "container", "debian12", 1, "base-1", True)
    made.directory.mkdir(parents=True)
    made.save()
    return made


def test_no_sandbox_record_gives_a_traceback(sandbox_record):
    path = sandbox_record.directory / "sandbox.json"

    @given(damaged(path.read_bytes(), b"[" * 20_000))
    def check(content):
        path.write_bytes(content)
        try:
            assert all(made.to_sandbox().address for made in model.list_records())
        except UsageError as error:
            assert_expected_error(error, path)

    check()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"number": "1"}, "number is of another type"),
        ({"number": True}, "number is of another type"),
        ({"number": 0}, "of another sandbox, or of an unknown kind"),
        ({"name": "../x"}, "of another sandbox"),
        ({"kind": "jail"}, "of an unknown kind, distro or number"),
        ({"layered": None}, "layered is of another type"),
    ],
)
def test_a_record_with_a_wrong_field_is_refused(sandbox_record, change, why):
    path = sandbox_record.directory / "sandbox.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UsageError) as error:
        model.list_records()
    assert why in error.value.message
    assert f"rm -r --one-file-system {sandbox_record.directory}" in error.value.hint


def test_a_record_without_a_field_is_refused(sandbox_record):
    (sandbox_record.directory / "sandbox.json").write_text('{"name": "aio"}')
    with pytest.raises(UsageError, match="kind, distro, number, tree, layered is missing"):
        model.list_records()


def test_a_damaged_sandbox_record_does_not_prevent_other_targets(sandbox_record, monkeypatch):
    (sandbox_record.directory / "sandbox.json").write_text("{")
    monkeypatch.setattr(targets, "_find_sandbox_at", lambda address: model.list_records())
    warnings = []
    for _ in range(2):
        target = targets.find_target("198.18.9.9", ConnectionOptions(), Callbacks(warn=warnings.append))
        assert target.address == "198.18.9.9"
    assert [warning for warning in warnings if "sandbox" in warning] == warnings != []


@pytest.mark.parametrize("content", [b"", b"\0\xff", b"many", b"9" * 5000])
def test_a_damaged_pid_file_means_stopped(sandbox_record, content):
    (sandbox_record.directory / "pid").write_bytes(content)
    assert sandbox_record.to_sandbox().state == "stopped"


# The directory of a run's log.


@pytest.mark.parametrize("what", ["file", "link to nothing"])
def test_a_log_directory_that_is_a_file_raises_oserror(tmp_path, what):
    (tmp_path / "198.18.1.10").touch() if what == "file" else (tmp_path / "198.18.1.10").symlink_to("nowhere")
    with pytest.raises(OSError, match="File exists"):
        open_log("198.18.1.10", Masker([]), tmp_path)


# --config-dir.


@pytest.mark.parametrize("name", ["nova/nova.conf", "nova/policy.yaml", "neutron/plugins/ml2/ml2_conf.ini", "nova/x"])
def test_no_file_of_config_dir_gives_a_traceback(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True)

    @settings(max_examples=40)
    @given(
        damaged(b"# mine\n[DEFAULT]\ndebug = true\n  more\n[database]\nconnection = mysql://a:b@c/d\n", b"a: {b: c}\n")
    )
    def check(content):
        path.write_bytes(content)
        tree = loader.load_directory(tmp_path)
        assert Masker(tree.find_secrets()).mask_lines("x")
        try:
            apply_overrides(DECLARED, tree, CLOUD.profile)
        except ConfigOverrideError as error:
            assert all(line.startswith(str(path)) for line in error.errors)
            assert_expected_error(error)

    check()


def test_an_unprintable_file_name_is_an_error(tmp_path):
    directory = tmp_path / "nova"
    directory.mkdir()
    for name in (b"a\xa9.conf", b"a\x1b[31m.conf"):
        Path(str(directory), name.decode(errors="surrogateescape")).write_text("")
    assert len(loader.load_directory(tmp_path).errors) == 2


# Replies of a node.


class Node:
    """A connection with given replies."""

    name = "node"
    flights = 0

    def __init__(self, *replies):
        self.replies = replies

    def run(self, commands):
        return [self.replies[directory % len(self.replies)] for directory in range(len(commands))]


def decoded(strategy):
    """Decode bytes as the root shell does."""
    return strategy.map(lambda data: data.decode(errors="replace"))


SYSTEM_REPLIES = decoded(damaged(SYSTEM.encode(), SYSTEM.encode()[-200:]))
LINK_REPLIES = decoded(damaged(LINKS.encode()))
PORT_REPLIES = decoded(damaged(PORTS.encode()))
UPLINK = f"uplink=eth0 mac aa:bb\nnetwork_file={base64.b64encode(b'x').decode()} /etc/network/interfaces\n"
MORE_REPLIES = decoded(
    damaged(
        UPLINK.encode(),
        b"repo=base\t/etc/yum.repos.d/x\t1\thttp://x\t\t1\nrpm_version=httpd 2.4\n"
        b"unit_state=firewalld.service active enabled\n",
        b"device=/dev/vda 100 ext4 /\nkey_digest=CONFIG_SWIFT_HASH 0a\nnfs_export=a:/b no\nsriov_vfs=eth0 4\n"
        b"kernel_feature=nfs\n",
    )
)


@given(SYSTEM_REPLIES, LINK_REPLIES, PORT_REPLIES, MORE_REPLIES, st.sampled_from([0, 1, 124]))
def test_no_facts_give_a_traceback(system, links, ports, more, code):
    replies = [
        Reply(0, system),
        Reply(0, "package_source=reachable"),
        Reply(code),
        *map(Reply, [0] * 3, [links, ports, more]),
    ]
    try:
        gather_facts(Node(*replies))
    except PackstackLiteError as error:
        assert_expected_error(error, "node: its facts cannot be read")


LOOKS = looking.collect_probes(DECLARED)
STATES = damaged(
    json.dumps({"project:admin": {"exists": True}, "account": {"block_devices": [1]}, "object": None}).encode(),
    b"/etc/nova/nova.conf\tfile\t640\troot\tnova\t0\tZm9v\nnow\t80/tcp 5000-6000/tcp\nboot\t\nmode\t600\n",
    b"Id=nova-api.service\nLoadState=loaded\nActiveState=active\n\nId=x\nLoadState=loaded\n==\nnova-api none\n",
    b"schema\tnova\tutf8\nuser\tnova@localhost\t*0A\ngrant\tnova@localhost nova\t\n",
)


@given(st.sampled_from(LOOKS), decoded(STATES), st.sampled_from([0, 0, 1, 3, 75]))
def test_no_state_of_a_node_gives_a_traceback(look, out, code):
    try:
        looking._parse_reply(Node(), look, Reply(code, out))
    except PackstackLiteError as error:
        assert error.message.startswith("node: cannot parse the reply to")
        assert error.hint


@pytest.mark.parametrize("value", [[], "text", 1, True])
def test_observed_states_of_another_type_are_refused(value):
    entities = [resource for resource in DECLARED if isinstance(resource, ApiObject)]
    rings = SwiftRings("/etc/swift", "/srv/node", "198.18.1.10", {"account": 6002}, {"disk": 1})
    for look, reply in (
        (*ApiObject.probe(entities), {entity.id: value for entity in entities}),
        (*SwiftRings.probe([rings]), value),
        (*SwiftRings.probe([rings]), {"account": value or 1}),
    ):
        with pytest.raises(PackstackLiteError, match="node: cannot parse the reply to"):
            looking._parse_reply(Node(), look, Reply(0, json.dumps(reply)))


class SilentListener:
    """A listener that ignores every event."""

    def job_started(self, job):
        pass

    job_finished = job_output = lambda *event: None


@given(decoded(damaged(b"one 0 3 Zm9v\n", b"one - 0 \none 124 0 \n")))
def test_no_job_directory_gives_a_traceback(out):
    turns = iter([Reply(0, out), Reply(0, "one 1 0 \n")] * 3)

    def run(commands):
        return [Reply(0)] * (len(commands) - 1) + [next(turns, Reply(0, "one 1 0 \n"))]

    try:
        JobRunner(run, "node", SilentListener()).run_all([Job("one", "true")])
    except PackstackLiteError as error:
        assert_expected_error(error, "node: the stored state of a job cannot be read")


class ReplyStream:
    """A stream with a given reply of a root shell."""

    def __init__(self, data):
        self.chunks = [b"word ready\n", data]

    def send(self, data):
        pass

    def receive(self, size):
        return self.chunks.pop(0) if self.chunks else b""

    def close(self):
        pass


@given(damaged(b"\n0\n\nword next\nout\nword next\nerr\nword over\n"))
def test_no_reply_of_a_root_shell_gives_a_traceback(data):
    try:
        replies = Shell(ReplyStream(data), "node", "word").run([Command("true")])
    except ConnectError as error:
        assert_expected_error(error, "node: ")
    else:
        assert len(replies) == 1


@given(decoded(damaged(b'{"who": "me@here (process 12)"}', b'{"who": %s}' % (b"[" * 20_000), b'{"who": "(process ')))
def test_no_lock_owner_gives_a_traceback(line):
    assert len(locks._parse_owner(line)) <= 200
    assert locks.owner_is_gone(locks._parse_owner(line)) is False


def test_an_owner_with_an_impossible_pid_is_not_gone():
    assert locks.owner_is_gone(f"me (process {'9' * 5000})") is False


@settings(max_examples=15)
@given(content=damaged(b'{"who": "me"}\n1 2\n'))
def test_a_damaged_lock_is_taken_over(directory, content):
    """No shell has the process number and start time of its owner file."""
    lock = directory / "lock"
    lock.mkdir(exist_ok=True)
    (lock / "holder").write_bytes(content or b"\n")
    command = locks.take_command("we", "run")
    done = subprocess.run(
        ["sh", "-c", command.script.replace(locks.LOCK_DIR, str(lock))],
        input=command.stdin,
        env={"PACKSTACK_LITE_SHELL": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (lock / "holder").read_bytes().startswith(b'{"who": "we", "run": "run"}\n')


def test_a_lock_that_cannot_be_taken_is_an_expected_error(tmp_path):
    node = Node(Reply(1, err="mkdir: cannot create directory: No space left on device"))
    with pytest.raises(PackstackLiteError, match="cannot take the lock") as error, locks.hold_lock(node, "we"):
        pass
    assert error.value.exit_code is ExitCode.PHASE_FAILED
    assert error.value.hint


def test_an_old_text_that_is_no_base64_is_an_expected_error():
    """plan --diff reads the texts of files beside their states."""
    node = Node(Reply(0, "Zm9vx\n"))
    with pytest.raises(PackstackLiteError, match="node: cannot parse the reply to"):
        planning._old_texts(node, [File("/etc/nova/nova.conf", content="x")])


@pytest.mark.parametrize("seconds", ["[" * 20_000, "1" + "0" * 400, "null", "NaN", "1e999"])
def test_a_damaged_line_of_the_smoke_test_is_no_case(seconds):
    assert parse_case('{"name": "a", "outcome": "passed", "detail": "", "seconds": %s}' % seconds) is None


def test_an_unknown_outcome_of_the_smoke_test_is_no_case():
    assert parse_case('{"name": "a", "outcome": "x", "detail": "", "seconds": 1}') is None
