"""The manifest: what earlier runs made on a node, and the node's identity.

``engine.journal`` writes it on the node, ``nodes.facts`` reads it, ``services.removals`` compares it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

# Version of the manifest's form. Version 1 held resources' ids, without tags.
SCHEMA = 2
# The kinds of resources whose id in version 1 is an entry too.
_ENTRIES_OF_VERSION_1 = ("unit", "message_user")


@dataclass(frozen=True)
class ManifestEntry:
    """A thing that an earlier run made and that can be taken back.

    ``id`` is ``KIND:NAME``, as in ``TypedResource.manifest_entries``. ``tags`` are those of its resource, ``phase``
    is the phase in which it was made; both are empty in a manifest of version 1.
    """

    id: str
    phase: str = ""
    tags: FrozenSet[str] = frozenset()

    @property
    def kind(self) -> str:
        """Return the word before the colon."""
        return self.id.split(":", 1)[0]

    @property
    def name(self) -> str:
        """Return what follows the kind."""
        return self.id.split(":", 1)[1]


@dataclass(frozen=True)
class Manifest:
    """The entries of a node, and its identity.

    ``identity`` maps words for what stored data depends on ("host name") to values. ``is_damaged``: there is a
    manifest, and it cannot be read.
    """

    entries: Tuple[ManifestEntry, ...] = ()
    identity: Mapping[str, str] = field(default_factory=dict)
    is_damaged: bool = False


def merge_entries(*groups: Iterable[ManifestEntry]) -> Tuple[ManifestEntry, ...]:
    """Return the entries of all groups, each id once; the first one with an id wins."""
    by_id: Dict[str, ManifestEntry] = {}
    for entry in (entry for group in groups for entry in group):
        by_id.setdefault(entry.id, entry)
    return tuple(by_id.values())


def format_manifest(manifest: Manifest, profile: str, resources: Sequence[Mapping[str, str]]) -> str:
    """Return the manifest as one line of JSON.

    ``resources`` are those of the last run.
    """
    entries = [{"id": entry.id, "phase": entry.phase, "tags": sorted(entry.tags)} for entry in manifest.entries]
    content = {"schema": SCHEMA, "profile": profile, "identity": dict(manifest.identity), "entries": entries}
    return json.dumps({**content, "resources": list(resources)})


def parse_manifest(text: str) -> Manifest:
    """Parse a manifest of any version; a damaged one has no entries."""
    if not text.strip():
        return Manifest()
    try:
        data = json.loads(text)
        if data.get("schema") == 1:
            ids = [str(resource["id"]) for resource in data["resources"]]
            return Manifest(tuple(ManifestEntry(id_) for id_ in ids if id_.split(":")[0] in _ENTRIES_OF_VERSION_1))
        identity = {str(key): str(value) for key, value in data["identity"].items()}
        return Manifest(tuple(_parse_entries(data["entries"])), identity)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Manifest(is_damaged=True)


def _parse_entries(items: Sequence[Mapping[str, Any]]) -> List[ManifestEntry]:
    """Parse entries. Raises ValueError for an id without a kind."""
    entries = [ManifestEntry(str(item["id"]), str(item["phase"]), frozenset(map(str, item["tags"]))) for item in items]
    if not all(":" in entry.id for entry in entries):
        raise ValueError("an entry without a kind")
    return entries
