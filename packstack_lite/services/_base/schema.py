"""Schemas: the once-jobs that make and upgrade a service's tables."""

from __future__ import annotations

from importlib import resources
from typing import List, Sequence

from packstack_lite.resources import Database, RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG, DatabaseAccount, NodeContext, make_tags


def declare_database(
    context: NodeContext, service: str, account: DatabaseAccount, extra_hosts: Sequence[str] = ()
) -> Database:
    """A schema and the account that owns it, let in from the controller and from ``also`` alone.

    A cloud of one host has no address in ``also``: it is the controller's.
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
    """The source of a program that runs on the host, read from its standard input there."""
    return (resources.files("packstack_lite.services") / "hostside" / name).read_bytes()


def declare_schema_sync(
    context: NodeContext,
    service: str,
    script: str,
    marker: str = "",
    stdin: bytes = b"",
    needs: Sequence[str] = (),
) -> RunOnce:
    """Bring a schema to the release of the profile; done again when the release is another.

    ``marker`` is a table that only the last step of the migration fills; the profile's unless there is a better one.
    """
    return RunOnce(
        name=f"{service}-schema",
        script=script,
        stdin=stdin,
        probe_script=context.sql_check(f"SELECT COUNT(*) > 0 FROM {marker or context.profile.marker_table(service)}"),
        fingerprint=context.profile.release,
        known_after=Phase.DATABASES,
        phase=Phase.SCHEMA,
        tags=make_tags(service),
        needs=tuple(needs),
    )


def declare_databases(context: NodeContext, service: str, accounts: Sequence[DatabaseAccount]) -> List[Resource]:
    """Several schemas of one service."""
    return [declare_database(context, service, account) for account in accounts]
