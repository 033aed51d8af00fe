"""Declare databases, and the jobs that create and upgrade their tables.

Called by the services.
"""

from __future__ import annotations

from importlib import resources
from typing import List, Sequence

from packstack_lite.resources import Database, RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG, DatabaseAccount, NodeContext, make_tags
from packstack_lite.services._base.spec import ServiceDatabase, ServiceSpec


def database_account(context: NodeContext, database: ServiceDatabase) -> DatabaseAccount:
    """Return the login to a schema, with the password from the answers."""
    return DatabaseAccount(database.user, context[database.password_parameter], database.schema)


def declare_database(
    context: NodeContext, service: str, account: DatabaseAccount, extra_hosts: Sequence[str] = ()
) -> Database:
    """Declare a schema and its owner.

    The owner may connect from the controller and ``extra_hosts`` only.

    Empty addresses are ignored: on a cloud of one node every role has the controller's address.
    """
    return Database(
        name=account.schema,
        user=account.user,
        password=account.password,
        client_hosts=tuple(dict.fromkeys(host for host in (context.controller_address, *extra_hosts) if host)),
        option_file="" if context.has_local_database else DATABASE_CLIENT_CONFIG,
        phase=Phase.DATABASES,
        tags=make_tags(service),
    )


def read_program(name: str) -> bytes:
    """Return the source of a program in ``services/hostside``.

    Python or sh on the node takes it from standard input, so no file is left there.
    """
    return (resources.files("packstack_lite.services") / "hostside" / name).read_bytes()


def declare_schema_sync(
    context: NodeContext,
    service: str,
    script: str,
    marker: str = "",
    stdin: bytes = b"",
    needs: Sequence[str] = (),
) -> RunOnce:
    """Declare the job that migrates a schema to the profile's release.

    It runs again when the release changes.

    ``marker`` is a table that only the last step of the migration fills (the profile's by default). ``stdin`` is
    the script's standard input.
    """
    return RunOnce(
        name=f"{service}-schema",
        script=script,
        stdin=stdin,
        probe_script=context.sql_check(f"SELECT COUNT(*) > 0 FROM {marker or context.profile.marker_table(service)}"),
        fingerprint=context.profile.release,
        known_after=Phase.DATABASES,
        description=f"create or upgrade the tables of {service}",
        phase=Phase.SCHEMA,
        tags=make_tags(service),
        needs=tuple(needs),
    )


def declare_databases(context: NodeContext, spec: ServiceSpec) -> List[Resource]:
    """Declare every schema of a service, from its spec."""
    return [declare_database(context, spec.name, database_account(context, database)) for database in spec.databases]
