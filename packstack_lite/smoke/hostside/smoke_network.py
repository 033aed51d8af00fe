# mypy: ignore-errors
"""Smoke cases for networks.

Two private networks behind a router, floating IP, metadata, security groups.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import socket

import smoke_instance
from smoke_session import BOOT, NAME, Failed, Skip, run, run_ssh

OTHER = NAME + "-other"
SSH = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}


def network(smoke):
    """Create a private network behind a router, and a security group.

    Their ids go into ``smoke.created``, for later cases. The cleanup finds them by their names.
    """
    external = [
        n
        for n in smoke.get("network", "/networks?router:external=true")["networks"]
        if n["name"] == smoke.task["external"]
    ]
    if not external:
        raise Skip("there is no external network %s (CONFIG_PROVISION_DEMO=n)" % smoke.task["external"])
    smoke.external = external[0]["id"]
    router = {"name": NAME, "external_gateway_info": {"network_id": smoke.external}}
    smoke.created["router"] = smoke.post("network", "/routers", {"router": router}).json()["router"]["id"]
    smoke.created["network"] = create_routed_network(smoke, NAME, "10.99.0.0/24")
    smoke.created["group"] = create_group(smoke, NAME)
    allow_ingress(smoke, smoke.created["group"], protocol="icmp")
    smoke.rule = allow_ingress(smoke, smoke.created["group"], **SSH)
    return "10.99.0.0/24 behind a router"


def create_routed_network(smoke, name, cidr):
    """Create a private network with one subnet at the router; return its id."""
    network_id = smoke.post("network", "/networks", {"network": {"name": name}}).json()["network"]["id"]
    subnet = {"name": name, "network_id": network_id, "cidr": cidr, "ip_version": 4}
    subnet = smoke.post("network", "/subnets", {"subnet": subnet}).json()["subnet"]["id"]
    smoke.put("network", "/routers/%s/add_router_interface" % smoke.created["router"], json={"subnet_id": subnet})
    return network_id


def create_group(smoke, name):
    """Create a security group without ingress rules; return its id."""
    return smoke.post("network", "/security-groups", {"security_group": {"name": name}}).json()["security_group"]["id"]


def allow_ingress(smoke, group, **match):
    """Add an ingress rule for packets that match to a security group; return its id."""
    rule = dict({"security_group_id": group, "direction": "ingress", "ethertype": "IPv4"}, **match)
    reply = smoke.post("network", "/security-group-rules", {"security_group_rule": rule})
    return reply.json()["security_group_rule"]["id"]


def find_port(smoke, server):
    """Return the first Neutron port of an instance."""
    return smoke.get("network", "/ports?device_id=" + server)["ports"][0]


def floating_ip(smoke):
    """Give the instance a floating IP."""
    port = find_port(smoke, smoke.created["server"])
    body = {"floating_network_id": smoke.external, "port_id": port["id"]}
    floating = smoke.post("network", "/floatingips", {"floatingip": body}).json()["floatingip"]
    smoke.created["floating"] = floating["id"]
    smoke.address = floating["floating_ip_address"]
    return smoke.address


def ping(smoke):
    """Ping the floating IP until it answers, for at most BOOT seconds."""

    def probe():
        """Return whether the floating IP answers a ping, and the message if not."""
        is_answered, _ = run(["ping", "-c", "1", "-W", "1", smoke.address])
        return is_answered, "no answer from %s; see the L3 agent's log, with OVN ovn-nbctl show" % smoke.address

    smoke.wait("no ping", BOOT, probe)
    return smoke.address


def ssh(smoke):
    """Log in to the instance, which got the key from the metadata service.

    Its host name comes from there too. Return USER@ADDRESS. Raises Failed if no login works within BOOT seconds.
    """
    name = smoke.wait("no login", BOOT, lambda: run_ssh(smoke, "hostname"))
    if name.split(".")[0] != NAME:
        raise Failed("the instance's host name is %s, not %s: metadata did not reach it" % (name, NAME))
    return "%s@%s" % (smoke.task["user"], smoke.address)


def metadata(smoke):
    """Ask the metadata service, from the instance, for the instance's own address.

    The service has to identify the instance for it.
    """
    own = find_port(smoke, smoke.created["server"])["fixed_ips"][0]["ip_address"]
    url = "http://169.254.169.254/latest/meta-data/local-ipv4"
    succeeded, output = run_ssh(smoke, "wget -q -O - %s || curl -sf %s" % (url, url))
    if not succeeded or output != own:
        raise Failed("%s says %r to %s; see the metadata agent's log" % (url, output, own))
    return "the metadata service returns %s" % output


def security_group(smoke):
    """Remove and add the rule for port 22; the port is closed, then open again."""
    smoke.client("network").delete("/security-group-rules/" + smoke.rule)
    smoke.wait("not blocked", 30, lambda: probe_port_22(smoke, False))
    smoke.rule = allow_ingress(smoke, smoke.created["group"], **SSH)
    smoke.wait("still blocked", 30, lambda: probe_port_22(smoke, True))
    return "port 22 closed, and open again"


def probe_port_22(smoke, expect_open):
    """Return whether port 22 is as expected, and a message."""
    try:
        socket.create_connection((smoke.address, 22), timeout=2).close()
        is_open = True
    except (socket.timeout, socket.error):
        is_open = False
    message = "port 22 %s; see the log of the Open vSwitch agent, or of ovn-controller"
    return is_open == expect_open, message % ("answers" if is_open else "does not answer")


def neighbour(smoke):
    """Boot a second instance on another private network of the router.

    Only the first one may ping it.
    """
    network_id = create_routed_network(smoke, OTHER, "10.99.1.0/24")
    smoke.created["other_group"] = create_group(smoke, OTHER)
    allow_ping(smoke)
    smoke.created["other"] = smoke_instance.start_instance(smoke, OTHER, network_id, smoke.created["other_group"])
    smoke_instance.wait_until_active(smoke, smoke.created["other"])
    return find_port(smoke, smoke.created["other"])["fixed_ips"][0]["ip_address"]


def allow_ping(smoke):
    """Allow the first instance to ping the second one."""
    group = smoke.created["other_group"]
    smoke.other_rule = allow_ingress(smoke, group, protocol="icmp", remote_group_id=smoke.created["group"])


def two_networks(smoke):
    """Ping from one private network to the other, with and without the rule."""
    other_address = find_port(smoke, smoke.created["other"])["fixed_ips"][0]["ip_address"]

    def ping(expect_passing):
        """Return whether a ping passes or is blocked as expected, and a text about it."""
        # Only these two words count: a failed login says nothing about the security group.
        succeeded, output = run_ssh(
            smoke, "ping -c 1 -W 2 %s >/dev/null && echo passes || echo blocked" % other_address
        )
        return succeeded and output == ("passes" if expect_passing else "blocked"), "a ping from %s to %s: %s" % (
            smoke.address,
            other_address,
            output,
        )

    smoke.wait("the router does not forward", BOOT, lambda: ping(True))
    smoke.client("network").delete("/security-group-rules/" + smoke.other_rule)
    smoke.wait("the group does not block", 30, lambda: ping(False))
    allow_ping(smoke)
    smoke.wait("the group still blocks", 30, lambda: ping(True))
    return "10.99.0.0/24 reaches %s; without the group's rule it does not" % other_address


def clean_networks(smoke):
    """Delete routers, networks and security groups.

    Routers first, because a network in use cannot be deleted.
    """
    for router in smoke.list_own("network", "/routers", "routers"):
        for port in smoke.get("network", "/ports?device_id=" + router["id"])["ports"]:
            if port["device_owner"] == "network:router_interface":
                smoke.put("network", "/routers/%s/remove_router_interface" % router["id"], json={"port_id": port["id"]})
        smoke.delete("network", "/routers/" + router["id"])
    for path, key in (("/networks", "networks"), ("/security-groups", "security_groups")):
        for entry in smoke.list_own("network", path, key):
            smoke.delete("network", "%s/%s" % (path, entry["id"]))
