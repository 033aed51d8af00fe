"""Check the options in --config-dir against those that the node's services know.

``overlay`` declares a RunOnce resource for each file. It runs on the node after the packages are installed and before
any file is written: oslo-config-validator looks the options up in the option lists (entry points ``oslo.config.opts``)
of the installed packages. An unknown option fails the run; an option under an old name is a warning.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import replace
from importlib import resources
from typing import Any, FrozenSet, List, Mapping, Optional, Sequence, Tuple

import yaml

from packstack_lite.config_overrides.ini import Block, IniFile
from packstack_lite.profiles import Profile
from packstack_lite.resources import RunOnce
from packstack_lite.resources.base import Phase
from packstack_lite.secret import quote_sh
from packstack_lite.services._base.schema import read_program

CHECK_PROGRAM = "check_options.py"

# The program and its request share one stdin, so that nothing is left on the node.
_RUN = """%s -c 'import sys
source = getattr(sys.stdin, "buffer", sys.stdin)
exec(compile(source.read(int(source.readline())), "check_options", "exec"))'"""


def _load_option_lists() -> Mapping[str, Any]:
    """Read services/option_lists.yaml: files, option lists and dynamic sections."""
    text = (resources.files("packstack_lite.services") / "option_lists.yaml").read_text(encoding="utf-8")
    # libyaml's parser is ten times faster; PyYAML may be built without it.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # type: ignore[no-any-return]


_OPTION_LISTS = _load_option_lists()


def option_lists(name: str) -> Tuple[str, ...]:
    """Return patterns of the option lists for a file.

    ``name`` is the file's path below /etc. A file that oslo.config does not read has none.
    """
    for pattern, file_lists in _OPTION_LISTS["files"].items():
        if fnmatch.fnmatchcase(name, pattern):
            return (*file_lists, *_OPTION_LISTS["common"]) if file_lists else ()
    return ()


def checkable_options(overrides: IniFile, merged: IniFile) -> List[Block]:
    """Return the options that an option list can contain.

    A section whose name is the value of another option is in no list.
    """
    dynamic_sections = {
        item.split(":")[0].strip()
        for section_option in _OPTION_LISTS["named_by"]
        for item in merged.last_value(*section_option).split(",")
    }
    return [
        option
        for option in overrides.options
        if option.section not in {name.lower() for name in dynamic_sections}
        and not any(
            fnmatch.fnmatchcase(option.section, section_pattern) for section_pattern in _OPTION_LISTS["named_like"]
        )
    ]


def declare_option_check(
    name: str, source: str, options: Sequence[Block], profile: Profile, needs: Sequence[str], tags: FrozenSet[str]
) -> Optional[RunOnce]:
    """Declare the check on the node, or return None when there is nothing to check.

    Neither script nor input holds a value. The check runs again for other options or another release. ``source`` is
    the path of the user's file.
    """
    patterns = option_lists(name)
    if not patterns or not options:
        return None
    request = {
        "file": name,
        "lists": patterns,
        "options": [[option.section, option.name, f"{source}:{option.line_number}"] for option in options],
    }
    job = RunOnce(
        name=f"your options in {name}",
        script=_RUN % profile.python,
        probe_script="",
        fingerprint=_digest([profile.release, patterns, sorted({option.key for option in options})]),
        stdin=_prepend_program(json.dumps(request).encode()),
        known_after=Phase.PACKAGES,
        description=f"check your options in {name}",
        phase=Phase.PACKAGES,
        tags=tags,
        needs=tuple(needs),
        always_run=True,
    )
    return replace(job, probe_script=f"[ -s {quote_sh(job.fingerprint_file)} ]")


def _digest(value: object) -> str:
    """Return a short hash of a JSON value: the check runs again when it changes."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


def _prepend_program(request: bytes) -> bytes:
    """Return the check program's length and source, followed by the request."""
    source = read_program(CHECK_PROGRAM)
    return b"%d\n" % len(source) + source + request
