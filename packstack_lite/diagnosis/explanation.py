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
    """An ``if`` or ``for`` of a template, with what it depends on.

    ``template_line`` is PATH:LINE, ``text`` the line there.
    """

    template_line: str
    text: str
    sources: Tuple[Source, ...]


@dataclass(frozen=True)
class LineExplanation:
    """A line of the file as the node gets it.

    ``template_lines`` are PATH:LINE, the line itself first, then the lines that call the macro that it is in.
    ``override`` is the FILE:LINE of --config-dir that sets the option; ``replaces`` is the rendered line that it
    replaces; a replaced line's number is that in the text without the override. ``section`` is "" in a file that is no
    INI file. ``number`` counts from 1.
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
