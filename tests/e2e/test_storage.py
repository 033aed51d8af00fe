"""Use secrets, objects and volumes on the complete cloud.

Apply again with data in them; reboot.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any, Iterator

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.remote.command import JobResult
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from packstack_lite.resources import Diff, FileSystem, Resource, SwiftRings, VolumeGroup
from tests.e2e.cloud_contract import STORAGE_CASES, assert_second_apply_changes_nothing, assert_smoke_passes
from tests.e2e.conftest import Sandbox
from tests.e2e.scan import assert_only_public_ports_open
from tests.e2e.stored_data import OPENSTACK, checksums, store_data
from tests.e2e.test_jobs import RecordingWatcher


@pytest.fixture(scope="module")
def storage(complete: Sandbox) -> Sandbox:
    return complete


def test_smoke_passes(storage: Sandbox) -> None:
    assert_smoke_passes(storage, STORAGE_CASES)


def test_a_second_apply_changes_nothing_and_keeps_all_data(storage: Sandbox) -> None:
    store_data(storage)
    before = checksums(storage)
    assert all(before.values()), before
    assert_second_apply_changes_nothing(storage)
    assert checksums(storage) == before


@pytest.mark.parametrize(
    ("flag", "code", "expected_text"),
    [
        ("--barbican-kek=" + base64.b64encode(b"a" * 32).decode(), 3, "every secret would be lost"),
        ("--barbican-kek=" + base64.b64encode(b"short").decode(), 2, "has 5 bytes, not 32"),
        ("--os-swift-hash=another", 3, "every object would be lost"),
        ("--cinder-backend=lvm", 3, "device mapper"),
        ("--cinder-backend=nfs", 3, "NFS"),
    ],
)
def test_data_loss_and_impossible_storage_are_refused_before_any_change(
    storage: Sandbox, flag: str, code: int, expected_text: str
) -> None:
    before = storage.fingerprint()
    result = storage("apply", flag)
    assert result.code == code, result.err
    assert expected_text in " ".join(result.err.split())
    assert storage.fingerprint() == before


def test_deleting_a_project_deletes_its_secrets(storage: Sandbox) -> None:
    """Barbican's listener is notified by Keystone."""
    storage.sh(
        OPENSTACK + "openstack project create going >/dev/null;"
        "openstack role add --project going --user $OS_USERNAME creator;"
        "OS_PROJECT_NAME=going openstack secret store --name going --payload gone >/dev/null"
    )
    count = "mariadb -N -e 'SELECT COUNT(*) FROM barbican.secrets WHERE name = \"going\" AND deleted = 0'"
    assert storage.sh(count).strip() == "1"
    storage.sh(OPENSTACK + "openstack project delete going")
    end = time.monotonic() + 60
    while storage.sh(count).strip() != "0":
        assert time.monotonic() < end, storage.sh("tail -n 20 /var/log/barbican/barbican-keystone-listener.log")
        time.sleep(1)


def test_rings_are_extended_and_never_rebuilt(storage: Sandbox) -> None:
    storage.sh("rm -rf /tmp/rings; mkdir -p /tmp/rings/nodes")
    rings_of_one = SwiftRings(
        directory="/tmp/rings",
        devices_root="/tmp/rings/nodes",
        ip="127.0.0.1",
        ports={"object": 6200},
        devices={"a": 1},
    )
    rings_of_two = SwiftRings(**{**vars(rings_of_one), "devices": {"a": 1, "b": 2}, "replicas": 2})
    assert _rings(storage, rings_of_one) == {f"rings:{rings_of_one.directory}": rings_of_one.desired()}
    load_builder = (
        'cd /tmp/rings && python3 -c \'from swift.common.ring import RingBuilder as B; b = B.load("object.builder");'
    )
    first = storage.sh(load_builder + " print(b.id, [list(part) for part in b._replica2part2dev])'")
    _rings(storage, rings_of_two)
    second = storage.sh(load_builder + " print(b.id, [list(part) for part in b._replica2part2dev])'")
    assert first.split()[0] == second.split()[0], "the ring was rebuilt"
    copies = json.loads(second.split(" ", 1)[1])
    assert len(copies) == 2 and {frozenset(pair) for pair in zip(*copies)} == {frozenset((0, 1))}
    storage.sh("rm /tmp/rings/object.builder")
    with pytest.raises(AssertionError, match=r"restore .*object\.builder from a backup"):
        _rings(storage, rings_of_two)
    storage.sh("rm /tmp/rings/object.ring.gz; mkdir -p /tmp/rings/nodes/a/objects/17")
    with pytest.raises(AssertionError, match="there are objects already"):
        _rings(storage, rings_of_two)


def test_file_systems_and_volume_groups_are_created_on_empty_files_only(storage: Sandbox) -> None:
    """With the real tools, in files; the sandbox uses loop devices of this machine."""
    nodes = "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; for n in 0 1 2 3 4 5 6 7; do"
    storage.sh(nodes + " [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done; mkdir -p /root/proof")
    if "works" not in storage.sh("truncate -s 1M /root/proof/l && losetup -f --show /root/proof/l && echo works; true"):
        pytest.skip("this machine has no loop device that a container can use")
    storage.sh("losetup -d $(losetup -j /root/proof/l | cut -d: -f1)")
    file_system = FileSystem(path="/root/proof/xfs", type="xfs", size="400M")
    group = VolumeGroup(name="proof", path="/root/proof/group", size_mib=100)
    occupied = VolumeGroup(name="occupied", path=file_system.path, size_mib=100)
    try:
        with _connect(storage) as connection:
            assert _run_fix(connection, file_system).ok and _probe(connection, file_system) == {
                file_system.id: {"type": "xfs"}
            }
            assert _run_fix(connection, group).ok and _probe(connection, group) == {group.id: {"exists": True}}
            result = _run_fix(connection, occupied)
            assert (result.ok, "holds xfs" in result.out) == (False, True), result.out
            identity = storage.sh("vgs --noheadings -o vg_uuid proof")
            storage.sh("losetup -d $(losetup -j /root/proof/group | cut -d: -f1)")
            assert _probe(connection, group) == {group.id: None}
            assert _run_fix(connection, group).ok, "as after a boot"
            assert storage.sh("vgs --noheadings -o vg_uuid proof") == identity
    finally:
        storage.sh(
            "for f in /root/proof/*; do losetup -j $f | cut -d: -f1 | xargs -r losetup -d; done; rm -r /root/proof"
        )


def test_all_services_and_data_are_back_after_a_reboot(storage: Sandbox) -> None:
    before = checksums(storage)
    sandbox_api.stop(storage.name)
    sandbox_api.start(storage.name)
    end = time.monotonic() + 600
    while True:
        verified = storage("verify", "--output", "json")
        if verified.code == 0:
            break
        assert time.monotonic() < end, verified.out + verified.err[-2000:]
        time.sleep(5)
    assert checksums(storage) == before
    # Sockets of packages, such as MariaDB's, would listen from the first boot on.
    assert_only_public_ports_open(storage)


@pytest.mark.slow
def test_a_state_directory_of_another_owner_is_named_and_mended(storage: Sandbox) -> None:
    """Verify called everything fine while no instance could boot."""
    directories = [
        "/var/lib/nova/instances",
        "/var/lib/glance/images",
        "/etc/keystone/fernet-keys",
        "/srv/node/swiftloopback",
    ]
    storage.sh(f"mkdir -p /var/lib/nova/instances/_base; chown -R root:root {' '.join(directories)}")
    verified = storage("verify", "--output", "json")
    assert verified.code == 6, verified.err
    drifted = {fault["resource"].split(":", 1)[1] for fault in verified.data["faults"]}
    assert drifted == set(directories), verified.out
    assert storage("apply").code == 0
    owners = storage.sh(
        f"find {' '.join(directories)} /var/lib/nova/instances/_base -maxdepth 0 -printf '%u\\n'"
    ).split()
    assert owners == ["nova", "glance", "keystone", "swift", "nova"]
    assert storage("verify").code == 0


def _rings(storage: Sandbox, rings: SwiftRings) -> Any:
    """Run the commands that apply would run; return the observed state."""
    with _connect(storage) as connection:
        reply = connection.run(SwiftRings.fix([Diff(rings, None, ())]))[0]  # type: ignore[arg-type]
        assert reply.ok, reply.err
        return _probe(connection, rings)


@contextlib.contextmanager
def _connect(storage: Sandbox) -> Iterator[SshConnection]:
    box = sandbox_api.find(storage.name)
    connection = SshConnection(
        SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts))
    )
    try:
        yield connection
    finally:
        connection.close()


def _probe(connection: SshConnection, resource: Resource) -> Any:
    probe = type(resource).probe([resource])[0]
    return probe.parse(connection.run([probe.command])[0])


def _run_fix(connection: SshConnection, resource: Resource) -> JobResult:
    """Run the job that apply would run for a missing resource; return its result."""
    (job,) = type(resource).fix([Diff(resource, None, ())])
    return connection.run_jobs([job], RecordingWatcher())[0]  # type: ignore[list-item]
