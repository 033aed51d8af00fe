"""Keystone: identity, tokens, the catalogue."""

from __future__ import annotations

import hashlib
from typing import List, Sequence

from packstack_lite.resources import Entity, Keys, Once, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import plain, sh
from packstack_lite.services import catalog
from packstack_lite.services.cloud import Account, Cloud, tags
from packstack_lite.services.schema import database, program, sync
from packstack_lite.services.wsgi import runner

# A rotation keeps the key before last valid for a day, and tokens live for an hour.
ACTIVE_KEYS = 3


def account(cloud: Cloud) -> Account:
    """Keystone's login to its database; the user's name is Packstack's."""
    return Account("keystone_admin", cloud["CONFIG_KEYSTONE_DB_PW"], "keystone")


def declare(cloud: Cloud) -> List[Resource]:
    """Keystone itself, its first administrator, and what every catalogue begins with."""
    config = cloud.file(
        "keystone",
        "keystone",
        group=cloud.profile.user("keystone"),
        connection=cloud.db_url(account(cloud)),
        active_keys=ACTIVE_KEYS,
    )
    how = runner(cloud, "keystone", "keystone", cloud.profile.user("keystone"))
    how += cloud.optional("keystone", "httpd-unit")
    schema = _schema(cloud)
    return [
        config,
        *how,
        *[_keys(cloud, where) for where in ("fernet-keys", "credential-keys")],
        *(_rotation(cloud) if cloud.says("CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE") else []),
        database(cloud, "keystone", account(cloud)),
        schema,
        _bootstrap(cloud, schema),
        _unit(cloud, [config, *how], schema),
        *_catalog(cloud),
    ]


def _keys(cloud: Cloud, where: str) -> Keys:
    user = cloud.profile.user("keystone")
    return Keys(
        directory=cloud.profile.path(where),
        owner=user,
        group=user,
        phase=Phase.CONFIGURE,
        tags=tags("keystone"),
    )


def _rotation(cloud: Cloud) -> List[Resource]:
    files = [
        cloud.file("keystone", what, user=cloud.profile.user("keystone")) for what in ("fernet-service", "fernet-timer")
    ]
    timer = Unit(
        name="packstack-lite-fernet-rotate.timer",
        watches=tuple(files),
        phase=Phase.SERVICES,
        tags=tags("keystone"),
    )
    return [*files, timer]


def _schema(cloud: Cloud) -> Once:
    """A cache that knows an earlier database's ids would break the bootstrap: it is emptied first."""
    python = cloud.profile.python
    host, port = cloud.memcached.split(":")
    flush = (
        f"import socket; s = socket.create_connection(('{host}', {port}), 5); "
        "s.sendall(b'flush_all\\r\\n'); print(s.recv(16).decode().strip())"
    )
    script = f'{python} -c "{flush}" </dev/null && {cloud.as_user("keystone", f"{python} -")}'
    return sync(cloud, "keystone", script, stdin=program("keystone_db_sync.py"))


def _bootstrap(cloud: Cloud, schema: Once) -> Once:
    """The first administrator; done again when its password, the region or the address changes."""
    password, user = cloud["CONFIG_KEYSTONE_ADMIN_PW"], str(cloud["CONFIG_KEYSTONE_ADMIN_USERNAME"])
    url = cloud.endpoint("keystone", "/v3")
    urls = " ".join(f"--bootstrap-{interface}-url {sh(url)}" for interface in catalog.INTERFACES)
    who = f"--bootstrap-username {sh(user)} --bootstrap-region-id {sh(cloud.region)}"
    manage = cloud.as_user("keystone", f"keystone-manage bootstrap {who} {urls}")
    token = "\0".join([user, plain(password), cloud.region, url])
    return Once(
        name="keystone-bootstrap",
        script=f"IFS= read -r OS_BOOTSTRAP_PASSWORD\nexport OS_BOOTSTRAP_PASSWORD\n{manage}",
        stdin=plain(password).encode() + b"\n",
        done=cloud.in_database("SELECT COUNT(*) > 0 FROM keystone.local_user"),
        token=hashlib.sha256(token.encode()).hexdigest(),
        known_after=Phase.DATABASES,
        phase=Phase.SCHEMA,
        tags=tags("keystone"),
        needs=(schema.id,),
    )


def _unit(cloud: Cloud, watches: Sequence[Resource], schema: Once) -> Unit:
    ready = cloud.http_ready(cloud.endpoint("keystone", "/v3"))
    return cloud.unit("keystone", "keystone", watches, needs=[schema.id], ready=ready, phase=Phase.SCHEMA)


def _catalog(cloud: Cloud) -> List[Resource]:
    url = cloud.endpoint("keystone", "/v3")
    entries = [
        Entity(type=type_, name="service", body=body, api=cloud.api, phase=Phase.CATALOG, tags=tags("keystone"))
        for type_, body in (("project", {"description": "Service accounts"}), ("role", {}))
    ]
    return [*entries, *catalog.service(cloud, "keystone", "identity", url, "OpenStack Identity")]
