"""MariaDB: the database server of every service."""

from __future__ import annotations

import hashlib
from typing import List, Sequence

from packstack_lite.resources import RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, quote_sql, reveal_text
from packstack_lite.services._base.context import NodeContext, make_tags
from packstack_lite.services._base.spec import Port, ServiceSpec

SPEC = ServiceSpec(
    name="mariadb",
    after=(),
    answer="CONFIG_MARIADB_INSTALL",
    requested_if=lambda context: context.installs_database,
    roles=("database",),
    ports=(Port("mariadb", 3306, ("mariadb",)),),
    internal_ports=("3306",),
    units=("mariadb",),
    stores_data=True,
    template_dir="mariadb",
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the server and root's logins."""
    files = [context.render_file("mariadb", "mariadb", phase=Phase.PLATFORM)]
    files += context.render_optional_files("mariadb", "mariadb-unit", phase=Phase.PLATFORM)
    unit = context.declare_unit("mariadb", "mariadb", restart_triggers=files, phase=Phase.PLATFORM)
    return [*files, unit, _declare_root_password(context)]


def _declare_root_password(context: NodeContext) -> RunOnce:
    """Declare the script that sets root's logins in MariaDB.

    Over the socket, and with CONFIG_MARIADB_PW as with Packstack.
    """
    password = context["CONFIG_MARIADB_PW"]
    return RunOnce(
        name="mariadb-root",
        script=context.profile.command("mariadb"),
        stdin="".join(
            f"{statement};\n" for statement in [*_root_logins(context, password), *_close_open_accounts(context)]
        ).encode(),
        probe_script=context.sql_check("SELECT 1"),
        fingerprint=hashlib.sha256(b"root " + reveal_text(password).encode()).hexdigest(),
        known_after=Phase.PLATFORM,
        description="set the logins of MariaDB's root",
        makes=tuple(f"database_user:root@{host}" for host in _remote_root_hosts(context)),
        phase=Phase.DATABASES,
        tags=make_tags("mariadb"),
    )


def _root_logins(context: NodeContext, password: Secret) -> List[str]:
    """Return SQL statements that set root's logins.

    One account has both login methods, except in releases where an account has only one: there the password
    belongs to root at the controller's address.
    """
    socket_or_password = f"unix_socket OR mysql_native_password USING PASSWORD({quote_sql(password)})"
    has_single_method = "mariadb-single-auth-method" in context.profile.quirks
    statements = [
        f"ALTER USER root@localhost IDENTIFIED VIA {'unix_socket' if has_single_method else socket_or_password}"
    ]
    for host in _remote_root_hosts(context):
        remote = f"root@{quote_sql(host)}"
        statements += [
            f"CREATE USER IF NOT EXISTS {remote} IDENTIFIED BY {quote_sql(password)}",
            f"ALTER USER {remote} IDENTIFIED BY {quote_sql(password)}",
            f"GRANT ALL PRIVILEGES ON *.* TO {remote} WITH GRANT OPTION",
        ]
    return statements


def _remote_root_hosts(context: NodeContext) -> Sequence[str]:
    """Return the hosts from which root logs in remotely: the controller, or none."""
    has_single_method = "mariadb-single-auth-method" in context.profile.quirks
    return () if not has_single_method and context.has_role("controller") else (context.controller_address,)


def _close_open_accounts(context: NodeContext) -> List[str]:
    """Return SQL statements that remove accounts without a password.

    As mysql_secure_installation does; empty where the package has none.
    """
    if "mariadb-accounts-without-password" not in context.profile.quirks:
        return []
    facts = context.facts
    other_names = [
        quote_sql(name)
        for name in dict.fromkeys(("127.0.0.1", "::1", facts.system.hostname, facts.system.fqdn))
        if _is_other_name(name)
    ]
    names = [*[f"''@{name}" for name in ("'localhost'", *other_names)], *[f"root@{name}" for name in other_names]]
    delete_rights = "DELETE FROM mysql.db WHERE User IN ('', 'PUBLIC') AND Db LIKE 'test%'"
    # The database "test" itself stays: it may hold a user's tables.
    return [f"DROP USER IF EXISTS {', '.join(names)}", delete_rights, "FLUSH PRIVILEGES"]


def _is_other_name(name: str) -> bool:
    """Return whether a host name is neither empty nor ``localhost``.

    By that name root logs in over the socket.
    """
    return name not in ("", "localhost")
