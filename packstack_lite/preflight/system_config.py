"""Checks of what guards the host and of who else configures it: SELinux, firewalls, NetworkManager, masked units."""

from __future__ import annotations

from typing import List

from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.preflight import fixes, rpm_repositories, uplink
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning

_NETWORKMANAGER = "NetworkManager"


def check_selinux(context: CheckContext) -> Findings:
    """SELinux has a policy that knows OpenStack, and the mode that was answered, now and after the next boot."""
    facts = context.facts
    current_mode, boot_mode = facts.security.selinux, facts.security.selinux_boot
    if not current_mode and not boot_mode:
        return
    permissive = context.answers.get("CONFIG_SELINUX") == "permissive"
    policy = facts.security.selinux_type or "targeted"
    if boot_mode in ("enforcing", "permissive") and policy not in facts.security.selinux_policies:
        yield error(
            f"/etc/selinux/config says {boot_mode} with the policy {policy}, which is not there: "
            + ("the next boot would stop" if boot_mode == "enforcing" else "SELinux cannot be switched on"),
            f"yum install selinux-policy-{policy}; touch /.autorelabel before the next boot",
            fixes.install_selinux_policy(f"selinux-policy-{policy}", rpm_repositories.find_dead_repos(context)),
        )
    elif current_mode == "enforcing" and policy != "targeted":
        yield warning(
            f"openstack-selinux is made for the policy targeted, not for {policy}", "CONFIG_SELINUX=permissive"
        )
    if current_mode == "disabled" and not permissive and not facts.system.is_container:
        yield info(
            "SELinux is off, and stays so: switching it on takes a boot on which all files are labelled",
            "sed -i 's/^SELINUX=.*/SELINUX=permissive/' /etc/selinux/config; touch /.autorelabel; reboot; or answer"
            " CONFIG_SELINUX=permissive",
        )
    if (
        current_mode == "enforcing"
        and context.is_deployed
        and not permissive
        and "openstack-selinux" not in facts.software.rpm_versions
    ):
        yield warning(
            "SELinux is enforcing without openstack-selinux: services will be denied what they need",
            "yum install openstack-selinux; or answer CONFIG_SELINUX=permissive",
            fixes.yum_install(["openstack-selinux"], rpm_repositories.find_dead_repos(context)),
        )
    if current_mode in ("enforcing", "permissive") and boot_mode and boot_mode != current_mode and not permissive:
        yield warning(
            f"SELinux is {current_mode} now and will be {boot_mode} after the next boot",
            f"sed -i 's/^SELINUX=.*/SELINUX={current_mode}/' /etc/selinux/config",
            fixes.set_selinux_boot_mode(current_mode),
        )


def check_masked_units(context: CheckContext) -> Findings:
    """No unit that the cloud runs is masked: httpd, above all."""
    profile = context.profile
    # On a host of ours some are masked on purpose, and verify knows which.
    if profile is None or context.facts.cloud.deployed_by_us:
        return
    cloud_units = {_unit_name(name) for name in profile.units.values()} - {
        _unit_name(name) for name in profile.masked_units
    }
    masked_units = [unit for unit in context.facts.security.masked_units if unit in cloud_units]
    if masked_units:
        yield warning(
            f"masked, so that nothing can start {'it' if len(masked_units) == 1 else 'them'}: {', '.join(masked_units)}",
            f"systemctl unmask {' '.join(masked_units)}",
            fixes.unmask_units(masked_units),
        )


def check_httpd(context: CheckContext) -> Findings:
    """The web server that runs the APIs and the dashboard is still there once the host was deployed."""
    facts, profile = context.facts, context.profile
    if (
        profile is None
        or not context.is_deployed
        or profile.package_manager == "apt"
        or not facts.software.rpm_versions
    ):
        return
    if "httpd" not in facts.software.rpm_versions:
        yield error(
            "httpd is not installed any more: Keystone, Placement and the dashboard run in it",
            "yum install httpd",
            fixes.yum_install(["httpd"], rpm_repositories.find_dead_repos(context)),
        )


def check_single_firewall(context: CheckContext) -> Findings:
    """One firewall loads the rules: of two, each throws out what the other has loaded."""
    other_firewalls = [unit for unit in ("iptables", "ip6tables", "nftables") if _is_running_or_enabled(context, unit)]
    if _is_running_or_enabled(context, "firewalld") and other_firewalls:
        units = [f"{unit}.service" for unit in other_firewalls]
        yield warning(
            f"firewalld and {', '.join(units)} are both switched on: rules are lost at each reload or boot",
            f"systemctl disable --now {' '.join(units)}; systemctl restart firewalld",
            fixes.keep_only_firewalld(units),
        )


def check_port_filter(context: CheckContext) -> Findings:
    """What the cloud's own hosts alone may reach can be closed to others: the kernel takes the rules."""
    facts, profile = context.facts, context.profile
    if (
        profile is None
        or not context.answers.get("CONFIG_FIREWALL")
        or facts.security.firewall in ("firewalld", "iptables")
    ):
        return
    if profile.command("guard") == "nft" and facts.security.nft_support == "no":
        yield warning(
            "this kernel takes no rules of nftables: databases, queue and consoles' own ports are open to whoever"
            " reaches the host",
            "close them outside the host, or load the module nf_tables; CONFIG_FIREWALL=n to hear no more of it",
        )


def check_nat(context: CheckContext) -> Findings:
    """The floating addresses that the demo makes up get out of this host under its own."""
    if context.facts.security.nat_support == "no" and context.answers.get("CONFIG_PROVISION_DEMO"):
        yield warning(
            "iptables cannot translate addresses with this kernel: instances reach this host and whoever has a route"
            " to them, and nobody beyond",
            "load the kernel's modules iptable_nat or nft_chain_nat, or give that network a route to here",
        )


def check_networkmanager(context: CheckContext) -> Findings:
    """NetworkManager leaves Open vSwitch's bridges alone: it would take the address from them."""
    bridge = str(context.answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")
    # Where it has put an interface into the bridge itself, it is to keep its hands on both.
    managed_uplinks = {
        name
        for name, interface in uplink.bridge_interfaces(context)
        if context.facts.network.uplinks.get(interface, UplinkFacts()).managed_by == _NETWORKMANAGER
    }
    ovs_interfaces = {bridge, "br-int", "br-tun", "ovs-system"} - managed_uplinks
    managed: List[str] = [name for name in context.facts.security.nm_interfaces if name in ovs_interfaces]
    if managed:
        yield error(
            f"NetworkManager configures {', '.join(managed)}: addresses and routes there go at its next restart",
            f"nmcli device set {managed[0]} managed no; for good: unmanaged-devices below [keyfile] in"
            " /etc/NetworkManager/conf.d/",
            fixes.unmanage_interfaces(managed, sorted(ovs_interfaces)),
        )


def check_dhcp_lease(context: CheckContext) -> Findings:
    """The host's address is its own and not lent by DHCP: every endpoint of the cloud holds it."""
    facts = context.facts
    if facts.network.address in facts.network.dhcp_addresses:
        yield warning(
            f"the address {facts.network.address} of {facts.network.default_interface} is lent by DHCP; with another one the cloud"
            " would not work any more",
            f"reserve {facts.network.address} for this host at the DHCP server, or make it static: {_static_address_hint(context)}",
        )


def _static_address_hint(context: CheckContext) -> str:
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
            f"in /etc/sysconfig/network-scripts/ifcfg-{facts.network.default_interface}: BOOTPROTO=none IPADDR={facts.network.address}"
            f" PREFIX={prefix_length} GATEWAY={gateway} DNS1=DNS"
        )
    return f"in /etc/network/interfaces: iface {facts.network.default_interface} inet static, address {cidr}, gateway {gateway}"


def _unit_name(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _is_running_or_enabled(context: CheckContext, unit: str) -> bool:
    """Running, or started at the next boot."""
    active, _, enabled = context.facts.security.unit_states.get(f"{unit}.service", "").partition(" ")
    return active == "active" or enabled == "enabled"


def _is_active(context: CheckContext, unit: str) -> bool:
    return context.facts.security.unit_states.get(f"{unit}.service", "").startswith("active ")
