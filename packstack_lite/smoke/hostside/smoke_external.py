# mypy: ignore-errors
"""Smoke cases for the way in: external network, floating IP, ping, SSH.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import smoke_instance
from keystoneauth1 import exceptions
from smoke_network import find_port
from smoke_session import (
    BOOT,
    KEY_TIME,
    NAME,
    TIMEOUT_FACTOR,
    Failed,
    Skip,
    monotonic_seconds,
    run,
    run_for_code,
    run_ssh,
)

# Seconds after which the kernel removes a temporary address: longer than the smoke test runs.
ADDRESS_LIFETIME = 5400


def external_network(smoke):
    """Find the external network, or make a temporary one; the router gets its gateway.

    A temporary one is flat, on the mapped physical network. Skipped if there is none and none is to be made.
    """
    if smoke.task["external"]["temporary"]:
        smoke.external = create_temporary(smoke)
        detail = add_address(smoke)
    else:
        smoke.external = find_external(smoke)
        detail = smoke.external["name"]
    gateway = {"router": {"external_gateway_info": {"network_id": smoke.external["id"]}}}
    smoke.put("network", "/routers/" + smoke.created["router"], json=gateway)
    return detail


def find_external(smoke):
    """Return the demo's external network, otherwise the first that has a subnet."""
    wanted = smoke.task["external"]
    networks = [entry for entry in smoke.get("network", "/networks")["networks"] if entry.get("router:external")]
    named = [entry for entry in networks if entry["name"] == wanted["name"]]
    usable = named or [entry for entry in networks if entry.get("subnets") and not entry["name"].startswith("smoke-")]
    if usable:
        return usable[0]
    if wanted["is_demo"]:
        raise Failed("the external network %s is missing: the next apply makes it" % wanted["name"])
    raise Skip(
        "there is no external network (CONFIG_PROVISION_DEMO=n); --external-range CIDR --external-pool FIRST-LAST"
        " makes one for this test"
    )


def create_temporary(smoke):
    """Create the flat external network and its subnet; return the network."""
    wanted = smoke.task["external"]
    body = {
        "name": NAME,
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": wanted["physnet"],
    }
    try:
        network = smoke.post("network", "/networks", {"network": body}).json()["network"]
    except exceptions.Conflict:
        networks = smoke.get("network", "/networks?provider:physical_network=" + wanted["physnet"])["networks"]
        names = ", ".join(entry["name"] or entry["id"] for entry in networks)
        message = "the physical network %s has a flat network already: %s; without --external-range it is used"
        raise Failed(message % (wanted["physnet"], names))  # noqa: B904
    subnet = {
        "name": NAME,
        "network_id": network["id"],
        "cidr": wanted["temporary"]["cidr"],
        "ip_version": 4,
        "enable_dhcp": False,
        "gateway_ip": wanted["temporary"]["gateway"],
        "allocation_pools": [{"start": wanted["temporary"]["first"], "end": wanted["temporary"]["last"]}],
    }
    smoke.post("network", "/subnets", {"subnet": subnet})
    return network


def is_on_link(address):
    """Return whether this node reaches an address without a router."""
    succeeded, route = run(["ip", "-4", "route", "get", address])
    return succeeded and " via " not in route


def add_address(smoke):
    """Give the bridge the gateway's address if this node has none in the range.

    Only a bridge that leads to no physical network gets it: nobody else can be the gateway there. The address is
    removed at the end, and by the kernel after ADDRESS_LIFETIME. Return the case's detail.
    """
    wanted = smoke.task["external"]
    temporary, bridge = wanted["temporary"], wanted["bridge"]
    detail = "%s on %s" % (temporary["cidr"], wanted["physnet"])
    if wanted["has_interface"] or is_on_link(temporary["first"]):
        return detail
    smoke.added_address = "%s/%s" % (temporary["gateway"], temporary["cidr"].split("/")[1])
    lifetime = str(ADDRESS_LIFETIME)
    for argv in (
        ["ip", "link", "set", "dev", bridge, "up"],
        ["ip", "addr", "add", smoke.added_address, "dev", bridge, "valid_lft", lifetime, "preferred_lft", lifetime],
    ):
        succeeded, output = run(argv)
        if not succeeded:
            raise Failed("%s: %s" % (" ".join(argv), output))
    return "%s; %s has %s for this test" % (detail, bridge, smoke.added_address)


def remove_address(smoke):
    """Remove the address that ``add_address`` gave to the bridge."""
    address = getattr(smoke, "added_address", "")
    if address:
        run(["ip", "addr", "del", address, "dev", smoke.task["external"]["bridge"]])


def floating_ip(smoke):
    """Give the instance a floating IP."""
    port = find_port(smoke, smoke.created["server"])
    body = {"floating_network_id": smoke.external["id"], "port_id": port["id"]}
    floating = smoke.post("network", "/floatingips", {"floatingip": body}).json()["floatingip"]
    smoke.created["floating"] = floating["id"]
    smoke.address = floating["floating_ip_address"]
    return smoke.address


def require_reachable(smoke):
    """Raise Failed if the instance or its floating IP is in a final state."""
    smoke_instance.require_active(smoke, smoke.created["server"])
    floating = smoke.get("network", "/floatingips/" + smoke.created["floating"])["floatingip"]
    if floating["status"] == "ERROR":
        raise Failed("the floating IP %s is in ERROR; see the L3 agent's log" % smoke.address)


def ping(smoke):
    """Ping the floating IP until it answers, for at most BOOT seconds."""

    def probe():
        """Return whether the floating IP answers a ping, and the message if not."""
        code, output = run_for_code(["ping", "-c", "1", "-W", "1", smoke.address])
        # iputils: 1 is no answer, 2 any other error, such as no route.
        if code > 1:
            raise Failed("ping %s cannot send: %s" % (smoke.address, output))
        if code == 1:
            require_reachable(smoke)
        return code == 0, "no answer from %s; see the L3 agent's log, with OVN ovn-nbctl show" % smoke.address

    smoke.wait("no ping", BOOT, probe)
    return smoke.address


def ssh(smoke):
    """Log in to the instance, which got the key from the metadata service.

    Its host name comes from there too. Return USER@ADDRESS. Raises Failed if no login works within BOOT seconds, or if
    it is refused for KEY_TIME seconds by an instance that has run its user data: one that still boots has no key yet.
    """
    refused_since = []

    def probe():
        """Return whether the login worked, and the output. Raises Failed."""
        succeeded, output = run_ssh(smoke, "hostname")
        if succeeded:
            return True, output
        require_reachable(smoke)
        if "Permission denied" not in output:
            del refused_since[:]
        elif not refused_since:
            refused_since.append(monotonic_seconds())
        elif is_key_due(refused_since[0]) and smoke_instance.has_run_user_data(smoke):
            message = "%s refuses the key of %s: %s; the key comes from the metadata service: see its agent's log"
            raise Failed(message % (smoke.address, smoke.task["user"], output))
        return False, output

    def is_key_due(refused_at):
        """Return whether the key should be there, after a first refusal so long ago."""
        return monotonic_seconds() - refused_at > KEY_TIME * TIMEOUT_FACTOR

    name = smoke.wait("no login", BOOT, probe)
    if name.split(".")[0] != NAME:
        raise Failed("the instance's host name is %s, not %s: metadata did not reach it" % (name, NAME))
    return "%s@%s" % (smoke.task["user"], smoke.address)
