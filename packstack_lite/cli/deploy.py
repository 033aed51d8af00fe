"""Deploy a cloud and print the result.

Used by --allinone, --install-hosts, --answer-file and ``apply``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable, FrozenSet, List, Optional

from packstack_lite.cli import output
from packstack_lite.cli.opening import open_from_options
from packstack_lite.cli.options import Options, split_hosts
from packstack_lite.cli.plan import plan_and_print
from packstack_lite.cli.terminal import make_callbacks, print_stderr, stderr_console
from packstack_lite.deployment import write_new_answer_file
from packstack_lite.deployment.sandbox_lifetime import remove_unused_sandbox
from packstack_lite.engine.events import Finding
from packstack_lite.errors import ExitCode
from packstack_lite.recommended import recommend_here
from packstack_lite.report.console import Console
from packstack_lite.report.text import format_finding
from packstack_lite.resources.base import Phase

if TYPE_CHECKING:
    from packstack_lite.deployment import Deployment


def _always_confirm(deployment: Deployment) -> bool:
    """Return True: deploy without asking."""
    return True


def deploy_new(options: Options, install_hosts: Optional[str], dry_run: bool) -> int:
    """Write the answer file of --allinone or --install-hosts, then deploy it.

    A sandbox that this run made is removed if nothing is deployed in it.
    """
    with remove_unused_sandbox(options.sandbox, make_callbacks(options).progress):
        return deploy_answer_files(write_answer_file(options, install_hosts, not dry_run), dry_run)


def write_answer_file(options: Options, install_hosts: Optional[str], create_sandbox: bool) -> Options:
    """Write the answer file of a new deployment.

    Return options that name it and its controller.
    ``create_sandbox`` permits to create the sandbox that the options name.
    """
    new = write_new_answer_file(
        options.answer_sources,
        split_hosts(install_hosts),
        options.node_selection,
        options.connection_options,
        make_callbacks(options),
        create_sandbox=create_sandbox,
    )
    print_stderr(options, f"answers for {', '.join(new.addresses)}: {new.path}")
    return replace(options, answer_files=[new.path], host=new.selection.host, new_answers=new)


def deploy_answer_files(
    options: Options,
    dry_run: bool = False,
    only: FrozenSet[str] = frozenset(),
    start_phase: Optional[Phase] = None,
    confirm: Callable[[Deployment], bool] = _always_confirm,
) -> int:
    """Deploy what the answer files describe; with ``dry_run`` only print the plan.

    ``only`` and ``start_phase`` are those of ``Deployment.apply``. ``confirm`` is asked after the preflight checks, not
    in a dry run. Return the exit code: SUCCESS too if ``confirm`` declines.
    """
    # Created first: its clock counts from the start of the run.
    console = Console(color=options.color, verbose=options.debug)
    # An answer file that was written for this machine belongs to it, deployed or not.
    remember = not dry_run or options.new_answers is not None
    with open_from_options(options, remember=remember) as deployment:
        if dry_run:
            return plan_and_print(options, deployment)
        deployment.require_preflight(lambda finding: _print_finding(options, deployment, finding))
        if not confirm(deployment):
            return ExitCode.SUCCESS
        console.node_count = len([session for session in deployment.sessions if not session.node.is_excluded])
        with console:
            report = deployment.apply(console, only, start_phase)
        extra_lines = _next_steps(deployment)
    output.print_applied(options, report, extra_lines)
    return ExitCode.SUCCESS


def _print_finding(options: Options, deployment: Deployment, finding: Finding) -> None:
    """Print a finding on stderr, with its node if there are several."""
    node = finding.node if len(deployment.connected_sessions) > 1 else ""
    for line in format_finding(finding, deployment.ignored_checks, node=node):
        stderr_console(options).print(line)


def _next_steps(deployment: Deployment) -> List[str]:
    """Add the cloud to clouds.yaml; return lines that say how to use it."""
    from packstack_lite.deployment import clouds_yaml

    cloud_name = clouds_yaml.add_to_clouds_yaml(deployment)
    return [
        f"on {deployment.nodes_text}",
        "",
        f"dashboard    {deployment.controller_context.dashboard_url}",
        "on the node  . /root/keystonerc_admin; openstack server list",
        f"from here    openstack --os-cloud {cloud_name} server list",
        f"next         {recommend_here('smoke')}",
    ]
