"""Distributions that a sandbox can run: Debian's releases, and those of plug-ins.

A plug-in is a Python module with a list ``DISTRO_PLUGINS``. PACKSTACK_LITE_SANDBOX_PLUGINS names such modules, or
directories that are packages, separated by colons; ``tests/hosts`` of the source tree is one. Only new sandboxes need
their plug-in: one that exists is started, entered and removed without it.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Protocol

from packstack_lite.errors import UsageError

# The name that --distro takes -> Debian's code name.
DEBIAN_SUITES = {"debian12": "bookworm", "debian13": "trixie"}
DEFAULT_DISTRO = "debian12"
PLUGINS_VARIABLE = "PACKSTACK_LITE_SANDBOX_PLUGINS"


class DistroPlugin(Protocol):
    """A distribution that a container sandbox can run, made from a Debian tree."""

    @property
    def name(self) -> str:
        """The name that ``--distro`` takes."""

    @property
    def base(self) -> str:
        """The Debian release whose base tree it is made from: a key of DEBIAN_SUITES."""

    def notice(self) -> str:
        """Return what a user should know before a sandbox of it is made, "" for nothing."""

    def ensure_tree(self, debian_tree: Callable[[], Path], progress: Callable[[str], None]) -> Path:
        """Return the directory of its base tree, made if it is missing.

        ``debian_tree`` makes and returns the base tree of ``base``; ``progress`` takes a line for the user.
        """


def load_plugins() -> Dict[str, DistroPlugin]:
    """Return the distributions that plug-ins bring, by name.

    Imports the modules that PACKSTACK_LITE_SANDBOX_PLUGINS names.

    Raises UsageError for a module that cannot be imported or has no ``DISTRO_PLUGINS``, and for a plug-in whose name is
    taken.
    """
    plugins: Dict[str, DistroPlugin] = {}
    for entry in filter(None, os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep)):
        for plugin in _read_plugins(entry):
            if plugin.name in plugins or plugin.name in DEBIAN_SUITES:
                raise UsageError(
                    f"{PLUGINS_VARIABLE}={entry}: the distribution {plugin.name} is there already",
                    hint=f"name each plug-in once, or unset {PLUGINS_VARIABLE}",
                )
            plugins[plugin.name] = plugin
    return plugins


def _read_plugins(entry: str) -> Iterable[DistroPlugin]:
    """Import a module by its name or its directory; return its DISTRO_PLUGINS."""
    hint = f"{PLUGINS_VARIABLE} names Python modules or package directories, separated by {os.pathsep}"
    try:
        module = importlib.import_module(_package_name(Path(entry)) if os.sep in entry else entry)
    except ImportError as error:
        raise UsageError(f"{PLUGINS_VARIABLE}={entry}: cannot be imported: {error}", hint=hint) from error
    plugins: List[DistroPlugin] = list(getattr(module, "DISTRO_PLUGINS", ()))
    if not plugins:
        raise UsageError(f"{PLUGINS_VARIABLE}={entry}: the module has no DISTRO_PLUGINS", hint=hint)
    return plugins


def _package_name(directory: Path) -> str:
    """Return the dotted name of a package directory, and make it importable.

    The directory above the outermost package goes to the front of sys.path.
    """
    directory = directory.resolve()
    parts = [directory.name]
    while (directory.parent / "__init__.py").exists():
        directory = directory.parent
        parts.insert(0, directory.name)
    if str(directory.parent) not in sys.path:
        sys.path.insert(0, str(directory.parent))
    return ".".join(parts)


def find_plugin(distro: str) -> DistroPlugin:
    """Return the plug-in that brings a distribution.

    Raises UsageError where there is none.
    """
    plugins = load_plugins()
    if distro not in plugins:
        known = ", ".join(sorted([*DEBIAN_SUITES, *plugins]))
        raise UsageError(
            f"no sandbox of distro {distro!r}",
            hint=f"known: {known}; {PLUGINS_VARIABLE} names plug-ins with more (tests/hosts in a source tree)",
        )
    return plugins[distro]


def notice(distro: str) -> str:
    """Return what a user should know before a new sandbox runs this, "" for nothing."""
    return "" if distro in DEBIAN_SUITES else find_plugin(distro).notice()
