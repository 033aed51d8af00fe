"""Record the answers, facts and profile entries that rendering files reads.

Used by ``explain``.

A ``TrackedContext`` takes the place of the NodeContext that services get. Its answers, facts, profile and nodes behave
like the originals and note each read in a ``Tracker``.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from packstack_lite.diagnosis.argument_tracking import ArgumentTracker, find_declaring_frame, find_render_call
from packstack_lite.diagnosis.template_tracking import Fragment, TemplateTracker
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services._base.templating import name_template

# What was read, as (kind, name), and the value. Kinds are "answer", "fact", "profile" and "node".
Reads = Dict[Tuple[str, str], Any]


class Tracker:
    """Collect reads, and the renderings that they went into."""

    def __init__(self) -> None:
        self.renderings: List[Rendering] = []
        self._recordings: List[Reads] = []

    def note(self, kind: str, name: str, value: Any) -> None:
        """Note a read; it counts for the innermost recording."""
        if self._recordings:
            self._recordings[-1][kind, name] = value

    def begin(self) -> None:
        """Begin a recording; reads count for it until it ends or another one begins."""
        self._recordings.append({})

    def end(self) -> Reads:
        """End the innermost recording and return its reads."""
        return self._recordings.pop()

    @contextmanager
    def recording(self) -> Iterator[Reads]:
        """Record what is read inside the ``with`` block."""
        self.begin()
        reads = self._recordings[-1]
        try:
            yield reads
        finally:
            self.end()


@dataclass(frozen=True)
class Rendering:
    """A rendered text with its template and fragments.

    ``source_path``, ``source_line`` and ``function`` name the code that rendered it.
    """

    template: str
    text: str
    fragments: Tuple[Fragment, ...]
    source_path: str
    source_line: int
    function: str


class TrackedAnswers(Mapping[str, Any]):
    """Answers that note each read in a Tracker, with the parameter and its value."""

    def __init__(self, answers: Mapping[str, Any], tracker: Tracker) -> None:
        self._answers = answers
        self._tracker = tracker

    def __getitem__(self, name: str) -> Any:
        value = self._answers[name]
        self._tracker.note("answer", name, value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)


class _TrackedMapping(Dict[str, Any]):
    """A mapping of facts or of a profile that notes which keys are read."""

    def __init__(self, values: Mapping[str, Any], tracker: Tracker, kind: str, prefix: str) -> None:
        super().__init__({key: track(value, tracker, kind, f"{prefix}.{key}") for key, value in values.items()})
        self._values = values
        self._tracker = tracker
        self._name = (kind, prefix)

    def _note(self, key: Any) -> None:
        """Note in the tracker that the key's value is read."""
        if is_dataclass(self._values.get(key)):
            return  # Its fields are noted when they are read.
        kind, prefix = self._name
        self._tracker.note(kind, f"{prefix}.{key}", self._values.get(key))

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the key's value, as dict.get does; note in the tracker that it is read."""
        self._note(key)
        return super().get(key, default)


def track(value: Any, tracker: Tracker, kind: str, prefix: str = "") -> Any:
    """Return a copy of a dataclass or mapping that notes each read.

    Reads are noted as ``prefix.field``. Other values are returned as they are.
    """
    if isinstance(value, Mapping):
        return _TrackedMapping(value, tracker, kind, prefix)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    original_class = type(value)
    names = {item.name for item in fields(value)}
    cache: Dict[str, Any] = {}

    def read_attribute(instance: Any, name: str) -> Any:
        """Return an attribute of the copy, tracked, and note that it is read.

        Becomes ``__getattribute__`` of the copy's class.
        """
        attribute = original_class.__getattribute__(instance, name)
        if name not in names:
            return attribute
        full_name = f"{prefix}.{name}" if prefix else name
        if name not in cache:
            cache[name] = track(attribute, tracker, kind, full_name)
        if cache[name] is attribute:
            tracker.note(kind, full_name, attribute)
        return cache[name]

    # The copy keeps the methods and passes isinstance(); its fields are read through read_attribute.
    tracked = copy.copy(value)
    tracked_class = type(original_class.__name__, (original_class,), {"__getattribute__": read_attribute})
    object.__setattr__(tracked, "__class__", tracked_class)
    return tracked


@dataclass(frozen=True)
class TrackedContext(NodeContext):
    """A NodeContext that records what each rendered text was made of."""

    tracker: Tracker = field(default_factory=Tracker)

    @classmethod
    def wrap(cls, context: NodeContext, tracker: Tracker) -> TrackedContext:
        """Return a context with the same content that reports to the tracker."""
        return cls(
            TrackedAnswers(context.answers, tracker),
            track(context.facts, tracker, "fact"),
            track(context.profile, tracker, "profile"),
            track(context.node, tracker, "node"),
            tuple(track(node, tracker, "node", node.name) for node in context.other_nodes),
            tracker,
        )

    def render(self, template: str, **values: Any) -> str:
        """Render a template and note the reads behind each piece of the text."""
        text = super().render(template, **values)
        frame, function_name = find_render_call()
        declaring_frame = find_declaring_frame(frame)
        reads_by_argument = ArgumentTracker(self.tracker).reads_by_argument(frame, function_name, values)
        template_tracker = TemplateTracker(self.tracker, reads_by_argument)
        fragments = template_tracker.render(template, context=self, profile=self.profile, facts=self.facts, **values)
        if name_template("".join(fragment.text for fragment in fragments), template) != text:
            raise RuntimeError(f"{template}: rendered with tracking it is another text")
        self.tracker.renderings.append(
            Rendering(
                template,
                text,
                fragments,
                declaring_frame.f_code.co_filename,
                declaring_frame.f_lineno,
                declaring_frame.f_code.co_name,
            )
        )
        return text
