"""Paths of packstack-lite's own state, on a node and on this machine.

Used by ``remote``, ``resources``, ``engine``, ``deployment`` and ``cli``. Nodes deployed by earlier releases have these
paths: a value may not change.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping, Optional

STATE_DIR = "/var/lib/packstack-lite"

# One path per line: files that packstack-lite has written. A file is copied to PATH.packstack-lite.orig before it is
# replaced for the first time, and never again once its path is in this list.
WRITTEN_FILES_LIST = f"{STATE_DIR}/files"
# One path per line: files that the user gave with --config-dir.
USER_FILES_LIST = f"{STATE_DIR}/placed"
# One file per systemd unit: the digest of the configuration it was last started with.
UNIT_DIGESTS_DIR = f"{STATE_DIR}/units"
# One file per RunOnce resource: the fingerprint it was last run with.
FINGERPRINTS_DIR = f"{STATE_DIR}/once"
# One directory per job: script, input, output, exit code.
JOBS_DIR = f"{STATE_DIR}/jobs"
# One directory per interface that was moved into a bridge: what it was like before.
UPLINKS_DIR = f"{STATE_DIR}/uplink"
# A directory while a run works on the node; its file "holder" names the run.
LOCK_DIR = f"{STATE_DIR}/lock"
# JSON: the ids of all resources of the last run.
MANIFEST_FILE = f"{STATE_DIR}/manifest.json"
# One line per run: time and JSON.
JOURNAL_FILE = f"{STATE_DIR}/journal"


def state_directory(environment: Optional[Mapping[str, str]] = None) -> Path:
    """Return the directory of this user's runs and stored passwords.

    It follows the XDG base directory specification.
    """
    variables = os.environ if environment is None else environment
    base = variables.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state") / "packstack-lite"
