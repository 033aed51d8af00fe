"""Checks of the network: name, route, interfaces, ports."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from packstack_lite.answers import agents
from packstack_lite.hosts.facts import Interface
from packstack_lite.preflight import cures, uplink
from packstack_lite.preflight.subject import Remark, Remarks, Subject, error, warning
from packstack_lite.profiles.preparation import preparation

# Port -> service of the answers' CONFIG_<SERVICE>_INSTALL ("" for always, OVN for that agent), and the units that
# may hold it, as roles of the profile or by their names.
# Source: the packages' defaults; 25672 is RabbitMQ's way to its own tools, 4369 Erlang's directory of names.
PORTS: Mapping[int, Tuple[str, Tuple[str, ...]]] = {
    80: ("HORIZON", ("httpd",)),
    3306: ("MARIADB", ("mariadb",)),
    4369: ("", ("epmd.socket", "rabbitmq")),
    5000: ("", ("keystone",)),
    5672: ("", ("rabbitmq",)),
    6080: ("NOVA", ("nova-novncproxy",)),
    6200: ("SWIFT", ("swift-object",)),
    6201: ("SWIFT", ("swift-container",)),
    6202: ("SWIFT", ("swift-account",)),
    8080: ("SWIFT", ("swift-proxy",)),
    8776: ("CINDER", ("cinder-api",)),
    8774: ("NOVA", ("nova-api",)),
    8775: ("NOVA", ("nova-metadata",)),
    8778: ("NOVA", ("placement-api",)),
    9292: ("GLANCE", ("glance-api",)),
    6641: ("OVN", ("ovn-nb",)),
    6642: ("OVN", ("ovn-sb",)),
    9696: ("NEUTRON", ("neutron-api",)),
    9311: ("BARBICAN", ("barbican-api",)),
    11211: ("", ("memcached",)),
    25672: ("", ("rabbitmq",)),
}
# Geneve with OVN's option adds 58 bytes to a packet, vxlan 50, and a tenant's network should still carry IPv6's
# least, 1280.
MTU_NEEDED, MTU_WANTED = 1338, 1400
# Whoever lets us in, and whoever may hold the data of others.
_NOT_OURS_TO_STOP = ("ssh", "dropbear", "mariadb", "mysql", "systemd-", "user@")
_LINKS = "ip -brief link shows those that there are"


def hostname(subject: Subject) -> Remarks:
    """The host's name leads to its address: RabbitMQ, Nova and Neutron find each other by it."""
    facts = subject.facts
    names = f"{facts.fqdn} {facts.hostname}" if "." in facts.fqdn else facts.hostname
    found = [_bare(address) for address in facts.hostname_addresses]
    fix = f"echo '{facts.address} {names}' >> /etc/hosts"
    cure = cures.name_in_hosts(facts.address, names.split()) if facts.address else None
    # Where apply writes the line itself, nothing has to be done first.
    written = subject.profile is not None and preparation(subject.profile.name).hosts_file
    remark, after = (warning, "; apply writes it into /etc/hosts") if written else (error, "")
    if not facts.hostname or facts.hostname.split(".")[0] in ("localhost", "(none)"):
        yield error(f"the host is called {facts.hostname or 'nothing'}", "hostnamectl set-hostname NAME")
    elif not found:
        yield remark(f"the name {facts.hostname} leads to no address{after}", fix, cure)
    elif all(ip_address(address).is_loopback for address in found):
        told = f"the name {facts.hostname} leads to {found[0]}, not to {facts.address}"
        yield warning(told + after, rf"sed -i '/^{found[0]}\b.*\b{facts.hostname}\b/d' /etc/hosts; {fix}", cure)
    elif not _own(subject) & set(found):
        told = f"the name {facts.hostname} leads to {', '.join(found)}, which is not this host's address"
        yield remark(told + after, fix, cure)


def route(subject: Subject) -> Remarks:
    """There is a default route, over an interface that is up and has an IPv4 address."""
    facts = subject.facts
    if not facts.interfaces:
        yield error("no network interface can be seen", "install iproute2 and look: ip addr")
    elif not facts.default_interface:
        yield error("there is no default route, so nothing can be fetched", "ip route add default via GATEWAY")
    elif not facts.address:
        name = facts.default_interface
        yield error(f"{name} has no IPv4 address", f"ip addr add ADDRESS/LENGTH dev {name}")
    else:
        yield from _usable(_find(subject, facts.default_interface), facts.default_interface)


def interfaces(subject: Subject) -> Remarks:
    """The interfaces that the answers name are there, and the floating range is nobody else's."""
    answers, facts = subject.answers, subject.facts
    asked = agents.parameter(answers, "TUNNEL_IF")
    tunnel = str(answers.get(asked) or "")
    if tunnel:
        yield from _usable(_find(subject, tunnel), tunnel, asked)
    yield from _floating(subject, str(answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex"))
    if facts.address and str(answers.get("CONFIG_CONTROLLER_HOST") or facts.address) != facts.address:
        yield from _controller(subject, str(answers["CONFIG_CONTROLLER_HOST"]))


def _find(subject: Subject, name: str) -> Optional[Interface]:
    return next((interface for interface in subject.facts.interfaces if interface.name == name), None)


def _usable(interface: Optional[Interface], name: str, parameter: str = "") -> Remarks:
    asked = f" ({parameter})" if parameter else ""
    if interface is None:
        yield error(f"there is no interface {name}{asked}", _LINKS)
    elif not interface.up:
        yield error(f"the interface {name}{asked} is down", f"ip link set {name} up")
    elif interface.mtu < MTU_WANTED:
        told = f"{name} carries packets of {interface.mtu} bytes only"
        fix = f"ip link set {name} mtu 1500"
        yield warning(told, fix) if interface.mtu >= MTU_NEEDED else error(f"{told}; tunnels need {MTU_NEEDED}", fix)


def _floating(subject: Subject, bridge: str) -> Remarks:
    asked = str(subject.answers.get("CONFIG_PROVISION_DEMO_FLOATRANGE") or "")
    if not asked or not subject.answers.get("CONFIG_PROVISION_DEMO") or subject.facts.own:
        return
    wanted = ip_network(asked, strict=False)
    behind = {name for pair in uplink.pairs(subject) if pair[0] == bridge for name in pair}
    for interface in subject.facts.interfaces:
        for network in (ip_interface(address).network for address in interface.addresses):
            if (
                interface.name not in {bridge, *behind}
                and network.version == wanted.version
                and network.overlaps(wanted)
            ):
                yield warning(
                    f"CONFIG_PROVISION_DEMO_FLOATRANGE {asked} overlaps {network} on {interface.name}",
                    "set CONFIG_PROVISION_DEMO_FLOATRANGE to a range that nothing uses",
                )


def _controller(subject: Subject, asked: str) -> Remarks:
    try:
        strange = str(ip_address(asked)) not in _own(subject)
    except ValueError:
        # A name: whoever connected has resolved it.
        return
    if strange:
        told = f"CONFIG_CONTROLLER_HOST is {asked}, which is not an address of this host"
        yield error(told, f"set it to {subject.facts.address}")


def ports(subject: Subject) -> Remarks:
    """The ports of the cloud's services are free, or held by these services themselves."""
    strangers: Dict[Tuple[str, str], List[int]] = {}
    for port, (service, roles) in PORTS.items():
        if _wanted(subject, service) and port in subject.facts.ports and not _ours(subject, port, roles):
            holder = (subject.facts.ports[port], subject.facts.port_units.get(port, ""))
            strangers.setdefault(holder, []).append(port)
    for (process, unit), held in strangers.items():
        yield _held(process, unit, held)


def _wanted(subject: Subject, service: str) -> bool:
    if service == "OVN":
        return bool(subject.answers.get(agents.AGENT) == "ovn")
    return not service or subject.answers.get(f"CONFIG_{service}_INSTALL") is not False


def _ours(subject: Subject, port: int, roles: Tuple[str, ...]) -> bool:
    units = _units(subject, roles)
    process, unit = subject.facts.ports[port], subject.facts.port_units.get(port, "")
    if unit in ("", "init.scope"):
        # Sockets that systemd holds for a service; or a host that does not tell units, deployed by us.
        by_systemd = process == "systemd" and any(name.endswith(".socket") for name in units)
        return by_systemd or (not unit and subject.facts.own)
    return unit in units


def _units(subject: Subject, roles: Tuple[str, ...]) -> FrozenSet[str]:
    table = subject.profile.units if subject.profile else {}
    names = [table.get(role, role) for role in roles]
    full = [name if "." in name else f"{name}.service" for name in names]
    return frozenset([*full, *(name.replace(".socket", ".service") for name in full)])


def _held(process: str, unit: str, held: List[int]) -> Remark:
    numbers = ", ".join(map(str, sorted(held)))
    several = "ports {} are" if len(held) > 1 else "port {} is"
    what = f"{several.format(numbers)} held by {process or 'an unknown process'}"
    if unit.endswith((".service", ".socket")):
        cure = None if unit.startswith(_NOT_OURS_TO_STOP) else cures.switch_off(unit)
        return error(f"{what} ({unit})", f"systemctl disable --now {unit}", cure)
    return error(what, f"end it; ss -ltnp 'sport = :{min(held)}' shows its process id")


def _own(subject: Subject) -> FrozenSet[str]:
    addresses = [address for interface in subject.facts.interfaces for address in interface.addresses]
    return frozenset(map(_bare, [*addresses, subject.facts.address]))


def _bare(address: str) -> str:
    return address.split("/")[0].split("%")[0]
