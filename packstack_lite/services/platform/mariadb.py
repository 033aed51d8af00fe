"""MariaDB: where every service keeps its state."""

from __future__ import annotations

import hashlib
from typing import List

from packstack_lite.resources import RunOnce
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, quote_sql, reveal_text
from packstack_lite.services._base.context import NodeContext, make_tags


def declare(context: NodeContext) -> List[Resource]:
    """The server, listening on the controller's address, and root's password beside its socket login."""
    files = [context.render_file("mariadb", "mariadb", phase=Phase.PLATFORM)]
    files += context.render_optional_files("mariadb", "mariadb-unit", phase=Phase.PLATFORM)
    unit = context.declare_unit("mariadb", "mariadb", watches=files, phase=Phase.PLATFORM)
    return [*files, unit, _root_password(context)]


def _root_password(context: NodeContext) -> RunOnce:
    """Root over the socket as before, and with the password of the answers as Packstack gives it."""
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
        phase=Phase.DATABASES,
        tags=make_tags("mariadb"),
    )


def _root_logins(context: NodeContext, password: Secret) -> List[str]:
    """Both ways for one account; where an account has but one, the password is root's who comes by the address."""
    socket_or_password = f"unix_socket OR mysql_native_password USING PASSWORD({quote_sql(password)})"
    has_single_method = "mariadb-one-way-per-account" in context.profile.quirks
    local = f"ALTER USER root@localhost IDENTIFIED VIA {'unix_socket' if has_single_method else socket_or_password}"
    if not has_single_method and context.has_role("controller"):
        return [local]
    remote = f"root@{quote_sql(context.controller_address)}"
    return [
        local,
        f"CREATE USER IF NOT EXISTS {remote} IDENTIFIED BY {quote_sql(password)}",
        f"ALTER USER {remote} IDENTIFIED BY {quote_sql(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {remote} WITH GRANT OPTION",
    ]


def _close_open_accounts(context: NodeContext) -> List[str]:
    """What the installation leaves open to everybody, where it does (as mysql_secure_installation does)."""
    if "mariadb-open-accounts" not in context.profile.quirks:
        return []
    facts = context.facts
    other_names = [
        quote_sql(name)
        for name in dict.fromkeys(("127.0.0.1", "::1", facts.system.hostname, facts.system.fqdn))
        if _is_other_name(name)
    ]
    names = [*[f"''@{name}" for name in ("'localhost'", *other_names)], *[f"root@{name}" for name in other_names]]
    delete_rights = "DELETE FROM mysql.db WHERE User IN ('', 'PUBLIC') AND Db LIKE 'test%'"
    # The database "test" itself stays: somebody's tables may be in it.
    return [f"DROP USER IF EXISTS {', '.join(names)}", delete_rights, "FLUSH PRIVILEGES"]


def _is_other_name(name: str) -> bool:
    """Whether it is another name than the one that root has here: who came by that one is root over the socket."""
    return name not in ("", "localhost")
