"""``apply``: make the host as declared; what ``--answer-file`` alone does."""

from __future__ import annotations

from typing import Optional, Tuple

import click

from packstack_lite.cli import deploy
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.resources.base import PHASES


@click.command("apply", short_help="Make the host as declared.")
@click.option("--only", multiple=True, metavar="TAG", help="Only what carries this tag (a service's name).")
@click.option(
    "--from",
    "start",
    type=click.Choice([phase.value for phase in PHASES], case_sensitive=False),
    metavar="PHASE",
    help="Begin at this phase.",
)
@shared_options()
@pass_options
def apply(options: Options, only: Tuple[str, ...], start: Optional[str]) -> int:
    """Make the host as the answers declare, phase by phase; what is right already is left alone."""
    phase = next((phase for phase in PHASES if start and phase.value.lower() == start.lower()), None)
    return deploy.deploy_answer_files(options, only=frozenset(only), start_phase=phase)
