"""Up, start, stop, save, down: the order of things, and what is undone when one of them fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import List, Optional, Protocol, Sequence

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import apt_sources, cable, container, identity, local_commands, network, segment, trees
from packstack_lite.sandbox.distros import DEBIAN_SUITES, DEFAULT_DISTRO, notice
from packstack_lite.sandbox.local_commands import ProgressCallback, run_parallel
from packstack_lite.sandbox.model import (
    BASE_TREE,
    Record,
    Sandbox,
    find_free_number,
    find_group_name,
    find_record,
    find_records,
    list_records,
    require_matching,
    tree_dir,
    validate_request,
)
from packstack_lite.sandbox.ssh_command import ssh_argv
from packstack_lite.sandbox.vm import virtual_machine


def _ignore_progress(message: str) -> None:
    """For callers that do not want to hear what happens."""


def up(
    name: str = "aio",
    progress: ProgressCallback = _ignore_progress,
    distro: Optional[str] = None,
    kind: Optional[str] = None,
    tree: str = BASE_TREE,
    node_count: int = 0,
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
    wanted_distro, wanted_kind = distro or DEFAULT_DISTRO, kind or "container"
    for node_name in segment.node_names(name, node_count):
        validate_request(node_name, wanted_distro, wanted_kind)
    if node_count and wanted_kind != "container":
        raise UsageError("several machines on one segment cannot be", hint="leave out --hosts or --kind")
    local_commands.require_root()
    local_commands.install_tools(local_commands.CONTAINER_TOOLS, progress)
    if not any(record.name == name for record in list_records()):
        if text := notice(wanted_distro):
            progress(text)
        # Minutes pass where these are not there yet, which nobody who waits for the lock of all is to wait for.
        if wanted_kind != "container":
            wanted_kind, tree = virtual_machine.choose_kind_and_tree(wanted_kind, wanted_distro, packages, progress)
        trees.ensure_tree(wanted_distro, tree, progress)
    with local_commands.lock_sandbox(find_group_name(name)):
        with local_commands.lock_sandbox():
            segment.validate_names(name, node_count, list_records())
            existing = [record for record in list_records() if name in (record.name, record.segment)]
            actual_distro = (
                require_matching(existing[0].to_sandbox(), distro, kind).distro if existing else wanted_distro
            )
            created = _create_all(name, node_count, existing, SandboxSpec(actual_distro, wanted_kind, tree, progress))
        try:
            run_parallel(_ensure_running, [*existing, *created])
        except BaseException:
            run_parallel(_remove, created)
            raise
    return find_record(name).to_sandbox()


@dataclasses.dataclass(frozen=True)
class SandboxSpec:
    """What new hosts are made of, and who hears of it."""

    distro: str
    kind: str
    tree: str
    say: ProgressCallback


def _create_all(name: str, node_count: int, existing: Sequence[Record], spec: SandboxSpec) -> List[Record]:
    """The hosts that a sandbox still lacks; all of them or none."""
    for other in list_records():
        trees.collect_debs(other)
    if existing and set(segment.node_names(name, node_count)) <= {record.name for record in existing}:
        # Without a look at the base: a newer one takes minutes to make, and everybody waits for this lock.
        return []
    base_tree = trees.ensure_tree(spec.distro, spec.tree, spec.say)
    free_number = (
        find_free_number((r.number for r in list_records()), local_commands.run_command(["ip", "-4", "route", "show"]))
        if not existing
        else 0
    )
    number = existing[0].number if existing else free_number
    first = Record(name, spec.kind, spec.distro, number, base_tree.name, layered=True)
    created: List[Record] = []
    try:
        for record in segment.missing_records(first, node_count, existing):
            created.append(_create(record, base_tree, [*existing, *created], spec.say))
        if node_count:
            identity.write_known_hosts([*existing, *created])
    except BaseException:
        run_parallel(_remove, created)
        raise
    return created


def _create(record: Record, base_tree: Path, others: Sequence[Record], progress: ProgressCallback) -> Record:
    """Keys, tree and identity of a new host, which opens to the key of the ``others``; all of it or nothing."""
    _remove(record)
    record.directory.mkdir(parents=True, mode=0o755)
    try:
        record = dataclasses.replace(record, layered=trees.create_root(record, base_tree))
        identity.make_keys(record.directory, others[0].directory if others else None)
        trees.link_cached_debs(record)
        trees.mount_tree(record, base_tree)
        identity.write_identity(record)
        if record.distro in DEBIAN_SUITES:
            apt_sources.write_sources(record.root, apt_sources.find_sources(DEBIAN_SUITES[record.distro]))
        if record.kind != "container":
            virtual_machine.make_disks(record)
            record = dataclasses.replace(record, layered=False)
        record.save()
    except BaseException:
        trees.unmount_tree(record)
        local_commands.remove_directory(record.directory)
        raise
    return record


def _boot(record: Record) -> Sandbox:
    """End what a killed keeper left, mount, open the way, boot; on failure it is stopped again, its tree kept."""
    _backend(record).kill(record)
    try:
        trees.mount_tree(record, tree_dir(record.distro, record.tree))
        network.set_up_network(record)
        _backend(record).boot(record)
    except BaseException:
        _tear_down(record)
        raise
    return record.to_sandbox()


class Backend(Protocol):
    """The names that ``container`` and ``virtual_machine`` have in common."""

    def boot(self, record: Record) -> None:
        """Start the sandbox and wait until its SSH server answers."""

    def kill(self, record: Record) -> None:
        """End every process of the sandbox at once."""


def _backend(record: Record) -> Backend:
    """Return the module that boots and kills sandboxes of this kind."""
    return container if record.kind == "container" else virtual_machine


def _tear_down(record: Record) -> None:
    """Nothing of the sandbox stays on the machine but its directory.

    Of a segment's hosts that end side by side, the last one to be unmounted closes the way.
    """
    cable.stop_relays(record)
    _backend(record).kill(record)
    trees.unmount_tree(record)
    network.tear_down_network(record)


def list_all() -> List[Sandbox]:
    """Every sandbox on this machine, by its number."""
    return [record.to_sandbox() for record in list_records()]


def find(name: str) -> Sandbox:
    """One sandbox; UsageFault with the way to make it when there is none."""
    return find_record(name).to_sandbox()


def start(name: str) -> Sandbox:
    """Boot a stopped sandbox's tree again; a running one is returned as it is. A segment's name means all its hosts."""
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        run_parallel(_ensure_running, find_records(name))
    return find_record(name).to_sandbox()


def _ensure_running(record: Record) -> Sandbox:
    return record.to_sandbox() if record.running_pid() else _boot(record)


def stop(name: str) -> Sandbox:
    """Shut a sandbox down in order; its tree stays for ``start``. A segment's name means all its hosts."""
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        run_parallel(_stop, find_records(name))
    return find_record(name).to_sandbox()


def _stop(record: Record) -> None:
    if record.kind == "container":
        container.power_off(record)
    else:
        virtual_machine.power_off(record, ssh_argv(record.to_sandbox()))
    _tear_down(record)
    trees.collect_debs(record)


def save_tree(name: str, tree: str, progress: ProgressCallback = _ignore_progress) -> Path:
    """Stop a sandbox in order and keep a copy of its tree, without its identity, under a name for ``up``.

    UsageFault when a sandbox runs on a tree of that name. The sandbox stays stopped.
    """
    local_commands.require_root()
    if tree == BASE_TREE or tree.startswith(f"{BASE_TREE}-"):
        raise UsageError(f"{tree!r} is the base tree's own name", hint="choose another name for the saved tree")
    record = find_record(name)
    if record.kind != "container":
        raise UsageError(f"{name} has a disk and no tree to keep", hint="make the tree in a sandbox of kind container")
    with local_commands.lock_sandbox(record.group_name):
        _stop(record)
        progress(f"keeping the tree of {name} as {tree}")
        with local_commands.lock_sandbox():
            trees.mount_tree(record, tree_dir(record.distro, record.tree))
            try:
                return trees.save_copy(record, tree)
            finally:
                trees.unmount_tree(record)


def has_tree(tree: str, distro: str = DEFAULT_DISTRO) -> bool:
    """Whether ``up(tree=...)`` will find it."""
    return tree_dir(distro, tree).is_dir()


def down(name: str, progress: ProgressCallback = _ignore_progress) -> None:
    """Remove a sandbox: processes, network, rules, tree. Its downloads stay for the next one.

    A segment's name means all its hosts; another host of it goes alone.
    """
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        removed = find_records(name)
        progress(f"removing sandbox {', '.join(record.name for record in removed)}")
        run_parallel(_remove, removed)


def _remove(record: Record) -> None:
    """All of a sandbox, also of one that never became whole."""
    _tear_down(record)
    trees.collect_debs(record)
    local_commands.remove_directory(record.directory)
