"""Checks of the network: host name, default route, interfaces, ports."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, FrozenSet, List, Optional, Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts import Interface
from packstack_lite.preflight import fixes, uplink
from packstack_lite.preflight.check import CheckContext, Findings, error, warning
from packstack_lite.profiles.host_setup import load_host_setup
from packstack_lite.services.registry import CheckedPort, checked_ports

# Geneve with OVN's option adds 58 bytes to a packet, VXLAN 50, and a tenant's network should still carry IPv6's
# minimum MTU, 1280.
MTU_REQUIRED, MTU_RECOMMENDED = 1338, 1400
# Units that let us in, or may hold other people's data: --fix does not stop them.
_PROTECTED_UNITS = ("ssh", "dropbear", "mariadb", "mysql", "systemd-", "user@")
_LIST_INTERFACES_HINT = "ip -brief link lists the interfaces"


def check_hostname(context: CheckContext) -> Findings:
    """Check that the host name resolves to the node's address.

    RabbitMQ, Nova and Neutron find each other by it.
    """
    facts = context.facts
    names = f"{facts.system.fqdn} {facts.system.hostname}" if "." in facts.system.fqdn else facts.system.hostname
    resolved = [_strip_prefix_length(address) for address in facts.system.hostname_addresses]
    hint = f"echo '{facts.network.address} {names}' >> /etc/hosts"
    fix = fixes.set_hosts_entry(facts.network.address, names.split()) if facts.network.address else None
    # Where apply writes the line itself, it is only a warning.
    apply_writes_it = context.profile is not None and load_host_setup(context.profile.name).writes_hosts_file
    make_finding, note = (warning, "; apply writes it into /etc/hosts") if apply_writes_it else (error, "")
    if not facts.system.hostname or facts.system.hostname.split(".")[0] in ("localhost", "(none)"):
        yield error(f"the node's host name is {facts.system.hostname or 'nothing'}", "hostnamectl set-hostname NAME")
    elif not resolved:
        yield make_finding(f"the host name {facts.system.hostname} has no address{note}", hint, fix)
    elif all(ip_address(address).is_loopback for address in resolved):
        message = f"the host name {facts.system.hostname} resolves to {resolved[0]}, not to {facts.network.address}"
        yield warning(
            message + note, rf"sed -i '/^{resolved[0]}\b.*\b{facts.system.hostname}\b/d' /etc/hosts; {hint}", fix
        )
    elif not _own_addresses(context) & set(resolved):
        message = (
            f"the host name {facts.system.hostname} resolves to {', '.join(resolved)}, which is not this node's address"
        )
        yield make_finding(message + note, hint, fix)


def check_default_route(context: CheckContext) -> Findings:
    """Check that the default route's interface is up and has an IPv4 address.

    Packages come over it, and its address is the node's.
    """
    facts = context.facts
    if not facts.network.interfaces:
        yield error("no network interface is visible", "install iproute2; ip addr lists them")
    elif not facts.network.default_interface:
        yield error("there is no default route, so packages cannot be fetched", "ip route add default via GATEWAY")
    elif not facts.network.address:
        name = facts.network.default_interface
        yield error(f"{name} has no IPv4 address", f"ip addr add ADDRESS/LENGTH dev {name}")
    else:
        yield from _check_usable(
            _find_interface(context, facts.network.default_interface), facts.network.default_interface
        )


def check_interfaces(context: CheckContext) -> Findings:
    """Check that the answers' interfaces exist and the floating range is free."""
    answers, facts = context.answers, context.facts
    # apply creates a bridge for an uplink.
    created_bridges = {bridge for bridge, _ in uplink.bridge_interfaces(context)}
    parameter = l2_agents.agent_parameter(answers, "TUNNEL_IF")
    tunnel = str(answers.get(parameter) or "")
    if tunnel and tunnel not in created_bridges and context.has_role("compute", "network"):
        yield from _check_usable(_find_interface(context, tunnel), tunnel, parameter)
    yield from _check_floating_range(context, str(answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex"))
    controller = str(answers.get("CONFIG_CONTROLLER_HOST") or facts.network.address)
    if context.has_role("controller") and facts.network.address and controller != facts.network.address:
        yield from _check_controller_address(context, controller)


def _find_interface(context: CheckContext, name: str) -> Optional[Interface]:
    """Return the node's interface of this name; None if it has none."""
    return next((interface for interface in context.facts.network.interfaces if interface.name == name), None)


def _check_usable(interface: Optional[Interface], name: str, parameter: str = "") -> Findings:
    """Check that an interface exists, is up, and has an MTU that tunnels can use.

    ``parameter`` is the one whose answer names the interface; "" if no answer does.
    """
    suffix = f" ({parameter})" if parameter else ""
    if interface is None:
        yield error(f"there is no interface {name}{suffix}", _LIST_INTERFACES_HINT)
    elif not interface.is_up:
        yield error(f"the interface {name}{suffix} is down", f"ip link set {name} up")
    elif interface.mtu < MTU_RECOMMENDED:
        message = f"{name} has an MTU of {interface.mtu} bytes"
        hint = f"ip link set {name} mtu 1500"
        yield (
            warning(message, hint)
            if interface.mtu >= MTU_REQUIRED
            else error(f"{message}; tunnels need {MTU_REQUIRED}", hint)
        )


def _check_floating_range(context: CheckContext, bridge: str) -> Findings:
    """Warn if the floating range overlaps a network of another interface.

    ``bridge`` is the external one. A deployed cloud is not checked.
    """
    float_range = str(context.answers.get("CONFIG_PROVISION_DEMO_FLOATRANGE") or "")
    if not float_range or not context.answers.get("CONFIG_PROVISION_DEMO") or context.facts.cloud.deployed_by_us:
        return
    float_network = ip_network(float_range, strict=False)
    uplink_names = {name for pair in uplink.bridge_interfaces(context) if pair[0] == bridge for name in pair}
    for interface in context.facts.network.interfaces:
        for network in (ip_interface(address).network for address in interface.addresses):
            if (
                interface.name not in {bridge, *uplink_names}
                and network.version == float_network.version
                and network.overlaps(float_network)
            ):
                yield warning(
                    f"CONFIG_PROVISION_DEMO_FLOATRANGE {float_range} overlaps {network} on {interface.name}",
                    "set CONFIG_PROVISION_DEMO_FLOATRANGE to an unused range",
                )


def _check_controller_address(context: CheckContext, controller: str) -> Findings:
    """Check on the controller that the answers' address of it is its own."""
    try:
        is_foreign = str(ip_address(controller)) not in _own_addresses(context)
    except ValueError:
        # A name: the connection has resolved it.
        return
    if is_foreign:
        message = f"CONFIG_CONTROLLER_HOST is {controller}, which is not an address of this node"
        yield error(message, f"set it to {context.facts.network.address}")


def check_ports(context: CheckContext) -> Findings:
    """Check that the services' ports are free, or used by these services themselves."""
    ports_by_holder: Dict[Tuple[str, str], List[int]] = {}
    for port in checked_ports():
        number = port.number
        if (
            _is_port_used(context, port)
            and number in context.facts.network.listening_ports
            and not _is_held_by_cloud(context, number, port.units)
        ):
            holder = (context.facts.network.listening_ports[number], context.facts.network.port_units.get(number, ""))
            ports_by_holder.setdefault(holder, []).append(number)
    for (process, unit), held_ports in ports_by_holder.items():
        yield _port_finding(process, unit, held_ports)


def _is_port_used(context: CheckContext, port: CheckedPort) -> bool:
    """Return whether the node will listen on the port, by its roles and the answers."""
    if not context.has_role(port.role):
        return False
    if port.l2_agents and context.answers.get(l2_agents.L2_AGENT) not in port.l2_agents:
        return False
    return all(context.answers.get(name) is not False for name in port.answers)


def _is_held_by_cloud(context: CheckContext, port: int, roles: Tuple[str, ...]) -> bool:
    """Return whether the cloud itself listens on the port, not a foreign process.

    ``roles`` are names of units: the profile's keys, such as ``mariadb``, or full unit names. The listener has to be
    one of them.
    """
    units = _unit_names(context, roles)
    process, unit = context.facts.network.listening_ports[port], context.facts.network.port_units.get(port, "")
    if unit in ("", "init.scope"):
        # A socket that systemd holds for a service; or a node without units in /proc/PID/cgroup, deployed by us.
        by_systemd = process == "systemd" and any(name.endswith(".socket") for name in units)
        return by_systemd or (not unit and context.facts.cloud.deployed_by_us)
    return unit in units


def _unit_names(context: CheckContext, roles: Tuple[str, ...]) -> FrozenSet[str]:
    """Return the full names of units, by role or name, each socket with its service."""
    unit_table = context.profile.units if context.profile else {}
    names = [unit_table.get(role, role) for role in roles]
    units = [name if "." in name else f"{name}.service" for name in names]
    return frozenset([*units, *(name.replace(".socket", ".service") for name in units)])


def _port_finding(process: str, unit: str, ports: List[int]) -> Finding:
    """Return the error for ports that a foreign process holds, which is in ``unit``."""
    numbers = ", ".join(map(str, sorted(ports)))
    template = "ports {} are" if len(ports) > 1 else "port {} is"
    message = f"{template.format(numbers)} used by {process or 'an unknown process'}"
    if unit.endswith((".service", ".socket")):
        fix = None if unit.startswith(_PROTECTED_UNITS) else fixes.disable_unit(unit)
        return error(f"{message} ({unit})", f"systemctl disable --now {unit}", fix)
    return error(message, f"stop it; ss -ltnp 'sport = :{min(ports)}' shows its process id")


def _own_addresses(context: CheckContext) -> FrozenSet[str]:
    """Return the node's addresses, without prefix length and zone."""
    addresses = [address for interface in context.facts.network.interfaces for address in interface.addresses]
    return frozenset(map(_strip_prefix_length, [*addresses, context.facts.network.address]))


def _strip_prefix_length(address: str) -> str:
    """Return an address without prefix length and without interface.

    ``fe80::1%eth0/64`` becomes ``fe80::1``.
    """
    return address.split("/")[0].split("%")[0]
