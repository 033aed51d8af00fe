"""Deploy on a virtual machine.

It has LVM over iSCSI, dm-crypt and Open vSwitch's kernel datapath. Apply again, reboot.

Takes most of an hour: make test-machine. For developers, E2E_MACHINE_SANDBOX and E2E_MACHINE_ANSWERS name a deployed
machine and its answer file (see bare_machine).
"""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE_CASES, assert_smoke_passes
from tests.e2e.conftest import OPTIONAL_PASSWORDS, PASSWORDS, Sandbox, bare_machine, hostile_passwords
from tests.e2e.stored_data import OPENSTACK, checksums, store_data

pytestmark = pytest.mark.machine

ANSWERS = {
    "CONFIG_BARBICAN_INSTALL": "y",
    "CONFIG_SWIFT_INSTALL": "y",
    "CONFIG_CINDER_INSTALL": "y",
    "CONFIG_CINDER_BACKEND": "lvm,nfs",
    "CONFIG_CINDER_NFS_MOUNTS": "127.0.0.1:/srv/shares",
    "CONFIG_CINDER_VOLUMES_SIZE": "8G",
    "CONFIG_CINDER_VOLUME_ENCRYPTION": "y",
}
# An NFS server: outside packstack-lite's scope, here on the node itself.
NFS_SERVER = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq -y install nfs-kernel-server >/dev/null || exit 1
mkdir -p /srv/shares && echo '/srv/shares 127.0.0.1(rw,no_root_squash,no_subtree_check)' > /etc/exports
systemctl enable --now nfs-kernel-server && exportfs -ra
"""
# As CEPH_VOLUME in stored_data.
LVM_VOLUME = (
    "lvchange -ay -K cinder-volumes/volume-$(openstack volume show -f value -c id {0}) 2>/dev/null;"
    " sha256sum < /dev/cinder-volumes/volume-$(openstack volume show -f value -c id {0})"
)
HOUR = 3600
SECOND_DISK = "/dev/ubdb"


@pytest.fixture(scope="module")
def bare(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The machine with packages installed and nothing deployed."""
    answers = {**hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS), **ANSWERS}
    with bare_machine(tool, tmp_path_factory.mktemp("machine"), "e2e-machine", answers) as node:
        yield node


@pytest.fixture(scope="module")
def cloud(bare: Sandbox) -> Sandbox:
    """The machine with a deployed cloud and an NFS server."""
    bare.sh(NFS_SERVER)
    bare.apply_result = bare("apply", "--output", "json", timeout=2 * HOUR)
    assert bare.apply_result.code == 0, bare.apply_result.err[-6000:]
    return bare


@pytest.mark.parametrize(
    ("flags", "expected_text"),
    [
        (["--cinder-volumes-device=" + SECOND_DISK], f"{SECOND_DISK} (CONFIG_CINDER_VOLUMES_DEVICE) holds ext4"),
        (["--cinder-volumes-device=/dev/nothing"], "there is no device /dev/nothing"),
        (["--cinder-volumes-create=n"], "there is no volume group cinder-volumes"),
        (["--cinder-volumes-size=4000G"], "CONFIG_CINDER_VOLUMES_SIZE is 4000.0 GiB"),
        (["--cinder-nfs-mounts=127.0.0.1:/missing"], "does not answer on port 2049"),
    ],
)
def test_impossible_storage_is_refused_before_any_change(bare: Sandbox, flags: List[str], expected_text: str) -> None:
    if bare.sh("ls -d /var/lib/packstack-lite 2>/dev/null; true"):
        pytest.skip("this machine is deployed already (E2E_MACHINE_SANDBOX)")
    bare.sh(f"blkid {SECOND_DISK} >/dev/null || mkfs.ext4 -q {SECOND_DISK} 100M")
    before = bare.fingerprint()
    refused = bare("apply", *flags)
    assert refused.code == 3, refused.err
    assert expected_text in " ".join(refused.err.split())
    assert bare.fingerprint() == before


def test_smoke_passes(cloud: Sandbox) -> None:
    assert_smoke_passes(cloud, STORAGE_CASES, timeout=HOUR)


def test_an_instance_boots_from_a_volume_on_a_share(cloud: Sandbox) -> None:
    create = "openstack volume create --size 1 --type nfs --image cirros shared -f value -c id"
    volume_id = cloud.sh(OPENSTACK + create).strip()
    _wait_for(cloud, "volume show -f value -c status shared", "available")
    assert cloud.sh(f"stat -c %s /srv/shares/volume-{volume_id}").strip() == str(2**30)
    boot = f"openstack server create --flavor m1.tiny --volume shared --network {_network(cloud)} shared >/dev/null"
    cloud.sh(OPENSTACK + boot)
    _wait_for(cloud, "server show -f value -c status shared", "ACTIVE")
    _wait_for(cloud, "console log show shared | grep -o -m 1 GUEST-READY; true", "GUEST-READY")
    cloud.sh(OPENSTACK + "openstack server delete --wait shared; openstack volume delete shared")
    _wait_for(cloud, "volume list --all -f value -c Name | grep -cx shared; true", "0")
    assert volume_id not in cloud.sh("ls /srv/shares")


def test_open_vswitch_uses_the_kernel_datapath(cloud: Sandbox) -> None:
    assert "openvswitch" in cloud.sh("lsmod")
    assert "system@ovs-system" in cloud.sh("ovs-appctl dpif/show")


def test_a_second_apply_changes_nothing_and_keeps_all_data(cloud: Sandbox) -> None:
    _store_data(cloud)
    before, started = _checksums(cloud), cloud.service_start_times()
    applied = cloud("apply", "--output", "json", timeout=HOUR)
    assert applied.code == 0, applied.err[-3000:]
    assert (applied.data["changes"], applied.data["restarted"]) == ([], [])
    assert cloud.service_start_times() == started
    assert _checksums(cloud) == before


def test_all_services_and_data_are_back_after_a_reboot(cloud: Sandbox) -> None:
    before = _checksums(cloud)
    sandbox_api.stop(cloud.name)
    sandbox_api.start(cloud.name)
    end = time.monotonic() + HOUR / 2
    while (verified := cloud("verify", "--output", "json")).code:
        assert time.monotonic() < end, verified.out + verified.err[-2000:]
        time.sleep(10)
    assert _checksums(cloud) == before
    assert cloud.sh("losetup -j /var/lib/cinder/cinder-volumes; findmnt -n /srv/node/swiftloopback").count("\n") == 2
    cloud.sh(OPENSTACK + "openstack server start kept")
    _wait_for(cloud, "server show -f value -c status kept", "ACTIVE")


def _wait_for(cloud: Sandbox, question: str, expected: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while (output := cloud.sh(f"{OPENSTACK} openstack {question}").strip()) != expected:
        assert output.lower() != "error" and time.monotonic() < end, f"openstack {question}: {output}"
        time.sleep(5)


def _network(cloud: Sandbox) -> str:
    """Return the id of the demo's private network."""
    return cloud.sh(OPENSTACK + "openstack network list --internal -f value -c ID | head -n 1").strip()


def _store_data(cloud: Sandbox) -> None:
    """Store data of every kind, and create an instance."""
    store_data(cloud, seconds=600)
    boot = f"openstack server create --flavor m1.tiny --image cirros --network {_network(cloud)} kept >/dev/null"
    cloud.sh(OPENSTACK + boot)
    _wait_for(cloud, "server show -f value -c status kept", "ACTIVE")
    cloud.sh(OPENSTACK + "openstack server stop kept")
    _wait_for(cloud, "server show -f value -c status kept", "SHUTOFF")


def _checksums(cloud: Sandbox) -> Dict[str, Any]:
    """Return checksums of the stored data; volumes are on LVM."""
    return checksums(cloud, LVM_VOLUME, {"group": "vgs --noheadings -o vg_uuid cinder-volumes"})
