"""The explanation of a rendered file, as plain values.

Built by ``explain``, printed by ``cli.explain``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Source:
    """An answer, fact, profile entry or node property that went into a line.

    ``origin`` of an answer is where it was given, as Answers.origin says; a fact's is ``sample``. Secrets are masked.
    """

    kind: str
    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class ConditionExplanation:
    """An ``if``, ``elif`` or ``for`` of a template that encloses a rendered line.

    ``template_line`` is its PATH:LINE, ``text`` the template's text there, ``sources`` are what the branch depends on.
    A line in an ``else`` has the last test before it.
    """

    template_line: str
    text: str
    sources: Tuple[Source, ...]


@dataclass(frozen=True)
class LineExplanation:
    """A line of the file as the node gets it, and where it comes from.

    ``number`` counts from 1. ``section`` is "" in a file that is no INI file. A line of the template has
    ``template_lines``, ``conditions`` and ``sources``; a line of --config-dir has ``override`` and ``replaces``.
    ``template_lines`` are PATH:LINE: the line of the template, then those that call the macro that it is in.
    ``override`` is the FILE:LINE in --config-dir. ``replaces`` are the lines that the template gives for the same
    option, numbered as in the file without the override.
    """

    number: int
    section: str
    text: str
    template_lines: Tuple[str, ...] = ()
    conditions: Tuple[ConditionExplanation, ...] = ()
    sources: Tuple[Source, ...] = ()
    override: str = ""
    replaces: Tuple[LineExplanation, ...] = ()


@dataclass(frozen=True)
class FileExplanation:
    """A file of a node, with its template, declaring code and restarting units.

    ``template`` is "" for a file that code writes or that --config-dir adds, ``override`` the file of --config-dir that
    changes it, ``lines`` the lines of the option that was asked for. ``other_nodes`` have a file at the same path.
    """

    path: str
    node: str
    template: str
    declared_by: str
    services: Tuple[str, ...]
    owner: str
    group: str
    mode: str
    restarts: Tuple[str, ...]
    override: str
    other_nodes: Tuple[str, ...]
    lines: Tuple[LineExplanation, ...] = ()
