# mypy: ignore-errors
"""Runs on a host with a bridge to floating addresses: uses the cloud as a user would, one line of JSON per promise.

Standard input (JSON): {"api": {...}, "image_source", "user", "external", "horizon_url", "catalog": [types],
"volumes": {"kind", "encrypted_type", "here", and where they are on their host}}. Standard output:
{"name", "outcome", "seconds", "detail"} per case.
Everything made is called smoke-<id> and removed at the end, leftovers of earlier runs too.
Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""

from __future__ import print_function

import json
import re
import shutil
import subprocess
import sys
import time

import requests
import smoke_instance
import smoke_network
import smoke_storage
import smoke_volumes
from keystoneauth1 import exceptions
from smoke_session import Failed, Skip, Smoke, short, text


def token(smoke):
    smoke.session.get_token()
    return "project %s" % smoke.task["api"]["project"]


def catalog(smoke):
    """The catalog has every expected service, and every public endpoint answers HTTP."""
    access = smoke.session.auth.get_access(smoke.session)
    types = {s["type"] for s in access.service_catalog.catalog}
    urls = sorted(
        {e["url"] for s in access.service_catalog.catalog for e in s["endpoints"] if e["interface"] == "public"}
    )
    wrong = ["the catalog has no %s" % name for name in smoke.task["catalog"] if name not in types]
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
    if "floating" in smoke.made:
        smoke.delete("network", "/floatingips/" + smoke.made["floating"])
    everyones = ("compute", "/servers?all_tenants=1", "servers")
    for server in smoke.ours(*everyones):
        smoke.delete("compute", "/servers/" + server["id"])

    def gone():
        left = [server["name"] for server in smoke.ours(*everyones)]
        return not left, "left: " + ", ".join(left)

    smoke.wait("servers stay", 90, gone)
    for service, clean in (
        ("volumev3", smoke_volumes.clean_volumes),
        ("object-store", smoke_storage.clean_objects),
        ("key-manager", smoke_storage.clean_secrets),
    ):
        if smoke.has(service):
            clean(smoke)
    smoke_network.clean_networks(smoke)
    for thing in smoke.ours("image", "/images", "images"):
        smoke.delete("image", "/images/" + thing["id"])
    for thing in smoke.ours("compute", "/flavors", "flavors"):
        smoke.delete("compute", "/flavors/" + thing["id"])
    for pair in smoke.get("compute", "/os-keypairs")["keypairs"]:
        if pair["keypair"]["name"].startswith("smoke-"):
            smoke.delete("compute", "/os-keypairs/" + pair["keypair"]["name"])
    return "nothing left"


# Each promise, and the ones without which it cannot be tried.
CASES = (
    (token, ()),
    (catalog, ("token",)),
    (agents, ("token",)),
    (smoke_instance.image, ("token",)),
    (smoke_instance.flavor, ("token",)),
    (smoke_network.network, ("token",)),
    (smoke_instance.keypair, ("token",)),
    (smoke_instance.instance, ("flavor", "network", "keypair")),
    (smoke_network.neighbour, ("instance",)),
    (smoke_network.floating_ip, ("instance",)),
    (smoke_network.ping, ("floating_ip",)),
    (smoke_network.ssh, ("floating_ip",)),
    (smoke_network.metadata, ("ssh",)),
    (smoke_instance.console_log, ("ssh",)),
    (smoke_instance.console, ("instance",)),
    (horizon, ("token",)),
    (smoke_storage.secret, ("token",)),
    (smoke_storage.objects, ("token",)),
    (smoke_volumes.volume, ("ssh",)),
    (smoke_volumes.volume_snapshot, ("volume",)),
    (smoke_volumes.volume_backup, ("volume",)),
    (smoke_volumes.volume_extend, ("volume",)),
    (smoke_volumes.volume_encrypted, ("volume",)),
    (smoke_volumes.boot_from_volume, ("instance",)),
    (smoke_network.two_networks, ("neighbour", "ssh")),
    (smoke_network.security_group, ("ssh",)),
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
