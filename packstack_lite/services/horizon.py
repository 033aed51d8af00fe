"""Horizon: the dashboard, under the web server."""

from __future__ import annotations

import posixpath
from typing import List

from packstack_lite.resources import Absent
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import Cloud, tags

SITES = ("site-default-ssl", "site-default")


def declare(cloud: Cloud) -> List[Resource]:
    """Settings, how to run them where the distribution's way fails, no site that keeps the web server from starting."""
    settings = cloud.file("horizon", "horizon", group=cloud.profile.user("httpd"))
    snippet = cloud.optional("horizon", "horizon-wsgi")
    sites = [_without(cloud.profile.path(site)) for site in SITES if site in cloud.profile.paths]
    page = f"http://{cloud.address}{cloud.profile.path('webroot')}/auth/login/"
    read = [settings, *snippet, *sites]
    # RDO's unit collects and compresses what the pages consist of before each start, and may take five minutes.
    unit = cloud.unit("httpd", "horizon", read, ready=cloud.http_ready(page), ready_timeout=300)
    return [*read, unit]


def _without(site: str) -> Absent:
    return Absent(path=site, comes_with=posixpath.dirname(site), phase=Phase.CONFIGURE, tags=tags("horizon"))
