"""Plan: list what apply would change, without changing anything.

Called by ``deployment``.
"""

from __future__ import annotations

import difflib
from typing import Dict, List, Mapping, Sequence

from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.engine.probe import probe_resources, unreadable_reply_error
from packstack_lite.engine.results import Change
from packstack_lite.remote.command import Connection
from packstack_lite.resources import File
from packstack_lite.resources.base import Diff, Resource
from packstack_lite.secret import Masker


def plan(connection: Connection, resources: Sequence[Resource], with_text_diffs: bool, masker: Masker) -> List[Change]:
    """Return what apply would change; reads in one round trip, with text diffs in two.

    A change that depends on something that does not exist yet is described with "known after PHASE".
    """
    diffs = diff_resources(resources, probe_resources(connection, resources))
    text_diffs = _text_diffs(connection, diffs, masker) if with_text_diffs else {}
    return [
        Change(
            connection.name,
            diff.resource.phase.value,
            diff.resource.id,
            masker(describe_diff(diff)),
            text_diffs.get(diff.resource.id, ""),
        )
        for diff in diffs
    ]


def _text_diffs(connection: Connection, diffs: Sequence[Diff[Resource]], masker: Masker) -> Dict[str, str]:
    """Return unified diffs by resource id, masked; "" for unknown states."""
    old_texts = _old_texts(connection, [diff.resource for diff in diffs if not diff.is_missing])
    diffs_by_id = {}
    for diff in diffs:
        before, after = diff.resource.diff_texts(diff.without_digests())
        if isinstance(diff.resource, File) and not diff.resource.is_secret:
            before = old_texts.get(diff.resource.path, "")
        diffs_by_id[diff.resource.id] = (
            "" if diff.is_unknown else masker.mask_lines(_unified_diff(diff.resource.id, before, after))
        )
    return diffs_by_id


def _old_texts(connection: Connection, resources: Sequence[Resource]) -> Mapping[str, str]:
    """Return the files' texts on the node, by path, without secret files."""
    files = [resource for resource in resources if isinstance(resource, File) and not resource.is_secret]
    if not files:
        return {}
    command, parse = File.content_probe(files)
    try:
        return parse(connection.run([command])[0])
    except ValueError as error:
        raise unreadable_reply_error(connection, command, error) from error


def _unified_diff(name: str, before: str, after: str) -> str:
    """Return the unified diff of a file's texts, with one line of context."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, name, "on the node", "desired", n=1, lineterm=""
    )
    return "\n".join(lines)
