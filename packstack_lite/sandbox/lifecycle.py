"""Up, start, stop, save, down: the order of things, and what is undone when one of them fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import List, Optional, Sequence

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox import container, identity, link, machine, network, segment, sources, trees, virtual
from packstack_lite.sandbox.el_layout import told
from packstack_lite.sandbox.entry import ssh_argv
from packstack_lite.sandbox.machine import Say, together
from packstack_lite.sandbox.model import (
    BOOTS_FROM,
    DEFAULT_DISTRO,
    DISTROS,
    Record,
    Sandbox,
    agree,
    check_request,
    free_number,
    group_of,
    members,
    record_of,
    records,
    tree_dir,
)


def _silent(text: str) -> None:
    """For callers that do not want to hear what happens."""


def up(
    name: str = "aio",
    say: Say = _silent,
    distro: Optional[str] = None,
    kind: Optional[str] = None,
    tree: str = BOOTS_FROM,
    hosts: int = 0,
    packages: Sequence[str] = (),
) -> Sandbox:
    """Bring a sandbox up and return when its SSH server answers; one that exists is started or left running.

    ``distro`` is what a new one runs, DEFAULT_DISTRO when nobody says; one that exists must run that already.
    ``kind`` is how a new one is made: container, the default, or machine, by what boots it (``qemu``, ``uml``) or by
    what this machine can do best. ``tree`` names a tree kept by ``save_tree`` for a container, ``packages`` are what a
    new machine has installed. ``hosts`` makes a segment of so many, of which the first is returned; one that has fewer
    grows, one that has more stays. Missing tools are installed on this machine, said first.
    Raises UsageFault for words that cannot be, SandboxFault when this machine cannot do it; what did not come up is
    gone again.
    """
    wanted, how = distro or DEFAULT_DISTRO, kind or "container"
    for each in segment.host_names(name, hosts):
        check_request(each, wanted, how)
    if hosts and how != "container":
        raise UsageFault("several machines on one segment cannot be", hint="leave out --hosts or --kind")
    machine.need_root()
    machine.install(machine.CONTAINER_TOOLS, say)
    if not any(record.name == name for record in records()):
        if note := told(wanted):
            say(note)
        # Minutes pass where these are not there yet, which nobody who waits for the lock of all is to wait for.
        if how != "container":
            how, tree = virtual.choose(how, wanted, packages, say)
        trees.ensure(wanted, tree, say)
    with machine.locked(group_of(name)):
        with machine.locked():
            segment.check(name, hosts, records())
            known = [record for record in records() if name in (record.name, record.segment)]
            runs = agree(known[0].view(), distro, kind).distro if known else wanted
            made = _create_all(name, hosts, known, Wish(runs, how, tree, say))
        try:
            together(_started, [*known, *made])
        except BaseException:
            together(_remove, made)
            raise
    return record_of(name).view()


@dataclasses.dataclass(frozen=True)
class Wish:
    """What new hosts are made of, and who hears of it."""

    distro: str
    kind: str
    tree: str
    say: Say


def _create_all(name: str, hosts: int, known: Sequence[Record], wish: Wish) -> List[Record]:
    """The hosts that a sandbox still lacks; all of them or none."""
    for other in records():
        trees.harvest(other)
    if known and set(segment.host_names(name, hosts)) <= {record.name for record in known}:
        # Without a look at the base: a newer one takes minutes to make, and everybody waits for this lock.
        return []
    lower = trees.ensure(wish.distro, wish.tree, wish.say)
    taken = free_number((r.number for r in records()), machine.run(["ip", "-4", "route", "show"])) if not known else 0
    number = known[0].number if known else taken
    first = Record(name, wish.kind, wish.distro, number, lower.name, layered=True)
    made: List[Record] = []
    try:
        for record in segment.missing(first, hosts, known):
            made.append(_create(record, lower, [*known, *made], wish.say))
        if hosts:
            identity.introduce([*known, *made])
    except BaseException:
        together(_remove, made)
        raise
    return made


def _create(record: Record, lower: Path, others: Sequence[Record], say: Say) -> Record:
    """Keys, tree and identity of a new host, which opens to the key of the ``others``; all of it or nothing."""
    _remove(record)
    record.place.mkdir(parents=True, mode=0o755)
    try:
        record = dataclasses.replace(record, layered=trees.unpack(record, lower))
        identity.make_keys(record.place, others[0].place if others else None)
        trees.lend(record)
        trees.mount(record, lower)
        identity.write(record)
        if not DISTROS[record.distro].layout:
            sources.write(record.root, sources.find(DISTROS[record.distro].suite))
        if record.kind != "container":
            virtual.fill(record)
            record = dataclasses.replace(record, layered=False)
        record.save()
    except BaseException:
        trees.unmount(record)
        machine.remove(record.place)
        raise
    return record


def _boot(record: Record) -> Sandbox:
    """End what a killed keeper left, mount, open the way, boot; on failure it is stopped again, its tree kept."""
    _way(record).kill(record)
    try:
        trees.mount(record, tree_dir(record.distro, record.tree))
        network.open_way(record)
        _way(record).boot(record)
    except BaseException:
        _halt(record)
        raise
    return record.view()


def _way(record: Record) -> ModuleType:
    """How a sandbox of its kind is booted and ended."""
    return container if record.kind == "container" else virtual


def _halt(record: Record) -> None:
    """Nothing of the sandbox stays on the machine but its directory.

    Of a segment's hosts that end side by side, the last one to be unmounted closes the way.
    """
    link.forget(record)
    _way(record).kill(record)
    trees.unmount(record)
    network.close_way(record)


def list_all() -> List[Sandbox]:
    """Every sandbox on this machine, by its number."""
    return [record.view() for record in records()]


def find(name: str) -> Sandbox:
    """One sandbox; UsageFault with the way to make it when there is none."""
    return record_of(name).view()


def start(name: str) -> Sandbox:
    """Boot a stopped sandbox's tree again; a running one is returned as it is. A segment's name means all its hosts."""
    machine.need_root()
    with machine.locked(group_of(name)):
        together(_started, members(name))
    return record_of(name).view()


def _started(record: Record) -> Sandbox:
    return record.view() if record.pid() else _boot(record)


def stop(name: str) -> Sandbox:
    """Shut a sandbox down in order; its tree stays for ``start``. A segment's name means all its hosts."""
    machine.need_root()
    with machine.locked(group_of(name)):
        together(_stop, members(name))
    return record_of(name).view()


def _stop(record: Record) -> None:
    if record.kind == "container":
        container.power_off(record)
    else:
        virtual.power_off(record, ssh_argv(record.view()))
    _halt(record)
    trees.harvest(record)


def save_tree(name: str, tree: str, say: Say = _silent) -> Path:
    """Stop a sandbox in order and keep a copy of its tree, without its identity, under a name for ``up``.

    UsageFault when a sandbox runs on a tree of that name. The sandbox stays stopped.
    """
    machine.need_root()
    if tree == BOOTS_FROM or tree.startswith(f"{BOOTS_FROM}-"):
        raise UsageFault(f"{tree!r} is the base tree's own name", hint="choose another name for the saved tree")
    record = record_of(name)
    if record.kind != "container":
        raise UsageFault(f"{name} has a disk and no tree to keep", hint="make the tree in a sandbox of kind container")
    with machine.locked(record.group):
        _stop(record)
        say(f"keeping the tree of {name} as {tree}")
        with machine.locked():
            trees.mount(record, tree_dir(record.distro, record.tree))
            try:
                return trees.save(record, tree)
            finally:
                trees.unmount(record)


def has_tree(tree: str, distro: str = DEFAULT_DISTRO) -> bool:
    """Whether ``up(tree=...)`` will find it."""
    return tree_dir(distro, tree).is_dir()


def down(name: str, say: Say = _silent) -> None:
    """Remove a sandbox: processes, network, rules, tree. Its downloads stay for the next one.

    A segment's name means all its hosts; another host of it goes alone.
    """
    machine.need_root()
    with machine.locked(group_of(name)):
        doomed = members(name)
        say(f"removing sandbox {', '.join(record.name for record in doomed)}")
        together(_remove, doomed)


def _remove(record: Record) -> None:
    """All of a sandbox, also of one that never became whole."""
    _halt(record)
    trees.harvest(record)
    machine.remove(record.place)
