# mypy: ignore-errors
"""Smoke cases for an instance: flavor, key pair, boot, console, metadata.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import base64
import os
import subprocess

import requests
from smoke_session import BOOT, NAME, Failed, Skip, run_ssh

METADATA_URL = "http://169.254.169.254/latest/meta-data/local-ipv4"
MARKER = "SMOKE-READY"
# Seconds between a login and the end of the user data, which prints the marker.
USER_DATA_TIME = 20
# The instance runs this at its first boot, if the metadata service gives it: name and address are from there too.
USER_DATA = """#!/bin/sh
for try in 1 2 3 4 5 6 7 8 9 10; do
    address=$(wget -q -O - URL 2>/dev/null || curl -sf URL)
    [ -z "$address" ] || break
    sleep 2
done
echo "MARKER $(hostname) ${address:-no-metadata}" > /dev/console
""".replace("URL", METADATA_URL).replace("MARKER", MARKER)


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
    body = {
        "name": name,
        "flavorRef": smoke.created["flavor"],
        "imageRef": smoke.created["image"],
        "key_name": NAME,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": group}],
        "user_data": base64.b64encode(USER_DATA.encode("ascii")).decode("ascii"),
    }
    return smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]


def fail_with_fault(server, state):
    """Raise Failed with an instance's state and Nova's reason for it."""
    reason = server.get("fault", {}).get("message", "no reason given")
    raise Failed("%s %s: %s; see /var/log/nova/nova-compute.log" % (server["name"], state, reason))


def is_active(server):
    """Return whether an instance is ACTIVE. Raises Failed if it cannot become so."""
    # Whatever comes after BUILD is final: nobody starts it again.
    if server["status"] not in ("ACTIVE", "BUILD"):
        fail_with_fault(server, "is in %s" % server["status"])
    return server["status"] == "ACTIVE"


def require_active(smoke, identity):
    """Raise Failed if an instance that was ACTIVE no longer is."""
    server = smoke.get("compute", "/servers/" + identity)["server"]
    if not is_active(server):
        fail_with_fault(server, "is in %s" % server["status"])


def wait_until_active(smoke, identity):
    """Wait until an instance is ACTIVE. Raises Failed."""

    def probe():
        """Return whether the server is ACTIVE, and its status."""
        server = smoke.get("compute", "/servers/" + identity)["server"]
        return is_active(server), server["status"]

    return smoke.wait("not ACTIVE", BOOT, probe)


def read_console(smoke, identity):
    """Return an instance's console as lines without those that are empty."""
    body = {"os-getConsoleOutput": {}}
    output = smoke.post("compute", "/servers/%s/action" % identity, body).json()["output"] or ""
    return [line.strip() for line in output.splitlines() if line.strip()]


def find_marker(lines, name=NAME):
    """Return the line that proves an instance's boot and metadata, or "".

    It is the user data's, or a login prompt with the name that only the metadata service knows.
    """
    proofs = ["%s %s" % (MARKER, name), "%s login:" % name]
    return next((line for proof in proofs for line in reversed(lines) if proof in line), "")


def has_run_user_data(smoke):
    """Return whether the console shows that user data have run.

    The instance has its key by then.
    """
    proof = "%s %s" % (MARKER, NAME)
    return any(proof in line for line in read_console(smoke, smoke.created["server"]))


def wait_until_booted(smoke, identity, name):
    """Wait until the console shows that an instance has booted. Raises Failed.

    Returns at once if the console of the first instance did not show that, as they have the same image.
    """
    if not getattr(smoke, "console_line", ""):
        return

    def probe():
        """Return whether the proof is there, and the last lines. Raises Failed."""
        lines = read_console(smoke, identity)
        is_booted = bool(find_marker(lines, name))
        if not is_booted:
            require_active(smoke, identity)
        return is_booted, " | ".join(lines[-3:])[-300:] or "nothing"

    smoke.wait("%s has not booted; its console" % name, BOOT, probe)


def console_log(smoke):
    """Find on the instance's console that it has booted with its name.

    The name comes from the metadata service. Without a login this is the proof of the boot; after one, an image whose
    console shows nothing is skipped.
    """
    has_login = smoke.outcomes.get("ssh") == "passed"

    def probe():
        """Return whether the proof is there, and it, or the last lines. Raises Failed."""
        lines = read_console(smoke, smoke.created["server"])
        marker = find_marker(lines)
        if not marker:
            require_active(smoke, smoke.created["server"])
        return bool(marker), marker or " | ".join(lines[-3:])[-300:] or "nothing"

    try:
        smoke.console_line = smoke.wait(
            "the console does not show the name", USER_DATA_TIME if has_login else BOOT, probe
        )
    except Failed as failure:
        if has_login:
            raise Skip("this image shows neither its user data's output nor a login prompt on its console")  # noqa: B904
        raise Failed("%s; see the console, and the metadata agent's log" % failure)  # noqa: B904
    return smoke.console_line[-80:]


def metadata(smoke):
    """Ask the metadata service, from the instance, for the instance's own address.

    The service has to identify the instance for it. Without a login the user data asks, and the answer is on the
    console.
    """
    own = smoke.get("network", "/ports?device_id=" + smoke.created["server"])["ports"][0]["fixed_ips"][0]["ip_address"]
    if smoke.outcomes.get("ssh") == "passed":
        succeeded, output = run_ssh(smoke, "wget -q -O - %s || curl -sf %s" % (METADATA_URL, METADATA_URL))
        if not succeeded or output != own:
            raise Failed("%s says %r to %s; see the metadata agent's log" % (METADATA_URL, output, own))
        return "the metadata service returns %s" % output
    line = getattr(smoke, "console_line", "")
    if not line:
        raise Failed("the console does not show what the metadata service returns; see the metadata agent's log")
    if MARKER in line and line.split()[-1] != own:
        raise Failed("the console says %r, not %s; see the metadata agent's log" % (line[-80:], own))
    return "the metadata service gave %s" % (own if MARKER in line else "the name %s" % NAME)


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
