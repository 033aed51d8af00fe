"""``preflight``: every check, every finding, each with its way out."""

from __future__ import annotations

import click

from packstack_lite.cli import deployment, show
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.engine.events import worst
from packstack_lite.errors import ExitCode


@click.command("preflight", short_help="Check the host before anything is done to it.")
@shared()
@pass_options
def preflight(options: Options) -> int:
    """Run every check on the host and tell every finding; exit with 3 when one forbids to go on."""
    with deployment.opened(options) as work:
        findings = work.findings()
    show.findings(options, findings)
    return ExitCode.PREFLIGHT if worst(findings, tuple(options.ignore)) else ExitCode.FINE
