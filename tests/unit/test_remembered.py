"""What earlier runs remember belongs to one machine; words on the command line win; the only deployment is found."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from packstack_lite import recommended
from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, read_answer_file
from packstack_lite.cli.app import cli
from packstack_lite.deployment import connect, connection_target, new_answer_file, obvious_target, remembered
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.deployment.remembered import list_records
from packstack_lite.deployment.run_record import find_lost_tail
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ESSENTIAL_CASES, ApplyReport, Case
from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.nodes.facts import Interface, sample_facts
from packstack_lite.preflight.fixes import make_fix
from packstack_lite.remote.command import Reply
from packstack_lite.sandbox import Sandbox
from packstack_lite.state_paths import state_directory
from tests.conftest import cli_runner

A, B, C = "198.18.1.10", "198.18.1.11", "198.18.1.12"
REPORT = ApplyReport((), (), 9, 1.0, ())
# What a smoke test of a working cloud returns.
PROVED = [Case(names[-1], "passed", 1.0) for names in ESSENTIAL_CASES]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has sandboxes, and needs no SSH to this machine")


class FakeNode:
    """A connection on which every command succeeds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.round_trips = 0
        self.masker = self.on_reply = None

    def run(self, commands):
        return [Reply(0) for _ in commands]

    def close(self):
        pass

    def abort(self):
        pass


class Machines:
    """The machines of a test: their ids and other addresses by address, and what was deployed."""

    def __init__(self) -> None:
        self.ids = {A: "a" * 32, B: "b" * 32, C: "c" * 32}
        self.other_addresses = {}
        self.unreachable = set()
        self.targets = []

    def connect(self, target, *options):
        self.targets.append(target)
        if target.address in self.unreachable:
            raise ConnectError(f"{target.address}: does not answer", "start it")
        return FakeNode(target.address)

    def facts(self, connection):
        address = connection.name
        facts = sample_facts("debian", "12", address)
        others = self.other_addresses.get(address, ())
        interfaces = (*facts.network.interfaces, *(Interface("eth1", True, 1500, (f"{a}/24",)) for a in others))
        network = replace(facts.network, interfaces=interfaces)
        system = replace(facts.system, machine_id=self.ids[address])
        return replace(facts, system=system, network=network)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.fixture
def machines(home, monkeypatch) -> Machines:
    """Machines that are reached, pass preflight, and are deployed without a change."""
    fake = Machines()
    monkeypatch.setattr(connect, "open_connection", fake.connect)
    monkeypatch.setattr(connect.gather, "gather_facts", lambda connection, *queries: fake.facts(connection))
    for module, name, result in (
        (deployment_module.preflight, "run_checks", []),
        (deployment_module, "hold_lock", nullcontext()),
        (deployment_module, "apply", REPORT),
        (deployment_module, "plan", []),
        (deployment_module, "verify", []),
        (deployment_module.smoke, "run_cases", PROVED),
    ):
        monkeypatch.setattr(module, name, lambda *arguments, result=result: result)
    monkeypatch.setattr(
        deployment_module, "apply_nodes", lambda runs, *rest: [replace(REPORT, node=run.name) for run in runs]
    )
    return fake


@pytest.fixture
def local(home, monkeypatch):
    """This machine has the addresses in the list, the first on its default route, and a machine id."""
    addresses = ["198.18.3.1", "198.18.4.1"]
    names = {"localhost", "127.0.0.1", "::1", "this-host"}
    for module in (connection_target, new_answer_file, obvious_target, remembered, deployment_module.answer_sources):
        for name, function in (
            ("find_own_address", lambda: addresses[0]),
            ("is_this_machine", lambda host: host in names or host in addresses),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, function)
    monkeypatch.setattr(connection_target.socket, "getaddrinfo", resolve_names({"this-host": addresses}))
    monkeypatch.setattr(remembered, "MACHINE_ID_FILE", home / "machine-id")
    (home / "machine-id").write_text("d" * 32 + "\n")
    return addresses


def resolve_names(addresses):
    """Return a getaddrinfo that knows these names."""

    def getaddrinfo(host, port, family=0, type=0):
        known = {"localhost": ["127.0.0.1"], **addresses}.get(host, [host])
        return [(2, 1, 6, "", (address, 0)) for address in known]

    return getaddrinfo


def make_box(home, name, key, address=A) -> Sandbox:
    """Return a running sandbox with this host key."""
    known_hosts = home / f"known_hosts-{key}"
    known_hosts.write_text(f"{address} ssh-ed25519 {key}\n")
    return Sandbox(
        name=name,
        kind="container",
        distro="debian12",
        address=address,
        state="running",
        key=home / "key",
        known_hosts=known_hosts,
        external_network="198.18.2.0/24",
        root=home,
        pid=1,
    )


@pytest.fixture
def boxes(monkeypatch):
    """The sandboxes of this machine, a list; ``sandbox up`` appends nothing, ``down`` removes."""
    found = []

    def find(name):
        for box in found:
            if box.name == name:
                return box
        raise UsageError(f"there is no sandbox {name!r}")

    def down(name, progress=None):
        found[:] = [box for box in found if box.name != name]

    monkeypatch.setattr(connection_target.sandbox, "list_all", lambda: list(found))
    monkeypatch.setattr(obvious_target, "list_sandboxes", lambda: list(found))
    monkeypatch.setattr(connection_target.sandbox, "find", find)
    monkeypatch.setattr(connection_target.sandbox, "down", down)
    monkeypatch.setattr(connection_target, "add_guest_image", lambda box, progress: box)
    monkeypatch.setattr(connection_target, "_start_sandbox", lambda selection, name, progress: find(name))
    monkeypatch.setattr(
        connection_target, "_find_sandbox_at", lambda address: next((b for b in found if b.address == address), None)
    )
    return found


def run(*arguments):
    return cli_runner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def ok(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return result


def refused(*arguments, code=2):
    result = run(*arguments)
    assert result.exit_code == code, result.output + result.stderr
    return " ".join(result.stderr.split())


def answer_files(home):
    return sorted(home.glob("packstack-answers-*.txt"))


def age(home):
    """Rename the only generated file, as if it were of an earlier day; its record follows."""
    (path,) = answer_files(home)
    old = home / "packstack-answers-20260101-120000.txt"
    for record in (home / "packstack-lite" / "node-records").glob("*.json"):
        record.write_text(record.read_text().replace(str(path), str(old)))
    return path.rename(old)


def compute_hosts(path):
    return read_answer_file(path).answers["CONFIG_COMPUTE_HOSTS"][0]


@root_only
@pytest.mark.parametrize("is_taken_down_by_us", [True, False])
def test_the_answers_of_a_sandbox_that_is_gone_are_not_those_of_the_next_one(
    home, machines, boxes, is_taken_down_by_us
):
    boxes.append(make_box(home, "aio", "KEY1"))
    ok("--allinone", "--sandbox", "aio")
    old = age(home)
    password = read_answer_file(old).answers["CONFIG_NOVA_KS_PW"][0]
    if is_taken_down_by_us:
        ok("sandbox", "down", "aio")
        assert not old.exists() and not list_records()
    else:
        boxes.clear()
    machines.ids[A] = "e" * 32
    boxes.append(make_box(home, "lab", "KEY2"))
    result = ok(f"--install-hosts={A},{B},{C}", "--dry-run")
    (new,) = {*answer_files(home)} - {old}
    assert compute_hosts(new) == f"{B},{C}"
    assert read_answer_file(new).answers["CONFIG_NOVA_KS_PW"][0] != password
    assert f"3 nodes: {A} (controller, network, storage, queue, database); {B} (compute); {C} (compute)" in (
        result.stderr.replace("\n", " ")
    )
    assert {target.address for target in machines.targets[-3:]} == {A, B, C}


@root_only
def test_the_passwords_of_a_second_sandbox_at_an_address_go_with_it(home, machines, boxes):
    boxes.append(make_box(home, "aio", "KEY1"))
    ok("--allinone", "--sandbox", "aio")
    boxes.clear()
    machines.ids[A] = "e" * 32
    boxes.append(make_box(home, "lab", "KEY2"))
    ok("--allinone", "--sandbox", "lab")
    assert len([*state_directory().rglob("passwords.json")]) == 2
    ok("sandbox", "down", "lab")
    assert [*state_directory().rglob("passwords.json")] == []


@root_only
def test_a_sandboxs_answers_are_found_as_long_as_it_exists(home, machines, boxes):
    boxes.append(make_box(home, "aio", "KEY1"))
    ok("--allinone", "--sandbox", "aio", "--os-debug-mode=y")
    for words in (["--sandbox", "aio"], ["--host", A], []):
        ok("verify", *words)
    assert refused("verify", "--host", B).count("no answers are known") == 1


@root_only
def test_a_changed_answer_file_survives_its_sandbox_but_is_not_used(home, machines, boxes):
    boxes.append(make_box(home, "aio", "KEY1"))
    ok("--allinone", "--sandbox", "aio")
    old = age(home)
    old.write_text(old.read_text() + "# mine\n")
    assert str(old) in ok("sandbox", "down", "aio").stderr.replace("\n", "")
    boxes.append(make_box(home, "aio", "KEY2"))
    machines.ids[A] = "e" * 32
    assert "no answers are known" in refused("verify", "--sandbox", "aio")


def test_another_machine_at_the_address_stops_before_anything_is_changed(home, machines):
    ok("--allinone", "--host", A)
    old = age(home)
    machines.ids[A] = "f" * 32
    for words in (["verify", "--host", A], ["apply", "--host", A], ["--allinone", "--host", A, "--os-debug-mode=y"]):
        message = refused(*words)
        assert "another machine had this address" in message and str(old) in message.replace(" ", "")
    assert answer_files(home) == [old], "what was written for the wrong machine is removed"
    ok("apply", "--answer-file", old)
    ok("verify", "--host", A)


def test_install_hosts_wins_over_the_answers_of_an_earlier_run_and_says_so(home, machines):
    ok("--allinone", "--host", A)
    old = age(home)
    result = ok(f"--install-hosts={A},{B}")
    (new,) = {*answer_files(home)} - {old}
    assert compute_hosts(new) == B
    passwords = [read_answer_file(path).answers["CONFIG_NOVA_KS_PW"][0] for path in (old, new)]
    assert passwords[0] == passwords[1]
    said = " ".join(result.stderr.split())
    assert "--install-hosts wins over" in said and f"CONFIG_COMPUTE_HOSTS={A} is now {B}" in said
    assert f"2 nodes: {A} (controller" in said
    assert f"on 2 nodes: {A} (controller" in " ".join(result.stdout.split())


@pytest.mark.parametrize("words", [["--allinone", "--host", A], [f"--install-hosts={A},{B}"]])
def test_a_node_of_an_earlier_run_is_not_left_out_silently(home, machines, words):
    ok(f"--install-hosts={A},{B},{C}")
    old = age(home)
    message = refused(*words)
    assert f"{C}" in message and "CONFIG_COMPUTE_HOSTS" in message
    assert f"packstack-lite apply --answer-file {old}".replace(" ", "") in message.replace(" ", "")
    ok("apply", "--answer-file", old)
    ok(*words, f"--set=CONFIG_COMPUTE_HOSTS={B}")


def test_a_named_file_that_disagrees_with_install_hosts_is_an_error(home, machines):
    path = home / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={A}\nCONFIG_COMPUTE_HOSTS={A}\n")
    message = refused(f"--install-hosts={A},{B}", "--answer-file", path)
    assert f"CONFIG_COMPUTE_HOSTS={A}, but --install-hosts means {B}" in message
    assert not answer_files(home)
    ok(f"--install-hosts={A},{B}", "--answer-file", path, f"--set=CONFIG_COMPUTE_HOSTS={B}")


def test_the_only_deployment_is_the_obvious_target(home, machines):
    assert "no host is named" in refused("verify")
    ok("--allinone", "--host", A)
    for verb in ("plan", "apply", "verify", "smoke", "preflight"):
        assert f"no host is named: --host {A}" in ok(verb).stderr
    path = home / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={B}\n")
    ok("apply", "--answer-file", path)
    message = refused("verify")
    assert f"--host {A}" in message and f"--host {B}" in message
    ok("verify", "--host", B)


@root_only
def test_the_only_sandbox_is_the_obvious_target_and_several_are_listed(home, machines, boxes):
    boxes.append(make_box(home, "aio", "KEY1"))
    assert f"no host is named: --sandbox aio, a sandbox, {A}" in ok("plan").stderr
    boxes.append(make_box(home, "lab", "KEY2", B))
    message = refused("plan")
    assert "--sandbox aio" in message and "--sandbox lab" in message


@root_only
def test_this_machine_with_a_cloud_is_the_obvious_target_by_all_its_names(home, machines, local, monkeypatch):
    machines.ids.update(dict.fromkeys(local, "d" * 32))
    ok("--allinone")
    monkeypatch.setattr(obvious_target, "carries_cloud", lambda: True)
    names = ([], *(["--host", name] for name in ("localhost", "127.0.0.1", "this-host", *local)))
    for words in names:
        ok("verify", *words)
        assert (machines.targets[-1].address, machines.targets[-1].is_local) == (local[0], True)
    assert f"--host {local[0]}, this machine, which carries a cloud" in ok("verify").stderr
    assert len(answer_files(home)) == 1


@root_only
@pytest.mark.parametrize("verb", ["plan", "apply", "verify", "preflight"])
def test_a_cloud_here_that_was_deployed_from_elsewhere_gets_no_new_answers(home, machines, local, monkeypatch, verb):
    machines.ids.update(dict.fromkeys(local, "d" * 32))
    monkeypatch.setattr(obvious_target, "carries_cloud", lambda: True)
    assert f"no answers are known for {local[0]}" in refused(verb)
    assert machines.targets == []


@root_only
@pytest.mark.parametrize("words", [["--allinone"], ["verify"], ["apply"], ["--allinone", "--os-debug-mode=y"]])
def test_an_address_that_changed_is_refused_with_the_way_to_move(home, machines, local, monkeypatch, words):
    machines.ids.update(dict.fromkeys((*local, "198.18.9.9"), "d" * 32))
    ok("--allinone")
    monkeypatch.setattr(obvious_target, "carries_cloud", lambda: True)
    old = age(home)
    was = local[0]
    local[:] = ["198.18.9.9"]
    message = refused(*words)
    assert f"a cloud with the address {was} lives on this machine" in message
    assert answer_files(home) == [old]
    assert f"packstack-lite plan --answer-file {old}.moved" in message.replace(" ", "").replace(
        "packstack-liteplan--answer-file", "packstack-lite plan --answer-file "
    )
    moved = home / "moved.txt"
    moved.write_text(old.read_text().replace(was, "198.18.9.9"))
    ok("apply", "--answer-file", moved)
    ok("verify")
    assert [record.address for record in list_records()] == ["198.18.9.9"]


def test_a_moved_machine_behind_ssh_gets_no_second_cloud(home, machines):
    ok("--allinone", "--host", A)
    old = age(home)
    machines.ids[B] = machines.ids[A]
    assert f"a cloud with the address {A} lives on this machine" in refused("--allinone", "--host", B)
    assert answer_files(home) == [old]


def test_another_address_of_a_machine_behind_ssh_finds_its_answers(home, machines):
    machines.other_addresses[A] = ("198.19.250.1",)
    machines.ids["198.19.250.1"] = machines.ids[A]
    ok("--allinone", "--host", A)
    ok("verify", "--host", "198.19.250.1")


def test_what_the_last_apply_had_beside_its_file_is_not_forgotten(home, machines):
    ok("--allinone", "--host", A)
    ok("apply", "--host", A, "--set=CONFIG_DEBUG_MODE=y")
    assert "the last apply had CONFIG_DEBUG_MODE too" in ok("verify", "--host", A).stderr


def test_what_a_new_answer_file_has_is_not_beside_it(home, machines):
    ok("--allinone", "--host", A, "--provision-demo=n", "--set=CONFIG_DEBUG_MODE=y")
    assert "the last apply had" not in ok("verify", "--host", A).stderr
    assert "the last apply" not in ok("verify", "--host", A, "--os-debug-mode=y").stderr
    ok("apply", "--host", A)
    assert "the last apply" not in ok("verify", "--host", A).stderr


def test_a_file_that_lost_its_end_since_the_last_apply_is_named(home, machines):
    """Compared are names of parameters; no answer is remembered."""
    path = home / "a.txt"
    names = [parameter.name for parameter in PARAMETERS if parameter.kind == "boolean"][:20]
    whole = [f"{name}={PARAMETERS_BY_NAME[name].default}" for name in names]
    path.write_text("\n".join(["[general]", f"CONFIG_CONTROLLER_HOST={A}", *whole]) + "\n")
    assert "lost its end" not in run("apply", "--answer-file", path).stderr
    path.write_text("\n".join(["[general]", f"CONFIG_CONTROLLER_HOST={A}", *whole[:12]]) + "\n")
    for verb in ("plan", "apply"):
        warned = run(verb, "--answer-file", path).stderr.replace("\n", " ")
        assert "the last 8 answers of the last apply" in warned, warned
    assert "lost its end" not in run("apply", "--answer-file", path).stderr
    (record,) = list_records()
    assert record.answered == ("CONFIG_CONTROLLER_HOST", *names[:12])


@pytest.mark.parametrize(
    "before, now, lost",
    [
        ("abcdefghij", "abc", "defghij"),
        ("abcdefghij", "ac", ""),
        ("abcdefghij", "abcdefgh", ""),
        ("abcdefghij", "abcx", ""),
        ("abcdefghij", "bacd", ""),
        ("", "abc", ""),
        ("abcdefghij", "", ""),
    ],
)
def test_only_a_lost_end_is_taken_for_one(before, now, lost):
    assert find_lost_tail(before, now) == list(lost)


def test_an_answer_file_that_is_gone_is_named(home, machines):
    ok("--allinone", "--host", A)
    (path,) = answer_files(home)
    path.unlink()
    assert f"{path} is gone".replace(" ", "") in refused("verify", "--host", A).replace(" ", "")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"machine_id": 1}', '{"machine_id": "x", "address": "a"}', "[" * 5000],
)
def test_a_damaged_record_is_an_error_with_the_way_out(home, machines, content):
    ok("--allinone", "--host", A)
    (record,) = (home / "packstack-lite" / "node-records").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    record.write_text(content)
    message = refused("verify", "--host", A)
    assert "the record of a deployed node is damaged" in message and f"rm {record}".replace(" ", "") in (
        message.replace(" ", "")
    )


@pytest.mark.parametrize("field", ["names", "answer_files", "overrides", "generated", "time", "address", "sandbox"])
def test_a_record_with_a_field_of_another_type_is_damaged(home, machines, field):
    ok("--allinone", "--host", A)
    (path,) = (home / "packstack-lite" / "node-records").iterdir()
    content = json.loads(path.read_text())
    for wrong in (None, [1], {"a": 1}):
        path.write_text(json.dumps({**content, field: wrong}))
        assert "is damaged" in refused("verify", "--host", A)
    path.write_text(json.dumps({**content, "of_a_later_release": 1}))
    ok("verify", "--host", A)


def sandbox_maker(home, boxes):
    """Return what creates a sandbox in place of ``_start_sandbox``."""

    def make(selection, name, progress):
        boxes.append(make_box(home, name, "KEY1"))
        return boxes[-1]

    return make


@root_only
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ConnectError("does not answer", "")])
def test_a_sandbox_that_a_failed_run_made_is_given_back(home, machines, boxes, monkeypatch, failure):
    def fail(*arguments):
        raise failure

    monkeypatch.setattr(connection_target, "_start_sandbox", sandbox_maker(home, boxes))
    monkeypatch.setattr(connect, "open_connection", fail)
    run("--allinone", "--sandbox", "el", "--distro", "debian12")
    assert boxes == []
    boxes.append(make_box(home, "el", "KEY2"))
    run("--allinone", "--sandbox", "el", "--distro", "debian12")
    assert [box.name for box in boxes] == ["el", "el"], "one that existed before stays"


@root_only
def test_a_sandbox_that_failed_preflight_stays(home, machines, boxes, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(connection_target, "_start_sandbox", sandbox_maker(home, boxes))
    monkeypatch.setattr(deployment_module, "apply", fail)
    assert run("--allinone", "--sandbox", "aio").exit_code == 130
    assert [box.name for box in boxes] == ["aio"]


@root_only
@pytest.mark.parametrize("words", [["apply"], ["plan"], ["--answer-file=mine.txt"], ["preflight"], ["smoke"]])
def test_only_allinone_and_sandbox_up_make_a_sandbox(home, machines, boxes, monkeypatch, words):
    monkeypatch.setattr(connection_target, "_start_sandbox", None)
    monkeypatch.chdir(home)
    (home / "mine.txt").write_text("[general]\n")
    assert "there is no sandbox 'lba'" in refused(*words, "--sandbox", "lba")
    assert boxes == []


def test_a_sandbox_beside_install_hosts_is_refused(home, machines):
    assert "--sandbox names a host too" in refused(f"--install-hosts={A}", "--sandbox", "aio")


# Each command that a run prints works as printed.


@pytest.fixture
def printed_commands(monkeypatch):
    """Collect the commands that a run recommends about its own cloud."""
    commands = []
    make = recommended.recommend

    def collect(*words):
        commands.append([str(word) for word in words])
        return make(*words)

    monkeypatch.setattr(recommended, "recommend", collect)
    return commands


WAYS = {
    "this machine": ["--allinone"],
    "over SSH": ["--allinone", "--host", A],
    "as a user, with a port and a key": ["--allinone", "--host", f"admin@{A}:2222", "--ssh-key", "a key"],
    "several nodes": [f"--install-hosts={A},{B}"],
    "an answer file": ["--answer-file", "mine.txt", "--set", "CONFIG_DEBUG_MODE=y"],
    "overrides alone": ["apply", f"--set=CONFIG_CONTROLLER_HOST={A}"],
    "a sandbox": ["--allinone", "--sandbox", "aio"],
}


@root_only
@pytest.mark.parametrize("way", WAYS)
def test_every_command_that_a_run_prints_works_as_printed(
    home, machines, local, boxes, printed_commands, monkeypatch, way
):
    monkeypatch.chdir(home)
    machines.ids.update(dict.fromkeys(local, "d" * 32))
    ok("apply", f"--set=CONFIG_CONTROLLER_HOST={C}")  # Another deployment: the cloud must be named.
    printed_commands.clear()
    (home / "mine.txt").write_text(f"[general]\nCONFIG_CONTROLLER_HOST={A}\n")
    if way == "a sandbox":
        boxes.append(make_box(home, "aio", "KEY1"))
    finding = Finding("clock", A, "error", "it is late", "wait", make_fix("set the clock", "true"))
    first = len(machines.targets)
    for findings in ([finding], []):
        monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments, result=findings: result)
        result = run(*WAYS[way])
        text = result.stdout + result.stderr
        assert f"packstack-lite {shlex.join(printed_commands[-1])}" in text
    commands = [*printed_commands]
    assert {words[0] for words in commands} == {"preflight", "smoke"}
    expected = machines.targets[first]
    for words in commands:
        seen = len(machines.targets)
        ok(*words)
        target = machines.targets[seen]
        assert (target.address, target.user, target.port, target.key_file, target.is_local) == (
            expected.address,
            expected.user,
            expected.port,
            expected.key_file,
            expected.is_local,
        )
