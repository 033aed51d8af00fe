"""Read and check the fields of ``sandbox.json``.

Called by ``model``, which makes a Record of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from packstack_lite.errors import UsageError

_TYPES = {"str": str, "int": int, "bool": bool}


def read(path: Path, types: Mapping[str, Any], required: Sequence[str]) -> Dict[str, Any]:
    """Return the fields of a record that are named in ``types`` (name -> type).

    Other fields, of later releases, are dropped.

    Raises UsageError where the file cannot be read or is damaged: not JSON, a required field missing, one of another
    type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise damaged(path, "it is not a JSON object")
    missing = [name for name in required if name not in content]
    if missing:
        raise damaged(path, f"{', '.join(missing)} is missing")
    # The types of a dataclass are text under "from __future__ import annotations".
    wrong = [name for name, kind in types.items() if name in content and type(content[name]) is not _TYPES[str(kind)]]
    if wrong:
        raise damaged(path, f"{', '.join(wrong)} is of another type")
    return {name: value for name, value in content.items() if name in types}


def damaged(path: Path, reason: str) -> UsageError:
    """Return the error for a damaged record, with how to remove its sandbox."""
    directory = path.parent
    return UsageError(
        f"{path}: the record of a sandbox is damaged: {reason}",
        f"restore it; or remove that sandbox: kill $(cat {directory}/pid); umount -R {directory}/root; "
        f"rm -r --one-file-system {directory}",
    )
