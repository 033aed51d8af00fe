"""NodeContext: what a service sees when it declares its resources."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from jinja2 import TemplateNotFound

from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.nodes.facts import Facts
from packstack_lite.nodes.node import SINGLE_NODE, Node, reachable_address
from packstack_lite.profiles import Profile
from packstack_lite.resources import Credentials, File, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.resources.rabbitmq_user import QUEUE_ALARM_SH
from packstack_lite.secret import Secret, quote_sh, quote_url
from packstack_lite.services._base.templating import render

__all__ = ["DATABASE_CLIENT_CONFIG", "PORTS", "DatabaseAccount", "NodeContext", "make_tags"]

# TCP ports of the services, by name. ``services.registry`` fills it from the specs when the package is imported: this
# module cannot import the services, because they import it. So no module may read it at import time.
PORTS: Dict[str, int] = {}
# The database client's option file for a server on another node. Readable by root alone.
DATABASE_CLIENT_CONFIG = "/root/.packstack-lite-database.cnf"
# Values of systemd-detect-virt for nodes without hardware virtualization, and the factor by which timeouts grow there.
EMULATORS = ("uml", "qemu")
EMULATION_TIMEOUT_FACTOR = 5


@dataclass(frozen=True)
class DatabaseAccount:
    """A service's login to the database: user, password, schema."""

    user: str
    password: Secret
    schema: str


@dataclass(frozen=True)
class NodeContext:
    """The node being configured: answers, facts, profile, and its peers in the cloud.

    ``answers`` maps parameter names to typed values (bool for y/n, int, str, tuple of str for lists, Secret).
    ``other_nodes`` is empty for a cloud of one node.
    """

    answers: Mapping[str, Any]
    facts: Facts
    profile: Profile
    node: Node = SINGLE_NODE
    other_nodes: Tuple[Node, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """Return the typed value of a parameter. Raises KeyError for an unknown name."""
        return self.answers[name]

    def is_enabled(self, name: str) -> bool:
        """Return whether a y/n parameter is answered with y; False for an unknown one."""
        return bool(self.answers.get(name, False))

    def has_role(self, *roles: str) -> bool:
        """Return whether this node has at least one of the roles."""
        return bool(set(roles) & set(self.node.roles))

    def nodes_with_role(self, role: str) -> List[Node]:
        """List the nodes with a role, this node first."""
        return [node for node in (self.node, *self.other_nodes) if role in node.roles]

    @property
    def peer_addresses(self) -> Tuple[str, ...]:
        """The addresses of the other nodes, tunnel addresses included."""
        return tuple(dict.fromkeys(address for node in self.other_nodes for address in node.addresses))

    @property
    def controller_address(self) -> str:
        """The controller's IP address: in URLs, and for its services to listen on."""
        return self._role_address("controller")

    @property
    def node_address(self) -> str:
        """This node's IP address."""
        return self.node.address or self.controller_address

    @property
    def database_address(self) -> str:
        """The address of the database server, which may lie outside the cloud."""
        answer = str(self.answers.get("CONFIG_MARIADB_HOST") or "")
        is_external = not self.installs_database and answer and answer not in LOOPBACK_NAMES
        return answer if is_external else self._role_address("database")

    @property
    def installs_database(self) -> bool:
        """Return whether this deployment installs the database server.

        Otherwise it uses an existing one.
        """
        return bool(self.answers.get("CONFIG_MARIADB_INSTALL", True))

    @property
    def has_local_database(self) -> bool:
        """Return whether our database server runs on this node.

        Then root can query it over its socket.
        """
        return self.installs_database and self.has_role("database")

    @property
    def queue_address(self) -> str:
        """The address of the message queue."""
        return self._role_address("queue")

    def _role_address(self, role: str) -> str:
        """Return the address of the first node with a role, else the controller's."""
        addresses = [node.address for node in self.nodes_with_role(role) if node.address]
        return addresses[0] if addresses else self._single_node_address()

    def _single_node_address(self) -> str:
        """Return the controller's address as on a cloud of one node."""
        return reachable_address(str(self.answers.get("CONFIG_CONTROLLER_HOST", "")), self.facts)

    @property
    def region(self) -> str:
        """The name of the region."""
        return str(self["CONFIG_KEYSTONE_REGION"])

    @property
    def debug(self) -> bool:
        """Return whether the services log at level DEBUG."""
        return self.is_enabled("CONFIG_DEBUG_MODE")

    @property
    def workers(self) -> int:
        """Processes per API: the answer, or one per four processors, at least one.

        Packstack's default, one per processor, needs more memory than an all-in-one node of two
        processors has; each process serves several threads.
        """
        answer = str(self.answers.get("CONFIG_SERVICE_WORKERS", ""))
        return int(answer) if answer.isdigit() and int(answer) > 0 else max(1, self.facts.hardware.cpus // 4)

    @property
    def virt_type(self) -> str:
        """The type of virtualization: ``kvm`` or ``qemu``.

        ``kvm`` where it works and the answers do not ask for ``qemu``.
        """
        requested = str(self.answers.get("CONFIG_NOVA_LIBVIRT_VIRT_TYPE", ""))
        return "kvm" if self.facts.hardware.kvm_works and requested != "qemu" else "qemu"

    @property
    def ovs_datapath(self) -> str:
        """Open vSwitch's datapath: ``system``, or ``netdev`` without the kernel module."""
        return "system" if self.facts.hardware.has_ovs_module and not self.facts.system.is_container else "netdev"

    @property
    def timeout_factor(self) -> int:
        """The factor of the ``ready_timeout`` of units: 5 on an emulated node, else 1.

        An emulated node is user-mode Linux, or a virtual machine of QEMU without KVM.
        """
        return EMULATION_TIMEOUT_FACTOR if self.facts.system.virtualization in EMULATORS else 1

    @property
    def l2_agent(self) -> str:
        """The layer 2 agent: ``ovn``, ``openvswitch`` or ``linuxbridge``."""
        return str(self["CONFIG_NEUTRON_L2_AGENT"])

    @property
    def uses_ovn(self) -> bool:
        """Return whether OVN is the layer 2 agent."""
        return self.l2_agent == "ovn"

    @property
    def manages_firewalld(self) -> bool:
        """Return whether firewalld runs on the node and the answers let us configure it."""
        return self.facts.security.firewall == "firewalld" and self.is_enabled("CONFIG_FIREWALL")

    @property
    def external_bridge(self) -> str:
        """The name of the external bridge."""
        return str(self.answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")

    @property
    def floating_range(self) -> IPv4Network:
        """The network of the floating addresses.

        Its first address is the gateway, on the external bridge.
        """
        return IPv4Network(str(self["CONFIG_PROVISION_DEMO_FLOATRANGE"]), strict=False)

    def endpoint_url(self, api: str, path: str = "") -> str:
        """Return the URL of an API, by its name in PORTS."""
        return f"http://{self.controller_address}:{PORTS[api]}{path}"

    @property
    def dashboard_url(self) -> str:
        """The URL of Horizon."""
        return f"http://{self.controller_address}{self.profile.path('webroot')}"

    @property
    def memcached_address(self) -> str:
        """The cache's address and port."""
        return f"127.0.0.1:{PORTS['memcached']}"

    @property
    def admin_credentials(self) -> Credentials:
        """The administrator's login to the OpenStack APIs."""
        return Credentials(
            auth_url=self.endpoint_url("keystone", "/v3"),
            user=str(self["CONFIG_KEYSTONE_ADMIN_USERNAME"]),
            password=self["CONFIG_KEYSTONE_ADMIN_PW"],
            project="admin",
            region=self.region,
        )

    def database_url(self, account: DatabaseAccount) -> Secret:
        """Return SQLAlchemy's URL of a schema.

        The caller quotes it for the file that it goes into.
        """
        host = f"{self.database_address}:{PORTS['mariadb']}"
        return Secret(
            f"mysql+pymysql://{quote_url(account.user)}:{quote_url(account.password)}@{host}/{account.schema}"
        )

    @property
    def queue_password(self) -> Secret:
        """The password of the services' account at the message queue.

        It is percent-encoded if it holds a slash.

        oslo.messaging passes the password to kombu without quoting a slash, which then ends the
        host part of the URL (_drivers/impl_rabbit.py, Zed). Quoting in the file does not help.
        """
        answer: Secret = self["CONFIG_AMQP_AUTH_PASSWORD"]
        return Secret(quote_url(answer)) if "/" in answer.reveal() else answer

    def transport_url(self) -> Secret:
        """Return oslo.messaging's URL.

        The caller quotes it for the file that it goes into.
        """
        login = f"{quote_url(self['CONFIG_AMQP_AUTH_USER'])}:{quote_url(self.queue_password)}"
        return Secret(f"rabbit://{login}@{self.queue_address}:{PORTS['rabbitmq']}/")

    def render(self, template: str, **values: Any) -> str:
        """Render a template with ``context``, ``profile``, ``facts`` and the given values."""
        return render(template, context=self, profile=self.profile, facts=self.facts, **values)

    def render_file(
        self,
        service: str,
        path_key: str,
        group: str = "root",
        mode: int = 0o644,
        phase: Phase = Phase.CONFIGURE,
        template: str = "",
        **values: Any,
    ) -> File:
        """Declare a file of a service, rendered from the template that mirrors its path.

        ``template`` names another one, which several files share. ``path_key`` is a key of the profile's paths, or an
        absolute path. With a ``group`` the file holds secrets: only that group and root can read it. Raises LookupError
        that names a missing template.
        """
        path = self.profile.path(path_key) if not path_key.startswith("/") else path_key
        template = template or f"{service}{path}.j2"
        try:
            content = self.render(template, **values)
        except TemplateNotFound as error:
            # Another name is that of a template that this one imports.
            if error.name != template:
                raise
            raise LookupError(
                f"the profile {self.profile.name} has the path {path_key!r} at {path}: add templates/{template}"
            ) from None
        if group != "root" and mode == 0o644:
            mode = 0o640
        return File(path=path, content=content, mode=mode, group=group, phase=phase, tags=frozenset({service}))

    def render_optional_files(
        self, service: str, *path_keys: str, phase: Phase = Phase.CONFIGURE, **values: Any
    ) -> List[File]:
        """Declare those of the files that have a path in the profile."""
        return [
            self.render_file(service, path_key, phase=phase, **values)
            for path_key in path_keys
            if path_key in self.profile.paths
        ]

    def declare_unit(
        self,
        role: str,
        service: str,
        restart_triggers: Sequence[Resource] = (),
        needs: Sequence[str] = (),
        ready: str = "true",
        phase: Phase = Phase.SERVICES,
        ready_timeout: int = 120,
        instance: str = "",
    ) -> Unit:
        """Declare a running, enabled unit by its role.

        ``instance`` is for template units (``name@instance``).

        The unit restarts when a resource in ``restart_triggers`` changes. It is up when the shell script ``ready``
        exits 0 within ``ready_timeout`` seconds (more where the node is emulated).
        """
        return Unit(
            name=self.profile.unit(role) + (f"@{instance}" if instance else ""),
            restart_triggers=tuple(restart_triggers),
            ready_script=ready,
            ready_timeout=ready_timeout * self.timeout_factor,
            logs=(self.profile.log_path(role, service),),
            blocked_script=QUEUE_ALARM_SH if "queue" in self.node.roles else "true",
            phase=phase,
            tags=frozenset({service}),
            needs=tuple(needs),
        )

    def unit_id(self, role: str) -> str:
        """Return the resource id of a role's unit, for ``needs``."""
        return f"unit:{self.profile.unit(role)}"

    def http_check(self, url: str) -> str:
        """Return a shell command that exits 0 when the URL answers with success.

        One try of up to 30 s: a worker that still loads its application keeps the request waiting.
        """
        return f"curl --noproxy '*' --silent --show-error --fail --output /dev/null --max-time 30 {quote_sh(url)}"

    def run_as(self, service: str, command: str) -> str:
        """Return a shell command that runs ``command`` as the account of a service."""
        return f"runuser -u {self.profile.user(service)} -- {command}"

    def sql_check(self, query: str) -> str:
        """Return a shell command that tests a query's result.

        It exits 0 if the result is 1, 1 if it is not, and 75 if the database cannot be queried yet.
        """
        program = self.profile.command("mariadb")
        client = program if self.has_local_database else f"{program} --defaults-extra-file={DATABASE_CLIENT_CONFIG}"
        return (
            f"command -v {program} >/dev/null 2>&1 && {client} -N -e 'SELECT 1' >/dev/null 2>&1 || exit 75\n"
            f'[ "$({client} -N -e "{query}" 2>/dev/null)" = 1 ]'
        )


def make_tags(*services: str) -> FrozenSet[str]:
    """Return a resource's tags: the names of services, by which ``--only`` selects it."""
    return frozenset(services)
