"""Where the rooms meet: options become answers, a connected host, its facts, and its resources."""

from __future__ import annotations

import getpass
import os
import re
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import FrozenSet, Iterator, List, Optional, Sequence

from packstack_lite import preflight, profiles, services, smoke
from packstack_lite.answers import Answers, agents
from packstack_lite.cli import config_dir, sources
from packstack_lite.cli.options import Options
from packstack_lite.cli.patience import Patient
from packstack_lite.cli.reach import reach
from packstack_lite.cli.target import Target, choose
from packstack_lite.cli.terminal import err, say
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Fanout, Finding, Listener, worst
from packstack_lite.engine.journal import record
from packstack_lite.engine.lock import lock
from packstack_lite.engine.results import AppliedReport, Case
from packstack_lite.errors import PackstackLiteError, PreflightFailed, UsageFault
from packstack_lite.hosts import gather, inventory
from packstack_lite.hosts.facts import Facts
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Command, Host, Reply
from packstack_lite.report.console import Console
from packstack_lite.report.runlog import RunLog, open_log
from packstack_lite.report.text import finding_lines
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services import overlay
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.overlay import Tree


@dataclass
class Deployment:
    """Everything a verb works with, from the answers to the open connection."""

    options: Options
    target: Target
    answers: Answers
    host: Host
    facts: Facts
    masker: Masker
    listener: Listener
    tree: Tree

    @property
    def profile(self) -> Profile:
        return profiles.detect(self.facts.os_id, self.facts.os_version)

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.answers, self.facts, self.profile)

    @cached_property
    def resources(self) -> List[Resource]:
        """What is declared, the user's own files laid over it; the remarks on those are told once."""
        laid = overlay.lay(services.declare(self.cloud), self.tree, self.profile)
        for remark in laid.remarks:
            say(self.options, f"warning: {remark}")
        return laid.resources

    def findings(self) -> List[Finding]:
        """What preflight has to say, an unsupported system included."""
        try:
            profile: Optional[Profile] = self.profile
        except PackstackLiteError:
            profile = None
        return preflight.run(self.facts, self.answers, profile, self.host.name)

    def again(self, cures: Sequence[Command]) -> List[Reply]:
        """Run these under the host's lock, and gather its facts anew; the replies of the cures."""
        with lock(self.host, _who(), _ended, lambda text: say(self.options, text)):
            asked = _exports(self.answers), _uplinks(self.answers)
            replies, self.facts = gather.gather_after(self.host, cures, *asked)
        return replies

    def check(self) -> None:
        """Tell every finding; raises PreflightFailed when one forbids to go on."""
        findings = self.findings()
        for finding in findings:
            for line in finding_lines(finding, self.options.ignore):
                err(self.options).print(line)
        forbidding = worst(findings, tuple(self.options.ignore))
        if forbidding:
            names = ", ".join(dict.fromkeys(finding.name for finding in forbidding))
            curable = dict.fromkeys(finding.name for finding in forbidding if finding.cure)
            mend = f" (packstack-lite preflight --fix does it for {', '.join(curable)})" if curable else ""
            raise PreflightFailed(
                f"{self.host.name}: preflight says no: {names}",
                f"do what the findings say{mend}, or go on with --ignore NAME",
            )

    def apply(self, only: FrozenSet[str] = frozenset(), start: Optional[Phase] = None) -> AppliedReport:
        """Make the host as declared, under its lock, and leave a line in its journal."""
        resources = self.resources
        with lock(self.host, _who(), _ended, lambda text: say(self.options, text)):
            report = apply(self.host, resources, self.listener, self.masker, only, start)
            self.host.run([record(resources, report, _who(), self.profile.name)])
        return report

    def smoke(self) -> List[Case]:
        """Use the cloud; each case is told as it ends."""
        return smoke.run(
            self.host,
            self.cloud.api,
            self.answers,
            self.profile,
            lambda case: say(self.options, f"{case.outcome:8}{case.name} {case.seconds:.1f} s"),
        )


@contextmanager
def opened(options: Options, answers_needed: bool = False, make: bool = False) -> Iterator[Deployment]:
    """Connect to the host that the options mean, and gather its facts.

    Answers that name no controller mean this machine, as in Packstack. ``make`` lets a sandbox
    be made, ``answers_needed`` refuses to guess answers for a host that was deployed before.
    """
    tree = config_dir.read(options.config_dir)
    target = choose(options, sources.controller(options), here=bool(options.answer_files), make=make)
    answers = sources.answers(options, target, answers_needed)
    for warning in answers.warnings:
        say(options, f"warning: {warning}")
    inventory.single(answers, target.address)
    with _connected(options, target, answers, tree) as deployment:
        yield deployment


@contextmanager
def _connected(options: Options, target: Target, answers: Answers, tree: Tree) -> Iterator[Deployment]:
    masker = Masker([*answers.secrets(), *tree.secrets()])
    log, host = _log(target, masker), reach(options, target)
    host.masker = masker
    if options.debug:
        host.told = lambda command, reply: log.exchange(
            host.name, command.says, command.script, reply.code, reply.out, reply.err
        )
    patient: Host = Patient(host, options.timeout) if options.timeout else host
    try:
        with Console(color=options.color, verbose=options.debug) as console:
            facts = gather.gather(host, _exports(answers), _uplinks(answers))
            yield Deployment(options, target, answers, patient, facts, masker, Fanout([console, log]), tree)
    except PackstackLiteError as error:
        log.say(f"{error.message}\n{error.hint}")
        say(options, f"log of this run: {log.directory}")
        raise
    finally:
        host.close()
        log.close()


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


def _who(process: int = 0) -> str:
    """Who runs this, as others are told; ours unless another process of this account is meant."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {process or os.getpid()})"


def _ended(who: str) -> bool:
    """Whether a run was this account's on this machine, and its process is gone."""
    process = int("".join(re.findall(r" \(process (\d+)\)$", who)) or 0)
    return who == _who(process) and not Path(f"/proc/{process}").exists()
