"""Choose the controller of a run.

Where nothing names one it is the only deployment that is known. Used by ``open_deployment``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List

from packstack_lite import sandbox, state_paths
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import (
    CHOOSE_HINT,
    ConnectionTarget,
    choose_target,
    find_own_address,
)
from packstack_lite.deployment.options import AnswerSources, Callbacks, ConnectionOptions, NodeSelection
from packstack_lite.deployment.remembered import find_record, known_identity, list_records
from packstack_lite.errors import UsageError


@dataclass(frozen=True)
class Candidate:
    """A controller that a run may mean: how to name it, and what it is."""

    selection: NodeSelection
    description: str

    @property
    def option(self) -> str:
        """The option that names it."""
        return f"--sandbox {self.selection.sandbox}" if self.selection.sandbox else f"--host {self.selection.host}"


def is_unnamed(answers: AnswerSources, selection: NodeSelection) -> bool:
    """Return whether a run names no controller, and no answer file either."""
    return not (selection.host or selection.sandbox or answers.files or answer_sources.find_controller(answers))


def is_found_here(target: ConnectionTarget, answers: AnswerSources, selection: NodeSelection) -> bool:
    """Return whether the target is a cloud that was found on this machine.

    It may have been deployed from another one, with answers that only that machine knows.
    """
    return target.is_local and is_unnamed(answers, selection)


def choose_known_target(
    answers: AnswerSources,
    selection: NodeSelection,
    connection: ConnectionOptions,
    callbacks: Callbacks,
    create_sandbox: bool = False,
) -> ConnectionTarget:
    """Choose the controller, and the way to reach it.

    ``selection`` wins over the controller in ``answers``. If neither names one and there is no answer file, the only
    known deployment is chosen. ``create_sandbox`` permits to create a missing sandbox. Raises UsageError.
    """
    controller = answer_sources.find_controller(answers)
    if is_unnamed(answers, selection):
        # Contradictory options are reported before anything is looked for.
        selection = NodeSelection(distro=selection.distro, kind=selection.kind)
        if not (selection.distro or selection.kind):
            selection = _choose_only_candidate(callbacks).selection
    target = choose_target(
        selection,
        connection,
        callbacks,
        controller,
        allow_local=bool(answers.files),
        create_sandbox=create_sandbox,
    )
    return answer_sources.use_recorded_address(target) if not answers.files else target


def _choose_only_candidate(callbacks: Callbacks) -> Candidate:
    """Return the only deployment that is known, and say so.

    Raises UsageError if there is none, or several.
    """
    candidates = list_candidates()
    if not candidates:
        raise UsageError("no host is named", CHOOSE_HINT)
    if len(candidates) > 1:
        listed = "; ".join(f"{candidate.option} ({candidate.description})" for candidate in candidates)
        raise UsageError(f"no host is named, and there are {len(candidates)} to choose from", f"name one: {listed}")
    callbacks.progress(f"no host is named: {candidates[0].option}, {candidates[0].description}")
    return candidates[0]


def carries_cloud() -> bool:
    """Return whether a run of ours has completed on this machine."""
    return Path(state_paths.MANIFEST_FILE).exists()


def list_sandboxes() -> List[sandbox.Sandbox]:
    """Return the sandboxes of this machine."""
    return sandbox.list_all()


def _own_address() -> str:
    """Return this machine's address, "" without a default route."""
    try:
        return find_own_address()
    except UsageError:
        return ""


def list_candidates() -> List[Candidate]:
    """Return every controller that is known.

    They are this machine if it carries a cloud of ours, every sandbox, and every other machine deployed from here.
    """
    candidates: List[Candidate] = []
    is_root = os.geteuid() == 0
    own_identity = known_identity(ConnectionTarget("", is_local=True))
    if is_root and carries_cloud():
        record = find_record(ConnectionTarget(_own_address(), is_local=True))
        address = record.address if record else find_own_address()
        candidates.append(Candidate(NodeSelection(host=address), "this machine, which carries a cloud"))
    boxes = list_sandboxes() if is_root else []
    for box in boxes:
        if box.segment in ("", box.name):
            candidates.append(Candidate(NodeSelection(sandbox=box.name), f"a sandbox, {box.address}"))
    for record in list_records():
        is_listed = is_root and record.identity.matches(own_identity) and bool(candidates)
        if not record.sandbox and not is_listed and record.address not in {box.address for box in boxes}:
            candidates.append(Candidate(NodeSelection(host=record.address), "deployed from here"))
    return candidates
