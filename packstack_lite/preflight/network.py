"""Checks of the network: host name, default route, interfaces, ports."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, FrozenSet, List, Optional, Tuple

from packstack_lite.answers import l2_agents
from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts import Interface
from packstack_lite.preflight import fixes, node_commands, uplink
from packstack_lite.preflight.check import (
    CheckContext,
    Findings,
    error,
    list_interfaces,
    own_addresses,
    strip_prefix_length,
    warning,
)
from packstack_lite.profiles.host_setup import load_host_setup
from packstack_lite.services.registry import CheckedPort, checked_ports

# Geneve with OVN's option adds 58 bytes to a packet, VXLAN 50, and a tenant's network should still carry IPv6's
# minimum MTU, 1280.
MTU_REQUIRED, MTU_RECOMMENDED = 1338, 1400
# Units that let us in, or may hold other people's data: --fix does not stop them.
_PROTECTED_UNITS = ("ssh", "dropbear", "mariadb", "mysql", "systemd-", "user@")
# What inet_aton(3) takes for an address: one to four numbers, decimal, octal or hexadecimal.
_NUMERIC_NAME = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}", re.I)


def check_hostname(context: CheckContext) -> Findings:
    """Check that the host name resolves to the node's address.

    RabbitMQ, Nova and Neutron find each other by it.
    """
    facts = context.facts
    names = f"{facts.system.fqdn} {facts.system.hostname}" if "." in facts.system.fqdn else facts.system.hostname
    resolved = [strip_prefix_length(address) for address in facts.system.hostname_addresses]
    address = facts.network.address
    hint = str(node_commands.set_hosts_entry(address, names.split())) if address else "give the node an address first"
    fix = fixes.set_hosts_entry(address, names.split()) if address else None
    # Where apply writes the line itself, it is only a warning.
    apply_writes_it = context.profile is not None and load_host_setup(context.profile.name).writes_hosts_file
    make_finding, note = (warning, "; apply writes it into /etc/hosts") if apply_writes_it else (error, "")
    if not facts.system.hostname or facts.system.hostname.split(".")[0] in ("localhost", "(none)"):
        yield error(f"the node's host name is {facts.system.hostname or 'nothing'}", "hostnamectl set-hostname NAME")
    elif _NUMERIC_NAME.fullmatch(facts.system.hostname) or _NUMERIC_NAME.fullmatch(facts.system.hostname.split(".")[0]):
        yield error(
            f"the node's host name {facts.system.hostname} is a number: programs take it for an IPv4 address"
            f"{f' ({resolved[0]})' if resolved else ''}, whatever /etc/hosts says",
            node_commands.set_hostname(f"node-{facts.system.hostname.split('.')[0]}", address or "ADDRESS"),
        )
    elif not resolved:
        yield make_finding(f"the host name {facts.system.hostname} has no address{note}", hint, fix)
    elif all(ip_address(address).is_loopback for address in resolved):
        message = f"the host name {facts.system.hostname} resolves to {resolved[0]}, not to {address}"
        yield warning(message + note, hint, fix)
    elif not own_addresses(context.facts) & set(resolved):
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
        yield from _check_usable(context, facts.network.default_interface)


def check_interfaces(context: CheckContext) -> Findings:
    """Check that the answers' interfaces exist and the floating range is free."""
    answers, facts = context.answers, context.facts
    # apply creates a bridge for an uplink.
    created_bridges = {bridge for bridge, _ in uplink.bridge_interfaces(context)}
    parameter = l2_agents.agent_parameter(answers, "TUNNEL_IF")
    tunnel = str(answers.get(parameter) or "")
    if tunnel and tunnel not in created_bridges and context.has_role("compute", "network"):
        yield from _check_usable(context, tunnel, parameter)
    yield from _check_floating_range(context, str(answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex"))
    controller = str(answers.get("CONFIG_CONTROLLER_HOST") or facts.network.address)
    if context.has_role("controller") and facts.network.address and controller != facts.network.address:
        yield from _check_controller_address(context, controller)


def _find_interface(context: CheckContext, name: str) -> Optional[Interface]:
    """Return the node's interface of this name; None if it has none."""
    return next((interface for interface in context.facts.network.interfaces if interface.name == name), None)


def _check_usable(context: CheckContext, name: str, parameter: str = "") -> Findings:
    """Check that an interface exists, is up, and has an MTU that tunnels can use.

    ``parameter`` is the one whose answer names the interface; "" if no answer does.
    """
    interface, suffix = _find_interface(context, name), f" ({parameter})" if parameter else ""
    if interface is None:
        yield error(f"there is no interface {name}{suffix}", list_interfaces(context))
    elif not interface.is_up:
        yield error(f"the interface {name}{suffix} is down", node_commands.set_link_up(name))
    elif interface.mtu < MTU_RECOMMENDED:
        message = f"{name} has an MTU of {interface.mtu} bytes"
        hint = node_commands.set_mtu(name)
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
        is_foreign = str(ip_address(controller)) not in own_addresses(context.facts)
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


def _is_held_by_cloud(context: CheckContext, port: int, units: Tuple[str, ...]) -> bool:
    """Return whether the cloud itself listens on the port, not a foreign process.

    ``units`` are those of ``CheckedPort``: keys of the profile's units, such as ``mariadb``, or full unit names. The
    listener has to be one of them.
    """
    names = _unit_names(context, units)
    process, unit = context.facts.network.listening_ports[port], context.facts.network.port_units.get(port, "")
    if unit in ("", "init.scope"):
        # A socket that systemd holds for a service; or a node without units in /proc/PID/cgroup, deployed by us.
        by_systemd = process == "systemd" and any(name.endswith(".socket") for name in names)
        return by_systemd or (not unit and context.facts.cloud.deployed_by_us)
    return unit in names


def _unit_names(context: CheckContext, units: Tuple[str, ...]) -> FrozenSet[str]:
    """Return the full names of units, by key or name, each socket with its service."""
    unit_table = context.profile.units if context.profile else {}
    names = [unit_table.get(unit, unit) for unit in units]
    full_names = [name if "." in name else f"{name}.service" for name in names]
    return frozenset([*full_names, *(name.replace(".socket", ".service") for name in full_names)])


def _port_finding(process: str, unit: str, ports: List[int]) -> Finding:
    """Return the error for ports that a foreign process holds, which is in ``unit``."""
    numbers = ", ".join(map(str, sorted(ports)))
    template = "ports {} are" if len(ports) > 1 else "port {} is"
    message = f"{template.format(numbers)} used by {process or 'an unknown process'}"
    if unit.endswith((".service", ".socket")):
        fix = None if unit.startswith(_PROTECTED_UNITS) else fixes.disable_unit(unit)
        return error(f"{message} ({unit})", node_commands.disable_units([unit]), fix)
    return error(message, f"stop it; {node_commands.show_port_holder(min(ports))} shows its process id")
