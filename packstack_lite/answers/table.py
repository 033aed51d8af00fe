"""The one parameter table: parser, validator, flag, help and written answer file in one.

The parameters stand as data in ``parameters/*.yaml``, in the order in which an answer file
is written. Nothing about a parameter is said twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any, Dict, Tuple

import yaml

RANDOM = "random"
ADDRESS = "address"


@dataclass(frozen=True)
class Parameter:
    """A question of the answer file.

    ``flag`` is its command line option without dashes. ``kind`` is string, boolean (y/n),
    integer, float, port, password, cidr, host, hosts or list. ``default`` is text; where
    ``computed`` it is ``random`` (``length`` hexadecimal characters) or ``address`` (the
    controller's). ``condition`` says in words when it counts. ``allinone`` marks what
    --allinone and --install-hosts set.
    """

    name: str
    flag: str
    kind: str
    default: str
    help: str
    group: str
    choices: Tuple[str, ...] = ()
    required: bool = False
    computed: bool = False
    length: int = 16
    condition: str = ""
    allinone: bool = False

    @property
    def secret(self) -> bool:
        return self.kind == "password"


def _load() -> Tuple[Parameter, ...]:
    here = resources.files("packstack_lite.answers") / "parameters"
    found = []
    for place in sorted(here.iterdir(), key=lambda entry: entry.name):
        if place.name.endswith(".yaml"):
            data = yaml.safe_load(place.read_text(encoding="utf-8"))
            found += [_parameter(entry, data["title"]) for entry in data["parameters"]]
    return tuple(found)


def _parameter(entry: Dict[str, Any], group: str) -> Parameter:
    return Parameter(**{**entry, "choices": tuple(entry.get("choices", ())), "group": group})


TABLE: Tuple[Parameter, ...] = _load()
BY_NAME: Dict[str, Parameter] = {parameter.name: parameter for parameter in TABLE}
