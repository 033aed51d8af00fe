"""Load the parameter table.

Parser, validation, flags, help texts and written answer files are made from it. The parameters are data in
``parameters/*.yaml``, in the order of a written answer file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, Dict, Optional, Tuple

import yaml

from packstack_lite.answers.grammars import grammar

# In a file: the password that packstack-lite would generate, or CONFIG_DEFAULT_PASSWORD.
PASSWORD_PLACEHOLDER = "PW_PLACEHOLDER"
RANDOM_DEFAULT = "random"
ADDRESS_DEFAULT = "address"
# Puppet's name for a fact of the node; such an answer leaves the choice to the services.
PUPPET_FACT = re.compile(r"%\{::\w+\}")
# PyYAML's parser in C, where it was built: ten times faster, and every command waits for it.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Parameter:
    """One parameter of the answer file.

    ``flag`` is its command line option without dashes. ``kind`` is string, boolean (y/n), integer, float, port,
    password, key (32 bytes in base64), cidr, ip, host, hosts or list.

    ``other_defaults`` are the defaults that other releases of Packstack wrote into every file.

    ``default`` is text. Where ``computed`` is set, it is ``random`` (a password of ``length`` hexadecimal
    characters), ``address`` (that of the controller) or the parameter whose answer is repeated.
    ``ignores_default_password``: CONFIG_DEFAULT_PASSWORD never replaces its generated password.

    ``condition`` says when the parameter applies (see ``conditions``). Only then is a missing answer to a
    ``required`` parameter, or an invalid answer, an error. ``choices`` are the valid answers; ``pattern`` is a
    regular expression for the whole answer or for each item of a list, ``pattern_description`` says it in words,
    and ``grammar`` (see ``grammars``) sets both. ``accepts_boolean_words``: True, yes and the like are valid too.
    ``supported_values`` are the answers (of a list: the words) that this release implements; None means all.
    ``without_effect`` says why nothing reads the answer: whoever gives another than the default is warned.

    ``set_by_allinone``: Packstack's --allinone sets it (here it sets only hosts). ``old_names`` are its names in
    older releases. ``extension``: Packstack does not have this parameter.
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
    without_effect: str = ""
    other_defaults: Tuple[str, ...] = ()
    old_names: Tuple[str, ...] = ()
    extension: bool = False

    @property
    def is_secret(self) -> bool:
        """Return whether the answer is a password or a key."""
        return self.kind in ("password", "key")

    @property
    def has_fact_default(self) -> bool:
        """Return whether a Puppet fact such as %{::processorcount} is a valid answer.

        It leaves the choice to the services.
        """
        return bool(PUPPET_FACT.fullmatch(self.default))


def _load_parameters() -> Tuple[Parameter, ...]:
    """Read ``parameters/*.yaml`` in the order of the files' names."""
    directory = resources.files("packstack_lite.answers") / "parameters"
    parameters = []
    for path in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".yaml"):
            data = yaml.load(path.read_text(encoding="utf-8"), Loader=YAML_LOADER)
            common = {"group": data["title"], "extension": data.get("extension", False)}
            parameters += [_make_parameter({**common, **entry}) for entry in data["parameters"]]
    return tuple(parameters)


def _make_parameter(entry: Dict[str, Any]) -> Parameter:
    """Make a parameter from its entry in a YAML file."""
    if "grammar" in entry:
        pattern, description = grammar(entry["grammar"])
        entry = {**entry, "pattern": pattern, "pattern_description": description}
    tuples: Dict[str, Any] = {
        name: tuple(entry[name])
        for name in ("choices", "supported_values", "old_names", "other_defaults")
        if name in entry
    }
    return Parameter(**{**entry, **tuples})


PARAMETERS: Tuple[Parameter, ...] = _load_parameters()
PARAMETERS_BY_NAME: Dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
CURRENT_NAME_BY_OLD_NAME: Dict[str, str] = {
    old: parameter.name for parameter in PARAMETERS for old in parameter.old_names
}
