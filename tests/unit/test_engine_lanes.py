"""Several hosts side by side: over the toy kind of test_engine, each host being a directory of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from packstack_lite.engine.events import Changed, Skipped
from packstack_lite.engine.multi_node import NodeRun, Scope, apply_nodes, failed_reports
from packstack_lite.errors import ConnectError
from packstack_lite.nodes.node import ROLES
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.secret import Masker
from packstack_lite.services._base.node_dependencies import NODE_DEPENDENCIES, NodeDependency, select_dependencies
from tests.unit.test_engine import Ear, Note, ShHost

CONTROLLER, COMPUTE = ("controller", "network"), ("compute",)
HEARD = NodeDependency("compute", Phase.SERVICES, "controller", Phase.SERVICES, "the conductor")


@dataclass(frozen=True)
class Waiting(Note):
    """A note that waits for a file of another host's, up to 10 s, before it is written."""

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
    """A note that cannot be written before a file of another host's is there."""

    kind = "needing"

    @classmethod
    def script(cls, note):
        return f"[ -e {note.until} ] || exit 3; {Note.script(note)}"


@dataclass
class Lost(ShHost):
    """A host whose connection is lost at the flight of this number."""

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
def ear():
    return Ear()


@pytest.fixture
def places(tmp_path):
    found = {name: tmp_path / name for name in "abc"}
    for place in found.values():
        place.mkdir()
    return {name: str(place) for name, place in found.items()}


def lane(name, roles, resources, host=None, **more):
    return NodeRun(name, roles, host or ShHost(name), resources, **more)


def run(lanes, ear, waits=(HEARD,), scope=None):
    return apply_nodes(lanes, waits, ear, Masker(), scope or Scope())


def changed(ear):
    return {(event.node, event.resource_id) for event in ear.of(Changed)}


def test_hosts_are_worked_on_at_the_same_time(places, ear):
    """Each waits for what the other has begun with: one after the other neither would come to its end."""
    lanes = [
        lane(
            own,
            COMPUTE,
            [
                Note("first", places[own], phase=Phase.PREPARE),
                Waiting("second", places[own], phase=Phase.PACKAGES, until=f"{places[other]}/first"),
            ],
        )
        for own, other in ("ab", "ba")
    ]
    assert not failed_reports(run(lanes, ear))
    assert changed(ear) == {(host, f"{what}") for host in "ab" for what in ("note:first", "waiting:second")}


def test_a_host_begins_a_phase_only_when_what_it_waits_for_is_there(places, ear):
    """The controller is held up by the compute host's own first phase, and that one's services by the controller."""
    slow = Waiting("conductor", places["a"], phase=Phase.SERVICES, until=f"{places['b']}/prepared")
    compute = [
        Note("prepared", places["b"], phase=Phase.PREPARE),
        Needing("compute", places["b"], phase=Phase.SERVICES, until=f"{places['a']}/conductor"),
    ]
    assert not failed_reports(run([lane("a", CONTROLLER, [slow]), lane("b", COMPUTE, compute)], ear))
    assert [event.resource_id for event in ear.of(Changed)][-1] == "needing:compute"


def test_a_host_that_fails_stops_only_those_that_need_it(places, ear):
    lanes = [
        lane("a", CONTROLLER, [Note("api", places["a"], breaks=True, phase=Phase.SERVICES)]),
        lane(
            "b",
            COMPUTE,
            [
                Note("packages", places["b"], phase=Phase.PACKAGES),
                Note("compute", places["b"], phase=Phase.SERVICES),
            ],
        ),
        lane("c", ("database",), [Note("last", places["c"], phase=Phase.VERIFY)]),
    ]
    reports = run(lanes, ear)
    assert [report.node for report in failed_reports(reports)] == ["a", "b"]
    assert [report.error for report in reports] == [
        "Services: cannot create note api",
        "Services: waits for the conductor, but a did not finish Services",
        "",
    ]
    assert changed(ear) == {("b", "note:packages"), ("c", "note:last")}
    assert [(event.node, event.phase) for event in ear.of(Skipped)] == [("b", Phase.SERVICES)]


@pytest.mark.parametrize("wrong", ["breaks", "lost", "unreachable"])
def test_a_compute_host_that_fails_stops_nobody(places, ear, wrong):
    notes = {name: [Note("compute", places[name], phase=Phase.SERVICES)] for name in "abc"}
    second = {
        "breaks": lambda: lane("b", COMPUTE, [Note("compute", places["b"], breaks=True, phase=Phase.SERVICES)]),
        "lost": lambda: lane("b", COMPUTE, notes["b"], Lost("b")),
        "unreachable": lambda: NodeRun("b", COMPUTE, None, error="b: does not answer"),
    }[wrong]()
    reports = run([lane("a", CONTROLLER, notes["a"]), second, lane("c", COMPUTE, notes["c"])], ear)
    assert [report.node for report in failed_reports(reports)] == ["b"]
    errors = {
        "breaks": "Services: cannot create note compute",
        "lost": "the connection was lost",
        "unreachable": "b: does not answer",
    }
    assert reports[1].error == errors[wrong]
    assert changed(ear) == {("a", "note:compute"), ("c", "note:compute")}


def test_what_is_done_elsewhere_for_a_host_is_told_as_its_own_and_costs_no_flight_when_it_is_done(places, ear):
    first = ShHost("a")

    def lanes():
        discover = Note("discover", places["a"], phase=Phase.SERVICES)
        own = Note("compute", places["b"], phase=Phase.SERVICES)
        return [
            lane("a", CONTROLLER, [Note("api", places["a"], phase=Phase.SERVICES)], first),
            lane("b", COMPUTE, [own], delegated=[discover], delegate_to=first),
        ]

    reports = run(lanes(), ear)
    assert changed(ear) == {("a", "note:api"), ("b", "note:compute"), ("b", "note:discover")}
    assert {change.resource_id for change in reports[1].changes} == {"note:compute", "note:discover"}
    assert Path(places["a"], "discover").read_text() == "x\n"
    first.round_trips = 0
    again = run(lanes(), ear)
    assert [report.changes for report in again] == [(), ()]
    assert [report.round_trips for report in again] == [1, 1]


def test_a_host_that_is_added_changes_nothing_on_the_others(places, ear):
    first = ShHost("a")

    def lanes(*names):
        guests = [
            lane(
                name,
                COMPUTE,
                [Note("compute", places[name], phase=Phase.SERVICES)],
                delegated=[Note(f"discover-{name}", places["a"], phase=Phase.SERVICES)],
                delegate_to=first,
            )
            for name in names
        ]
        return [lane("a", CONTROLLER, [Note("api", places["a"], phase=Phase.SERVICES)], first), *guests]

    run(lanes("b"), ear)
    reports = run(lanes("b", "c"), Ear())
    assert [len(report.changes) for report in reports] == [0, 0, 2]


def test_a_scope_is_everybodys(places, ear):
    notes = lambda name: [  # noqa: E731
        Note("packages", places[name], phase=Phase.PACKAGES),
        Note("compute", places[name], phase=Phase.SERVICES, tags=frozenset({"nova"})),
    ]
    run([lane(name, COMPUTE, notes(name)) for name in "ab"], ear, scope=Scope(frozenset({"nova"})))
    assert changed(ear) == {("a", "note:compute"), ("b", "note:compute")}


def test_an_interrupt_ends_the_others_too(places, ear):
    """Whoever waits for the lane that it hits must not wait for ever."""
    hosts = [Lost("a", error=KeyboardInterrupt()), Lost("b", after=99)]
    lanes = [
        lane(host.name, roles, [Note("x", places[host.name], phase=Phase.SERVICES)], host)
        for host, roles in zip(hosts, (CONTROLLER, COMPUTE))
    ]
    with pytest.raises(KeyboardInterrupt):
        run(lanes, ear)
    assert all(host.aborted for host in hosts)


def layouts():
    """Every way to give the roles to up to three hosts."""
    for given in itertools.product(range(3), repeat=len(ROLES)):
        yield [{role for role, host in zip(ROLES, given) if host == number} for number in range(3)]


def test_no_layout_makes_hosts_wait_in_a_circle():
    for hosts in layouts():
        reached = [0] * 3
        moved = True
        while moved:
            moved = False
            for number in range(3):
                if reached[number] < len(PHASES) and not waits_of(number, hosts, reached):
                    reached[number] += 1
                    moved = True
        assert reached == [len(PHASES)] * 3, hosts


def waits_of(number, hosts, reached):
    phase = PHASES[reached[number]]
    return [
        wait
        for wait in NODE_DEPENDENCIES
        if wait.role in hosts[number] and wait.phase is phase
        for other, roles in enumerate(hosts)
        if other != number and wait.required_role in roles and reached[other] <= PHASES.index(wait.required_phase)
    ]


def test_waits_of_a_service_count_only_where_it_is_deployed():
    assert {wait.service for wait in NODE_DEPENDENCIES} == {"", "ovn"}
    assert set(select_dependencies(["ovn"])) == set(NODE_DEPENDENCIES)
    assert {wait.service for wait in select_dependencies(["neutron-openvswitch"])} == {""}
