# mypy: ignore-errors
"""Read, build and extend Swift's rings. Runs on the node.

Sent by ``resources.swift_rings``. Standard input (JSON): {"mode": "read"|"write", "directory", "devices", "rings":
{name: {"power", "replicas", "port", "devices": {device: zone}, "ip"}}}. Standard output: for read {name: state}.
A ring says where all objects are: an existing ring is only extended, never built again, and no device is removed.
Python 2.7 and 3; needs Swift's own code.
"""

from __future__ import print_function

import errno
import glob
import json
import os
import shutil
import sys
import time

from swift.common.ring import RingBuilder

# Hours before a partition may be moved again, as in Packstack.
MIN_PART_HOURS = 1


def path_of(task, name, suffix):
    """Return the path of a ring's file: directory, ring's name, suffix."""
    return os.path.join(task["directory"], name + suffix)


def is_file(path):
    """Tell whether a file exists and is not empty."""
    return os.path.isfile(path) and os.path.getsize(path) > 0


def devices_of(builder, ring):
    """Return the wanted devices that are in the ring, as device:zone."""
    known = {dev["device"]: dev["zone"] for dev in builder.devs if dev}
    return sorted("%s:%s" % (name, known[name]) for name in ring["devices"] if name in known)


def read(task, name, ring):
    """Return a ring's state; None without a builder file."""
    if not is_file(path_of(task, name, ".builder")):
        return None
    builder = RingBuilder.load(path_of(task, name, ".builder"))
    is_built = is_file(path_of(task, name, ".ring.gz"))
    return {"devices": devices_of(builder, ring), "replicas": int(builder.replicas), "made": is_built}


def refusal(task, name):
    """Return why a ring may not be built; None when it may."""
    if is_file(path_of(task, name, ".ring.gz")):
        return "%s exists without its builder file; restore %s from a backup" % (
            path_of(task, name, ".ring.gz"),
            path_of(task, name, ".builder"),
        )
    stored = glob.glob(os.path.join(task["devices"], "*", name + "s", "[0-9]*"))
    if stored:
        return "there are %ss already (%s), but no ring; restore %s from a backup" % (
            name,
            stored[0],
            path_of(task, name, ".builder"),
        )
    return None


def write(task, name, ring):
    """Build or extend a ring; raises ValueError when it may not be built."""
    builder_file = path_of(task, name, ".builder")
    if is_file(builder_file):
        builder = RingBuilder.load(builder_file)
        back_up(task, builder_file)
    else:
        reason = refusal(task, name)
        if reason:
            raise ValueError(reason)
        builder = RingBuilder(ring["power"], ring["replicas"], MIN_PART_HOURS)
    known = {dev["device"] for dev in builder.devs if dev}
    for device in sorted(set(ring["devices"]) - known):
        address = {
            "ip": ring["ip"],
            "port": ring["port"],
            "replication_ip": ring["ip"],
            "replication_port": ring["port"],
        }
        attributes = {"region": 1, "zone": ring["devices"][device], "device": device, "weight": 100.0, "meta": ""}
        builder.add_dev(dict(address, **attributes))
    builder.set_replicas(ring["replicas"])
    builder.rebalance()
    builder.validate()
    builder.save(builder_file)
    builder.get_ring().save(path_of(task, name, ".ring.gz"))
    for suffix in (".builder", ".ring.gz"):
        os.chmod(path_of(task, name, suffix), 0o644)


def back_up(task, builder_file):
    """Copy the builder file to where Swift's own tool keeps its copies."""
    backups = os.path.join(task["directory"], "backups")
    try:
        os.makedirs(backups)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    shutil.copy2(builder_file, os.path.join(backups, "%d.%s" % (time.time(), os.path.basename(builder_file))))


def main():
    """Read or write the rings of the task on standard input; return the exit code."""
    task = json.loads(sys.stdin.read())
    rings = sorted(task["rings"].items())
    if task["mode"] == "read":
        print(json.dumps({name: read(task, name, ring) for name, ring in rings}))
        return 0
    for name, ring in rings:
        try:
            write(task, name, ring)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
