"""Read and write objects in OpenStack's APIs. Runs on the node, as one process.

Sent by ``resources.api_object``. Standard input (JSON): {"mode": "read"|"write", "api": {...}, "wants": [{"id", "type",
"name", "body", "secrets", "parents", "absent"}]}. Standard output (JSON): for read {id: state, null when absent, or
{"unknown": reason}}; for write {id: {"ok": bool, "error": text}}, and exit 1 with the errors on standard error when
there are any. An object that is wanted "absent" is removed by a write.
Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
from __future__ import print_function

import json
import sys
from multiprocessing.pool import ThreadPool

import cloud_objects
from cloud_images import Image
from cloud_services import REPORTING_TYPES, ComputeScheduling, ServiceList
from cloud_session import Absent, Cloud, Impossible, Unknown, one_line
from keystoneauth1 import exceptions

# Seconds of a request that reads (tried twice), and of one that writes.
REQUEST_TIMEOUT = {"read": 15, "write": 120}
WRITE_ORDER = (
    "domain", "project", "role", "user", "service", "endpoint", "compute_scheduling", "compute_service",
    "network_agent", "flavor", "image", "network", "subnet", "router", "security_group_rule", "volume_type",
    "volume_service", "service_list",
)  # fmt: skip
TYPES = {
    "domain": cloud_objects.ObjectType("identity", "/domains", "domain"),
    "project": cloud_objects.ObjectType("identity", "/projects", "project", "?domain_id=default"),
    "role": cloud_objects.ObjectType("identity", "/roles", "role"),
    "user": cloud_objects.User("identity", "/users", "user"),
    "service": cloud_objects.ObjectType("identity", "/services", "service"),
    "endpoint": cloud_objects.Endpoint("identity", "/endpoints", "endpoint"),
    "flavor": cloud_objects.Flavor("compute", "/flavors", "flavor", "/detail?is_public=None"),
    "image": Image("image", "/images", "image", "?limit=1000"),
    "network": cloud_objects.ProjectObject("network", "/networks", "network", update_method="PUT"),
    "subnet": cloud_objects.Subnet("network", "/subnets", "subnet", update_method="PUT"),
    "router": cloud_objects.Router("network", "/routers", "router"),
    "security_group_rule": cloud_objects.SecurityGroupRule("network", "/security-group-rules", "security_group_rule"),
    "volume_type": cloud_objects.VolumeType("volumev3", "/types", "volume_type", "?is_public=None"),
    "compute_scheduling": ComputeScheduling(),
    "service_list": ServiceList(),
}
TYPES.update(REPORTING_TYPES)


def read_one(cloud, want):
    """Return an object's state, None when absent, or {"unknown": reason}."""
    try:
        if want.get("absent"):
            return {"exists": True} if TYPES[want["type"]].is_removable(cloud, want) else None
        return dict(TYPES[want["type"]].read(cloud, want), exists=True)
    except Absent:
        return None
    except (Unknown, exceptions.ClientException) as error:
        return {"unknown": one_line(error)}


def write_one(cloud, want):
    """Create, change or remove an object; return {"ok", "error"}."""
    try:
        if want.get("absent"):
            remove_one(cloud, want)
        else:
            TYPES[want["type"]].write(cloud, want)
        return {"ok": True, "error": ""}
    except (Absent, Unknown, Impossible, exceptions.ClientException, EnvironmentError) as error:
        return {"ok": False, "error": "%s: %s" % (want["id"], one_line(error))}


def remove_one(cloud, want):
    """Remove an object, if it is still there."""
    try:
        TYPES[want["type"]].remove(cloud, want)
    except (Absent, exceptions.NotFound):
        # What takes part of it away may take it all: a chassis goes with its last agent.
        return


def read_all(cloud, wants, login_error):
    """Return the state of each object by its id; all unknown after a failed login."""
    if login_error:
        return {want["id"]: {"unknown": login_error} for want in wants}
    # Four at once: Keystone hashes a password for each login, in its own threads.
    states = ThreadPool(4).map(lambda want: read_one(cloud, want), wants)
    return dict(zip([want["id"] for want in wants], states))


def write_all(cloud, wants, login_error):
    """Create or change the objects in WRITE_ORDER; return each outcome by its id."""
    if login_error:
        return {want["id"]: {"ok": False, "error": login_error} for want in wants}
    return {
        want["id"]: write_one(cloud, want) for want in sorted(wants, key=lambda want: WRITE_ORDER.index(want["type"]))
    }


def try_login(cloud):
    """Log in; return the error, or None."""
    try:
        cloud.session.get_token()
        return None
    except exceptions.ClientException as error:
        return one_line(error)


def main():
    """Read or write the objects of the task on standard input; print JSON."""
    task = json.loads(sys.stdin.read())
    cloud = Cloud(task["api"], REQUEST_TIMEOUT[task["mode"]])
    is_read = task["mode"] == "read"
    results = (read_all if is_read else write_all)(cloud, task["wants"], try_login(cloud))
    print(json.dumps(results))
    if is_read:
        return 0
    errors = sorted({result["error"] for result in results.values() if not result["ok"]})
    # As UTF-8 in any locale: without one, Python 2 and 3.6 would use ASCII.
    getattr(sys.stderr, "buffer", sys.stderr).write("".join(error + "\n" for error in errors).encode("utf-8"))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
