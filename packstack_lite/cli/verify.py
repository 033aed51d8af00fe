"""``verify``: what on the host is no longer as declared."""

from __future__ import annotations

import click

from packstack_lite.cli import deployment, show
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.errors import ExitCode


@click.command("verify", short_help="Tell what is no longer as declared.")
@shared()
@pass_options
def verify(options: Options) -> int:
    """Compare the host with what the answers declare; exit with 6 when something differs."""
    with deployment.opened(options, answers_needed=True) as work:
        faults = work.verify()
    show.faults(options, faults)
    return ExitCode.FAULT if faults else ExitCode.FINE
