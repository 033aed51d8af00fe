"""Opening a target: over SSH, or this machine directly; questions only on a terminal."""

from __future__ import annotations

from typing import Any, Dict, Union

import click

from packstack_lite.cli.options import Options
from packstack_lite.cli.target import Target
from packstack_lite.cli.terminal import attended
from packstack_lite.errors import UsageFault
from packstack_lite.remote.host import LocalHost, RemoteHost
from packstack_lite.remote.session import Target as SshTarget
from packstack_lite.secret import Secret


def reach(options: Options, target: Target) -> Union[LocalHost, RemoteHost]:
    """A host we are root on. Raises ConnectFault."""
    if target.direct:
        return LocalHost(target.address)
    policy: Dict[str, Any] = {"ask": _ask, "password": _password} if attended() else {}
    return RemoteHost(
        SshTarget(
            host=target.address,
            user=target.user or "",
            port=target.port or 0,
            key=str(target.key or ""),
            known_hosts=str(target.known_hosts or ""),
            accept_new=options.accept_new,
            config_file=_config_file(options),
        ),
        **policy,
    )


def _config_file(options: Options) -> str:
    """The ssh_config(5) file to read. Only the user's own may be absent: UsageFault for one that was named."""
    if not options.ssh_config:
        return SshTarget.config_file
    if not options.ssh_config.is_file():
        raise UsageFault(f"{options.ssh_config} is no file", "name one that ssh -F would read")
    return str(options.ssh_config)


def _ask(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def _password(question: str) -> Secret:
    return Secret(str(click.prompt(question, hide_input=True, err=True)))
