"""What the host itself keeps of our runs: a manifest of what was made, and a line per run."""

from __future__ import annotations

import json
from typing import Sequence

from packstack_lite.engine.results import ApplyReport
from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Resource

STATE_DIR = "/var/lib/packstack-lite"


def record_run(resources: Sequence[Resource], report: ApplyReport, owner: str, profile: str) -> Command:
    """Write the manifest (what destroy can take back) and append to the journal.

    Both are root's alone. Neither holds a secret: ids and counts.
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
printf '%s %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$line" >> {STATE_DIR}/journal
cat > {STATE_DIR}/manifest.json.new && mv {STATE_DIR}/manifest.json.new {STATE_DIR}/manifest.json
"""
    payload = json.dumps(line) + "\n" + json.dumps(manifest, indent=1) + "\n"
    return Command(script, stdin=payload.encode(), description="write the journal")
