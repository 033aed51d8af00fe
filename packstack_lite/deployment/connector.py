"""Opening a target: over SSH, or this machine directly; questions only on a terminal."""

from __future__ import annotations

import os
from typing import Any, Dict, Union

import click

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import is_interactive, warn_once
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.errors import UsageError
from packstack_lite.remote.connections import LocalConnection, SshConnection
from packstack_lite.remote.session import SshTarget
from packstack_lite.secret import Secret


def open_connection(options: Options, target: ConnectionTarget) -> Union[LocalConnection, SshConnection]:
    """A host we are root on. Raises ConnectFault."""
    if target.is_local:
        return LocalConnection(target.address)
    prompts: Dict[str, Any] = {"confirm": _confirm, "ask_password": _prompt_password} if is_interactive() else {}
    return SshConnection(
        SshTarget(
            host=target.address,
            user=target.user or "",
            port=target.port or 0,
            key_file=str(target.key_file or ""),
            known_hosts_file=str(target.known_hosts_file or ""),
            accept_new_host_key=options.accept_new,
            config_file=_config_file(options),
        ),
        warn=lambda text: warn_once(options, text),
        **prompts,
    )


def _config_file(options: Options) -> str:
    """The ssh_config(5) file to read. Only the user's own may be absent: UsageFault for one that was named."""
    if not options.ssh_config:
        return SshTarget.config_file
    if not os.path.isfile(options.ssh_config):
        raise UsageError(f"{options.ssh_config} is no file", "name one that ssh -F would read")
    return str(options.ssh_config)


def _confirm(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def _prompt_password(question: str) -> Secret:
    return Secret(str(click.prompt(question, hide_input=True, err=True)))
