"""``preflight``: every check, every finding, each with its way out; with ``--fix`` what can be mended is mended."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import click

from packstack_lite.cli import deployment, show
from packstack_lite.cli.options import Options, pass_options, shared
from packstack_lite.cli.terminal import attended, say
from packstack_lite.engine.events import Finding, worst
from packstack_lite.errors import ExitCode

_StayedGone = Tuple[List[Finding], List[Finding]]


@click.command("preflight", short_help="Check the host before anything is done to it.")
@click.option("--fix", is_flag=True, help="Mend what takes no decision of yours, then check again.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask on a terminal. Without one nothing is ever asked.")
@shared()
@pass_options
def preflight(options: Options, fix: bool, yes: bool) -> int:
    """Run every check on the host and tell every finding; exit with 3 when one forbids to go on."""
    gone: List[Finding] = []
    with deployment.opened(options) as work:
        findings = work.findings()
        curable = [found for found in findings if found.cure and found.name not in options.ignore] if fix else []
        if curable and _agreed(options, curable, yes):
            findings, gone = _mend(work, findings, curable)
        elif fix and not curable:
            say(
                options,
                f"{', '.join(site.target.address for site in work.connected)}: there is nothing that --fix can mend",
            )
    show.findings(options, findings, gone)
    return ExitCode.PREFLIGHT if worst(findings, tuple(options.ignore)) else ExitCode.FINE


def _agreed(options: Options, curable: Sequence[Finding], yes: bool) -> bool:
    """Tell what is going to be done; on a terminal, whether it may be."""
    for host in dict.fromkeys(found.host for found in curable):
        say(options, f"--fix will, on {host}:")
        for found in curable:
            if found.cure and found.host == host:
                say(options, f"  {found.name}: {found.cure.says}")
    if yes or not attended():
        return True
    return click.confirm("Do it?", default=True, err=True)


def _mend(work: deployment.Deployment, before: List[Finding], curable: Sequence[Finding]) -> _StayedGone:
    """What stays once the cures have run and the facts were gathered again, and what is gone."""
    by_host = sorted(curable, key=lambda found: [site.target.address for site in work.connected].index(found.host))
    replies = work.again([(found.host, found.cure) for found in by_host if found.cure])
    for found, reply in zip(by_host, replies):
        if not reply.ok:
            why = f"--fix failed with exit code {reply.code}: {_why(reply.err or reply.out)}"
            say(work.options, f"{found.host}: {found.name}: {why}")
    after = work.findings()
    return after, [found for found in before if _gone(found, before, after)]


def _why(text: str) -> str:
    """The line that tells the most: a package manager's last error, else the first that anything is said in."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "ERROR", "E: "))]
    return (errors[-1:] or lines[:1] or ["no word why"])[0]


def _gone(found: Finding, before: Sequence[Finding], after: Sequence[Finding]) -> bool:
    """Whether its check has less to say, and not this: a fault told in other words has not gone."""
    had, has = ([other for other in all_of if other.name == found.name] for all_of in (before, after))
    return len(has) < len(had) and found.message not in [other.message for other in has]
