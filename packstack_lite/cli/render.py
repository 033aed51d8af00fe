"""``render``: the configs as they would be written, no host needed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import List, Optional

import click

from packstack_lite import profiles
from packstack_lite.answers import Answers
from packstack_lite.cli import answer_files
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, print_stderr
from packstack_lite.config_overrides import loader
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.node_sessions import Declarations, NodeSession
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import Interface, sample_facts
from packstack_lite.nodes.inventory import list_nodes
from packstack_lite.nodes.node import is_ip_address
from packstack_lite.profiles import Profile
from packstack_lite.resources import File

# Answers that name an interface which other hosts find a host by.
_TUNNEL_PARAMETERS = ("CONFIG_NEUTRON_OVS_TUNNEL_IF", "CONFIG_NEUTRON_OVN_TUNNEL_IF")


@click.command("render", short_help="Write the configs to a directory; no host needed.")
@click.option(
    "--output-dir",
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write them.",
)
@click.option(
    "--profile",
    "profile_name",
    metavar="NAME",
    default="debian12-zed",
    show_default=True,
    help="Distribution and release.",
)
@shared_options(excluding="output")
@click.option("--output", "output", metavar="DIR", help="Where to write them (the same as --to).")
@pass_options
def render(options: Options, directory: Optional[Path], profile_name: str, output: Optional[str]) -> None:
    """Write every file that apply would write, below a directory, as 0600 (they hold passwords).

    Where the answers name several hosts, each has a directory of its own in it, named as they name the host.
    """
    output_directory = directory or (Path(output) if output else None)
    if output_directory is None:
        raise UsageError("render needs a directory", "packstack-lite render --output DIR")
    user_tree = loader.load_directory(options.config_dir)
    target = answer_files.default_target(options)
    answers = answer_sources.resolve_answers(options, target)
    answer_files.print_warnings(options, answers)
    with_overrides = Declarations(
        answers, _imagine_sessions(answers, target, profiles.load(profile_name)), user_tree
    ).with_overrides
    for warning in dict.fromkeys(warning for overridden in with_overrides.values() for warning in overridden.warnings):
        print_stderr(options, f"warning: {warning}")
    files = [
        (f"/{node}{file.path}" if len(with_overrides) > 1 else file.path, file.data)
        for node, overridden in with_overrides.items()
        for file in overridden.resources
        if isinstance(file, File)
    ]
    for path, data in files:
        _write_private(output_directory / path.lstrip("/"), data)
    print_stderr(options, f"{len(files)} files below {output_directory}")
    if options.is_json:
        print_json({"files": [path for path, _ in files]})


def _imagine_sessions(answers: Answers, target: ConnectionTarget, profile: Profile) -> List[NodeSession]:
    """The hosts that the answers name, as nobody has asked them."""
    sessions = []
    for index, node in enumerate(list_nodes(answers, target.address)):
        # A name stands where an address would: nobody was asked for it.
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
        sessions.append(NodeSession(node, target, facts=facts))
    return sessions


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
