"""What each service has in the catalogue: an account, a name, three endpoints."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Entity
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services.cloud import Cloud, tags

INTERFACES = ("public", "internal", "admin")


def account(cloud: Cloud, name: str, password: Secret) -> Entity:
    """A service's user in project ``service``; ``service`` is the role that lets it vouch for users' tokens."""
    return Entity(
        type="user",
        name=name,
        body={"project": "service", "roles": ("admin", "service")},
        secrets={"password": password},
        api=cloud.api,
        phase=Phase.CATALOG,
        tags=tags(name),
    )


def service(cloud: Cloud, name: str, type_: str, url: str, description: str, tag: str = "") -> List[Resource]:
    """The service and its endpoints, the same URL for each interface; tagged by its name unless told otherwise."""
    entry = Entity(
        type="service",
        name=name,
        body={"type": type_, "description": description},
        api=cloud.api,
        phase=Phase.CATALOG,
        tags=tags(tag or name),
    )
    return [entry, *[_endpoint(cloud, name, interface, url, tag or name) for interface in INTERFACES]]


def _endpoint(cloud: Cloud, name: str, interface: str, url: str, tag: str) -> Entity:
    return Entity(
        type="endpoint",
        name=f"{name}-{interface}",
        body={"service": name, "interface": interface, "url": url, "region": cloud.region},
        api=cloud.api,
        phase=Phase.CATALOG,
        tags=tags(tag),
    )
