"""Give back a sandbox that a failed run made, and forget one that is gone.

Used by ``cli``.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional

from packstack_lite import sandbox
from packstack_lite.deployment.connection_target import sandbox_target
from packstack_lite.deployment.remembered import find_record, forget_sandbox


@contextmanager
def remove_unused_sandbox(name: Optional[str], progress: Callable[[str], None]) -> Iterator[None]:
    """Remove a sandbox that this block made, if it fails before anything is deployed.

    Otherwise the next run would meet an empty node of that name, perhaps of another distribution. A sandbox that a
    run has connected to is remembered, and stays: the findings of preflight say what to do in it.
    """
    is_new = name is not None and name not in _sandbox_names()
    try:
        yield
    except BaseException:
        if name and is_new and name in _sandbox_names() and not _is_remembered(name):
            remove_sandbox(name, progress)
        raise


def _is_remembered(name: str) -> bool:
    """Return whether a run has connected to the sandbox to deploy it."""
    return find_record(sandbox_target(sandbox.find(name))) is not None


def _sandbox_names() -> List[str]:
    """Return the names of all sandboxes; none if this user may not have any."""
    return [box.name for box in sandbox.list_all()] if os.geteuid() == 0 else []


def remove_sandbox(name: str, progress: Callable[[str], None]) -> None:
    """Remove a sandbox, or all nodes of a segment, and what is remembered of them."""
    # It imports all that works with nodes, which no other command of ``sandbox`` needs.
    from packstack_lite.deployment import clouds_yaml

    boxes = [box for box in sandbox.list_all() if name in (box.name, box.segment)]
    removed = boxes if any(box.segment == name for box in boxes) else [box for box in boxes if box.name == name]
    sandbox.down(name, progress=progress)
    for box in removed:
        for path in forget_sandbox(box.name, box.address):
            progress(f"{path} stays, but no later run uses it by itself")
        clouds_yaml.remove_from_clouds_yaml(box.name)
