"""Declare how the distribution runs a WSGI API.

With uwsgi, the web server, or gunicorn. Called by the services.
"""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.services._base.context import PORTS, NodeContext


def wsgi_files(context: NodeContext, service: str, role: str, account: str) -> List[File]:
    """Declare the files that run the API ``role`` as ``account``.

    Empty if the unit serves the API itself, by the service's own configuration.
    """
    profile = context.profile
    if role in profile.uwsgi:
        return [context.render_file(service, f"{role}-uwsgi", api=profile.uwsgi_api(role), account=account)]
    if role in profile.mod_wsgi:
        vhost = profile.mod_wsgi[role]
        return [context.render_file(service, f"{role}-vhost", host=vhost, account=account, port=PORTS[role])]
    if f"{role}-gunicorn" in profile.paths:
        return [context.render_file(service, f"{role}-gunicorn", account=account, port=PORTS[role])]
    return []
