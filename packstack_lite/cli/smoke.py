"""``smoke``: test the cloud by using it."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from packstack_lite.cli import output
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_stderr
from packstack_lite.errors import ExitCode
from packstack_lite.report.formatting import describe_case


@click.command("smoke", short_help="Test the cloud by using it.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the cases as JUnit XML too.")
@shared_options()
@pass_options
def smoke(options: Options, junit: Optional[Path]) -> int:
    """Boot an instance, reach it, and more, one case each; remove everything it created."""
    with open_from_options(options, require_answers=True) as deployment:
        cases = deployment.smoke(lambda case: print_stderr(options, describe_case(case)))
    if junit:
        output.write_junit(junit, cases)
    output.print_cases(options, cases)
    return ExitCode.PROBLEM_FOUND if any(case.outcome == "failed" for case in cases) else ExitCode.SUCCESS
