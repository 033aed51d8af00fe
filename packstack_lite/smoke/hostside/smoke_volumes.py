# mypy: ignore-errors
"""The smoke test's cases for volumes. Python 2.7 and 3."""

from __future__ import print_function

import hashlib

from smoke_devices import found_on_host
from smoke_session import BLOCK, BOOT, NAME, TEXT, Failed, Skip, run_ssh
from smoke_storage import secrets_of

# What the instance writes: lines of TEXT.
DATA = (TEXT + "\n").encode() * (BLOCK // (len(TEXT) + 1) + 1)
# Online growth and restoring a volume's snapshot need nothing newer; 3.42 is of 2017 (Pike).
VOLUME_API = {"OpenStack-API-Version": "volume 3.42"}


def became(smoke, kind, identity, wanted, seconds=180):
    """Wait until a volume, snapshot or backup has this status."""

    def look():
        found = smoke.get("volumev3", "/%ss/%s" % (kind, identity))[kind]
        if found["status"].startswith("error"):
            reason = found.get("fail_reason") or "see /var/log/cinder"
            raise Failed("the %s is %s: %s" % (kind, found["status"], reason))
        return found["status"] == wanted, found["status"]

    return smoke.wait("%s is not %s" % (kind, wanted), seconds, look)


def new_volume(smoke, **body):
    """The id of a new volume, once it is there."""
    body = dict({"name": NAME, "size": 1}, **body)
    made = smoke.post("volumev3", "/volumes", {"volume": body}).json()["volume"]["id"]
    became(smoke, "volume", made, "available")
    return made


def in_guest(smoke, command):
    """What a command of root's in the instance prints."""
    root = "" if smoke.task["user"] == "root" else "sudo "
    fine, said = run_ssh(smoke, "%ssh -c '%s'" % (root, command))
    if not fine:
        raise Failed("in the instance, %s: %s" % (command, said))
    return said


def disks(smoke):
    return set(in_guest(smoke, "ls /sys/block").split())


def attach(smoke, identity):
    """Attach a volume to the instance; the disk that has appeared there."""
    before = disks(smoke)
    path = "/servers/%s/os-volume_attachments" % smoke.made["server"]
    smoke.post("compute", path, {"volumeAttachment": {"volumeId": identity}})
    became(smoke, "volume", identity, "in-use")

    def look():
        new = disks(smoke) - before
        return bool(new), "/dev/" + new.pop() if new else "no new disk; see /var/log/nova/nova-compute.log"

    return smoke.wait("the volume is attached, but not in the instance", 60, look)


def detach(smoke, identity):
    path = "/servers/%s/os-volume_attachments/%s" % (smoke.made["server"], identity)
    smoke.client("compute").delete(path)
    became(smoke, "volume", identity, "available")


def write(smoke, disk):
    """DATA's first BLOCK bytes onto the disk, from inside the instance."""
    script = "yes %s | dd bs=%d count=1 iflag=fullblock of=%s 2>/dev/null && sync"
    in_guest(smoke, script % (TEXT, BLOCK, disk))
    smoke.written = hashlib.md5(DATA[:BLOCK]).hexdigest()
    check(smoke, disk)


def check(smoke, disk):
    found = in_guest(smoke, "dd if=%s bs=%d count=1 2>/dev/null | md5sum" % (disk, BLOCK)).split()[0]
    if found != smoke.written:
        raise Failed("%s holds something else than what was written" % disk)


def volume(smoke):
    """A volume is made, reaches the instance, and keeps what is written there."""
    smoke.made["volume"] = new_volume(smoke)
    disk = attach(smoke, smoke.made["volume"])
    write(smoke, disk)
    detach(smoke, smoke.made["volume"])
    check(smoke, attach(smoke, smoke.made["volume"]))
    return "%s: written, detached, attached, read back" % disk


def volume_snapshot(smoke):
    """A snapshot of the attached volume becomes another volume with the same content."""
    body = {"name": NAME, "volume_id": smoke.made["volume"], "force": True}
    made = smoke.post("volumev3", "/snapshots", {"snapshot": body}).json()["snapshot"]["id"]
    became(smoke, "snapshot", made, "available")
    copy = new_volume(smoke, snapshot_id=made)
    check(smoke, attach(smoke, copy))
    detach(smoke, copy)
    return "restored and read in the instance"


def volume_extend(smoke):
    """The attached volume grows, and the instance sees it."""
    if smoke.get("volumev3", "/volumes/" + smoke.made["volume"])["volume"]["status"] == "available":
        attach(smoke, smoke.made["volume"])
    path = "/volumes/%s/action" % smoke.made["volume"]
    smoke.client("volumev3").post(path, json={"os-extend": {"new_size": 2}}, headers=VOLUME_API)

    def look():
        sizes = in_guest(smoke, "cat /sys/block/vd*/size").split()
        return str(2 * 2**21) in sizes, "the disks have %s sectors" % ", ".join(sizes)

    smoke.wait("not grown in the instance", 90, look)
    became(smoke, "volume", smoke.made["volume"], "in-use")
    return "1 to 2 GiB while attached"


def volume_backup(smoke):
    """A backup of the volume, restored into a new one, has the same content."""
    detach(smoke, smoke.made["volume"])
    body = {"name": NAME, "volume_id": smoke.made["volume"]}
    made = smoke.post("volumev3", "/backups", {"backup": body}).json()["backup"]["id"]
    became(smoke, "backup", made, "available", 300)
    restored = smoke.post("volumev3", "/backups/%s/restore" % made, {"restore": {"name": NAME}}).json()["restore"]
    became(smoke, "backup", made, "available", 300)
    became(smoke, "volume", restored["volume_id"], "available")
    check(smoke, attach(smoke, restored["volume_id"]))
    detach(smoke, restored["volume_id"])
    return "restored and read in the instance"


def volume_encrypted(smoke):
    """The same text: readable on the host for the plain volume, not for the encrypted one. Its key goes with it."""
    if not smoke.task["volumes"]["encrypted_type"]:
        raise Skip("CONFIG_CINDER_VOLUME_ENCRYPTION=n")
    if not smoke.task["volumes"]["here"]:
        raise Skip("the volumes are on another host than the routers, from which this is tried")
    keys = secrets_of(smoke)
    made = new_volume(smoke, volume_type=smoke.task["volumes"]["encrypted_type"])
    if len(secrets_of(smoke) - keys) != 1:
        raise Failed("no key was made for the encrypted volume")
    disk = attach(smoke, made)
    write(smoke, disk)
    if found_on_host(smoke, made):
        raise Failed("the text can be read on the host: the volume is not encrypted")
    if not found_on_host(smoke, smoke.made["volume"]):
        raise Failed("the text cannot be found in the plain volume either, so this proves nothing")
    detach(smoke, made)
    check(smoke, attach(smoke, made))
    detach(smoke, made)
    smoke.client("volumev3").delete("/volumes/" + made)
    gone(smoke, "volume", [made])
    if secrets_of(smoke) - keys:
        raise Failed("the key of the deleted volume is still there")
    return "the host sees %s in the plain volume only; the key went with the volume" % TEXT[:16]


def boot_from_volume(smoke):
    """An instance whose disk is a volume, made from the image."""
    glance = smoke.made.get("image") or smoke.get("image", "/images?status=active&limit=1")["images"][0]["id"]
    disk = {"boot_index": 0, "uuid": glance, "source_type": "image", "destination_type": "volume", "volume_size": 1}
    body = {
        "name": NAME + "-volume",
        "flavorRef": smoke.made["flavor"],
        "block_device_mapping_v2": [dict(disk, delete_on_termination=True)],
        "networks": [{"uuid": smoke.made["network"]}],
    }
    made = smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]

    def look():
        server = smoke.get("compute", "/servers/" + made)["server"]
        if server["status"] == "ERROR":
            raise Failed("ERROR: %s" % server.get("fault", {}).get("message", "no reason given"))
        if server["status"] != "ACTIVE":
            return False, server["status"]
        path = "/servers/%s/action" % made
        text = smoke.post("compute", path, {"os-getConsoleOutput": {"length": 50}}).json()["output"]
        return "GUEST-READY" in text or "login:" in text, "ACTIVE, but its console shows no login"

    smoke.wait("not booted", BOOT, look)
    attached = smoke.get("compute", "/servers/" + made)["server"]["os-extended-volumes:volumes_attached"]
    smoke.client("compute").delete("/servers/" + made)
    gone(smoke, "volume", [entry["id"] for entry in attached])
    return "up to its login; the volume went with it"


def gone(smoke, kind, identities, seconds=120):
    """Wait until none of them is there."""

    def look():
        found = {entry["id"]: entry["status"] for entry in listed(smoke, kind)}
        left = [found[identity] for identity in identities if identity in found]
        return not left, "%d %ss stay, %s" % (len(left), kind, ", ".join(sorted(set(left))))

    return smoke.wait("not deleted", seconds, look)


def listed(smoke, kind):
    """All volumes, snapshots or backups of the smoke test's, whoever made them."""
    found = smoke.get("volumev3", "/%ss/detail?all_tenants=1" % kind)["%ss" % kind]
    return [entry for entry in found if (entry["name"] or "").startswith("smoke-")]


def removed(smoke, kind, entries):
    for entry in entries:
        if entry["status"] != "deleting":
            smoke.delete("volumev3", "/%ss/%s" % (kind, entry["id"]))
    gone(smoke, kind, [entry["id"] for entry in entries])


def clean_volumes(smoke):
    """What was made of a snapshot goes before it, and it before what it was taken of."""
    removed(smoke, "backup", listed(smoke, "backup"))
    removed(smoke, "volume", [entry for entry in listed(smoke, "volume") if entry.get("snapshot_id")])
    removed(smoke, "snapshot", listed(smoke, "snapshot"))
    removed(smoke, "volume", listed(smoke, "volume"))
