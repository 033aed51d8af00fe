"""Resolve the answers of a run from their sources.

Sources are, each overriding the one before: answer files, the sandbox, the environment, the command line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple

from packstack_lite import answers as answer_api
from packstack_lite.answers import PARAMETERS_BY_NAME, Answers, PasswordStore
from packstack_lite.answers.templates import is_template
from packstack_lite.answers.values import is_given
from packstack_lite.answers.writer import ANSWER_FILE_PATTERN
from packstack_lite.deployment.connection_target import (
    ConnectionTarget,
    find_own_address,
    resolve_address,
)
from packstack_lite.deployment.options import AnswerSources
from packstack_lite.deployment.remembered import (
    NodeRecord,
    claimed_files,
    find_record,
    known_identity,
    list_records,
    password_file,
)
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.sandbox import Sandbox, guest_image

CONTROLLER_PARAMETER = "CONFIG_CONTROLLER_HOST"
# The second interface of a segment's nodes, and the bridge that contains it.
TUNNEL_INTERFACE, TUNNEL_BRIDGE = "tunnel0", "br-tunnel"
AGENT_PREFIXES = {"openvswitch": "OVS", "ovn": "OVN"}


def load_answers(
    sources: AnswerSources,
    *,
    node_answers: Optional[Mapping[str, str]] = None,
    address: str = "127.0.0.1",
    password_store: Optional[PasswordStore] = None,
    sandbox_answers: Optional[Mapping[str, str]] = None,
    named_nodes: Optional[Mapping[str, str]] = None,
) -> Answers:
    """Resolve the answers of these sources.

    ``node_answers`` name the nodes; ``named_nodes`` are those of them that win over a remembered file.
    ``sandbox_answers`` are defaults that suit a sandbox, ``address`` is the controller's default. Passwords that nobody
    gave come from ``password_store``. Raises AnswersError, and UsageError if a file cannot be read.
    """
    return answer_api.resolve_answers(
        sources.files,
        sources.flags,
        node_answers=node_answers or {},
        address=address,
        password_store=password_store,
        sandbox_answers=sandbox_answers or {},
        environment=sources.environment,
        settings=sources.settings,
        named_nodes=named_nodes or {},
    )


def find_controller(sources: AnswerSources) -> str:
    """Return the controller that the answers name, "" without one.

    The other answers are not checked.
    """
    return find_controller_with_origin(sources)[0]


def find_controller_with_origin(sources: AnswerSources) -> Tuple[str, str]:
    """Return the controller that the answers name, and its origin.

    Only the origin of a file contains a colon. Raises AnswersError if it has still to be filled in.
    """
    controller = ("", "")
    for path in sources.files:
        text, line = answer_api.read_answer_file(path).answers.get(CONTROLLER_PARAMETER, ("", 0))
        controller = (text, f"{path}:{line}") if is_given(text) else controller
    overrides = answer_api.read_overrides(sources.environment, sources.settings, sources.flags)
    controller = overrides.answers.get(CONTROLLER_PARAMETER, controller)
    if is_template(controller[0], is_secret=False):
        load_answers(sources)  # Raises the error that names every value to fill in.
    return controller


def resolve_answers(sources: AnswerSources, target: ConnectionTarget, required: bool = False) -> Answers:
    """Resolve the answers for a controller.

    Without an answer file, those of the machine's last deployment are used. With ``required`` their absence is a
    UsageError: otherwise new passwords would be made for a cloud that has others.
    """
    address = resolve_address(target.address)
    record = None if sources.files else find_record(target)
    files = sources.files or remembered_files(target, record)
    # A record without files is of a deployment whose answers were all defaults and overrides.
    if required and not files and not (record and not record.answer_files):
        lost = f": {', '.join(record.answer_files)} is gone" if record else ""
        raise UsageError(f"no answers are known for {address}{lost}", "name its answer file with --answer-file FILE")
    return resolve_for_target(replace(sources, files=files), target, address)


def use_recorded_address(target: ConnectionTarget) -> ConnectionTarget:
    """Return the target with the address that its cloud has.

    This machine may have several. A loopback name becomes an address of this machine that the other nodes can use.
    """
    if not target.is_local:
        return target
    address = find_own_address() if target.address in LOOPBACK_NAMES else target.address
    target = replace(target, address=address)
    record = find_record(target)
    return replace(target, address=record.address) if record else target


def remembered_files(target: ConnectionTarget, record: Optional[NodeRecord]) -> Tuple[Path, ...]:
    """Return the answer files of earlier runs that belong to a machine.

    ``record`` is the machine's, None without one. A file that no machine was deployed with yet belongs to the address
    in it, unless that is a sandbox: the next sandbox has the same address.
    """
    if record:
        return record.files
    return () if target.sandbox else find_earlier_answer_files(resolve_address(target.address))


def resolve_for_target(
    sources: AnswerSources,
    target: ConnectionTarget,
    address: str,
    node_answers: Optional[Mapping[str, str]] = None,
    named_nodes: Optional[Mapping[str, str]] = None,
) -> Answers:
    """Resolve the answers for a controller at ``address``.

    Its stored passwords are used, and the defaults that suit its sandbox.
    ``node_answers`` are the answers that name the nodes, as ``answers.derive_node_answers`` builds them. Answer files
    win over them, but not over ``named_nodes``, which the command line names.
    """
    store = PasswordStore(_password_file_of(target, address))

    def load(sandbox_answers: Mapping[str, str]) -> Answers:
        """Return the answers from all sources and these answers of a sandbox."""
        return load_answers(
            sources,
            node_answers=node_answers,
            address=address,
            password_store=store,
            sandbox_answers=sandbox_answers,
            named_nodes=named_nodes,
        )

    if not target.sandbox:
        return load({})
    # Answers that were written for this controller name the other nodes too.
    is_named = find_controller(sources) == address
    overrides = {} if is_named else node_answers or answer_api.derive_node_answers([address])
    preliminary = load(overrides)
    return load({**overrides, **_sandbox_defaults(preliminary, target.sandbox)})


def _password_file_of(target: ConnectionTarget, address: str) -> Path:
    """Return the file with the generated passwords of the machine at an address.

    It is another one where the address is known to have been another machine's.
    """
    identity = known_identity(target)
    others = [record for record in list_records() if record.address == address]
    is_known = identity.machine_id or identity.host_key
    if is_known and others and not any(record.identity.matches(identity) for record in others):
        return password_file(address, identity.machine_id or identity.host_key)
    return password_file(address)


def _sandbox_defaults(preliminary: Answers, box: Sandbox) -> Dict[str, str]:
    """Return answers that suit a sandbox, for parameters left at their default."""
    defaults = {
        "CONFIG_PROVISION_DEMO_FLOATRANGE": box.external_network,
        "CONFIG_PROVISION_IMAGE_URL": guest_image.PATH_IN_SANDBOX,
        "CONFIG_PROVISION_IMAGE_SSH_USER": "root",
        **_tunnel_defaults(preliminary, box),
        # A container has no device mapper for Packstack's default, LVM.
        **(_volume_defaults(preliminary, box) if box.kind == "container" else {}),
    }
    return {name: text for name, text in defaults.items() if preliminary.text(name) == PARAMETERS_BY_NAME[name].default}


def _volume_defaults(answers: Answers, box: Sandbox) -> Dict[str, str]:
    """Return Ceph as the backend, or no Cinder if other nodes run instances.

    The Ceph of a sandbox serves only its own node.
    """
    return {"CONFIG_CINDER_BACKEND": "ceph"} if _is_all_in_one(answers, box) else {"CONFIG_CINDER_INSTALL": "n"}


def _is_all_in_one(answers: Answers, box: Sandbox) -> bool:
    """Return whether the sandbox is the only compute node."""
    return tuple(answers["CONFIG_COMPUTE_HOSTS"]) == (box.address,)


def _tunnel_defaults(answers: Answers, box: Sandbox) -> Dict[str, str]:
    """Return answers that end tunnels on the second interface of a segment.

    A bridge contains that interface.
    Open vSwitch in user space forwards tunnels only from bridge to bridge.
    """
    prefix = AGENT_PREFIXES.get(answers["CONFIG_NEUTRON_L2_AGENT"])
    if not box.tunnel or not prefix or _is_all_in_one(answers, box):
        return {}
    names = (f"CONFIG_NEUTRON_{prefix}_BRIDGE_IFACES", f"CONFIG_NEUTRON_{prefix}_TUNNEL_IF")
    if any(answers.text(name) for name in names):
        return {}
    return dict(zip(names, (f"{TUNNEL_BRIDGE}:{TUNNEL_INTERFACE}", TUNNEL_BRIDGE)))


def find_earlier_answer_files(address: str) -> Tuple[Path, ...]:
    """Return the newest answer file in the home directory that names this controller.

    Files with which a machine was deployed are its own, and left out. The result is empty without one.
    Raises UsageError for a damaged file: if it were skipped, all passwords would be made anew.
    """
    claimed = claimed_files()
    for path in answer_files_in_home():
        if str(path) in claimed:
            continue
        try:
            content = answer_api.read_answer_file(path)
        except UsageError as error:
            raise UsageError(error.message, _restore_hint(path)) from error
        controller = content.answers.get(CONTROLLER_PARAMETER, ("", 0))[0]
        if controller == address:
            return (path,)
        if not controller and content.errors:
            raise AnswersError(f"{path}: an earlier run's answers are damaged", content.errors, _restore_hint(path))
    return ()


def answer_files_in_home() -> List[Path]:
    """Return the generated answer files in the home directory, newest first."""
    return sorted(Path.home().glob(ANSWER_FILE_PATTERN), key=lambda path: path.name, reverse=True)


def _restore_hint(path: Path) -> str:
    """Return what to do about a damaged answer file."""
    return f"restore it; or, if it is not needed: mv {path} {path}.damaged"
