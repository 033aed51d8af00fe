"""Render the files that apply would write, without connecting to a node.

Facts are samples, so what depends on a node's hardware or addresses may differ. Used by ``render`` and ``explain``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from packstack_lite import profiles
from packstack_lite.answers import Answers
from packstack_lite.config_overrides import loader
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.node_sessions import Declarations, NodeSession
from packstack_lite.deployment.options import NO_CALLBACKS, Callbacks
from packstack_lite.nodes.facts import Interface, sample_facts
from packstack_lite.nodes.inventory import list_nodes
from packstack_lite.nodes.node import is_ip_address
from packstack_lite.profiles import Profile
from packstack_lite.resources import File

if TYPE_CHECKING:
    from packstack_lite.diagnosis.explanation import FileExplanation

# Parameters that name an interface whose address other nodes need.
_TUNNEL_PARAMETERS = ("CONFIG_NEUTRON_OVS_TUNNEL_IF", "CONFIG_NEUTRON_OVN_TUNNEL_IF")


@dataclass(frozen=True)
class RenderedFile:
    """A file as apply would write it.

    Holds the node's name in the answers, the absolute path on the node, and the content.
    The content may hold passwords.
    """

    node: str
    path: str
    data: bytes


def render_files(
    answers: Answers,
    profile_name: str,
    config_dir: Optional[Path] = None,
    callbacks: Callbacks = NO_CALLBACKS,
    controller: str = "",
) -> List[RenderedFile]:
    """Render every file that apply would write, on each node that the answers name.

    Facts are imagined: an interface that the answers name exists, and a node is called what the answers call it.
    ``config_dir`` holds configuration overrides. ``controller`` replaces a controller that is a loopback address in the
    answers. Raises UsageError for an unknown profile, ConfigOverrideError for a bad override.
    """
    user_tree = loader.load_directory(config_dir)
    sessions = imagine_sessions(answers, profiles.load(profile_name), controller)
    with_overrides = Declarations(answers, sessions, user_tree).with_overrides
    for warning in dict.fromkeys(warning for overridden in with_overrides.values() for warning in overridden.warnings):
        callbacks.warn(warning)
    return [
        RenderedFile(node, file.path, file.data)
        for node, overridden in with_overrides.items()
        for file in overridden.resources
        if isinstance(file, File)
    ]


def explain_rendered_file(
    answers: Answers,
    profile_name: str,
    file_name: str,
    option: str = "",
    node: str = "",
    config_dir: Optional[Path] = None,
    controller: str = "",
) -> FileExplanation:
    """Explain a file that apply would write.

    The result names template, code, units, and the answers and facts behind an option's lines.
    ``file_name`` is a path on the node or its unique end, ``option`` NAME, SECTION.NAME or "[SECTION] NAME". An empty
    ``option`` explains no line; an empty ``node`` chooses the first that has the file. The other parameters are those
    of ``render_files``. Raises UsageError for an unknown node, file or option, and for the end of several paths.
    """
    # render and plan do not need it.
    from packstack_lite.diagnosis.explain import explain_file

    user_tree = loader.load_directory(config_dir)
    sessions = imagine_sessions(answers, profiles.load(profile_name), controller)
    declarations = Declarations(answers, sessions, user_tree)
    contexts = {session.node.name: declarations.context_for(session) for session in sessions}
    return explain_file(contexts, answers, user_tree, file_name, option, node)


def imagine_sessions(answers: Answers, profile: Profile, controller: str) -> List[NodeSession]:
    """Return an unconnected session, with sample facts, for every node of the answers."""
    sessions = []
    for index, node in enumerate(list_nodes(answers, controller)):
        # A node's name is used as its address: no lookup is made.
        facts = sample_facts(
            profile.os_id, profile.os_versions[0], node.name if index else answers["CONFIG_CONTROLLER_HOST"]
        )
        tunnel_interfaces = {str(answers[name]) for name in _TUNNEL_PARAMETERS if answers[name]} - {"eth0"}
        extra_interfaces = tuple(
            Interface(name, True, 1500, (f"{facts.network.address}/24",)) for name in sorted(tunnel_interfaces)
        )
        network = replace(facts.network, interfaces=(*facts.network.interfaces, *extra_interfaces))
        facts = replace(facts, network=network)
        if index:
            name = f"{node.roles[0]}-{index}" if is_ip_address(node.name) else node.name
            facts = replace(facts, system=replace(facts.system, hostname=name, fqdn=name))
        sessions.append(NodeSession(node, ConnectionTarget(node.name), facts=facts))
    return sessions
