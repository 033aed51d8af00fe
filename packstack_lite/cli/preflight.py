"""``preflight``: run every check, print every finding and how to resolve it.

``--fix`` resolves some of them.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

import click

from packstack_lite.cli import output
from packstack_lite.cli.echo import confirm
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import is_interactive, print_stderr
from packstack_lite.deployment import Deployment
from packstack_lite.deployment.preflight_fixes import fix_findings, measure_data
from packstack_lite.engine.events import Finding, blocking_findings
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.preflight.fixes import MOVABLE_DATA, move_data_command


@click.command("preflight", short_help="Check the nodes before anything is changed.")
@click.option("--fix", is_flag=True, help="Fix what needs no decision, then check again.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask. Without a terminal nothing is asked anyway.")
@click.option(
    "--move-data",
    multiple=True,
    type=click.Choice(MOVABLE_DATA),
    help="With --fix: rename these data, which --fix alone never touches; may be repeated.",
)
@shared_options()
@pass_options
def preflight(options: Options, fix: bool, yes: bool, move_data: Tuple[str, ...]) -> int:
    """Run every check on the nodes and print every finding; exit with 3 if one blocks apply."""
    if move_data and not fix:
        raise UsageError("--move-data does nothing without --fix", move_data_command(move_data[0]))
    fixed: Sequence[Finding] = ()
    with open_from_options(options) as deployment:
        findings: Sequence[Finding] = deployment.preflight()
        ignored_checks = deployment.ignored_checks
        if fix:
            fixable = [finding for finding in findings if finding.fix and finding.check not in ignored_checks]
            findings, fixed = _fix(options, deployment, findings, fixable, yes, move_data)
    output.print_findings(options, findings, ignored_checks, fixed)
    return ExitCode.PREFLIGHT_FAILED if blocking_findings(findings, ignored_checks) else ExitCode.SUCCESS


def _fix(
    options: Options,
    deployment: Deployment,
    findings: Sequence[Finding],
    fixable: Sequence[Finding],
    yes: bool,
    move_data: Sequence[str],
) -> Tuple[Sequence[Finding], Sequence[Finding]]:
    """Announce the fixes, ask, and run them.

    Return the remaining findings and the fixed ones.
    """
    chosen = [finding for finding in fixable if finding.fix and (finding.is_fixable or finding.fix.data in move_data)]
    for name in sorted({*move_data} - {finding.fix.data for finding in chosen if finding.fix}):
        print_stderr(options, f"--move-data {name}: no check has found such data in the way")
    _announce(options, deployment, fixable, chosen)
    if not fixable:
        addresses = ", ".join(session.target.address for session in deployment.connected_sessions)
        print_stderr(options, f"{addresses}: there is nothing that --fix can fix")
    if not chosen or not _confirm_fixes(chosen, yes):
        return findings, ()
    outcome = fix_findings(deployment, findings, chosen)
    for finding, message in outcome.failures:
        print_stderr(options, f"{finding.node}: {finding.check}: {message}")
    return outcome.remaining, outcome.fixed


def _announce(options: Options, deployment: Deployment, fixable: Sequence[Finding], chosen: Sequence[Finding]) -> None:
    """Print what --fix does on each node, and which data it leaves alone.

    For these, the command that moves them is printed.
    """
    sizes = measure_data(deployment, fixable)
    for node in dict.fromkeys(finding.node for finding in fixable):
        will: List[str] = []
        will_not: List[str] = []
        for finding in fixable:
            if finding.node != node or not finding.fix:
                continue
            size = f" ({sizes[node, finding.fix.data]})" if (node, finding.fix.data) in sizes else ""
            line = f"  {finding.check}: {finding.fix.description}{size}"
            if finding in chosen:
                will.append(line)
            else:
                will_not.append(f"{line}; {move_data_command(finding.fix.data)} does it")
        for line in [f"--fix will, on {node}:", *will] if will else []:
            print_stderr(options, line)
        for line in [f"--fix alone moves no data, so it will not, on {node}:", *will_not] if will_not else []:
            print_stderr(options, line)


def _confirm_fixes(chosen: Sequence[Finding], yes: bool) -> bool:
    """Ask on a terminal; where data would be moved, Enter alone means no."""
    if yes or not is_interactive():
        return True
    return confirm("Do it?", default=all(finding.is_fixable for finding in chosen))
