"""Horizon, the dashboard, run by the web server."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import Absent
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import EVERY_SERVICE, Port, ServiceSpec

SPEC = ServiceSpec(
    name="horizon",
    after=(EVERY_SERVICE,),
    answer="CONFIG_HORIZON_INSTALL",
    ports=(Port("dashboard", 80, ("httpd",), is_public=True),),
    units=("httpd",),
    user="httpd",
    template_dir="horizon",
    smoke_cases=("horizon",),
)

# Where the dashboard is with Packstack, and with Debian's packages: both paths lead to it.
WEB_ROOTS = ("/dashboard", "/horizon")
# Sites of the distribution that keep the web server from starting.
DEFAULT_SITES = ("site-default-ssl", "site-default")


def declare(context: NodeContext) -> List[Resource]:
    """Declare the dashboard's settings, its site, and the sites to remove."""
    webroot = context.profile.path("webroot")
    aliases = [path for path in WEB_ROOTS if path != webroot]
    settings = context.render_file("horizon", "horizon", group=context.profile.user("httpd"))
    site = context.render_file("horizon", "horizon-site", webroot=webroot, aliases=aliases)
    removed_sites = [
        Absent(
            path=context.profile.path(site),
            brought_by=context.profile.packages_for("horizon"),
            phase=Phase.CONFIGURE,
            tags=make_tags("horizon"),
        )
        for site in DEFAULT_SITES
        if site in context.profile.paths
    ]
    page = f"http://{context.controller_address}{webroot}/auth/login/"
    restart_triggers = [settings, site, *removed_sites]
    # RDO's unit collects and compresses the static files before each start, which may take five minutes.
    unit = context.declare_unit("httpd", "horizon", restart_triggers, ready=context.http_check(page), ready_timeout=300)
    return [*restart_triggers, unit]
