"""Segments of several sandboxes: names, addresses, packet rules; and what can be done to a node's cable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import cable, cable_relay, container, lifecycle, model, network, segment
from packstack_lite.sandbox.container import keeper_argv
from packstack_lite.sandbox.identity import network_file, tunnel_file


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    return tmp_path


def single_node(name="aio", number=1):
    return model.Record(name, "container", "debian12", number, "base-1", True)


def segment_nodes(count, name="aio", number=1):
    return segment.missing_records(single_node(name, number), count, [])


def save_records(*records):
    for record in records:
        record.directory.mkdir(parents=True)
        record.save()
    return list(records)


def test_the_nodes_of_a_segment_share_networks_and_no_address():
    nodes = segment_nodes(3, number=8)
    assert [record.name for record in nodes] == ["aio", "aio-2", "aio-3"]
    assert [record.address for record in nodes] == ["198.18.15.10", "198.18.15.11", "198.18.15.12"]
    assert [record.tunnel_address for record in nodes] == ["198.19.8.10", "198.19.8.11", "198.19.8.12"]
    assert {record.first_address for record in nodes} == {"198.18.15.10"}
    assert (
        len({record.management_network for record in nodes}) == len({record.external_network for record in nodes}) == 1
    )
    ends = [
        end
        for record in nodes
        for end in (record.local_interface, record.local_tunnel_interface, record.management_interface)
    ]
    assert len(set(ends)) == 3 * 2 + 1


def test_a_single_node_has_no_bridge_and_no_tunnel():
    record = single_node(number=8)
    assert (record.address, record.local_interface, record.management_interface) == (
        "198.18.15.10",
        "plsandbox8",
        "plsandbox8",
    )
    assert (record.tunnel_address, record.local_tunnel_interface, record.group_name) == ("", "", "aio")
    assert network.segment_bridges(record) == []
    assert not [rule for rule in network.iptables_rules(record) if "pltunnel8" in rule]
    assert keeper_argv(record, Path("keeper"), "copy-host", False)[-2:] == ["", "copy-host"]


def test_old_cables_are_removed_before_each_boot(tmp_path, monkeypatch):
    """A busy kernel keeps the cables of a container that has ended; the next boot would fail with "File exists"."""
    calls, boots = tmp_path / "calls", tmp_path / "boots"
    (tmp_path / "ip").write_text(f'#!/bin/sh\necho "ip $*" >> {calls}\n')
    # The first boot ends as a reboot does.
    (tmp_path / "systemd-nspawn").write_text(
        "#!/bin/sh\n[ $1 != --help ] || exit 0\n"
        f"echo boot >> {calls}\n[ -e {boots} ] || {{ touch {boots}; exit 133; }}\n"
    )
    for program in ("ip", "systemd-nspawn"):
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    record = segment_nodes(2)[1]
    keeper = Path(container.__file__).parent / "data" / "keeper"
    process = subprocess.run([*keeper_argv(record, keeper, "copy-host", False), "env"], check=False)
    assert process.returncode == 0
    lines = [line for line in calls.read_text().splitlines() if line == "boot" or " del " in line]
    removals = ["ip link del plsandbox1-2", "ip link del pltunnel1-2"]
    assert lines == [*removals, "boot", *removals, "boot"]


@pytest.mark.parametrize(("help_text", "is_passed"), [("  --suppress-sync=BOOLEAN", True), ("  --boot", False)])
def test_writes_are_not_synced_where_systemd_can_leave_it_out(tmp_path, monkeypatch, help_text, is_passed):
    arguments = tmp_path / "arguments"
    (tmp_path / "ip").write_text("#!/bin/sh\n")
    (tmp_path / "systemd-nspawn").write_text(
        f"#!/bin/sh\n[ $1 != --help ] || {{ echo '{help_text}'; exit 0; }}\necho \"$*\" >> {arguments}\n"
    )
    for program in ("ip", "systemd-nspawn"):
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    keeper = Path(container.__file__).parent / "data" / "keeper"
    process = subprocess.run([*keeper_argv(single_node(number=8), keeper, "copy-host", False), "env"], check=False)
    assert process.returncode == 0
    passed = arguments.read_text().split()
    assert ("--suppress-sync=yes" in passed) == is_passed
    assert "--drop-capability=CAP_SYS_TIME" in passed, "date -s in a container would set this machine's clock"


def test_the_last_node_of_the_last_segment_fits_into_interface_names_and_the_address_range():
    last = segment_nodes(segment.MAX_NODES, number=model.MAX_NETWORKS)[-1]
    for end in (
        last.local_interface,
        last.local_tunnel_interface,
        cable.tap_name(last.local_interface),
        cable.tap_name(last.local_tunnel_interface),
    ):
        assert len(end) <= 15
    assert last.address == "198.18.253.29" and last.tunnel_address == "198.19.127.29"


def test_a_relays_interface_has_another_name_than_every_cable():
    record = segment_nodes(2)[1]
    ends = {record.local_interface, record.local_tunnel_interface}
    assert len({*ends, *map(cable.tap_name, ends)}) == 4


def test_only_missing_nodes_are_added_to_a_segment(home):
    known = segment_nodes(3)
    assert segment.missing_records(known[0], 3, known) == []
    assert segment.missing_records(known[0], 2, known) == []
    assert segment.missing_records(known[0], 0, known) == []
    (fourth,) = segment.missing_records(single_node(), 4, known)
    assert (fourth.name, fourth.member, fourth.segment) == ("aio-4", 4, "aio")
    (second,) = segment.missing_records(single_node(), 3, [known[0], known[2]])
    assert second == known[1]


@pytest.mark.parametrize("count", [-1, segment.MAX_NODES + 1])
def test_a_node_count_out_of_range_is_refused(count):
    with pytest.raises(UsageError, match="is not possible"):
        segment.node_names("aio", count)


def test_a_name_that_another_sandbox_has_is_refused():
    other, nodes = single_node("aio-2", 5), segment_nodes(2)
    with pytest.raises(UsageError, match="made without --hosts") as error:
        segment.validate_names("aio", 3, [other])
    assert "sandbox down aio-2" in error.value.hint
    with pytest.raises(UsageError, match="belongs to the segment 'aio'"):
        segment.validate_names("aio-2", 2, nodes)
    segment.validate_names("aio", 3, nodes)
    segment.validate_names("aio", 0, [other])


def test_a_segments_name_stands_for_all_its_nodes_and_another_nodes_name_for_itself(home):
    save_records(*segment_nodes(3), single_node("b", 2))
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


def test_a_record_without_segment_is_a_single_node(home):
    record = single_node()
    record.directory.mkdir(parents=True)
    (record.directory / "sandbox.json").write_text(
        '{"name": "aio", "kind": "container", "distro": "debian12", "number": 1, "tree": "base-1", "layered": true}'
    )
    assert model.list_records() == [record]


def test_the_nodes_of_a_segment_share_packet_rules_and_bridges():
    first, second = segment_nodes(2)
    assert network.iptables_rules(first) == network.iptables_rules(second)
    assert network.segment_bridges(first) == network.segment_bridges(second)
    assert all("packstack-lite-sandbox aio" in rule for rule in network.iptables_rules(second))
    forwarded = {rule[3] for rule in network.iptables_rules(first) if rule[1] == "FORWARD"}
    assert forwarded == {"plsandbox1", "pltunnel1"}


def test_the_second_interface_has_an_address_and_no_gateway():
    second = segment_nodes(2)[1]
    assert "Name=tunnel0\n" in tunnel_file(second) and "Address=198.19.1.11/24\n" in tunnel_file(second)
    assert "Gateway" not in tunnel_file(second)
    assert "Address=198.18.1.11/24\nGateway=198.18.1.1\n" in network_file(second)


@pytest.mark.parametrize(("text", "value"), [("50ms", 0.05), ("0.2s", 0.2), ("10s", 10.0), ("0.5ms", 0.0005)])
def test_a_delay_is_a_number_with_a_unit(text, value):
    assert cable.parse_delay(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("action", "amount", "interface"),
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
def test_invalid_link_arguments_are_refused_before_anything_is_read(home, action, amount, interface):
    with pytest.raises(UsageError) as error:
        cable.change_cable("aio", action, amount, interface, lambda text: None)
    assert error.value.hint


def test_a_tunnel_that_does_not_exist_and_a_stopped_node_are_refused(home, monkeypatch):
    monkeypatch.setattr(cable.local_commands, "require_root", lambda: None)
    save_records(single_node("b", 2), *segment_nodes(2))
    with pytest.raises(UsageError, match="no tunnel"):
        cable.change_cable("b", "cut", "", "tunnel", lambda text: None)
    with pytest.raises(UsageError, match="is stopped"):
        cable.change_cable("aio-2", "cut", "", "tunnel", lambda text: None)


def test_the_relay_imports_only_the_standard_library():
    tree = ast.parse(Path(cable_relay.__file__).read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert names
    # sys.stdlib_module_names came with 3.10.
    assert not {str(name).split(".")[0] for name in names} - getattr(sys, "stdlib_module_names", set(names))


def test_another_process_with_the_relays_old_id_is_not_a_relay(home):
    (record,) = save_records(segment_nodes(1)[0])
    assert cable.relay_pids(record, record.local_interface) == []
    (record.directory / f"relay-{record.local_interface}.pid").write_text("1\n")
    assert cable.relay_pids(record, record.local_interface) == []
    cable.stop_relays(record)


def test_a_complete_sandbox_does_not_ask_for_its_base_tree(monkeypatch):
    """A newer base tree would be made, while every other sandbox waits for the lock."""
    record = model.Record("s", "container", "el7", 3, "base-old", True, segment="s", member=1)
    monkeypatch.setattr(lifecycle, "list_records", lambda: [record])
    monkeypatch.setattr(lifecycle.trees, "collect_debs", lambda other: None)
    monkeypatch.setattr(lifecycle.trees, "ensure_tree", lambda *args: pytest.fail("a base tree was asked for"))
    spec = lifecycle.SandboxSpec("el7", "container", "base", print)
    assert lifecycle._create_all("s", 0, [record], spec) == lifecycle._create_all("s", 1, [record], spec) == []
