"""Clouds for tests: answers, facts and a profile, without a node.

Used by unit and golden tests.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Dict, Iterable, Mapping, Tuple, Type, TypeVar

from packstack_lite import profiles
from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME
from packstack_lite.answers.parameter_table import Parameter
from packstack_lite.answers.values import is_valid, parse_value
from packstack_lite.nodes.facts import Facts, Interface
from packstack_lite.nodes.facts.fields import parse_fields, parse_key_values
from packstack_lite.nodes.node import Node
from packstack_lite.remote.command import Reply
from packstack_lite.secret import Secret
from packstack_lite.services import NodeContext
from packstack_lite.services.registry import SPECS

T = TypeVar("T")
ADDRESS = "198.18.1.10"


def sample_secrets(parameters: Iterable[Parameter]) -> Dict[str, Any]:
    """Return a secret for each parameter: a text with its name, as long as its pattern demands.

    Parameters whose kind or pattern demands more than a length are omitted.
    """
    secrets: Dict[str, Any] = {}
    for parameter in parameters:
        text = f"{parameter.name.lower()}-value"
        candidates = [text, *(text.ljust(length, "x")[:length] for length in range(1, 65))]
        valid = [candidate for candidate in candidates if is_valid(parameter, candidate)]
        if valid:
            secrets[parameter.name] = Secret(valid[0])
    return secrets


def answers_of_optional_services() -> Dict[str, Any]:
    """Return the parameters that apply with an optional service: the defaults, and a text for each secret."""
    conditions = {f"{spec.answer} == y" for spec in SPECS if spec.answer and not spec.is_required}
    conditional = [parameter for parameter in PARAMETERS if parameter.condition in conditions]
    return {
        **{one.name: parse_value(one, one.default) for one in conditional if not one.is_secret and not one.computed},
        **sample_secrets(one for one in conditional if one.is_secret),
    }


ANSWERS: Dict[str, Any] = {
    **answers_of_optional_services(),
    # Passwords of services that have none below.
    **sample_secrets(PARAMETERS_BY_NAME[name] for spec in SPECS for name in spec.password_parameters),
    # Every API that is optional within its service.
    **{api.answer: True for spec in SPECS for api in spec.apis if api.answer},
    "CONFIG_CONTROLLER_HOST": ADDRESS,
    "CONFIG_DEBUG_MODE": False,
    "CONFIG_SERVICE_WORKERS": "%{::processorcount}",
    "CONFIG_NTP_SERVERS": (),
    "CONFIG_NEUTRON_DNS_SERVERS": (),
    "CONFIG_PROVISION_DEMO_PRIVATE_RANGE": "10.0.0.0/24",
    "CONFIG_HORIZON_INSTALL": True,
    "CONFIG_CLIENT_INSTALL": True,
    "CONFIG_CINDER_INSTALL": False,
    "CONFIG_CINDER_DB_PW": Secret("cinder-db-pw"),
    "CONFIG_CINDER_KS_PW": Secret("cinder-ks-pw"),
    "CONFIG_CINDER_BACKEND": ("lvm",),
    "CONFIG_CINDER_VOLUME_ENCRYPTION": False,
    "CONFIG_CINDER_VOLUMES_CREATE": True,
    "CONFIG_CINDER_VOLUMES_DEVICE": "",
    "CONFIG_CINDER_VOLUME_NAME": "cinder-volumes",
    "CONFIG_CINDER_VOLUMES_SIZE": "20G",
    "CONFIG_CINDER_NFS_MOUNTS": (),
    "CONFIG_CINDER_CEPH_CREATE": True,
    "CONFIG_CINDER_CEPH_SIZE": "20G",
    "CONFIG_CINDER_CEPH_CONF": "/etc/ceph/ceph.conf",
    "CONFIG_CINDER_CEPH_POOL": "volumes",
    "CONFIG_CINDER_CEPH_USER": "cinder",
    "CONFIG_CINDER_CEPH_KEY": Secret("Y2VwaC1jZXBoLWNlcGgtY2VwaC1jZXBoLWNlcGgtY2U="),
    "CONFIG_CINDER_QUOTA_VOLUMES": 10,
    "CONFIG_CINDER_QUOTA_SNAPSHOTS": 10,
    "CONFIG_CINDER_QUOTA_GIGABYTES": 1000,
    "CONFIG_SWIFT_INSTALL": False,
    "CONFIG_SWIFT_KS_PW": Secret("swift-ks-pw"),
    "CONFIG_SWIFT_HASH": Secret("swift-hash"),
    "CONFIG_SWIFT_STORAGES": (),
    "CONFIG_SWIFT_STORAGE_SIZE": "2G",
    "CONFIG_SWIFT_STORAGE_FSTYPE": "ext4",
    "CONFIG_SWIFT_STORAGE_ZONES": 1,
    "CONFIG_SWIFT_STORAGE_REPLICAS": 1,
    "CONFIG_BARBICAN_INSTALL": False,
    "CONFIG_BARBICAN_DB_PW": Secret("barbican-db-pw"),
    "CONFIG_BARBICAN_KS_PW": Secret("barbican-ks-pw"),
    "CONFIG_BARBICAN_KEK": Secret("a2VrLWtlay1rZWsta2VrLWtlay1rZWsta2VrLWtlay0="),
    "CONFIG_MARIADB_PW": Secret("mariadb-pw"),
    "CONFIG_AMQP_AUTH_USER": "amqp_user",
    "CONFIG_AMQP_AUTH_PASSWORD": Secret("amqp-pw"),
    "CONFIG_KEYSTONE_DB_PW": Secret("keystone-db-pw"),
    "CONFIG_KEYSTONE_REGION": "RegionOne",
    "CONFIG_KEYSTONE_ADMIN_USERNAME": "admin",
    "CONFIG_KEYSTONE_ADMIN_PW": Secret("admin-pw"),
    "CONFIG_KEYSTONE_DEMO_PW": Secret("demo-pw"),
    "CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE": True,
    "CONFIG_GLANCE_BACKEND": "file",
    "CONFIG_GLANCE_DB_PW": Secret("glance-db-pw"),
    "CONFIG_GLANCE_KS_PW": Secret("glance-ks-pw"),
    "CONFIG_NOVA_DB_PW": Secret("nova-db-pw"),
    "CONFIG_NOVA_KS_PW": Secret("nova-ks-pw"),
    "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO": 16.0,
    "CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO": 1.5,
    "CONFIG_NOVA_MANAGE_FLAVORS": True,
    "CONFIG_NOVA_MIGRATION_KEY": Secret("bWlncmF0aW9uLW1pZ3JhdGlvbi1taWdyYXRpb24tbWk="),
    "CONFIG_NEUTRON_DB_PW": Secret("neutron-db-pw"),
    "CONFIG_NEUTRON_KS_PW": Secret("neutron-ks-pw"),
    "CONFIG_NEUTRON_METADATA_PW": Secret("metadata-pw"),
    "CONFIG_NEUTRON_L2_AGENT": "openvswitch",
    "CONFIG_NEUTRON_L3_EXT_BRIDGE": "br-ex",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("vxlan", "flat"),
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": ("vxlan",),
    "CONFIG_NEUTRON_ML2_FLAT_NETWORKS": ("*",),
    "CONFIG_NEUTRON_ML2_VNI_RANGES": ("10:100",),
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch",),
    "CONFIG_NEUTRON_ML2_VLAN_RANGES": (),
    "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES": (),
    "CONFIG_NEUTRON_ML2_VXLAN_GROUP": "",
    "CONFIG_NEUTRON_FIREWALL_DRIVER": "openvswitch",
    "CONFIG_NEUTRON_METERING_AGENT_INSTALL": False,
    "CONFIG_NEUTRON_VPNAAS": False,
    "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": (),
    "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS": (),
    "CONFIG_NEUTRON_OVS_TUNNEL_IF": "",
    "CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT": 4789,
    "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("extnet:br-ex",),
    "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET": "extnet",
    "CONFIG_HORIZON_SECRET_KEY": Secret("horizon-secret-key"),
    "CONFIG_PROVISION_DEMO": True,
    "CONFIG_PROVISION_OVS_BRIDGE": True,
    "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.2.0/24",
    "CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": "[]",
    "CONFIG_PROVISION_IMAGE_NAME": "cirros",
    "CONFIG_PROVISION_IMAGE_URL": "/var/lib/packstack-lite/guest.qcow2",
    "CONFIG_PROVISION_IMAGE_SSH_USER": "root",
    "CONFIG_PROVISION_IMAGE_FORMAT": "qcow2",
    "CONFIG_PROVISION_IMAGE_PROPERTIES": "",
}


class Answers(Dict[str, Any]):
    """Answers that say where to add one that is missing."""

    def __missing__(self, name: str) -> Any:
        # Not a KeyError, which Jinja turns into an undefined value.
        raise AssertionError(f"add {name} to ANSWERS in tests/clouds.py")


FACTS: Dict[str, Any] = {
    "resolvers": ("198.18.0.1",),
    "hostname": "aio",
    "fqdn": "aio",
    "hostname_addresses": (ADDRESS,),
    "os_id": "debian",
    "os_version": "12",
    "os_name": "Debian GNU/Linux 12 (bookworm)",
    "arch": "x86_64",
    "init": "systemd",
    "virtualization": "systemd-nspawn",
    "cpus": 2,
    "cpu_flags": (),
    "kvm_works": False,
    "memory_mib": 16000,
    "disk_free_mib": {"/": 50000},
    "default_interface": "host0",
    "default_gateway": "198.18.1.1",
    "address": ADDRESS,
    "interfaces": (Interface("host0", True, 1500, (f"{ADDRESS}/24",)),),
    "listening_ports": {},
    "has_ovs_module": False,
    "has_device_mapper": False,
    "is_time_synchronized": True,
    "selinux": "",
    "package_source": "",
    "deployed_by_us": False,
    "other_openstack": (),
    "locale": "C.UTF-8",
    "epoch": 0.0,
}


# Flat name of a fact -> its subject; no two subjects have a fact of the same name.
SUBJECTS: Mapping[str, str] = {
    fact.name: subject.name for subject in fields(Facts()) for fact in fields(getattr(Facts(), subject.name))
}


def facts(**changes: Any) -> Facts:
    """Return a container's facts with changes, by flat names.

    Raises TypeError for a name that no subject has.
    """
    return change_facts(Facts(), **{**FACTS, **changes})


def change_facts(of: Facts, **changes: Any) -> Facts:
    """Return facts with changes, by flat names (``cpus=4``).

    Raises TypeError for a name that no subject has.
    """
    by_subject: Dict[str, Dict[str, Any]] = {}
    for name, value in changes.items():
        if name not in SUBJECTS:
            raise TypeError(f"Facts have no {name}")
        by_subject.setdefault(SUBJECTS[name], {})[name] = value
    return replace(of, **{subject: replace(getattr(of, subject), **new) for subject, new in by_subject.items()})


def read_facts(subject: Type[T], *replies: Reply) -> T:
    """Return a subject's facts (``SoftwareFacts``), parsed from replies to its script."""
    return parse_fields(subject, parse_key_values(replies))


def profile_of(name: str) -> profiles.Profile:
    """Return the profile called ``name``."""
    return profiles.load(name)


def cloud(answers: Any = None, profile: str = "debian12-zed", **changes: Any) -> NodeContext:
    """Return the context of a cloud of one node, a container by default.

    ``answers`` replace single answers, ``changes`` single facts by their flat names.
    """
    return NodeContext(Answers({**ANSWERS, **(answers or {})}), facts(**changes), profile_of(profile))


OVN: Dict[str, Any] = {
    "CONFIG_NEUTRON_L2_AGENT": "ovn",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("geneve", "flat"),
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": ("geneve",),
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("ovn",),
    "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": ("extnet:br-ex",),
    "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": (),
    "CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET": "extnet",
    "CONFIG_NEUTRON_OVN_TUNNEL_IF": "",
}
# Facts of a real machine: KVM, the kernel's Open vSwitch, a clock of its own.
MACHINE: Dict[str, Any] = {"virtualization": "none", "kvm_works": True, "has_ovs_module": True, "cpus": 16}
# A controller that is also the network node, and two hypervisors; tunnels have an interface of their own.
THREE: Mapping[str, Tuple[str, ...]] = {
    "controller": ("controller", "network", "storage", "queue", "database"),
    "compute-1": ("compute",),
    "compute-2": ("compute",),
}
# A controller, and a node of its own for every other role.
SPREAD: Mapping[str, Tuple[str, ...]] = {
    "controller": ("controller",),
    "compute-1": ("compute",),
    "network-1": ("network",),
    "storage-1": ("storage",),
    "queue-1": ("queue",),
    "database-1": ("database",),
}


def node_context(
    name: str, answers: Any = None, layout: Mapping[str, Tuple[str, ...]] = THREE, **changes: Any
) -> NodeContext:
    """Return the context of one node in a cloud of several.

    Addresses end in 10, 11 and so on.

    ``layout`` maps each node to its roles.
    """
    nodes = {
        node_name: Node(
            name=node_name,
            address=f"198.18.1.{10 + number}",
            hostname=node_name,
            roles=roles,
            tunnel_address=f"198.18.9.{10 + number}",
        )
        for number, (node_name, roles) in enumerate(layout.items())
    }
    node = nodes.pop(name)
    interfaces = (
        Interface("host0", True, 1500, (f"{node.address}/24",)),
        Interface("eth1", True, 1600, (f"{node.tunnel_address}/24",)),
    )
    own_facts = {"hostname": name, "fqdn": name, "address": node.address, "interfaces": interfaces, **changes}
    tunnels = {"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1", "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth1"}
    context = cloud({**tunnels, **(answers or {})}, **own_facts)
    return replace(context, node=node, other_nodes=tuple(nodes.values()))
