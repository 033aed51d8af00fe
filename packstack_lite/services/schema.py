"""Schemas: the once-jobs that make and upgrade a service's tables."""

from __future__ import annotations

from importlib import resources
from typing import List, Sequence

from packstack_lite.resources import Database, Once
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import DATABASE_ACCESS, Account, Cloud, tags


def database(cloud: Cloud, service: str, account: Account, also: Sequence[str] = ()) -> Database:
    """A schema and the account that owns it, let in from the controller and from ``also`` alone.

    A cloud of one host has no address in ``also``: it is the controller's.
    """
    return Database(
        name=account.schema,
        user=account.user,
        password=account.password,
        hosts=tuple(dict.fromkeys(host for host in (cloud.address, *also) if host)),
        access="" if cloud.database_here else DATABASE_ACCESS,
        phase=Phase.DATABASES,
        tags=tags(service),
    )


def program(name: str) -> bytes:
    """The source of a program that runs on the host, read from its standard input there."""
    return (resources.files("packstack_lite.services") / "hostside" / name).read_bytes()


def sync(
    cloud: Cloud,
    service: str,
    script: str,
    marker: str = "",
    stdin: bytes = b"",
    needs: Sequence[str] = (),
) -> Once:
    """Bring a schema to the release of the profile; done again when the release is another.

    ``marker`` is a table that only the last step of the migration fills; the profile's unless there is a better one.
    """
    return Once(
        name=f"{service}-schema",
        script=script,
        stdin=stdin,
        done=cloud.in_database(f"SELECT COUNT(*) > 0 FROM {marker or cloud.profile.marker(service)}"),
        token=cloud.profile.release,
        known_after=Phase.DATABASES,
        phase=Phase.SCHEMA,
        tags=tags(service),
        needs=tuple(needs),
    )


def databases(cloud: Cloud, service: str, accounts: Sequence[Account]) -> List[Resource]:
    """Several schemas of one service."""
    return [database(cloud, service, account) for account in accounts]
