"""``plan``: show what apply would change, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from packstack_lite.cli import output
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.errors import ExitCode

if TYPE_CHECKING:
    from packstack_lite.deployment import Deployment


@click.command("plan", short_help="Show what apply would change.")
@click.option("--diff/--no-diff", default=False, help="Show the lines that would change.")
@click.option("--exit-code", is_flag=True, help="Exit with 10 if there are changes.")
@shared_options()
@pass_options
def plan(options: Options, diff: bool, exit_code: bool) -> int:
    """Show what apply would change, phase by phase; change nothing."""
    with open_from_options(options) as deployment:
        return plan_and_print(options, deployment, diff, exit_code)


def plan_and_print(options: Options, deployment: Deployment, diff: bool = False, exit_code: bool = False) -> int:
    """Plan an open deployment and print the plan; return the exit code."""
    changes = deployment.plan(diff)
    output.print_plan(options, changes, diff)
    return ExitCode.CHANGES_PENDING if exit_code and changes else ExitCode.SUCCESS
