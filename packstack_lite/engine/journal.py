"""The record of runs on the node: manifest and journal. Used by ``deployment``.

The manifest holds what runs made (``packstack_lite.manifest``), the journal a line per run.
"""

from __future__ import annotations

import json
from typing import Sequence

from packstack_lite.engine.results import ApplyReport
from packstack_lite.manifest import Manifest, format_manifest
from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Resource
from packstack_lite.state_paths import JOURNAL_FILE, MANIFEST_FILE, STATE_DIR

_WRITE_MANIFEST = f"cat > {MANIFEST_FILE}.new && mv {MANIFEST_FILE}.new {MANIFEST_FILE}\n"


def record_run(
    manifest: Manifest, resources: Sequence[Resource], report: ApplyReport, owner: str, profile: str
) -> Command:
    """Return the command that replaces the manifest and appends to the journal.

    Only root can read them. Neither holds a secret: ids and counts.
    """
    line = {
        "who": owner,
        "changes": [change.resource_id for change in report.changes],
        "restarted": list(report.restarted_units),
        "seconds": round(report.seconds, 1),
    }
    script = f"""umask 077
mkdir -p {STATE_DIR}
read -r line
printf '%s %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$line" >> {JOURNAL_FILE}
{_WRITE_MANIFEST}"""
    payload = json.dumps(line) + "\n" + _format(manifest, resources, profile)
    return Command(script, stdin=payload.encode(), description="write the journal")


def record_manifest(manifest: Manifest, resources: Sequence[Resource], profile: str) -> Command:
    """Return the command that replaces the manifest, before a run makes what is new.

    A run that is interrupted leaves nothing that no manifest lists.
    """
    script = f"umask 077\nmkdir -p {STATE_DIR}\n{_WRITE_MANIFEST}"
    return Command(script, stdin=_format(manifest, resources, profile).encode(), description="write the manifest")


def _format(manifest: Manifest, resources: Sequence[Resource], profile: str) -> str:
    """Return the manifest's text, with the ids of the declared resources."""
    listed = [{"id": resource.id, "kind": resource.kind, "phase": resource.phase.value} for resource in resources]
    return format_manifest(manifest, profile, listed) + "\n"
