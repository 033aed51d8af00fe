"""``apply``: bring the nodes to their declared state.

``--answer-file`` without a verb does the same.
"""

from __future__ import annotations

from typing import Optional, Tuple

import click

from packstack_lite.cli import deploy
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.resources.base import PHASES


@click.command("apply", short_help="Bring the nodes to their declared state.")
@click.option("--only", multiple=True, metavar="TAG", help="Only resources with this tag (a service's name).")
@click.option(
    "--from",
    "start",
    type=click.Choice([phase.value for phase in PHASES], case_sensitive=False),
    metavar="PHASE",
    help="Start at this phase.",
)
@shared_options()
@pass_options
def apply(options: Options, only: Tuple[str, ...], start: Optional[str]) -> int:
    """Bring the nodes to the state that the answers declare, phase by phase; change only what differs."""
    phase = next((phase for phase in PHASES if start and phase.value.lower() == start.lower()), None)
    return deploy.deploy_answer_files(options, only=frozenset(only), start_phase=phase)
