# mypy: ignore-errors
"""Use the cloud as a user would, and print one line of JSON per case.

Runs on a node that reaches floating IPs. Without an external network the instance is not reached from here: it proves
by its console that it has booted and that the metadata service answers it.

Standard input (JSON): {"api": {...}, "image": {"name", "source", "proxy"}, "user", "horizon_url", "catalog": [types],
"external": {"name" of the demo's external network, "is_demo" (the answers ask for it), "physnet", "bridge",
"has_interface" (the bridge leads to a physical network), "temporary": null or {"cidr", "first", "last", "gateway"}},
"optional_cases": {case: type of the service that it needs in the catalog},
"volumes": {"kind", "encrypted_type", "here" (this node has them), and where their backend keeps them}}.
Standard output: {"name", "outcome", "seconds", "detail"} per case.
Everything that is created is named smoke-ID and deleted at the end, with the leftovers of earlier runs.
A module smoke_* with the cases of an optional service has CASES as below, and may have CLEANERS: pairs of a service
type and a function that deletes what is named smoke-*. The modules' cases run in the order of the modules' names, their
cleaners in the opposite order.
Python 2.7 and 3; needs keystoneauth1 and requests, on which every OpenStack client depends.
"""

from __future__ import print_function

import json
import os
import re
import shutil
import subprocess
import sys
import time

import requests
import smoke_external
import smoke_image
import smoke_instance
import smoke_network
from keystoneauth1 import exceptions
from smoke_session import Failed, Skip, Smoke, error_text, monotonic_seconds, short_error


def token(smoke):
    """Log in to Keystone as the administrator, whose session the other cases use."""
    smoke.session.get_token()
    return "project %s" % smoke.task["api"]["project"]


def catalog(smoke):
    """Find every expected service in the catalog, and a reply at each endpoint."""
    access = smoke.session.auth.get_access(smoke.session)
    service_types = {s["type"] for s in access.service_catalog.catalog}
    urls = sorted(
        {e["url"] for s in access.service_catalog.catalog for e in s["endpoints"] if e["interface"] == "public"}
    )
    errors = ["the catalog has no %s" % name for name in smoke.task["catalog"] if name not in service_types]
    for url in urls:
        try:
            code = requests.get(
                re.sub(r"(://[^/]+).*", r"\1/", url), timeout=20, headers={"Connection": "close"}
            ).status_code
            if code >= 500:
                errors.append("%s says %d" % (url, code))
        except requests.RequestException as error:
            errors.append("%s: %s" % (url, short_error(error)))
    if errors:
        raise Failed("; ".join(errors))
    return "endpoints that answer: %d" % len(urls)


def agents(smoke):
    """Find Nova's services up and Neutron's agents alive."""
    dead = [
        "%s@%s is %s" % (s["binary"], s["host"], s["state"])
        for s in smoke.get("compute", "/os-services")["services"]
        if s["state"] != "up"
    ]
    neutron_agents = smoke.get("network", "/agents")["agents"]
    if not all(a["alive"] for a in neutron_agents):
        # With OVN a list request makes the agents report, which only the next list shows.
        time.sleep(1)
        neutron_agents = smoke.get("network", "/agents")["agents"]
    dead += ["%s@%s is dead" % (a["binary"], a["host"]) for a in neutron_agents if not a["alive"]]
    if dead:
        raise Failed("; ".join(dead) + "; see journalctl -u UNIT and /var/log/nova, /var/log/neutron")
    return "agents alive: %d" % len(neutron_agents)


def horizon(smoke):
    """Follow the host's own address to the dashboard, log in and open the first page."""
    base = smoke.task["horizon_url"]
    if not base:
        raise Skip("CONFIG_HORIZON_INSTALL=n")
    web = requests.Session()
    login_url = base.rstrip("/") + "/auth/login/"
    page = find_login_page(web, login_url)
    token = re.search(r"name=.csrfmiddlewaretoken. value=.([^'\"]+)", page.text)
    if page.status_code != 200 or not token:
        message = "%s says %d and shows no login form; see the web server's error log"
        raise Failed(message % (login_url, page.status_code))
    api = smoke.task["api"]
    form = {
        "csrfmiddlewaretoken": token.group(1),
        "username": api["user"],
        "password": api["password"],
        "region": "default",
        "domain": "Default",
    }
    reply = web.post(login_url, data=form, headers={"Referer": login_url}, timeout=60, allow_redirects=False)
    if reply.status_code != 302:
        raise Failed(
            "the login is answered with %d instead of 302: the dashboard refuses the administrator's password"
            % reply.status_code
        )
    project = web.get(base.rstrip("/") + "/project/", timeout=120)
    if project.status_code != 200 or api["user"] not in project.text:
        raise Failed("the page after the login says %d" % project.status_code)
    return "logged in as %s" % api["user"]


def find_login_page(web, login_url):
    """Return the login page, to which / and the paths of Packstack and Debian lead.

    Raises Failed if one of them does not.
    """
    root = re.sub(r"(://[^/]+).*", r"\1", login_url)
    for path in ("/", "/dashboard", "/horizon"):
        page = web.get(root + path, timeout=60)
        if page.status_code != 200 or page.url.split("?")[0] != login_url:
            message = "%s%s leads to %s, which says %d, and not to %s; see the web server's error log"
            raise Failed(message % (root, path, page.url, page.status_code, login_url))
    return page


def cleanup(smoke):
    """Delete everything named smoke-*, the leftovers of earlier runs included."""
    if "floating" in smoke.created:
        smoke.delete("network", "/floatingips/" + smoke.created["floating"])
    all_servers = ("compute", "/servers?all_tenants=1", "servers")
    for server in smoke.list_own(*all_servers):
        smoke.delete("compute", "/servers/" + server["id"])

    def probe():
        """Return whether no server named smoke-* is left, and those that are."""
        remaining = smoke.list_own("compute", "/servers/detail?all_tenants=1", "servers")
        for server in remaining:
            if server.get("status") == "ERROR" and not server.get("OS-EXT-STS:task_state"):
                smoke_instance.fail_with_fault(server, "is not deleted, but in ERROR")
        return not remaining, "left: " + ", ".join(server["name"] for server in remaining)

    smoke.wait("servers are not deleted", 90, probe)
    for service, clean in reversed(collect_rows("CLEANERS")):
        if smoke.has(service):
            clean(smoke)
    smoke_network.clean_networks(smoke)
    smoke_external.remove_address(smoke)
    for entry in smoke.list_own("image", "/images", "images"):
        smoke.delete("image", "/images/" + entry["id"])
    for entry in smoke.list_own("compute", "/flavors", "flavors"):
        smoke.delete("compute", "/flavors/" + entry["id"])
    for pair in smoke.get("compute", "/os-keypairs")["keypairs"]:
        if pair["keypair"]["name"].startswith("smoke-"):
            smoke.delete("compute", "/os-keypairs/" + pair["keypair"]["name"])
    return "nothing left"


def collect_rows(table):
    """Return the rows of a table from all loaded smoke_* modules, by module name.

    ``table`` is CASES or CLEANERS; a module may lack it.
    """
    modules = [sys.modules[name] for name in sorted(sys.modules) if name.startswith("smoke_") and name != __name__]
    return [row for module in modules for row in getattr(module, table, ())]


# Each case, and the cases that it needs. Those of optional services follow from their modules.
FIRST_CASES = (
    (token, ()),
    (catalog, ("token",)),
    (agents, ("token",)),
    (smoke_image.image, ("token",)),
    (smoke_instance.flavor, ("token",)),
    (smoke_network.network, ("token",)),
    (smoke_instance.keypair, ("token",)),
    (smoke_instance.instance, ("image", "flavor", "network", "keypair")),
    (smoke_network.neighbour, ("instance",)),
    (smoke_external.external_network, ("network",)),
    (smoke_external.floating_ip, ("instance", "external_network")),
    (smoke_external.ping, ("floating_ip",)),
    (smoke_external.ssh, ("ping",)),
    (smoke_instance.console_log, ("instance",)),
    (smoke_instance.metadata, ("instance",)),
    (smoke_network.name_server, ("ssh",)),
    (smoke_instance.console, ("instance",)),
    (horizon, ("token",)),
)
LAST_CASES = (
    (smoke_network.two_networks, ("neighbour", "ssh")),
    (smoke_network.security_group, ("ssh",)),
    (cleanup, ("token",)),
)


def all_cases():
    """Return every case with the cases that it needs, in the order in which they run."""
    return list(FIRST_CASES) + collect_rows("CASES") + list(LAST_CASES)


def is_in_cloud(smoke, case, outcomes):
    """Return whether this cloud has the service that a case is about."""
    service = smoke.task["optional_cases"].get(case.__name__)
    return not service or (outcomes.get("token") == "passed" and smoke.has(service))


def run_case(smoke, case, needs, outcomes):
    """Run a case and return its outcome and detail.

    Skip it if a case that it needs did not pass.
    """
    missing = [need for need in needs if outcomes.get(need) != "passed"]
    if missing:
        return "skipped", "needs %s" % ", ".join(missing)
    try:
        return "passed", case(smoke)
    except Skip as reason:
        return "skipped", error_text(reason)
    except Failed as failure:
        return "failed", error_text(failure)
    except (
        exceptions.ClientException,
        requests.RequestException,
        EnvironmentError,
        KeyError,
        ValueError,
        subprocess.CalledProcessError,
    ) as error:
        return "failed", "%s: %s" % (type(error).__name__, short_error(error))


def main():
    """Run all cases in order."""
    # Every request goes to this cloud, not through a proxy that is meant for downloads.
    proxies = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    smoke = Smoke(json.loads(sys.stdin.read()))
    smoke.proxies = smoke_image.download_proxies(smoke.task["image"]["proxy"], proxies)
    outcomes = smoke.outcomes
    try:
        for case, needs in all_cases():
            if not is_in_cloud(smoke, case, outcomes):
                continue
            started_at = monotonic_seconds()
            outcome, detail = run_case(smoke, case, needs, outcomes)
            outcomes[case.__name__] = outcome
            result = {
                "name": case.__name__,
                "outcome": outcome,
                "seconds": round(monotonic_seconds() - started_at, 2),
                "detail": detail,
            }
            print(json.dumps(result))
            sys.stdout.flush()
    finally:
        shutil.rmtree(smoke.keys, ignore_errors=True)
    return 0


if __name__ == "__main__" or __name__ == "builtins":
    sys.exit(main())
