"""ServiceSpec: the facts about a service that other parts of the tool need.

Each service file has a ``SPEC``. ``services.registry`` collects them and derives ports, firewall rules, preflight's
port check, roles, the catalog and the tables of the documentation. ``tests/unit/test_service_spec.py`` names whatever
else a new service needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

from packstack_lite.services._base.context import NodeContext

Condition = Callable[[NodeContext], bool]
# In ``ServiceSpec.after``: every service that does not have it there.
EVERY_SERVICE = "*"
# What a service comes after unless its ``after`` says otherwise: what every cloud has, network agents included.
CORE_SERVICES = ("neutron", "neutron-linuxbridge", "neutron-openvswitch", "neutron-sriov", "ovn")


@dataclass(frozen=True)
class Port:
    """A TCP port on which a service listens.

    ``name`` is its key in PORTS. ``units`` are the units that may hold it, as roles of the profile or as full unit
    names; preflight reports any other holder, and does not check a port without units. A public port is opened in the
    firewall; any other must be covered by the spec's ``internal_ports``.
    """

    name: str
    number: int
    units: Tuple[str, ...] = ()
    is_public: bool = False


@dataclass(frozen=True)
class Api:
    """An OpenStack API: a catalog entry with three endpoints, and a public port.

    ``type`` is the service type in the catalog. ``name`` is the key in PORTS, and the catalog's name for the service
    unless ``catalog_name`` differs. ``path`` follows the port in the endpoint's URL. ``units`` are as in ``Port``.
    ``answer`` is the y/n parameter of an API that is optional within its service. Its port and catalog entry follow
    from it, and its packages, which the profiles have as a group with the API's name. ``declare`` of the service leaves
    out its files and units.
    """

    type: str
    name: str
    port: int
    path: str = ""
    description: str = ""
    units: Tuple[str, ...] = ()
    answer: str = ""
    catalog_name: str = ""


@dataclass(frozen=True)
class ServiceDatabase:
    """A schema of a service, its owner, and the parameter of the owner's password."""

    schema: str
    user: str
    password_parameter: str


@dataclass(frozen=True)
class StoredKey:
    """A key without which stored data is lost.

    Preflight refuses another one than the node's. ``parameter`` holds it. The node keeps it as ``option`` in ``file``,
    a path below /etc, as option_lists.yaml names files. ``data`` is what is lost, such as "every secret".
    """

    parameter: str
    file: str
    option: str
    data: str

    @property
    def path(self) -> str:
        """The file on the node."""
        return "/etc/" + self.file


@dataclass(frozen=True)
class ServiceSpec:
    """A service: when, where and with what it is deployed.

    ``name`` is also the name of its package group in the profiles, unless ``has_packages`` is False.
    ``after``: the services that it is declared and listed after; by default the core's.
    ``answer`` is the y/n parameter that installs it; empty if the service is always installed or follows from another
    answer. ``is_required``: the cloud does not work without it, and ``n`` is refused.
    ``requested_if`` replaces ``answer`` where a y/n parameter does not decide.
    ``roles``: a node needs one of them to get the service. The first is the role whose node listens on its ports.
    ``on_node_if`` is a further condition on the node.
    ``l2_agents``: the layer 2 agents that the service belongs to; empty for all.
    ``internal_ports``: ports for the cloud's own nodes only; ``A-B`` is a range. Ports that listen on loopback by our
    configuration are included where the package's default is wider. ``group_ports`` maps a package group to further
    internal ports, of nodes that get that group.
    ``apis`` are its APIs, each with a port of its own; ``ports`` are the other ports that it listens on.
    ``units`` and ``optional_units`` are roles of units in the profile; optional ones are not in every profile.
    ``user`` is its account in the profile's users.
    ``package_groups``: further groups of packages that answers or roles may bring. The module's function
    ``package_groups(context)`` lists those of a node.
    ``may_lack_packages``: a release may be without it; answers that ask for it are refused there.
    ``databases``: its schemas. ``account_parameter`` holds the password of its account in the catalog.
    ``stored_keys``: the keys that its stored data needs. ``user_roles``: Keystone's roles for whoever uses the service;
    they are created with its account, and the demo's user gets them. ``admin_roles``: those that its configuration or
    default policy names besides; they are created for an administrator to assign.
    ``template_dir`` is its directory below ``templates/``; empty: none.
    ``stores_data``: its units serve stored data. They go on where the answers take its role away from a node.
    ``smoke_cases``: the cases of the smoke test that prove it. If it has ``answer`` and ``apis`` and is not required,
    they run only in clouds whose catalog has the type of its first API; otherwise they run in each cloud.
    """

    name: str
    after: Tuple[str, ...] = CORE_SERVICES
    answer: str = ""
    is_required: bool = False
    requested_if: Optional[Condition] = None
    roles: Tuple[str, ...] = ("controller",)
    on_node_if: Optional[Condition] = None
    l2_agents: Tuple[str, ...] = ()
    apis: Tuple[Api, ...] = ()
    ports: Tuple[Port, ...] = ()
    internal_ports: Tuple[str, ...] = ()
    group_ports: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    units: Tuple[str, ...] = ()
    optional_units: Tuple[str, ...] = ()
    user: str = ""
    has_packages: bool = True
    package_groups: Tuple[str, ...] = ()
    may_lack_packages: bool = False
    databases: Tuple[ServiceDatabase, ...] = ()
    account_parameter: str = ""
    stored_keys: Tuple[StoredKey, ...] = ()
    user_roles: Tuple[str, ...] = ()
    admin_roles: Tuple[str, ...] = ()
    template_dir: str = ""
    stores_data: bool = False
    smoke_cases: Tuple[str, ...] = ()

    def is_requested(self, context: NodeContext) -> bool:
        """Return whether the answers ask for this service on any node."""
        if self.l2_agents and context.l2_agent not in self.l2_agents:
            return False
        return self.requested_if(context) if self.requested_if else self.is_answered(context.answers)

    def is_answered(self, answers: Mapping[str, Any]) -> bool:
        """Return whether the y/n parameter, if there is one, installs this service."""
        return self.is_required or not self.answer or bool(answers.get(self.answer))

    def belongs_on_node(self, context: NodeContext) -> bool:
        """Return whether this node gets the service once it is requested."""
        return context.has_role(*self.roles) and (self.on_node_if is None or self.on_node_if(context))

    @property
    def all_package_groups(self) -> Tuple[str, ...]:
        """The package groups that every profile must have for this service."""
        own = (self.name,) if self.has_packages else ()
        return (*own, *self.package_groups, *(api.name for api in self.apis if api.answer))

    @property
    def password_parameters(self) -> Tuple[str, ...]:
        """The parameters of the service's passwords: databases, then the catalog account."""
        names = [*(database.password_parameter for database in self.databases), self.account_parameter]
        return tuple(dict.fromkeys(name for name in names if name))

    def enabled_apis(self, answers: Mapping[str, Any]) -> List[Api]:
        """List the APIs that the answers do not switch off."""
        return [api for api in self.apis if not api.answer or answers.get(api.answer)]

    def public_ports(self, answers: Mapping[str, Any]) -> List[int]:
        """List the ports that users of the cloud must reach."""
        others = [port.number for port in self.ports if port.is_public]
        return [*(api.port for api in self.enabled_apis(answers)), *others]

    def listening_ports(self) -> Iterator[Port]:
        """Iterate over all ports: those of the APIs, which are public, then the others."""
        for api in self.apis:
            yield Port(api.name, api.port, api.units, is_public=True)
        yield from self.ports


# Every spec, in order. ``services.registry`` fills it when the package is imported, for services that cannot import the
# registry because it imports them.
REGISTERED_SPECS: List[ServiceSpec] = []
