"""Checks of what guards the host and of who else configures it: SELinux, firewalls, NetworkManager, masked units."""

from __future__ import annotations

from typing import List

from packstack_lite.hosts.facts import Wiring
from packstack_lite.preflight import cures, rpm, uplink
from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning

_MANAGER = "NetworkManager"


def selinux(subject: Subject) -> Remarks:
    """SELinux has a policy that knows OpenStack, and the mode that was answered, now and after the next boot."""
    facts = subject.facts
    now, boot = facts.selinux, facts.selinux_boot
    if not now and not boot:
        return
    permissive = subject.answers.get("CONFIG_SELINUX") == "permissive"
    kind = facts.selinux_type or "targeted"
    if boot in ("enforcing", "permissive") and kind not in facts.selinux_policies:
        yield error(
            f"/etc/selinux/config says {boot} with the policy {kind}, which is not there: "
            + ("the next boot would stop" if boot == "enforcing" else "SELinux cannot be switched on"),
            f"yum install selinux-policy-{kind}; touch /.autorelabel before the next boot",
            cures.selinux_policy(f"selinux-policy-{kind}", rpm.dead_repos(subject)),
        )
    elif now == "enforcing" and kind != "targeted":
        yield warning(f"openstack-selinux is made for the policy targeted, not for {kind}", "CONFIG_SELINUX=permissive")
    if now == "disabled" and not permissive and not facts.container:
        yield info(
            "SELinux is off, and stays so: switching it on takes a boot on which all files are labelled",
            "sed -i 's/^SELINUX=.*/SELINUX=permissive/' /etc/selinux/config; touch /.autorelabel; reboot; or answer"
            " CONFIG_SELINUX=permissive",
        )
    if now == "enforcing" and subject.deployed and not permissive and "openstack-selinux" not in facts.versions:
        yield warning(
            "SELinux is enforcing without openstack-selinux: services will be denied what they need",
            "yum install openstack-selinux; or answer CONFIG_SELINUX=permissive",
            cures.install(["openstack-selinux"], rpm.dead_repos(subject)),
        )
    if now in ("enforcing", "permissive") and boot and boot != now and not permissive:
        yield warning(
            f"SELinux is {now} now and will be {boot} after the next boot",
            f"sed -i 's/^SELINUX=.*/SELINUX={now}/' /etc/selinux/config",
            cures.selinux_at_boot(now),
        )


def masked(subject: Subject) -> Remarks:
    """No unit that the cloud runs is masked: httpd, above all."""
    profile = subject.profile
    # On a host of ours some are masked on purpose, and verify knows which.
    if profile is None or subject.facts.own:
        return
    meant = {_full(name) for name in profile.units.values()} - {_full(name) for name in profile.masked}
    found = [unit for unit in subject.facts.masked if unit in meant]
    if found:
        yield warning(
            f"masked, so that nothing can start {'it' if len(found) == 1 else 'them'}: {', '.join(found)}",
            f"systemctl unmask {' '.join(found)}",
            cures.unmask(found),
        )


def httpd(subject: Subject) -> Remarks:
    """The web server that runs the APIs and the dashboard is still there once the host was deployed."""
    facts, profile = subject.facts, subject.profile
    if profile is None or not subject.deployed or profile.package_manager == "apt" or not facts.versions:
        return
    if "httpd" not in facts.versions:
        yield error(
            "httpd is not installed any more: Keystone, Placement and the dashboard run in it",
            "yum install httpd",
            cures.install(["httpd"], rpm.dead_repos(subject)),
        )


def firewall(subject: Subject) -> Remarks:
    """One firewall loads the rules: of two, each throws out what the other has loaded."""
    others = [unit for unit in ("iptables", "ip6tables", "nftables") if _wanted(subject, unit)]
    if _wanted(subject, "firewalld") and others:
        units = [f"{unit}.service" for unit in others]
        yield warning(
            f"firewalld and {', '.join(units)} are both switched on: rules are lost at each reload or boot",
            f"systemctl disable --now {' '.join(units)}; systemctl restart firewalld",
            cures.one_firewall(units),
        )


def guard(subject: Subject) -> Remarks:
    """What the cloud's own hosts alone may reach can be closed to others: the kernel takes the rules."""
    facts, profile = subject.facts, subject.profile
    if profile is None or not subject.answers.get("CONFIG_FIREWALL") or facts.firewall in ("firewalld", "iptables"):
        return
    if profile.command("guard") == "nft" and facts.nft == "no":
        yield warning(
            "this kernel takes no rules of nftables: databases, queue and consoles' own ports are open to whoever"
            " reaches the host",
            "close them outside the host, or load the module nf_tables; CONFIG_FIREWALL=n to hear no more of it",
        )


def translation(subject: Subject) -> Remarks:
    """The floating addresses that the demo makes up get out of this host under its own."""
    if subject.facts.nat == "no" and subject.answers.get("CONFIG_PROVISION_DEMO"):
        yield warning(
            "iptables cannot translate addresses with this kernel: instances reach this host and whoever has a route"
            " to them, and nobody beyond",
            "load the kernel's modules iptable_nat or nft_chain_nat, or give that network a route to here",
        )


def networkmanager(subject: Subject) -> Remarks:
    """NetworkManager leaves Open vSwitch's bridges alone: it would take the address from them."""
    bridge = str(subject.answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")
    # Where it has put an interface into the bridge itself, it is to keep its hands on both.
    own = {name for name, card in uplink.pairs(subject) if subject.facts.wiring.get(card, Wiring()).system == _MANAGER}
    strange = {bridge, "br-int", "br-tun", "ovs-system"} - own
    found: List[str] = [name for name in subject.facts.managed if name in strange]
    if found:
        yield error(
            f"NetworkManager configures {', '.join(found)}: addresses and routes there go at its next restart",
            f"nmcli device set {found[0]} managed no; for good: unmanaged-devices below [keyfile] in"
            " /etc/NetworkManager/conf.d/",
            cures.unmanaged(found, sorted(strange)),
        )


def lease(subject: Subject) -> Remarks:
    """The host's address is its own and not lent by DHCP: every endpoint of the cloud holds it."""
    facts = subject.facts
    if facts.address in facts.leased:
        yield warning(
            f"the address {facts.address} of {facts.default_interface} is lent by DHCP; with another one the cloud"
            " would not work any more",
            f"reserve {facts.address} for this host at the DHCP server, or make it static: {_static(subject)}",
        )


def _static(subject: Subject) -> str:
    facts = subject.facts
    length = next(
        (
            address.partition("/")[2]
            for interface in facts.interfaces
            for address in interface.addresses
            if address.startswith(f"{facts.address}/")
        ),
        "24",
    )
    own, way = f"{facts.address}/{length}", facts.default_gateway or "GATEWAY"
    if _active(subject, "NetworkManager"):
        return (
            f"nmcli connection modify {facts.default_interface} ipv4.method manual ipv4.addresses {own}"
            f" ipv4.gateway {way} ipv4.dns DNS"
        )
    if _active(subject, "systemd-networkd"):
        return f"in its file below /etc/systemd/network: DHCP=no, Address={own}, Gateway={way}, DNS=DNS"
    if subject.profile is not None and subject.profile.package_manager != "apt":
        return (
            f"in /etc/sysconfig/network-scripts/ifcfg-{facts.default_interface}: BOOTPROTO=none IPADDR={facts.address}"
            f" PREFIX={length} GATEWAY={way} DNS1=DNS"
        )
    return f"in /etc/network/interfaces: iface {facts.default_interface} inet static, address {own}, gateway {way}"


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _wanted(subject: Subject, unit: str) -> bool:
    """Running, or started at the next boot."""
    active, _, enabled = subject.facts.states.get(f"{unit}.service", "").partition(" ")
    return active == "active" or enabled == "enabled"


def _active(subject: Subject, unit: str) -> bool:
    return subject.facts.states.get(f"{unit}.service", "").startswith("active ")
