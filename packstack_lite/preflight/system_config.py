"""Checks of configuration: SELinux, firewalls, units, NetworkManager, DHCP."""

from __future__ import annotations

from typing import List

from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.preflight import fixes, node_commands, rpm_repositories, uplink
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.recommended import recommend_here

_NETWORKMANAGER = "NetworkManager"


def check_selinux(context: CheckContext) -> Findings:
    """Check that SELinux has a policy for OpenStack and the same mode after a reboot.

    Without its policy the next boot stops; without openstack-selinux services are denied what they need.
    """
    facts = context.facts
    current_mode, boot_mode = facts.security.selinux, facts.security.selinux_boot
    if not current_mode and not boot_mode:
        return
    permissive = context.answers.get("CONFIG_SELINUX") == "permissive"
    policy = facts.security.selinux_type or "targeted"
    dead_repos = rpm_repositories.find_dead_repos(context)
    if boot_mode in ("enforcing", "permissive") and policy not in facts.security.selinux_policies:
        yield error(
            f"/etc/selinux/config says {boot_mode} with the policy {policy}, which is not installed: "
            + ("the next boot would stop" if boot_mode == "enforcing" else "SELinux cannot be enabled"),
            node_commands.install_selinux_policy(f"selinux-policy-{policy}", dead_repos),
            fixes.install_selinux_policy(f"selinux-policy-{policy}", dead_repos),
        )
    elif current_mode == "enforcing" and policy != "targeted":
        yield warning(f"openstack-selinux supports the policy targeted, not {policy}", "CONFIG_SELINUX=permissive")
    if current_mode == "disabled" and not permissive and not facts.system.is_container:
        yield info(
            "SELinux is off and stays off: enabling it takes a reboot that labels all files",
            f"{node_commands.enable_selinux()}; or set CONFIG_SELINUX=permissive",
        )
    if (
        current_mode == "enforcing"
        and context.has_our_packages
        and not permissive
        and "openstack-selinux" not in facts.software.rpm_versions
    ):
        yield warning(
            "SELinux is enforcing without openstack-selinux: services will be denied what they need",
            f"{node_commands.yum_install(['openstack-selinux'], dead_repos)}; or set CONFIG_SELINUX=permissive",
            fixes.yum_install(["openstack-selinux"], dead_repos),
        )
    if current_mode in ("enforcing", "permissive") and boot_mode and boot_mode != current_mode and not permissive:
        yield warning(
            f"SELinux is {current_mode} now and will be {boot_mode} after the next boot",
            node_commands.set_selinux_boot_mode(current_mode),
            fixes.set_selinux_boot_mode(current_mode),
        )


def check_masked_units(context: CheckContext) -> Findings:
    """Check that no unit of the cloud is masked: nothing could start it."""
    profile = context.profile
    # On our own node some are masked on purpose; verify checks them.
    if profile is None or context.facts.cloud.deployed_by_us:
        return
    cloud_units = {_unit_name(name) for name in profile.units.values()} - {
        _unit_name(name) for name in profile.masked_units_for(profile.masked_units)
    }
    masked_units = [unit for unit in context.facts.security.masked_units if unit in cloud_units]
    if masked_units:
        yield warning(
            f"masked units, which nothing can start: {', '.join(masked_units)}",
            node_commands.unmask_units(masked_units),
            fixes.unmask_units(masked_units),
        )


def check_httpd(context: CheckContext) -> Findings:
    """Check that a deployed node still has httpd, which runs APIs and dashboard."""
    facts, profile = context.facts, context.profile
    if (
        profile is None
        or not context.has_our_packages
        or profile.package_manager == "apt"
        or not facts.software.rpm_versions
    ):
        return
    if "httpd" not in facts.software.rpm_versions:
        yield error(
            "httpd is no longer installed: Keystone, Placement and the dashboard run in it",
            node_commands.yum_install(["httpd"], rpm_repositories.find_dead_repos(context)),
            fixes.yum_install(["httpd"], rpm_repositories.find_dead_repos(context)),
        )


def check_single_firewall(context: CheckContext) -> Findings:
    """Check that only one firewall is enabled: of two, each drops the other's rules."""
    other_firewalls = [unit for unit in ("iptables", "ip6tables", "nftables") if _is_running_or_enabled(context, unit)]
    if _is_running_or_enabled(context, "firewalld") and other_firewalls:
        units = [f"{unit}.service" for unit in other_firewalls]
        yield warning(
            f"firewalld and {', '.join(units)} are both enabled: rules are lost at each reload or boot",
            node_commands.keep_only_firewalld(units),
            fixes.keep_only_firewalld(units),
        )


def check_port_filter(context: CheckContext) -> Findings:
    """Check that the kernel supports the port filter.

    Without it databases, queue and consoles are open to everyone who reaches the node.
    """
    facts, profile = context.facts, context.profile
    if (
        profile is None
        or not context.answers.get("CONFIG_FIREWALL")
        or facts.security.firewall in ("firewalld", "iptables")
    ):
        return
    if profile.command("port-filter") == "nft" and facts.security.nft_support == "no":
        yield warning(
            "this kernel does not support nftables rules: the ports of databases, queue and consoles are open to"
            " everyone who reaches the node",
            "close them outside the node, or load the module nf_tables; CONFIG_FIREWALL=n silences this warning",
        )


def check_nat(context: CheckContext) -> Findings:
    """Check that the kernel can translate addresses (NAT) for the demo's instances.

    The demo's floating addresses exist on this node only; without NAT instances reach nothing beyond it.
    """
    if context.facts.security.nat_support == "no" and context.answers.get("CONFIG_PROVISION_DEMO"):
        yield warning(
            "iptables cannot translate addresses (NAT) with this kernel: instances reach only this node and hosts with"
            " a route to them",
            "load the kernel module iptable_nat or nft_chain_nat, or route the floating addresses to this node",
        )


def check_networkmanager(context: CheckContext) -> Findings:
    """Check that NetworkManager does not manage Open vSwitch's bridges.

    At its next restart it would remove addresses and routes from them.
    """
    bridge = str(context.answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")
    # If NetworkManager itself has put an interface into the bridge, it must keep both.
    managed_uplinks = {
        name
        for name, interface in uplink.bridge_interfaces(context)
        if context.facts.network.uplinks.get(interface, UplinkFacts()).managed_by == _NETWORKMANAGER
    }
    ovs_interfaces = {bridge, "br-int", "br-tun", "ovs-system"} - managed_uplinks
    managed: List[str] = [name for name in context.facts.security.nm_interfaces if name in ovs_interfaces]
    if managed:
        yield error(
            f"NetworkManager manages {', '.join(managed)}: its next restart removes their addresses and routes",
            f"{recommend_here('preflight', '--fix')} writes unmanaged-devices into /etc/NetworkManager/conf.d/, and"
            " keeps addresses and routes, which nmcli alone would remove",
            fixes.unmanage_interfaces(managed, sorted(ovs_interfaces)),
        )


def check_dhcp_lease(context: CheckContext) -> Findings:
    """Check that the node's address is static: all endpoints contain it."""
    facts = context.facts
    if facts.network.address in facts.network.dhcp_addresses:
        yield warning(
            f"{facts.network.default_interface} has {facts.network.address} from DHCP; the cloud stops working if it"
            " changes",
            f"reserve {facts.network.address} for this node at the DHCP server, or make it static:"
            f" {_static_address_hint(context)}",
        )


def _static_address_hint(context: CheckContext) -> str:
    """Return the commands that make the node's present address static, as a hint."""
    facts = context.facts
    prefix_length = next(
        (
            address.partition("/")[2]
            for interface in facts.network.interfaces
            for address in interface.addresses
            if address.startswith(f"{facts.network.address}/")
        ),
        "24",
    )
    cidr, gateway = f"{facts.network.address}/{prefix_length}", facts.network.default_gateway or "GATEWAY"
    if _is_active(context, "NetworkManager"):
        return (
            f"nmcli connection modify {facts.network.default_interface} ipv4.method manual ipv4.addresses {cidr}"
            f" ipv4.gateway {gateway} ipv4.dns DNS"
        )
    if _is_active(context, "systemd-networkd"):
        return f"in its file below /etc/systemd/network: DHCP=no, Address={cidr}, Gateway={gateway}, DNS=DNS"
    if context.profile is not None and context.profile.package_manager != "apt":
        return (
            f"in /etc/sysconfig/network-scripts/ifcfg-{facts.network.default_interface}: BOOTPROTO=none"
            f" IPADDR={facts.network.address} PREFIX={prefix_length} GATEWAY={gateway} DNS1=DNS"
        )
    interface = facts.network.default_interface
    return f"in /etc/network/interfaces: iface {interface} inet static, address {cidr}, gateway {gateway}"


def _unit_name(name: str) -> str:
    """Return the unit's full name; a name without a suffix is a service's."""
    return name if "." in name else f"{name}.service"


def _is_running_or_enabled(context: CheckContext, unit: str) -> bool:
    """Return whether the unit is running, or starts at the next boot."""
    active, _, enabled = context.facts.security.unit_states.get(f"{unit}.service", "").partition(" ")
    return active == "active" or enabled == "enabled"


def _is_active(context: CheckContext, unit: str) -> bool:
    """Return whether the service is active; ``unit`` is without its suffix."""
    return context.facts.security.unit_states.get(f"{unit}.service", "").startswith("active ")
