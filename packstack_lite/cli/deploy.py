"""Deploying: --allinone, --install-hosts, --answer-file and apply end here."""

from __future__ import annotations

from typing import Callable, FrozenSet, List, Optional, Tuple

from packstack_lite.cli import output
from packstack_lite.cli.options import Options
from packstack_lite.cli.plan import plan_and_print
from packstack_lite.cli.terminal import print_stderr
from packstack_lite.deployment import answer_sources, clouds_yaml, run
from packstack_lite.deployment.connection_target import (
    ConnectionTarget,
    choose_target,
    find_own_address,
    find_target,
    parse_target,
)
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.resources.base import Phase


def _always_confirm(deployment: run.Deployment) -> bool:
    return True


def deploy_new(options: Options, install_hosts: Optional[str], dry_run: bool) -> int:
    """--allinone and --install-hosts: write the answer file first, then deploy it."""
    write_answer_file(options, install_hosts, not dry_run)
    return deploy_answer_files(options, dry_run)


def write_answer_file(options: Options, install_hosts: Optional[str], create_sandbox: bool) -> None:
    """Write the answer file of a new deployment, and name it in the options; ``make`` lets a sandbox be made."""
    nodes = [node.strip() for node in (install_hosts or "").split(",") if node.strip()]
    if len(nodes) > 1 and (options.host or options.sandbox):
        option = "--host" if options.host else "--sandbox"
        raise UsageError(
            f"--install-hosts names {len(nodes)} hosts, and {option} another way to say where to",
            f"leave {option} out; hosts of a sandbox are named by their addresses (packstack-lite sandbox list)",
        )
    target, implied_host = _choose_new_target(options, nodes[0] if nodes else "", create_sandbox)
    compute_nodes = [parse_target(node).address for node in nodes[1:]]
    path = answer_sources.ensure_answer_file(options, target, implied_host, compute_nodes)
    print_stderr(options, f"answers for {', '.join([target.address, *compute_nodes])}: {path}")
    options.answer_files = [path]


def _choose_new_target(options: Options, first_node: str, create_sandbox: bool) -> Tuple[ConnectionTarget, str]:
    """The host to deploy on, and the one that --install-hosts (``first``) or --allinone mean by themselves."""
    if options.host or options.sandbox:
        target = choose_target(options, create_sandbox=create_sandbox)
        return target, target.address
    implied_host = parse_target(first_node).address if first_node else find_own_address()
    controller = answer_sources.find_overriding_controller(options, implied_host, is_allinone=not first_node)
    if first_node and not controller:
        node_target = find_target(options, first_node)
        if node_target.sandbox:
            return node_target, implied_host
        options.host = first_node
    return choose_target(options, controller, allow_local=not first_node), implied_host


def deploy_answer_files(
    options: Options,
    dry_run: bool = False,
    only: FrozenSet[str] = frozenset(),
    start_phase: Optional[Phase] = None,
    confirm: Callable[[run.Deployment], bool] = _always_confirm,
) -> int:
    """Deploy what the answer files say, if it is ``agreed`` to; with ``dry_run`` show the plan and touch nothing."""
    with run.open_deployment(options, create_sandbox=not dry_run) as deployment:
        if dry_run:
            return plan_and_print(deployment)
        deployment.require_preflight()
        if not confirm(deployment):
            return ExitCode.SUCCESS
        report = deployment.apply(only, start_phase)
        extra_lines = _next_steps(deployment)
    output.print_applied(options, report, extra_lines)
    return ExitCode.SUCCESS


def _next_steps(deployment: run.Deployment) -> List[str]:
    """Lay the cloud into clouds.yaml; what to type next."""
    cloud_name = _update_clouds_yaml(deployment)
    target_option = (
        f"--sandbox {deployment.controller_target.sandbox.name}"
        if deployment.controller_target.sandbox
        else f"--host {deployment.controller_target.address}"
    )
    context = deployment.controller_context
    return [
        "",
        f"dashboard   {context.dashboard_url}",
        "on the host . /root/keystonerc_admin; openstack server list",
        f"from here   openstack --os-cloud {cloud_name} server list",
        f"next        packstack-lite smoke {target_option}",
    ]


def _update_clouds_yaml(deployment: run.Deployment) -> str:
    api = deployment.controller_context.admin_credentials
    name = f"packstack-lite-{deployment.controller_target.sandbox.name if deployment.controller_target.sandbox else deployment.controller_target.address}"
    entries = {
        name: clouds_yaml.make_cloud_entry(api.auth_url, api.user, api.password.reveal(), api.project, api.region)
    }
    if deployment.answers["CONFIG_PROVISION_DEMO"]:
        password = deployment.answers["CONFIG_KEYSTONE_DEMO_PW"].reveal()
        entries[f"{name}-demo"] = clouds_yaml.make_cloud_entry(api.auth_url, "demo", password, "demo", api.region)
    try:
        clouds_yaml.merge_clouds(clouds_yaml.find_clouds_yaml(), entries)
    except (OSError, UsageError) as error:
        # The cloud stands; that a file of the caller's could not be added to is no failure of it.
        print_stderr(deployment.options, f"warning: {error}")
    return name
