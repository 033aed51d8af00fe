"""What a person at the host needs to use the cloud: files to source, as Packstack leaves them."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services.cloud import Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """keystonerc_admin, and keystonerc_demo when there is a demo, in root's home."""
    admin = _rc(cloud, "admin", str(cloud["CONFIG_KEYSTONE_ADMIN_USERNAME"]), cloud["CONFIG_KEYSTONE_ADMIN_PW"])
    if not cloud.says("CONFIG_PROVISION_DEMO"):
        return [admin]
    return [admin, _rc(cloud, "demo", "demo", cloud["CONFIG_KEYSTONE_DEMO_PW"])]


def _rc(cloud: Cloud, project: str, user: str, password: Secret) -> File:
    return File(
        path=f"/root/keystonerc_{project}",
        content=cloud.render("client/root/keystonerc.j2", project=project, user=user, password=password),
        mode=0o600,
        phase=Phase.CONFIGURE,
        tags=tags("client"),
    )
