"""Names of a package that are imported when they are used (PEP 562).

Used by packages that export names of many modules: a command that needs one of them does not wait for all.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Callable, Mapping


def lazy_exports(package: str, names_by_module: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    ``names_by_module`` maps modules of the package to the names that it exports from them, separated by spaces.
    """
    module_by_name = {name: module for module, names in names_by_module.items() for name in names.split()}

    def import_name(name: str) -> Any:
        """Import a name, and keep it in the package. Raises AttributeError."""
        if name not in module_by_name:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_by_name[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return import_name
