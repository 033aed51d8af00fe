"""Each check gives no finding on a good node, and one clear finding on each bad one."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from packstack_lite import preflight, profiles
from packstack_lite.answers import PARAMETERS
from packstack_lite.nodes.facts import Interface
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from packstack_lite.services._base.context import PORTS
from packstack_lite.services.registry import checked_ports
from tests.clouds import ADDRESS, MACHINE, facts

PROFILE = profiles.load("debian12-zed")
NOW = 1_800_000_000.0
GOOD = {
    **MACHINE,
    "memory_mib": 15900,
    "disk_free_mib": {"/": 50000, "/var": 50000},
    "mounts": {"/": "/", "/var": "/"},
    "package_source": "reachable",
    "epoch": NOW + 3,
    "cpu_flags": ("vmx",),
    "has_kvm_device": True,
}


def find_check(name):
    """Return a check by its name; fail with a sentence where CHECKS has no such row."""
    assert name in CHECKS, f"{name} is in no row of CHECKS (packstack_lite/preflight/__init__.py)"
    return CHECKS[name]


def levels_and_messages(check, answers=None, profile=PROFILE, **changes):
    context = CheckContext(facts(**{**GOOD, **changes}), answers or {}, profile, NOW)
    return [(finding.level, finding.message) for finding in find_check(check)(context)]


def hints(check, **changes):
    context = CheckContext(facts(**{**GOOD, **changes}), {}, PROFILE, NOW)
    return [finding.hint for finding in find_check(check)(context)]


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_node_gives_no_finding(check):
    assert levels_and_messages(check) == []


BAD = [
    ("system", "error", "Fedora 40: the profile debian12-zed is for", {"os_id": "fedora", "os_name": "Fedora 40"}),
    ("system", "error", "is for Debian 12", {"os_version": "11"}),
    ("system", "warning", "aarch64", {"arch": "aarch64"}),
    ("init", "error", "process 1 is runit", {"init": "runit"}),
    ("memory", "error", "5.5 GiB", {"memory_mib": 5632}),
    ("memory", "warning", "7.0 GiB", {"memory_mib": 7168}),
    ("disk", "error", "3.9 GiB free on /; 5 GiB", {"disk_free_mib": {"/": 4000, "/var": 4000}}),
    ("disk", "warning", "8.8 GiB free on /", {"disk_free_mib": {"/": 9000, "/var": 9000}}),
    (
        "disk",
        "error",
        "free on /var",
        {"disk_free_mib": {"/": 50000, "/var": 100}, "mounts": {"/": "/", "/var": "/var"}},
    ),
    ("disk", "error", "1 GiB are needed", {"disk_free_mib": {"/": 500}, "deployed_by_us": True}),
    (
        "virtualization",
        "info",
        "container without /dev/kvm",
        {"kvm_works": False, "has_kvm_device": False, "virtualization": "systemd-nspawn"},
    ),
    (
        "virtualization",
        "warning",
        "the processor has no virtualisation enabled",
        {"kvm_works": False, "cpu_flags": ("sse2",)},
    ),
    ("virtualization", "warning", "/dev/kvm is missing", {"kvm_works": False, "has_kvm_device": False}),
    ("virtualization", "warning", "no virtual processor can be created", {"kvm_works": False}),
    ("boot", "warning", "still booting", {"is_booting": True}),
    ("clock", "warning", "120 seconds behind", {"epoch": NOW - 120}),
    ("clock", "error", "7200 seconds ahead", {"epoch": NOW + 7200}),
    ("clock", "warning", "no time server", {"is_time_synchronized": False}),
    ("hostname", "error", "host name is localhost", {"hostname": "localhost"}),
    ("hostname", "error", "12345 is a number", {"hostname": "12345", "hostname_addresses": ("0.0.48.57",)}),
    ("hostname", "error", "0x1f.cloud.lan is a number", {"hostname": "0x1f.cloud.lan"}),
    ("hostname", "error", "10.1 is a number", {"hostname": "10.1"}),
    ("hostname", "error", "has no address", {"hostname_addresses": ()}),
    ("hostname", "warning", "resolves to 127.0.1.1, not to 198.18.1.10", {"hostname_addresses": ("127.0.1.1",)}),
    ("hostname", "error", "resolves to 198.18.9.9", {"hostname_addresses": ("198.18.9.9",)}),
    ("route", "error", "no network interface", {"interfaces": ()}),
    ("route", "error", "no default route", {"default_interface": ""}),
    ("route", "error", "host0 has no IPv4 address", {"address": ""}),
    ("route", "error", "host0 is down", {"interfaces": (Interface("host0", False, 1500, ()),)}),
    ("route", "error", "MTU of 1280 bytes; tunnels need", {"interfaces": (Interface("host0", True, 1280, ()),)}),
    ("route", "warning", "MTU of 1380 bytes", {"interfaces": (Interface("host0", True, 1380, ()),)}),
    (
        "ports",
        "error",
        "port 80 is used by nginx (nginx.service)",
        {"listening_ports": {80: "nginx"}, "port_units": {80: "nginx.service"}},
    ),
    ("ports", "error", "port 5000 is used by an unknown process", {"listening_ports": {5000: ""}}),
    ("packages", "error", "cannot be fetched: Failed to fetch", {"package_source": "Failed to fetch x"}),
    ("packages", "warning", "cannot be fetched", {"package_source": "Failed to fetch x", "deployed_by_us": True}),
    ("packages", "info", "package manager is unknown", {"package_source": ""}),
    ("leftovers", "error", "is or was here: /etc/kolla", {"other_openstack": ("/etc/kolla",)}),
    (
        "database",
        "error",
        "not OpenStack's (shop)",
        {"other_openstack": ("/var/lib/mysql/mysql",), "mariadb_databases": ("shop",)},
    ),
    (
        "python",
        "warning",
        "python3 cannot import yaml",
        {
            "deployed_by_us": True,
            "other_openstack": ("/etc/nova/nova.conf",),
            "missing_python_modules": ("python3 yaml",),
        },
    ),
]


@pytest.mark.parametrize(
    ("check", "level", "words", "changes"), BAD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_bad_node_gives_one_finding_with_a_hint(check, level, words, changes):
    ((found_level, message),) = levels_and_messages(check, **changes)
    assert found_level == level
    assert words in message
    assert all(hints(check, **changes))


FINE = [
    ("memory", {"memory_mib": 7750}, {}),
    ("disk", {"disk_free_mib": {"/": 2000}, "deployed_by_us": True}, {}),
    ("virtualization", {"kvm_works": False}, {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE": "qemu"}),
    ("virtualization", {"kvm_works": False}, {"CONFIG_NOVA_INSTALL": False}),
    ("clock", {"is_time_synchronized": False, "virtualization": "lxc"}, {}),
    ("hostname", {"hostname_addresses": ("127.0.1.1", ADDRESS)}, {}),
    ("ports", {"listening_ports": {80: "apache2"}, "port_units": {80: "apache2.service"}}, {}),
    ("ports", {"listening_ports": {22: "sshd", 53: "dnsmasq"}}, {}),
    ("ports", {"listening_ports": {4369: "systemd"}, "port_units": {4369: "init.scope"}}, {}),
    ("ports", {"listening_ports": {4369: "epmd"}, "port_units": {4369: "epmd.service"}}, {}),
    ("ports", {"listening_ports": {3306: "mariadbd"}, "deployed_by_us": True}, {}),
    ("ports", {"listening_ports": {80: "nginx"}}, {"CONFIG_HORIZON_INSTALL": False}),
    ("leftovers", {"other_openstack": ("/etc/nova/nova.conf",), "deployed_by_us": True}, {}),
    ("leftovers", {"other_openstack": ("/var/lib/mysql/mysql",)}, {}),
    ("database", {"other_openstack": ("/var/lib/mysql/mysql",), "deployed_by_us": True}, {}),
    ("database", {"other_openstack": ("/var/lib/mysql/mysql",)}, {"CONFIG_MARIADB_INSTALL": False}),
    ("services", {}, {"CONFIG_NOVA_INSTALL": True, "CONFIG_SAHARA_INSTALL": False, "CONFIG_HORIZON_INSTALL": True}),
]


@pytest.mark.parametrize(("check", "changes", "answers"), FINE)
def test_a_harmless_deviation_gives_no_finding(check, changes, answers):
    assert levels_and_messages(check, answers, **changes) == []


def test_another_unit_on_a_service_port_is_an_error_on_a_deployed_node_too():
    findings = levels_and_messages(
        "ports", deployed_by_us=True, listening_ports={80: "nginx"}, port_units={80: "nginx.service"}
    )
    assert [level for level, _ in findings] == ["error"]


def test_one_process_on_several_ports_is_one_finding():
    process_by_port = {8774: "python3", 5000: "python3"}
    assert levels_and_messages(
        "ports", listening_ports=process_by_port, port_units=dict.fromkeys(process_by_port, "kolla.service")
    ) == [("error", "ports 5000, 8774 are used by python3 (kolla.service)")]
    assert hints(
        "ports", listening_ports=process_by_port, port_units=dict.fromkeys(process_by_port, "kolla.service")
    ) == ["systemctl disable --now kolla.service"]


def test_an_unsupported_system_is_an_error():
    ((level, message),) = levels_and_messages("system", profile=None, os_id="fedora", os_name="Fedora 40")
    assert (level, message) == ("error", "Fedora 40: it is not supported")


def test_a_numeric_name_is_to_be_changed_and_a_name_with_digits_is_fine():
    (hint,) = hints("hostname", hostname="12345", hostname_addresses=("0.0.48.57",))
    assert hint.startswith("hostnamectl set-hostname node-12345; ")
    assert hint.endswith("; echo '198.18.1.10 node-12345' >> /etc/hosts"), "the new name needs an address too"
    assert levels_and_messages("hostname", hostname="10g", fqdn="10g") == []


def test_the_interfaces_that_there_are_are_named():
    context = CheckContext(facts(**GOOD), {"CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth7", **OVS_AGENT}, PROFILE, NOW)
    (finding,) = CHECKS["interfaces"](context)
    assert finding.hint == f"the node has host0 ({ADDRESS})"
    many = tuple(Interface(f"eth{number}", addresses=(), is_up=True, mtu=1500) for number in range(20))
    context = CheckContext(facts(**{**GOOD, "interfaces": many}), {"CONFIG_NEUTRON_OVS_TUNNEL_IF": "x", **OVS_AGENT})
    (finding,) = CHECKS["interfaces"](context)
    assert finding.hint.endswith("and 8 more (ip -brief link)")


OVS_AGENT = {"CONFIG_NEUTRON_L2_AGENT": "openvswitch"}
INTERFACES = [
    ({"CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth7"}, "error", "there is no interface eth7 (CONFIG_NEUTRON_OVS_TUNNEL_IF)"),
    (
        {"CONFIG_PROVISION_DEMO": True, "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.0.0/16"},
        "warning",
        "198.18.0.0/16 overlaps 198.18.1.0/24 on host0",
    ),
    ({"CONFIG_CONTROLLER_HOST": "198.18.1.99"}, "error", "198.18.1.99, which is not an address of this node"),
]


@pytest.mark.parametrize(("answers", "level", "words"), INTERFACES)
def test_wrong_interfaces_and_addresses_in_answers_are_found(answers, level, words):
    ((found_level, message),) = levels_and_messages("interfaces", {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", **answers})
    assert found_level == level
    assert words in message


@pytest.mark.parametrize(
    "answers",
    [
        {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth7"},
        {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_OVS_TUNNEL_IF": "host0"},
        {"CONFIG_PROVISION_DEMO": True, "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.2.0/24"},
        {"CONFIG_CONTROLLER_HOST": "cloud.example.com"},
        {"CONFIG_CONTROLLER_HOST": "127.0.0.1"},
    ],
)
def test_correct_interfaces_in_answers_give_no_finding(answers):
    interfaces_of_node = (
        Interface("lo", True, 65536, ("127.0.0.1/8",)),
        Interface("host0", True, 1500, (f"{ADDRESS}/24", "fe80::1/64")),
    )
    assert levels_and_messages("interfaces", answers, interfaces=interfaces_of_node) == []


@pytest.mark.parametrize(
    ("mechanisms", "agent", "hint"),
    [
        (("openvswitch",), "ovn", "set CONFIG_NEUTRON_L2_AGENT=openvswitch, or deploy ovn on a fresh node"),
        (("ovn",), "openvswitch", "set CONFIG_NEUTRON_L2_AGENT=ovn, or deploy openvswitch on a fresh node"),
        (("sriovnicswitch", "openvswitch"), "ovn", "set CONFIG_NEUTRON_L2_AGENT=openvswitch, or"),
    ],
)
def test_another_l2_agent_than_the_deployed_one_is_an_error(mechanisms, agent, hint):
    context = CheckContext(facts(**GOOD, ml2_mechanisms=mechanisms), {"CONFIG_NEUTRON_L2_AGENT": agent}, PROFILE, NOW)
    (finding,) = CHECKS["agent"](context)
    assert finding.level == "error"
    assert f"made with {','.join(mechanisms)}; CONFIG_NEUTRON_L2_AGENT={agent} would leave every" in finding.message
    assert finding.hint.startswith(hint)


@pytest.mark.parametrize("mechanisms", [(), ("ovn",), ("openvswitch", "ovn")])
def test_the_deployed_l2_agent_gives_no_finding(mechanisms):
    assert levels_and_messages("agent", {"CONFIG_NEUTRON_L2_AGENT": "ovn"}, ml2_mechanisms=mechanisms) == []


@pytest.mark.parametrize(("agent", "count"), [("ovn", 1), ("openvswitch", 0)])
def test_ovn_ports_are_checked_only_with_ovn(agent, count):
    assert (
        len(levels_and_messages("ports", {"CONFIG_NEUTRON_L2_AGENT": agent}, listening_ports={6641: "other"})) == count
    )


@pytest.mark.parametrize(
    ("part", "service"),
    [("CONFIG_HEAT_CFN_INSTALL", "heat"), ("CONFIG_NEUTRON_METERING_AGENT_INSTALL", "neutron")],
)
def test_a_part_of_a_disabled_service_is_not_requested(part, service):
    """Packstack's default for Heat's CFN API is y, also without Heat."""
    packages = {group: names for group, names in PROFILE.packages.items() if group != service}
    profile, whole = replace(PROFILE, packages=packages), f"CONFIG_{service.upper()}_INSTALL"
    assert levels_and_messages("services", {whole: False, part: True}, profile) == []
    ((_, message),) = levels_and_messages("services", {whole: True, part: True}, profile)
    assert message.endswith(f": {service}")


def test_unknown_services_are_named_with_the_answers_that_disable_them():
    answers = {"CONFIG_NOVA_INSTALL": True, "CONFIG_MANILA_INSTALL": True, "CONFIG_AODH_INSTALL": True}
    (finding,) = CHECKS["services"](CheckContext(facts(**GOOD), answers, PROFILE, NOW))
    assert finding.message.endswith(": aodh, manila")
    assert finding.hint.endswith("CONFIG_AODH_INSTALL=n CONFIG_MANILA_INSTALL=n")


def test_answers_that_checks_read_are_parameters():
    known = {parameter.name for parameter in PARAMETERS}
    read = {name for port in checked_ports() for name in port.answers}
    assert read | {"CONFIG_PROVISION_DEMO_FLOATRANGE", "CONFIG_NEUTRON_OVS_TUNNEL_IF"} <= known


def test_checked_ports_are_those_of_the_services():
    ceph = {PORTS["ceph"], PORTS["ceph-old"]}  # the check of volumes looks at them
    assert set(PORTS.values()) - ceph == {port.number for port in checked_ports()}
    assert {unit for port in checked_ports() for unit in port.units if "." not in unit} <= set(PROFILE.units)


def test_a_check_that_crashes_is_a_finding_and_the_others_still_run(monkeypatch):
    def broken(context):
        """Break."""
        yield from ()
        raise KeyError("memory")

    monkeypatch.setattr(preflight, "CHECKS", {**CHECKS, "init": broken})
    bad = facts(**{**GOOD, "memory_mib": 1000, "hostname_addresses": (), "epoch": time.time()})
    findings = preflight.run_checks(bad, {}, PROFILE, "cloud1")
    assert [(finding.check, finding.node, finding.level) for finding in findings] == [
        ("init", "cloud1", "error"),
        ("memory", "cloud1", "error"),
        ("hostname", "cloud1", "error"),
    ]
    assert "KeyError" in findings[0].message
    assert "test_preflight_checks.py:" in findings[0].message
    assert "--ignore init" in findings[0].hint


def test_each_check_is_described_by_one_sentence():
    found_level = preflight.describe_checks()
    assert set(found_level) == set(CHECKS)
    assert all(promise.endswith(".") and len(promise) < 120 for promise in found_level.values())
