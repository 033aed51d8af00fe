"""Reading ``sandbox.json``: its fields, checked. Called by ``model``, which makes a Record of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from packstack_lite.errors import UsageError

_TYPES = {"str": str, "int": int, "bool": bool}


def read(path: Path, types: Mapping[str, Any], needed: Sequence[str]) -> Dict[str, Any]:
    """The fields of ``types`` (name to type) that a record holds; another release may have written more.

    Raises UsageFault when the file is damaged: not JSON, a needed field missing, one of another type.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, "it is not JSON") from error
    if not isinstance(held, dict):
        raise damaged(path, "it is not a JSON object")
    missing = [name for name in needed if name not in held]
    if missing:
        raise damaged(path, f"{', '.join(missing)} is missing")
    # The types of a dataclass are text under "from __future__ import annotations".
    wrong = [name for name, kind in types.items() if name in held and type(held[name]) is not _TYPES[str(kind)]]
    if wrong:
        raise damaged(path, f"{', '.join(wrong)} is of another type")
    return {name: value for name, value in held.items() if name in types}


def damaged(path: Path, why: str) -> UsageError:
    """The error for a record that cannot be used, with how to remove its sandbox."""
    place = path.parent
    return UsageError(
        f"{path}: the record of a sandbox is damaged: {why}",
        f"restore it; or remove that sandbox: kill $(cat {place}/pid); umount -R {place}/root; "
        f"rm -r --one-file-system {place}",
    )
