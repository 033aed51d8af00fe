"""Deploying: --allinone, --install-hosts, --answer-file and apply end here."""

from __future__ import annotations

from typing import Callable, FrozenSet, List, Optional, Tuple

from packstack_lite.cli import clouds, deployment, show, sources
from packstack_lite.cli.options import Options
from packstack_lite.cli.plan import tell
from packstack_lite.cli.target import Target, choose, of_host, own_address, parse_host
from packstack_lite.cli.terminal import say
from packstack_lite.errors import ExitCode, UsageFault
from packstack_lite.resources.base import Phase


def _always(work: deployment.Deployment) -> bool:
    return True


def new(options: Options, install_hosts: Optional[str], dry_run: bool) -> int:
    """--allinone and --install-hosts: write the answer file first, then deploy it."""
    write_answers(options, install_hosts, not dry_run)
    return from_files(options, dry_run)


def write_answers(options: Options, install_hosts: Optional[str], make: bool) -> None:
    """Write the answer file of a new deployment, and name it in the options; ``make`` lets a sandbox be made."""
    hosts = [host.strip() for host in (install_hosts or "").split(",") if host.strip()]
    if len(hosts) > 1 and (options.host or options.sandbox):
        word = "--host" if options.host else "--sandbox"
        raise UsageFault(
            f"--install-hosts names {len(hosts)} hosts, and {word} another way to say where to",
            f"leave {word} out; hosts of a sandbox are named by their addresses (packstack-lite sandbox list)",
        )
    target, meant = _new_target(options, hosts[0] if hosts else "", make)
    others = [parse_host(host).address for host in hosts[1:]]
    path = sources.fresh(options, target, meant, others)
    say(options, f"answers for {', '.join([target.address, *others])}: {path}")
    options.answer_files = [path]


def _new_target(options: Options, first: str, make: bool) -> Tuple[Target, str]:
    """The host to deploy on, and the one that --install-hosts (``first``) or --allinone mean by themselves."""
    if options.host or options.sandbox:
        target = choose(options, make=make)
        return target, target.address
    meant = parse_host(first).address if first else own_address()
    told = sources.controller_beside(options, meant, here=not first)
    if first and not told:
        there = of_host(options, first)
        if there.sandbox:
            return there, meant
        options.host = first
    return choose(options, told, here=not first), meant


def from_files(
    options: Options,
    dry_run: bool = False,
    only: FrozenSet[str] = frozenset(),
    start: Optional[Phase] = None,
    agreed: Callable[[deployment.Deployment], bool] = _always,
) -> int:
    """Deploy what the answer files say, if it is ``agreed`` to; with ``dry_run`` show the plan and touch nothing."""
    with deployment.opened(options, make=not dry_run) as work:
        if dry_run:
            return tell(work)
        work.check()
        if not agreed(work):
            return ExitCode.FINE
        report = work.apply(only, start)
        extra = _afterwards(work)
    show.applied(options, report, extra)
    return ExitCode.FINE


def _afterwards(work: deployment.Deployment) -> List[str]:
    """Lay the cloud into clouds.yaml; what to type next."""
    name = _keep_clouds(work)
    where = f"--sandbox {work.target.sandbox.name}" if work.target.sandbox else f"--host {work.target.address}"
    cloud = work.cloud
    return [
        "",
        f"dashboard   {cloud.dashboard}",
        "on the host . /root/keystonerc_admin; openstack server list",
        f"from here   openstack --os-cloud {name} server list",
        f"next        packstack-lite smoke {where}",
    ]


def _keep_clouds(work: deployment.Deployment) -> str:
    api = work.cloud.api
    name = f"packstack-lite-{work.target.sandbox.name if work.target.sandbox else work.target.address}"
    entries = {name: clouds.entry(api.auth_url, api.user, api.password.reveal(), api.project, api.region)}
    if work.answers["CONFIG_PROVISION_DEMO"]:
        password = work.answers["CONFIG_KEYSTONE_DEMO_PW"].reveal()
        entries[f"{name}-demo"] = clouds.entry(api.auth_url, "demo", password, "demo", api.region)
    try:
        clouds.merge(clouds.place(), entries)
    except (OSError, UsageFault) as error:
        # The cloud stands; that a file of the caller's could not be added to is no failure of it.
        say(work.options, f"warning: {error}")
    return name
