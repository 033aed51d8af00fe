# mypy: ignore-errors
"""Smoke cases for networks.

Two private networks behind a router, security groups.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import re
import socket
import struct
import subprocess

import smoke_instance
from smoke_session import BOOT, NAME, Failed, run_ssh

OTHER = NAME + "-other"
SSH = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}


def network(smoke):
    """Create a private network behind a router, and a security group.

    Their ids go into ``smoke.created``, for later cases. The cleanup finds them by their names. The router has no way
    out yet: an instance needs none to boot and to ask the metadata service.
    """
    smoke.created["router"] = smoke.post("network", "/routers", {"router": {"name": NAME}}).json()["router"]["id"]
    smoke.ranges = find_free_ranges(list_routes(), 2)
    smoke.created["network"] = create_routed_network(smoke, NAME, smoke.ranges[0])
    smoke.created["group"] = create_group(smoke, NAME)
    allow_ingress(smoke, smoke.created["group"], protocol="icmp")
    smoke.rule = allow_ingress(smoke, smoke.created["group"], **SSH)
    return "%s behind a router" % smoke.ranges[0]


def list_routes():
    """Return the IPv4 networks and addresses that this node has a route to."""
    output = subprocess.check_output(["ip", "-4", "route", "show"]).decode("ascii", "replace")
    return re.findall(r"^([0-9][0-9./]*)", output, re.M)


def find_free_ranges(routes, count):
    """Return private /24 networks, from 10.99.0.0 on, that overlap no route.

    An instance looks for an address of its own network there, so that it would not answer a node that has one.
    """

    def parse(network):
        """Return a network's first address as a number, and its prefix length."""
        address, _, length = network.partition("/")
        return struct.unpack("!I", socket.inet_aton(address))[0], int(length or 32)

    used = [parse(route) for route in routes]
    free = []
    for network in ("10.%d.%d.0/24" % (second, third) for second in range(99, 110) for third in range(256)):
        start = parse(network)[0]
        if all((start ^ address) >> (32 - min(24, length)) for address, length in used):
            free.append(network)
        if len(free) == count:
            return free
    raise Failed("the node has routes to all of 10.99.0.0 to 10.109.255.255, so there is no room for a test network")


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


def name_server(smoke):
    """Ask the instance for its name servers, and resolve a name there.

    The name is that of the host from which the demo's image comes, if this node can resolve it. Without one, or where
    the external network leads nowhere, the detail says what the instance was given.
    """
    # A guest with systemd-resolved names itself in /etc/resolv.conf.
    succeeded, output = run_ssh(
        smoke,
        "grep -h '^nameserver' /run/systemd/resolve/resolv.conf 2>/dev/null || grep '^nameserver' /etc/resolv.conf",
    )
    servers = [line.split()[1] for line in output.splitlines() if len(line.split()) > 1] if succeeded else []
    own = [server for server in servers if server.startswith("127.") or server in ("::1", "0.0.0.0", "::")]
    if own:
        message = "the instance was given %s, which is itself; answer CONFIG_NEUTRON_DNS_SERVERS"
        raise Failed(message % " ".join(own))
    given = "given %s" % (" ".join(servers) or "no name server")
    name = find_resolvable_name(smoke.task["image"]["source"])
    if not servers or not name:
        return given
    resolved, _ = run_ssh(smoke, "nslookup {0} >/dev/null 2>&1 || getent hosts {0} >/dev/null 2>&1".format(name))
    return "%s, %s %s" % (given, "resolves" if resolved else "cannot resolve", name)


def find_resolvable_name(url):
    """Return the host name in a URL, if this node can resolve it; otherwise ""."""
    match = re.match(r"https?://(?:[^/@]*@)?([A-Za-z][A-Za-z0-9.-]*)(?:[:/]|$)", url)
    if not match:
        return ""
    try:
        socket.getaddrinfo(match.group(1), 80)
    except socket.error:
        return ""
    return match.group(1)


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
    network_id = create_routed_network(smoke, OTHER, smoke.ranges[1])
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
        smoke_instance.require_active(smoke, smoke.created["other"])
        # Only these two words count: a failed login says nothing about the security group.
        succeeded, output = run_ssh(
            smoke, "ping -c 1 -W 2 %s >/dev/null && echo passes || echo blocked" % other_address
        )
        return succeeded and output == ("passes" if expect_passing else "blocked"), "a ping from %s to %s: %s" % (
            smoke.address,
            other_address,
            output,
        )

    # On a busy node the second guest boots for minutes, and answers no ping until then.
    smoke_instance.wait_until_booted(smoke, smoke.created["other"], OTHER)
    smoke.wait("the router does not forward", BOOT, lambda: ping(True))
    smoke.client("network").delete("/security-group-rules/" + smoke.other_rule)
    smoke.wait("the group does not block", 30, lambda: ping(False))
    allow_ping(smoke)
    smoke.wait("the group still blocks", 30, lambda: ping(True))
    return "%s reaches %s; without the group's rule it does not" % (smoke.ranges[0], other_address)


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
