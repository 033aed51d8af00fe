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

from packstack_lite.answers.grammars import grammar

RANDOM_DEFAULT = "random"
ADDRESS_DEFAULT = "address"
# Puppet's names for facts of the host; a default of this form leaves the choice to the services.
PUPPET_FACT = re.compile(r"%\{::\w+\}")
# The parser in C, where PyYAML was built with it: ten times faster, and every start of the tool waits for it.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
    ``form`` says it in words; a ``grammar`` (see ``grammars``) gives both. ``lenient`` booleans may
    be any of Packstack's words for yes and no. ``built`` lists the answers that this release
    carries out, if not all; of a list, the words. ``replaces`` lists its old names. ``ours`` marks
    what Packstack does not ask.
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
    ignores_default_password: bool = False
    length: int = 16
    condition: str = ""
    set_by_allinone: bool = False
    pattern: str = ""
    pattern_description: str = ""
    grammar: str = ""
    accepts_boolean_words: bool = False
    supported_values: Optional[Tuple[str, ...]] = None
    old_names: Tuple[str, ...] = ()
    extension: bool = False

    @property
    def is_secret(self) -> bool:
        return self.kind in ("password", "key")

    @property
    def has_fact_default(self) -> bool:
        """Whether an answer such as %{::processorcount} leaves the choice to the host."""
        return bool(PUPPET_FACT.fullmatch(self.default))


def _load_parameters() -> Tuple[Parameter, ...]:
    directory = resources.files("packstack_lite.answers") / "parameters"
    parameters = []
    for path in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".yaml"):
            data = yaml.load(path.read_text(encoding="utf-8"), Loader=YAML_LOADER)
            common = {"group": data["title"], "extension": data.get("extension", False)}
            parameters += [_make_parameter({**common, **entry}) for entry in data["parameters"]]
    return tuple(parameters)


def _make_parameter(entry: Dict[str, Any]) -> Parameter:
    if "grammar" in entry:
        pattern, form = grammar(entry["grammar"])
        entry = {**entry, "pattern": pattern, "pattern_description": form}
    tuples: Dict[str, Any] = {
        name: tuple(entry[name]) for name in ("choices", "supported_values", "old_names") if name in entry
    }
    return Parameter(**{**entry, **tuples})


PARAMETERS: Tuple[Parameter, ...] = _load_parameters()
PARAMETERS_BY_NAME: Dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
CURRENT_NAME_BY_OLD_NAME: Dict[str, str] = {
    old: parameter.name for parameter in PARAMETERS for old in parameter.old_names
}
