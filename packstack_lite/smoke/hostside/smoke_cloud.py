# mypy: ignore-errors
"""Runs on the controller: uses the cloud as a user would, one line of JSON per promise.

Standard input (JSON): {"api": {...}, "image_source", "user", "external", "horizon_url",
"volumes": {"kind", "encrypted_type", and where they are on this host}}. Standard output:
{"name", "outcome", "seconds", "detail"} per case.
Everything made is called smoke-<id> and removed at the end, leftovers of earlier runs too.
Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""

from __future__ import print_function

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import requests
import smoke_storage
import smoke_volumes
from keystoneauth1 import exceptions
from smoke_session import BOOT, NAME, Failed, Skip, Smoke, run, run_ssh, short, text


def token(smoke):
    smoke.session.get_token()
    return "project %s" % smoke.task["api"]["project"]


def catalog(smoke):
    """Every public endpoint answers HTTP."""
    access = smoke.session.auth.get_access(smoke.session)
    urls = sorted(
        {e["url"] for s in access.service_catalog.catalog for e in s["endpoints"] if e["interface"] == "public"}
    )
    wrong = []
    for url in urls:
        try:
            code = requests.get(
                re.sub(r"(://[^/]+).*", r"\1/", url), timeout=20, headers={"Connection": "close"}
            ).status_code
            if code >= 500:
                wrong.append("%s says %d" % (url, code))
        except requests.RequestException as error:
            wrong.append("%s: %s" % (url, short(error)))
    if wrong:
        raise Failed("; ".join(wrong))
    return "%d endpoints answer" % len(urls)


def agents(smoke):
    """Nova's services are up, neutron's agents alive."""
    dead = [
        "%s@%s is %s" % (s["binary"], s["host"], s["state"])
        for s in smoke.get("compute", "/os-services")["services"]
        if s["state"] != "up"
    ]
    found = smoke.get("network", "/agents")["agents"]
    if not all(a["alive"] for a in found):
        # OVN's answer when their list is asked for: it is in the next one.
        time.sleep(1)
        found = smoke.get("network", "/agents")["agents"]
    dead += ["%s@%s is dead" % (a["binary"], a["host"]) for a in found if not a["alive"]]
    if dead:
        raise Failed("; ".join(dead) + "; see journalctl -u UNIT and /var/log/nova, /var/log/neutron")
    return "%d agents alive" % len(found)


def image(smoke):
    source = smoke.task["image_source"]
    if source.startswith("file://"):
        source = source[7:]
    if not source.startswith("/"):
        raise Skip("the demo image comes from a URL; its copy in Glance is used")
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


def network(smoke):
    """A network of its own behind a router to the external one, a security group."""
    external = [
        n
        for n in smoke.get("network", "/networks?router:external=true")["networks"]
        if n["name"] == smoke.task["external"]
    ]
    if not external:
        raise Skip("there is no external network %s (CONFIG_PROVISION_DEMO=n)" % smoke.task["external"])
    smoke.external = external[0]["id"]
    smoke.made["network"] = smoke.post("network", "/networks", {"network": {"name": NAME}}).json()["network"]["id"]
    subnet = {"name": NAME, "network_id": smoke.made["network"], "cidr": "10.99.0.0/24", "ip_version": 4}
    smoke.made["subnet"] = smoke.post("network", "/subnets", {"subnet": subnet}).json()["subnet"]["id"]
    router = {"name": NAME, "external_gateway_info": {"network_id": smoke.external}}
    smoke.made["router"] = smoke.post("network", "/routers", {"router": router}).json()["router"]["id"]
    smoke.put(
        "network", "/routers/%s/add_router_interface" % smoke.made["router"], json={"subnet_id": smoke.made["subnet"]}
    )
    group = smoke.post("network", "/security-groups", {"security_group": {"name": NAME}}).json()["security_group"]["id"]
    smoke.made["group"] = group
    rule = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4"}
    smoke.post("network", "/security-group-rules", {"security_group_rule": dict(rule, protocol="icmp")})
    ssh = dict(rule, protocol="tcp", port_range_min=22, port_range_max=22)
    smoke.rule = smoke.post("network", "/security-group-rules", {"security_group_rule": ssh}).json()[
        "security_group_rule"
    ]["id"]
    return "10.99.0.0/24 behind a router"


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
    glance = smoke.made.get("image") or smoke.get("image", "/images?status=active&limit=1")["images"][0]["id"]
    body = {
        "name": NAME,
        "flavorRef": smoke.made["flavor"],
        "imageRef": glance,
        "key_name": NAME,
        "networks": [{"uuid": smoke.made["network"]}],
        "security_groups": [{"name": smoke.made["group"]}],
    }
    smoke.made["server"] = smoke.post("compute", "/servers", {"server": body}).json()["server"]["id"]

    def active():
        server = smoke.get("compute", "/servers/" + smoke.made["server"])["server"]
        if server["status"] == "ERROR":
            raise Failed(
                "ERROR: %s; see /var/log/nova/nova-compute.log"
                % server.get("fault", {}).get("message", "no reason given")
            )
        return server["status"] == "ACTIVE", server["status"]

    return smoke.wait("not ACTIVE", BOOT, active)


def floating_ip(smoke):
    ports = smoke.get("network", "/ports?device_id=" + smoke.made["server"])["ports"]
    body = {"floating_network_id": smoke.external, "port_id": ports[0]["id"]}
    made = smoke.post("network", "/floatingips", {"floatingip": body}).json()["floatingip"]
    smoke.made["floating"] = made["id"]
    smoke.address = made["floating_ip_address"]
    return smoke.address


def ping(smoke):
    def answered():
        answered, _ = run(["ping", "-c", "1", "-W", "1", smoke.address])
        return answered, "no answer from %s; see the L3 agent's log, with OVN ovn-nbctl show" % smoke.address

    smoke.wait("no ping", BOOT, answered)
    return smoke.address


def ssh(smoke):
    """A login with the key pair, the key having come by the metadata service."""
    name = smoke.wait("no login", BOOT, lambda: run_ssh(smoke, "hostname"))
    if name.split(".")[0] != NAME:
        raise Failed("the instance calls itself %s, not %s: metadata did not reach it" % (name, NAME))
    return "%s@%s" % (smoke.task["user"], smoke.address)


def metadata(smoke):
    """The instance says on its console that it has found its name and key."""
    body = {"os-getConsoleOutput": {"length": 100}}
    path = "/servers/%s/action" % smoke.made["server"]
    output = smoke.post("compute", path, body).json()["output"]
    marks = [line.strip() for line in output.splitlines() if "GUEST-READY" in line]
    if not marks:
        raise Skip("this image prints no GUEST-READY on its console")
    if NAME not in marks[-1]:
        raise Failed("the console says %r" % marks[-1])
    return marks[-1][-80:]


def security_group(smoke):
    """Without its rule, port 22 is closed to new connections."""
    smoke.client("network").delete("/security-group-rules/" + smoke.rule)

    def closed():
        try:
            socket.create_connection((smoke.address, 22), timeout=2).close()
            return False, "port 22 still answers; see the log of the Open vSwitch agent, or of ovn-controller"
        except (socket.timeout, socket.error):
            return True, "port 22 closed"

    return smoke.wait("not blocked", 30, closed)


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


def horizon(smoke):
    """A login with a real POST, and the first page after it."""
    base = smoke.task["horizon_url"]
    if not base:
        raise Skip("CONFIG_HORIZON_INSTALL=n")
    web = requests.Session()
    login = base.rstrip("/") + "/auth/login/"
    page = web.get(login, timeout=60)
    token = re.search(r"name=.csrfmiddlewaretoken. value=.([^'\"]+)", page.text)
    if page.status_code != 200 or not token:
        raise Failed("%s says %d and shows no login form; see the web server's error log" % (login, page.status_code))
    api = smoke.task["api"]
    form = {
        "csrfmiddlewaretoken": token.group(1),
        "username": api["user"],
        "password": api["password"],
        "region": "default",
        "domain": "Default",
    }
    answer = web.post(login, data=form, headers={"Referer": login}, timeout=60, allow_redirects=False)
    if answer.status_code != 302:
        raise Failed(
            "the login is answered with %d instead of 302: the dashboard does not take the administrator's password"
            % answer.status_code
        )
    project = web.get(base.rstrip("/") + "/project/", timeout=120)
    if project.status_code != 200 or api["user"] not in project.text:
        raise Failed("the page after the login says %d" % project.status_code)
    return "logged in as %s" % api["user"]


def cleanup(smoke):
    """Everything named smoke-* goes, what an earlier run left included."""
    left = []
    if "floating" in smoke.made:
        smoke.client("network").delete("/floatingips/" + smoke.made["floating"])
    servers = [s for s in smoke.get("compute", "/servers?all_tenants=1")["servers"] if s["name"].startswith("smoke-")]
    for server in servers:
        smoke.client("compute").delete("/servers/" + server["id"])

    def gone():
        left = [
            s["name"]
            for s in smoke.get("compute", "/servers?all_tenants=1")["servers"]
            if s["name"].startswith("smoke-")
        ]
        return not left, "left: " + ", ".join(left)

    smoke.wait("servers stay", 90, gone)
    for service, clean in (
        ("volumev3", smoke_volumes.clean_volumes),
        ("object-store", smoke_storage.clean_objects),
        ("key-manager", smoke_storage.clean_secrets),
    ):
        if smoke.has(service):
            clean(smoke)
    for router in ours(smoke, "network", "/routers", "routers"):
        for port in smoke.get("network", "/ports?device_id=" + router["id"])["ports"]:
            if port["device_owner"] == "network:router_interface":
                smoke.put("network", "/routers/%s/remove_router_interface" % router["id"], json={"port_id": port["id"]})
        smoke.client("network").delete("/routers/" + router["id"])
    for path, key in (("/networks", "networks"), ("/security-groups", "security_groups")):
        for thing in ours(smoke, "network", path, key):
            smoke.client("network").delete("%s/%s" % (path, thing["id"]))
    for thing in ours(smoke, "image", "/images", "images"):
        smoke.client("image").delete("/images/" + thing["id"])
    for thing in ours(smoke, "compute", "/flavors", "flavors"):
        smoke.client("compute").delete("/flavors/" + thing["id"])
    for pair in smoke.get("compute", "/os-keypairs")["keypairs"]:
        if pair["keypair"]["name"].startswith("smoke-"):
            smoke.client("compute").delete("/os-keypairs/" + pair["keypair"]["name"])
    return "nothing left" if not left else ", ".join(left)


def ours(smoke, service, path, key):
    return [thing for thing in smoke.get(service, path)[key] if thing["name"].startswith("smoke-")]


# Each promise, and the ones without which it cannot be tried.
CASES = (
    (token, ()),
    (catalog, ("token",)),
    (agents, ("token",)),
    (image, ("token",)),
    (flavor, ("token",)),
    (network, ("token",)),
    (keypair, ("token",)),
    (instance, ("flavor", "network", "keypair")),
    (floating_ip, ("instance",)),
    (ping, ("floating_ip",)),
    (ssh, ("floating_ip",)),
    (metadata, ("ssh",)),
    (console, ("instance",)),
    (horizon, ("token",)),
    (smoke_storage.secret, ("token",)),
    (smoke_storage.objects, ("token",)),
    (smoke_volumes.volume, ("ssh",)),
    (smoke_volumes.volume_snapshot, ("volume",)),
    (smoke_volumes.volume_backup, ("volume",)),
    (smoke_volumes.volume_extend, ("volume",)),
    (smoke_volumes.volume_encrypted, ("volume",)),
    (smoke_volumes.boot_from_volume, ("instance",)),
    (security_group, ("ssh",)),
    (cleanup, ("token",)),
)

# Cases that are for a service which not every cloud has; by its type in the catalog.
ONLY_WITH = {"secret": "key-manager", "objects": "object-store", "volume": "volumev3", "boot_from_volume": "volumev3"}


def concerns(smoke, case, outcomes):
    """Whether this cloud makes this promise at all."""
    service = ONLY_WITH.get(case.__name__) or ONLY_WITH.get(case.__name__.split("_")[0])
    return not service or (outcomes.get("token") == "passed" and smoke.has(service))


def attempt(smoke, case, needs, outcomes):
    """How a case ended: outcome and detail."""
    missing = [need for need in needs if outcomes.get(need) != "passed"]
    if missing:
        return "skipped", "needs %s" % ", ".join(missing)
    try:
        return "passed", case(smoke)
    except Skip as reason:
        return "skipped", text(reason)
    except Failed as failure:
        return "failed", text(failure)
    except (
        exceptions.ClientException,
        requests.RequestException,
        EnvironmentError,
        KeyError,
        ValueError,
        subprocess.CalledProcessError,
    ) as error:
        return "failed", "%s: %s" % (type(error).__name__, short(error))


def main():
    smoke = Smoke(json.loads(sys.stdin.read()))
    outcomes = {}
    try:
        for case, needs in CASES:
            if not concerns(smoke, case, outcomes):
                continue
            began = time.time()
            outcome, detail = attempt(smoke, case, needs, outcomes)
            outcomes[case.__name__] = outcome
            told = {
                "name": case.__name__,
                "outcome": outcome,
                "seconds": round(time.time() - began, 2),
                "detail": detail,
            }
            print(json.dumps(told))
            sys.stdout.flush()
    finally:
        shutil.rmtree(smoke.keys, ignore_errors=True)
    return 0


if __name__ == "__main__" or __name__ == "builtins":
    sys.exit(main())
