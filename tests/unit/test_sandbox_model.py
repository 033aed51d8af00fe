"""Records, numbers and networks of sandboxes, and what their files contain."""

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


def make_record(name="aio", number=1, layered=True):
    return model.Record(name, "container", "debian12", number, "base-1", layered)


def save_record(name, number):
    record = make_record(name, number)
    record.directory.mkdir(parents=True)
    record.save()
    return record


def test_two_sandboxes_share_no_network_and_no_interface():
    first, second = make_record(number=1), make_record("b", number=2)
    for field in ("management_network", "external_network", "address", "gateway", "management_interface"):
        assert getattr(first, field) != getattr(second, field)
    nets = [first.management_network, first.external_network, second.management_network, second.external_network]
    assert nets == ["198.18.1.0/24", "198.18.2.0/24", "198.18.3.0/24", "198.18.4.0/24"]


def test_the_highest_number_fits_into_the_address_range_and_into_interface_names():
    last = make_record(number=model.MAX_NETWORKS)
    assert last.external_network == "198.18.254.0/24"
    assert len(last.local_interface) <= 15


def test_the_free_number_skips_sandboxes_and_routed_networks():
    assert model.find_free_number([], "") == 1
    assert model.find_free_number([1, 3], "") == 2
    assert model.find_free_number([1], "198.18.4.0/24 via 10.0.0.1 dev eth0") == 3
    assert model.find_free_number([], "198.18.10.0/24 dev x") == 1


def test_no_free_number_is_an_error():
    with pytest.raises(model.SandboxError, match="in use"):
        model.find_free_number(range(1, model.MAX_NETWORKS + 1), "")


@pytest.mark.parametrize("name", ["", "T1", "a b", "../x", "-a", "a-", "a" * 33, "a.b"])
def test_invalid_names_are_refused(name):
    with pytest.raises(UsageError):
        model.validate_request(name, "debian12", "container")


def test_an_unknown_distro_or_kind_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as error:
        model.validate_request("aio", "debian1", "container")
    assert "debian12" in error.value.hint
    with pytest.raises(UsageError) as error:
        model.validate_request("aio", "debian12", "cloud")
    assert error.value.hint == "known: container, machine, qemu, uml"


def test_a_virtual_machine_runs_only_debian():
    model.validate_request("aio", "debian13", "machine")
    for kind in ("machine", "qemu", "uml"):
        with pytest.raises(UsageError, match=f"a sandbox of kind {kind} does not run el7"):
            model.validate_request("aio", "el7", kind)


def test_another_distro_or_kind_than_the_sandboxs_is_refused():
    box = make_record().to_sandbox()
    assert model.require_matching(box, None) is box
    assert model.require_matching(box, "debian12") is box
    with pytest.raises(UsageError, match="is a container, not a machine"):
        model.require_matching(box, None, "machine")
    with pytest.raises(UsageError, match="runs debian12, not debian13") as error:
        model.require_matching(box, "debian13")
    assert "sandbox down aio" in error.value.hint


@pytest.mark.parametrize(("kind", "requested", "matches"), [
    *(("qemu", "machine", True), ("uml", "machine", True), ("uml", "uml", True)),
    *(("uml", "qemu", False), ("qemu", "container", False), ("container", "machine", False)),
])  # fmt: skip
def test_kind_machine_matches_every_virtual_machine(kind, requested, matches):
    box = dataclasses.replace(make_record(), kind=kind).to_sandbox()
    if matches:
        assert model.require_matching(box, None, requested) is box
    else:
        with pytest.raises(UsageError, match=f"is a {kind}, not a {requested}"):
            model.require_matching(box, None, requested)


def test_records_are_listed_by_number_and_unfinished_sandboxes_left_out(home):
    save_record("b", 2)
    save_record("a", 1)
    (home / "sandboxes" / "half").mkdir()
    assert [r.name for r in model.list_records()] == ["a", "b"]
    assert model.find_record("b").address == "198.18.3.10"
    assert json.loads((home / "sandboxes/b/sandbox.json").read_text())["number"] == 2


def test_unknown_fields_of_a_record_are_ignored(home):
    stored = save_record("a", 1)
    path = stored.directory / "sandbox.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "unheard-of": 1}))
    assert model.list_records() == [stored]


def test_a_missing_sandbox_is_a_usage_error_that_names_the_command(home):
    with pytest.raises(UsageError) as error:
        lifecycle.find("mine")
    assert "packstack-lite sandbox up mine" in error.value.hint
    assert error.value.exit_code == ExitCode.USAGE


def test_a_reused_process_id_is_not_a_running_sandbox(home):
    stored = save_record("a", 1)
    assert stored.to_sandbox().state == "stopped"
    (stored.directory / "pid").write_text(f"{os.getpid()}\n")
    assert (stored.to_sandbox().state, stored.to_sandbox().pid) == ("stopped", 0)


def test_a_layered_sandbox_writes_to_its_upper_directory():
    assert make_record(layered=True).writable_dir.name == "upper"
    assert make_record(layered=False).writable_dir == make_record(layered=False).root


def test_the_host_name_resolves_to_the_real_address():
    lines = [line.split() for line in hosts_file(make_record()).splitlines()]
    assert [line[0] for line in lines if "aio" in line[1:]] == ["198.18.1.10"]
    assert "Address=198.18.1.10/24\nGateway=198.18.1.1\n" in network_file(make_record())


def test_every_packet_rule_has_the_sandboxs_name_as_comment():
    for table, chain, *spec in iptables_rules(make_record("t1", 3)):
        assert (table, chain) in {("nat", "POSTROUTING"), ("filter", "FORWARD")}
        assert spec[spec.index("--comment") + 1] == "packstack-lite-sandbox t1"
    sources = [rule[rule.index("-s") + 1] for rule in iptables_rules(make_record("t1", 3)) if "-s" in rule]
    assert sources == ["198.18.5.0/24", "198.18.6.0/24"]


def test_the_keeper_runs_in_a_scope_only_under_systemd(home):
    bare = keeper_argv(make_record(), home / "keeper", "copy-host", in_scope=False)
    assert bare[-1] == "copy-host"
    assert str(make_record().root) in bare
    scoped = keeper_argv(make_record(), home / "keeper", "copy-host", in_scope=True)
    assert scoped[: len(bare)] == bare
    assert scoped[len(bare) : len(bare) + 2] == ["systemd-run", "--scope"]


@pytest.mark.parametrize(
    ("resolv_conf", "uplink_exists", "mode"),
    [
        ("nameserver 10.0.0.1\n", True, "copy-host"),
        ("nameserver 127.0.0.53\noptions edns0\n", True, "copy-uplink"),
        ("nameserver 127.0.0.53\n", False, "copy-host"),
        ("nameserver 127.0.0.53\nnameserver 10.0.0.1\n", True, "copy-host"),
    ],
)
def test_a_container_gets_no_resolver_on_loopback(resolv_conf, uplink_exists, mode):
    assert resolv_conf_mode(resolv_conf, uplink_exists) == mode


def test_the_last_console_line_is_not_nspawns_clean_up_message():
    noise = 'Attempted to remove disk file system under "/run/x", and we can\'t allow that.\n'
    assert last_console_line(f"Spawning\nno init found\n{noise}\n") == "no init found"
    assert last_console_line(noise) == "its console is empty"


def test_ssh_accepts_only_the_sandboxs_host_key(home):
    sandbox = save_record("a", 1).to_sandbox()
    argv = ssh_command.ssh_argv(sandbox, "id -u")
    assert argv[0] == "ssh"
    assert argv[-2:] == ["root@198.18.1.10", "id -u"]
    assert f"UserKnownHostsFile={home}/sandboxes/a/known_hosts" in argv
    assert "StrictHostKeyChecking=yes" in argv
    assert ssh_command.ssh_argv(sandbox)[-1] == "root@198.18.1.10"
    assert ssh_command.ssh_command_line(sandbox).startswith("ssh -F /dev/null -i ")


def test_up_without_root_is_refused_before_anything_is_changed(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="needs root"):
        lifecycle.up("aio")
    assert list(home.iterdir()) == []
