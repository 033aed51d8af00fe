"""``smoke``: test the cloud by using it."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from packstack_lite.cli import output
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_stderr
from packstack_lite.deployment.external_network import parse_external_network
from packstack_lite.engine.results import unproved_essentials
from packstack_lite.errors import ExitCode
from packstack_lite.report.formatting import describe_case


@click.command("smoke", short_help="Test the cloud by using it.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the cases as JUnit XML too.")
@click.option("--external-range", metavar="CIDR", help="Make an external network of this range for the test.")
@click.option("--external-pool", metavar="FIRST-LAST", help="With --external-range: addresses of it that nobody uses.")
@click.option(
    "--external-gateway", metavar="ADDRESS", help="With --external-range: its router (default: the first address)."
)
@shared_options()
@pass_options
def smoke(
    options: Options,
    junit: Optional[Path],
    external_range: Optional[str],
    external_pool: Optional[str],
    external_gateway: Optional[str],
) -> int:
    """Boot an instance, reach it, and more, one case each; remove everything it created.

    Without an external network the instance is proved by its console and the metadata service. The exit code is 6 if a
    case failed, or if an essential one did not run.
    """
    external = parse_external_network(external_range, external_pool, external_gateway)
    with open_from_options(options, require_answers=True) as deployment:
        cases = deployment.smoke(lambda case: print_stderr(options, describe_case(case)), external)
    if junit:
        output.write_junit(junit, cases)
    output.print_cases(options, cases)
    has_problem = any(case.outcome == "failed" for case in cases) or unproved_essentials(cases)
    return ExitCode.PROBLEM_FOUND if has_problem else ExitCode.SUCCESS
