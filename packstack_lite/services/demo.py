"""Packstack's flavors and its demo: a project with networks, rules and an image."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Network, ip_address
from typing import Any, Dict, List, Mapping, Optional, Sequence, cast

from packstack_lite.errors import UsageError
from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.spec import EVERY_SERVICE, REGISTERED_SPECS, ServiceSpec
from packstack_lite.services.networking.network_settings import (
    bridges_with_interface,
    external_physnet,
    tenant_network_types,
)

SPEC = ServiceSpec(name="demo", after=(EVERY_SERVICE, "client"), has_packages=False)
# Packstack's flavors: id, name, RAM in MiB, virtual processors, disk in GiB.
FLAVORS = (
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 1, 20),
    ("3", "m1.medium", 4096, 2, 40),
    ("4", "m1.large", 8192, 4, 80),
    ("5", "m1.xlarge", 16384, 8, 160),
)


def declare_flavors(context: NodeContext) -> List[Resource]:
    """Declare the five flavors, unless CONFIG_NOVA_MANAGE_FLAVORS is n."""
    if not context.answers.get("CONFIG_NOVA_MANAGE_FLAVORS", True):
        return []
    return [
        _declare_object(
            context, "flavor", name, {"id": id_, "ram": ram, "vcpus": vcpus, "disk": disk}, phase=Phase.DEMO
        )
        for id_, name, ram, vcpus, disk in FLAVORS
    ]


def declare(context: NodeContext) -> List[Resource]:
    """Declare Packstack's flavors and, if CONFIG_PROVISION_DEMO is y, the demo.

    The flavors do not depend on that answer: CONFIG_NOVA_MANAGE_FLAVORS=n leaves them out.
    """
    if not context.is_enabled("CONFIG_PROVISION_DEMO"):
        return declare_flavors(context)
    return [
        *declare_flavors(context),
        *_declare_project(context),
        *_declare_networks(context),
        *_declare_security_group_rules(context),
        _declare_image(context),
    ]


def _declare_object(
    context: NodeContext,
    type_: str,
    name: str,
    body: Mapping[str, Any],
    parents: Optional[Mapping[str, str]] = None,
    secrets: Optional[Mapping[str, Secret]] = None,
    phase: Phase = Phase.NETWORKS,
) -> ApiObject:
    """Declare an API object of the demo, made with the administrator's login."""
    return ApiObject(
        type=type_,
        name=name,
        body=body,
        parents=parents or {},
        secrets=secrets or {},
        credentials=context.admin_credentials,
        phase=phase,
        tags=frozenset({"demo"}),
    )


def _declare_project(context: NodeContext) -> List[Resource]:
    """Declare the demo's project, and its user with their roles."""
    password = {"password": context["CONFIG_KEYSTONE_DEMO_PW"]}
    extra_roles = [role for spec in REGISTERED_SPECS if spec.is_requested(context) for role in spec.user_roles]
    roles = {"project": "demo", "roles": ("member", *extra_roles)}
    return [
        _declare_object(context, "project", "demo", {"description": "default tenant"}, phase=Phase.CATALOG),
        _declare_object(context, "user", "demo", roles, secrets=password, phase=Phase.CATALOG),
    ]


def _declare_networks(context: NodeContext) -> List[Resource]:
    """Declare the external network and the project's network behind a router."""
    external = {
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": external_physnet(context),
    }
    demo = {"project": "demo"}
    private_range = IPv4Network(str(context["CONFIG_PROVISION_DEMO_PRIVATE_RANGE"]), strict=False)
    private = {
        "cidr": str(private_range),
        "ip_version": 4,
        "enable_dhcp": True,
        "gateway_ip": str(next(private_range.hosts())),
    }
    router = {"external_network": "public", "interfaces": ("private_subnet",)}
    return [
        _declare_object(context, "network", "public", external),
        _declare_object(context, "subnet", "public_subnet", _public_subnet(context), {"network": "public"}),
        _declare_object(
            context, "network", "private", {"provider:network_type": tenant_network_types(context)[0]}, demo
        ),
        _declare_object(context, "subnet", "private_subnet", private, {"network": "private", **demo}),
        _declare_object(context, "router", "router1", router, demo),
    ]


def _public_subnet(context: NodeContext) -> Dict[str, Any]:
    """Return the body of the external network's subnet: the floating range."""
    floating_range = context.floating_range
    subnet: Dict[str, Any] = {
        "cidr": str(floating_range),
        "ip_version": 4,
        "enable_dhcp": False,
        "gateway_ip": _gateway_address(context),
    }
    pools = parse_allocation_pools(context.answers.get("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"))
    return {**subnet, "allocation_pools": pools} if pools else subnet


def _gateway_address(context: NodeContext) -> str:
    """Return the floating range's gateway.

    It is the node's own router where the range belongs to the network behind the external bridge, otherwise the
    first address, which is the bridge's own.
    """
    floating_range, router = context.floating_range, context.facts.network.default_gateway
    is_shared = (
        context.external_bridge in bridges_with_interface(context) and router and ip_address(router) in floating_range
    )
    return router if is_shared else str(next(floating_range.hosts()))


def parse_allocation_pools(answer: object) -> List[Dict[str, str]]:
    """Convert Packstack's ``["start=A,end=B", ...]`` into Neutron's allocation pools.

    The answer is JSON or a sequence. Raises UsageError.
    """
    texts: Sequence[object] = (
        json.loads(answer) if isinstance(answer, str) and answer.strip() else cast(Sequence[object], answer or ())
    )
    return [_parse_pool(str(text)) for text in texts]


def _parse_pool(text: str) -> Dict[str, str]:
    """Parse ``start=A,end=B`` into a pool as Neutron has it. Raises UsageError."""
    match = re.fullmatch(r"\s*start=([\d.]+)\s*,\s*end=([\d.]+)\s*", text)
    if not match:
        raise UsageError(
            f"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS: {text!r} is not a pool",
            'write it as ["start=ADDRESS,end=ADDRESS"], or [] for the whole range',
        )
    return {"start": match[1], "end": match[2]}


def _declare_security_group_rules(context: NodeContext) -> List[Resource]:
    """Declare rules that allow ping and SSH to the project's servers."""
    common = {"direction": "ingress", "ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"}
    ssh = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    return [
        _declare_object(
            context, "security_group_rule", "demo-icmp", {**common, "protocol": "icmp"}, {"project": "demo"}
        ),
        _declare_object(context, "security_group_rule", "demo-ssh", {**common, **ssh}, {"project": "demo"}),
    ]


def _declare_image(context: NodeContext) -> ApiObject:
    """Declare the image of the answers; the node gets it from its path or URL."""
    properties = str(context.answers.get("CONFIG_PROVISION_IMAGE_PROPERTIES") or "")
    extra_properties = dict(part.strip().split("=", 1) for part in properties.split(",") if "=" in part)
    body = {
        "disk_format": str(context.answers.get("CONFIG_PROVISION_IMAGE_FORMAT") or "qcow2"),
        "container_format": "bare",
        "visibility": "public",
        **extra_properties,
        "source": str(context["CONFIG_PROVISION_IMAGE_URL"]),
    }
    proxy = context.answers.get("CONFIG_HTTP_PROXY")
    secrets = {"proxy": proxy} if proxy else {}
    return _declare_object(
        context, "image", str(context["CONFIG_PROVISION_IMAGE_NAME"]), body, secrets=secrets, phase=Phase.DEMO
    )
