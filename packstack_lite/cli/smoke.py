"""``smoke``: the cloud proved by using it."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from packstack_lite.cli import deployment, show
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.errors import ExitCode


@click.command("smoke", short_help="Prove the cloud by using it.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the cases as JUnit XML too.")
@shared()
@pass_options
def smoke(options: Options, junit: Optional[Path]) -> int:
    """Boot an instance, reach it, and more; each promise one case. Cleans up what it made."""
    with deployment.opened(options, answers_needed=True) as work:
        cases = work.smoke()
    if junit:
        show.write_junit(junit, cases)
    show.cases(options, cases)
    return ExitCode.FAULT if any(case.outcome == "failed" for case in cases) else ExitCode.FINE
