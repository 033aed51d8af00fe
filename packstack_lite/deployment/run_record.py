"""Compare a connected controller with its record, and renew the record.

Used by ``open_deployment``.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from packstack_lite import answers as answer_api
from packstack_lite.answers.overrides import ENVIRONMENT_PREFIX
from packstack_lite.deployment.new_answer_file import NewAnswerFile
from packstack_lite.deployment.node_sessions import NodeSession
from packstack_lite.deployment.options import AnswerSources, Callbacks, RunOptions
from packstack_lite.deployment.remembered import (
    NodeRecord,
    find_machine_record,
    list_answered,
    remember_node,
    require_not_moved,
    require_same_machine,
)

# Fewer missing lines at the end are an edit.
_FEWEST_LOST = 5


def check_and_remember(
    controller: NodeSession,
    answers: AnswerSources,
    run: RunOptions,
    record: Optional[NodeRecord],
    new_answers: Optional[NewAnswerFile],
    remember: bool,
    callbacks: Callbacks,
) -> None:
    """Check that the remembered answers are this machine's.

    With ``remember`` its record is renewed. ``record`` is that whose answer files are used, None where the user named
    them. An answer file that was written just now for a machine that it is not for is removed. Raises UsageError.
    """
    assert controller.facts
    address = controller.target.address
    record = new_answers.record if new_answers else record
    try:
        if record:
            require_same_machine(record, controller.facts, address)
        if new_answers:
            require_not_moved(controller.facts, address)
    except BaseException:
        if new_answers and new_answers.is_new:
            new_answers.path.unlink()
        raise
    files = answers.files or (record.files if record else ())
    _warn_lost_answers(controller, files, callbacks)
    # A new answer file has all answers of its run, the options' too.
    overrides = list_config_dir(run) if new_answers else list_overrides(answers, run)
    if record and not remember:
        missing = [name for name in record.overrides if name not in overrides]
        if missing:
            callbacks.warn(f"the last apply had {', '.join(missing)} too, which this run has not")
    if remember:
        generated = (new_answers.path,) if new_answers else ()
        remember_node(controller.target, controller.facts, files, overrides, generated)


def _warn_lost_answers(controller: NodeSession, files: Sequence[Path], callbacks: Callbacks) -> None:
    """Warn if the answer files have lost their end since the last deployment."""
    assert controller.facts
    record = find_machine_record(controller.facts)
    lost = find_lost_tail(record.answered, list_answered(files)) if record and files else []
    if lost:
        callbacks.warn(
            f"{files[-1]}: the last {len(lost)} answers of the last apply, {lost[0]} to {lost[-1]}, are not in it any"
            " more: has the file lost its end?"
        )


def find_lost_tail(before: Sequence[str], now: Sequence[str]) -> List[str]:
    """Return the parameters that a file has lost at its end, if it may be cut.

    A file with other changes, or without a few lines only, was edited.
    """
    last = max((index for index, name in enumerate(before) if name in now), default=-1)
    tail = list(before[last + 1 :])
    is_cut = bool(now) and len(tail) >= _FEWEST_LOST and list(now) == list(before[: last + 1])
    return tail if is_cut else []


def list_overrides(answers: AnswerSources, run: RunOptions) -> List[str]:
    """Return what a run has beside its answer files.

    That is names of parameters, and the directory of configuration overrides.
    """
    given = answer_api.read_overrides(answers.environment, answers.settings, answers.flags).answers
    names = [f"${ENVIRONMENT_PREFIX}{name}" if origin.startswith("$") else name for name, (_, origin) in given.items()]
    return [*names, *list_config_dir(run)]


def list_config_dir(run: RunOptions) -> List[str]:
    """Return the run's option --config-dir with its directory, if it has one."""
    return [f"--config-dir {run.config_dir.absolute()}"] if run.config_dir else []
