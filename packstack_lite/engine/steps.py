"""Carrying out a wave of changes, and telling the listeners while it happens."""

from __future__ import annotations

import time
from typing import Dict, List, Sequence, Set, Tuple

from packstack_lite.engine.events import Listener, Note, Output, StepFinished, StepStarted
from packstack_lite.engine.waves import Wave, actions, with_needs
from packstack_lite.remote.command import Command, FileItem, Host, Job, JobResult, Reply
from packstack_lite.resources import job_name
from packstack_lite.resources.base import Gap, Phase, Resource
from packstack_lite.resources.once import REMARK
from packstack_lite.secret import Masker


class Steps:
    """Runs waves of one phase on one host and remembers what went wrong. Is a JobWatcher."""

    def __init__(self, host: Host, phase: Phase, listener: Listener, masker: Masker) -> None:
        self.host = host
        self.phase = phase
        self.listener = listener
        self.masker = masker
        self._troubles: Dict[str, str] = {}

    def carry_out(self, wave: Wave, everything: Sequence[Resource]) -> Set[str]:
        """Close a wave's gaps; the ids of resources whose work failed (as far as one can tell by now)."""
        if wave.jobs:
            return self._jobs(wave.gaps)
        return self._quick(wave.gaps, everything)

    def trouble(self, gap: Gap) -> str:
        """What was heard of a failure of this resource's own job, or of its kind's commands."""
        return self._troubles.get(job_name(gap.resource.id)) or self._troubles.get(gap.resource.kind, "")

    def _quick(self, gaps: Sequence[Gap], everything: Sequence[Resource]) -> Set[str]:
        work = actions(gaps)
        files = [action for action in work if isinstance(action, FileItem)]
        commands = [action for action in work if isinstance(action, Command)]
        before = _forgets(gaps, everything)
        name = _title(files, commands)
        began = time.monotonic()
        self.listener.heard(StepStarted(self.host.name, self.phase, name))
        replies = self._send(files, before, commands)
        failed = self._failed(gaps, [*before, *commands], replies)
        detail = "; ".join(f"{command.says or 'a command'}: exit {reply.code}" for command, reply in failed)
        seconds = time.monotonic() - began
        self.listener.heard(StepFinished(self.host.name, self.phase, name, seconds, not failed, detail))
        return {gap.resource.id for gap in gaps if self.trouble(gap)}

    def _send(self, files: List[FileItem], before: List[Command], after: List[Command]) -> List[Reply]:
        if files:
            return self.host.push(files, before, after)
        return self.host.run([*before, *after])

    def _failed(
        self, gaps: Sequence[Gap], commands: Sequence[Command], replies: Sequence[Reply]
    ) -> List[Tuple[Command, Reply]]:
        """The commands that failed, each noted."""
        failed = [(command, reply) for command, reply in zip(commands, replies) if not reply.ok]
        for command, reply in failed:
            self._note(gaps, command, reply)
        return failed

    def _note(self, gaps: Sequence[Gap], command: Command, reply: Reply) -> None:
        """Lay a failed command at the door of the kind that asked for it."""
        said = (reply.err or reply.out).strip()[-2000:]
        text = f"{command.says or 'a command'} failed with exit code {reply.code}: {said}"
        for kind in {type(gap.resource) for gap in gaps}:
            own = kind.close([gap for gap in gaps if type(gap.resource) is kind])
            if command in own:
                self._troubles[kind.kind] = text

    def _jobs(self, gaps: Sequence[Gap]) -> Set[str]:
        work = actions(gaps)
        jobs = with_needs([action for action in work if isinstance(action, Job)], gaps)
        commands = [action for action in work if isinstance(action, Command)]
        if commands:
            self._failed(gaps, commands, self.host.run(commands))
        failed = {result.name for result in self.host.run_jobs(jobs, self) if not result.ok}
        return {gap.resource.id for gap in gaps if job_name(gap.resource.id) in failed}

    def job_started(self, job: Job) -> None:
        """See JobWatcher."""
        self.listener.heard(StepStarted(self.host.name, self.phase, job.says or job.name))

    def job_finished(self, job: Job, result: JobResult) -> None:
        """See JobWatcher."""
        detail = ""
        if not result.ok:
            end = result.out.strip()[-3000:]
            detail = self.masker.lines(f"{job.says or job.name} failed with exit code {result.code}: {end}")
            self._troubles[job.name] = detail
        name = job.says or job.name
        self.listener.heard(StepFinished(self.host.name, self.phase, name, result.seconds, result.ok, detail))
        for line in result.out.splitlines():
            if line.startswith(REMARK):
                self.listener.heard(Note(self.host.name, self.masker.lines(line[len(REMARK) :]), "warning"))

    def job_output(self, job: Job, line: str) -> None:
        """See JobWatcher."""
        self.listener.heard(Output(self.host.name, self.phase, job.says or job.name, self.masker.lines(line)))


def _forgets(gaps: Sequence[Gap], everything: Sequence[Resource]) -> List[Command]:
    """What readers of the changing resources must forget first, so that a kill in between is made good."""
    changing = {gap.resource.id for gap in gaps}
    commands = [reader.forget() for reader in everything if changing & set(reader.reads)]
    return list(dict.fromkeys(command for command in commands if command is not None))


def _title(files: Sequence[FileItem], commands: Sequence[Command]) -> str:
    parts = []
    if files:
        parts.append(f"write {len(files)} file{'s' * (len(files) > 1)}")
    parts.extend(command.says for command in commands if command.says)
    if len(parts) > 3:
        parts = [*parts[:2], f"{len(parts) - 2} commands more"]
    return ", ".join(parts) if parts else "run commands"
