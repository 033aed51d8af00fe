"""Make, start, stop, save and remove sandboxes; undo partial work after an error.

The entry points of this package for ``cli``, ``deployment`` and the tests.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import List, Optional, Protocol, Sequence

from packstack_lite.activity import cleanup
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
    """Drop a progress message: the default of callers that show none."""


def up(
    name: str = "aio",
    progress: ProgressCallback = _ignore_progress,
    distro: Optional[str] = None,
    kind: Optional[str] = None,
    tree: str = BASE_TREE,
    node_count: int = 0,
    packages: Sequence[str] = (),
) -> Sandbox:
    """Make or start a sandbox and return it when its SSH server answers.

    One that runs is left as it is.

    ``distro`` is what a new one runs (default: DEFAULT_DISTRO); an existing one must run that already. ``kind`` is
    container (the default), qemu, uml, or machine for the better of the last two on this machine. ``tree`` names a tree
    of ``save_tree`` that a new container is made from; ``packages`` are the Debian packages that a new virtual machine
    has installed. ``node_count`` makes a segment of that many nodes and returns the first; a segment that has fewer
    grows, one that has more stays. Tools that this machine lacks are installed, after a line to ``progress``.

    Raises UsageError for arguments that are not possible, SandboxError where this machine cannot do it. Nodes that did
    not come up are removed.
    """
    wanted_distro, wanted_kind = distro or DEFAULT_DISTRO, kind or "container"
    _validate_new_nodes(name, node_count, wanted_distro, wanted_kind)
    local_commands.require_root()
    local_commands.install_tools(local_commands.CONTAINER_TOOLS, progress)
    if not any(record.name == name for record in list_records()):
        if text := notice(wanted_distro):
            progress(text)
        # Making a tree takes minutes: before the lock that every other command waits for.
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
            with cleanup("removing the unfinished sandbox"):
                run_parallel(_remove, created)
            raise
    return find_record(name).to_sandbox()


def _validate_new_nodes(name: str, node_count: int, distro: str, kind: str) -> None:
    """Check what is asked of nodes that do not exist yet. Raises UsageError."""
    existing = {record.name for record in list_records()}
    for node_name in segment.node_names(name, node_count):
        # One that exists needs no plug-in for its distribution; require_matching compares the rest.
        if node_name not in existing:
            validate_request(node_name, distro, kind)
    if node_count and kind != "container":
        raise UsageError("a segment has containers only, no virtual machines", hint="leave out --hosts or --kind")


@dataclasses.dataclass(frozen=True)
class SandboxSpec:
    """A description of new nodes, and the callback for progress messages.

    ``kind`` is container, qemu or uml. ``tree`` is the name of the tree that they are made from.
    """

    distro: str
    kind: str
    tree: str
    progress: ProgressCallback


def _create_all(name: str, node_count: int, existing: Sequence[Record], spec: SandboxSpec) -> List[Record]:
    """Create the nodes that a sandbox or segment lacks; return their records.

    It creates all or none, and boots none.
    """
    for other in list_records():
        trees.collect_debs(other)
    if existing and set(segment.node_names(name, node_count)) <= {record.name for record in existing}:
        # Not a look at the base tree: making a newer one takes minutes, and every other command waits for this lock.
        return []
    base_tree = trees.ensure_tree(spec.distro, spec.tree, spec.progress)
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
            created.append(_create(record, base_tree, [*existing, *created], spec.progress))
        if node_count:
            identity.write_known_hosts([*existing, *created])
    except BaseException:
        with cleanup("removing the unfinished sandbox"):
            run_parallel(_remove, created)
        raise
    return created


def _create(record: Record, base_tree: Path, others: Sequence[Record], progress: ProgressCallback) -> Record:
    """Create the directory, tree, keys and identity of one node, all or nothing.

    It accepts the key of ``others``.
    """
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
        with cleanup("removing the unfinished sandbox"):
            trees.unmount_tree(record)
            local_commands.remove_directory(record.directory)
        raise
    return record


def _boot(record: Record) -> Sandbox:
    """Mount, set up the network and boot, after killing what an earlier run left.

    On failure stop it and keep the tree.
    """
    _backend(record).kill(record)
    try:
        trees.mount_tree(record, tree_dir(record.distro, record.tree))
        network.set_up_network(record)
        _backend(record).boot(record)
    except BaseException:
        with cleanup("stopping the sandbox"):
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
    """Kill the sandbox, unmount it and remove its network; only its directory stays.

    The network of a segment goes with the last of its nodes.
    """
    cable.stop_relays(record)
    _backend(record).kill(record)
    trees.unmount_tree(record)
    network.tear_down_network(record)


def list_all() -> List[Sandbox]:
    """Return all sandboxes of this machine, sorted by number."""
    return [record.to_sandbox() for record in list_records()]


def find(name: str) -> Sandbox:
    """Return one sandbox.

    Raises UsageError, with the command that makes it, where there is none.
    """
    return find_record(name).to_sandbox()


def start(name: str) -> Sandbox:
    """Boot a stopped sandbox, or all nodes of a segment.

    Running ones stay as they are. Return the sandbox of that name, which is a segment's first node.
    """
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        run_parallel(_ensure_running, find_records(name))
    return find_record(name).to_sandbox()


def _ensure_running(record: Record) -> Sandbox:
    """Boot a sandbox unless it runs."""
    return record.to_sandbox() if record.running_pid() else _boot(record)


def stop(name: str) -> Sandbox:
    """Shut down a sandbox, or all nodes of a segment; their files stay for ``start``.

    Stopped ones stay as they are. Return the sandbox of that name, which is a segment's first node.
    """
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        run_parallel(_stop, find_records(name))
    return find_record(name).to_sandbox()


def _stop(record: Record) -> None:
    """Shut down one sandbox, unmount it and collect its downloaded packages."""
    if record.kind == "container":
        container.power_off(record)
    else:
        virtual_machine.power_off(record, ssh_argv(record.to_sandbox()))
    _tear_down(record)
    trees.collect_debs(record)


def save_tree(name: str, tree: str, progress: ProgressCallback = _ignore_progress) -> Path:
    """Stop a container and save a copy of its tree for ``up(tree=...)``.

    The copy has no SSH host keys and no machine id.

    The sandbox stays stopped. Raises UsageError where a sandbox uses a saved tree of that name.
    """
    local_commands.require_root()
    if tree == BASE_TREE or tree.startswith(f"{BASE_TREE}-"):
        raise UsageError(f"{tree!r} is the name of a base tree", hint="choose another name for the saved tree")
    record = find_record(name)
    if record.kind != "container":
        raise UsageError(
            f"the sandbox {name!r} has a disk and no tree", hint="save the tree of a sandbox of kind container"
        )
    with local_commands.lock_sandbox(record.group_name):
        _stop(record)
        progress(f"saving the tree of {name} as {tree}")
        with local_commands.lock_sandbox():
            trees.mount_tree(record, tree_dir(record.distro, record.tree))
            try:
                return trees.save_copy(record, tree)
            finally:
                trees.unmount_tree(record)


def has_tree(tree: str, distro: str = DEFAULT_DISTRO) -> bool:
    """Return whether there is a saved tree of that name."""
    return tree_dir(distro, tree).is_dir()


def down(name: str, progress: ProgressCallback = _ignore_progress) -> None:
    """Remove a sandbox: processes, network, packet rules, tree.

    Downloaded packages stay for the next one.

    The segment's name removes all its nodes; the name of another node removes that one.
    """
    local_commands.require_root()
    with local_commands.lock_sandbox(find_group_name(name)):
        removed = find_records(name)
        progress(f"removing sandbox {', '.join(record.name for record in removed)}")
        run_parallel(_remove, removed)


def _remove(record: Record) -> None:
    """Remove one sandbox, or what exists of it: processes, network, directory.

    Its downloaded packages stay in the cache.
    """
    _tear_down(record)
    trees.collect_debs(record)
    local_commands.remove_directory(record.directory)
