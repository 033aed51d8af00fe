"""Render templates with strict Jinja2.

It refuses a secret without a quoting filter. Called by ``NodeContext``.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple, Type

import jinja2

from packstack_lite import secret
from packstack_lite.secret import Secret

if TYPE_CHECKING:  # its module differs between Python versions
    from importlib.abc import Traversable

# How the header of each rendered file begins, after the comment sign. Preflight and push recognise our files by it.
HEADER = "Written by packstack-lite"

FILTERS = (
    "cnf",
    "ini",
    "ini_url",
    "ovs",
    "paste",
    "percent",
    "py",
    "sh",
    "sh_inner",
    "sql",
    "unit",
    "unit_inner",
    "unit_text",
    "url",
    "yaml",
)


def templates_root() -> Traversable:
    """Return the templates tree.

    It is inside the package when installed, and next to it in a source tree.
    """
    try:
        return resources.files("packstack_lite.templates")
    except ModuleNotFoundError:
        return resources.files("templates")


def _load_template(name: str) -> Optional[Tuple[str, str, Callable[[], bool]]]:
    """Load a template for Jinja2; None if it does not exist."""
    path = templates_root()
    for part in name.split("/"):
        path = path / part
    return (path.read_text(encoding="utf-8"), name, lambda: True) if path.is_file() else None


def _reject_bare_secret(value: Any) -> Any:
    """Return an expression's value; refuse a secret that no filter has quoted.

    Raises TypeError.
    """
    if isinstance(value, Secret):
        raise TypeError("a template prints a secret without a quoting filter")
    return value


def make_environment(environment_class: Type[jinja2.Environment] = jinja2.Environment) -> jinja2.Environment:
    """Create the environment in which templates are rendered.

    A subclass of Environment gets the same rules.
    """
    environment = environment_class(
        loader=jinja2.FunctionLoader(_load_template),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=_reject_bare_secret,
    )
    environment.filters.update({name: getattr(secret, f"quote_{name}") for name in FILTERS})
    return environment


_ENVIRONMENT = make_environment()


def render(template: str, **values: Any) -> str:
    """Render a template; its header line names it.

    Raises jinja2.UndefinedError for an unknown name.
    """
    return name_template(_ENVIRONMENT.get_template(template).render(**values), template)


def name_template(text: str, template: str) -> str:
    """Add the template's path to the header line of a rendered text.

    The header line is ``# Written by packstack-lite``.

    Done here for all of them, so that no template repeats its own path. A text without the header stays as it is.
    """
    return text.replace(HEADER, f"{HEADER} from templates/{template}", 1)
