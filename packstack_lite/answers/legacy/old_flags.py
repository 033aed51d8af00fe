"""Find the parameter that an option of an older Packstack release set.

Used by ``cli`` and by ``overrides``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Mapping

from packstack_lite.answers.legacy.history import load_old_flags, load_old_parameters

# Packstack spelled words of its options in other ways than in the names of parameters.
_SPELLINGS = {"password": "pw", "passwd": "pw", "interfaces": "ifaces"}


def find_old_parameter(flag: str) -> str:
    """Return the old parameter that an option set, such as CONFIG_NAGIOS_INSTALL.

    An old parameter is none today. ``flag`` is the option with or without its dashes. "" if it set no old parameter.
    """
    name = flag.lstrip("-").replace("_", "-").lower()
    names, key = _names_by_key(), _key(name)
    return load_old_flags().get(name) or names.get(key) or names.get(key[:-1] if key.endswith("s") else f"{key}s", "")


@lru_cache(maxsize=None)
def _names_by_key() -> Mapping[str, str]:
    """Return the old names by the key of their options."""
    return {_key(name[len("CONFIG_") :].lower()): name for name in load_old_parameters()}


def _key(name: str) -> str:
    """Return what the option and the name of a parameter have in common.

    ``os-`` in front and the separators tell nothing: --os-quantum-install is CONFIG_QUANTUM_INSTALL. Nor does a plural
    at the end, unless a parameter differs by it: --novavncproxy-hosts is CONFIG_NOVA_VNCPROXY_HOST.
    """
    words = [_SPELLINGS.get(word, word) for word in re.split(r"[-_]", name) if word]
    return "".join(words[1:] if words[:1] == ["os"] else words)
