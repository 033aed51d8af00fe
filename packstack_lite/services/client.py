"""Credentials for the OpenStack client, as Packstack leaves them in root's home."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import EVERY_SERVICE, ServiceSpec

SPEC = ServiceSpec(
    name="client", after=(EVERY_SERVICE, "horizon"), answer="CONFIG_CLIENT_INSTALL", template_dir="client"
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare keystonerc_admin, and keystonerc_demo if the demo is requested."""
    admin = _declare_credentials_file(
        context, "admin", str(context["CONFIG_KEYSTONE_ADMIN_USERNAME"]), context["CONFIG_KEYSTONE_ADMIN_PW"]
    )
    if not context.is_enabled("CONFIG_PROVISION_DEMO"):
        return [admin]
    return [admin, _declare_credentials_file(context, "demo", "demo", context["CONFIG_KEYSTONE_DEMO_PW"])]


def _declare_credentials_file(context: NodeContext, project: str, user: str, password: Secret) -> File:
    """Declare /root/keystonerc_PROJECT: a login as variables, readable by root only."""
    return File(
        path=f"/root/keystonerc_{project}",
        content=context.render("client/root/keystonerc.j2", project=project, user=user, password=password),
        mode=0o600,
        phase=Phase.CONFIGURE,
        tags=make_tags("client"),
    )
