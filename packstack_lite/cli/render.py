"""``render``: the configs as they would be written, no host needed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import List, Optional

import click

from packstack_lite import profiles
from packstack_lite.answers import Answers
from packstack_lite.cli import answerfiles, config_dir, sources
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.sites import Declared, Site
from packstack_lite.cli.target import Target
from packstack_lite.cli.terminal import print_json, say
from packstack_lite.errors import UsageFault
from packstack_lite.hosts.facts import Interface, imagined
from packstack_lite.hosts.inventory import members
from packstack_lite.profiles import Profile
from packstack_lite.resources import File
from packstack_lite.services.placing import is_address

# Answers that name an interface which other hosts find a host by.
_TUNNEL = ("CONFIG_NEUTRON_OVS_TUNNEL_IF", "CONFIG_NEUTRON_OVN_TUNNEL_IF")


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
@shared(without="output")
@click.option("--output", "output", metavar="DIR", help="Where to write them (the same as --to).")
@pass_options
def render(options: Options, directory: Optional[Path], profile_name: str, output: Optional[str]) -> None:
    """Write every file that apply would write, below a directory, as 0600 (they hold passwords).

    Where the answers name several hosts, each has a directory of its own in it, named as they name the host.
    """
    place = directory or (Path(output) if output else None)
    if place is None:
        raise UsageFault("render needs a directory", "packstack-lite render --output DIR")
    tree = config_dir.read(options.config_dir)
    target = answerfiles.target_of(options)
    told = sources.answers(options, target)
    answerfiles.warn(options, told)
    laid = Declared(told, _imagined(told, target, profiles.load(profile_name)), tree).laid
    for remark in dict.fromkeys(remark for each in laid.values() for remark in each.remarks):
        say(options, f"warning: {remark}")
    files = [
        (f"/{host}{file.path}" if len(laid) > 1 else file.path, file.data)
        for host, each in laid.items()
        for file in each.resources
        if isinstance(file, File)
    ]
    for path, data in files:
        _write(place / path.lstrip("/"), data)
    say(options, f"{len(files)} files below {place}")
    if options.json:
        print_json({"files": [path for path, _ in files]})


def _imagined(told: Answers, target: Target, profile: Profile) -> List[Site]:
    """The hosts that the answers name, as nobody has asked them."""
    found = []
    for number, member in enumerate(members(told, target.address)):
        # A name stands where an address would: nobody was asked for it.
        facts = imagined(
            profile.os_id, profile.os_versions[0], member.name if number else told["CONFIG_CONTROLLER_HOST"]
        )
        tunnels = {str(told[name]) for name in _TUNNEL if told[name]} - {"eth0"}
        more = tuple(Interface(name, True, 1500, (f"{facts.address}/24",)) for name in sorted(tunnels))
        facts = replace(facts, interfaces=(*facts.interfaces, *more))
        if number:
            name = f"{member.roles[0]}-{number}" if is_address(member.name) else member.name
            facts = replace(facts, hostname=name, fqdn=name)
        found.append(Site(member, target, facts=facts))
    return found


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(data)
