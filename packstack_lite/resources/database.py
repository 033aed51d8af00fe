"""Databases with their users, on MariaDB."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.secret import Secret, sql

# mysql.user is a table before MariaDB 10.4 and a view since; both have these columns.
_LOOK = r"""
client="$(command -v mariadb || command -v mysql)ACCESS" || exit 75
$client -e 'SELECT 1' >/dev/null 2>&1 || exit 75
exec $client --skip-column-names --batch <<'END'
SELECT 'schema', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA;
SELECT 'user', CONCAT(User, '@', Host), COALESCE(NULLIF(Password, ''), authentication_string, '') FROM mysql.user;
SELECT 'grant', CONCAT(User, '@', Host, ' ', REPLACE(Db, '\\', '')), 'all'
    FROM mysql.db WHERE Select_priv = 'Y' AND Create_priv = 'Y' AND Drop_priv = 'Y';
END
"""
_CLOSE = 'client="$(command -v mariadb || command -v mysql)ACCESS" || exit 1\nexec $client --default-character-set=utf8'


@dataclass(frozen=True)
class Database(Resource):
    """A schema, its user at each of ``hosts`` with this password, and all rights on it (and on ``also_grant``).

    ``access`` is the option file that says where the server is and who asks; "" for root over this host's own socket.
    """

    kind: ClassVar[str] = "database"
    name: str
    user: str
    password: Secret
    hosts: Tuple[str, ...] = ("%",)
    charset: str = "utf8mb3"
    also_grant: Tuple[str, ...] = ()
    access: str = ""
    phase: Phase = Phase.DATABASES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"database:{self.name}"

    def want(self) -> Optional[State]:
        return {"charset": self.charset, "password": _short(native_hash(self.password)), "grants": True}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        databases = cast("Sequence[Database]", group)

        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {database.id: Unknown(Phase.PLATFORM, "MariaDB does not answer") for database in databases}
            if not reply.ok:
                raise ValueError(reply.err.strip())
            lines = [line.split("\t") for line in reply.out.splitlines()]
            told = {(kind, name): value for kind, name, value in lines}
            return {database.id: database._seen(told) for database in databases}

        return [Look(Command(_by(_LOOK, databases), says="look at databases"), parse)]

    def _seen(self, told: Dict[Tuple[str, str], str]) -> Seen:
        if ("schema", self.name) not in told:
            return None
        users = [f"{self.user}@{host}" for host in self.hosts]
        hashes = {_short(told.get(("user", user), "")) for user in users}
        schemas = (self.name, *self.also_grant)
        grants = all(("grant", f"{user} {schema}") in told for user in users for schema in schemas)
        # MariaDB before 10.6 calls utf8mb3 by the name that it means something else with later.
        charset = {"utf8": "utf8mb3"}.get(told["schema", self.name], told["schema", self.name])
        return {"charset": charset, "password": ",".join(sorted(hashes)), "grants": grants}

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        statements = "".join(cast(Database, gap.resource)._statements() for gap in gaps)
        script = _by(_CLOSE, [cast(Database, gap.resource) for gap in gaps])
        return [Command(script, stdin=statements.encode(), says="make databases and their users")]

    def _statements(self) -> str:
        lines = [f"CREATE DATABASE IF NOT EXISTS `{self.name}` CHARACTER SET {self.charset};"]
        lines.append(f"ALTER DATABASE `{self.name}` CHARACTER SET {self.charset};")
        for host in self.hosts:
            user = f"{sql(self.user)}@{sql(host)}"
            lines.append(f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {sql(self.password)};")
            lines.append(f"ALTER USER {user} IDENTIFIED BY {sql(self.password)};")
            lines += [f"GRANT ALL PRIVILEGES ON `{schema}`.* TO {user};" for schema in (self.name, *self.also_grant)]
        return "\n".join(lines) + "\n"


def _by(script: str, databases: Sequence[Database]) -> str:
    access = databases[0].access
    return script.replace("ACCESS", f" --defaults-extra-file={access}" if access else "")


def native_hash(password: Secret) -> str:
    """What mysql_native_password keeps: ``*`` and SHA1(SHA1(password)) in capitals (MariaDB's documentation)."""
    once = hashlib.sha1(password.reveal().encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def _short(stored: str) -> str:
    """A digest of a digest: enough to compare, nothing to log in with."""
    return hashlib.sha256(stored.encode()).hexdigest()[:12]
