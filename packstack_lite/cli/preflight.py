"""``preflight``: every check, every finding, each with its way out; with ``--fix`` what can be mended is mended."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

import click

from packstack_lite.cli import output
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import is_interactive, print_stderr
from packstack_lite.deployment import run
from packstack_lite.engine.events import Finding, FixCommand, blocking_findings
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.preflight import fixes
from packstack_lite.remote.command import Command
from packstack_lite.secret import quote_sh

_RemainingAndFixed = Tuple[List[Finding], List[Finding]]
_SIZE = 'for path in PATHS; do [ ! -e "$path" ] || du -skD -- "$path"; done\n'


@click.command("preflight", short_help="Check the host before anything is done to it.")
@click.option("--fix", is_flag=True, help="Mend what takes no decision of yours, then check again.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask on a terminal. Without one nothing is ever asked.")
@click.option(
    "--move-data",
    multiple=True,
    type=click.Choice(fixes.MOVABLE_DATA),
    help="With --fix: rename these data, which --fix alone never touches; may be repeated.",
)
@shared_options()
@pass_options
def preflight(options: Options, fix: bool, yes: bool, move_data: Tuple[str, ...]) -> int:
    """Run every check on the host and tell every finding; exit with 3 when one forbids to go on."""
    if move_data and not fix:
        raise UsageError("--move-data does nothing without --fix", fixes.move_data_command(move_data[0]))
    fixed: List[Finding] = []
    with run.open_deployment(options) as deployment:
        findings = deployment.run_preflight()
        fixable = (
            [finding for finding in findings if finding.fix and finding.check not in options.ignore] if fix else []
        )
        chosen = [
            finding for finding in fixable if finding.fix and (finding.is_fixable or finding.fix.data in move_data)
        ]
        for name in sorted({*move_data} - {finding.fix.data for finding in chosen if finding.fix}):
            print_stderr(options, f"--move-data {name}: no check has found such data in the way")
        _announce(deployment, fixable, chosen)
        if chosen and _confirm_fixes(chosen, yes):
            findings, fixed = _run_fixes(deployment, findings, chosen)
        elif fix and not fixable:
            print_stderr(
                options,
                f"{', '.join(session.target.address for session in deployment.connected_sessions)}: there is nothing that --fix can mend",
            )
    output.print_findings(options, findings, fixed)
    return ExitCode.PREFLIGHT_FAILED if blocking_findings(findings, tuple(options.ignore)) else ExitCode.SUCCESS


def _announce(work: run.Deployment, curable: Sequence[Finding], chosen: Sequence[Finding]) -> None:
    """Print what --fix does on each node, then which data it leaves alone and the command that moves them."""
    sizes = _sizes(work, curable)
    for host in dict.fromkeys(found.node for found in curable):
        here = [(found, found.fix) for found in curable if found.fix and found.node == host]
        told = [
            (found in chosen, f"  {found.check}: {cure.description}{sizes.get((host, cure.data), '')}", cure.data)
            for found, cure in here
        ]
        will = [line for is_chosen, line, _ in told if is_chosen]
        will_not = [
            f"{line}; {fixes.move_data_command(data)} does it" for is_chosen, line, data in told if not is_chosen
        ]
        for line in [f"--fix will, on {host}:", *will] if will else []:
            print_stderr(work.options, line)
        for line in [f"--fix alone moves no data, so it will not, on {host}:", *will_not] if will_not else []:
            print_stderr(work.options, line)


def _sizes(work: run.Deployment, curable: Sequence[Finding]) -> Dict[Tuple[str, str], str]:
    """The size of the data that cures would move, by node and name; one round trip to each node that has any."""
    sizes = {}
    for site in work.connected_sessions:
        moving = [
            found.fix for found in curable if found.node == site.live_connection.name and found.fix and found.fix.data
        ]
        replies = site.live_connection.run([_measure(cure) for cure in moving]) if moving else []
        sizes.update(
            {(site.live_connection.name, cure.data): f" ({_size(reply.out)})" for cure, reply in zip(moving, replies)}
        )
    return sizes


def _measure(cure: FixCommand) -> Command:
    """Ask for the KiB of each path; a link counts as what it leads to."""
    return Command(
        _SIZE.replace("PATHS", " ".join(map(quote_sh, cure.paths))), description="measure data", timeout=60.0
    )


def _size(lines: str) -> str:
    """What du says, in units that a person reads: ``/var/lib/mysql: 1.2 GiB``."""
    pairs = [line.partition("\t")[::2] for line in lines.splitlines()]
    mib = {path: int(kib) / 1024 for kib, path in pairs if kib.isdigit()}
    told = [
        f"{path}: {size / 1024:.1f} GiB" if size >= 1024 else f"{path}: {size:.1f} MiB" for path, size in mib.items()
    ]
    return ", ".join(told) or "size unknown"


def _confirm_fixes(chosen: Sequence[Finding], yes: bool) -> bool:
    """On a terminal, ask; where data are moved, Enter alone means no."""
    if yes or not is_interactive():
        return True
    return click.confirm("Do it?", default=all(finding.is_fixable for finding in chosen), err=True)


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
