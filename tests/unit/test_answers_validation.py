"""Values by their kind, and checks of several answers together."""

from __future__ import annotations

import re

import pytest

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, derive_node_answers, resolve_answers
from packstack_lite.answers.checks import unused
from packstack_lite.answers.values import is_valid, parse_value
from packstack_lite.errors import AnswersError

HOSTS = derive_node_answers(["198.18.1.10"])


def resolve_errors(flags):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(flags=flags, node_answers=HOSTS)
    return list(failure.value.errors)


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("CONFIG_PROVISION_IMAGE_URL", "/srv/guest.qcow2", "/srv/guest.qcow2"),
        ("CONFIG_PROVISION_IMAGE_URL", "/srv/my images/a.img", "/srv/my images/a.img"),
        ("CONFIG_PROVISION_IMAGE_URL", "file:///srv/guest.qcow2", "file:///srv/guest.qcow2"),
        ("CONFIG_PROVISION_IMAGE_URL", "http://198.18.1.1/a?b=c", "http://198.18.1.1/a?b=c"),
        ("CONFIG_PROVISION_IMAGE_URL", "https://example.org/a.img", "https://example.org/a.img"),
        ("CONFIG_CONTROLLER_HOST", "[fd00::1]", "fd00::1"),
        ("CONFIG_CONTROLLER_HOST", "cloud-1.example.org", "cloud-1.example.org"),
        ("CONFIG_NTP_SERVERS", "198.18.1.1, ntp.example.org", ("198.18.1.1", "ntp.example.org")),
        ("CONFIG_NEUTRON_OVS_TUNNEL_IF", "eth0.100", "eth0.100"),
        ("CONFIG_NEUTRON_ML2_VLAN_RANGES", "a:1:4094,b", ("a:1:4094", "b")),
        ("CONFIG_NEUTRON_ML2_FLAT_NETWORKS", "*", ("*",)),
        ("CONFIG_NEUTRON_ML2_VXLAN_GROUP", "ff05::100/120", "ff05::100/120"),
        ("CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS", "physnet1.lab-2:br_ex.100", ("physnet1.lab-2:br_ex.100",)),
        ("CONFIG_NEUTRON_OVN_BRIDGE_IFACES", "br-ex:enp0s31f6.1000", ("br-ex:enp0s31f6.1000",)),
        ("CONFIG_CINDER_VOLUME_NAME", "vg_rhel-1.ssd+hdd", "vg_rhel-1.ssd+hdd"),
        ("CONFIG_KEYSTONE_ADMIN_USERNAME", "ops+cloud@example.org", "ops+cloud@example.org"),
        ("CONFIG_KEYSTONE_REGION", "eu-west_1.a", "eu-west_1.a"),
        ("CONFIG_REPO", "http://198.18.0.9/$releasever/$basearch/", ("http://198.18.0.9/$releasever/$basearch/",)),
        ("CONFIG_SWIFT_STORAGES", "/dev/disk/by-path/pci-0:1f.2-ata-1", ("/dev/disk/by-path/pci-0:1f.2-ata-1",)),
        ("CONFIG_NEUTRON_ML2_TYPE_DRIVERS", "vxlan, flat", ("vxlan", "flat")),
        ("CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", "1", 1.0),
        ("CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT", "65535", 65535),
        ("CONFIG_KEYSTONE_LDAP_PAGE_SIZE", "-1", -1),
        ("CONFIG_CINDER_NFS_MOUNTS", "198.18.1.1:/a,[fd00::1]:/b", ("198.18.1.1:/a", "[fd00::1]:/b")),
        ("CONFIG_KEYSTONE_LDAP_SUFFIX", "dc=example,dc=org", "dc=example,dc=org"),
        ("CONFIG_VCENTER_HOST", "198.18.1.7", "198.18.1.7"),
        ("CONFIG_SSH_KEY", "", ""),
        ("CONFIG_COMPUTE_HOSTS", "", ()),
    ],
)
def test_valid_values_are_parsed(name, text, value):
    assert parse_value(PARAMETERS_BY_NAME[name], text) == value


@pytest.mark.parametrize(
    "name, text, word",
    [
        ("CONFIG_PROVISION_IMAGE_URL", "guest.qcow2", "an absolute path"),
        ("CONFIG_PROVISION_IMAGE_URL", "ftp://example.org/a", "an absolute path"),
        ("CONFIG_PROVISION_IMAGE_URL", "https:///a", "an absolute path"),
        ("CONFIG_PROVISION_IMAGE_URL", "/", "an absolute path"),
        ("CONFIG_CONTROLLER_HOST", "198.18.1", "neither an address"),
        ("CONFIG_CONTROLLER_HOST", "-a", "neither an address"),
        ("CONFIG_CONTROLLER_HOST", "a,b", "neither an address"),
        ("CONFIG_COMPUTE_HOSTS", "198.18.1.10,b c", "'b c'"),
        ("CONFIG_NEUTRON_L3_EXT_BRIDGE", "br ex; reboot", "not an interface name"),
        ("CONFIG_NEUTRON_OVS_TUNNEL_IF", "a-name-of-sixteen", "not an interface name"),
        ("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "a:b:c", "not PHYSNET:BRIDGE"),
        ("CONFIG_NEUTRON_ML2_VLAN_RANGES", "a:1", "not PHYSNET"),
        ("CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS", "px`id>/tmp/x`:br-ex", "'px`id>/tmp/x`:br-ex' is not PHYSNET:BRIDGE"),
        ("CONFIG_NEUTRON_OVN_BRIDGE_IFACES", "br-ex:-all", "INTERFACE is an interface name (letters, digits"),
        ("CONFIG_NEUTRON_L3_EXT_BRIDGE", "..", "not an interface name"),
        ("CONFIG_CINDER_CEPH_CONF", "/etc/$(id)/ceph.conf", "not an absolute path"),
        ("CONFIG_PROVISION_IMAGE_SSH_USER", "-oProxyCommand=id", "not a login name"),
        ("CONFIG_CONTROLLER_HOST", "fe80::1%$(id)", "neither an address"),
        ("CONFIG_VCENTER_HOST", "fe80::1%`id`", "not an address"),
        ("CONFIG_PROVISION_DEMO_FLOATRANGE", "fe80::1%$(id)/64", "not a network"),
        ("CONFIG_KEYSTONE_REGION", "eu/west", "not a region's name"),
        ("CONFIG_AMQP_AUTH_USER", "a/b", "not a name (letters, digits"),
        ("CONFIG_NOVA_DB_PW", "abcdé1", "not made of ASCII characters only"),
        ("CONFIG_DEFAULT_PASSWORD", "abcdé1", "not made of ASCII characters only"),
        ("CONFIG_NOVA_KS_PW", "abcdé1", "not made of ASCII characters only"),
        ("CONFIG_AMQP_AUTH_PASSWORD", "abcd😀", "not made of ASCII characters only"),
        ("CONFIG_SWIFT_HASH", "ä", "not made of ASCII characters only"),
        ("CONFIG_CINDER_VOLUMES_SIZE", "٢G", "whole gigabytes"),
        ("CONFIG_NEUTRON_ML2_TYPE_DRIVERS", "vxlan,token-ring", "'token-ring' is not one of local, flat"),
        ("CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", "-1", "not a number"),
        ("CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", "nan", "not a number"),
        ("CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", "1,5", "not a number"),
        ("CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT", "0", "not a port"),
        ("CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT", "٤٧٨٩", "not a whole number"),
        ("CONFIG_CINDER_VOLUMES_SIZE", "20", "20G"),
        ("CONFIG_SWIFT_STORAGES", "/dev/vdb,vdc", "'vdc' is not an absolute path"),
        ("CONFIG_SWIFT_STORAGE_SIZE", "2g", "a size such as"),
        ("CONFIG_CINDER_NFS_MOUNTS", "host:/a", "ADDRESS:/PATH"),
        ("CONFIG_KEYSTONE_LDAP_URL", "http://a", "ldap://"),
        ("CONFIG_KEYSTONE_LDAP_SUFFIX", "example.org", "distinguished name"),
        ("CONFIG_VCENTER_HOST", "vcenter", "not an address"),
        ("CONFIG_KEYSTONE_TOKEN_FORMAT", "UUID", "'UUID' is not one of FERNET"),
    ],
)
def test_invalid_values_are_refused_with_a_reason(name, text, word):
    with pytest.raises(ValueError) as failure:
        parse_value(PARAMETERS_BY_NAME[name], text)
    assert word in str(failure.value)


@pytest.mark.parametrize(
    "flags, word",
    [
        ({"CONFIG_PROVISION_DEMO_FLOATRANGE": "fd00::/64"}, "not an IPv4 network"),
        ({"CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.2.0/31"}, "no room"),
        (
            {
                "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.2.0/32",
                "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=198.18.2.0,end=198.18.2.0"]',
            },
            "no room",
        ),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '"start=172.24.4.5,end=172.24.4.6"'}, "JSON list"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": "[1]"}, "JSON list"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=172.24.4.5"]'}, "JSON list"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=172.24.4.9,end=172.24.4.5"]'}, "not a range"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=172.24.4.9,end=fd00::1"]'}, "not a range"),
        ({"CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET": "outside"}, "outside is not in CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS"),
        ({"CONFIG_NEUTRON_ML2_VNI_RANGES": "1:16777216"}, "within 1 to 16777215"),
        ({"CONFIG_NEUTRON_ML2_VNI_RANGES": "10"}, "FIRST:LAST"),
        ({"CONFIG_NEUTRON_ML2_VLAN_RANGES": "extnet:1:4095"}, "within 1 to 4094"),
        ({"CONFIG_NEUTRON_ML2_VLAN_RANGES": "extnet:9:8"}, "within 1 to 4094"),
        ({"CONFIG_NOVA_INSTALL": "n"}, "must be y"),
    ],
)
def test_errors_between_answers_name_the_flag(flags, word):
    (error,) = resolve_errors(flags)
    assert word in error
    assert error.startswith(tuple(f"--{PARAMETERS_BY_NAME[name].flag}: {name}" for name in flags))


def test_errors_of_several_rules_are_reported_together():
    errors = resolve_errors(
        {
            "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
            "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "gre,local",
            "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,flat",
            "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.2.0/31",
            "CONFIG_NOVA_INSTALL": "n",
        }
    )
    assert len(errors) == 5


@pytest.mark.parametrize(
    "pools", ["[]", "", '["start=172.24.4.9,end=172.24.4.9"]', '["start=172.24.4.9, end=172.24.4.20"]']
)
def test_valid_allocation_pools_give_no_warning(pools):
    assert resolve_answers(flags={"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": pools}, node_answers=HOSTS).warnings == ()


def test_answers_of_the_demo_are_not_checked_without_it():
    flags = {"CONFIG_PROVISION_DEMO": "n", "CONFIG_PROVISION_DEMO_FLOATRANGE": "fd00::/64"}
    (warning,) = resolve_answers(flags=flags, node_answers=HOSTS).warnings
    assert warning.endswith("FLOATRANGE: not used, because CONFIG_PROVISION_DEMO is n (--provision-demo)")


def test_each_unsupported_service_has_a_warning():
    names = [
        name
        for name, parameter in PARAMETERS_BY_NAME.items()
        if re.fullmatch(r"CONFIG_[A-Z]+_INSTALL", name) and parameter.supported_values == ("n",)
    ]
    assert names
    answers = resolve_answers(flags=dict.fromkeys(names, "y"), node_answers=HOSTS)
    assert [warning.split(": ")[1] for warning in answers.warnings] == [f"{name}=y" for name in names]


def test_other_unsupported_answers_share_a_warning():
    flags = {"CONFIG_ENABLE_RDO_TESTING": "y", "CONFIG_NOVA_COMPUTE_MIGRATE_PROTOCOL": "tcp"}
    (warning,) = resolve_answers(flags=flags, node_answers=HOSTS).warnings
    assert warning.startswith("ignored, since this release does not implement it: ")
    for name, text in flags.items():
        assert f"--{PARAMETERS_BY_NAME[name].flag}: {name}={text}" in warning


def test_an_unsupported_answer_of_a_service_that_is_off_is_not_used():
    flags = {"CONFIG_HORIZON_INSTALL": "n", "CONFIG_HORIZON_SSL": "y"}
    (warning,) = resolve_answers(flags=flags, node_answers=HOSTS).warnings
    assert warning.endswith("CONFIG_HORIZON_SSL: not used, because CONFIG_HORIZON_INSTALL is n (--os-horizon-install)")


# A value of each kind that is no default; without one here, the parameter's other choices are tried.
OTHER_VALUES = {"integer": "7", "port": "7777", "float": "1.7", "cidr": "198.18.9.0/24", "ip": "198.18.9.9"}
OTHER_TEXTS = ("n", "y", "abc", "a:b", "/abc", "/dev/vdz", "7G", "http://x.example/", "198.18.9.9:/x", "198.18.9.9")
# Retired values of old releases: the resolver replaces them.
RETIRED = {"CONFIG_CINDER_BACKEND": "gluster", "CONFIG_MANILA_NETWORK_TYPE": "nova-network"}


def with_another_answer(parameter):
    """Return answers with a valid answer to the parameter that is not its default; None if none is known here."""
    choices = [choice for choice in parameter.choices if choice not in (parameter.default, RETIRED.get(parameter.name))]
    for text in [*choices, *([OTHER_VALUES[parameter.kind]] if parameter.kind in OTHER_VALUES else OTHER_TEXTS)]:
        try:
            answers = resolve_answers(flags={parameter.name: text}, node_answers=HOSTS)
        except AnswersError:
            continue
        if answers.is_customized(parameter.name):
            return answers
    return None


def test_every_answer_that_counts_for_nothing_has_a_warning():
    """Of a service that is off, of another back end, of the demo, of SSL ...; passwords are in every file."""
    defaults = resolve_answers(node_answers=HOSTS)
    idle = [each for each in PARAMETERS if not defaults.applies(each.name) and not each.is_secret]
    with_answers = {each.name: with_another_answer(each) for each in idle}
    silent = [
        name
        for name, answers in with_answers.items()
        if answers and not answers.applies(name) and not any(name in warning for warning in answers.warnings)
    ]
    assert len(idle) > 150 and list(with_answers.values()).count(None) < 5
    assert silent == []


def test_dedicated_hosts_give_no_warning():
    flags = {"CONFIG_MARIADB_HOST": "198.18.1.99", "CONFIG_AMQP_HOST": "198.18.1.98"}
    assert resolve_answers(flags={**flags, "CONFIG_COMPUTE_HOSTS": "198.18.1.9"}, node_answers=HOSTS).warnings == ()


def test_a_warning_about_ignored_answers_masks_secrets(monkeypatch):
    """A password of a service that is not implemented yet is a secret all the same."""
    secrets = [parameter for parameter in PARAMETERS_BY_NAME.values() if parameter.is_secret]
    monkeypatch.setattr(unused, "_unsupported_parameters", lambda answers: secrets)
    answers = resolve_answers(node_answers=HOSTS)
    (warning,) = unused._warn_unsupported_values(answers)
    assert warning.count("=***") == len(secrets)
    texts = [answers.text(parameter.name) for parameter in secrets]
    assert [text for text in texts if len(text) > 3 and text in warning] == []


def test_lost_encryption_has_lines_of_its_own():
    flags = {"CONFIG_HORIZON_SSL": "y", "CONFIG_AMQP_ENABLE_SSL": "y", "CONFIG_ENABLE_RDO_TESTING": "y"}
    encryption = [
        warning
        for warning in resolve_answers(flags=flags, node_answers=HOSTS).warnings
        if "this connection is NOT encrypted" in warning
    ]
    assert [warning.partition("=")[0] for warning in encryption] == [
        "--amqp-enable-ssl: CONFIG_AMQP_ENABLE_SSL",
        "--os-horizon-ssl: CONFIG_HORIZON_SSL",
    ]


UNUSED = {
    "its service is off by default": (
        ["CONFIG_CINDER_VOLUMES_SIZE=50G"],
        ["CONFIG_CINDER_VOLUMES_SIZE: not used, because CONFIG_CINDER_INSTALL is n (the default)"],
    ),
    "several": (
        ["CONFIG_SWIFT_INSTALL=n", "CONFIG_SWIFT_STORAGE_SIZE=9G", "CONFIG_SWIFT_STORAGES=/dev/vdb"],
        [
            "CONFIG_SWIFT_STORAGES, CONFIG_SWIFT_STORAGE_SIZE (--set): not used,"
            " because CONFIG_SWIFT_INSTALL is n (--set)"
        ],
    ),
    "the default": (["CONFIG_CINDER_VOLUMES_SIZE=20G"], []),
    "empty": (["CONFIG_CINDER_VOLUMES_SIZE="], []),
    "a password": (["CONFIG_MANILA_KS_PW=0123456789abcdef"], None),
    "a host that Packstack sets": (["CONFIG_MANILA_GENERIC_DRV_HANDLES_SHARE_SERVERS=true"], []),
    "another release's default": (["CONFIG_PROVISION_DEMO=n", "CONFIG_PROVISION_DEMO_FLOATRANGE=172.24.4.224/28"], []),
    "its service is on": (["CONFIG_CINDER_INSTALL=y", "CONFIG_CINDER_VOLUMES_SIZE=50G"], []),
    "certificates": (
        ["CONFIG_SSL_CACERT_FILE=/root/ca.crt"],
        ["CONFIG_SSL_CACERT_FILE=/root/ca.crt: has no effect: this release makes no certificates"],
    ),
    "a kernel of the demo's image": (
        ["CONFIG_PROVISION_UEC_IMAGE_NAME=mine"],
        ["CONFIG_PROVISION_UEC_IMAGE_NAME=mine: has no effect: the demo has one image, CONFIG_PROVISION_IMAGE_URL"],
    ),
}


@pytest.mark.parametrize("case", UNUSED)
def test_answers_that_count_for_nothing_have_a_warning(case):
    settings, expected = UNUSED[case]
    warnings = resolve_answers(node_answers=HOSTS, settings=settings).warnings
    if expected is None:
        assert not [warning for warning in warnings if "not used" in warning]
    else:
        assert list(warnings) == [f"--set: {words}" for words in expected]


# Passwords of systems that exist already: nobody can choose them.
FOREIGN_PASSWORDS = re.compile(r"_(LDAP|NETAPP|SOLIDFIRE|GLUSTERFS|VCENTER|RH|SATELLITE|HTTP)_")


def test_every_password_that_we_set_is_ascii():
    """Services read their files in the encoding of their locale, and none was tried with others."""
    own = [each for each in PARAMETERS if each.kind == "password" and not FOREIGN_PASSWORDS.search(each.name)]
    accepted = [each.name for each in own if is_valid(each, "abcdé1")]
    assert len(own) > 40 and not accepted
