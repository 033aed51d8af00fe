"""Checks of keys, objects and volumes: no finding if all is there, and one for each thing that is missing."""

from __future__ import annotations

import pytest

from packstack_lite import profiles
from packstack_lite.preflight.check import CheckContext
from packstack_lite.preflight.storage import key_digest
from packstack_lite.secret import Secret
from packstack_lite.services.registry import STORED_KEYS
from tests.clouds import ANSWERS, MACHINE, facts
from tests.unit.test_preflight_checks import find_check

PROFILE = profiles.load("debian12-zed")
KEK = Secret("a2VrLWtlay1rZWsta2VrLWtlay1rZWsta2VrLWtlay0=")
# A machine whose kernel has every feature, with two empty disks and one in use.
GOOD = {
    **MACHINE,
    "has_device_mapper": True,
    "kernel_features": ("iscsi", "nfs"),
    "disk_free_mib": {"/": 50000, "/var/lib": 50000},
    "mounts": {"/": "/", "/var/lib": "/"},
    "block_devices": {"/dev/vdb": "4096 - -", "/dev/vdc": "4096 - -", "/dev/vda1": "9000 ext4 /"},
}
CINDER = {"CONFIG_CINDER_INSTALL": True}
CEPH = {**CINDER, "CONFIG_CINDER_BACKEND": ("ceph",)}
THEIRS = {**CEPH, "CONFIG_CINDER_CEPH_CREATE": False}
NFS = {**CINDER, "CONFIG_CINDER_BACKEND": ("nfs",), "CONFIG_CINDER_NFS_MOUNTS": ("198.18.9.9:/srv/v",)}
SWIFT = {"CONFIG_SWIFT_INSTALL": True}
DISKS = {**SWIFT, "CONFIG_SWIFT_STORAGES": ("/dev/vdb", "/dev/vdc")}
CONTAINER = {"virtualization": "systemd-nspawn"}


def find(check, answers, **changes):
    context = CheckContext(facts(**{**GOOD, **changes}), {**ANSWERS, **answers}, PROFILE, 0.0)
    return list(find_check(check)(context))


@pytest.mark.parametrize(
    ("check", "answers", "changes"),
    [
        ("keys", {"CONFIG_BARBICAN_INSTALL": True, "CONFIG_BARBICAN_KEK": KEK}, {}),
        (
            "keys",
            {"CONFIG_BARBICAN_INSTALL": True, "CONFIG_BARBICAN_KEK": KEK},
            {"key_digests": {"CONFIG_BARBICAN_KEK": key_digest(KEK)}},
        ),
        ("keys", {"CONFIG_BARBICAN_KEK": KEK}, {"key_digests": {"CONFIG_BARBICAN_KEK": "another"}}),
        ("objects", SWIFT, {}),
        ("objects", DISKS, {}),
        ("objects", DISKS, {"block_devices": {"/dev/vdb": "9 ext4 /srv/node/vdb", "/dev/vdc": "9 ext4 /srv/node/vdc"}}),
        ("volumes", CINDER, {}),
        ("volumes", {**CINDER, "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vdb"}, {}),
        ("volumes", {**CINDER, "CONFIG_CINDER_VOLUMES_CREATE": False}, {"volume_groups": ("cinder-volumes",)}),
        ("volumes", NFS, {"nfs_export_errors": {"198.18.9.9:/srv/v": ""}}),
        ("volumes", CEPH, CONTAINER),
        (
            "volumes",
            CEPH,
            {
                "ceph_files": ("/etc/ceph/ceph.conf", "ours"),
                "listening_ports": {3300: "ceph-mon"},
                "deployed_by_us": True,
            },
        ),
        ("volumes", THEIRS, {"ceph_files": ("/etc/ceph/ceph.conf", "/etc/ceph/ceph.client.cinder.keyring")}),
    ],
)
def test_good_storage_gives_no_finding(check, answers, changes):
    assert find(check, answers, **changes) == []


BAD = [
    *(
        ("keys", "error", f"{key.data} would be lost", {answer: True}, {"key_digests": {key.parameter: "another"}})
        for answer, key in STORED_KEYS
    ),
    ("objects", "info", "go into a plain directory", SWIFT, CONTAINER),
    ("objects", "info", "and not on /dev/vdb, /dev/vdc", DISKS, CONTAINER),
    ("objects", "error", "there is no device /dev/vdc", DISKS, {"block_devices": {"/dev/vdb": "4096 - -"}}),
    (
        "objects",
        "error",
        "/dev/vdc (CONFIG_SWIFT_STORAGES) holds xfs",
        DISKS,
        {"block_devices": {"/dev/vdb": "9 - -", "/dev/vdc": "9 xfs -"}},
    ),
    ("objects", "error", "is 100.0 GiB, but 48.8 GiB are free", {**SWIFT, "CONFIG_SWIFT_STORAGE_SIZE": "100G"}, {}),
    ("volumes", "error", "device mapper, which is missing", CINDER, {"has_device_mapper": False}),
    ("volumes", "error", "no iscsi_tcp", CINDER, {"kernel_features": ()}),
    ("volumes", "error", "holds ext4, mounted at /", {**CINDER, "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vda1"}, {}),
    ("volumes", "error", "is 500.0 GiB", {**CINDER, "CONFIG_CINDER_VOLUMES_SIZE": "500G"}, {}),
    ("volumes", "error", "there is no volume group", {**CINDER, "CONFIG_CINDER_VOLUMES_CREATE": False}, {}),
    ("volumes", "error", "CONFIG_CINDER_NFS_MOUNTS is empty", {**NFS, "CONFIG_CINDER_NFS_MOUNTS": ()}, {}),
    ("volumes", "error", "need the kernel's NFS client", NFS, CONTAINER),
    (
        "volumes",
        "error",
        "cannot be used: 198.18.9.9 does not answer",
        NFS,
        {"nfs_export_errors": {"198.18.9.9:/srv/v": "198.18.9.9 does not answer"}},
    ),
    ("volumes", "error", "belongs to another cluster", CEPH, {"ceph_files": ("/etc/ceph/ceph.conf",)}),
    ("volumes", "error", "Ceph's port 3300 is in use", CEPH, {"listening_ports": {3300: "python3"}}),
    ("volumes", "warning", "is 99.0 GiB", {**CEPH, "CONFIG_CINDER_CEPH_SIZE": "99G"}, {}),
    (
        "volumes",
        "error",
        "there is no /etc/ceph/ceph.client.cinder.keyring",
        THEIRS,
        {"ceph_files": ("/etc/ceph/ceph.conf",)},
    ),
]


@pytest.mark.parametrize(("check", "level", "words", "answers", "changes"), BAD)
def test_bad_storage_gives_one_finding_with_a_hint(check, level, words, answers, changes):
    (finding,) = find(check, answers, **changes)
    assert finding.level == level
    assert words in finding.message
    assert finding.hint
