"""Declare how the distribution runs a WSGI API.

With uwsgi, the web server, or gunicorn. Called by the services.
"""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.services._base.context import PORTS, NodeContext

# One for all APIs: what differs is in the profile.
UWSGI, VHOST = "common/uwsgi.ini.j2", "common/vhost.conf.j2"


def wsgi_files(context: NodeContext, service: str, role: str, account: str) -> List[File]:
    """Declare the files that run the API ``role`` as ``account``.

    Empty if the unit serves the API itself, by the service's own configuration.
    """
    profile = context.profile
    if role in profile.uwsgi:
        api = profile.uwsgi_api(role)
        return [context.render_file(service, f"{role}-uwsgi", template=UWSGI, api=api, account=account)]
    if role in profile.mod_wsgi:
        vhost = profile.mod_wsgi[role]
        port = PORTS[role]
        return [context.render_file(service, f"{role}-vhost", template=VHOST, host=vhost, account=account, port=port)]
    if f"{role}-gunicorn" in profile.paths:
        return [context.render_file(service, f"{role}-gunicorn", account=account, port=PORTS[role])]
    return []
