"""What a new cloud is tried out with: flavors, an image, networks and a project, as Packstack's demo."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Any, Dict, List, Mapping, Optional, Sequence, cast

from packstack_lite.errors import UsageFault
from packstack_lite.resources import Entity
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services import barbican
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.network import external_network, tenant_types, with_interface

# Packstack's flavors: id, name, RAM in MiB, virtual processors, disk in GiB.
FLAVORS = (
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 1, 20),
    ("3", "m1.medium", 4096, 2, 40),
    ("4", "m1.large", 8192, 4, 80),
    ("5", "m1.xlarge", 16384, 8, 160),
)
PRIVATE = "10.0.0.0/24"


def flavors(cloud: Cloud) -> List[Resource]:
    """The five flavors, unless the answers leave flavors to somebody else."""
    if not cloud.answers.get("CONFIG_NOVA_MANAGE_FLAVORS", True):
        return []
    return [
        _entity(cloud, "flavor", name, {"id": id_, "ram": ram, "vcpus": vcpus, "disk": disk}, phase=Phase.DEMO)
        for id_, name, ram, vcpus, disk in FLAVORS
    ]


def declare(cloud: Cloud) -> List[Resource]:
    """Flavors always; the demo when the answers ask for it."""
    if not cloud.says("CONFIG_PROVISION_DEMO"):
        return flavors(cloud)
    return [*flavors(cloud), *_project(cloud), *_networks(cloud), *_rules(cloud), _image(cloud)]


def _entity(
    cloud: Cloud,
    type_: str,
    name: str,
    body: Mapping[str, Any],
    parents: Optional[Mapping[str, str]] = None,
    secrets: Optional[Mapping[str, Secret]] = None,
    phase: Phase = Phase.NETWORKS,
) -> Entity:
    return Entity(
        type=type_,
        name=name,
        body=body,
        parents=parents or {},
        secrets=secrets or {},
        api=cloud.api,
        phase=phase,
        tags=frozenset({"demo"}),
    )


def _project(cloud: Cloud) -> List[Resource]:
    password = {"password": cloud["CONFIG_KEYSTONE_DEMO_PW"]}
    # Without the second a user cannot have an encrypted volume.
    more = (barbican.CREATOR,) if barbican.wanted(cloud) else ()
    roles = {"project": "demo", "roles": ("member", *more)}
    return [
        _entity(cloud, "project", "demo", {"description": "default tenant"}, phase=Phase.CATALOG),
        _entity(cloud, "user", "demo", roles, secrets=password, phase=Phase.CATALOG),
    ]


def _networks(cloud: Cloud) -> List[Resource]:
    """``public`` is the external network on its bridge, ``private`` the project's own behind ``router1``."""
    external = {
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": external_network(cloud),
    }
    demo = {"project": "demo"}
    router = {"external_network": "public", "interfaces": ("private_subnet",)}
    return [
        _entity(cloud, "network", "public", external),
        _entity(cloud, "subnet", "public_subnet", _public_subnet(cloud), {"network": "public"}),
        _entity(cloud, "network", "private", {"provider:network_type": tenant_types(cloud)[0]}, demo),
        _entity(
            cloud,
            "subnet",
            "private_subnet",
            {"cidr": PRIVATE, "ip_version": 4, "enable_dhcp": True, "gateway_ip": "10.0.0.1"},
            {"network": "private", **demo},
        ),
        _entity(cloud, "router", "router1", router, demo),
    ]


def _public_subnet(cloud: Cloud) -> Dict[str, Any]:
    outside = cloud.floating_range
    subnet: Dict[str, Any] = {
        "cidr": str(outside),
        "ip_version": 4,
        "enable_dhcp": False,
        "gateway_ip": _gateway(cloud),
    }
    pools = allocation_pools(cloud.answers.get("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"))
    return {**subnet, "allocation_pools": pools} if pools else subnet


def _gateway(cloud: Cloud) -> str:
    """The way out of the floating range: the host's own router where the range is of the network behind the external
    bridge, else the first address, which is the bridge's own."""
    outside, router = cloud.floating_range, cloud.facts.default_gateway
    shared = cloud.external_bridge in with_interface(cloud) and router and ip_address(router) in outside
    return router if shared else str(next(outside.hosts()))


def allocation_pools(answer: object) -> List[Dict[str, str]]:
    """Packstack's ``["start=A,end=B", ...]`` (as JSON or already taken apart) as neutron wants it."""
    texts: Sequence[object] = (
        json.loads(answer) if isinstance(answer, str) and answer.strip() else cast(Sequence[object], answer or ())
    )
    return [_pool(str(text)) for text in texts]


def _pool(text: str) -> Dict[str, str]:
    found = re.fullmatch(r"\s*start=([\d.]+)\s*,\s*end=([\d.]+)\s*", text)
    if not found:
        raise UsageFault(
            f"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS: {text!r} is not a pool",
            'write it as ["start=ADDRESS,end=ADDRESS"], or [] for the whole range',
        )
    return {"start": found[1], "end": found[2]}


def _rules(cloud: Cloud) -> List[Resource]:
    """Ping and SSH into the project's servers."""
    common = {"direction": "ingress", "ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"}
    ssh = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    return [
        _entity(cloud, "security_group_rule", "demo-icmp", {**common, "protocol": "icmp"}, {"project": "demo"}),
        _entity(cloud, "security_group_rule", "demo-ssh", {**common, **ssh}, {"project": "demo"}),
    ]


def _image(cloud: Cloud) -> Entity:
    properties = str(cloud.answers.get("CONFIG_PROVISION_IMAGE_PROPERTIES") or "")
    extra = dict(part.strip().split("=", 1) for part in properties.split(",") if "=" in part)
    body = {
        "disk_format": str(cloud.answers.get("CONFIG_PROVISION_IMAGE_FORMAT") or "qcow2"),
        "container_format": "bare",
        "visibility": "public",
        **extra,
        "source": str(cloud["CONFIG_PROVISION_IMAGE_URL"]),
    }
    proxy = cloud.answers.get("CONFIG_HTTP_PROXY")
    secrets = {"proxy": proxy} if proxy else {}
    return _entity(cloud, "image", str(cloud["CONFIG_PROVISION_IMAGE_NAME"]), body, secrets=secrets, phase=Phase.DEMO)
