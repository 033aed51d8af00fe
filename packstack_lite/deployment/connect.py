"""Reaching the cloud's hosts: a session, a log and the facts of each."""

from __future__ import annotations

import getpass
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from packstack_lite.answers import Answers, l2_agents
from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import print_stderr
from packstack_lite.config_overrides.user_files import UserTree
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.connector import open_connection
from packstack_lite.deployment.job_timeout import JobTimeoutConnection
from packstack_lite.deployment.node_sessions import NodeSession, run_parallel
from packstack_lite.engine.events import Fanout, Listener, NodeFilter
from packstack_lite.errors import ConnectError, PackstackLiteError, UsageError
from packstack_lite.nodes.facts import gather
from packstack_lite.report.console import Console
from packstack_lite.report.run_log import RunLog, open_log
from packstack_lite.secret import Masker


@contextmanager
def connect_nodes(
    options: Options, sessions: Sequence[NodeSession], answers: Answers, user_tree: UserTree
) -> Iterator[Tuple[Masker, Listener]]:
    """Every host of the sites reached, side by side; what hides their secrets, and who hears of what is done.

    Raises ConnectFault when the controller is out of reach; of another host the site tells.
    """
    masker = Masker([*answers.secrets(), *user_tree.find_secrets()])
    included = [session for session in sessions if not session.node.is_excluded]
    for session in included:
        session.log = _open_run_log(session.target, masker)
    try:
        with Console(color=options.color, verbose=options.debug, node_count=len(included)) as console:
            run_parallel(lambda session: _connect_node(options, session, masker, build_fact_queries(answers)), included)
            if included[0].connect_error:
                raise included[0].connect_error
            listener = Fanout(
                [console, *(NodeFilter(session.target.address, session.log) for session in included if session.log)]
            )
            yield masker, listener
    except PackstackLiteError as error:
        for session in included:
            if session.log:
                session.log.write(f"{error.message}\n{error.hint}")
        print_stderr(
            options, f"log of this run: {', '.join(str(session.log.directory) for session in included if session.log)}"
        )
        raise
    finally:
        for session in included:
            if session.connection:
                session.connection.close()
            if session.log:
                session.log.close()


def _connect_node(
    options: Options, session: NodeSession, masker: Masker, fact_queries: Tuple[Sequence[str], Sequence[str]]
) -> None:
    """Connect to a host and ask it what it is; where it is out of reach, the site says why."""
    log = session.log
    assert log
    try:
        connection = open_connection(options, session.target)
    except ConnectError as error:
        session.connect_error = error
        return
    connection.masker = masker
    if options.debug:
        connection.on_reply = lambda command, reply: log.write_exchange(
            connection.name, command.description, command.script, reply.code, reply.out, reply.err
        )
    session.connection = JobTimeoutConnection(connection, options.timeout) if options.timeout else connection
    session.facts = gather.gather_facts(session.connection, *fact_queries)


def build_fact_queries(answers: Answers) -> Tuple[Sequence[str], Sequence[str]]:
    """What the answers make us ask a host for: the NFS exports, and the interfaces that go into bridges."""
    return _nfs_exports(answers), _bridge_uplinks(answers)


def _nfs_exports(answers: Answers) -> Sequence[str]:
    """The NFS exports that volumes are to be kept on."""
    uses_nfs = answers.get("CONFIG_CINDER_INSTALL") and "nfs" in answers.get("CONFIG_CINDER_BACKEND", ())
    return tuple(answers["CONFIG_CINDER_NFS_MOUNTS"]) if uses_nfs else ()


def _bridge_uplinks(answers: Answers) -> Sequence[str]:
    """The interfaces that are to go into bridges, as BRIDGE:INTERFACE, for the agent that is deployed."""
    return tuple(answers.get(l2_agents.agent_parameter(answers, "BRIDGE_IFACES")) or ())


def _open_run_log(target: ConnectionTarget, masker: Masker) -> RunLog:
    try:
        return open_log(target.address, masker)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: no log of the run can be written there: {error.strerror}",
            "make it writable, or name another place: XDG_STATE_HOME=DIR packstack-lite ...",
        ) from error


def lock_owner(pid: int = 0) -> str:
    """Who runs this, as others are told; ours unless another process of this account is meant."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {pid or os.getpid()})"


def owner_is_gone(owner: str) -> bool:
    """Whether a run was this account's on this machine, and its process is gone."""
    pid = int("".join(re.findall(r" \(process ([0-9]{1,10})\)$", owner)) or 0)
    return owner == lock_owner(pid) and not Path(f"/proc/{pid}").exists()
