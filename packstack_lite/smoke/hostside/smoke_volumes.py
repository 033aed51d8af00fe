# mypy: ignore-errors
"""Smoke cases for volumes (Cinder). Used by smoke_cloud. Python 2.7 and 3."""

from __future__ import print_function

import hashlib

import smoke_instance
from smoke_devices import backend_contains_text
from smoke_session import BLOCK, BOOT, NAME, TEXT, Failed, Skip, run_ssh
from smoke_storage import list_secret_refs

# The data that the instance writes: lines of TEXT.
DATA = (TEXT + "\n").encode() * (BLOCK // (len(TEXT) + 1) + 1)
# Statuses that Cinder itself leaves again; any other one stays until somebody asks for something.
PASSING_STATUSES = (
    "creating",
    "downloading",
    "attaching",
    "reserved",
    "detaching",
    "extending",
    "uploading",
    "backing-up",
    "restoring",
    "restoring-backup",
    "maintenance",
    "deleting",
)
# To extend an attached volume needs 3.42 (Pike, 2017).
VOLUME_API = {"OpenStack-API-Version": "volume 3.42"}


def wait_for_status(smoke, kind, identity, status, seconds=180):
    """Wait until a volume, snapshot or backup has this status.

    ``kind`` is ``volume``, ``snapshot`` or ``backup``; ``identity`` is its id. Raises Failed after ``seconds``, and at
    once for a status of error and any other that Cinder does not leave by itself: what was asked for has failed.
    """

    def probe():
        """Return whether the entry has the status, and its status. Raises Failed."""
        entry = smoke.get("volumev3", "/%ss/%s" % (kind, identity))[kind]
        if entry["status"].startswith("error"):
            reason = entry.get("fail_reason") or "see /var/log/cinder"
            raise Failed("the %s is %s: %s" % (kind, entry["status"], reason))
        if entry["status"] != status and entry["status"] not in PASSING_STATUSES:
            message = "the %s is %s again, not %s: see /var/log/cinder and nova-compute's log"
            raise Failed(message % (kind, entry["status"], status))
        return entry["status"] == status, entry["status"]

    return smoke.wait("%s is not %s" % (kind, status), seconds, probe)


def create_volume(smoke, **body):
    """Create a volume, wait until it is available, and return its id."""
    body = dict({"name": NAME, "size": 1}, **body)
    volume_id = smoke.post("volumev3", "/volumes", {"volume": body}).json()["volume"]["id"]
    wait_for_status(smoke, "volume", volume_id, "available")
    return volume_id


def run_in_guest(smoke, command):
    """Run a command as root in the instance and return its output. Raises Failed."""
    sudo = "" if smoke.task["user"] == "root" else "sudo "
    succeeded, output = run_ssh(smoke, "%ssh -c '%s'" % (sudo, command))
    if not succeeded:
        raise Failed("in the instance, %s: %s" % (command, output))
    return output


def list_disks(smoke):
    """Return the names of the instance's block devices."""
    return set(run_in_guest(smoke, "ls /sys/block").split())


def attach(smoke, identity):
    """Attach a volume to the instance; return the path of the new disk there."""
    before = list_disks(smoke)
    path = "/servers/%s/os-volume_attachments" % smoke.created["server"]
    smoke.post("compute", path, {"volumeAttachment": {"volumeId": identity}})
    wait_for_status(smoke, "volume", identity, "in-use")

    def probe():
        """Return whether the instance has a new disk, and its path or where to look."""
        new_disks = list_disks(smoke) - before
        if not new_disks:
            return False, "no new disk; see /var/log/nova/nova-compute.log"
        return True, "/dev/" + new_disks.pop()

    return smoke.wait("the volume is attached, but not in the instance", 60, probe)


def detach(smoke, identity):
    """Detach a volume from the instance and wait until it is available."""
    path = "/servers/%s/os-volume_attachments/%s" % (smoke.created["server"], identity)
    smoke.client("compute").delete(path)
    wait_for_status(smoke, "volume", identity, "available")


def write_data(smoke, disk):
    """Write BLOCK bytes to the disk, in the instance, and read them back."""
    script = "yes %s | dd bs=%d count=1 iflag=fullblock of=%s 2>/dev/null && sync"
    run_in_guest(smoke, script % (TEXT, BLOCK, disk))
    smoke.written = hashlib.md5(DATA[:BLOCK]).hexdigest()
    check_data(smoke, disk)


def check_data(smoke, disk):
    """Compare the disk's content in the instance with what was written. Raises Failed."""
    digest = run_in_guest(smoke, "dd if=%s bs=%d count=1 2>/dev/null | md5sum" % (disk, BLOCK)).split()[0]
    if digest != smoke.written:
        raise Failed("%s does not hold what was written" % disk)


def volume(smoke):
    """Create and attach a volume, write to it, attach it again, read it back."""
    smoke.created["volume"] = create_volume(smoke)
    disk = attach(smoke, smoke.created["volume"])
    write_data(smoke, disk)
    detach(smoke, smoke.created["volume"])
    check_data(smoke, attach(smoke, smoke.created["volume"]))
    return "%s: written, detached, attached, read back" % disk


def volume_snapshot(smoke):
    """Create a volume with the same data from a snapshot of the attached one."""
    body = {"name": NAME, "volume_id": smoke.created["volume"], "force": True}
    snapshot_id = smoke.post("volumev3", "/snapshots", {"snapshot": body}).json()["snapshot"]["id"]
    wait_for_status(smoke, "snapshot", snapshot_id, "available")
    copy = create_volume(smoke, snapshot_id=snapshot_id)
    check_data(smoke, attach(smoke, copy))
    detach(smoke, copy)
    return "restored and read in the instance"


def volume_extend(smoke):
    """Extend the attached volume; the instance sees the new size."""
    if smoke.get("volumev3", "/volumes/" + smoke.created["volume"])["volume"]["status"] == "available":
        attach(smoke, smoke.created["volume"])
    path = "/volumes/%s/action" % smoke.created["volume"]
    smoke.client("volumev3").post(path, json={"os-extend": {"new_size": 2}}, headers=VOLUME_API)

    def probe():
        """Return whether a disk of the instance has 2 GiB, and all their sizes."""
        sizes = run_in_guest(smoke, "cat /sys/block/vd*/size").split()
        return str(2 * 2**21) in sizes, "the disks have %s sectors" % ", ".join(sizes)

    smoke.wait("not grown in the instance", 90, probe)
    wait_for_status(smoke, "volume", smoke.created["volume"], "in-use")
    return "1 to 2 GiB while attached"


def volume_backup(smoke):
    """Back up the volume and restore the backup into a new volume with the same data."""
    detach(smoke, smoke.created["volume"])
    body = {"name": NAME, "volume_id": smoke.created["volume"]}
    backup_id = smoke.post("volumev3", "/backups", {"backup": body}).json()["backup"]["id"]
    wait_for_status(smoke, "backup", backup_id, "available", 300)
    restored = smoke.post("volumev3", "/backups/%s/restore" % backup_id, {"restore": {"name": NAME}}).json()["restore"]
    wait_for_status(smoke, "backup", backup_id, "available", 300)
    wait_for_status(smoke, "volume", restored["volume_id"], "available")
    check_data(smoke, attach(smoke, restored["volume_id"]))
    detach(smoke, restored["volume_id"])
    return "restored and read in the instance"


def volume_encrypted(smoke):
    """Write to an encrypted volume; its backend does not hold the text in clear.

    The node can read the plain volume's text, but not this one's. The key is deleted with the volume.
    """
    if not smoke.task["volumes"]["encrypted_type"]:
        raise Skip("CONFIG_CINDER_VOLUME_ENCRYPTION=n")
    if not smoke.task["volumes"]["here"]:
        raise Skip("the volumes are on another node than the routers, from which this is tried")
    keys = list_secret_refs(smoke)
    volume_id = create_volume(smoke, volume_type=smoke.task["volumes"]["encrypted_type"])
    if len(list_secret_refs(smoke) - keys) != 1:
        raise Failed("no key was made for the encrypted volume")
    disk = attach(smoke, volume_id)
    write_data(smoke, disk)
    if backend_contains_text(smoke, volume_id):
        raise Failed("the text can be read on the node: the volume is not encrypted")
    if not backend_contains_text(smoke, smoke.created["volume"]):
        raise Failed("the text is not in the plain volume either, so the comparison proves nothing")
    detach(smoke, volume_id)
    check_data(smoke, attach(smoke, volume_id))
    detach(smoke, volume_id)
    smoke.client("volumev3").delete("/volumes/" + volume_id)
    wait_until_gone(smoke, "volume", [volume_id])
    if list_secret_refs(smoke) - keys:
        raise Failed("the key of the deleted volume is still there")
    return "the node can read %s in the plain volume only; the key was deleted with the volume" % TEXT[:16]


def boot_from_volume(smoke):
    """Boot an instance from a volume that Cinder creates from the image."""
    disk = {
        "boot_index": 0,
        "uuid": smoke.created["image"],
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
    }
    body = {
        "name": NAME + "-volume",
        "flavorRef": smoke.created["flavor"],
        "block_device_mapping_v2": [dict(disk, delete_on_termination=True)],
        "networks": [{"uuid": smoke.created["network"]}],
    }
    server_id = smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]

    def probe():
        """Return whether the instance's console shows a login, and its status."""
        server = smoke.get("compute", "/servers/" + server_id)["server"]
        if not smoke_instance.is_active(server):
            return False, server["status"]
        path = "/servers/%s/action" % server_id
        output = smoke.post("compute", path, {"os-getConsoleOutput": {"length": 50}}).json()["output"]
        return "GUEST-READY" in output or "login:" in output, "ACTIVE, but its console shows no login"

    smoke.wait("not booted", BOOT, probe)
    volumes = smoke.get("compute", "/servers/" + server_id)["server"]["os-extended-volumes:volumes_attached"]
    smoke.client("compute").delete("/servers/" + server_id)
    wait_until_gone(smoke, "volume", [entry["id"] for entry in volumes])
    return "booted up to its login; the volume was deleted with it"


def wait_until_gone(smoke, kind, identities, seconds=120):
    """Wait until no volume (or snapshot, or backup, by ``kind``) has one of these ids."""

    def probe():
        """Return whether the entries are gone, and how many are in which status."""
        statuses = {entry["id"]: entry["status"] for entry in list_own_entries(smoke, kind)}
        remaining = [statuses[identity] for identity in identities if identity in statuses]
        failed = sorted({status for status in remaining if status.startswith("error")})
        if failed:
            raise Failed("a %s is not deleted, but %s; see /var/log/cinder" % (kind, ", ".join(failed)))
        return not remaining, "%s still there: %s" % (kind, ", ".join(sorted(remaining)))

    return smoke.wait("not deleted", seconds, probe)


def list_own_entries(smoke, kind):
    """List the volumes, snapshots or backups named smoke-*, of all projects."""
    entries = smoke.get("volumev3", "/%ss/detail?all_tenants=1" % kind)["%ss" % kind]
    return [entry for entry in entries if (entry["name"] or "").startswith("smoke-")]


def delete_entries(smoke, kind, entries):
    """Delete entries of ``list_own_entries`` and wait until they are gone.

    ``kind`` is ``volume``, ``snapshot`` or ``backup``.
    """
    for entry in entries:
        if entry["status"] != "deleting":
            smoke.delete("volumev3", "/%ss/%s" % (kind, entry["id"]))
    wait_until_gone(smoke, kind, [entry["id"] for entry in entries])


def clean_volumes(smoke):
    """Delete all backups, volumes and snapshots, in the order Cinder requires.

    Volumes made from a snapshot go before it, and a snapshot before its volume.
    """
    delete_entries(smoke, "backup", list_own_entries(smoke, "backup"))
    delete_entries(smoke, "volume", [entry for entry in list_own_entries(smoke, "volume") if entry.get("snapshot_id")])
    delete_entries(smoke, "snapshot", list_own_entries(smoke, "snapshot"))
    delete_entries(smoke, "volume", list_own_entries(smoke, "volume"))


CASES = (
    (volume, ("ssh",)),
    (volume_snapshot, ("volume",)),
    (volume_backup, ("volume",)),
    (volume_extend, ("volume",)),
    (volume_encrypted, ("volume",)),
    (boot_from_volume, ("instance",)),
)
CLEANERS = (("volumev3", clean_volumes),)
