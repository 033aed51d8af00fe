"""Plan: what differs, told and not touched."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, cast

from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.engine.probe import probe_resources
from packstack_lite.engine.results import Change
from packstack_lite.remote.command import Connection
from packstack_lite.resources import File
from packstack_lite.resources.base import Diff, Resource
from packstack_lite.secret import Masker


def plan(connection: Connection, resources: Sequence[Resource], with_text_diffs: bool, masker: Masker) -> List[Change]:
    """What apply would change; reads in one flight (two with ``diff``) and changes nothing.

    What depends on something that does not exist yet says ``known after <phase>``.
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


def _text_diffs(connection: Connection, diffs: Sequence[Diff], masker: Masker) -> Dict[str, str]:
    old_texts = _old_texts(
        connection, [diff for diff in diffs if _has_readable_content(diff.resource) and not diff.is_missing]
    )
    diffs_by_id = {}
    for diff in diffs:
        before, after = diff.resource.diff_texts(_without_digests(diff))
        if _has_readable_content(diff.resource):
            before = old_texts.get(cast(File, diff.resource).path, "")
        diffs_by_id[diff.resource.id] = (
            "" if diff.is_unknown else masker.mask_lines(_unified_diff(diff.resource.id, before, after))
        )
    return diffs_by_id


def _has_readable_content(resource: Resource) -> bool:
    return isinstance(resource, File) and not resource.is_secret


def _without_digests(diff: Diff) -> Diff:
    """Without digests, which tell a reader nothing."""
    return replace(diff, keys=tuple(key for key in diff.keys if key not in ("sha256", "stamp", "token")))


def _old_texts(connection: Connection, diffs: Sequence[Diff]) -> Mapping[str, str]:
    if not diffs:
        return {}
    command, parse = File.content_probe(diffs)
    return parse(connection.run([command])[0])


def _unified_diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, name, "on the host", "wanted", n=1, lineterm=""
    )
    return "\n".join(lines)
