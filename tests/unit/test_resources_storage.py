"""File systems (real ones, in files), volume groups (with stand-in tools), and Swift's rings."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess

import pytest

from packstack_lite.remote.command import Reply
from packstack_lite.resources import FileSystem, Phase, SwiftRings, Unknown, VolumeGroup
from packstack_lite.smoke.runner import program_source as smoke_program
from tests.conftest import PROJECT
from tests.unit.dash import Dash, is_as_desired, missing_diff
from tests.unit.test_resources_api_object import NEWER_THAN_PYTHON_27

needs_mkfs = pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="no mkfs.ext4 on this machine")


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path)


@needs_mkfs
def test_a_file_system_is_created_in_a_file_of_the_given_size(dash, tmp_path):
    path = tmp_path / "deep" / "it's file"
    filesystem = FileSystem(path=str(path), type="ext4", size="8M")
    assert dash.probe(filesystem) == {filesystem.id: None}
    (reply,) = dash.fix(filesystem)
    assert reply.ok, reply.err
    assert path.stat().st_size == 8 * 2**20
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_as_desired(filesystem, dash.probe(filesystem)[filesystem.id])


@needs_mkfs
def test_a_device_that_holds_something_is_never_formatted(dash, tmp_path):
    path = tmp_path / "disk"
    existing = FileSystem(path=str(path), type="ext4", size="8M")
    dash.fix(existing)
    before = path.read_bytes()
    desired = FileSystem(path=str(path), type="xfs", size="8M")
    assert not is_as_desired(desired, dash.probe(desired)[desired.id])
    (reply,) = dash.fix(desired)
    assert reply.code == 1
    assert "holds ext4, so it is not formatted" in reply.err
    assert path.read_bytes() == before


@pytest.mark.skipif(not shutil.which("sfdisk"), reason="no sfdisk on this machine")
def test_a_partitioned_device_is_never_formatted(dash, tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(8 * 2**20))
    subprocess.run(["sfdisk", "-q", str(path)], input=b",,L\n", check=True)
    (reply,) = dash.fix(FileSystem(path=str(path), type="ext4"))
    assert "holds partitions" in reply.err


def test_a_missing_device_is_a_failure(dash, tmp_path):
    (reply,) = dash.fix(FileSystem(path=str(tmp_path / "vdz")))
    assert (reply.code, reply.err.strip()) == (1, f"{tmp_path}/vdz does not exist")


LVM = {
    "vgs": "case $* in *vg_name) cat $T/groups ;; *) exit 5 ;; esac",
    "losetup": 'case $1 in -j) ;; *) echo "losetup $*" >> $T/calls; echo /dev/null ;; esac',
    "pvcreate": 'echo "pvcreate $*" >> $T/calls',
    "vgcreate": 'echo "vgcreate $*" >> $T/calls; echo "  $2" >> $T/groups',
    "blkid": "cat $T/holds 2>/dev/null",
}


@pytest.fixture
def lvm(dash, tmp_path):
    (tmp_path / "groups").write_text("")
    for name, script in LVM.items():
        dash.tool(name, script)
    return dash


def test_a_volume_group_is_found_by_its_exact_name(lvm, tmp_path):
    (tmp_path / "groups").write_text("  system\n  cinder-volumes\n")
    there, not_there = VolumeGroup(name="cinder-volumes"), VolumeGroup(name="cinder")
    assert lvm.probe(there, not_there) == {there.id: {"exists": True}, not_there.id: None}


def test_a_volume_group_without_a_path_is_a_failure(lvm):
    (reply,) = lvm.fix(VolumeGroup(name="cinder-volumes"))
    assert reply.code == 1
    assert "CONFIG_CINDER_VOLUMES_CREATE=y" in reply.err


def test_a_path_that_is_no_device_is_a_failure(lvm, tmp_path):
    (reply,) = lvm.fix(VolumeGroup(name="g", path=str(tmp_path)))
    assert "is not a block device" in reply.err
    assert lvm.read_note("calls") == ""


RINGS = SwiftRings(
    directory="/etc/swift",
    devices_root="/srv/node",
    ip="127.0.0.1",
    ports={"object": 6200},
    devices={"b": 2, "a": 1},
    replicas=2,
)
WHOLE = {"devices": ["a:1", "b:2"], "replicas": 2, "made": True}


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        (WHOLE, True),
        ({**WHOLE, "devices": ["a:1"]}, False),
        ({**WHOLE, "replicas": 1}, False),
        ({**WHOLE, "made": False}, False),
    ],
)
def test_rings_are_right_when_each_has_all_devices_and_replicas(ring, expected):
    observed = RINGS._parse(Reply(0, json.dumps({"object": ring})))
    assert is_as_desired(RINGS, observed[RINGS.id]) is expected


def test_missing_rings_and_a_missing_swift_are_told_apart():
    assert RINGS._parse(Reply(0, json.dumps({"object": None}))) == {RINGS.id: None}
    later = RINGS._parse(Reply(75))[RINGS.id]
    assert isinstance(later, Unknown) and later.known_after is Phase.PACKAGES
    with pytest.raises(ValueError, match="exit 1: Traceback"):
        RINGS._parse(Reply(1, "", "Traceback"))


def test_the_program_gets_all_rings_on_standard_input():
    (command,) = SwiftRings.fix([missing_diff(RINGS)])
    size, _, rest = command.stdin.partition(b"\n")
    task = json.loads(rest[int(size) :])
    assert task["mode"] == "write"
    assert task["rings"]["object"] == {
        "power": 10, "replicas": 2, "devices": {"b": 2, "a": 1}, "ip": "127.0.0.1", "port": 6200
    }  # fmt: skip
    assert "import swift" in command.script


HOSTSIDE = sorted((PROJECT / "packstack_lite").glob("*/hostside/*.py"))


@pytest.mark.parametrize("path", [path for path in HOSTSIDE if "services" not in path.parts], ids=lambda p: p.name)
def test_programs_for_the_node_are_python_27_too(path):
    source = path.read_text(encoding="ascii")
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, NEWER_THAN_PYTHON_27), f"line {getattr(node, 'lineno', '?')}: {node}"
        assert not (isinstance(node, ast.Dict) and None in node.keys), f"line {node.lineno}: a mapping unpacked"


def test_the_smoke_test_is_one_program_with_its_modules():
    compile(smoke_program(), "smoke", "exec")
    assert b"load_module('smoke_volumes'" in smoke_program()
