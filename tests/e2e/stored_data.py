"""Store data of every kind in a cloud, and check that they are kept. Used by the tests of the complete cloud."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from tests.e2e.conftest import Sandbox

OPENSTACK = ". /root/keystonerc_admin; "
# Prints the checksum of the volume that it is formatted with; here of one in Ceph.
CEPH_VOLUME = (
    "rbd --id cinder export --no-progress volumes/volume-$(openstack volume show -f value -c id {0}) - | sha256sum"
)


def store_data(cloud: Sandbox, seconds: int = 120) -> None:
    """Store an object, a secret, a plain and an encrypted volume with content, as the administrator.

    A volume has so many seconds to become available.
    """
    cloud.sh(
        OPENSTACK + "set -e; openstack container show kept >/dev/null 2>&1 && exit 0;"
        "openstack container create kept >/dev/null; head -c 3000000 /dev/urandom > /root/kept.bin;"
        "openstack object create --name kept.bin kept /root/kept.bin >/dev/null;"
        "openstack secret store --name kept --payload 'kept for long' >/dev/null;"
        "openstack volume create --size 1 --image cirros kept >/dev/null;"
        "openstack volume create --size 1 --type LUKS --image cirros kept-encrypted >/dev/null;"
        "for v in kept kept-encrypted; do n=0; while s=$(openstack volume show -f value -c status $v);"
        " [ $s != available ]; do n=$((n+1)); [ $n -lt %d ] && [ $s != error ] ||"
        " { echo $v is $s; tail -n 40 /var/log/cinder/cinder-volume.log; exit 1; }; sleep 2; done; done"
        % (seconds // 2)
    )


def checksums(cloud: Sandbox, volume: str = CEPH_VOLUME, more: Mapping[str, str] = {}) -> Dict[str, Any]:
    """Return checksums of the stored data and of the rings.

    ``volume`` is the command for a volume, as CEPH_VOLUME. ``more`` are further commands by name.
    """
    commands = {
        "object": "openstack object save --file - kept kept.bin | sha256sum",
        "as put": "sha256sum < /root/kept.bin",
        "secret": "openstack secret get -p -f value -c Payload"
        " $(openstack secret list --name kept -f value -c 'Secret href')",
        "volume": volume.format("kept"),
        "encrypted": volume.format("kept-encrypted"),
        "image": "openstack image save cirros | sha256sum",
        "rings": "cat /etc/swift/*.builder /etc/swift/*.ring.gz | sha256sum",
        **more,
    }
    sums = {name: cloud.sh(OPENSTACK + probe).strip() for name, probe in commands.items()}
    assert sums["object"] == sums["as put"] and all(sums.values()), sums
    assert sums["secret"] == "kept for long"
    return sums
