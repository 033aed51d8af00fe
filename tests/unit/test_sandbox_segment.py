"""Several sandboxes on one segment: names, numbers, rules and what a link may be told."""

import ast
import sys
from pathlib import Path

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import cable, cable_relay, lifecycle, model, network, segment
from packstack_lite.sandbox.container import keeper_argv
from packstack_lite.sandbox.identity import network_file, tunnel_file


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    return tmp_path


def alone(name="aio", number=1):
    return model.Record(name, "container", "debian12", number, "base-1", True)


def hosts(count, name="aio", number=1):
    return segment.missing_records(alone(name, number), count, [])


def saved(*records):
    for record in records:
        record.directory.mkdir(parents=True)
        record.save()
    return list(records)


def test_the_hosts_of_a_segment_share_networks_and_no_address():
    made = hosts(3, number=8)
    assert [record.name for record in made] == ["aio", "aio-2", "aio-3"]
    assert [record.address for record in made] == ["198.18.15.10", "198.18.15.11", "198.18.15.12"]
    assert [record.tunnel_address for record in made] == ["198.19.8.10", "198.19.8.11", "198.19.8.12"]
    assert {record.first_address for record in made} == {"198.18.15.10"}
    assert len({record.management_network for record in made}) == len({record.external_network for record in made}) == 1
    ends = [
        end
        for record in made
        for end in (record.local_interface, record.local_tunnel_interface, record.management_interface)
    ]
    assert len(set(ends)) == 3 * 2 + 1


def test_a_host_alone_is_what_it_was():
    record = alone(number=8)
    assert (record.address, record.local_interface, record.management_interface) == (
        "198.18.15.10",
        "plsandbox8",
        "plsandbox8",
    )
    assert (record.tunnel_address, record.local_tunnel_interface, record.group_name) == ("", "", "aio")
    assert network.segment_bridges(record) == []
    assert not [rule for rule in network.iptables_rules(record) if "pltunnel8" in rule]
    assert keeper_argv(record, Path("keeper"), "copy-host", False)[-2:] == ["", "copy-host"]


def test_the_last_host_of_the_last_segment_stays_within_an_interfaces_name_and_the_test_range():
    last = hosts(segment.MAX_NODES, number=model.MAX_NETWORKS)[-1]
    for end in (
        last.local_interface,
        last.local_tunnel_interface,
        cable.tap_name(last.local_interface),
        cable.tap_name(last.local_tunnel_interface),
    ):
        assert len(end) <= 15
    assert last.address == "198.18.253.29" and last.tunnel_address == "198.19.127.29"


def test_a_relays_interface_is_no_cable():
    record = hosts(2)[1]
    ends = {record.local_interface, record.local_tunnel_interface}
    assert len({*ends, *map(cable.tap_name, ends)}) == 4


def test_a_segment_grows_by_what_is_missing(home):
    known = hosts(3)
    assert segment.missing_records(known[0], 3, known) == []
    assert segment.missing_records(known[0], 2, known) == []
    assert segment.missing_records(known[0], 0, known) == []
    (fourth,) = segment.missing_records(alone(), 4, known)
    assert (fourth.name, fourth.member, fourth.segment) == ("aio-4", 4, "aio")
    (second,) = segment.missing_records(alone(), 3, [known[0], known[2]])
    assert second == known[1]


@pytest.mark.parametrize("count", [-1, segment.MAX_NODES + 1])
def test_a_number_of_hosts_that_cannot_be_is_a_usage_fault(count):
    with pytest.raises(UsageError, match="is not possible"):
        segment.node_names("aio", count)


def test_a_name_that_somebody_else_has_is_a_usage_fault():
    other, ours = alone("aio-2", 5), hosts(2)
    with pytest.raises(UsageError, match="made without --hosts") as fault:
        segment.validate_names("aio", 3, [other])
    assert "sandbox down aio-2" in fault.value.hint
    with pytest.raises(UsageError, match="belongs to the segment 'aio'"):
        segment.validate_names("aio-2", 2, ours)
    segment.validate_names("aio", 3, ours)
    segment.validate_names("aio", 0, [other])


def test_a_segments_name_means_all_its_hosts_and_a_hosts_name_itself(home):
    saved(*hosts(3), alone("b", 2))
    assert [record.name for record in model.find_records("aio")] == ["aio", "aio-2", "aio-3"]
    assert [record.name for record in model.find_records("aio-2")] == ["aio-2"]
    assert [record.name for record in model.find_records("b")] == ["b"]
    assert [model.find_group_name(name) for name in ("aio-3", "b", "none")] == ["aio", "b", "none"]
    with pytest.raises(UsageError):
        model.find_records("none")
    assert [(box.name, box.segment, box.tunnel) for box in lifecycle.list_all()] == [
        ("aio", "aio", "198.19.1.10"),
        ("aio-2", "aio", "198.19.1.11"),
        ("aio-3", "aio", "198.19.1.12"),
        ("b", "", ""),
    ]


def test_a_record_of_before_segments_is_a_host_alone(home):
    record = alone()
    record.directory.mkdir(parents=True)
    (record.directory / "sandbox.json").write_text(
        '{"name": "aio", "kind": "container", "distro": "debian12", "number": 1, "tree": "base-1", "layered": true}'
    )
    assert model.list_records() == [record]


def test_hosts_of_a_segment_have_one_set_of_rules():
    first, second = hosts(2)
    assert network.iptables_rules(first) == network.iptables_rules(second)
    assert network.segment_bridges(first) == network.segment_bridges(second)
    assert all("packstack-lite-sandbox aio" in rule for rule in network.iptables_rules(second))
    passage = {rule[3] for rule in network.iptables_rules(first) if rule[1] == "FORWARD"}
    assert passage == {"plsandbox1", "pltunnel1"}


def test_the_second_interface_has_an_address_and_no_way_out():
    second = hosts(2)[1]
    assert "Name=tunnel0\n" in tunnel_file(second) and "Address=198.19.1.11/24\n" in tunnel_file(second)
    assert "Gateway" not in tunnel_file(second)
    assert "Address=198.18.1.11/24\nGateway=198.18.1.1\n" in network_file(second)


@pytest.mark.parametrize(("text", "value"), [("50ms", 0.05), ("0.2s", 0.2), ("10s", 10.0), ("0.5ms", 0.0005)])
def test_a_delay_is_a_number_with_its_unit(text, value):
    assert cable.parse_delay(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("what", "amount", "interface"),
    [
        ("delay", "", "main"),
        ("delay", "50", "main"),
        ("delay", "0ms", "main"),
        ("delay", "11s", "main"),
        ("delay", "-5ms", "main"),
        ("cut", "50ms", "main"),
        ("heal", "now", "main"),
        ("break", "", "main"),
        ("cut", "", "eth0"),
    ],
)
def test_a_link_that_cannot_be_so_is_a_usage_fault_before_anything_is_looked_at(home, what, amount, interface):
    with pytest.raises(UsageError) as fault:
        cable.change_cable("aio", what, amount, interface, lambda text: None)
    assert fault.value.hint


def test_a_tunnel_is_not_asked_of_a_host_alone_and_nothing_of_a_stopped_one(home, monkeypatch):
    monkeypatch.setattr(cable.local_commands, "require_root", lambda: None)
    saved(alone("b", 2), *hosts(2))
    with pytest.raises(UsageError, match="no tunnel"):
        cable.change_cable("b", "cut", "", "tunnel", lambda text: None)
    with pytest.raises(UsageError, match="is stopped"):
        cable.change_cable("aio-2", "cut", "", "tunnel", lambda text: None)


def test_the_relay_is_a_program_of_the_standard_library_alone():
    tree = ast.parse(Path(cable_relay.__file__).read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert names
    # sys.stdlib_module_names came with 3.10.
    assert not {str(name).split(".")[0] for name in names} - getattr(sys, "stdlib_module_names", set(names))


def test_a_process_id_that_is_somebody_elses_is_no_relay(home):
    (record,) = saved(hosts(1)[0])
    assert cable.relay_pids(record, record.local_interface) == []
    (record.directory / f"relay-{record.local_interface}.pid").write_text("1\n")
    assert cable.relay_pids(record, record.local_interface) == []
    cable.stop_relays(record)


def test_a_sandbox_that_is_whole_needs_no_base(monkeypatch):
    """One would be made where the table has changed, while every other sandbox waits for the lock."""
    record = model.Record("s", "container", "el7", 3, "base-old", True, segment="s", member=1)
    monkeypatch.setattr(lifecycle, "list_records", lambda: [record])
    monkeypatch.setattr(lifecycle.trees, "collect_debs", lambda other: None)
    monkeypatch.setattr(lifecycle.trees, "ensure_tree", lambda *words: pytest.fail("a base was asked for"))
    wish = lifecycle.SandboxSpec("el7", "container", "base", print)
    assert lifecycle._create_all("s", 0, [record], wish) == lifecycle._create_all("s", 1, [record], wish) == []
