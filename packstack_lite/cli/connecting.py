"""Reaching the cloud's hosts: a session, a log and the facts of each."""

from __future__ import annotations

import getpass
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from packstack_lite.answers import Answers, agents
from packstack_lite.cli.options import Options
from packstack_lite.cli.patience import Patient
from packstack_lite.cli.reach import reach
from packstack_lite.cli.sites import Site, side_by_side
from packstack_lite.cli.target import Target
from packstack_lite.cli.terminal import say
from packstack_lite.engine.events import Fanout, Listener, OfHost
from packstack_lite.errors import ConnectFault, PackstackLiteError, UsageFault
from packstack_lite.hosts import gather
from packstack_lite.report.console import Console
from packstack_lite.report.runlog import RunLog, open_log
from packstack_lite.secret import Masker
from packstack_lite.services.given import Tree


@contextmanager
def connected(
    options: Options, found: Sequence[Site], answers: Answers, tree: Tree
) -> Iterator[Tuple[Masker, Listener]]:
    """Every host of the sites reached, side by side; what hides their secrets, and who hears of what is done.

    Raises ConnectFault when the controller is out of reach; of another host the site tells.
    """
    masker = Masker([*answers.secrets(), *tree.secrets()])
    wanted = [site for site in found if not site.member.left]
    for site in wanted:
        site.log = _log(site.target, masker)
    try:
        with Console(color=options.color, verbose=options.debug, hosts=len(wanted)) as console:
            side_by_side(lambda site: _reach(options, site, masker, asked(answers)), wanted)
            if wanted[0].trouble:
                raise wanted[0].trouble
            listener = Fanout([console, *(OfHost(site.target.address, site.log) for site in wanted if site.log)])
            yield masker, listener
    except PackstackLiteError as error:
        for site in wanted:
            if site.log:
                site.log.say(f"{error.message}\n{error.hint}")
        say(options, f"log of this run: {', '.join(str(site.log.directory) for site in wanted if site.log)}")
        raise
    finally:
        for site in wanted:
            if site.host:
                site.host.close()
            if site.log:
                site.log.close()


def _reach(options: Options, site: Site, masker: Masker, questions: Tuple[Sequence[str], Sequence[str]]) -> None:
    """Connect to a host and ask it what it is; where it is out of reach, the site says why."""
    log = site.log
    assert log
    try:
        host = reach(options, site.target)
    except ConnectFault as trouble:
        site.trouble = trouble
        return
    host.masker = masker
    if options.debug:
        host.told = lambda command, reply: log.exchange(
            host.name, command.says, command.script, reply.code, reply.out, reply.err
        )
    site.host = Patient(host, options.timeout) if options.timeout else host
    site.facts = gather.gather(site.host, *questions)


def asked(answers: Answers) -> Tuple[Sequence[str], Sequence[str]]:
    """What the answers make us ask a host for: the NFS exports, and the interfaces that go into bridges."""
    return _exports(answers), _uplinks(answers)


def _exports(answers: Answers) -> Sequence[str]:
    """The NFS exports that volumes are to be kept on."""
    wanted = answers.get("CONFIG_CINDER_INSTALL") and "nfs" in answers.get("CONFIG_CINDER_BACKEND", ())
    return tuple(answers["CONFIG_CINDER_NFS_MOUNTS"]) if wanted else ()


def _uplinks(answers: Answers) -> Sequence[str]:
    """The interfaces that are to go into bridges, as BRIDGE:INTERFACE, for the agent that is deployed."""
    return tuple(answers.get(agents.parameter(answers, "BRIDGE_IFACES")) or ())


def _log(target: Target, masker: Masker) -> RunLog:
    try:
        return open_log(target.address, masker)
    except OSError as error:
        raise UsageFault(
            f"{error.filename}: no log of the run can be written there: {error.strerror}",
            "make it writable, or name another place: XDG_STATE_HOME=DIR packstack-lite ...",
        ) from error


def who(process: int = 0) -> str:
    """Who runs this, as others are told; ours unless another process of this account is meant."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {process or os.getpid()})"


def ended(holder: str) -> bool:
    """Whether a run was this account's on this machine, and its process is gone."""
    process = int("".join(re.findall(r" \(process (\d+)\)$", holder)) or 0)
    return holder == who(process) and not Path(f"/proc/{process}").exists()
