"""Recognise a cloud of ours without /var/lib/packstack-lite.

Used by ``run_checks``.

Two things prove it: files that packstack-lite has written, or a MariaDB whose accounts have the answers' passwords.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Dict, List, Mapping

from packstack_lite.nodes.facts import Facts
from packstack_lite.resources.database import mysql_native_hash
from packstack_lite.secret import Secret
from packstack_lite.services import keystone
from packstack_lite.services.registry import DATABASES

KEYSTONE = keystone.SPEC.databases[0]


def adopt(facts: Facts, answers: Mapping[str, Any]) -> Facts:
    """Return the facts, with ``deployed_by_us`` set if the cloud proves to be ours.

    A configuration of OpenStack without packstack-lite's header is another tool's, even if the passwords match:
    Packstack deploys from the same answer file.
    """
    foreign_files = [path for path in facts.cloud.other_openstack if not path.startswith("/var/lib/mysql")]
    if facts.cloud.deployed_by_us or not (facts.cloud.ours or (not foreign_files and database_matches(facts, answers))):
        return facts
    return replace(facts, cloud=replace(facts.cloud, deployed_by_us=True))


def database_matches(facts: Facts, answers: Mapping[str, Any]) -> bool:
    """Return whether MariaDB's accounts, Keystone's among them, match the answers."""
    return (
        KEYSTONE.schema in facts.cloud.mariadb_databases
        and KEYSTONE.user in _users(facts)
        and not differing_passwords(facts, answers)
    )


def differing_passwords(facts: Facts, answers: Mapping[str, Any]) -> List[str]:
    """Return the password answers that differ from MariaDB's accounts.

    Accounts of disabled services are not compared.
    """
    users = _users(facts)
    wrong = [
        database.password_parameter
        for spec, database in DATABASES
        if database.schema in facts.cloud.mariadb_databases
        and database.user in users
        and answers.get(spec.answer) is not False
        and password_digest(answers.get(database.password_parameter)) not in users[database.user]
    ]
    return list(dict.fromkeys(wrong))


def password_digest(answer: Any) -> str:
    """Return the 12-digit digest that the facts hold for this password."""
    return hashlib.sha256(mysql_native_hash(answer).encode()).hexdigest()[:12] if isinstance(answer, Secret) else ""


def _users(facts: Facts) -> Mapping[str, List[str]]:
    """Return digests by user: one for each host that the user may connect from."""
    users: Dict[str, List[str]] = {}
    for account, digest in facts.cloud.accounts.items():
        users.setdefault(account.rpartition("@")[0], []).append(digest)
    return users
