"""Write the answer file of a new deployment.

Used by ``--allinone``, ``--install-hosts`` and the interview.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Sequence, Tuple

from packstack_lite import answers as answer_api
from packstack_lite.counts import format_count
from packstack_lite.deployment.answer_sources import (
    CONTROLLER_PARAMETER,
    answer_files_in_home,
    find_controller,
    find_controller_with_origin,
    remembered_files,
    resolve_for_target,
)
from packstack_lite.deployment.connection_target import (
    ConnectionTarget,
    choose_target,
    find_own_address,
    find_target,
    is_this_machine,
    parse_target,
    resolve_address,
)
from packstack_lite.deployment.options import (
    CONTROLLER_OF_ANSWERS,
    DEFAULT_CONNECTION,
    NO_CALLBACKS,
    AnswerSources,
    Callbacks,
    ConnectionOptions,
    NodeSelection,
)
from packstack_lite.deployment.remembered import NodeRecord, find_record
from packstack_lite.deployment.remembered_nodes import select_named_nodes
from packstack_lite.errors import UsageError
from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.recommended import recommend


@dataclass(frozen=True)
class NewAnswerFile:
    """An answer file for a new deployment, and how its controller is selected.

    ``addresses`` are those of the controller and of the compute nodes, as they were named. ``is_new`` means that this
    call wrote the file. ``record`` is that of the machine whose earlier answers it holds, None without any.
    """

    path: Path
    selection: NodeSelection
    addresses: Tuple[str, ...]
    is_new: bool = True
    record: Optional[NodeRecord] = None


def write_new_answer_file(
    answers: AnswerSources,
    install_hosts: Sequence[str] = (),
    nodes: NodeSelection = CONTROLLER_OF_ANSWERS,
    connection: ConnectionOptions = DEFAULT_CONNECTION,
    callbacks: Callbacks = NO_CALLBACKS,
    create_sandbox: bool = False,
) -> NewAnswerFile:
    """Write the answer file of a new deployment in the home directory, and return it.

    ``install_hosts`` are the controller and the compute nodes, as [USER@]HOST[:PORT]; without any, everything goes
    to the machine in ``nodes`` or to this one. An earlier file of the same controller keeps its passwords, and is
    returned if nothing would differ. Raises UsageError.
    """
    if (nodes.sandbox and install_hosts) or (nodes.host and len(install_hosts) > 1):
        option = "--host" if nodes.host else "--sandbox"
        raise UsageError(
            f"--install-hosts names {format_count(len(install_hosts), 'host')}, and {option} names a host too",
            f"leave {option} out; nodes in sandboxes are named by their addresses ({recommend('sandbox', 'list')})",
        )
    first_host = install_hosts[0] if install_hosts else ""
    compute_nodes = [parse_target(host).address for host in install_hosts[1:]]
    if nodes.host or nodes.sandbox:
        target = choose_target(nodes, connection, callbacks, create_sandbox=create_sandbox)
        implied_host = target.address
    else:
        implied_host = parse_target(first_host).address if first_host else find_own_address()
        target, nodes = _choose_implied_target(answers, nodes, connection, callbacks, first_host, implied_host)
    record = None if answers.files else find_record(target)
    earlier_files = remembered_files(target, record)
    option = "--install-hosts" if install_hosts else "--allinone"
    path, is_new = _ensure_answer_file(answers, target, implied_host, compute_nodes, earlier_files, option, callbacks)
    return NewAnswerFile(path, nodes, (target.address, *compute_nodes), is_new, record)


def _choose_implied_target(
    answers: AnswerSources,
    nodes: NodeSelection,
    connection: ConnectionOptions,
    callbacks: Callbacks,
    first_host: str,
    implied_host: str,
) -> Tuple[ConnectionTarget, NodeSelection]:
    """Choose the controller that --install-hosts or --allinone implies.

    ``first_host`` is the first of --install-hosts, "" with --allinone.
    """
    controller = find_overriding_controller(answers, implied_host, is_allinone=not first_host)
    if first_host and not controller:
        target = find_target(first_host, connection, callbacks)
        if target.sandbox:
            return target, nodes
        nodes = replace(nodes, host=first_host)
    return choose_target(nodes, connection, callbacks, controller, allow_local=not first_host), nodes


def find_overriding_controller(sources: AnswerSources, implied_host: str, is_allinone: bool) -> str:
    """Return the controller that the answers name instead of ``implied_host``.

    Returns "" if ``implied_host`` is the controller.
    ``implied_host`` is what --allinone or --install-hosts means. As in Packstack, a parameter's own option wins over
    it, and here also --set and the environment. Raises UsageError where an answer file names another host: one of
    the two is a mistake.
    """
    controller, origin = find_controller_with_origin(sources)
    if not controller or controller in LOOPBACK_NAMES or resolve_address(controller) == resolve_address(implied_host):
        return ""
    if ":" in origin and not (is_allinone and is_this_machine(controller)):
        option = "--allinone" if is_allinone else "--install-hosts"
        raise UsageError(
            f"{origin}: {CONTROLLER_PARAMETER}={controller}, but {option} means {implied_host}",
            f"to deploy on {controller} leave {option} out;"
            f" to deploy on {implied_host} add --set {CONTROLLER_PARAMETER}={implied_host}",
        )
    return controller


def _ensure_answer_file(
    sources: AnswerSources,
    target: ConnectionTarget,
    implied_host: str,
    compute_nodes: Sequence[str],
    earlier_files: Sequence[Path],
    option: str,
    callbacks: Callbacks,
) -> Tuple[Path, bool]:
    """Return the answer file of this controller, and whether it was written now.

    A new one is written only if it would differ from every earlier one. The user's own files are sources of answers and
    stay as they are. ``option`` is the one that names the nodes; it wins over ``earlier_files``.
    """
    address = resolve_address(target.address)
    is_remembered = not sources.files and bool(earlier_files)
    sources = replace(sources, files=sources.files or tuple(earlier_files))
    named_controller = find_controller(sources)
    controller = (
        named_controller if named_controller in LOOPBACK_NAMES else resolve_address(implied_host or target.address)
    )
    node_answers = answer_api.derive_node_answers([controller, *map(resolve_address, compute_nodes)])
    named_nodes = {}
    if is_remembered or option == "--install-hosts":
        named_nodes = select_named_nodes(sources, node_answers, option, is_remembered, callbacks.progress)
    answers = resolve_for_target(sources, target, address, node_answers, named_nodes)
    text = answer_api.render_answer_file(answers)
    for path in [*earlier_files, *answer_files_in_home()]:
        if has_text(path, text):
            return path, False
    path = Path.home() / f"packstack-answers-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    answer_api.write_answer_file(path, answers)
    return path, True


def has_text(path: Path, text: str) -> bool:
    """Return whether a file has this text; False for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False
