"""Connect to every node of a cloud and gather its facts.

Used by ``open_deployment``.
"""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import Iterator, Sequence, Tuple

from packstack_lite import activity, profiles
from packstack_lite.answers import Answers, l2_agents
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment.connection import JobTimeoutConnection, open_connection
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.node_sessions import NodeSession, run_parallel
from packstack_lite.deployment.options import Callbacks, ConnectionOptions, RunOptions
from packstack_lite.errors import ConnectError, PackstackLiteError, UsageError
from packstack_lite.nodes.facts import gather
from packstack_lite.nodes.facts.cloud import StoredKeyPlace
from packstack_lite.nodes.facts.package_source import PackageNames
from packstack_lite.nodes.node import Node
from packstack_lite.report.run_log import RunLog, open_log
from packstack_lite.secret import Masker
from packstack_lite.services.declaration import list_packages
from packstack_lite.services.registry import STORED_KEYS

# A run with 100 nodes had 310 open files (2026-12-01): sockets and logs. This leaves room for more.
FILES_PER_NODE = 8
FILES_WITHOUT_NODES = 256

FactQueries = Tuple[Sequence[str], Sequence[str], Sequence[StoredKeyPlace], PackageNames]


@contextmanager
def connect_nodes(
    sessions: Sequence[NodeSession],
    answers: Answers,
    user_tree: UserTree,
    connection: ConnectionOptions,
    run: RunOptions,
    callbacks: Callbacks,
) -> Iterator[Masker]:
    """Connect to all nodes at once and open their run logs; close all at the end.

    Yields the masker of the run's secrets. Excluded nodes are left alone. Raises ConnectError if the controller is
    out of reach; for another node the error is kept in its session. An error of the run goes into every run log.
    """
    masker = Masker([*answers.secrets(), *user_tree.find_secrets()])
    included = [session for session in sessions if not session.node.is_excluded]
    for session in included:
        session.log = _open_run_log(session.target, masker)
    try:
        allow_open_files(len(included))
        run_parallel(
            lambda session: _connect_node(session, masker, answers, connection, run, callbacks), included, run.parallel
        )
        if included[0].connect_error:
            raise included[0].connect_error
        yield masker
    except PackstackLiteError as error:
        logs = [session.log for session in included if session.log]
        for log in logs:
            log.write(f"{error.message}\n{error.hint}")
        callbacks.progress(f"log of this run: {', '.join(str(log.directory) for log in logs)}")
        raise
    except KeyboardInterrupt:
        for session in included:
            if session.log:
                session.log.write("\n".join(["interrupted", *activity.describe_activities(activity.list_activities())]))
            if session.connection:
                session.connection.abort()
        raise
    finally:
        for session in included:
            if session.connection:
                session.connection.close()
            if session.log:
                session.log.close()


def allow_open_files(nodes: int) -> None:
    """Raise this process's limit of open files to what the nodes need, if it may.

    The usual limit of 1024 ends at about 330 nodes. The limit of the system is left alone: programs that this process
    starts inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_WITHOUT_NODES + FILES_PER_NODE * nodes
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _connect_node(
    session: NodeSession,
    masker: Masker,
    answers: Answers,
    options: ConnectionOptions,
    run: RunOptions,
    callbacks: Callbacks,
) -> None:
    """Connect to a node and gather its facts; store a ConnectError in the session."""
    log = session.log
    assert log
    try:
        with callbacks.working(f"{session.target.address}: connecting"):
            connection = open_connection(session.target, options, callbacks)
    except ConnectError as error:
        session.connect_error = error
        return
    connection.masker = masker
    if run.debug:
        connection.on_reply = lambda command, reply: log.write_exchange(
            connection.name, command.description, command.script, reply.code, reply.out, reply.err
        )
    session.connection = JobTimeoutConnection(connection, run.job_timeout) if run.job_timeout else connection
    with callbacks.working(f"{session.target.address}: reading its facts"):
        session.facts = gather.gather_facts(session.connection, *build_fact_queries(answers, session.node))


def build_fact_queries(answers: Answers, node: Node) -> FactQueries:
    """Return what facts to gather of a node beyond those of every node.

    These are NFS exports, uplinks as BRIDGE:INTERFACE, where the services keep keys of stored data, and the packages
    that apt would install on the node.
    """
    stored_keys = tuple((key.parameter, key.path, key.option) for _, key in STORED_KEYS)
    return _nfs_exports(answers), _bridge_uplinks(answers), stored_keys, _package_names(answers, node)


def _package_names(answers: Answers, node: Node) -> PackageNames:
    """Return what apt would install on the node, by operating system."""
    return [
        (profile.os_id, version, list_packages(answers, profile, node))
        for profile in map(profiles.load, profiles.list_names())
        if profile.package_manager == "apt"
        for version in profile.os_versions
    ]


def _nfs_exports(answers: Answers) -> Sequence[str]:
    """Return the NFS exports that hold volumes."""
    uses_nfs = answers.get("CONFIG_CINDER_INSTALL") and "nfs" in answers.get("CONFIG_CINDER_BACKEND", ())
    return tuple(answers["CONFIG_CINDER_NFS_MOUNTS"]) if uses_nfs else ()


def _bridge_uplinks(answers: Answers) -> Sequence[str]:
    """Return the deployed L2 agent's uplinks, as BRIDGE:INTERFACE.

    An uplink is an interface to be moved into a bridge.
    """
    return tuple(answers.get(l2_agents.agent_parameter(answers, "BRIDGE_IFACES")) or ())


def _open_run_log(target: ConnectionTarget, masker: Masker) -> RunLog:
    """Open the run log of a node. Raises UsageError if it cannot be written."""
    try:
        return open_log(target.address, masker)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: the log of this run cannot be written: {error.strerror}",
            "make it writable, or choose another directory: XDG_STATE_HOME=DIR packstack-lite ...",
        ) from error
