"""Things of an earlier run that shall be gone: accounts, files and rules.

``services.removals`` declares them. Units, API objects and settings have a state of their own for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import (
    NO_LONGER_DECLARED,
    Description,
    Diff,
    Observed,
    Phase,
    Probe,
    TypedResource,
    Unknown,
)
from packstack_lite.resources.bridge import Nat, iptables_args
from packstack_lite.resources.database import SQL_CLIENT_SH, with_option_file
from packstack_lite.resources.shell import RELOAD_FLAG, require_ok
from packstack_lite.secret import quote_sh, quote_sql
from packstack_lite.state_paths import WRITTEN_FILES_LIST

GoneState = Mapping[str, bool]
"""``exists``; a thing that is gone has no state."""


class _Removed(TypedResource[GoneState]):
    """The base of the kinds whose resources shall not exist."""

    def desired(self) -> None:
        """Return None: it shall not exist."""

    def describe(self, diff: "Diff[_Removed]") -> Description:
        """Describe the removal and its reason."""
        return Description(f"remove {self.label}", NO_LONGER_DECLARED)

    def describe_drift(self, diff: "Diff[_Removed]") -> str:
        """Describe that the thing is still there."""
        return f"{self.label} is still there ({NO_LONGER_DECLARED})"


def _existing(resources: Sequence[_Removed], present: Mapping[str, bool]) -> Dict[str, Observed[GoneState]]:
    """Return the state of each resource; ``present`` has the ids of those that exist."""
    return {resource.id: {"exists": True} if present.get(resource.id) else None for resource in resources}


_PROBE_MESSAGE_USERS = r"""
command -v rabbitmqctl >/dev/null && systemctl is-active -q rabbitmq-server || exit 75
rabbitmqctl -q list_users </dev/null || exit 75
"""


@dataclass(frozen=True)
class RemovedRabbitmqUser(_Removed):
    """A user of RabbitMQ that shall not exist. Its permissions go with it."""

    kind: ClassVar[str] = "removed_message_user"
    name: str
    phase: Phase = Phase.REMOVE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``removed_message_user:NAME``."""
        return f"removed_message_user:{self.name}"

    @property
    def label(self) -> str:
        """Return ``RabbitMQ user NAME``."""
        return f"RabbitMQ user {self.name}"

    @classmethod
    def probe(cls, resources: Sequence["RemovedRabbitmqUser"]) -> List[Probe[GoneState]]:
        """Return one probe for all users: the list of RabbitMQ's users."""

        def parse(reply: Reply) -> Dict[str, Observed[GoneState]]:
            """Return each user's state; Unknown while RabbitMQ does not answer."""
            if reply.code == 75:
                return {user.id: Unknown(Phase.PLATFORM, "RabbitMQ does not answer") for user in resources}
            require_ok(reply)
            # NAME, a tab, [TAGS]. rabbitmqctl 3.8 and later print a heading too.
            names = {line.split("\t")[0] for line in reply.out.splitlines()}
            return _existing(resources, {user.id: user.name in names for user in resources})

        return [Probe(Command(_PROBE_MESSAGE_USERS, description="probe old RabbitMQ users", concurrent=True), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RemovedRabbitmqUser"]]) -> List[Action]:
        """Return a command for each user that deletes it; RabbitMQ closes its connections."""
        return [
            Command(
                # "--" ends the options: a name may begin with a dash.
                f"rabbitmqctl -q delete_user -- {quote_sh(diff.resource.name)} </dev/null",
                timeout=120,
                description=f"remove {diff.resource.label}",
            )
            for diff in diffs
        ]


_PROBE_DATABASE_USERS = (
    SQL_CLIENT_SH
    + r"""
$client -e 'SELECT 1' >/dev/null 2>&1 || exit 75
exec $client --skip-column-names --batch -e "SELECT CONCAT(User, '@', Host) FROM mysql.user"
"""
)


@dataclass(frozen=True)
class RemovedDatabaseUser(_Removed):
    """An account of MariaDB, USER at HOST, that shall not exist. Databases stay.

    ``option_file`` is as in ``Database``.
    """

    kind: ClassVar[str] = "removed_database_user"
    user: str
    host: str
    option_file: str = ""
    phase: Phase = Phase.REMOVE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``removed_database_user:USER@HOST``."""
        return f"removed_database_user:{self.user}@{self.host}"

    @property
    def label(self) -> str:
        """Return ``database account USER@HOST``."""
        return f"database account {self.user}@{self.host}"

    @classmethod
    def probe(cls, resources: Sequence["RemovedDatabaseUser"]) -> List[Probe[GoneState]]:
        """Return one probe for all accounts: the list of MariaDB's accounts."""

        def parse(reply: Reply) -> Dict[str, Observed[GoneState]]:
            """Return each account's state; Unknown while MariaDB does not answer."""
            if reply.code == 75:
                return {account.id: Unknown(Phase.PLATFORM, "MariaDB does not answer") for account in resources}
            require_ok(reply)
            names = set(reply.out.splitlines())
            return _existing(resources, {one.id: f"{one.user}@{one.host}" in names for one in resources})

        script = with_option_file(_PROBE_DATABASE_USERS, resources[0].option_file)
        return [Probe(Command(script, description="probe old database accounts"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RemovedDatabaseUser"]]) -> List[Action]:
        """Return one command that drops all accounts."""
        accounts = [diff.resource for diff in diffs]
        statements = "".join(f"DROP USER IF EXISTS {quote_sql(one.user)}@{quote_sql(one.host)};\n" for one in accounts)
        script = with_option_file(
            SQL_CLIENT_SH + "exec $client --default-character-set=utf8\n", accounts[0].option_file
        )
        return [Command(script, stdin=statements.encode(), description="remove old database accounts")]


# Standard input: a path per line. Ours is what packstack-lite wrote; a file that somebody else put there stays.
_PROBE_FILES = r"""
while IFS= read -r path; do
    [ ! -f "$path" ] || ! grep -qxF -e "$path" FILES 2>/dev/null || printf '%s\n' "$path"
done
""".replace("FILES", WRITTEN_FILES_LIST)
# The list is changed first: a run that is killed in between does not take a restored file for ours.
_REMOVE_FILES = r"""
set -eu
umask 077
while IFS= read -r path; do
    grep -vxF -e "$path" FILES > FILES.new || :
    mv FILES.new FILES
    if [ -e "$path.packstack-lite.orig" ]; then
        mv -f -- "$path.packstack-lite.orig" "$path"
    else
        rm -f -- "$path"
    fi
    case $path in /etc/systemd/system/*) : > RELOAD ;; esac
done
""".replace("FILES", WRITTEN_FILES_LIST).replace("RELOAD", RELOAD_FLAG)


@dataclass(frozen=True)
class RemovedFile(_Removed):
    """A file of ours that shall not exist. The file that it replaced comes back."""

    kind: ClassVar[str] = "removed_file"
    path: str
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``removed_file:PATH``."""
        return f"removed_file:{self.path}"

    @property
    def label(self) -> str:
        """Return the path."""
        return self.path

    @classmethod
    def probe(cls, resources: Sequence["RemovedFile"]) -> List[Probe[GoneState]]:
        """Return one probe for all files: which exist and were written by us."""

        def parse(reply: Reply) -> Dict[str, Observed[GoneState]]:
            """Return each file's state."""
            require_ok(reply)
            paths = set(reply.out.splitlines())
            return _existing(resources, {file.id: file.path in paths for file in resources})

        return [Probe(Command(_PROBE_FILES, stdin=_path_lines(resources), description="probe old files"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RemovedFile"]]) -> List[Action]:
        """Return one command that removes all files, or restores what they replaced."""
        files = [diff.resource for diff in diffs]
        return [Command(_REMOVE_FILES, stdin=_path_lines(files), description=f"remove {len(files)} old files")]


def _path_lines(files: Sequence[RemovedFile]) -> bytes:
    """Return the files' paths, one per line."""
    return "".join(f"{file.path}\n" for file in files).encode()


# A metadata agent shares its row with ovn-controller, and Neutron's API could only delete the whole row: then OVN
# would bind the node's routers anew (mech_driver.py, delete_agent: "all kinds of events"). So the agent's keys go, and
# Neutron's processes forget it by the key that delete_agent uses (ovsdb_monitor.py, ChassisAgentDeleteEvent).
_METADATA_AGENT_SH = r"""
command -v ovn-sbctl >/dev/null || exit 75
sb() { ovn-sbctl --timeout=10 --no-leader-only --db=%(database)s "$@"; }
name=$(sb --bare --no-headings --columns=name find Chassis hostname=%(hostname)s) || exit 75
[ -n "$name" ] || exit 3
table=Chassis_Private
sb --columns=name list $table >/dev/null 2>&1 || table=Chassis
id=$(sb --if-exists get $table "$name" 'external_ids:"neutron:ovn-metadata-id"' | tr -d '"')
[ -n "$id" ] || exit 3
"""
_REMOVE_METADATA_AGENT_SH = r"""
sb remove $table "$name" external_ids '"neutron:ovn-metadata-id"' '"neutron:ovn-metadata-sb-cfg"' || exit 1
sb set SB_Global . external_ids:delete_agent="\"$id\"" && sb remove SB_Global . external_ids delete_agent
"""


@dataclass(frozen=True)
class RemovedMetadataAgent(_Removed):
    """OVN's metadata agent of a node whose ovn-controller stays.

    ``database`` is the URL of OVN's southbound database.
    """

    kind: ClassVar[str] = "removed_metadata_agent"
    hostname: str
    database: str
    phase: Phase = Phase.REMOVE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``removed_metadata_agent:HOSTNAME``."""
        return f"removed_metadata_agent:{self.hostname}"

    @property
    def label(self) -> str:
        """Return ``network agent neutron-ovn-metadata-agent@HOSTNAME``."""
        return f"network agent neutron-ovn-metadata-agent@{self.hostname}"

    @classmethod
    def probe(cls, resources: Sequence["RemovedMetadataAgent"]) -> List[Probe[GoneState]]:
        """Return a probe for each agent."""
        return [agent._probe() for agent in resources]

    def _probe(self) -> Probe[GoneState]:
        """Return the probe that looks for the agent's id in OVN's database."""

        def parse(reply: Reply) -> Dict[str, Observed[GoneState]]:
            """Return the agent's state; Unknown while OVN's database does not answer."""
            if reply.code == 75:
                return {self.id: Unknown(Phase.PLATFORM, "OVN's database does not answer")}
            if reply.code == 3:
                return {self.id: None}
            require_ok(reply)
            return {self.id: {"exists": True}}

        return Probe(Command(self._script(_METADATA_AGENT_SH), description=f"probe {self.label}"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RemovedMetadataAgent"]]) -> List[Action]:
        """Return a command for each agent that removes it from OVN and Neutron."""
        return [
            Command(
                diff.resource._script(_METADATA_AGENT_SH + _REMOVE_METADATA_AGENT_SH),
                description=f"remove {diff.resource.label}",
            )
            for diff in diffs
        ]

    def _script(self, template: str) -> str:
        """Return a script for this agent."""
        return template % {"database": quote_sh(self.database), "hostname": quote_sh(self.hostname)}


@dataclass(frozen=True)
class RemovedNat(_Removed):
    """Address translation for a range that is no longer the floating range.

    ``bridge`` is as in ``Nat``. Its rules for forwarding stay: another range may use them.
    """

    kind: ClassVar[str] = "removed_nat"
    source_cidr: str
    bridge: str
    phase: Phase = Phase.REMOVE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``removed_nat:CIDR``."""
        return f"removed_nat:{self.source_cidr}"

    @property
    def label(self) -> str:
        """Return ``address translation for CIDR``."""
        return f"address translation for {self.source_cidr}"

    @classmethod
    def probe(cls, resources: Sequence["RemovedNat"]) -> List[Probe[GoneState]]:
        """Return one probe for all ranges: the list of rules that translate addresses."""

        def parse(reply: Reply) -> Dict[str, Observed[GoneState]]:
            """Return each range's state."""
            require_ok(reply)
            sources = {source for line in reply.out.splitlines() for source in _masqueraded_source(line)}
            return _existing(resources, {one.id: one.source_cidr in sources for one in resources})

        script = "command -v iptables >/dev/null || exit 0\niptables -w 5 -t nat -S POSTROUTING 2>/dev/null || :"
        return [Probe(Command(script, description="probe old address translation"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RemovedNat"]]) -> List[Action]:
        """Return a command for each range that deletes its rules."""
        return [Command(diff.resource._script(), description=f"remove {diff.resource.label}") for diff in diffs]

    def _script(self) -> str:
        """Return the script that deletes the rule, with and without its exemption."""
        nat = Nat(source_cidr=self.source_cidr, bridge=self.bridge)
        return "\n".join(
            f"iptables -w 10 {iptables_args('-D', replace(nat, exempt_bridged=exempt).rules[0])} 2>/dev/null || :"
            for exempt in (False, True)
        )


def _masqueraded_source(rule: str) -> List[str]:
    """Return the source range of a rule that translates addresses, as a list of one."""
    words = rule.split()
    return [words[words.index("-s") + 1]] if "-s" in words[:-1] and words[-1] == "MASQUERADE" else []
