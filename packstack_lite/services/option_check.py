"""The user's own options held against the option lists on the host, before anything is written there."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import replace
from importlib import resources
from typing import Any, FrozenSet, List, Mapping, Optional, Sequence, Tuple

import yaml

from packstack_lite.profiles import Profile
from packstack_lite.resources import Once
from packstack_lite.resources.base import Phase
from packstack_lite.secret import sh
from packstack_lite.services.ini import Block, Ini
from packstack_lite.services.schema import program

PROGRAM = "check_options.py"

# The program and its task share one stdin: nothing stays on the host.
_RUN = """%s -c 'import sys
source = getattr(sys.stdin, "buffer", sys.stdin)
exec(compile(source.read(int(source.readline())), "check_options", "exec"))'"""


def _lists() -> Mapping[str, Any]:
    text = (resources.files("packstack_lite.services") / "option_lists.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]


_LISTS = _lists()


def lists(name: str) -> Tuple[str, ...]:
    """Patterns of the option lists for a file, named as below /etc; none when it is not oslo.config's."""
    for pattern, own in _LISTS["files"].items():
        if fnmatch.fnmatchcase(name, pattern):
            return (*own, *_LISTS["common"]) if own else ()
    return ()


def judged(over: Ini, merged: Ini) -> List[Block]:
    """The options that a list can know: not those of sections that are named by another option."""
    named = {part.split(":")[0].strip() for where in _LISTS["named_by"] for part in merged.value(*where).split(",")}
    return [
        option
        for option in over.options
        if option.section not in {name.lower() for name in named}
        and not any(fnmatch.fnmatchcase(option.section, like) for like in _LISTS["named_like"])
    ]


def check(
    name: str, source: str, options: Sequence[Block], profile: Profile, needs: Sequence[str], tags: FrozenSet[str]
) -> Optional[Once]:
    """The work on the host; None when there is nothing to judge. Neither script nor input holds a value.

    Done again when the options or the release are others. ``source`` is the user's file.
    """
    patterns = lists(name)
    if not patterns or not options:
        return None
    asked = {
        "file": name,
        "lists": patterns,
        "options": [[option.section, option.name, f"{source}:{option.number}"] for option in options],
    }
    work = Once(
        name=f"your options in {name}",
        script=_RUN % profile.python,
        done="",
        token=_token([profile.release, patterns, sorted({option.key for option in options})]),
        stdin=_with_program(json.dumps(asked).encode()),
        known_after=Phase.PACKAGES,
        says=f"check your options in {name}",
        phase=Phase.PACKAGES,
        tags=tags,
        needs=tuple(needs),
        guards=True,
    )
    return replace(work, done=f"[ -s {sh(work.place)} ]")


def _token(of: object) -> str:
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:32]


def _with_program(task: bytes) -> bytes:
    source = program(PROGRAM)
    return b"%d\n" % len(source) + source + task
