# mypy: ignore-errors
"""The smoke test's cases for an instance: what it is made from, that it runs, its console. Python 2.7 and 3."""

from __future__ import print_function

import os
import subprocess

import requests
from smoke_session import BOOT, NAME, Failed, Skip


def image(smoke):
    source = smoke.task["image_source"]
    if source.startswith("file://"):
        source = source[7:]
    if not source.startswith("/"):
        raise Skip("the demo image is no file on this host; its copy in Glance is used")
    body = {"name": NAME, "disk_format": "qcow2", "container_format": "bare", "visibility": "private"}
    made = smoke.post("image", "/images", body).json()
    smoke.made["image"] = made["id"]
    with open(source, "rb") as data:
        smoke.put(
            "image", "/images/%s/file" % made["id"], data=data, headers={"Content-Type": "application/octet-stream"}
        )
    seen = smoke.get("image", "/images/" + made["id"])
    if seen["status"] != "active" or seen["size"] != os.path.getsize(source):
        raise Failed("the image is %s with %s bytes; see /var/log/glance" % (seen["status"], seen["size"]))
    return "%.1f MiB" % (seen["size"] / 1048576.0)


def flavor(smoke):
    body = {"name": NAME, "ram": 256, "vcpus": 1, "disk": 1}
    smoke.made["flavor"] = smoke.post("compute", "/flavors", {"flavor": body}).json()["flavor"]["id"]
    return "256 MiB, 1 vcpu, 1 GiB"


def keypair(smoke):
    key = os.path.join(smoke.keys, "key")
    # Not ed25519: nova refuses it where its cryptography is older than 2.7 (tried: 2.5), dropbear before 2020.
    subprocess.check_output(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key], stderr=subprocess.STDOUT)
    with open(key + ".pub") as public:
        body = {"name": NAME, "public_key": public.read()}
    smoke.post("compute", "/os-keypairs", {"keypair": body})
    smoke.made["keypair"] = NAME
    return "ecdsa"


def instance(smoke):
    smoke.made["server"] = boot(smoke, NAME, smoke.made["network"], smoke.made["group"])
    return active(smoke, smoke.made["server"])


def boot(smoke, name, network, group):
    """The id of a new instance, which is not yet ready."""
    glance = smoke.made.get("image") or smoke.get("image", "/images?status=active&limit=1")["images"][0]["id"]
    body = {
        "name": name,
        "flavorRef": smoke.made["flavor"],
        "imageRef": glance,
        "key_name": NAME,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": group}],
    }
    return smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]


def active(smoke, identity):
    """Wait until an instance is ACTIVE."""

    def look():
        server = smoke.get("compute", "/servers/" + identity)["server"]
        if server["status"] == "ERROR":
            reason = server.get("fault", {}).get("message", "no reason given")
            raise Failed("ERROR: %s; see /var/log/nova/nova-compute.log" % reason)
        return server["status"] == "ACTIVE", server["status"]

    return smoke.wait("not ACTIVE", BOOT, look)


def console_log(smoke):
    """What the instance prints can be read; this image says that it has found its name and key."""
    body = {"os-getConsoleOutput": {"length": 100}}
    path = "/servers/%s/action" % smoke.made["server"]
    output = smoke.post("compute", path, body).json()["output"]
    marks = [line.strip() for line in output.splitlines() if "GUEST-READY" in line]
    if not marks:
        raise Skip("this image prints no GUEST-READY on its console")
    if NAME not in marks[-1]:
        raise Failed("the console says %r" % marks[-1])
    return marks[-1][-80:]


def console(smoke):
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    made = smoke.client("compute").post(
        "/servers/%s/remote-consoles" % smoke.made["server"],
        json=body,
        headers={"OpenStack-API-Version": "compute 2.6", "X-OpenStack-Nova-API-Version": "2.6"},
    )
    url = made.json()["remote_console"]["url"]
    code = requests.get(url, timeout=20).status_code
    if code != 200:
        raise Failed("%s says %d; see nova-novncproxy" % (url.split("?")[0], code))
    return url.split("?")[0]
