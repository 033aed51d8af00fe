"""Which answers count for a run, and where they come from."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from packstack_lite.answers import (
    PARAMETERS_BY_NAME,
    Answers,
    PasswordStore,
    derive_node_answers,
    read_answer_file,
    read_overrides,
    render_answer_file,
    resolver,
    write_answer_file,
)
from packstack_lite.answers.l2_agents import AGENT_NAME_PARTS
from packstack_lite.answers.writer import ANSWER_FILE_PATTERN
from packstack_lite.cli.options import Options
from packstack_lite.deployment.connection_target import LOOPBACK_NAMES, ConnectionTarget, is_this_machine
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.report.run_log import state_directory
from packstack_lite.sandbox import Sandbox, guest_image

CONTROLLER_PARAMETER = "CONFIG_CONTROLLER_HOST"
# The second interface of a segment's hosts, and the bridge that it goes into.
TUNNEL_INTERFACE, TUNNEL_BRIDGE = "tunnel0", "br-tunnel"


def find_controller(options: Options) -> str:
    """The controller that the answers name, without judging the rest of them; "" when they do not."""
    return _find_controller_with_origin(options)[0]


def _find_controller_with_origin(options: Options) -> Tuple[str, str]:
    """The same, and where it is said; a file's place holds a colon."""
    controller = ("", "")
    for path in options.answer_files:
        text, line = read_answer_file(path).answers.get(CONTROLLER_PARAMETER, ("", 0))
        controller = (text, f"{path}:{line}") if line else controller
    return read_overrides(os.environ, options.settings, options.flags).answers.get(CONTROLLER_PARAMETER, controller)


def find_overriding_controller(options: Options, implied_host: str, is_allinone: bool) -> str:
    """The controller that beats the one that --allinone (``here``) or --install-hosts mean; "" when theirs counts.

    As with Packstack one told by a flag does, and here also by --set or in the environment. An answer
    file that names another host is refused (UsageFault): one of the two is a mistake.
    """
    controller, origin = _find_controller_with_origin(options)
    if not controller or controller in LOOPBACK_NAMES or resolve_address(controller) == resolve_address(implied_host):
        return ""
    if ":" in origin and not (is_allinone and is_this_machine(controller)):
        option = "--allinone" if is_allinone else "--install-hosts"
        raise UsageError(
            f"{origin}: {CONTROLLER_PARAMETER}={controller}, but {option} means {implied_host}",
            f"to deploy on {controller} leave {option} out; to deploy on {implied_host} add --set {CONTROLLER_PARAMETER}={implied_host}",
        )
    return controller


def resolve_answers(options: Options, target: ConnectionTarget, required: bool = False) -> Answers:
    """The effective answers for a target.

    Without an answer file those count that an earlier --allinone wrote for this host;
    ``needed`` refuses to go on where there are none, instead of making new passwords.
    """
    address = resolve_address(target.address)
    files = list(options.answer_files) or find_earlier_answer_files(address)
    if required and not files:
        raise UsageError(f"no answers are known for {address}", "name its answer file with --answer-file FILE")
    return _load_for_target(options, target, files, address)


def ensure_answer_file(
    options: Options, target: ConnectionTarget, implied_host: str = "", compute_nodes: Sequence[str] = ()
) -> Path:
    """The file that holds the answers of --allinone or --install-hosts, which ``meant`` this host, and ``others`` as
    its compute hosts.

    Without an answer file those of an earlier one for the same host are kept, its passwords too.
    The user's own files are layers and stay as they are. A new file is only written when it
    would say something else than the newest one.
    """
    address = resolve_address(target.address)
    earlier_files = find_earlier_answer_files(address)
    files = list(options.answer_files) or earlier_files
    named_controller = find_controller(options)
    controller = (
        named_controller if named_controller in LOOPBACK_NAMES else resolve_address(implied_host or target.address)
    )
    overrides = derive_node_answers([controller, *map(resolve_address, compute_nodes)])
    answers = _load_for_target(options, target, files, address, overrides)
    if earlier_files and render_answer_file(answers) == earlier_files[0].read_text(encoding="utf-8"):
        return earlier_files[0]
    path = Path.home() / f"packstack-answers-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    write_answer_file(path, answers)
    return path


def _load_for_target(
    options: Options,
    target: ConnectionTarget,
    files: List[Path],
    address: str,
    host_overrides: Optional[Dict[str, str]] = None,
) -> Answers:
    password_store = PasswordStore(state_directory() / re.sub(r"[^\w.\-]", "_", address) / "passwords.json")
    load_arguments: Dict[str, Any] = {
        "node_answers": host_overrides or {},
        "address": address,
        "password_store": password_store,
    }
    if not target.sandbox:
        return load_answers(options, files, **load_arguments)
    overrides = {} if _names_controller(options, files, address) else host_overrides or derive_node_answers([address])
    preliminary = load_answers(options, files, **load_arguments, sandbox_answers=overrides)
    return load_answers(
        options, files, **load_arguments, sandbox_answers={**overrides, **_sandbox_defaults(preliminary, target)}
    )


def _names_controller(options: Options, files: Sequence[Path], address: str) -> bool:
    """Whether the answers were written for this host: then they know the others too."""
    controller = _find_controller_with_origin(replace(options, answer_files=list(files)))[0]
    return controller == address


def load_answers(options: Options, files: Sequence[Path], **load_arguments: Any) -> Answers:
    """The effective answers of these files, of the environment and of the command line; the rest as answers.load."""
    return resolver.resolve_answers(
        files, options.flags, environment=os.environ, settings=options.settings, **load_arguments
    )


def _sandbox_defaults(preliminary: Answers, target: ConnectionTarget) -> Dict[str, str]:
    """What a sandbox brings along takes the place of defaults, never of a choice."""
    assert target.sandbox is not None
    defaults = {
        "CONFIG_PROVISION_DEMO_FLOATRANGE": target.sandbox.external_network,
        "CONFIG_PROVISION_IMAGE_URL": guest_image.PATH_IN_SANDBOX,
        "CONFIG_PROVISION_IMAGE_SSH_USER": "root",
        **_tunnel_defaults(preliminary, target.sandbox),
        # A container has no device mapper for Packstack's default, LVM.
        **(_volume_defaults(preliminary, target.sandbox) if target.sandbox.kind == "container" else {}),
    }
    return {name: text for name, text in defaults.items() if preliminary.text(name) == PARAMETERS_BY_NAME[name].default}


def _volume_defaults(answers: Answers, box: Sandbox) -> Dict[str, str]:
    """Ceph, which is but for its own host; none where instances are on others."""
    return {"CONFIG_CINDER_BACKEND": "ceph"} if _is_all_in_one(answers, box) else {"CONFIG_CINDER_INSTALL": "n"}


def _is_all_in_one(answers: Answers, box: Sandbox) -> bool:
    return tuple(answers["CONFIG_COMPUTE_HOSTS"]) == (box.address,)


def _tunnel_defaults(answers: Answers, box: Sandbox) -> Dict[str, str]:
    """Where tunnels end on hosts of one segment: on a bridge with their second interface, as Open vSwitch finds its
    way through user space from bridge to bridge alone."""
    prefix = AGENT_NAME_PARTS.get(answers["CONFIG_NEUTRON_L2_AGENT"])
    if not box.tunnel or not prefix or _is_all_in_one(answers, box):
        return {}
    names = (f"CONFIG_NEUTRON_{prefix}_BRIDGE_IFACES", f"CONFIG_NEUTRON_{prefix}_TUNNEL_IF")
    if any(answers.text(name) for name in names):
        return {}
    return dict(zip(names, (f"{TUNNEL_BRIDGE}:{TUNNEL_INTERFACE}", TUNNEL_BRIDGE)))


def find_earlier_answer_files(address: str) -> List[Path]:
    """The newest answer file in the home directory that is for this host, if any.

    Raises UsageFault for a damaged one: taken for another host's, it would let all passwords be made anew.
    """
    for path in sorted(Path.home().glob(ANSWER_FILE_PATTERN), key=lambda path: path.name, reverse=True):
        try:
            found = read_answer_file(path)
        except UsageError as fault:
            raise UsageError(fault.message, _past(path)) from fault
        named = found.answers.get(CONTROLLER_PARAMETER, ("", 0))[0]
        if named == address:
            return [path]
        if not named and found.errors:
            raise AnswersError(f"{path}: an earlier run's answers are damaged", found.errors, _past(path))
    return []


def _past(path: Path) -> str:
    return f"restore it; or, if it is not needed: mv {path} {path}.damaged"


def resolve_address(host: str) -> str:
    """The address of a host by name or address; the name itself when nobody knows it here."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except OSError:
        return host
