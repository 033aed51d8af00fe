"""A cloud of ours on a node that has lost /var/lib/packstack-lite: recognised by what is there, and by nothing else."""

from __future__ import annotations

import re
import subprocess

import pytest

from packstack_lite import preflight, profiles
from packstack_lite.nodes.facts import cloud as cloud_facts
from packstack_lite.preflight.adoption import adopt, differing_passwords, password_digest
from packstack_lite.resources import Database
from packstack_lite.secret import Secret
from packstack_lite.services.registry import DATABASES
from tests.clouds import ADDRESS, ANSWERS, MACHINE, cloud, facts
from tests.rendered import STORAGE, files, resources_of, text

DATA = "/var/lib/mysql/mysql"
CONFS = ("/etc/keystone/keystone.conf", "/etc/nova/nova.conf")
ON = dict.fromkeys(("CONFIG_CINDER_INSTALL", "CONFIG_BARBICAN_INSTALL"), True)
SCHEMAS = tuple(database.schema for _, database in DATABASES)
GOOD_ACCOUNTS = {
    f"{database.user}@{ADDRESS}": password_digest(ANSWERS[database.password_parameter]) for _, database in DATABASES
}
# The node of fault F1: all of the cloud is there but the record.
LIVING = {
    **MACHINE,
    "other_openstack": (*CONFS, DATA),
    "ours": CONFS,
    "mariadb_databases": (*SCHEMAS, "shop"),
    "accounts": {**GOOD_ACCOUNTS, "root@localhost": "0" * 12, "shop@%": "1" * 12},
}
# A node of the database role alone: nothing of OpenStack's in /etc.
DATABASE_NODE = {**LIVING, "other_openstack": (DATA,), "ours": ()}
MOVE = "packstack-lite preflight --fix --move-data mariadb"


def found(changes, answers=None, profile="debian12-zed"):
    told = preflight.run_checks(facts(**changes), {**ANSWERS, **ON, **(answers or {})}, profiles.load(profile), "aio")
    return {finding.check: finding for finding in told if finding.check in ("leftovers", "database", "ports", "masked")}


def test_the_accounts_are_those_that_the_services_declare():
    declared = {(one.name, one.user, one.password) for one in resources_of(cloud({**STORAGE, **ON}), Database)}
    known = {(database.schema, database.user, ANSWERS[database.password_parameter]) for _, database in DATABASES}
    assert known == declared


@pytest.mark.parametrize("node", [LIVING, DATABASE_NODE], ids=["all-in-one", "database"])
def test_a_cloud_of_ours_without_its_record_is_adopted(node):
    told = found(node)
    assert set(told) == {"leftovers"}
    assert (told["leftovers"].level, told["leftovers"].fix) == ("info", None)
    assert "/var/lib/packstack-lite" in told["leftovers"].message


def test_with_its_record_nothing_is_said():
    assert found({**LIVING, "deployed_by_us": True}) == {}


def test_an_adopted_hosts_services_are_not_taken_for_strangers():
    """On hosts that tell no units, a port of a cloud of ours is ours: --fix would have stopped it."""
    held = {"listening_ports": {5000: "apache2"}}
    assert "ports" not in found({**LIVING, **held})
    assert "ports" in found({**MACHINE, **held})


def test_a_compute_node_is_known_by_its_files():
    node = {**MACHINE, "other_openstack": ("/etc/nova/nova.conf",), "ours": ("/etc/nova/nova.conf",)}
    assert found(node)["leftovers"].level == "info"


def test_packstacks_cloud_of_the_same_answer_file_is_not_ours():
    told = found({**LIVING, "ours": ()})
    assert (told["leftovers"].level, told["leftovers"].message) == (
        "error",
        f"another OpenStack is or was here: {', '.join(CONFS)}",
    )
    assert "database" not in told, "its accounts do fit"


def test_with_anybody_elses_database_in_it_none_is_moved():
    """They are in one directory: renaming it would take the other's along."""
    told = found(LIVING, {"CONFIG_NOVA_DB_PW": Secret("another")})["database"]
    assert told.message.endswith(": CONFIG_NOVA_DB_PW")
    assert told.fix is None and "--move-data" not in told.hint


@pytest.mark.parametrize("node", [LIVING, DATABASE_NODE], ids=["all-in-one", "database"])
def test_other_passwords_are_named_and_nothing_is_moved_by_fix_alone(node):
    node = {**node, "mariadb_databases": SCHEMAS}
    told = found(node, {"CONFIG_NOVA_DB_PW": Secret("another"), "CONFIG_GLANCE_DB_PW": Secret("another")})["database"]
    assert told.level == "error"
    assert told.message.endswith("other passwords than the answers: CONFIG_GLANCE_DB_PW, CONFIG_NOVA_DB_PW")
    assert "another" not in told.message and "root password" not in told.message
    assert MOVE in told.hint
    assert (told.is_fixable, told.fix.data, told.fix.paths) == (False, "mariadb", ("/var/lib/mysql",))


NOT_OURS = [
    ({"accounts": {}}, "its accounts could not be read and compared"),
    (
        {"accounts": {"root@localhost": "0" * 12}},
        "no database keystone whose account has CONFIG_KEYSTONE_DB_PW",
    ),
    (
        {"accounts": {}, "mariadb_root_error": "ERROR 1045"},
        "it refuses root's login over the socket, so that apply cannot use it",
    ),
]


@pytest.mark.parametrize(("changes", "words"), NOT_OURS)
def test_an_old_database_is_told_by_what_was_read_of_it(changes, words):
    told = found({**DATABASE_NODE, "mariadb_databases": SCHEMAS, **changes})["database"]
    assert words in told.message and "root password" not in told.message
    assert MOVE in told.hint and not told.is_fixable


def test_an_adopted_clouds_refusing_root_is_no_old_database():
    told = found({**LIVING, "accounts": {}, "mariadb_root_error": "ERROR 1045"})["database"]
    assert told.message == "MariaDB refuses root's login over the socket: ERROR 1045"
    assert told.fix is None


def test_a_service_that_is_switched_off_is_not_compared():
    of = facts(**LIVING)
    other = {**ANSWERS, "CONFIG_CINDER_DB_PW": Secret("another")}
    assert differing_passwords(of, {**other, "CONFIG_CINDER_INSTALL": False}) == []
    assert differing_passwords(of, {**other, "CONFIG_CINDER_INSTALL": True}) == ["CONFIG_CINDER_DB_PW"]


def test_one_host_of_an_account_with_the_password_is_enough():
    of = facts(**{**LIVING, "accounts": {**GOOD_ACCOUNTS, "nova@198.18.1.99": "0" * 12}})
    assert differing_passwords(of, {**ANSWERS, **ON}) == []


def test_nothing_is_adopted_where_nothing_is():
    assert not adopt(facts(**MACHINE), ANSWERS).cloud.deployed_by_us


@pytest.mark.parametrize(
    ("head", "ours"), [("# Written by packstack-lite.", True), ("[DEFAULT]\n# Written by packstack-lite.", False)]
)
def test_our_files_are_known_by_their_first_line(tmp_path, head, ours):
    command = cloud_facts.build_command()
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"{head}\ndebug = false\n")
    script = command.script.replace("/etc/keystone/keystone.conf", str(conf))
    done = subprocess.run(["/bin/dash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in done.stdout.splitlines() if str(conf) in line]
    assert lines == [f"other_openstack={conf}", *([f"our_file={conf}"] if ours else [])]


def test_every_configuration_that_is_looked_for_begins_so(tmp_path):
    """The header that adoption rests on is in what is rendered."""
    of = files(cloud({**STORAGE, **ON}))
    command = cloud_facts.build_command()
    looked_for = set(re.findall(r"/etc/[a-z]+/[a-z-]+\.conf", command.script.partition("ml2=")[0])) & set(of)
    assert len(looked_for) == 6
    assert all(text(of[path]).startswith("# Written by packstack-lite") for path in looked_for)
