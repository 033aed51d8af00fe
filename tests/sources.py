"""Syntax trees of the source: each file is parsed, and its tree walked, once per process.

Used by the tests of rules that hold for every module.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Sequence


@lru_cache(maxsize=None)
def parse_module(path: Path) -> ast.Module:
    """Return the syntax tree of a module; callers must not change it."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@lru_cache(maxsize=None)
def nodes_of(path: Path) -> Sequence[ast.AST]:
    """Return every node of a module's syntax tree, in the order of ``ast.walk``."""
    return tuple(ast.walk(parse_module(path)))
