"""INI files as oslo.config reads them: taken apart with their comments, and one merged over another.

The rules are those of oslo_config.iniparser (Zed): ``=`` or ``:``, whichever comes first; ``#`` and
``;`` open a comment at the start of a line only; an indented line goes on with the value above it,
which an empty line or a comment ends. Sections count in any case but for DEFAULT
(oslo_config.cfg._normalize_group_name), options as they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

Key = Tuple[str, str]


@dataclass
class Block:
    """Lines that belong together: a section's heading, an option with its value, a comment or empty line.

    ``section`` is as oslo.config compares it, ``name`` is empty for all but options, ``number``
    counts lines from 1. ``above`` are the comments that lead to an option.
    """

    section: str
    lines: List[str]
    number: int
    name: str = ""
    heading: bool = False
    above: List[str] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.section, self.name


@dataclass
class Ini:
    """A file taken apart. ``faults`` are (line number, what is wrong); they never show a value."""

    blocks: List[Block] = field(default_factory=list)
    faults: List[Tuple[int, str]] = field(default_factory=list)

    @property
    def options(self) -> List[Block]:
        return [block for block in self.blocks if block.name]

    def value(self, section: str, name: str) -> str:
        """What counts of a single-valued option: its last value, "" when it is not there."""
        found = [block for block in self.options if block.key == (section, name)]
        return _value(found[-1]) if found else ""


def normal(section: str) -> str:
    """A section's name as oslo.config compares it."""
    return section if section == "DEFAULT" else section.lower()


def parse(text: str) -> Ini:
    """Take a text apart; never raises."""
    read = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        read.line(number, line)
    if text.endswith("\n") or not text:
        read.ini.blocks.pop()
    return read.ini


class _Reader:
    def __init__(self) -> None:
        self.ini = Ini()
        self._section: Optional[str] = None
        self._open: Optional[Block] = None
        self._comments: List[str] = []

    def line(self, number: int, line: str) -> None:
        """Read the next line, its line break taken off."""
        told = line.rstrip()
        if told.startswith((" ", "\t")):
            self._goes_on(number, line)
            return
        self._open = None
        if line.startswith("["):
            self._heading(number, line)
        elif not told or line.startswith(("#", ";")):
            self._keep(Block(self._section or "", [line], number))
            if told:
                self._comments.append(line)
                return
        else:
            self._option(number, line)
        self._comments = []

    def _goes_on(self, number: int, line: str) -> None:
        if self._open:
            self._open.lines.append(line)
        else:
            self._fault(number, line, "is indented, but there is no option above that it could go on with")

    def _heading(self, number: int, line: str) -> None:
        told = line.rstrip()
        if not told.endswith("]"):
            self._fault(number, line, "opens a section with [ but does not close it with ]")
        elif len(told) == 2:
            self._fault(number, line, "a section without a name")
        else:
            self._section = normal(told[1:-1])
            self._keep(Block(self._section, [line], number, heading=True))

    def _option(self, number: int, line: str) -> None:
        places = [place for place in (line.find("="), line.find(":")) if place >= 0]
        name = line[: min(places)].strip() if places else ""
        if not places:
            self._fault(number, line, "neither NAME = VALUE nor a [section]")
        elif not name:
            self._fault(number, line, "a value without a name before it")
        elif self._section is None:
            self._fault(number, line, "stands before the first [section]")
        else:
            self._open = Block(self._section, [line], number, name, above=self._comments)
            self._keep(self._open)

    def _fault(self, number: int, line: str, what: str) -> None:
        self.ini.faults.append((number, what))
        self._keep(Block(self._section or "", [line], number))

    def _keep(self, block: Block) -> None:
        self.ini.blocks.append(block)


def _value(option: Block) -> str:
    first = option.lines[0]
    place = min(place for place in (first.find("="), first.find(":")) if place >= 0)
    return "\n".join([first[place + 1 :].strip(), *[line.strip() for line in option.lines[1:]]])


def merge(rendered: Ini, over: Ini) -> str:
    """``over`` laid on ``rendered``, as text.

    All the values that ``over`` gives to an option, in their order, take the place of all the
    rendered ones; an option that is not rendered goes to the end of its section, a section that is
    not rendered to the end of the file. All else stays as it is, comments included; a comment
    of ``over`` comes along when it leads to an option.
    """
    given: Dict[str, Dict[str, List[Block]]] = {}
    for option in over.options:
        given.setdefault(option.section, {}).setdefault(option.name, []).append(option)
    named = {option.key for option in over.options}
    lines: List[str] = []
    ends = _ends(rendered)
    for place, block in enumerate(rendered.blocks):
        if block.name and block.key in named:
            lines += _lines(given[block.section].pop(block.name, []))
        else:
            lines += block.lines
        if ends.get(block.section) == place:
            lines += _all(given.pop(block.section, {}))
    headings = {block.section: block.lines for block in reversed(over.blocks) if block.heading}
    for section, options in given.items():
        lines += [*([""] if lines and lines[-1] else []), *headings[section], *_all(options)]
    return "\n".join([*lines, ""]) if lines else ""


def _ends(ini: Ini) -> Dict[str, int]:
    """Where each section ends: at its last option or heading, before the empty lines and comments that follow."""
    return {block.section: place for place, block in enumerate(ini.blocks) if block.name or block.heading}


def _all(options: Dict[str, List[Block]]) -> List[str]:
    return [line for said in options.values() for line in _lines(said)]


def _lines(options: List[Block]) -> List[str]:
    return [line for option in options for line in (*option.above, *option.lines)]
