"""The one parameter table: parser, validator, flag, help and written answer file in one.

The parameters stand as data in ``parameters/*.yaml``, in the order in which an answer file
is written. Nothing about a parameter is said twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, Dict, Optional, Tuple

import yaml

RANDOM = "random"
ADDRESS = "address"
# Puppet's names for facts of the host; a default of this form leaves the choice to the services.
HOST_DECIDES = re.compile(r"%\{::\w+\}")
# The parser in C, where PyYAML was built with it: ten times faster, and every start of the tool waits for it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Parameter:
    """A question of the answer file.

    ``flag`` is its command line option without dashes. ``kind`` is string, boolean (y/n),
    integer, float, port, password, key (32 bytes in base64), cidr, ip, host, hosts or list. ``default`` is text; where
    ``computed`` it is ``random`` (``length`` hexadecimal characters), ``address`` (the
    controller's) or the name of the parameter whose answer it repeats. ``own`` passwords never
    take CONFIG_DEFAULT_PASSWORD. ``condition`` says when the parameter counts (see
    ``conditions``); only then must a ``required`` one have an answer and a wrong one is a fault.
    ``allinone`` marks what Packstack's --allinone sets; ours sets those that are hosts.
    ``pattern`` is a regular expression for the whole answer, or for each item of a list;
    ``form`` says it in words. ``lenient`` booleans may be any of Packstack's words for yes and
    no. ``built`` lists the answers that this release carries out, if not all; of a list, the
    words. ``replaces`` lists its old names. ``ours`` marks what Packstack does not ask.
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
    own: bool = False
    length: int = 16
    condition: str = ""
    allinone: bool = False
    pattern: str = ""
    form: str = ""
    lenient: bool = False
    built: Optional[Tuple[str, ...]] = None
    replaces: Tuple[str, ...] = ()
    ours: bool = False

    @property
    def secret(self) -> bool:
        return self.kind in ("password", "key")

    @property
    def host_decides(self) -> bool:
        """Whether an answer such as %{::processorcount} leaves the choice to the host."""
        return bool(HOST_DECIDES.fullmatch(self.default))


def _load() -> Tuple[Parameter, ...]:
    here = resources.files("packstack_lite.answers") / "parameters"
    found = []
    for place in sorted(here.iterdir(), key=lambda entry: entry.name):
        if place.name.endswith(".yaml"):
            data = yaml.load(place.read_text(encoding="utf-8"), Loader=LOADER)
            common = {"group": data["title"], "ours": data.get("ours", False)}
            found += [_parameter({**common, **entry}) for entry in data["parameters"]]
    return tuple(found)


def _parameter(entry: Dict[str, Any]) -> Parameter:
    lists: Dict[str, Any] = {name: tuple(entry[name]) for name in ("choices", "built", "replaces") if name in entry}
    return Parameter(**{**entry, **lists})


TABLE: Tuple[Parameter, ...] = _load()
BY_NAME: Dict[str, Parameter] = {parameter.name: parameter for parameter in TABLE}
OLD_NAMES: Dict[str, str] = {old: parameter.name for parameter in TABLE for old in parameter.replaces}
