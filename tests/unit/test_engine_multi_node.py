"""Several nodes in parallel, with the toy kind of test_engine; each node is a directory."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import List

import pytest

from packstack_lite.engine.events import Changed, Skipped
from packstack_lite.engine.multi_node import NodeRun, Scope, apply_nodes, failed_reports
from packstack_lite.errors import ConnectError
from packstack_lite.nodes.node import ROLES
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.secret import Masker
from packstack_lite.services._base.node_dependencies import NODE_DEPENDENCIES, NodeDependency, select_dependencies
from tests.unit.test_engine import Note, RecordingListener, ShNode

CONTROLLER, COMPUTE = ("controller", "network"), ("compute",)
WAITS_FOR_CONDUCTOR = NodeDependency("compute", Phase.SERVICES, "controller", Phase.SERVICES, "the conductor")


@dataclass(frozen=True)
class Waiting(Note):
    """A note that waits up to 10 s for a file of another node before it is written."""

    kind = "waiting"
    until: str = ""

    @classmethod
    def script(cls, note):
        return (
            f"i=0; while [ ! -e {note.until} ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done;"
            f"[ -e {note.until} ] && {Note.script(note)}"
        )


@dataclass(frozen=True)
class Needing(Waiting):
    """A note that can only be written once a file of another node exists."""

    kind = "needing"

    @classmethod
    def script(cls, note):
        return f"[ -e {note.until} ] || exit 3; {Note.script(note)}"


@dataclass
class LostNode(ShNode):
    """A node whose connection is lost at the round trip of number ``after``."""

    after: int = 2
    error: BaseException = field(default_factory=lambda: ConnectError("b: the connection was lost"))
    aborted: bool = False

    def run(self, commands):
        if self.round_trips + 1 >= self.after:
            raise self.error
        return super().run(commands)

    def abort(self):
        self.aborted = True


@pytest.fixture
def listener():
    return RecordingListener()


@pytest.fixture
def directories(tmp_path):
    paths = {name: tmp_path / name for name in "abc"}
    for path in paths.values():
        path.mkdir()
    return {name: str(path) for name, path in paths.items()}


def node_run(name, roles, resources, connection=None, **options):
    return NodeRun(name, roles, connection or ShNode(name), resources, **options)


def run(node_runs, listener, dependencies=(WAITS_FOR_CONDUCTOR,), scope=None, parallel=32):
    return apply_nodes(node_runs, dependencies, listener, Masker(), scope or Scope(), parallel)


def changes_of(listener):
    return {(event.node, event.resource_id) for event in listener.of(Changed)}


def test_nodes_are_applied_in_parallel(directories, listener):
    """Each waits for the other's first file: one after the other, neither would finish."""
    node_runs = [
        node_run(
            own,
            COMPUTE,
            [
                Note("first", directories[own], phase=Phase.PREPARE),
                Waiting("second", directories[own], phase=Phase.PACKAGES, until=f"{directories[other]}/first"),
            ],
        )
        for own, other in ("ab", "ba")
    ]
    assert not failed_reports(run(node_runs, listener))
    assert changes_of(listener) == {(node, what) for node in "ab" for what in ("note:first", "waiting:second")}


def test_a_node_begins_a_phase_only_when_its_dependency_is_done(directories, listener):
    """The controller waits for the compute node's first phase, whose services wait for the controller."""
    slow = Waiting("conductor", directories["a"], phase=Phase.SERVICES, until=f"{directories['b']}/prepared")
    compute = [
        Note("prepared", directories["b"], phase=Phase.PREPARE),
        Needing("compute", directories["b"], phase=Phase.SERVICES, until=f"{directories['a']}/conductor"),
    ]
    assert not failed_reports(run([node_run("a", CONTROLLER, [slow]), node_run("b", COMPUTE, compute)], listener))
    assert [event.resource_id for event in listener.of(Changed)][-1] == "needing:compute"


def test_a_failed_node_stops_only_nodes_that_wait_for_it(directories, listener):
    node_runs = [
        node_run("a", CONTROLLER, [Note("api", directories["a"], breaks=True, phase=Phase.SERVICES)]),
        node_run(
            "b",
            COMPUTE,
            [
                Note("packages", directories["b"], phase=Phase.PACKAGES),
                Note("compute", directories["b"], phase=Phase.SERVICES),
            ],
        ),
        node_run("c", ("database",), [Note("last", directories["c"], phase=Phase.VERIFY)]),
    ]
    reports = run(node_runs, listener)
    assert [report.node for report in failed_reports(reports)] == ["a", "b"]
    assert [report.error for report in reports] == [
        "Services: cannot create note api",
        "Services: waits for the conductor, but a did not finish Services",
        "",
    ]
    assert changes_of(listener) == {("b", "note:packages"), ("c", "note:last")}
    assert [(event.node, event.phase) for event in listener.of(Skipped)] == [("b", Phase.SERVICES)]


@pytest.mark.parametrize("wrong", ["breaks", "lost", "unreachable"])
def test_a_failed_compute_node_stops_no_other_node(directories, listener, wrong):
    notes = {name: [Note("compute", directories[name], phase=Phase.SERVICES)] for name in "abc"}
    second = {
        "breaks": lambda: node_run("b", COMPUTE, [replace(notes["b"][0], breaks=True)]),
        "lost": lambda: node_run("b", COMPUTE, notes["b"], LostNode("b")),
        "unreachable": lambda: NodeRun("b", COMPUTE, None, error="b: does not answer"),
    }[wrong]()
    reports = run([node_run("a", CONTROLLER, notes["a"]), second, node_run("c", COMPUTE, notes["c"])], listener)
    assert [report.node for report in failed_reports(reports)] == ["b"]
    errors = {
        "breaks": "Services: cannot create note compute",
        "lost": "the connection was lost",
        "unreachable": "b: does not answer",
    }
    assert reports[1].error == errors[wrong]
    assert changes_of(listener) == {("a", "note:compute"), ("c", "note:compute")}


def test_a_delegated_change_is_reported_as_the_nodes_own_and_costs_no_round_trip_once_done(directories, listener):
    first = ShNode("a")

    def node_runs():
        discover = Note("discover", directories["a"], phase=Phase.SERVICES)
        own = Note("compute", directories["b"], phase=Phase.SERVICES)
        return [
            node_run("a", CONTROLLER, [Note("api", directories["a"], phase=Phase.SERVICES)], first),
            node_run("b", COMPUTE, [own], delegated=[discover], delegate_to=first),
        ]

    reports = run(node_runs(), listener)
    assert changes_of(listener) == {("a", "note:api"), ("b", "note:compute"), ("b", "note:discover")}
    assert {change.resource_id for change in reports[1].changes} == {"note:compute", "note:discover"}
    assert Path(directories["a"], "discover").read_text() == "x\n"
    first.round_trips = 0
    again = run(node_runs(), listener)
    assert [report.changes for report in again] == [(), ()]
    assert [report.round_trips for report in again] == [1, 1]


def test_an_added_node_changes_nothing_on_the_others(directories, listener):
    first = ShNode("a")

    def node_runs(*names):
        compute_nodes = [
            node_run(
                name,
                COMPUTE,
                [Note("compute", directories[name], phase=Phase.SERVICES)],
                delegated=[Note(f"discover-{name}", directories["a"], phase=Phase.SERVICES)],
                delegate_to=first,
            )
            for name in names
        ]
        return [node_run("a", CONTROLLER, [Note("api", directories["a"], phase=Phase.SERVICES)], first), *compute_nodes]

    run(node_runs("b"), listener)
    reports = run(node_runs("b", "c"), RecordingListener())
    assert [len(report.changes) for report in reports] == [0, 0, 2]


def test_the_scope_applies_to_every_node(directories, listener):
    notes = lambda name: [  # noqa: E731
        Note("packages", directories[name], phase=Phase.PACKAGES),
        Note("compute", directories[name], phase=Phase.SERVICES, tags=frozenset({"nova"})),
    ]
    run([node_run(name, COMPUTE, notes(name)) for name in "ab"], listener, scope=Scope(frozenset({"nova"})))
    assert changes_of(listener) == {("a", "note:compute"), ("b", "note:compute")}


def test_an_interrupt_aborts_every_connection(directories, listener):
    """Nodes that wait for the interrupted one must not wait for ever."""
    nodes = [LostNode("a", error=KeyboardInterrupt()), LostNode("b", after=99)]
    node_runs = [
        node_run(node.name, roles, [Note("x", directories[node.name], phase=Phase.SERVICES)], node)
        for node, roles in zip(nodes, (CONTROLLER, COMPUTE))
    ]
    with pytest.raises(KeyboardInterrupt):
        run(node_runs, listener)
    assert all(node.aborted for node in nodes)


def layouts():
    """Yield every way to give the roles to up to three nodes."""
    for assignment in itertools.product(range(3), repeat=len(ROLES)):
        yield [{role for role, node in zip(ROLES, assignment) if node == number} for number in range(3)]


def test_no_layout_makes_nodes_wait_in_a_circle():
    for nodes in layouts():
        reached = [0] * 3
        advanced = True
        while advanced:
            advanced = False
            for number in range(3):
                if reached[number] < len(PHASES) and not open_dependencies(number, nodes, reached):
                    reached[number] += 1
                    advanced = True
        assert reached == [len(PHASES)] * 3, nodes


def open_dependencies(number, nodes, reached):
    """Return the dependencies that keep a node from its next phase."""
    phase = PHASES[reached[number]]
    return [
        dependency
        for dependency in NODE_DEPENDENCIES
        if dependency.role in nodes[number] and dependency.phase is phase
        for other, roles in enumerate(nodes)
        if other != number and dependency.required_role in roles
        if reached[other] <= PHASES.index(dependency.required_phase)
    ]


def test_dependencies_of_a_service_count_only_where_it_is_deployed():
    assert {dependency.service for dependency in NODE_DEPENDENCIES} == {"", "ovn"}
    assert set(select_dependencies(["ovn"])) == set(NODE_DEPENDENCIES)
    assert {dependency.service for dependency in select_dependencies(["neutron-openvswitch"])} == {""}


@dataclass(frozen=True)
class Former(Note):
    """A note that shall not exist."""

    kind = "former"

    def desired(self):
        return None

    @classmethod
    def script(cls, note):
        return f"rm {note.directory}/{note.name}"


@pytest.mark.parametrize("is_there", [True, False])
def test_an_account_is_removed_once_every_node_has_left_it_and_nothing_waits_for_nothing(
    directories, listener, is_there
):
    """A node that still logs in by the old account keeps it alive; without an old account nobody has to wait."""
    if is_there:
        (Path(directories["a"]) / "old").write_text("x\n")
    node_runs = [
        node_run("a", CONTROLLER, [Former("old", directories["a"], phase=Phase.REMOVE)]),
        node_run("b", COMPUTE, [Note("new-login", directories["b"], breaks=True, phase=Phase.SERVICES)]),
    ]
    reports = run(node_runs, listener, NODE_DEPENDENCIES)
    assert [report.node for report in failed_reports(reports)] == (["a", "b"] if is_there else ["b"])
    assert (Path(directories["a"]) / "old").exists() is is_there
    if is_there:
        assert (
            reports[0].error == "Remove: waits for every node to let go of what is removed, but b did not finish Remove"
        )


def test_a_removal_follows_the_other_nodes(directories, listener):
    (Path(directories["a"]) / "old").write_text("x\n")
    (Path(directories["b"]) / "unit").write_text("x\n")
    node_runs = [
        node_run("a", CONTROLLER, [Former("old", directories["a"], phase=Phase.REMOVE)]),
        node_run("b", COMPUTE, [Former("unit", directories["b"], phase=Phase.REMOVE)]),
    ]
    assert not failed_reports(run(node_runs, listener, NODE_DEPENDENCIES))
    assert [event.resource_id for event in listener.of(Changed)] == ["former:unit", "former:old"]


@dataclass
class CountingNode(ShNode):
    """A node that counts how many nodes are at work at the same time."""

    counts: List[int] = field(default_factory=list)
    at_work: List[str] = field(default_factory=list)

    def run(self, commands):
        self.at_work.append(self.name)
        self.counts.append(len(self.at_work))
        time.sleep(0.03)
        reply = super().run(commands)
        self.at_work.remove(self.name)
        return reply


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_nodes_than_wanted_are_at_work_at_once(directories, listener, parallel):
    """A node that waits for another is not at work: with one at a time, the compute node would wait for ever."""
    counts, at_work = [], []
    node_runs = [
        node_run(name, roles, [Note("own", directories[name])], CountingNode(name, counts=counts, at_work=at_work))
        for name, roles in (("a", COMPUTE), ("b", COMPUTE), ("c", CONTROLLER))
    ]
    waits = NodeDependency("compute", Phase.CONFIGURE, "controller", Phase.CONFIGURE, "the controller")
    assert not failed_reports(run(node_runs, listener, [waits], parallel=parallel))
    assert max(counts) == parallel
    assert changes_of(listener) == {(name, "note:own") for name in "abc"}
