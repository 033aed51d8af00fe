"""What runs an API that does not serve itself: uwsgi, the web server, or gunicorn, as the distribution has it."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import File
from packstack_lite.services.cloud import PORTS, Cloud


def runner(cloud: Cloud, service: str, role: str, account: str) -> List[File]:
    """The files that tell how the API ``role`` is run under ``account``, for its unit to read; none when the unit
    serves it by itself, as the service's own configuration says."""
    profile = cloud.profile
    if role in profile.uwsgi:
        return [cloud.file(service, f"{role}-uwsgi", api=profile.api(role), account=account)]
    if role in profile.mod_wsgi:
        host = profile.mod_wsgi[role]
        return [cloud.file(service, f"{role}-vhost", host=host, account=account, port=PORTS[role])]
    if f"{role}-gunicorn" in profile.paths:
        return [cloud.file(service, f"{role}-gunicorn", account=account, port=PORTS[role])]
    return []
