"""Run the fixes of preflight findings and check again: ``preflight --fix``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from packstack_lite.deployment.deployment import Deployment
from packstack_lite.engine.events import Finding, FixCommand
from packstack_lite.remote.command import Command, Reply
from packstack_lite.secret import quote_sh

_MEASURE_SCRIPT = 'for path in PATHS; do [ ! -e "$path" ] || du -skD -- "$path"; done\n'


@dataclass(frozen=True)
class FixOutcome:
    """The result of fixes: ``remaining`` and ``fixed`` findings, and failures.

    A failure is a finding and the error of its fix.
    """

    remaining: Tuple[Finding, ...]
    fixed: Tuple[Finding, ...]
    failures: Tuple[Tuple[Finding, str], ...]


def fix_findings(deployment: Deployment, before: Sequence[Finding], chosen: Sequence[Finding]) -> FixOutcome:
    """Run the fixes of the ``chosen`` findings and check again.

    Facts are gathered anew before the second check.
    ``before`` are all findings of the first check. Each node is locked while its fixes run.
    """
    addresses = [session.target.address for session in deployment.connected_sessions]
    by_node = sorted(chosen, key=lambda finding: addresses.index(finding.node))
    replies = deployment.run_fixes([(finding.node, finding.fix) for finding in by_node if finding.fix])
    after = deployment.preflight()
    return FixOutcome(
        tuple(after),
        tuple(finding for finding in before if _is_fixed(finding, before, after)),
        tuple((finding, _describe_failure(reply)) for finding, reply in zip(by_node, replies) if not reply.ok),
    )


def _is_fixed(finding: Finding, before: Sequence[Finding], after: Sequence[Finding]) -> bool:
    """Return whether the check has fewer findings, and not this one.

    A reworded finding is still there.
    """
    earlier, remaining = ([other for other in findings if other.check == finding.check] for findings in (before, after))
    return len(remaining) < len(earlier) and finding.message not in [other.message for other in remaining]


def _describe_failure(reply: Reply) -> str:
    """Return the exit code of a failed fix and the line that explains it."""
    return f"--fix failed with exit code {reply.code}: {_error_line(reply.err or reply.out)}"


def _error_line(text: str) -> str:
    """Return the line of an output that explains most.

    It is a package manager's last error, otherwise the first line.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "ERROR", "E: "))]
    return (errors[-1:] or lines[:1] or ["no output"])[0]


def measure_data(deployment: Deployment, findings: Sequence[Finding]) -> Dict[Tuple[str, str], str]:
    """Return the size of the data that fixes would rename, as texts.

    The keys are the node and the data's name in ``--move-data``, such as ``mariadb``.
    Takes one round trip to each node that has such data.
    """
    sizes = {}
    for session in deployment.connected_sessions:
        name = session.live_connection.name
        moving = [finding.fix for finding in findings if finding.node == name and finding.fix and finding.fix.data]
        replies = session.live_connection.run([_measure_command(fix) for fix in moving]) if moving else []
        sizes.update({(name, fix.data): _format_sizes(reply.out) for fix, reply in zip(moving, replies)})
    return sizes


def _measure_command(fix: FixCommand) -> Command:
    """Build a command that prints the KiB of each path.

    A symbolic link counts as its target.
    """
    return Command(
        _MEASURE_SCRIPT.replace("PATHS", " ".join(map(quote_sh, fix.paths))), description="measure data", timeout=60.0
    )


def _format_sizes(du_output: str) -> str:
    """Return the output of ``du -k`` for people: ``/var/lib/mysql: 1.2 GiB``."""
    pairs = [line.partition("\t")[::2] for line in du_output.splitlines()]
    sizes_mib = {path: int(kib) / 1024 for kib, path in pairs if kib.isdigit()}
    texts = [
        f"{path}: {size / 1024:.1f} GiB" if size >= 1024 else f"{path}: {size:.1f} MiB"
        for path, size in sizes_mib.items()
    ]
    return ", ".join(texts) or "size unknown"
