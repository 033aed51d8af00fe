"""Names and values of older Packstack releases, and what became of them.

What is known stands as data in ``history.yaml``; which of today's parameters an old name means
stands there or, where Packstack itself carries it over, in the parameter table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import yaml

from packstack_lite.answers.table import BY_NAME, LOADER, OLD_NAMES


@dataclass(frozen=True)
class Past:
    """A name that is no longer a parameter; the fields are those of ``history.yaml``.

    ``first`` and ``last`` are releases of Packstack, "" for a name that none of them wrote.
    """

    name: str
    first: str
    last: str
    to: Mapping[str, Mapping[str, Any]]
    when: str = ""
    idle: Optional[Tuple[str, ...]] = None
    fate: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Retired:
    """A value that a parameter no longer takes, and what is to be said in its place."""

    was: str
    now: str
    why: str
    blocks: bool = False


@lru_cache(maxsize=None)
def past() -> Mapping[str, Past]:
    """Every name that older releases knew and today's do not."""
    found: Dict[str, Past] = {}
    for entry in _data()["names"]:
        more = {key: entry[key] for key in ("when", "fate", "secret") if key in entry}
        idle = tuple(entry["idle"]) if "idle" in entry else None
        for name, lived in entry["releases"].items():
            first, last = lived or ("", "")
            found[name] = Past(name, first, last, _aims(entry.get("to", OLD_NAMES.get(name))), idle=idle, **more)
    return found


@lru_cache(maxsize=None)
def retired() -> Mapping[str, Sequence[Retired]]:
    """By parameter: the values that it no longer takes."""
    found: Dict[str, List[Retired]] = defaultdict(list)
    for entry in _data()["values"]:
        found[entry["name"]].append(Retired(entry["was"], entry["now"], entry["why"], entry.get("blocks", False)))
    return dict(found)


@lru_cache(maxsize=None)
def _data() -> Any:
    text = (resources.files("packstack_lite.answers") / "history.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=LOADER)


def _aims(told: Any) -> Mapping[str, Mapping[str, Any]]:
    return {told: {}} if isinstance(told, str) else told or {}


def is_secret(name: str) -> bool:
    """Whether answers under this name, of today or old, are secrets."""
    if name in BY_NAME:
        return BY_NAME[name].secret
    old = past().get(name)
    return old is not None and (old.secret or any(is_secret(now) for now in old.to))


def modern(name: str, text: str) -> Optional[Retired]:
    """The text with values of today in place of those that are gone; None when none of them is."""
    rules = retired().get(name, ())
    items = [item.strip() for item in text.split(",")] if name in BY_NAME and BY_NAME[name].kind == "list" else [text]
    hits = []
    for rule in rules:
        for place, item in enumerate(items):
            if re.fullmatch(rule.was, item):
                items[place] = re.sub(f"(?:{rule.was})", rule.now, item)
                hits.append(rule)
    if not hits:
        return None
    now = ",".join(dict.fromkeys(item for item in items if item))
    return Retired(text, now, hits[0].why, any(rule.blocks for rule in hits))
