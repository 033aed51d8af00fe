"""What the host itself keeps of our runs: a manifest of what was made, and a line per run."""

from __future__ import annotations

import json
from typing import Sequence

from packstack_lite.engine.results import AppliedReport
from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Resource

HOME = "/var/lib/packstack-lite"


def record(resources: Sequence[Resource], report: AppliedReport, who: str, profile: str) -> Command:
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
        "who": who,
        "changes": [change.resource for change in report.changes],
        "restarted": list(report.restarted),
        "seconds": round(report.seconds, 1),
    }
    script = f"""umask 077
mkdir -p {HOME}
read -r line
printf '%s %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$line" >> {HOME}/journal
cat > {HOME}/manifest.json.new && mv {HOME}/manifest.json.new {HOME}/manifest.json
"""
    payload = json.dumps(line) + "\n" + json.dumps(manifest, indent=1) + "\n"
    return Command(script, stdin=payload.encode(), says="write the journal")
