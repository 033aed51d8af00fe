"""Cases of rendered clouds, and their files.

Used by golden tests and tests of services.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

import pytest

from packstack_lite import services
from packstack_lite.nodes.facts import Interface
from packstack_lite.resources import File
from packstack_lite.resources.base import Resource
from packstack_lite.secret import Secret
from packstack_lite.services import NodeContext
from packstack_lite.services.registry import SPECS
from tests.clouds import ADDRESS, MACHINE, OVN, SPREAD, change_facts, cloud, node_context, profile_of

# Every service that stores data, on a node that can do it in user space only.
STORAGE: Dict[str, Any] = {
    # Every optional service, so that a new one is in the golden files.
    **{spec.answer: True for spec in SPECS if spec.answer},
    "CONFIG_GLANCE_BACKEND": "swift",
    "CONFIG_CINDER_BACKEND": ("ceph",),
    "CONFIG_CINDER_VOLUME_ENCRYPTION": True,
}
# The same with disks: two for objects.
DISKS: Dict[str, Any] = {
    **STORAGE,
    "CONFIG_SWIFT_STORAGES": ("/dev/vdb", "/dev/vdc"),
    "CONFIG_SWIFT_STORAGE_ZONES": 2,
    "CONFIG_SWIFT_STORAGE_REPLICAS": 2,
    "CONFIG_SWIFT_STORAGE_FSTYPE": "xfs",
    "CONFIG_CINDER_BACKEND": ("lvm", "nfs"),
    "CONFIG_CINDER_NFS_MOUNTS": ("198.18.9.9:/srv/volumes",),
}

# Every API that is optional within its service, switched off. The case "storage" has them.
WITHOUT_OPTIONAL_APIS: Dict[str, Any] = {api.answer: False for spec in SPECS for api in spec.apis if api.answer}

TUNNELS: Dict[str, Any] = {"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1"}
VOLUMES: Dict[str, Any] = {"CONFIG_CINDER_INSTALL": True}

CASES = {
    "container": lambda: cloud(),
    "machine": lambda: cloud(**MACHINE),
    # Every answer that changes a line, with another value than its default.
    "answers": lambda: cloud(
        {
            "CONFIG_FIREWALL": True,
            "CONFIG_DEBUG_MODE": True,
            "CONFIG_SERVICE_WORKERS": 3,
            "CONFIG_NTP_SERVERS": ("198.18.0.1", "198.18.0.2"),
            "CONFIG_NEUTRON_DNS_SERVERS": ("198.18.0.53", "2001:db8::53"),
            "CONFIG_PROVISION_DEMO_PRIVATE_RANGE": "10.1.0.0/24",
            "CONFIG_REPO": ("http://198.18.0.9/more/",),
            "CONFIG_HTTP_PROXY": Secret("http://me:p%40ss@198.18.0.9:3128"),
            "CONFIG_KEYSTONE_REGION": "Here",
            "CONFIG_KEYSTONE_ADMIN_USERNAME": "root",
            "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO": 7.5,
            "CONFIG_NOVA_LIBVIRT_VIRT_TYPE": "qemu",
            "CONFIG_NEUTRON_L3_EXT_BRIDGE": "br-out",
            "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("vxlan", "gre", "geneve", "vlan", "flat"),
            "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": ("gre", "vxlan"),
            "CONFIG_NEUTRON_ML2_VLAN_RANGES": ("extnet:100:199",),
            "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES": ("1:1000",),
            "CONFIG_NEUTRON_ML2_VXLAN_GROUP": "239.1.1.1",
            "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch", "l2population", "sriovnicswitch"),
            "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": ("lab:eth4", "lab:eth5"),
            "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("extnet:br-out", "lab:br-lab"),
            "CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT": 8472,
            "CONFIG_NEUTRON_METERING_AGENT_INSTALL": True,
            "CONFIG_NEUTRON_FIREWALL_DRIVER": "iptables_hybrid",
        },
        **MACHINE,
    ),
    "ovn": lambda: cloud(OVN),
    # OVN with several bridges, and tunnels over a network of their own that carries more than the bridges.
    "ovn-answers": lambda: cloud(
        {
            **OVN,
            "CONFIG_NEUTRON_L3_EXT_BRIDGE": "br-out",
            "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": ("geneve", "vlan", "flat"),
            "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": ("vlan", "geneve"),
            "CONFIG_NEUTRON_ML2_VLAN_RANGES": ("lab:100:199",),
            "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": ("extnet:br-out", "lab:br-lab"),
            "CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1",
        },
        **MACHINE,
        interfaces=(
            Interface("host0", True, 9000, (f"{ADDRESS}/24",)),
            Interface("eth1", True, 9000, ("198.18.9.10/24",)),
        ),
    ),
    "storage": lambda: cloud(STORAGE),
    "disks": lambda: cloud({**DISKS, **WITHOUT_OPTIONAL_APIS}, **MACHINE),
    "hosts-controller": lambda: node_context("controller", {**OVN, **TUNNELS}),
    "hosts-compute": lambda: node_context("compute-2", {**OVN, **TUNNELS}),
    "hosts-compute-ovs": lambda: node_context("compute-1", **MACHINE),
    "spread-controller": lambda: node_context("controller", {**OVN, **TUNNELS, **VOLUMES}, SPREAD, **MACHINE),
    "spread-storage": lambda: node_context("storage-1", {**OVN, **TUNNELS, **VOLUMES}, SPREAD, **MACHINE),
}


def on(profile: str, of: NodeContext) -> NodeContext:
    """Return the same cloud on the operating system of another profile."""
    other_profile = profile_of(profile)
    facts = change_facts(of.facts, os_id=other_profile.os_id, os_version=other_profile.os_versions[0])
    return replace(of, profile=other_profile, facts=facts)


def files(of: NodeContext) -> Dict[str, File]:
    """Return the files of a node by path."""
    return _files_among(services.declare(of))


def _files_among(resources: Iterable[Resource]) -> Dict[str, File]:
    """Return the files among resources, by path."""
    return {resource.path: resource for resource in resources if isinstance(resource, File)}


# Profile -> what was rendered first with a path or a template missing, and the error.
_FIRST_ERRORS: Dict[str, Tuple[str, str]] = {}


@lru_cache(maxsize=None)
def resources_of_case(profile: str, case: str) -> Tuple[Resource, ...]:
    """Return the resources of a case with a profile; a dozen tests look at those of each."""
    return tuple(services.declare(on(profile, CASES[case]())))


@lru_cache(maxsize=None)
def files_of_case(profile: str, case: str) -> Mapping[str, File]:
    """Return the files of a case with a profile, by path; errors as in ``files_once``."""
    return MappingProxyType(
        _files_or_first_error(profile, case, lambda: _files_among(resources_of_case(profile, case)))
    )


def files_once(of: NodeContext, label: str) -> Dict[str, File]:
    """Return the files of a node by path; ``label`` says what is rendered.

    A path or a template that the profile lacks fails the tests of the first label. Those of others are skipped: they
    would all repeat the same sentence.
    """
    return _files_or_first_error(of.profile.name, label, lambda: files(of))


def _files_or_first_error(profile: str, label: str, render: Callable[[], Dict[str, File]]) -> Dict[str, File]:
    """Return the files that ``render`` returns; errors as in ``files_once``."""
    try:
        return render()
    except LookupError as error:
        failure = (label, str(error))
        first = _FIRST_ERRORS.setdefault(profile, failure)
        if first != failure and first[1] == str(error):
            pytest.skip(f"not rendered, as {first[0]}, which fails: {error}")
        raise


def text(file: File) -> str:
    """Return a file's content as text."""
    return file.content if isinstance(file.content, str) else file.content.decode()


def resources_of(of: NodeContext, kind: Any) -> List[Any]:
    """Return the resources of one kind."""
    return [resource for resource in services.declare(of) if isinstance(resource, kind)]
