"""Explain a rendered file: its template, its lines, the answers and facts in them.

Used by ``cli.explain``.

Nothing is read from a node. The files are rendered once more with a ``TrackedContext``.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import packstack_lite
from packstack_lite import services
from packstack_lite.answers import Answers
from packstack_lite.config_overrides import overlay
from packstack_lite.config_overrides.ini import normalize_section, parse_ini
from packstack_lite.config_overrides.user_files import UserFile, UserTree, normalize_newlines
from packstack_lite.diagnosis.explanation import ConditionExplanation, FileExplanation, LineExplanation, Source
from packstack_lite.diagnosis.template_tracking import Fragment, TemplateLine
from packstack_lite.diagnosis.tracking import Reads, Rendering, TrackedContext, Tracker
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend_here
from packstack_lite.resources import File, Unit
from packstack_lite.resources.base import Resource
from packstack_lite.secret import MASK, Masker, Secret
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.templating import templates_root

_LINE_NAME = re.compile(r"\s*(?:export\s+|SetEnv\s+|-A\s+)?[\"']?([A-Za-z_][\w.\-/]*)")


@dataclass
class _NodeFiles:
    """A node's declared resources, with overrides, and how its files were rendered."""

    rendered: Dict[str, File]
    final: Dict[str, File]
    resources: Sequence[Resource]
    renderings: List[Rendering] = field(default_factory=list)


def explain_file(
    contexts: Mapping[str, NodeContext], answers: Answers, user_tree: UserTree, file_name: str, option: str, node: str
) -> FileExplanation:
    """Explain a file that apply would write, and the lines of an option in it.

    ``contexts`` are the nodes by name. ``file_name`` is a path or its unique end, ``option`` NAME, SECTION.NAME or
    "[SECTION] NAME". An empty ``option`` explains no line; an empty ``node`` chooses the first that has the file.
    Raises UsageError for an unknown node, file or option, and for the end of several paths.
    """
    if node and node not in contexts:
        raise UsageError(f"--node {node}: the answers name no such node", f"choose one of: {', '.join(contexts)}")
    nodes = _declare_all(contexts, user_tree)
    candidates = {name: files for name, files in nodes.items() if not node or name == node}
    path = _find_path(candidates, file_name, node)
    chosen = next(name for name, files in candidates.items() if path in files.final)
    explainer = _Explainer(nodes[chosen], answers, user_tree, path)
    return explainer.explain(chosen, option, [name for name in nodes if name != chosen and path in nodes[name].final])


def _declare_all(contexts: Mapping[str, NodeContext], user_tree: UserTree) -> Dict[str, _NodeFiles]:
    """Declare the resources of each node with tracking, and apply the overrides."""
    declared = {}
    trackers = {name: Tracker() for name in contexts}
    for name, context in contexts.items():
        declared[name] = services.declare(TrackedContext.wrap(context, trackers[name]))
    overridden = overlay.apply_overrides_to_nodes(
        {name: (resources, contexts[name].profile) for name, resources in declared.items()}, user_tree
    )
    return {
        name: _NodeFiles(
            _files_by_path(declared[name]),
            _files_by_path(overridden[name].resources),
            overridden[name].resources,
            trackers[name].renderings,
        )
        for name in contexts
    }


def _files_by_path(resources: Iterable[Resource]) -> Dict[str, File]:
    """Return the File resources by path; other kinds are left out."""
    return {resource.path: resource for resource in resources if isinstance(resource, File)}


def _find_path(nodes: Mapping[str, _NodeFiles], file_name: str, node: str) -> str:
    """Return the path that a name means: a path itself, or its unique end."""
    paths = sorted({path for files in nodes.values() for path in files.final})
    if file_name in paths:
        return file_name
    matches = [path for path in paths if path.endswith("/" + file_name.lstrip("/")) and not file_name.startswith("/")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{file_name}: several files have this name", f"choose one of: {', '.join(matches)}")
    where = f" on {node}" if node else ""
    edited = [
        resource
        for files in nodes.values()
        for resource in files.resources
        if not isinstance(resource, File) and getattr(resource, "path", "") == file_name
    ]
    if edited:
        raise UsageError(
            f"{file_name}: packstack-lite does not render this file, it declares {edited[0].id}",
            f"{recommend_here('plan', '--diff')} shows what changes there",
        )
    close_matches = _close_paths(paths, file_name)
    hint = f"close matches: {', '.join(close_matches)}"
    if not close_matches:
        hint = f"{recommend_here('render', '--to', 'DIR')} writes all"
    raise UsageError(f"{file_name}: no such file is rendered{where}", hint)


def _close_paths(paths: Sequence[str], file_name: str) -> List[str]:
    """List at most five paths whose name or whole path is like the given one."""
    by_base_name: Dict[str, List[str]] = {}
    for path in paths:
        by_base_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    base_names = difflib.get_close_matches(file_name.rsplit("/", 1)[-1], by_base_name, 5)
    matches = [path for name in base_names for path in by_base_name[name]]
    return list(dict.fromkeys([*matches, *difflib.get_close_matches(file_name, paths, 3)]))[:5]


class _Explainer:
    """Explain one file of one node."""

    def __init__(self, files: _NodeFiles, answers: Answers, user_tree: UserTree, path: str) -> None:
        self._files = files
        self._answers = answers
        self._masker = Masker([*answers.secrets(), *user_tree.find_secrets()])
        self._file = files.final[path]
        self._rendered = files.rendered.get(path)
        self._rendering = self._find_rendering()
        self._user_file = next((file for file in user_tree.files if file.path == path), None)

    def explain(self, node: str, option: str, other_nodes: Sequence[str]) -> FileExplanation:
        """Explain the file, and an option's lines unless ``option`` is empty."""
        rendering = self._rendering
        return FileExplanation(
            path=self._file.path,
            node=node,
            template=f"templates/{rendering.template}" if rendering else "",
            declared_by=_describe_code(rendering) if rendering else "",
            services=tuple(sorted(self._file.tags)),
            owner=self._file.owner,
            group=self._file.group,
            mode=f"{self._file.mode:04o}",
            restarts=self._restarted_units(),
            override=self._user_file.source if self._user_file else "",
            other_nodes=tuple(other_nodes),
            lines=self._explain_option(option) if option else (),
        )

    def _find_rendering(self) -> Optional[Rendering]:
        """Return the rendering that made the file's text.

        If several renderings made the same text, prefer the template with the file's name.
        """
        content = self._rendered.content if self._rendered else None
        matches = [rendering for rendering in self._files.renderings if rendering.text == content]
        path = self._file.path
        named = [match for match in matches if match.template.endswith(f"{path}.j2")]
        same_object = [match for match in matches if match.text is content]
        return next(iter([*same_object, *named, *matches]), None)

    def _restarted_units(self) -> Tuple[str, ...]:
        """List the units that restart when the file changes."""
        units = [resource for resource in self._files.resources if isinstance(resource, Unit)]
        return tuple(sorted(unit.name for unit in units if self._file.id in unit.trigger_ids))

    def _explain_option(self, option: str) -> Tuple[LineExplanation, ...]:
        """Explain each place that sets the option. Raises UsageError if none does."""
        options = _list_options(_text(self._file))
        matches = [candidate for candidate in options if candidate.is_named(option, options)]
        if not matches:
            raise self._unknown_option_error(option, options)
        rendered_options = _list_options(_text(self._rendered)) if self._rendered else []
        explanations: List[LineExplanation] = []
        for match in matches:
            occurrence = [candidate for candidate in options if candidate.key == match.key].index(match)
            rendered = [candidate for candidate in rendered_options if candidate.key == match.key]
            override_lines = self._override_lines(match)
            if override_lines:
                replaced = rendered if occurrence == 0 else []
                explanations += self._overridden_lines(match, override_lines[occurrence], replaced)
            else:
                explanations += self._rendered_lines(match, rendered[occurrence])
        return tuple(explanations)

    def _unknown_option_error(self, option: str, options: Sequence[_Option]) -> UsageError:
        """Return the error for an option that the file does not set."""
        known = {candidate.label: candidate for candidate in options}
        names = {candidate.name: candidate.label for candidate in options}
        name = re.sub(r"^\[.*\]\s*", "", option).split(".")[-1]
        close_labels = [names[close] for close in difflib.get_close_matches(name, names, 3)]
        same_name = [label for label, candidate in known.items() if candidate.name == name]
        suggestions = list(dict.fromkeys([*same_name, *close_labels]))
        hint = f"close matches: {', '.join(suggestions)}" if suggestions else "--config-dir can set it"
        return UsageError(f"{self._file.path} does not set {option}", hint)

    def _override_lines(self, option: _Option) -> List[int]:
        """List the lines of the user's file that set an option.

        The list is empty if the rendered value counts.
        """
        if self._user_file is None:
            return []
        given = _list_options(normalize_newlines(self._user_file.text))
        return [candidate.number for candidate in given if candidate.key == option.key]

    def _overridden_lines(
        self, option: _Option, override_line: int, replaced: Sequence[_Option]
    ) -> List[LineExplanation]:
        """Explain an option's lines that a configuration override sets."""
        assert self._user_file
        replaced_lines = [line for candidate in replaced for line in self._rendered_lines(candidate, candidate)]
        return [
            LineExplanation(
                option.number + offset,
                option.section,
                self._masker.mask_lines(text),
                override=_override_label(self._user_file, override_line + offset),
                replaces=tuple(replaced_lines if not offset else ()),
            )
            for offset, text in enumerate(option.lines)
        ]

    def _rendered_lines(self, final: _Option, rendered: _Option) -> List[LineExplanation]:
        """Explain an option's lines.

        The numbers are the final file's, the fragments those of the rendered text.
        """
        fragments_by_line = _fragments_by_line(self._rendering.fragments) if self._rendering else {}
        return [
            self._explain_line(
                final.number + offset, final.section, text, fragments_by_line.get(rendered.number + offset, [])
            )
            for offset, text in enumerate(final.lines)
        ]

    def _explain_line(self, number: int, section: str, text: str, fragments: Sequence[Fragment]) -> LineExplanation:
        """Explain one line from the fragments it consists of."""
        reads: Reads = {}
        lines: Dict[TemplateLine, None] = {}
        conditions = {}
        for fragment in fragments:
            reads.update(fragment.reads)
            lines.update(dict.fromkeys(fragment.lines))
            conditions.update({condition.line: condition.reads for condition in fragment.conditions})
        return LineExplanation(
            number,
            section,
            self._masker.mask_lines(text),
            tuple(map(_line_label, lines)),
            tuple(
                ConditionExplanation(_line_label(line), _template_text(line), self._sources(condition_reads))
                for line, condition_reads in conditions.items()
            ),
            self._sources(reads),
        )

    def _sources(self, reads: Reads) -> Tuple[Source, ...]:
        """Describe reads; the node's empty properties are left out."""
        sources = [self._source(kind, name, value) for (kind, name), value in reads.items()]
        order = ("answer", "fact", "node", "profile")
        shown = [source for source in sources if source.kind != "node" or source.value]
        return tuple(sorted(shown, key=lambda source: (order.index(source.kind), source.name)))

    def _source(self, kind: str, name: str, value: Any) -> Source:
        """Describe one read with its value as text and its origin."""
        if kind == "answer":
            text = MASK if isinstance(value, Secret) else self._answers.text(name)
            return Source(kind, name, self._masker(text), self._answers.origin(name))
        origin = {"fact": "sample", "node": "answers", "profile": "profile"}[kind]
        return Source(kind, name, self._masker(_format_value(value)), origin)


@dataclass(frozen=True)
class _Option:
    """An option of a file with its lines.

    ``number`` is the number of the first line. ``section`` is "" in a file without sections.
    """

    section: str
    name: str
    number: int
    lines: Tuple[str, ...]

    @property
    def key(self) -> Tuple[str, str]:
        """Return the option's section and name."""
        return self.section, self.name

    @property
    def label(self) -> str:
        """Return ``[SECTION] NAME``, only the name outside of sections."""
        return f"[{self.section}] {self.name}" if self.section else self.name

    def is_named(self, text: str, options: Sequence[_Option]) -> bool:
        """Return whether NAME, [SECTION] NAME or SECTION.NAME means this option.

        If an option is called NAME, dots in it included, NAME means no other.
        """
        match = re.fullmatch(r"\[(.+?)\]\s*(\S+)", text)
        if match:
            return self.key == (normalize_section(match.group(1)), match.group(2))
        if any(option.name == text for option in options):
            return self.name == text
        section, _, name = text.rpartition(".")
        return bool(section) and self.key == (normalize_section(section), name)


def _list_options(text: str) -> List[_Option]:
    """List the options of a file.

    An INI file is parsed; in other files the first word of each line counts as an option.
    """
    ini = parse_ini(text)
    if not ini.errors and ini.options:
        return [_Option(block.section, block.name, block.line_number, tuple(block.lines)) for block in ini.options]
    matches = [(number, line, _LINE_NAME.match(line)) for number, line in enumerate(text.split("\n"), 1)]
    return [_Option("", match.group(1), number, (line,)) for number, line, match in matches if match]


def _text(file: File) -> str:
    """Return a File resource's content as text; invalid UTF-8 is replaced."""
    return file.data.decode(errors="replace")


def _fragments_by_line(fragments: Sequence[Fragment]) -> Dict[int, List[Fragment]]:
    """Group a text's fragments by the number of the line that they are in.

    Bare line ends are left out.
    """
    by_line: Dict[int, List[Fragment]] = {}
    number = 1
    for fragment in fragments:
        for index, piece in enumerate(fragment.text.split("\n")):
            number += 1 if index else 0
            if piece:
                by_line.setdefault(number, []).append(fragment)
    return by_line


def _override_label(user_file: UserFile, line: int) -> str:
    """Return the place of an override: ``FILE:LINE`` in --config-dir."""
    return f"{user_file.source}:{line}"


def _line_label(line: TemplateLine) -> str:
    """Return the place of a template's line: ``templates/NAME:LINE``."""
    return f"templates/{line.template}:{line.number}"


def _template_text(line: TemplateLine) -> str:
    """Return the text of a template's line."""
    path = templates_root()
    for part in line.template.split("/"):
        path = path / part
    return path.read_text(encoding="utf-8").split("\n")[line.number - 1].strip()


def _describe_code(rendering: Rendering) -> str:
    """Return ``FILE:LINE FUNCTION()`` of the code that rendered a text.

    FILE is named as in the source tree.
    """
    path = Path(rendering.source_path)
    package_parent = Path(packstack_lite.__file__).parent.parent
    name = path.relative_to(package_parent) if package_parent in path.parents else path
    return f"{name}:{rendering.source_line} {rendering.function}()"


def _format_value(value: object) -> str:
    """Return a fact or profile entry as text, cut to 100 characters."""
    text = "not set" if value is None else _join_values(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _join_values(value: object) -> str:
    """Return a value as text for people.

    Elements of a tuple are joined by commas, a dataclass is ``FIELD=VALUE ...`` without empty fields.
    """
    if isinstance(value, tuple):
        return ", ".join(map(_join_values, value))
    if is_dataclass(value):
        values = {item.name: getattr(value, item.name) for item in fields(value)}
        return " ".join(f"{name}={_join_values(entry)}" for name, entry in values.items() if entry)
    return str(value)
