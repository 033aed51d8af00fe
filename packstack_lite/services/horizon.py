"""Horizon: the dashboard, under the web server."""

from __future__ import annotations

import posixpath
from typing import List

from packstack_lite.resources import Absent
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import Cloud, tags

SITES = ("site-default-ssl", "site-default")


def declare(cloud: Cloud) -> List[Resource]:
    """Settings, and the web server without the sites that keep it from starting."""
    settings = cloud.file("horizon", "horizon", group=cloud.profile.user("httpd"))
    sites = [_without(cloud.profile.path(site)) for site in SITES]
    page = f"http://{cloud.address}{cloud.profile.path('webroot')}/auth/login/"
    return [
        settings,
        *sites,
        cloud.unit("httpd", "horizon", [settings, *sites], ready=cloud.http_ready(page), ready_timeout=180),
    ]


def _without(site: str) -> Absent:
    return Absent(path=site, comes_with=posixpath.dirname(site), phase=Phase.CONFIGURE, tags=tags("horizon"))
