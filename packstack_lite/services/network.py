"""What the modules of Neutron share: which agent family, its answers, addresses, sizes and agents alive."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from packstack_lite.answers.agents import parameter
from packstack_lite.errors import UsageFault
from packstack_lite.hosts.facts import Interface
from packstack_lite.resources import Entity, Unit
from packstack_lite.resources.base import Phase
from packstack_lite.services.cloud import Cloud, tags

TUNNELS = ("vxlan", "gre", "geneve")
# What a bridge without an interface of the host carries.
MTU = 1500
# OVN's two databases (ports: OVN's own defaults). They ask for no password: whoever reaches them rules the
# network. Everything that asks them is on this host, so nobody else can.
OVN_DATABASES: Mapping[str, str] = {"nb": "tcp:127.0.0.1:6641", "sb": "tcp:127.0.0.1:6642"}


def words(answer: object) -> Tuple[str, ...]:
    """A list answer, whether it came as text or as a tuple."""
    parts = answer.split(",") if isinstance(answer, str) else tuple(answer or ())  # type: ignore[arg-type]
    return tuple(part.strip() for part in map(str, parts) if part.strip())


def own(cloud: Cloud, what: str) -> Any:
    """The answer of this meaning for the chosen agent, such as ``BRIDGE_MAPPINGS``."""
    return cloud[name_of(cloud, what)]


def name_of(cloud: Cloud, what: str) -> str:
    """The parameter of this meaning for the chosen agent."""
    return parameter(cloud.answers, what)


def tenant_types(cloud: Cloud) -> Tuple[str, ...]:
    """The kinds of network that projects get."""
    return words(cloud["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"]) or ("geneve" if cloud.ovn else "vxlan",)


def mappings(cloud: Cloud) -> Dict[str, str]:
    """Physical network -> bridge, as the answers have them."""
    return {network: bridge for network, _, bridge in (pair.partition(":") for pair in _pairs(cloud))}


def _pairs(cloud: Cloud) -> Tuple[str, ...]:
    if cloud.l2_agent != "linuxbridge":
        return words(own(cloud, "BRIDGE_MAPPINGS"))
    outside = str(own(cloud, "EXTERNAL_PHYSNET"))
    return () if outside in cards(cloud) else (f"{outside}:{cloud.external_bridge}",)


def cards(cloud: Cloud) -> Dict[str, str]:
    """Physical network -> the interface that Neutron itself puts into a bridge, as it does with Linux bridges."""
    answer = cloud.answers.get("CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS") if cloud.l2_agent == "linuxbridge" else ()
    return {network: card for network, _, card in (pair.partition(":") for pair in words(answer))}


def bridges(cloud: Cloud) -> List[str]:
    """The external bridge, then every other one that a physical network is mapped to, that takes an interface or that
    compute hosts have: this host is one."""
    others = words(cloud.answers.get(name_of(cloud, "BRIDGES_COMPUTE")))
    outside = [] if cards(cloud).get(external_network(cloud)) else [cloud.external_bridge]
    return list(dict.fromkeys([*outside, *mappings(cloud).values(), *with_interface(cloud), *others]))


def interfaces(cloud: Cloud) -> List[Tuple[str, str]]:
    """Each bridge that takes an interface of the host, with that interface."""
    answer = cloud.answers.get(name_of(cloud, "BRIDGE_IFACES"))
    return [(bridge, interface) for bridge, _, interface in (pair.partition(":") for pair in words(answer))]


def with_interface(cloud: Cloud) -> List[str]:
    """The bridges that take an interface of the host: what is behind them is a network of others too."""
    return list(dict.fromkeys(bridge for bridge, _ in interfaces(cloud)))


def external_network(cloud: Cloud) -> str:
    """The physical network that the external network is on: as answered, else the first mapped one."""
    return str(own(cloud, "EXTERNAL_PHYSNET") or next(iter(mappings(cloud)), ""))


def tunnel_address(cloud: Cloud) -> str:
    """The address on the interface for tunnels; the controller's own when none is named."""
    card = _tunnel_card(cloud)
    return card.addresses[0].split("/")[0] if card else cloud.address


def tunnel_mtu(cloud: Cloud) -> int:
    """The largest packet that the network under the tunnels carries."""
    card = _tunnel_card(cloud)
    return card.mtu if card else physical_mtu(cloud)


def physical_mtu(cloud: Cloud) -> int:
    """The largest packet that the host's own network carries; 1500 where that cannot be seen."""
    found = [card.mtu for card in cloud.facts.interfaces if card.name == cloud.facts.default_interface and card.mtu]
    return found[0] if found else MTU


def network_mtus(cloud: Cloud) -> Dict[str, int]:
    """Physical network -> the largest packet that it carries: its interface's, where it has one. A bridge of the host's
    own carries 1500 bytes, and leads out through the host's own network."""
    inside = dict(interfaces(cloud))
    known = {card.name: card.mtu for card in cloud.facts.interfaces if card.mtu}
    own = min(MTU, physical_mtu(cloud))
    bridged = {network: known.get(inside.get(bridge, ""), own) for network, bridge in mappings(cloud).items()}
    return {**bridged, **{network: known.get(card, own) for network, card in cards(cloud).items()}}


def greatest_mtu(cloud: Cloud) -> int:
    """What Neutron is told of all networks; those that carry less are told by their names, and tunnels by their own."""
    return max(physical_mtu(cloud), tunnel_mtu(cloud), *network_mtus(cloud).values())


def _tunnel_card(cloud: Cloud) -> "Interface | None":
    name = str(own(cloud, "TUNNEL_IF") or "")
    if not name:
        return None
    # Before the move, the address that a bridge will have is on its interface.
    names = [name, *(card for bridge, card in interfaces(cloud) if bridge == name)]
    found = [card for one in names for card in cloud.facts.interfaces if card.name == one and card.addresses]
    if not found:
        raise UsageFault(
            f"{name_of(cloud, 'TUNNEL_IF')}={name}: {cloud.facts.hostname} has no such interface with an address",
            f"choose one of: {', '.join(card.name for card in cloud.facts.interfaces if card.addresses)}",
        )
    return found[0]


def alive(cloud: Cloud, binary: str, unit: Unit) -> Entity:
    """Neutron sees this agent alive: a port that is bound before that fails."""
    return Entity(
        type="network_agent",
        name=f"{binary}@{cloud.facts.hostname}",
        body={"alive": True},
        api=cloud.api,
        phase=Phase.SERVICES,
        tags=tags("neutron"),
        needs=(unit.id, cloud.unit_id("neutron-api")),
    )
