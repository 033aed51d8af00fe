"""Plan: what differs, told and not touched."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, cast

from packstack_lite.engine.changes import changes, in_words
from packstack_lite.engine.read import read
from packstack_lite.engine.results import Change
from packstack_lite.remote.command import Host
from packstack_lite.resources import File
from packstack_lite.resources.base import Gap, Resource
from packstack_lite.secret import Masker


def plan(host: Host, resources: Sequence[Resource], diff: bool, masker: Masker) -> List[Change]:
    """What apply would change; reads in one flight (two with ``diff``) and changes nothing.

    What depends on something that does not exist yet says ``known after <phase>``.
    """
    gaps = changes(resources, read(host, resources))
    diffs = _diffs(host, gaps, masker) if diff else {}
    return [
        Change(
            host.name, gap.resource.phase.value, gap.resource.id, masker(in_words(gap)), diffs.get(gap.resource.id, "")
        )
        for gap in gaps
    ]


def _diffs(host: Host, gaps: Sequence[Gap], masker: Masker) -> Dict[str, str]:
    old = _old_texts(host, [gap for gap in gaps if _readable(gap.resource) and not gap.missing])
    shown = {}
    for gap in gaps:
        before, after = gap.resource.diff(_telling(gap))
        if _readable(gap.resource):
            before = old.get(cast(File, gap.resource).path, "")
        shown[gap.resource.id] = "" if gap.unknown else masker.lines(_unified(gap.resource.id, before, after))
    return shown


def _readable(resource: Resource) -> bool:
    return isinstance(resource, File) and not resource.hidden


def _telling(gap: Gap) -> Gap:
    """Without digests, which tell a reader nothing."""
    return replace(gap, keys=tuple(key for key in gap.keys if key not in ("sha256", "stamp", "token")))


def _old_texts(host: Host, gaps: Sequence[Gap]) -> Mapping[str, str]:
    if not gaps:
        return {}
    command, parse = File.read_command(gaps)
    return parse(host.run([command])[0])


def _unified(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, name, "on the host", "wanted", n=1, lineterm=""
    )
    return "\n".join(lines)
