"""``verify``: what on the host is no longer as declared."""

from __future__ import annotations

import click

from packstack_lite.cli import output
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.deployment import run
from packstack_lite.errors import ExitCode


@click.command("verify", short_help="Tell what is no longer as declared.")
@shared_options()
@pass_options
def verify(options: Options) -> int:
    """Compare the host with what the answers declare; exit with 6 when something differs."""
    with run.open_deployment(options, require_answers=True) as deployment:
        drift = deployment.verify()
    output.print_drift(options, drift)
    return ExitCode.PROBLEM_FOUND if drift else ExitCode.SUCCESS
