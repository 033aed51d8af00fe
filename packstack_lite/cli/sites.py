"""The cloud's hosts as a run has them: how each is reached, what is known of it, and what is declared for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, List, Mapping, Optional, Sequence, TypeVar

from packstack_lite import profiles, services
from packstack_lite.answers import Answers
from packstack_lite.cli.options import Options
from packstack_lite.cli.target import Target, of_host
from packstack_lite.errors import ConnectFault
from packstack_lite.hosts.facts import Facts
from packstack_lite.hosts.inventory import Member, members
from packstack_lite.hosts.place import Place
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Host
from packstack_lite.report.runlog import RunLog
from packstack_lite.resources.base import Resource
from packstack_lite.services import network, overlay
from packstack_lite.services.cloud import Cloud
from packstack_lite.services.given import Tree
from packstack_lite.services.overlay import Laid
from packstack_lite.services.placing import address_of, is_address

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Site:
    """A host of the cloud. Without a ``host`` it is left alone, or could not be reached, as ``trouble`` says."""

    member: Member
    target: Target
    host: Optional[Host] = None
    facts: Optional[Facts] = None
    log: Optional[RunLog] = None
    trouble: Optional[ConnectFault] = None

    @property
    def profile(self) -> Profile:
        """Of the system that the host runs. Raises UsageFault where none is known for it."""
        assert self.facts
        return profiles.detect(self.facts.os_id, self.facts.os_version)

    @property
    def there(self) -> Host:
        """The host of a site that is connected."""
        assert self.host
        return self.host

    @property
    def connected(self) -> bool:
        return self.host is not None and self.facts is not None


def sites(options: Options, answers: Answers, target: Target) -> List[Site]:
    """Every host that the answers name, the controller first, which is the run's ``target``."""
    first, *others = members(answers, target.address)
    return [Site(first, target), *(Site(other, of_host(options, other.name)) for other in others)]


def side_by_side(do: Callable[[T], R], things: Sequence[T]) -> List[R]:
    """``do`` for each, in threads where there are several; the results in their order."""
    if len(things) < 2:
        return [do(thing) for thing in things]
    with ThreadPoolExecutor(len(things), "host") as pool:
        return list(pool.map(do, things))


class Declared:
    """What is declared for every host that is known (by its facts), by its name in the answers."""

    def __init__(self, answers: Mapping[str, object], found: Sequence[Site], tree: Tree) -> None:
        self._answers = answers
        self._sites = found
        self._tree = tree

    def cloud(self, site: Site) -> Cloud:
        """The cloud as seen from a host."""
        assert site.facts
        alone = Cloud(self._answers, site.facts, site.profile)
        if len(self._sites) == 1:
            return alone
        others = tuple(self._places[other.member.name] for other in self._sites if other is not site)
        return replace(alone, here=self._places[site.member.name], others=others)

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        return {site.member.name: self._place(site) for site in self._sites}

    def _place(self, site: Site) -> Place:
        name, roles = site.member.name, site.member.roles
        if not site.facts:
            # Nobody has asked it; by a name the others would not find it either.
            return Place(name, name if is_address(name) else "", "", roles)
        here = Place(name, address_of(name, site.facts), site.facts.hostname, roles)
        if not {"compute", "network"} & set(roles):
            return here
        tunnel = network.tunnel_address(Cloud(self._answers, site.facts, site.profile, here))
        return replace(here, tunnel=tunnel)

    @cached_property
    def laid(self) -> Mapping[str, Laid]:
        """The resources of each host with the user's own files laid over them, and the remarks on those."""
        known = [site for site in self._sites if site.facts]
        declared = {site.member.name: (services.declare(self.cloud(site)), site.profile) for site in known}
        return overlay.lay_all(declared, self._tree)

    def elsewhere(self, site: Site) -> List[Resource]:
        """What is to be done on the controller for a host."""
        first = self._sites[0]
        return [] if site is first else services.joined(self.cloud(first), self.cloud(site))
