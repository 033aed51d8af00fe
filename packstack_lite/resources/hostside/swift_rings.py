# mypy: ignore-errors
"""Runs on the host: looks at Swift's rings, builds those that are not there, extends those that are.

Standard input (JSON): {"mode": "read"|"write", "directory", "devices", "rings": {name: {"power",
"replicas", "port", "devices": {device: zone}, "ip"}}}. Standard output: for read {name: state}.
A ring says where everything lies: one that is there is only ever extended, never built anew, and
no device is taken out. Python 2.7 and 3; needs Swift's own code.
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

# Hours before a partition may be moved again; Packstack's too.
MIN_PART_HOURS = 1


def path_of(task, name, suffix):
    return os.path.join(task["directory"], name + suffix)


def is_file(path):
    return os.path.isfile(path) and os.path.getsize(path) > 0


def devices_of(builder, ring):
    """Those among the wanted devices that are in the ring, as device:zone."""
    known = {dev["device"]: dev["zone"] for dev in builder.devs if dev}
    return sorted("%s:%s" % (name, known[name]) for name in ring["devices"] if name in known)


def read(task, name, ring):
    if not is_file(path_of(task, name, ".builder")):
        return None
    builder = RingBuilder.load(path_of(task, name, ".builder"))
    made = is_file(path_of(task, name, ".ring.gz"))
    return {"devices": devices_of(builder, ring), "replicas": int(builder.replicas), "made": made}


def refusal(task, name):
    """Why a ring may not be made; None when it may."""
    if is_file(path_of(task, name, ".ring.gz")):
        return "%s is there without its builder file; put %s back, from a backup" % (
            path_of(task, name, ".ring.gz"),
            path_of(task, name, ".builder"),
        )
    held = glob.glob(os.path.join(task["devices"], "*", name + "s", "[0-9]*"))
    if held:
        return "there are %ss already (%s), but no ring: put %s back, from a backup" % (
            name,
            held[0],
            path_of(task, name, ".builder"),
        )
    return None


def write(task, name, ring):
    place = path_of(task, name, ".builder")
    if is_file(place):
        builder = RingBuilder.load(place)
        keep(task, place)
    else:
        reason = refusal(task, name)
        if reason:
            raise ValueError(reason)
        builder = RingBuilder(ring["power"], ring["replicas"], MIN_PART_HOURS)
    known = {dev["device"] for dev in builder.devs if dev}
    for device in sorted(set(ring["devices"]) - known):
        where = {"ip": ring["ip"], "port": ring["port"], "replication_ip": ring["ip"], "replication_port": ring["port"]}
        more = {"region": 1, "zone": ring["devices"][device], "device": device, "weight": 100.0, "meta": ""}
        builder.add_dev(dict(where, **more))
    builder.set_replicas(ring["replicas"])
    builder.rebalance()
    builder.validate()
    builder.save(place)
    builder.get_ring().save(path_of(task, name, ".ring.gz"))
    for suffix in (".builder", ".ring.gz"):
        os.chmod(path_of(task, name, suffix), 0o644)


def keep(task, place):
    """A copy of the builder before it is changed, where Swift's own tool keeps its copies."""
    backups = os.path.join(task["directory"], "backups")
    try:
        os.makedirs(backups)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    shutil.copy2(place, os.path.join(backups, "%d.%s" % (time.time(), os.path.basename(place))))


def main():
    task = json.loads(sys.stdin.read())
    rings = sorted(task["rings"].items())
    if task["mode"] == "read":
        print(json.dumps({name: read(task, name, ring) for name, ring in rings}))
        return 0
    for name, ring in rings:
        try:
            write(task, name, ring)
        except ValueError as refused:
            print(refused, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
