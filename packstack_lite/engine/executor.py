"""Run the fixes of a batch on one node and report progress to the listener.

Used by ``apply``.
"""

from __future__ import annotations

import time
from typing import Dict, List, Sequence, Set, Tuple

from packstack_lite.counts import format_count
from packstack_lite.engine.events import Listener, Note, Output, StepFinished, StepStarted
from packstack_lite.engine.schedule import Batch, add_needs, fix_actions
from packstack_lite.remote.command import Command, Connection, FileItem, Job, JobResult, Reply
from packstack_lite.resources.base import Diff, Phase, Resource, job_name
from packstack_lite.resources.run_once import WARNING_PREFIX
from packstack_lite.resources.unit_start import WAIT_PREFIX
from packstack_lite.secret import Masker


class Executor:
    """Runs batches of one phase on one node and remembers failures.

    Implements JobWatcher.
    """

    def __init__(self, connection: Connection, phase: Phase, listener: Listener, masker: Masker) -> None:
        self.connection = connection
        self.phase = phase
        self.listener = listener
        self.masker = masker
        # Messages by job name, and by kind for commands, which serve all resources of a kind.
        self._failures: Dict[str, str] = {}

    def execute(self, batch: Batch, all_resources: Sequence[Resource]) -> Set[str]:
        """Run a batch's fixes; return the ids of resources whose fix failed.

        A fix can also fail without an error: the probe that follows finds that.
        """
        if batch.has_jobs:
            return self._run_jobs(batch.diffs)
        return self._run_commands(batch.diffs, all_resources)

    @property
    def has_failures(self) -> bool:
        """Return whether a job or command failed."""
        return bool(self._failures)

    def failure_message(self, diff: Diff[Resource]) -> str:
        """Return the error of this resource's job or its kind's commands; or ""."""
        return self._failures.get(job_name(diff.resource.id)) or self._failures.get(diff.resource.kind, "")

    def _run_commands(self, diffs: Sequence[Diff[Resource]], all_resources: Sequence[Resource]) -> Set[str]:
        """Run the fixes that are files and commands in one round trip, as one step."""
        actions = fix_actions(diffs)
        files = [action for action in actions if isinstance(action, FileItem)]
        commands = [action for action in actions if isinstance(action, Command)]
        invalidations = _invalidate_commands(diffs, all_resources)
        title = _step_title(files, commands)
        started_at = time.monotonic()
        self.listener.on_event(StepStarted(self.connection.name, self.phase, title))
        replies = self._send_batch(files, invalidations, commands)
        failed = self._record_failures(diffs, [*invalidations, *commands], replies)
        detail = "; ".join(f"{command.description or 'a command'}: exit {reply.code}" for command, reply in failed)
        seconds = time.monotonic() - started_at
        self.listener.on_event(StepFinished(self.connection.name, self.phase, title, seconds, not failed, detail))
        return {diff.resource.id for diff in diffs if self.failure_message(diff)}

    def _send_batch(self, files: List[FileItem], before: List[Command], after: List[Command]) -> List[Reply]:
        """Send files and commands in one round trip; return the commands' replies."""
        if files:
            return self.connection.push(files, before, after)
        return self.connection.run([*before, *after])

    def _record_failures(
        self, diffs: Sequence[Diff[Resource]], commands: Sequence[Command], replies: Sequence[Reply]
    ) -> List[Tuple[Command, Reply]]:
        """Record the commands that failed, and return them with their replies."""
        failed = [(command, reply) for command, reply in zip(commands, replies) if not reply.ok]
        for command, reply in failed:
            self._record_failure(diffs, command, reply)
        return failed

    def _record_failure(self, diffs: Sequence[Diff[Resource]], command: Command, reply: Reply) -> None:
        """Attribute a failed command to the kind of resource that issued it."""
        output = (reply.err or reply.out).strip()[-2000:]
        text = f"{command.description or 'a command'} failed with exit code {reply.code}: {output}"
        for kind in {type(diff.resource) for diff in diffs}:
            kind_actions = kind.fix([diff for diff in diffs if type(diff.resource) is kind])
            if command in kind_actions:
                self._failures[kind.kind] = text

    def _run_jobs(self, diffs: Sequence[Diff[Resource]]) -> Set[str]:
        """Run the fixes that are jobs, after the commands that come with them."""
        actions = fix_actions(diffs)
        jobs = add_needs([action for action in actions if isinstance(action, Job)], diffs)
        commands = [action for action in actions if isinstance(action, Command)]
        if commands:
            self._record_failures(diffs, commands, self.connection.run(commands))
        failed = {result.name for result in self.connection.run_jobs(jobs, self) if not result.ok}
        return {diff.resource.id for diff in diffs if job_name(diff.resource.id) in failed}

    def job_started(self, job: Job) -> None:
        """Emit StepStarted for the job. Called by JobRunner when the job is started."""
        self.listener.on_event(StepStarted(self.connection.name, self.phase, job.description or job.name))

    def job_finished(self, job: Job, result: JobResult) -> None:
        """Emit StepFinished for the job, and a Note for each warning in its output.

        A failed job's output is kept, masked, for ``failure_message``. JobRunner calls it when the job has ended.
        """
        title, detail = job.description or job.name, ""
        if not result.ok:
            lines = [line for line in result.out.strip().splitlines() if not line.startswith(WAIT_PREFIX)]
            output_tail = "\n".join(lines)[-3000:]
            detail = self.masker.mask_lines(f"{title} failed with exit code {result.code}: {output_tail}")
            self._failures[job.name] = detail
        self.listener.on_event(StepFinished(self.connection.name, self.phase, title, result.seconds, result.ok, detail))
        for line in result.out.splitlines():
            if line.startswith(WARNING_PREFIX):
                text = self.masker.mask_lines(line[len(WARNING_PREFIX) :])
                self.listener.on_event(Note(self.connection.name, text, "warning"))

    def job_output(self, job: Job, line: str) -> None:
        """Emit Output with a line that the job printed, secrets masked."""
        self.listener.on_event(
            Output(self.connection.name, self.phase, job.description or job.name, self.masker.mask_lines(line))
        )


def _invalidate_commands(diffs: Sequence[Diff[Resource]], all_resources: Sequence[Resource]) -> List[Command]:
    """Return the commands that mark dependents of the changing resources as outdated.

    They run first, so that a run killed after the change restarts the dependents the next time.
    """
    changing_ids = {diff.resource.id for diff in diffs}
    commands = [dependent.invalidate() for dependent in all_resources if changing_ids & set(dependent.trigger_ids)]
    return list(dict.fromkeys(command for command in commands if command is not None))


def _step_title(files: Sequence[FileItem], commands: Sequence[Command]) -> str:
    """Return the title of a step that writes files and runs commands."""
    parts = []
    if files:
        parts.append(f"write {format_count(len(files), 'file')}")
    parts.extend(command.description for command in commands if command.description)
    if len(parts) > 3:
        parts = [*parts[:2], f"{format_count(len(parts) - 2, 'more command')}"]
    return ", ".join(parts) if parts else "run commands"
