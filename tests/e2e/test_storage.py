"""Secrets, objects and volumes on the complete cloud: used, applied again with data in them, rebooted."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any, Dict, Iterator

import pytest

from packstack_lite import sandbox as room
from packstack_lite.remote.command import JobResult
from packstack_lite.remote.connections import SshConnection
from packstack_lite.remote.session import SshTarget
from packstack_lite.resources import Diff, FileSystem, Resource, SwiftRings, VolumeGroup
from tests.e2e.cloud_contract import STORAGE, second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import Sandbox
from tests.e2e.test_jobs import Ear

OPENSTACK = ". /root/keystonerc_admin; "


@pytest.fixture(scope="module")
def storage(complete: Sandbox) -> Sandbox:
    return complete


def test_smoke_proves_each_promise(storage: Sandbox) -> None:
    smoke_proves(storage, STORAGE)


def test_a_second_apply_changes_nothing_and_loses_nothing(storage: Sandbox) -> None:
    _put(storage)
    before = _kept(storage)
    assert all(before.values()), before
    second_apply_changes_nothing(storage)
    assert _kept(storage) == before


@pytest.mark.parametrize(
    ("flag", "code", "words"),
    [
        ("--barbican-kek=" + base64.b64encode(b"a" * 32).decode(), 3, "every secret would be lost"),
        ("--barbican-kek=" + base64.b64encode(b"short").decode(), 2, "has 5 bytes, not 32"),
        ("--os-swift-hash=another", 3, "every object would be lost"),
        ("--cinder-backend=lvm", 3, "device mapper"),
        ("--cinder-backend=nfs", 3, "NFS"),
    ],
)
def test_what_would_lose_data_or_cannot_be_is_refused_first(storage: Sandbox, flag: str, code: int, words: str) -> None:
    before = storage.fingerprint()
    refused = storage("apply", flag)
    assert refused.code == code, refused.err
    assert words in " ".join(refused.err.split())
    assert storage.fingerprint() == before


def test_a_deleted_projects_secrets_go_with_it(storage: Sandbox) -> None:
    """Barbican hears of it from Keystone, by the listener."""
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


def test_rings_are_extended_and_never_built_anew(storage: Sandbox) -> None:
    storage.sh("rm -rf /tmp/rings; mkdir -p /tmp/rings/nodes")
    one = SwiftRings(
        directory="/tmp/rings",
        devices_root="/tmp/rings/nodes",
        ip="127.0.0.1",
        ports={"object": 6200},
        devices={"a": 1},
    )
    two = SwiftRings(**{**vars(one), "devices": {"a": 1, "b": 2}, "replicas": 2})
    assert _rings(storage, one) == {f"rings:{one.directory}": one.desired()}
    where = (
        'cd /tmp/rings && python3 -c \'from swift.common.ring import RingBuilder as B; b = B.load("object.builder");'
    )
    first = storage.sh(where + " print(b.id, [list(part) for part in b._replica2part2dev])'")
    _rings(storage, two)
    second = storage.sh(where + " print(b.id, [list(part) for part in b._replica2part2dev])'")
    assert first.split()[0] == second.split()[0], "the builder is another one"
    copies = json.loads(second.split(" ", 1)[1])
    assert len(copies) == 2 and {frozenset(pair) for pair in zip(*copies)} == {frozenset((0, 1))}
    storage.sh("rm /tmp/rings/object.builder")
    with pytest.raises(AssertionError, match=r"restore .*object\.builder from a backup"):
        _rings(storage, two)
    storage.sh("rm /tmp/rings/object.ring.gz; mkdir -p /tmp/rings/nodes/a/objects/17")
    with pytest.raises(AssertionError, match="there are objects already"):
        _rings(storage, two)


def test_file_systems_and_volume_groups_are_made_where_nothing_is(storage: Sandbox) -> None:
    """With the real tools, in files; loop devices are this machine's, lent to the sandbox for the test."""
    nodes = "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; for n in 0 1 2 3 4 5 6 7; do"
    storage.sh(nodes + " [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done; mkdir -p /root/proof")
    if "works" not in storage.sh("truncate -s 1M /root/proof/l && losetup -f --show /root/proof/l && echo works; true"):
        pytest.skip("this machine has no loop device to lend to a container")
    storage.sh("losetup -d $(losetup -j /root/proof/l | cut -d: -f1)")
    system = FileSystem(path="/root/proof/xfs", type="xfs", size="400M")
    group = VolumeGroup(name="proof", path="/root/proof/group", size_mib=100)
    occupied = VolumeGroup(name="occupied", path=system.path, size_mib=100)
    try:
        with _host(storage) as host:
            assert _made(host, system).ok and _seen(host, system) == {system.id: {"type": "xfs"}}
            assert _made(host, group).ok and _seen(host, group) == {group.id: {"exists": True}}
            refused = _made(host, occupied)
            assert (refused.ok, "holds xfs" in refused.out) == (False, True), refused.out
            identity = storage.sh("vgs --noheadings -o vg_uuid proof")
            storage.sh("losetup -d $(losetup -j /root/proof/group | cut -d: -f1)")
            assert _seen(host, group) == {group.id: None}
            assert _made(host, group).ok, "as after a boot"
            assert storage.sh("vgs --noheadings -o vg_uuid proof") == identity
    finally:
        storage.sh(
            "for f in /root/proof/*; do losetup -j $f | cut -d: -f1 | xargs -r losetup -d; done; rm -r /root/proof"
        )


def test_everything_comes_back_after_a_reboot(storage: Sandbox) -> None:
    before = _kept(storage)
    room.stop(storage.name)
    room.start(storage.name)
    end = time.monotonic() + 600
    while True:
        verified = storage("verify", "--output", "json")
        if verified.code == 0:
            break
        assert time.monotonic() < end, verified.out + verified.err[-2000:]
        time.sleep(5)
    assert _kept(storage) == before


def _put(storage: Sandbox) -> None:
    """An object, a secret, a plain and an encrypted volume with content, all of the administrator's."""
    storage.sh(
        OPENSTACK + "set -e; openstack container show kept >/dev/null 2>&1 && exit 0;"
        "openstack container create kept >/dev/null; head -c 3000000 /dev/urandom > /root/kept.bin;"
        "openstack object create --name kept.bin kept /root/kept.bin >/dev/null;"
        "openstack secret store --name kept --payload 'kept for long' >/dev/null;"
        "openstack volume create --size 1 --image cirros kept >/dev/null;"
        "openstack volume create --size 1 --type LUKS --image cirros kept-encrypted >/dev/null;"
        "for v in kept kept-encrypted; do n=0; while s=$(openstack volume show -f value -c status $v);"
        " [ $s != available ]; do n=$((n+1)); [ $n -lt 60 ] && [ $s != error ] ||"
        " { echo $v is $s; tail -n 40 /var/log/cinder/cinder-volume.log; exit 1; }; sleep 2; done; done"
    )


def _kept(storage: Sandbox) -> Dict[str, Any]:
    """Checksums of all that was put there, and of the rings."""
    volume = (
        "rbd --id cinder export --no-progress volumes/volume-$(openstack volume show -f value -c id {}) - | sha256sum"
    )
    looks = {
        "object": "openstack object save --file - kept kept.bin | sha256sum",
        "as put": "sha256sum < /root/kept.bin",
        "secret": "openstack secret get -p -f value -c Payload"
        " $(openstack secret list --name kept -f value -c 'Secret href')",
        "volume": volume.format("kept"),
        "encrypted": volume.format("kept-encrypted"),
        "image": "openstack image save cirros | sha256sum",
        "rings": "cat /etc/swift/*.builder /etc/swift/*.ring.gz | sha256sum",
    }
    found = {name: storage.sh(OPENSTACK + look).strip() for name, look in looks.items()}
    assert found["object"] == found["as put"]
    assert found["secret"] == "kept for long"
    return found


def _rings(storage: Sandbox, rings: SwiftRings) -> Any:
    """Close the gap with the very commands that an apply would run, then look."""
    with _host(storage) as host:
        reply = host.run(SwiftRings.fix([Diff(rings, None, ())]))[0]  # type: ignore[arg-type]
        assert reply.ok, reply.err
        return _seen(host, rings)


@contextlib.contextmanager
def _host(storage: Sandbox) -> Iterator[SshConnection]:
    box = room.find(storage.name)
    host = SshConnection(SshTarget(box.address, "root", key_file=str(box.key), known_hosts_file=str(box.known_hosts)))
    try:
        yield host
    finally:
        host.close()


def _seen(host: SshConnection, resource: Resource) -> Any:
    look = type(resource).probe([resource])[0]
    return look.parse(host.run([look.command])[0])


def _made(host: SshConnection, resource: Resource) -> JobResult:
    """The outcome of the job that closes a resource's gap."""
    (job,) = type(resource).fix([Diff(resource, None, ())])
    return host.run_jobs([job], Ear())[0]  # type: ignore[list-item]
