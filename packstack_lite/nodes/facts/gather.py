"""Gather the facts of a node in one round trip. Used by ``deployment``."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence, Tuple

from packstack_lite.errors import PhaseError
from packstack_lite.nodes.facts import (
    Facts,
    cloud,
    hardware,
    network,
    package_source,
    repositories,
    security,
    software,
    storage,
    system,
    uplinks,
)
from packstack_lite.nodes.facts.fields import parse_fields, parse_key_values
from packstack_lite.remote.command import Command, Connection, Reply

# Without them the scripts did not run to their end.
_REQUIRED_KEYS = ("epoch", "memory")


def build_commands(
    nfs_exports: Sequence[str] = (),
    bridge_interfaces: Sequence[str] = (),
    stored_keys: Sequence[cloud.StoredKeyPlace] = (),
    package_names: package_source.PackageNames = (),
) -> List[Command]:
    """Return the commands that read every fact, as one batch.

    ``nfs_exports`` (``SERVER:/PATH``) are tried, ``bridge_interfaces`` (``BRIDGE:INTERFACE``) are read as uplinks, and
    ``stored_keys`` are looked for, ``package_names`` are what apply would install, by operating system.
    """
    return [
        system.build_command(),
        package_source.build_command(package_names),
        hardware.build_kvm_command(),
        hardware.build_command(),
        *network.build_commands(),
        *storage.build_commands(nfs_exports),
        repositories.build_command(),
        security.build_command(),
        software.build_command(),
        cloud.build_command(stored_keys),
        *uplinks.build_commands(bridge_interfaces),
    ]


def gather_facts(
    connection: Connection,
    nfs_exports: Sequence[str] = (),
    bridge_interfaces: Sequence[str] = (),
    stored_keys: Sequence[cloud.StoredKeyPlace] = (),
    package_names: package_source.PackageNames = (),
) -> Facts:
    """Gather the node's facts in one round trip.

    Raises PhaseError if they cannot be read.
    """
    return run_and_gather_facts(connection, (), nfs_exports, bridge_interfaces, stored_keys, package_names)[1]


def run_and_gather_facts(
    connection: Connection,
    first_commands: Sequence[Command],
    nfs_exports: Sequence[str] = (),
    bridge_interfaces: Sequence[str] = (),
    stored_keys: Sequence[cloud.StoredKeyPlace] = (),
    package_names: package_source.PackageNames = (),
) -> Tuple[List[Reply], Facts]:
    """Run commands, then gather facts, in one round trip.

    Raises PhaseError if the facts cannot be read.

    Returns the replies to ``first_commands`` and the facts as they are afterwards.
    """
    # Concurrent commands would begin before the first.
    fact_commands = [
        replace(command, concurrent=command.concurrent and not first_commands)
        for command in build_commands(nfs_exports, bridge_interfaces, stored_keys, package_names)
    ]
    replies = connection.run([*first_commands, *fact_commands])
    try:
        return replies[: len(first_commands)], parse_facts(replies[len(first_commands) :])
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise PhaseError(
            f"{connection.name}: its facts cannot be read: {error}",
            "log in and check that commands run to their end there",
        ) from error


def parse_facts(replies: Sequence[Reply]) -> Facts:
    """Parse the replies to ``build_commands()``.

    Raises ValueError if the first script failed, a command timed out or a required value is missing.
    """
    system_reply, package_reply, kvm_reply, *other_replies = replies
    values_by_key = parse_key_values([system_reply, package_reply, kvm_reply, *other_replies])
    if not system_reply.ok:
        raise ValueError(f"exit code {system_reply.code}: {system_reply.err.strip()[-300:] or 'no error message'}")
    # A fact that is late would be taken for one of a thing that is not there. KVM and packages have answers for that.
    if any(reply.code == package_source.TIMEOUT_EXIT_CODE for reply in other_replies):
        raise ValueError("the node is so slow that some commands timed out")
    missing_keys = [key for key in _REQUIRED_KEYS if key not in values_by_key]
    if missing_keys:
        raise ValueError(f"no value for {', '.join(missing_keys)}")
    values_by_key["package_source"] = [package_source.parse_result(package_reply)]
    return Facts(
        system=parse_fields(system.SystemFacts, values_by_key),
        hardware=parse_fields(hardware.HardwareFacts, values_by_key),
        network=parse_fields(network.NetworkFacts, values_by_key),
        storage=parse_fields(storage.StorageFacts, values_by_key),
        software=parse_fields(software.SoftwareFacts, values_by_key),
        security=parse_fields(security.SecurityFacts, values_by_key),
        cloud=parse_fields(cloud.CloudFacts, values_by_key),
    )
