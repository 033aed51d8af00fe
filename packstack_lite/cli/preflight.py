"""``preflight``: every check, every finding, each with its way out; with ``--fix`` what can be mended is mended."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import click

from packstack_lite.cli import output
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import is_interactive, print_stderr
from packstack_lite.deployment import run
from packstack_lite.engine.events import Finding, blocking_findings
from packstack_lite.errors import ExitCode

_RemainingAndFixed = Tuple[List[Finding], List[Finding]]


@click.command("preflight", short_help="Check the host before anything is done to it.")
@click.option("--fix", is_flag=True, help="Mend what takes no decision of yours, then check again.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask on a terminal. Without one nothing is ever asked.")
@shared_options()
@pass_options
def preflight(options: Options, fix: bool, yes: bool) -> int:
    """Run every check on the host and tell every finding; exit with 3 when one forbids to go on."""
    fixed: List[Finding] = []
    with run.open_deployment(options) as deployment:
        findings = deployment.run_preflight()
        fixable = (
            [finding for finding in findings if finding.fix and finding.check not in options.ignore] if fix else []
        )
        if fixable and _confirm_fixes(options, fixable, yes):
            findings, fixed = _run_fixes(deployment, findings, fixable)
        elif fix and not fixable:
            print_stderr(
                options,
                f"{', '.join(session.target.address for session in deployment.connected_sessions)}: there is nothing that --fix can mend",
            )
    output.print_findings(options, findings, fixed)
    return ExitCode.PREFLIGHT_FAILED if blocking_findings(findings, tuple(options.ignore)) else ExitCode.SUCCESS


def _confirm_fixes(options: Options, fixable: Sequence[Finding], yes: bool) -> bool:
    """Tell what is going to be done; on a terminal, whether it may be."""
    for node in dict.fromkeys(finding.node for finding in fixable):
        print_stderr(options, f"--fix will, on {node}:")
        for finding in fixable:
            if finding.fix and finding.node == node:
                print_stderr(options, f"  {finding.check}: {finding.fix.description}")
    if yes or not is_interactive():
        return True
    return click.confirm("Do it?", default=True, err=True)


def _run_fixes(deployment: run.Deployment, before: List[Finding], fixable: Sequence[Finding]) -> _RemainingAndFixed:
    """What stays once the cures have run and the facts were gathered again, and what is gone."""
    by_node = sorted(
        fixable,
        key=lambda finding: [session.target.address for session in deployment.connected_sessions].index(finding.node),
    )
    replies = deployment.run_fixes([(finding.node, finding.fix) for finding in by_node if finding.fix])
    for finding, reply in zip(by_node, replies):
        if not reply.ok:
            message = f"--fix failed with exit code {reply.code}: {_error_line(reply.err or reply.out)}"
            print_stderr(deployment.options, f"{finding.node}: {finding.check}: {message}")
    after = deployment.run_preflight()
    return after, [finding for finding in before if _is_fixed(finding, before, after)]


def _error_line(text: str) -> str:
    """The line that tells the most: a package manager's last error, else the first that anything is said in."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "ERROR", "E: "))]
    return (errors[-1:] or lines[:1] or ["no word why"])[0]


def _is_fixed(finding: Finding, before: Sequence[Finding], after: Sequence[Finding]) -> bool:
    """Whether its check has less to say, and not this: a fault told in other words has not gone."""
    earlier, remaining = ([other for other in findings if other.check == finding.check] for findings in (before, after))
    return len(remaining) < len(earlier) and finding.message not in [other.message for other in remaining]
