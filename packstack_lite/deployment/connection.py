"""Open a connection to one node: over SSH, or directly to this machine.

Used by ``connect``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import List, Sequence, Union

from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.options import Callbacks, ConnectionOptions
from packstack_lite.errors import UsageError
from packstack_lite.remote.command import Connection, Job, JobResult, JobWatcher
from packstack_lite.remote.connection_proxy import ConnectionProxy
from packstack_lite.remote.connections import LocalConnection, SshConnection
from packstack_lite.remote.session import SshTarget


def open_connection(
    target: ConnectionTarget, options: ConnectionOptions, callbacks: Callbacks
) -> Union[LocalConnection, SshConnection]:
    """Connect to a node and become root there. Raises ConnectError."""
    if target.is_local:
        return LocalConnection(target.address)
    return SshConnection(
        SshTarget(
            host=target.address,
            user=target.user or "",
            port=target.port or 0,
            key_file=str(target.key_file or ""),
            known_hosts_file=str(target.known_hosts_file or ""),
            accept_new_host_key=options.accept_new_host_key,
            config_file=_ssh_config_file(options),
        ),
        confirm=callbacks.confirm,
        ask_password=callbacks.ask_password,
        warn=callbacks.warn,
    )


def _ssh_config_file(options: ConnectionOptions) -> str:
    """Return the ssh_config(5) file to read.

    Raises UsageError if a named file is missing; ~/.ssh/config may be missing.
    """
    if not options.ssh_config:
        return SshTarget.config_file
    if not os.path.isfile(options.ssh_config):
        raise UsageError(f"{options.ssh_config} is not a file", "name a file that ssh -F would read")
    return str(options.ssh_config)


class JobTimeoutConnection(ConnectionProxy):
    """A connection that replaces the timeout of every job (``--timeout``).

    ``timeout`` is in seconds.
    """

    def __init__(self, connection: Connection, timeout: float) -> None:
        super().__init__(connection, connection.name)
        self._timeout = timeout

    def run_jobs(self, jobs: Sequence[Job], watcher: JobWatcher) -> List[JobResult]:
        """Run jobs with this connection's timeout in place of their own; return results."""
        return super().run_jobs([replace(job, timeout=self._timeout) for job in jobs], watcher)
