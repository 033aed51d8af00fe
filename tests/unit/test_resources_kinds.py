"""Every kind of resource is complete, and each omission is named in a sentence."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any, ClassVar, FrozenSet, Iterator, List, Sequence, Set, Tuple, Type

from packstack_lite import resources
from packstack_lite.remote.command import Command
from packstack_lite.resources.base import Diff, IndividualResource, Phase, Probe, Resource
from tests.conftest import PROJECT
from tests.unit.test_resources_descriptions import SENTENCES

LAST_FIELDS = ["phase", "tags", "needs"]
Kind = Type[Any]


def kinds_in(module: ModuleType) -> Iterator[Kind]:
    """Yield the kinds that a module defines."""
    for value in vars(module).values():
        is_kind = inspect.isclass(value) and issubclass(value, resources.TypedResource)
        if is_kind and not inspect.isabstract(value) and value.__module__ == module.__name__:
            yield value


def all_kinds() -> List[Kind]:
    """Return the kinds of every module of the package."""
    modules = [f"{resources.__name__}.{info.name}" for info in pkgutil.iter_modules(resources.__path__)]
    return [kind for name in modules for kind in kinds_in(importlib.import_module(name))]


def problems_of(
    kinds: Sequence[Kind], exported: Sequence[str], described: Set[Kind], tests: str, callers: str
) -> List[str]:
    """Return a sentence for each omission; ``tests`` and ``callers`` are the texts of modules."""
    problems = []
    for kind in kinds:
        name, path = kind.__name__, f"packstack_lite/{kind.__module__.split('.', 1)[-1].replace('.', '/')}.py"
        if not (is_dataclass(kind) and vars(kind)["__dataclass_params__"].frozen):
            problems.append(f"{name} is not frozen: write @dataclass(frozen=True) above the class in {path}")
        elif [field.name for field in fields(kind)][-3:] != LAST_FIELDS:
            problems.append(f"{name} does not end with the fields {', '.join(LAST_FIELDS)}: add them in {path}")
        twins = [other.__name__ for other in kinds if other.kind == kind.kind and other is not kind]
        if twins:
            problems.append(f"{name} and {twins[0]} have the same kind {kind.kind!r}: ids begin with it, change one")
        if name not in exported:
            problems.append(f"{name} is not exported: import it in packstack_lite/resources/__init__.py, and __all__")
        if kind not in described:
            problems.append(f"{name} has no sentence for plan: add a row to SENTENCES of test_resources_descriptions")
        if not re.search(rf"\b{name}\b", tests):
            problems.append(f"{name} has no test: run its commands in tests/unit/test_resources_{kind.kind}.py")
        if not re.search(rf"\b{name}\(", callers):
            problems.append(f"nothing declares {name}: declare it in services/ or host_setup/, or remove {path}")
    return problems


def texts_of(*patterns: str) -> str:
    """Return the text of the files that match patterns below the project."""
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(PROJECT.glob(pattern)))


def test_every_kind_is_complete():
    problems = problems_of(
        all_kinds(),
        resources.__all__,
        {type(resource) for resource, _, _ in SENTENCES},
        texts_of("tests/unit/test_resources_[!dk]*.py", "tests/unit/test_port_filter.py"),
        texts_of("packstack_lite/[!r]*/**/*.py"),
    )
    assert not problems, "\n" + "\n".join(problems)


@dataclass
class Timezone(IndividualResource[Any]):
    """A kind of which nothing exists but its class."""

    kind: ClassVar[str] = "file"
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "file:localtime"

    def desired(self) -> Any:
        return {"zone": "UTC"}

    def probe_one(self) -> Probe[Any]:
        return Probe(Command(":"), lambda reply: {})

    def fix_one(self, diff: "Diff[Resource]") -> Command:
        return Command(":")


def test_each_omission_is_named():
    path = "packstack_lite/unit/test_resources_kinds.py"
    assert problems_of([Timezone, resources.File], ["File"], {resources.File}, "File", "File(") == [
        f"Timezone is not frozen: write @dataclass(frozen=True) above the class in {path}",
        "Timezone and File have the same kind 'file': ids begin with it, change one",
        "Timezone is not exported: import it in packstack_lite/resources/__init__.py, and __all__",
        "Timezone has no sentence for plan: add a row to SENTENCES of test_resources_descriptions",
        "Timezone has no test: run its commands in tests/unit/test_resources_file.py",
        f"nothing declares Timezone: declare it in services/ or host_setup/, or remove {path}",
        "File and Timezone have the same kind 'file': ids begin with it, change one",
    ]


def test_jobs_that_leave_something_half_done_are_never_stopped():
    """A unit's start may be: the next one restarts it anyway."""
    sources = {path.name: path.read_text() for path in (PROJECT / "packstack_lite/resources").glob("*.py")}
    jobs = {name: text for name, text in sources.items() if re.search(r"return Job\(", text)}
    assert {name for name, text in jobs.items() if "must_end=True" not in text} == {"unit.py"}
