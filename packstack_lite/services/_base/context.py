"""What a service sees when it declares its resources: answers, facts, profile, templates."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, FrozenSet, List, Sequence

from packstack_lite.resources import Credentials, File, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, quote_sh, quote_url
from packstack_lite.services._base.base_context import BaseContext
from packstack_lite.services._base.ports import PORTS
from packstack_lite.services._base.templating import render

__all__ = ["DATABASE_CLIENT_CONFIG", "PORTS", "DatabaseAccount", "NodeContext", "make_tags"]

# Where the client reads how to reach a database server that is not on its host. Root's alone.
DATABASE_CLIENT_CONFIG = "/root/.packstack-lite-database.cnf"
# Hosts that run without the processor's help, in systemd-detect-virt's words, and how much longer all takes there.
EMULATORS = ("uml", "qemu")
EMULATION_TIMEOUT_FACTOR = 5


@dataclass(frozen=True)
class DatabaseAccount:
    """A service's login to the database: user, password, schema."""

    user: str
    password: Secret
    schema: str


class NodeContext(BaseContext):
    """Everything a service may look at."""

    @property
    def region(self) -> str:
        return str(self["CONFIG_KEYSTONE_REGION"])

    @property
    def debug(self) -> bool:
        return self.is_enabled("CONFIG_DEBUG_MODE")

    @property
    def workers(self) -> int:
        """Processes per API. Packstack's default, one per processor, wants more memory than an
        all-in-one of two processors has: here one per four, as each serves several threads."""
        answer = str(self.answers.get("CONFIG_SERVICE_WORKERS", ""))
        return int(answer) if answer.isdigit() and int(answer) > 0 else max(1, self.facts.cpus // 4)

    @property
    def virt_type(self) -> str:
        """``kvm`` where it works, unless the answers say otherwise; else ``qemu``."""
        requested = str(self.answers.get("CONFIG_NOVA_LIBVIRT_VIRT_TYPE", ""))
        return "kvm" if self.facts.kvm_works and requested != "qemu" else "qemu"

    @property
    def ovs_datapath(self) -> str:
        """Open vSwitch's datapath: ``netdev`` (user space) where the kernel has no module for it."""
        return "system" if self.facts.has_ovs_module and not self.facts.is_container else "netdev"

    @property
    def timeout_factor(self) -> int:
        """How many times as long as elsewhere the host is waited for."""
        return EMULATION_TIMEOUT_FACTOR if self.facts.virtualization in EMULATORS else 1

    @property
    def l2_agent(self) -> str:
        """What switches packets: ``ovn`` or ``openvswitch``."""
        return str(self["CONFIG_NEUTRON_L2_AGENT"])

    @property
    def uses_ovn(self) -> bool:
        return self.l2_agent == "ovn"

    @property
    def manages_firewalld(self) -> bool:
        """Whether firewalld runs on the host and may be told what the cloud needs."""
        return self.facts.firewall == "firewalld" and self.is_enabled("CONFIG_FIREWALL")

    @property
    def external_bridge(self) -> str:
        return str(self.answers.get("CONFIG_NEUTRON_L3_EXT_BRIDGE") or "br-ex")

    @property
    def floating_range(self) -> IPv4Network:
        """The network of the floating addresses; its first address is the gateway, on the bridge."""
        return IPv4Network(str(self["CONFIG_PROVISION_DEMO_FLOATRANGE"]), strict=False)

    def endpoint_url(self, api: str, path: str = "") -> str:
        """An API's URL."""
        return f"http://{self.controller_address}:{PORTS[api]}{path}"

    @property
    def dashboard_url(self) -> str:
        """Horizon's URL."""
        return f"http://{self.controller_address}{self.profile.path('webroot')}"

    @property
    def memcached_address(self) -> str:
        return f"127.0.0.1:{PORTS['memcached']}"

    @property
    def admin_credentials(self) -> Credentials:
        """The administrator's way into the OpenStack APIs."""
        return Credentials(
            auth_url=self.endpoint_url("keystone", "/v3"),
            user=str(self["CONFIG_KEYSTONE_ADMIN_USERNAME"]),
            password=self["CONFIG_KEYSTONE_ADMIN_PW"],
            project="admin",
            region=self.region,
        )

    def database_url(self, account: DatabaseAccount) -> Secret:
        """SQLAlchemy's URL; still to be quoted for the place where it lands."""
        host = f"{self.database_address}:{PORTS['mariadb']}"
        return Secret(
            f"mysql+pymysql://{quote_url(account.user)}:{quote_url(account.password)}@{host}/{account.schema}"
        )

    @property
    def queue_password(self) -> Secret:
        """The password of the services' account at the message queue: the answer, percent-encoded if it holds a slash.

        oslo.messaging passes the password on to kombu without quoting a slash, which then ends
        the host part of the URL (_drivers/impl_rabbit.py, Zed); no quoting of ours survives that.
        """
        answer: Secret = self["CONFIG_AMQP_AUTH_PASSWORD"]
        return Secret(quote_url(answer)) if "/" in answer.reveal() else answer

    def transport_url(self) -> Secret:
        """oslo.messaging's URL; still to be quoted for the place where it lands."""
        login = f"{quote_url(self['CONFIG_AMQP_AUTH_USER'])}:{quote_url(self.queue_password)}"
        return Secret(f"rabbit://{login}@{self.queue_address}:{PORTS['rabbitmq']}/")

    def render(self, template: str, **values: Any) -> str:
        """A template of the templates tree, told everything that a service may look at."""
        return render(template, context=self, profile=self.profile, facts=self.facts, **values)

    def render_file(
        self,
        service: str,
        path_key: str,
        group: str = "root",
        mode: int = 0o644,
        phase: Phase = Phase.CONFIGURE,
        **values: Any,
    ) -> File:
        """A file of the service, from the template that mirrors its path on the target.

        ``what`` is its name in the profile's paths. With a ``group`` it is readable by that
        group and root alone: it holds passwords.
        """
        path = self.profile.path(path_key) if not path_key.startswith("/") else path_key
        content = self.render(f"{service}{path}.j2", **values)
        if group != "root" and mode == 0o644:
            mode = 0o640
        return File(path=path, content=content, mode=mode, group=group, phase=phase, tags=frozenset({service}))

    def render_optional_files(
        self, service: str, *path_keys: str, phase: Phase = Phase.CONFIGURE, **values: Any
    ) -> List[File]:
        """Those of the files that the distribution wants: the profile has a path for them."""
        return [
            self.render_file(service, path_key, phase=phase, **values)
            for path_key in path_keys
            if path_key in self.profile.paths
        ]

    def declare_unit(
        self,
        role: str,
        service: str,
        watches: Sequence[Resource] = (),
        needs: Sequence[str] = (),
        ready: str = "true",
        phase: Phase = Phase.SERVICES,
        ready_timeout: int = 120,
        instance: str = "",
    ) -> Unit:
        """The running, enabled unit of a role; with ``instance`` one made of the role's template."""
        return Unit(
            name=self.profile.unit(role) + (f"@{instance}" if instance else ""),
            restart_triggers=tuple(watches),
            ready_script=ready,
            ready_timeout=ready_timeout * self.timeout_factor,
            logs=(self.profile.log_path(role, service),),
            phase=phase,
            tags=frozenset({service}),
            needs=tuple(needs),
        )

    def unit_id(self, role: str) -> str:
        """The resource id of a role's unit, for ``needs``."""
        return f"unit:{self.profile.unit(role)}"

    def http_check(self, url: str) -> str:
        """Exit 0 as soon as something sensible answers at the URL (POSIX sh).

        A worker that still loads its application keeps the request waiting: one long try
        instead of many short ones.
        """
        return f"curl --noproxy '*' --silent --fail --output /dev/null --max-time 30 {quote_sh(url)}"

    def run_as(self, service: str, command: str) -> str:
        """A command run as the service's account, its environment kept (POSIX sh)."""
        return f"runuser -u {self.profile.user(service)} -- {command}"

    def sql_check(self, query: str) -> str:
        """Exit 0 when the query answers 1, 1 when not, 75 when the database cannot be asked yet (POSIX sh)."""
        program = self.profile.command("mariadb")
        client = program if self.has_local_database else f"{program} --defaults-extra-file={DATABASE_CLIENT_CONFIG}"
        return (
            f"command -v {program} >/dev/null 2>&1 && {client} -N -e 'SELECT 1' >/dev/null 2>&1 || exit 75\n"
            f'[ "$({client} -N -e "{query}" 2>/dev/null)" = 1 ]'
        )


def make_tags(*services: str) -> FrozenSet[str]:
    """The tags of a resource."""
    return frozenset(services)
