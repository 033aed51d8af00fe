"""A cloud of ours on a node that has lost /var/lib/packstack-lite is recognised by its files and its database."""

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
# A node with everything of the cloud but its record.
DEPLOYED = {
    **MACHINE,
    "other_openstack": (*CONFS, DATA),
    "ours": CONFS,
    "mariadb_databases": (*SCHEMAS, "shop"),
    "accounts": {**GOOD_ACCOUNTS, "root@localhost": "0" * 12, "shop@%": "1" * 12},
}
# A node with the database role only: no OpenStack in /etc.
DATABASE_NODE = {**DEPLOYED, "other_openstack": (DATA,), "ours": ()}
MOVE = "packstack-lite preflight --fix --move-data mariadb"


def findings_by_check(changes, answers=None, profile="debian12-zed"):
    finding = preflight.run_checks(
        facts(**changes), {**ANSWERS, **ON, **(answers or {})}, profiles.load(profile), "aio"
    )
    return {
        finding.check: finding for finding in finding if finding.check in ("leftovers", "database", "ports", "masked")
    }


def test_the_accounts_are_those_that_the_services_declare():
    declared = {
        (database.name, database.user, database.password)
        for database in resources_of(cloud({**STORAGE, **ON}), Database)
    }
    known = {(database.schema, database.user, ANSWERS[database.password_parameter]) for _, database in DATABASES}
    assert known == declared


@pytest.mark.parametrize("node", [DEPLOYED, DATABASE_NODE], ids=["all-in-one", "database"])
def test_a_cloud_of_ours_without_its_record_is_adopted(node):
    finding = findings_by_check(node)
    assert set(finding) == {"leftovers"}
    assert (finding["leftovers"].level, finding["leftovers"].fix) == ("info", None)
    assert "/var/lib/packstack-lite" in finding["leftovers"].message


def test_a_cloud_with_its_record_gives_no_finding():
    assert findings_by_check({**DEPLOYED, "deployed_by_us": True}) == {}


def test_an_adopted_nodes_services_may_use_their_ports():
    """Without units in /proc/PID/cgroup a port of an adopted cloud is its own: --fix would have stopped it."""
    changes = {"listening_ports": {5000: "apache2"}}
    assert "ports" not in findings_by_check({**DEPLOYED, **changes})
    assert "ports" in findings_by_check({**MACHINE, **changes})


def test_a_compute_node_is_recognised_by_its_files():
    node = {**MACHINE, "other_openstack": ("/etc/nova/nova.conf",), "ours": ("/etc/nova/nova.conf",)}
    assert findings_by_check(node)["leftovers"].level == "info"


def test_packstacks_cloud_from_the_same_answer_file_is_not_adopted():
    finding = findings_by_check({**DEPLOYED, "ours": ()})
    assert (finding["leftovers"].level, finding["leftovers"].message) == (
        "error",
        f"another OpenStack is or was here: {', '.join(CONFS)}",
    )
    assert "database" not in finding, "its accounts do match"


def test_no_fix_moves_another_applications_database():
    """All databases are in one directory: a rename would move the other application's too."""
    finding = findings_by_check(DEPLOYED, {"CONFIG_NOVA_DB_PW": Secret("another")})["database"]
    assert finding.message.endswith(": CONFIG_NOVA_DB_PW")
    assert finding.fix is None and "--move-data" not in finding.hint


@pytest.mark.parametrize("node", [DEPLOYED, DATABASE_NODE], ids=["all-in-one", "database"])
def test_differing_passwords_are_named_and_fix_alone_moves_nothing(node):
    node = {**node, "mariadb_databases": SCHEMAS}
    finding = findings_by_check(
        node, {"CONFIG_NOVA_DB_PW": Secret("another"), "CONFIG_GLANCE_DB_PW": Secret("another")}
    )["database"]
    assert finding.level == "error"
    assert finding.message.endswith("other passwords than the answers: CONFIG_GLANCE_DB_PW, CONFIG_NOVA_DB_PW")
    assert "another" not in finding.message and "root password" not in finding.message
    assert MOVE in finding.hint
    assert (finding.is_fixable, finding.fix.data, finding.fix.paths) == (False, "mariadb", ("/var/lib/mysql",))


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
def test_an_old_database_is_reported_with_the_reason(changes, words):
    finding = findings_by_check({**DATABASE_NODE, "mariadb_databases": SCHEMAS, **changes})["database"]
    assert words in finding.message and "root password" not in finding.message
    assert MOVE in finding.hint and not finding.is_fixable


def test_an_adopted_cloud_that_refuses_root_is_no_old_database():
    finding = findings_by_check({**DEPLOYED, "accounts": {}, "mariadb_root_error": "ERROR 1045"})["database"]
    assert finding.message == "MariaDB refuses root's login over the socket: ERROR 1045"
    assert finding.fix is None


def test_the_password_of_a_disabled_service_is_not_compared():
    node_facts = facts(**DEPLOYED)
    other = {**ANSWERS, "CONFIG_CINDER_DB_PW": Secret("another")}
    assert differing_passwords(node_facts, {**other, "CONFIG_CINDER_INSTALL": False}) == []
    assert differing_passwords(node_facts, {**other, "CONFIG_CINDER_INSTALL": True}) == ["CONFIG_CINDER_DB_PW"]


def test_one_host_of_an_account_with_the_password_is_enough():
    node_facts = facts(**{**DEPLOYED, "accounts": {**GOOD_ACCOUNTS, "nova@198.18.1.99": "0" * 12}})
    assert differing_passwords(node_facts, {**ANSWERS, **ON}) == []


def test_a_bare_node_is_not_adopted():
    assert not adopt(facts(**MACHINE), ANSWERS).cloud.deployed_by_us


@pytest.mark.parametrize(
    ("first_lines", "is_ours"),
    [("# Written by packstack-lite.", True), ("[DEFAULT]\n# Written by packstack-lite.", False)],
)
def test_our_files_are_recognised_by_their_first_line(tmp_path, first_lines, is_ours):
    command = cloud_facts.build_command()
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"{first_lines}\ndebug = false\n")
    script = command.script.replace("/etc/keystone/keystone.conf", str(conf))
    done = subprocess.run(["/bin/dash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in done.stdout.splitlines() if str(conf) in line]
    assert lines == [f"other_openstack={conf}", *([f"our_file={conf}"] if is_ours else [])]


def test_every_configuration_that_is_looked_for_has_our_first_line(tmp_path):
    """Adoption rests on the header of rendered files."""
    node_facts = files(cloud({**STORAGE, **ON}))
    command = cloud_facts.build_command()
    looked_for = set(re.findall(r"/etc/[a-z]+/[a-z-]+\.conf", command.script.partition("ml2=")[0])) & set(node_facts)
    assert len(looked_for) == 6
    assert all(text(node_facts[path]).startswith("# Written by packstack-lite") for path in looked_for)
