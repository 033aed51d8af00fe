"""Declare a service's account, catalog entries and endpoints.

Called by the services, with their SPEC.
"""

from __future__ import annotations

from typing import List

from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import Api, ServiceSpec

INTERFACES = ("public", "internal", "admin")


def declare_catalog(context: NodeContext, spec: ServiceSpec) -> List[Resource]:
    """Declare a service's account, the roles that it names, and its enabled APIs."""
    apis = spec.enabled_apis(context.answers)
    account = [_declare_account(context, spec)] if spec.account_parameter else []
    roles = [declare_role(context, spec.name, name) for name in (*spec.user_roles, *spec.admin_roles)]
    return [*roles, *account, *[resource for api in apis for resource in _declare_api(context, spec, api)]]


def declare_role(context: NodeContext, service: str, name: str) -> ApiObject:
    """Declare a role of Keystone that a service needs."""
    return ApiObject(
        type="role",
        name=name,
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(service),
    )


def _declare_account(context: NodeContext, spec: ServiceSpec) -> ApiObject:
    """Declare a service's user in project ``service``.

    Its role ``service`` lets it validate users' tokens.
    """
    return ApiObject(
        type="user",
        name=spec.name,
        body={"project": "service", "roles": ("admin", "service")},
        secrets={"password": context[spec.account_parameter]},
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(spec.name),
    )


def _declare_api(context: NodeContext, spec: ServiceSpec, api: Api) -> List[Resource]:
    """Declare an API's service and its endpoints, with one URL on every interface."""
    name, url = api.catalog_name or api.name, context.endpoint_url(api.name, api.path)
    service = ApiObject(
        type="service",
        name=name,
        body={"type": api.type, "description": api.description},
        credentials=context.admin_credentials,
        phase=Phase.CATALOG,
        tags=make_tags(spec.name),
    )
    endpoints = [
        ApiObject(
            type="endpoint",
            name=f"{name}-{interface}",
            body={"service": name, "interface": interface, "url": url, "region": context.region},
            credentials=context.admin_credentials,
            phase=Phase.CATALOG,
            tags=make_tags(spec.name),
        )
        for interface in INTERFACES
    ]
    return [service, *endpoints]
