"""Where a service finds itself: its host's part in the cloud, and the addresses of the others."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, List, Mapping, Tuple

from packstack_lite.hosts.facts import Facts
from packstack_lite.hosts.place import ALONE, Place
from packstack_lite.profiles import Profile


@dataclass(frozen=True)
class Placing:
    """Answers, facts and profile of the host that is declared for, which is ``here``; ``others`` are the cloud's rest.

    ``answers`` maps Packstack's names to typed values (bool for y/n, int, str, tuple of str for lists, Secret).
    """

    answers: Mapping[str, Any]
    facts: Facts
    profile: Profile
    here: Place = ALONE
    others: Tuple[Place, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.answers[name]

    def says(self, name: str) -> bool:
        """A y/n answer; no when the table does not have the question."""
        return bool(self.answers.get(name, False))

    def has(self, *roles: str) -> bool:
        """Whether this host has one of the roles."""
        return bool(set(roles) & set(self.here.roles))

    def of_role(self, role: str) -> List[Place]:
        """The hosts with a role, this one first."""
        return [place for place in (self.here, *self.others) if role in place.roles]

    @property
    def peers(self) -> Tuple[str, ...]:
        """The addresses of the cloud's other hosts, tunnel endpoints included; none where the cloud is one host."""
        return tuple(dict.fromkeys(address for other in self.others for address in addresses(other)))

    @property
    def address(self) -> str:
        """The controller's IP address: what URLs hold, and where its services listen."""
        return self._address("controller")

    @property
    def own_address(self) -> str:
        """This host's IP address."""
        return self.here.address or self.address

    @property
    def database_host(self) -> str:
        """The address of the database server, which may be none of the cloud's hosts."""
        answer = str(self.answers.get("CONFIG_MARIADB_HOST") or "")
        foreign = not self.makes_database and answer and answer not in ("localhost", "127.0.0.1")
        return answer if foreign else self._address("database")

    @property
    def makes_database(self) -> bool:
        """Whether the database server is ours to install; else there is one, and we are let in."""
        return bool(self.answers.get("CONFIG_MARIADB_INSTALL", True))

    @property
    def database_here(self) -> bool:
        """Whether the database server is ours and on this host, so that root may ask it over its socket."""
        return self.makes_database and self.has("database")

    @property
    def queue_host(self) -> str:
        """The address of the message queue."""
        return self._address("queue")

    def _address(self, role: str) -> str:
        return next((place.address for place in self.of_role(role) if place.address), "") or self._alone()

    def _alone(self) -> str:
        answer = str(self.answers.get("CONFIG_CONTROLLER_HOST", ""))
        return address_of(answer, self.facts)


def addresses(place: Place) -> Tuple[str, ...]:
    """Every address that a host speaks from to the cloud's others."""
    return tuple(dict.fromkeys(address for address in (place.address, place.tunnel) if address))


def address_of(name: str, facts: Facts) -> str:
    """A host's address: its name in the answers where that is one for others too, else the one it has itself."""
    return name if is_address(name) and not ip_address(name).is_loopback else facts.address


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
