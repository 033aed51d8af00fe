"""``render``: write the rendered files to a local directory, without a node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import click

from packstack_lite.cli import answer_files
from packstack_lite.cli.opening import default_target
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import make_callbacks, print_json, print_stderr
from packstack_lite.counts import format_count
from packstack_lite.deployment import answer_sources, render_files
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend


@click.command("render", short_help="Write the configs to a directory; no node needed.")
@click.option(
    "--output-dir",
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory to write to.",
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
@click.option("--output", "output", metavar="DIR", help="Directory to write to (same as --to).")
@pass_options
def render(options: Options, directory: Optional[Path], profile_name: str, output: Optional[str]) -> None:
    """Write every file that apply would write below a directory, with mode 0600 (they hold passwords).

    If the answers name several nodes, each has its own subdirectory, named as in the answers.
    """
    output_directory = directory or (Path(output) if output else None)
    if output_directory is None:
        raise UsageError("render needs a directory", recommend("render", "--output", "DIR"))
    target = default_target(options)
    answers = answer_sources.resolve_answers(options.answer_sources, target)
    answer_files.print_warnings(options, answers)
    rendered = render_files(answers, profile_name, options.config_dir, make_callbacks(options), target.address)
    is_multi_node = len({file.node for file in rendered}) > 1
    paths = [f"/{file.node}{file.path}" if is_multi_node else file.path for file in rendered]
    for path, file in zip(paths, rendered):
        _write_private(output_directory / path.lstrip("/"), file.data)
    print_stderr(options, f"{format_count(len(rendered), 'file')} below {output_directory}")
    if options.is_json:
        print_json({"files": paths})


def _write_private(path: Path, data: bytes) -> None:
    """Write a file with mode 0600 and create its directories."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
