"""``render``: the configs as they would be written, no host needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import click

from packstack_lite import profiles, services
from packstack_lite.cli import answerfiles, config_dir, sources
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import print_json, say
from packstack_lite.errors import UsageFault
from packstack_lite.hosts.facts import imagined
from packstack_lite.resources import File
from packstack_lite.services import overlay
from packstack_lite.services.cloud import Cloud


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
    """Write every file that apply would write, below a directory, as 0600 (they hold passwords)."""
    place = directory or (Path(output) if output else None)
    if place is None:
        raise UsageFault("render needs a directory", "packstack-lite render --output DIR")
    tree = config_dir.read(options.config_dir)
    told = sources.answers(options, answerfiles.target_of(options))
    answerfiles.warn(options, told)
    profile = profiles.load(profile_name)
    cloud = Cloud(told, imagined(profile.os_id, profile.os_versions[0], told["CONFIG_CONTROLLER_HOST"]), profile)
    laid = overlay.lay(services.declare(cloud), tree, profile)
    for remark in laid.remarks:
        say(options, f"warning: {remark}")
    files = [resource for resource in laid.resources if isinstance(resource, File)]
    for file in files:
        _write(place / file.path.lstrip("/"), file.data)
    say(options, f"{len(files)} files below {place}")
    if options.json:
        print_json({"files": [file.path for file in files]})


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(data)
