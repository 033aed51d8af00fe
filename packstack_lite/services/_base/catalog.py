"""What each service has in the catalogue: an account, a name, three endpoints."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext, make_tags

INTERFACES = ("public", "internal", "admin")


def declare_account(context: NodeContext, name: str, password: Secret) -> ApiObject:
    """A service's user in project ``service``; ``service`` is the role that lets it vouch for users' tokens."""
    return ApiObject(
        type="user",
        name=name,
        body={"project": "service", "roles": ("admin", "service")},
        secrets={"password": password},
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(name),
    )


def declare_service(
    context: NodeContext, name: str, service_type: str, url: str, description: str, tag: str = ""
) -> List[Resource]:
    """The service and its endpoints, the same URL for each interface; tagged by its name unless told otherwise."""
    entry = ApiObject(
        type="service",
        name=name,
        body={"type": service_type, "description": description},
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(tag or name),
    )
    return [entry, *[_endpoint(context, name, interface, url, tag or name) for interface in INTERFACES]]


def _endpoint(context: NodeContext, name: str, interface: str, url: str, tag: str) -> ApiObject:
    return ApiObject(
        type="endpoint",
        name=f"{name}-{interface}",
        body={"service": name, "interface": interface, "url": url, "region": context.region},
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(tag),
    )
