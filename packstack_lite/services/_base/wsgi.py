"""What runs an API that does not serve itself: uwsgi, the web server, or gunicorn, as the distribution has it."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.services._base.context import PORTS, NodeContext


def wsgi_files(context: NodeContext, service: str, role: str, account: str) -> List[File]:
    """The files that tell how the API ``role`` is run under ``account``, for its unit to read; none when the unit
    serves it by itself, as the service's own configuration says."""
    profile = context.profile
    if role in profile.uwsgi:
        return [context.render_file(service, f"{role}-uwsgi", api=profile.uwsgi_api(role), account=account)]
    if role in profile.mod_wsgi:
        vhost = profile.mod_wsgi[role]
        return [context.render_file(service, f"{role}-vhost", host=vhost, account=account, port=PORTS[role])]
    if f"{role}-gunicorn" in profile.paths:
        return [context.render_file(service, f"{role}-gunicorn", account=account, port=PORTS[role])]
    return []
