# mypy: ignore-errors
"""The smoke test's cases for networks: two private ones behind a router, and what passes between them, the outside and
the metadata service. Python 2.7 and 3."""

from __future__ import print_function

import socket

import smoke_instance
from smoke_session import BOOT, NAME, Failed, Skip, run, run_ssh

OTHER = NAME + "-other"
SSH = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}


def network(smoke):
    """A private network behind a router to the external one, a security group."""
    external = [
        n
        for n in smoke.get("network", "/networks?router:external=true")["networks"]
        if n["name"] == smoke.task["external"]
    ]
    if not external:
        raise Skip("there is no external network %s (CONFIG_PROVISION_DEMO=n)" % smoke.task["external"])
    smoke.external = external[0]["id"]
    router = {"name": NAME, "external_gateway_info": {"network_id": smoke.external}}
    smoke.made["router"] = smoke.post("network", "/routers", {"router": router}).json()["router"]["id"]
    smoke.made["network"] = behind_the_router(smoke, NAME, "10.99.0.0/24")
    smoke.made["group"] = new_group(smoke, NAME)
    admit(smoke, smoke.made["group"], protocol="icmp")
    smoke.rule = admit(smoke, smoke.made["group"], **SSH)
    return "10.99.0.0/24 behind a router"


def behind_the_router(smoke, name, cidr):
    """The id of a new private network with one subnet, which the router reaches."""
    made = smoke.post("network", "/networks", {"network": {"name": name}}).json()["network"]["id"]
    subnet = {"name": name, "network_id": made, "cidr": cidr, "ip_version": 4}
    subnet = smoke.post("network", "/subnets", {"subnet": subnet}).json()["subnet"]["id"]
    smoke.put("network", "/routers/%s/add_router_interface" % smoke.made["router"], json={"subnet_id": subnet})
    return made


def new_group(smoke, name):
    """The id of a new security group, which lets nothing in."""
    return smoke.post("network", "/security-groups", {"security_group": {"name": name}}).json()["security_group"]["id"]


def admit(smoke, group, **what):
    """The id of a new rule that lets packets in."""
    rule = dict({"security_group_id": group, "direction": "ingress", "ethertype": "IPv4"}, **what)
    made = smoke.post("network", "/security-group-rules", {"security_group_rule": rule})
    return made.json()["security_group_rule"]["id"]


def port_of(smoke, server):
    return smoke.get("network", "/ports?device_id=" + server)["ports"][0]


def floating_ip(smoke):
    port = port_of(smoke, smoke.made["server"])
    body = {"floating_network_id": smoke.external, "port_id": port["id"]}
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
    """The service tells the instance its own address: it knows who asks."""
    own = port_of(smoke, smoke.made["server"])["fixed_ips"][0]["ip_address"]
    url = "http://169.254.169.254/latest/meta-data/local-ipv4"
    fine, said = run_ssh(smoke, "wget -q -O - %s || curl -sf %s" % (url, url))
    if not fine or said != own:
        raise Failed("%s says %r to %s; see the metadata agent's log" % (url, said, own))
    return "the instance is told that it is %s" % said


def security_group(smoke):
    """Without its rule port 22 is closed to new connections, and open again with it."""
    smoke.client("network").delete("/security-group-rules/" + smoke.rule)
    smoke.wait("not blocked", 30, lambda: knock(smoke, False))
    smoke.rule = admit(smoke, smoke.made["group"], **SSH)
    smoke.wait("still blocked", 30, lambda: knock(smoke, True))
    return "port 22 closed, and open again"


def knock(smoke, wanted):
    """Whether port 22 is open, or closed, as wanted."""
    try:
        socket.create_connection((smoke.address, 22), timeout=2).close()
        seen = True
    except (socket.timeout, socket.error):
        seen = False
    said = "port 22 %s; see the log of the Open vSwitch agent, or of ovn-controller"
    return seen == wanted, said % ("answers" if seen else "does not answer")


def neighbour(smoke):
    """A second instance on a private network of its own, at the same router; only the first one may ping it."""
    network_id = behind_the_router(smoke, OTHER, "10.99.1.0/24")
    smoke.made["other_group"] = new_group(smoke, OTHER)
    admit_neighbour(smoke)
    smoke.made["other"] = smoke_instance.boot(smoke, OTHER, network_id, smoke.made["other_group"])
    smoke_instance.active(smoke, smoke.made["other"])
    return port_of(smoke, smoke.made["other"])["fixed_ips"][0]["ip_address"]


def admit_neighbour(smoke):
    group = smoke.made["other_group"]
    smoke.other_rule = admit(smoke, group, protocol="icmp", remote_group_id=smoke.made["group"])


def two_networks(smoke):
    """Packets pass from one private network to the other, and only as long as the group lets them."""
    other = port_of(smoke, smoke.made["other"])["fixed_ips"][0]["ip_address"]

    def ping(wanted):
        # Whatever else goes wrong with the login is no answer of a firewall.
        fine, said = run_ssh(smoke, "ping -c 1 -W 2 %s >/dev/null && echo passes || echo blocked" % other)
        return fine and said == ("passes" if wanted else "blocked"), "a ping from %s to %s: %s" % (
            smoke.address,
            other,
            said,
        )

    smoke.wait("the router passes nothing on", BOOT, lambda: ping(True))
    smoke.client("network").delete("/security-group-rules/" + smoke.other_rule)
    smoke.wait("the group does not block", 30, lambda: ping(False))
    admit_neighbour(smoke)
    smoke.wait("the group still blocks", 30, lambda: ping(True))
    return "10.99.0.0/24 reaches %s; without the group's rule it does not" % other


def clean_networks(smoke):
    """Routers first: a network cannot go while they reach it."""
    for router in smoke.ours("network", "/routers", "routers"):
        for port in smoke.get("network", "/ports?device_id=" + router["id"])["ports"]:
            if port["device_owner"] == "network:router_interface":
                smoke.put("network", "/routers/%s/remove_router_interface" % router["id"], json={"port_id": port["id"]})
        smoke.delete("network", "/routers/" + router["id"])
    for path, key in (("/networks", "networks"), ("/security-groups", "security_groups")):
        for thing in smoke.ours("network", path, key):
            smoke.delete("network", "%s/%s" % (path, thing["id"]))
