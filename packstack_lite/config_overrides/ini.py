"""Parse INI files as oslo.config reads them, and merge one over another.

The rules are those of oslo_config.iniparser (Zed). The first ``=`` or ``:`` separates name and value. ``#`` and ``;``
open a comment at the start of a line only. An indented line continues the value above it; an empty line or a comment
ends that value. Section names are compared without regard to case, except DEFAULT
(oslo_config.cfg._normalize_group_name), option names with regard to it. Comments are kept. Used by
``config_overrides.overlay``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

OptionKey = Tuple[str, str]


@dataclass
class Block:
    """Consecutive lines that belong together.

    A block is a section's heading, an option with its value, a comment or an empty line. ``section`` is normalized,
    ``name`` is empty for all but options, ``line_number`` counts from 1. ``leading_comments`` are the comments
    directly above an option.
    """

    section: str
    lines: List[str]
    line_number: int
    name: str = ""
    is_heading: bool = False
    leading_comments: List[str] = field(default_factory=list)

    @property
    def key(self) -> OptionKey:
        """Return (section, name)."""
        return self.section, self.name


@dataclass
class IniFile:
    """A parsed file. ``errors`` are (line number, message), which never show a value."""

    blocks: List[Block] = field(default_factory=list)
    errors: List[Tuple[int, str]] = field(default_factory=list)

    @property
    def options(self) -> List[Block]:
        """Return the blocks that are options, in their order."""
        return [block for block in self.blocks if block.name]

    def last_value(self, section: str, name: str) -> str:
        """Return the last value of an option, which counts; "" without one."""
        matches = [block for block in self.options if block.key == (section, name)]
        return _option_value(matches[-1]) if matches else ""


def normalize_section(section: str) -> str:
    """Return a section's name as oslo.config compares it."""
    return section if section == "DEFAULT" else section.lower()


def parse_ini(text: str) -> IniFile:
    """Parse a text; never raises. Errors are in ``IniFile.errors``."""
    parser = _IniParser()
    for number, line in enumerate(text.split("\n"), 1):
        parser.read_line(number, line)
    if text.endswith("\n") or not text:
        parser.ini.blocks.pop()
    return parser.ini


class _IniParser:
    """Builds an IniFile line by line: its Blocks and its errors."""

    def __init__(self) -> None:
        self.ini = IniFile()
        self._section: Optional[str] = None
        self._open_option: Optional[Block] = None
        self._comments: List[str] = []

    def read_line(self, number: int, line: str) -> None:
        """Read the next line, without its line break."""
        stripped = line.rstrip()
        if stripped.startswith((" ", "\t")):
            self._continue_value(number, line)
            return
        self._open_option = None
        if line.startswith("["):
            self._read_heading(number, line)
        elif not stripped or line.startswith(("#", ";")):
            self._add_block(Block(self._section or "", [line], number))
            if stripped:
                self._comments.append(line)
                return
        else:
            self._read_option(number, line)
        self._comments = []

    def _continue_value(self, number: int, line: str) -> None:
        """Append an indented line to the option above it; without one, note an error."""
        if self._open_option:
            self._open_option.lines.append(line)
        else:
            self._add_error(number, line, "is indented, but there is no option above it to continue")

    def _read_heading(self, number: int, line: str) -> None:
        """Start a section, or note why the line is no heading."""
        stripped = line.rstrip()
        if not stripped.endswith("]"):
            self._add_error(number, line, "opens a section with [ but does not close it with ]")
        elif len(stripped) == 2:
            self._add_error(number, line, "a section without a name")
        else:
            self._section = normalize_section(stripped[1:-1])
            self._add_block(Block(self._section, [line], number, is_heading=True))

    def _read_option(self, number: int, line: str) -> None:
        """Start an option, or note why the line is none."""
        separators = [position for position in (line.find("="), line.find(":")) if position >= 0]
        name = line[: min(separators)].strip() if separators else ""
        if not separators:
            self._add_error(number, line, "neither NAME = VALUE nor a [section]")
        elif not name:
            self._add_error(number, line, "a value without a name before it")
        elif self._section is None:
            self._add_error(number, line, "is before the first [section]")
        else:
            self._open_option = Block(self._section, [line], number, name, leading_comments=self._comments)
            self._add_block(self._open_option)

    def _add_error(self, number: int, line: str, message: str) -> None:
        """Note an error and keep the line as a block without a name."""
        self.ini.errors.append((number, message))
        self._add_block(Block(self._section or "", [line], number))

    def _add_block(self, block: Block) -> None:
        """Append a block to the IniFile that is being built."""
        self.ini.blocks.append(block)


def _option_value(option: Block) -> str:
    """Return an option's value: the text after ``=`` or ``:``, joined over its lines."""
    first_line = option.lines[0]
    position = min(position for position in (first_line.find("="), first_line.find(":")) if position >= 0)
    return "\n".join([first_line[position + 1 :].strip(), *[line.strip() for line in option.lines[1:]]])


def merge_ini(rendered: IniFile, overrides: IniFile) -> str:
    """Merge ``overrides`` over ``rendered`` and return the text.

    All values that ``overrides`` gives to an option, in their order, replace all rendered values of it. An option that
    is not rendered is added at the end of its section, a section at the end of the file. Every other line stays,
    comments included; a comment of ``overrides`` is copied when it is directly above an option.
    """
    options_by_section: Dict[str, Dict[str, List[Block]]] = {}
    for option in overrides.options:
        options_by_section.setdefault(option.section, {}).setdefault(option.name, []).append(option)
    overridden_keys = {option.key for option in overrides.options}
    lines: List[str] = []
    section_ends = _section_ends(rendered)
    for index, block in enumerate(rendered.blocks):
        if block.name and block.key in overridden_keys:
            lines += _option_lines(options_by_section[block.section].pop(block.name, []))
        else:
            lines += block.lines
        if section_ends.get(block.section) == index:
            lines += _all_option_lines(options_by_section.pop(block.section, {}))
    headings = {block.section: block.lines for block in reversed(overrides.blocks) if block.is_heading}
    for section, options in options_by_section.items():
        lines += [*([""] if lines and lines[-1] else []), *headings[section], *_all_option_lines(options)]
    return "\n".join([*lines, ""]) if lines else ""


def _section_ends(ini: IniFile) -> Dict[str, int]:
    """Return the index of each section's last option or heading.

    Empty lines and comments that follow do not count.
    """
    return {block.section: index for index, block in enumerate(ini.blocks) if block.name or block.is_heading}


def _all_option_lines(options_by_name: Dict[str, List[Block]]) -> List[str]:
    """Return the lines of several options, one after the other."""
    return [line for values in options_by_name.values() for line in _option_lines(values)]


def _option_lines(values: List[Block]) -> List[str]:
    """Return the lines of one option's values, each below its leading comments."""
    return [line for value in values for line in (*value.leading_comments, *value.lines)]
