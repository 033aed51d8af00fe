import dataclasses
import json
import os

import pytest

from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.sandbox import lifecycle, model, ssh_command
from packstack_lite.sandbox.container import keeper_argv, last_console_line, resolv_conf_mode
from packstack_lite.sandbox.identity import hosts_file, network_file
from packstack_lite.sandbox.network import iptables_rules


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    return tmp_path


def record(name="aio", number=1, layered=True):
    return model.Record(name, "container", "debian12", number, "base-1", layered)


def saved(name, number):
    made = record(name, number)
    made.directory.mkdir(parents=True)
    made.save()
    return made


def test_two_sandboxes_share_no_network_and_no_interface():
    first, second = record(number=1), record("b", number=2)
    for field in ("management_network", "external_network", "address", "gateway", "management_interface"):
        assert getattr(first, field) != getattr(second, field)
    nets = [first.management_network, first.external_network, second.management_network, second.external_network]
    assert nets == ["198.18.1.0/24", "198.18.2.0/24", "198.18.3.0/24", "198.18.4.0/24"]


def test_the_highest_number_stays_inside_the_test_range_and_the_interface_name_inside_15_characters():
    last = record(number=model.MAX_NETWORKS)
    assert last.external_network == "198.18.254.0/24"
    assert len(last.local_interface) <= 15


def test_free_number_skips_sandboxes_and_networks_that_the_machine_routes():
    assert model.find_free_number([], "") == 1
    assert model.find_free_number([1, 3], "") == 2
    assert model.find_free_number([1], "198.18.4.0/24 via 10.0.0.1 dev eth0") == 3
    assert model.find_free_number([], "198.18.10.0/24 dev x") == 1


def test_free_number_says_when_none_is_left():
    with pytest.raises(model.SandboxError, match="in use"):
        model.find_free_number(range(1, model.MAX_NETWORKS + 1), "")


@pytest.mark.parametrize("name", ["", "T1", "a b", "../x", "-a", "a-", "a" * 33, "a.b"])
def test_names_that_cannot_be_a_host_or_a_directory_are_refused(name):
    with pytest.raises(UsageError):
        model.validate_request(name, "debian12", "container")


def test_unknown_distro_and_kind_name_the_known_ones():
    with pytest.raises(UsageError) as fault:
        model.validate_request("aio", "debian1", "container")
    assert "debian12" in fault.value.hint
    with pytest.raises(UsageError) as fault:
        model.validate_request("aio", "debian12", "cloud")
    assert fault.value.hint == "known: container, machine, qemu, uml"


def test_a_machine_runs_debian_alone():
    model.validate_request("aio", "debian13", "machine")
    for kind in ("machine", "qemu", "uml"):
        with pytest.raises(UsageError, match=f"a sandbox of kind {kind} does not run el7"):
            model.validate_request("aio", "el7", kind)


def test_what_a_sandbox_runs_stays_and_a_contradiction_is_a_sentence():
    box = record().to_sandbox()
    assert model.require_matching(box, None) is box
    assert model.require_matching(box, "debian12") is box
    with pytest.raises(UsageError, match="is a container, not a machine"):
        model.require_matching(box, None, "machine")
    with pytest.raises(UsageError, match="runs debian12, not debian13") as fault:
        model.require_matching(box, "debian13")
    assert "sandbox down aio" in fault.value.hint


@pytest.mark.parametrize(("kind", "asked", "fits"), [
    *(("qemu", "machine", True), ("uml", "machine", True), ("uml", "uml", True)),
    *(("uml", "qemu", False), ("qemu", "container", False), ("container", "machine", False)),
])  # fmt: skip
def test_a_machine_is_any_that_has_a_kernel_of_its_own(kind, asked, fits):
    box = dataclasses.replace(record(), kind=kind).to_sandbox()
    if fits:
        assert model.require_matching(box, None, asked) is box
    else:
        with pytest.raises(UsageError, match=f"is a {kind}, not a {asked}"):
            model.require_matching(box, None, asked)


def test_a_saved_record_is_found_again_by_number(home):
    saved("b", 2)
    saved("a", 1)
    (home / "sandboxes" / "half").mkdir()
    assert [r.name for r in model.list_records()] == ["a", "b"]
    assert model.find_record("b").address == "198.18.3.10"
    assert json.loads((home / "sandboxes/b/sandbox.json").read_text())["number"] == 2


def test_a_record_of_a_later_release_is_read_as_far_as_it_is_known(home):
    made = saved("a", 1)
    path = made.directory / "sandbox.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "unheard-of": 1}))
    assert model.list_records() == [made]


def test_a_missing_sandbox_is_a_usage_fault_that_says_what_to_type(home):
    with pytest.raises(UsageError) as fault:
        lifecycle.find("mine")
    assert "packstack-lite sandbox up mine" in fault.value.hint
    assert fault.value.exit_code == ExitCode.USAGE


def test_a_reused_process_id_is_not_a_running_sandbox(home):
    made = saved("a", 1)
    assert made.to_sandbox().state == "stopped"
    (made.directory / "pid").write_text(f"{os.getpid()}\n")
    assert (made.to_sandbox().state, made.to_sandbox().pid) == ("stopped", 0)


def test_a_layered_sandbox_writes_to_its_upper_directory():
    assert record(layered=True).writable_dir.name == "upper"
    assert record(layered=False).writable_dir == record(layered=False).root


def test_the_name_maps_to_the_real_address_and_not_to_loopback():
    lines = [line.split() for line in hosts_file(record()).splitlines()]
    assert [line[0] for line in lines if "aio" in line[1:]] == ["198.18.1.10"]
    assert "Address=198.18.1.10/24\nGateway=198.18.1.1\n" in network_file(record())


def test_every_rule_carries_the_sandboxes_name_so_that_it_can_be_taken_back():
    for table, chain, *spec in iptables_rules(record("t1", 3)):
        assert (table, chain) in {("nat", "POSTROUTING"), ("filter", "FORWARD")}
        assert spec[spec.index("--comment") + 1] == "packstack-lite-sandbox t1"
    sources = [rule[rule.index("-s") + 1] for rule in iptables_rules(record("t1", 3)) if "-s" in rule]
    assert sources == ["198.18.5.0/24", "198.18.6.0/24"]


def test_the_keeper_gets_a_scope_under_systemd_alone(home):
    bare = keeper_argv(record(), home / "keeper", "copy-host", in_scope=False)
    assert bare[-1] == "copy-host"
    assert str(record().root) in bare
    scoped = keeper_argv(record(), home / "keeper", "copy-host", in_scope=True)
    assert scoped[: len(bare)] == bare
    assert scoped[len(bare) : len(bare) + 2] == ["systemd-run", "--scope"]


@pytest.mark.parametrize(
    ("text", "uplink", "mode"),
    [
        ("nameserver 10.0.0.1\n", True, "copy-host"),
        ("nameserver 127.0.0.53\noptions edns0\n", True, "copy-uplink"),
        ("nameserver 127.0.0.53\n", False, "copy-host"),
        ("nameserver 127.0.0.53\nnameserver 10.0.0.1\n", True, "copy-host"),
    ],
)
def test_a_resolver_on_the_machines_loopback_is_not_handed_to_the_container(text, uplink, mode):
    assert resolv_conf_mode(text, uplink) == mode


def test_the_last_words_of_a_console_skip_nspawns_own_clean_up():
    noise = 'Attempted to remove disk file system under "/run/x", and we can\'t allow that.\n'
    assert last_console_line(f"Spawning\nno init found\n{noise}\n") == "no init found"
    assert last_console_line(noise) == "its console is empty"


def test_ssh_argv_trusts_the_sandboxes_own_key_alone(home):
    sandbox = saved("a", 1).to_sandbox()
    argv = ssh_command.ssh_argv(sandbox, "id -u")
    assert argv[0] == "ssh"
    assert argv[-2:] == ["root@198.18.1.10", "id -u"]
    assert f"UserKnownHostsFile={home}/sandboxes/a/known_hosts" in argv
    assert "StrictHostKeyChecking=yes" in argv
    assert ssh_command.ssh_argv(sandbox)[-1] == "root@198.18.1.10"
    assert ssh_command.ssh_command_line(sandbox).startswith("ssh -F /dev/null -i ")


def test_without_root_up_says_so_before_it_does_anything(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="needs root"):
        lifecycle.up("aio")
    assert list(home.iterdir()) == []
