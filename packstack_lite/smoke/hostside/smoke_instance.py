# mypy: ignore-errors
"""Smoke cases for an instance: image, flavor, key pair, boot, console.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import os
import subprocess

import requests
from smoke_session import BOOT, NAME, Failed, Skip


def image(smoke):
    """Upload the demo image to Glance."""
    source = smoke.task["image_source"]
    if source.startswith("file://"):
        source = source[7:]
    if not source.startswith("/"):
        raise Skip("the demo image is no file on this node; its copy in Glance is used")
    body = {"name": NAME, "disk_format": "qcow2", "container_format": "bare", "visibility": "private"}
    new_image = smoke.post("image", "/images", body).json()
    smoke.created["image"] = new_image["id"]
    with open(source, "rb") as data:
        smoke.put(
            "image",
            "/images/%s/file" % new_image["id"],
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )
    stored = smoke.get("image", "/images/" + new_image["id"])
    if stored["status"] != "active" or stored["size"] != os.path.getsize(source):
        raise Failed("the image is %s with %s bytes; see /var/log/glance" % (stored["status"], stored["size"]))
    return "%.1f MiB" % (stored["size"] / 1048576.0)


def flavor(smoke):
    """Create a flavor."""
    body = {"name": NAME, "ram": 256, "vcpus": 1, "disk": 1}
    smoke.created["flavor"] = smoke.post("compute", "/flavors", {"flavor": body}).json()["flavor"]["id"]
    return "256 MiB, 1 vcpu, 1 GiB"


def keypair(smoke):
    """Create a key pair and give its public key to Nova."""
    key = os.path.join(smoke.keys, "key")
    # Not ed25519: Nova with cryptography older than 2.7 (tried: 2.5) and dropbear before 2020 refuse it.
    subprocess.check_output(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key], stderr=subprocess.STDOUT)
    with open(key + ".pub") as public:
        body = {"name": NAME, "public_key": public.read()}
    smoke.post("compute", "/os-keypairs", {"keypair": body})
    smoke.created["keypair"] = NAME
    return "ecdsa"


def instance(smoke):
    """Boot an instance and wait until it is ACTIVE."""
    smoke.created["server"] = start_instance(smoke, NAME, smoke.created["network"], smoke.created["group"])
    return wait_until_active(smoke, smoke.created["server"])


def start_instance(smoke, name, network, group):
    """Create an instance and return its id; it is not ready yet."""
    image_id = smoke.created.get("image") or smoke.get("image", "/images?status=active&limit=1")["images"][0]["id"]
    body = {
        "name": name,
        "flavorRef": smoke.created["flavor"],
        "imageRef": image_id,
        "key_name": NAME,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": group}],
    }
    return smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]


def wait_until_active(smoke, identity):
    """Wait until an instance is ACTIVE. Raises Failed."""

    def probe():
        """Return whether the server is ACTIVE, and its status. Raises Failed for ERROR."""
        server = smoke.get("compute", "/servers/" + identity)["server"]
        if server["status"] == "ERROR":
            reason = server.get("fault", {}).get("message", "no reason given")
            raise Failed("ERROR: %s; see /var/log/nova/nova-compute.log" % reason)
        return server["status"] == "ACTIVE", server["status"]

    return smoke.wait("not ACTIVE", BOOT, probe)


def console_log(smoke):
    """Find the instance's message on its console that it is ready and has its name.

    Skipped for an image that prints none.

    The sandbox's image prints there that it got its name and key.
    """
    body = {"os-getConsoleOutput": {"length": 100}}
    path = "/servers/%s/action" % smoke.created["server"]
    output = smoke.post("compute", path, body).json()["output"]
    matches = [line.strip() for line in output.splitlines() if "GUEST-READY" in line]
    if not matches:
        raise Skip("this image prints no GUEST-READY on its console")
    if NAME not in matches[-1]:
        raise Failed("the console says %r" % matches[-1])
    return matches[-1][-80:]


def console(smoke):
    """Open the page of the instance's noVNC console."""
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    reply = smoke.client("compute").post(
        "/servers/%s/remote-consoles" % smoke.created["server"],
        json=body,
        headers={"OpenStack-API-Version": "compute 2.6", "X-OpenStack-Nova-API-Version": "2.6"},
    )
    url = reply.json()["remote_console"]["url"]
    code = requests.get(url, timeout=20).status_code
    if code != 200:
        raise Failed("%s says %d; see nova-novncproxy" % (url.split("?")[0], code))
    return url.split("?")[0]
