"""Databases and their users in MariaDB."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, TypedResource, Unknown
from packstack_lite.secret import Secret, quote_sql

# ACCESS is replaced by the client's option for its option file, or by nothing.
SQL_CLIENT_SH = 'client="$(command -v mariadb || command -v mysql)ACCESS" || exit 75\n'
# mysql.user is a table before MariaDB 10.4 and a view since; both have these columns.
_PROBE_SCRIPT = (
    SQL_CLIENT_SH
    + r"""
$client -e 'SELECT 1' >/dev/null 2>&1 || exit 75
exec $client --skip-column-names --batch <<'END'
SELECT 'schema', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA;
SELECT 'user', CONCAT(User, '@', Host), COALESCE(NULLIF(Password, ''), authentication_string, '') FROM mysql.user;
SELECT 'grant', CONCAT(User, '@', Host, ' ', REPLACE(Db, '\\', '')), 'all'
    FROM mysql.db WHERE Select_priv = 'Y' AND Create_priv = 'Y' AND Drop_priv = 'Y';
END
"""
)
_FIX_SCRIPT = SQL_CLIENT_SH + "exec $client --default-character-set=utf8"


class DatabaseState(TypedDict):
    """A database's character set, password and grants.

    ``password`` is a digest of the stored hash; ``grants`` says whether all grants are there.
    """

    charset: str
    password: str
    grants: bool


@dataclass(frozen=True)
class Database(TypedResource[DatabaseState]):
    """A database, its user with this password, and the user's rights on it.

    The user exists at each of ``client_hosts``. The user gets all rights on the databases ``extra_grants`` too.
    ``option_file`` is a client's option file with server and account; "" for root over the local socket.
    """

    kind: ClassVar[str] = "database"
    name: str
    user: str
    password: Secret
    client_hosts: Tuple[str, ...] = ("%",)
    charset: str = "utf8mb3"
    extra_grants: Tuple[str, ...] = ()
    option_file: str = ""
    phase: Phase = Phase.DATABASES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``database:NAME``."""
        return f"database:{self.name}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``database_user:USER@HOST`` for each account; the database is data."""
        return tuple(f"database_user:{self.user}@{host}" for host in self.client_hosts)

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the keys whose values are not shown: password and grants."""
        return frozenset({"password", "grants"})

    def desired(self) -> DatabaseState:
        """Return the character set, the password hash's digest, and that grants exist."""
        return {"charset": self.charset, "password": _digest_of_hash(mysql_native_hash(self.password)), "grants": True}

    @classmethod
    def probe(cls, resources: Sequence["Database"]) -> List[Probe[DatabaseState]]:
        """Return one probe for all databases, their users and grants."""

        def parse(reply: Reply) -> Dict[str, Observed[DatabaseState]]:
            """Return each database's state, by id; Unknown while MariaDB does not answer."""
            if reply.code == 75:
                return {database.id: Unknown(Phase.PLATFORM, "MariaDB does not answer") for database in resources}
            if not reply.ok:
                # Without the output, which holds password hashes.
                raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
            rows = [line.split("\t") for line in reply.out.splitlines()]
            values = {(kind, name): value for kind, name, value in rows}
            return {database.id: database._parse_state(values) for database in resources}

        return [
            Probe(
                Command(with_option_file(_PROBE_SCRIPT, resources[0].option_file), description="probe databases"), parse
            )
        ]

    def _parse_state(self, values: Mapping[Tuple[str, str], str]) -> Observed[DatabaseState]:
        """Return the database's state from the probe's values, by (what, name)."""
        if ("schema", self.name) not in values:
            return None
        users = [f"{self.user}@{host}" for host in self.client_hosts]
        hashes = {_digest_of_hash(values.get(("user", user), "")) for user in users}
        schemas = (self.name, *self.extra_grants)
        grants = all(("grant", f"{user} {schema}") in values for user in users for schema in schemas)
        # MariaDB before 10.6 calls utf8mb3 "utf8", a name that later releases give to another character set.
        charset = {"utf8": "utf8mb3"}.get(values["schema", self.name], values["schema", self.name])
        return {"charset": charset, "password": ",".join(sorted(hashes)), "grants": grants}

    @classmethod
    def fix(cls, diffs: Sequence[Diff["Database"]]) -> List[Action]:
        """Return one command that creates all databases, users and grants."""
        databases = [diff.resource for diff in diffs]
        statements = "".join(database._statements() for database in databases)
        script = with_option_file(_FIX_SCRIPT, databases[0].option_file)
        return [Command(script, stdin=statements.encode(), description="create databases and their users")]

    def _statements(self) -> str:
        """Return the SQL that creates the database and its users, or corrects them.

        It sets character set and passwords as declared, and adds missing rights; it takes none away.
        """
        lines = [f"CREATE DATABASE IF NOT EXISTS `{self.name}` CHARACTER SET {self.charset};"]
        lines.append(f"ALTER DATABASE `{self.name}` CHARACTER SET {self.charset};")
        for host in self.client_hosts:
            user = f"{quote_sql(self.user)}@{quote_sql(host)}"
            lines.append(f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {quote_sql(self.password)};")
            lines.append(f"ALTER USER {user} IDENTIFIED BY {quote_sql(self.password)};")
            lines += [f"GRANT ALL PRIVILEGES ON `{schema}`.* TO {user};" for schema in (self.name, *self.extra_grants)]
        return "\n".join(lines) + "\n"


def with_option_file(script: str, option_file: str) -> str:
    """Replace ACCESS in a script by mariadb's option for an option file; "" for none."""
    return script.replace("ACCESS", f" --defaults-extra-file={option_file}" if option_file else "")


def mysql_native_hash(password: Secret) -> str:
    """Return MariaDB's mysql_native_password hash of a password.

    It is ``*`` and SHA1(SHA1(password)) in capitals (MariaDB's documentation).
    """
    first_round = hashlib.sha1(password.reveal().encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(first_round, usedforsecurity=False).hexdigest().upper()


def _digest_of_hash(stored_hash: str) -> str:
    """Return a short digest of a password hash, useless to log in with."""
    return hashlib.sha256(stored_hash.encode()).hexdigest()[:12]
