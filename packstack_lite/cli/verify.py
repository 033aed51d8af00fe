"""``verify``: report what differs from the declared state."""

from __future__ import annotations

import click

from packstack_lite.cli import output
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.errors import ExitCode


@click.command("verify", short_help="Report drift from the declared state.")
@shared_options()
@pass_options
def verify(options: Options) -> int:
    """Compare the nodes with what the answers declare; exit with 6 if something differs."""
    with open_from_options(options, require_answers=True) as deployment:
        drift = deployment.verify()
    output.print_drift(options, drift)
    return ExitCode.PROBLEM_FOUND if drift else ExitCode.SUCCESS
