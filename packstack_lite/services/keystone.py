"""Keystone, the identity service: users, tokens, and the catalog."""

from __future__ import annotations

import hashlib
from typing import List, Sequence

from packstack_lite.resources import ApiObject, KeyRepository, RunOnce, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import quote_sh, reveal_text
from packstack_lite.services._base import catalog
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.schema import database_account, declare_databases, declare_schema_sync, read_program
from packstack_lite.services._base.spec import Api, ServiceDatabase, ServiceSpec
from packstack_lite.services._base.wsgi import wsgi_files

SPEC = ServiceSpec(
    name="keystone",
    after=("openvswitch",),
    apis=(Api("identity", "keystone", 5000, "/v3", "OpenStack Identity", units=("keystone",)),),
    units=("keystone",),
    user="keystone",
    # The user's name is Packstack's.
    databases=(ServiceDatabase("keystone", "keystone_admin", "CONFIG_KEYSTONE_DB_PW"),),
    template_dir="keystone",
    smoke_cases=("token", "catalog"),
)
# Rotation is daily and tokens live for an hour, so three keys keep every valid token readable.
MAX_ACTIVE_KEYS = 3


def declare(context: NodeContext) -> List[Resource]:
    """Declare Keystone, its first administrator, and the catalog's first entries."""
    config = context.render_file(
        "keystone",
        "keystone",
        group=context.profile.user("keystone"),
        connection=context.database_url(database_account(context, SPEC.databases[0])),
        active_keys=MAX_ACTIVE_KEYS,
    )
    api_files = wsgi_files(context, "keystone", "keystone", context.profile.user("keystone"))
    api_files += context.render_optional_files("keystone", "httpd-unit")
    schema = _declare_schema_sync(context)
    return [
        config,
        *api_files,
        *[_declare_key_repository(context, path_key) for path_key in ("fernet-keys", "credential-keys")],
        *(_declare_key_rotation(context) if context.is_enabled("CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE") else []),
        *declare_databases(context, SPEC),
        schema,
        _declare_bootstrap(context, schema),
        _declare_unit(context, [config, *api_files], schema),
        *_declare_catalog_entries(context),
    ]


def _declare_key_repository(context: NodeContext, path_key: str) -> KeyRepository:
    """Declare the directory of Fernet keys that is at ``path_key`` of the profile."""
    user = context.profile.user("keystone")
    return KeyRepository(
        directory=context.profile.path(path_key),
        owner=user,
        group=user,
        phase=Phase.CONFIGURE,
        tags=make_tags("keystone"),
    )


def _declare_key_rotation(context: NodeContext) -> List[Resource]:
    """Declare the systemd timer that rotates the Fernet keys daily, and its service."""
    files = [
        context.render_file("keystone", path_key, user=context.profile.user("keystone"))
        for path_key in ("fernet-service", "fernet-timer")
    ]
    timer = Unit(
        name="packstack-lite-fernet-rotate.timer",
        restart_triggers=tuple(files),
        phase=Phase.SERVICES,
        tags=make_tags("keystone"),
    )
    return [*files, timer]


def _declare_schema_sync(context: NodeContext) -> RunOnce:
    """Declare the schema job, which empties the cache first.

    Ids of an earlier database in the cache would break the bootstrap.
    """
    python = context.profile.python
    host, port = context.memcached_address.split(":")
    flush = (
        f"import socket; s = socket.create_connection(('{host}', {port}), 5); "
        "s.sendall(b'flush_all\\r\\n'); print(s.recv(16).decode().strip())"
    )
    script = f'{python} -c "{flush}" </dev/null && {context.run_as("keystone", f"{python} -")}'
    return declare_schema_sync(context, "keystone", script, stdin=read_program("keystone_db_sync.py"))


def _declare_bootstrap(context: NodeContext, schema: RunOnce) -> RunOnce:
    """Declare the job that creates the first administrator.

    It runs again when the password, the region or the address changes.
    """
    password, user = context["CONFIG_KEYSTONE_ADMIN_PW"], str(context["CONFIG_KEYSTONE_ADMIN_USERNAME"])
    url = context.endpoint_url("keystone", "/v3")
    urls = " ".join(f"--bootstrap-{interface}-url {quote_sh(url)}" for interface in catalog.INTERFACES)
    identity_options = f"--bootstrap-username {quote_sh(user)} --bootstrap-region-id {quote_sh(context.region)}"
    manage = context.run_as("keystone", f"keystone-manage bootstrap {identity_options} {urls}")
    token = "\0".join([user, reveal_text(password), context.region, url])
    return RunOnce(
        name="keystone-bootstrap",
        script=f"IFS= read -r OS_BOOTSTRAP_PASSWORD\nexport OS_BOOTSTRAP_PASSWORD\n{manage}",
        stdin=reveal_text(password).encode() + b"\n",
        probe_script=context.sql_check("SELECT COUNT(*) > 0 FROM keystone.local_user"),
        fingerprint=hashlib.sha256(token.encode()).hexdigest(),
        known_after=Phase.DATABASES,
        description="create Keystone's administrator, project and endpoints",
        makes=(f"user:{user}",),
        phase=Phase.SCHEMA,
        tags=make_tags("keystone"),
        needs=(schema.id,),
    )


def _declare_unit(context: NodeContext, restart_triggers: Sequence[Resource], schema: RunOnce) -> Unit:
    """Declare Keystone's unit, which is up when its API answers."""
    ready = context.http_check(context.endpoint_url("keystone", "/v3"))
    return context.declare_unit(
        "keystone", "keystone", restart_triggers, needs=[schema.id], ready=ready, phase=Phase.SCHEMA
    )


def _declare_catalog_entries(context: NodeContext) -> List[Resource]:
    """Declare project ``service``, role ``service`` and the identity service."""
    entries = [
        ApiObject(
            type=type_,
            name="service",
            body=body,
            credentials=context.admin_credentials,
            phase=Phase.CATALOG,
            tags=make_tags("keystone"),
        )
        for type_, body in (("project", {"description": "Service accounts"}), ("role", {}))
    ]
    return [*entries, *catalog.declare_catalog(context, SPEC)]
