"""``plan``: what apply would change; nothing on the host is touched."""

from __future__ import annotations

import click

from packstack_lite.cli import output
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.deployment import run
from packstack_lite.errors import ExitCode


@click.command("plan", short_help="Show what apply would change; touch nothing.")
@click.option("--diff/--no-diff", default=False, help="Show the lines that would change.")
@click.option("--exit-code", is_flag=True, help="Exit with 10 when there would be changes.")
@shared_options()
@pass_options
def plan(options: Options, diff: bool, exit_code: bool) -> int:
    """Show what apply would change, phase by phase, and touch nothing."""
    with run.open_deployment(options) as deployment:
        return plan_and_print(deployment, diff, exit_code)


def plan_and_print(deployment: run.Deployment, diff: bool = False, exit_code: bool = False) -> int:
    """Plan an opened deployment and print the plan."""
    changes = deployment.plan(diff)
    output.print_plan(deployment.options, changes, diff)
    return ExitCode.CHANGES_PENDING if exit_code and changes else ExitCode.SUCCESS
