"""Where the rooms meet: options become answers, connected hosts, their facts, and their resources."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ContextManager, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from packstack_lite import preflight, services, smoke
from packstack_lite.answers import Answers
from packstack_lite.cli import config_dir, show, sources
from packstack_lite.cli.connecting import asked, connected, ended, who
from packstack_lite.cli.hosts import UNREACHABLE, A, laid_to, raise_for, unreachable
from packstack_lite.cli.options import Options
from packstack_lite.cli.sites import Declared, Site, side_by_side, sites
from packstack_lite.cli.target import Target, choose
from packstack_lite.cli.terminal import err, say
from packstack_lite.engine.apply import apply
from packstack_lite.engine.events import Finding, Listener, worst
from packstack_lite.engine.journal import record
from packstack_lite.engine.lanes import Lane, Scope, apply_all
from packstack_lite.engine.lock import lock
from packstack_lite.engine.plan import plan
from packstack_lite.engine.results import AppliedReport, Case, Change, Fault, together
from packstack_lite.engine.verify import verify
from packstack_lite.errors import PackstackLiteError, PreflightFailed
from packstack_lite.hosts import gather
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Command, Host, Reply
from packstack_lite.report.text import finding_lines
from packstack_lite.resources.base import PHASES, Phase, Resource
from packstack_lite.secret import Masker
from packstack_lite.services import waits
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.given import Tree


@dataclass
class Deployment:
    """Everything a verb works with, from the answers to the open connections; the controller is the first site."""

    options: Options
    answers: Answers
    sites: List[Site]
    masker: Masker
    listener: Listener
    tree: Tree

    @property
    def target(self) -> Target:
        return self.sites[0].target

    @property
    def host(self) -> Host:
        """The controller."""
        host = self.sites[0].host
        assert host
        return host

    @property
    def connected(self) -> List[Site]:
        """The hosts that are worked on."""
        return [site for site in self.sites if site.connected]

    @property
    def _tried(self) -> List[Site]:
        """The same, and those that could not be reached; not those that are left alone."""
        return [site for site in self.sites if site.connected or site.trouble]

    @property
    def cloud(self) -> Cloud:
        return self._declared.cloud(self.sites[0])

    @cached_property
    def _declared(self) -> Declared:
        return Declared(self.answers, self.sites, self.tree)

    def resources(self, site: Site) -> List[Resource]:
        """What is declared for a host, the user's own files laid over it."""
        return self._told[site.member.name]

    @cached_property
    def _told(self) -> Dict[str, List[Resource]]:
        """The same for every host; the remarks on the user's files are told once."""
        laid = self._declared.laid
        for remark in dict.fromkeys(remark for each in laid.values() for remark in each.remarks):
            say(self.options, f"warning: {remark}")
        return {name: each.resources for name, each in laid.items()}

    def findings(self) -> List[Finding]:
        """What preflight has to say of every host, an unsupported system and a host out of reach included."""
        found = [finding for site in self.connected for finding in self._findings(site)]
        return found + [unreachable(site) for site in self.sites if site.trouble]

    def _findings(self, site: Site) -> List[Finding]:
        assert site.host and site.facts
        try:
            profile: Optional[Profile] = site.profile
        except PackstackLiteError:
            profile = None
        return preflight.run(site.facts, self.answers, profile, site.host.name, site.member.roles)

    def again(self, cures: Sequence[Tuple[str, Command]]) -> List[Reply]:
        """Run these, each on the host of that name and under its lock, and gather its facts anew; their replies."""
        for known in ("_declared", "_told"):
            self.__dict__.pop(known, None)
        replies: List[Reply] = []
        for site in self.connected:
            assert site.host
            own = [cure for name, cure in cures if name == site.host.name]
            if own:
                with self._locked(site):
                    told, site.facts = gather.gather_after(site.host, own, *asked(self.answers))
                replies += told
        return replies

    def check(self) -> None:
        """Tell every finding; raises PreflightFailed when one forbids to go on."""
        findings = [finding for finding in self.findings() if finding.name != UNREACHABLE]
        several = len(self.connected) > 1
        for finding in findings:
            for line in finding_lines(finding, self.options.ignore, host=finding.host if several else ""):
                err(self.options).print(line)
        forbidding = worst(findings, tuple(self.options.ignore))
        if forbidding:
            names = ", ".join(dict.fromkeys(finding.name for finding in forbidding))
            hosts = ", ".join(dict.fromkeys(finding.host for finding in forbidding))
            curable = dict.fromkeys(finding.name for finding in forbidding if finding.cure)
            mend = f" (packstack-lite preflight --fix does it for {', '.join(curable)})" if curable else ""
            raise PreflightFailed(
                f"{hosts}: preflight says no: {names}",
                f"do what the findings say{mend}, or go on with --ignore NAME",
            )

    def plan(self, diff: bool = False) -> List[Change]:
        """What apply would change, host by host."""
        self._all_reached()
        found = side_by_side(lambda site: plan(site.there, self._seen_by(site), diff, self.masker), self.connected)
        places = [site.target.address for site in self.sites]
        told = self._of_whom([change for changes in found for change in changes])
        return sorted(told, key=lambda change: (places.index(change.host), PHASES.index(Phase(change.phase))))

    def verify(self) -> List[Fault]:
        """What is no longer as declared, host by host."""
        self._all_reached()
        found = side_by_side(lambda site: verify(site.there, self._seen_by(site), self.masker), self.connected)
        return self._of_whom([fault for faults in found for fault in faults])

    def _all_reached(self) -> None:
        for site in self.sites:
            if site.trouble:
                raise site.trouble

    def _seen_by(self, site: Site) -> List[Resource]:
        """A host's own resources, on the controller also those that it has to look at for others."""
        guests = self.connected[1:] if site is self.sites[0] else []
        return [*self.resources(site), *(resource for guest in guests for resource in self._declared.elsewhere(guest))]

    def _of_whom(self, found: Sequence[A]) -> List[A]:
        """Those about another host than the one that was asked, told by that one's name."""
        whose = {
            (self.target.address, resource.id): site.target.address
            for site in self.connected[1:]
            for resource in self._declared.elsewhere(site)
        }
        called = {site.member.name: site.target.address for site in self._tried}
        about = {
            (site.target.address, resource.id): called[resource.concerns]
            for site in self.connected
            for resource in self.resources(site)
            if resource.concerns in called
        }
        return laid_to(found, whose, about)

    def _by_owner(self, reports: Sequence[AppliedReport]) -> List[AppliedReport]:
        """The reports with each change in that of the host whose affair it is."""
        told = self._of_whom([change for report in reports for change in report.changes])
        return [replace(report, changes=tuple(one for one in told if one.host == report.host)) for report in reports]

    def apply(self, only: FrozenSet[str] = frozenset(), start: Optional[Phase] = None) -> AppliedReport:
        """Make every host as declared, under its lock, and leave a line in its journal.

        Raises PhaseFailed when a host did not come to its end; the others have, as far as they do not need it.
        """
        told = self._told
        with ExitStack() as locks:
            for site in self.connected:
                locks.enter_context(self._locked(site))
            if len(self.sites) == 1:
                reports = [apply(self.host, told[self.sites[0].member.name], self.listener, self.masker, only, start)]
            else:
                needed = waits.of(services.asked(self.cloud))
                reports = apply_all(self._lanes(), needed, self.listener, self.masker, Scope(only, start))
            side_by_side(lambda pair: self._record(*pair), [*zip(self._tried, reports)])
        raise_for(reports)
        return together(self._by_owner(reports))

    def _lanes(self) -> List[Lane]:
        return [self._lane(site) for site in self._tried]

    def _lane(self, site: Site) -> Lane:
        name, roles = site.target.address, site.member.roles
        if not site.connected:
            return Lane(name, roles, None, trouble=site.trouble.message if site.trouble else "")
        elsewhere = self._declared.elsewhere(site)
        return Lane(name, roles, site.host, self.resources(site), elsewhere, self.host if elsewhere else None)

    def _record(self, site: Site, report: AppliedReport) -> None:
        if site.host and not report.trouble:
            site.host.run([record(self.resources(site), report, who(), site.profile.name)])

    def _locked(self, site: Site) -> ContextManager[None]:
        assert site.host
        return lock(site.host, who(), ended, lambda text: say(self.options, text))

    def smoke(self) -> List[Case]:
        """Use the cloud; each case is told as it ends."""
        # Floating addresses are behind a bridge of that host.
        at = next((site for site in self.connected if "network" in site.member.roles), self.sites[0])
        return smoke.run(
            at.there,
            self.cloud.api,
            self.answers,
            self.sites[0].profile,
            lambda case: show.case(self.options, case, at.log),
            at.member.roles,
        )


@contextmanager
def opened(options: Options, answers_needed: bool = False, make: bool = False) -> Iterator[Deployment]:
    """Connect to the hosts that the answers name, and gather their facts.

    Answers that name no controller mean this machine, as in Packstack. ``make`` lets a sandbox
    be made, ``answers_needed`` refuses to guess answers for a host that was deployed before.
    Raises ConnectFault when the controller is out of reach; of another host the site tells.
    """
    tree = config_dir.read(options.config_dir)
    target = choose(options, sources.controller(options), here=bool(options.answer_files), make=make)
    answers = sources.answers(options, target, answers_needed)
    for warning in answers.warnings:
        say(options, f"warning: {warning}")
    found = sites(options, answers, target)
    with connected(options, found, answers, tree) as (masker, listener):
        yield Deployment(options, answers, found, masker, listener, tree)
