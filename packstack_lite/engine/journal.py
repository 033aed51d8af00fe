"""The record of runs on the node: manifest and journal. Used by ``deployment``.

The manifest holds the ids of all resources, the journal a line per run.
"""

from __future__ import annotations

import json
from typing import Sequence

from packstack_lite.engine.results import ApplyReport
from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Resource
from packstack_lite.state_paths import JOURNAL_FILE, MANIFEST_FILE, STATE_DIR


def record_run(resources: Sequence[Resource], report: ApplyReport, owner: str, profile: str) -> Command:
    """Return the command that replaces the manifest and appends to the journal.

    Only root can read them. Neither holds a secret: ids and counts.
    """
    manifest = {
        "schema": 1,
        "profile": profile,
        "resources": [
            {"id": resource.id, "kind": resource.kind, "phase": resource.phase.value} for resource in resources
        ],
    }
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
cat > {MANIFEST_FILE}.new && mv {MANIFEST_FILE}.new {MANIFEST_FILE}
"""
    payload = json.dumps(line) + "\n" + json.dumps(manifest, indent=1) + "\n"
    return Command(script, stdin=payload.encode(), description="write the journal")
