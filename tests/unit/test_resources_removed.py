"""What an earlier run made goes, and nothing else: accounts, files, rules, units and settings, with stand-in tools."""

from __future__ import annotations

import pytest

from packstack_lite.engine.diff import diff_resources
from packstack_lite.remote.command import Job
from packstack_lite.resources import (
    OvsSetting,
    Phase,
    RemovedDatabaseUser,
    RemovedFile,
    RemovedMetadataAgent,
    RemovedNat,
    RemovedRabbitmqUser,
    Unit,
    Unknown,
)
from packstack_lite.state_paths import STATE_DIR
from tests.unit.dash import Dash, missing_diff


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path, moved=[STATE_DIR, "/run/packstack-lite-units"])


def remove(dash, resource):
    """Remove a resource that is there; check that it is gone then and that a second run has nothing to do."""
    observed = dash.probe(resource)
    assert [diff.resource.id for diff in diff_resources([resource], observed)] == [resource.id]
    assert all(reply.ok for reply in dash.fix(resource))
    assert diff_resources([resource], dash.probe(resource)) == []


RABBITMQCTL = r"""
users=$T/users
case "$*" in
*list_users) printf 'user\ttags\n'; sed 's/$/\t[]/' $users ;;
*delete_user*) for name in "$@"; do :; done; grep -vxF -e "$name" $users > $users.new; mv $users.new $users ;;
esac
"""


@pytest.mark.parametrize("name", ["amqp_user", "-odd 'name'", "a$(b)"])
def test_an_old_user_of_rabbitmq_is_deleted(dash, tmp_path, name):
    dash.tool("systemctl", "exit 0")
    dash.tool("rabbitmqctl", RABBITMQCTL)
    (tmp_path / "users").write_text(f"{name}\nnew\n{name}x\n")
    remove(dash, RemovedRabbitmqUser(name=name))
    assert dash.read_note("users") == f"new\n{name}x\n"


def test_a_broker_that_does_not_run_makes_its_users_unknown(dash):
    dash.tool("rabbitmqctl", "exit 0")
    dash.tool("systemctl", "exit 3")
    user = RemovedRabbitmqUser(name="a")
    assert dash.probe(user)[user.id] == Unknown(Phase.PLATFORM, "RabbitMQ does not answer")


MARIADB = r"""
case "$*" in
*"SELECT 1"*) exit ${MARIADB_DOWN:-0} ;;
*"FROM mysql.user"*) echo "$*" > $T/options; cat $T/accounts ;;
*) cat > $T/sql; : > $T/accounts ;;
esac
"""


def test_an_old_database_account_is_dropped_and_no_database(dash, tmp_path):
    dash.tool("mariadb", MARIADB)
    (tmp_path / "accounts").write_text("nova@198.18.1.9\nnova@198.18.1.10\n")
    account = RemovedDatabaseUser(user="nova", host="198.18.1.9", option_file="/root/.cnf")
    remove(dash, account)
    assert dash.read_note("sql") == "DROP USER IF EXISTS 'nova'@'198.18.1.9';\n"
    assert dash.read_note("options").startswith("--defaults-extra-file=/root/.cnf ")


def test_a_database_that_does_not_answer_makes_its_accounts_unknown(dash, monkeypatch):
    dash.tool("mariadb", MARIADB)
    monkeypatch.setenv("MARIADB_DOWN", "1")
    account = RemovedDatabaseUser(user="nova", host="h")
    assert isinstance(dash.probe(account)[account.id], Unknown)


def test_our_files_go_their_originals_come_back_and_others_stay(dash, tmp_path):
    ours, replaced, foreign = (tmp_path / name for name in ("ours.conf", "replaced.conf", "foreign.conf"))
    for path in (ours, replaced, foreign):
        path.write_text("new\n")
    (tmp_path / "replaced.conf.packstack-lite.orig").write_text("of the package\n")
    state = tmp_path / STATE_DIR.lstrip("/")
    state.mkdir(parents=True)
    (state / "files").write_text(f"{ours}\n{replaced}\n/etc/nova/nova.conf\n")
    files = [RemovedFile(path=str(path)) for path in (ours, replaced, foreign, tmp_path / "gone")]
    diffs = diff_resources(files, dash.probe(*files))
    assert [diff.resource.path for diff in diffs] == [str(ours), str(replaced)]
    assert all(dash.run(action).ok for action in RemovedFile.fix(diffs))
    assert (ours.exists(), replaced.read_text(), foreign.read_text()) == (False, "of the package\n", "new\n")
    assert (state / "files").read_text() == "/etc/nova/nova.conf\n"
    assert diff_resources(files, dash.probe(*files)) == []


def test_a_removed_file_of_a_unit_makes_systemd_reload(tmp_path):
    path = "/etc/systemd/system/x.service.d/ours.conf"
    dash = Dash(tmp_path, moved=[STATE_DIR])
    (script,) = [action.script for action in RemovedFile.fix([missing_diff(RemovedFile(path=path))])]
    assert "case $path in /etc/systemd/system/*) : > /run/packstack-lite-units" in script
    assert dash.root


IPTABLES = r"""
rules=$T/rules
case "$*" in
*"-S POSTROUTING"*) sed 's/^/-A POSTROUTING /' $rules ;;
*"-D POSTROUTING"*)
    rule=${*##*-D POSTROUTING }
    grep -qxF -e "$rule" $rules || exit 1
    grep -vxF -e "$rule" $rules > $rules.new; mv $rules.new $rules ;;
esac
"""


@pytest.mark.parametrize("exemption", ["", " -m physdev ! --physdev-is-bridged"])
def test_an_old_ranges_translation_goes_and_another_ranges_stays(dash, tmp_path, exemption):
    dash.tool("iptables", IPTABLES)
    old, new = (f"-s 198.18.{n}.0/24 ! -o br-ex{exemption} -j MASQUERADE\n" for n in (2, 3))
    (tmp_path / "rules").write_text(old + new)
    remove(dash, RemovedNat(source_cidr="198.18.2.0/24", bridge="br-ex"))
    assert dash.read_note("rules") == new


OVN_SBCTL = r"""
echo "$*" >> $T/calls
case "$*" in
*"find Chassis hostname=gone") exit 0 ;;
*"find Chassis"*) echo chassis-1 ;;
*"list Chassis_Private"*) [ ! -e $T/old ] ;;
*get*neutron:ovn-metadata-id*) [ -e $T/removed ] || echo '"0a-1b"' ;;
*remove*neutron:ovn-metadata-id*) : > $T/removed ;;
esac
"""


@pytest.mark.parametrize(("is_old", "table"), [(False, "Chassis_Private"), (True, "Chassis")])
def test_a_metadata_agent_goes_and_its_chassis_stays(dash, tmp_path, is_old, table):
    dash.tool("ovn-sbctl", OVN_SBCTL)
    if is_old:
        (tmp_path / "old").touch()
    remove(dash, RemovedMetadataAgent(hostname="aio", database="tcp:127.0.0.1:6642"))
    writes = [line.split("6642 ")[1] for line in dash.read_note("calls").splitlines() if "external_ids" in line]
    assert [line for line in writes if "get" not in line] == [
        f'remove {table} chassis-1 external_ids "neutron:ovn-metadata-id" "neutron:ovn-metadata-sb-cfg"',
        'set SB_Global . external_ids:delete_agent="0a-1b"',
        "remove SB_Global . external_ids delete_agent",
    ]


def test_a_node_without_a_chassis_has_no_metadata_agent(dash):
    dash.tool("ovn-sbctl", OVN_SBCTL)
    agent = RemovedMetadataAgent(hostname="gone", database="tcp:127.0.0.1:6642")
    assert dash.probe(agent) == {agent.id: None}


# Files $T/relatives: the units that start a.service, or that it starts; $T/active and $T/enabled: of these, those that
# run, and those that start at boot.
SYSTEMCTL = r"""
echo "$*" >> $T/calls
verb=$1
for last in "$@"; do :; done
case "$*" in
"show --property=TriggeredBy,Triggers a.service")
    echo "TriggeredBy=$(head -n 1 $T/relatives 2>/dev/null)"; echo "Triggers=$(tail -n +2 $T/relatives 2>/dev/null)" ;;
show*) cat $T/unit ;;
is-active*) grep -qxF -e "$last" $T/active 2>/dev/null && echo active || echo inactive ;;
is-enabled*) grep -qxF -e "$last" $T/enabled 2>/dev/null && echo enabled || { echo static; exit 1; } ;;
stop*) for word in "$@"; do grep -vxF -e "$word" $T/active > $T/new 2>/dev/null; mv $T/new $T/active; done ;;
disable*)
    if [ "$last" = a.service ]; then
        printf 'Id=a.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n' > $T/unit
    else
        grep -vxF -e "$last" $T/enabled > $T/new; mv $T/new $T/enabled
    fi ;;
esac
"""


def test_a_removed_unit_is_stopped_and_disabled(dash, tmp_path):
    dash.tool("systemctl", SYSTEMCTL)
    (tmp_path / "unit").write_text("Id=a.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
    digests = tmp_path / f"{STATE_DIR}/units".lstrip("/")
    digests.mkdir(parents=True)
    (digests / "a.service").write_text("0\n")
    unit = Unit(name="a", state="removed", phase=Phase.REMOVE)
    remove(dash, unit)
    assert "stop a.service" in dash.read_note("calls").splitlines()
    assert not (digests / "a.service").exists()
    assert all(isinstance(action, Job) for action in Unit.fix([missing_diff(unit)]))


@pytest.mark.parametrize("relatives", ["libvirtd.socket libvirtd-ro.socket\n", "\nvirtqemud.service\n"])
@pytest.mark.parametrize("state", ["active", "enabled"])
def test_what_would_start_a_removed_unit_again_goes_with_it(dash, tmp_path, relatives, state):
    """And what it has started: of virtqemud.socket, the service; else libvirtd.socket would start libvirtd again."""
    dash.tool("systemctl", SYSTEMCTL)
    (tmp_path / "unit").write_text("Id=a.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n")
    (tmp_path / "relatives").write_text(relatives)
    (tmp_path / state).write_text("\n".join(relatives.split()))
    unit = Unit(name="a", state="removed")
    remove(dash, unit)
    assert (tmp_path / state).read_text() == ""
    (stop_call,) = [line for line in dash.read_note("calls").splitlines() if line.startswith("stop")]
    assert stop_call.split() == ["stop", *relatives.split(), "a.service"]


@pytest.mark.parametrize(
    ("load", "active", "enabled"),
    [
        ("not-found", "inactive", ""),
        ("loaded", "inactive", "disabled"),
        ("loaded", "failed", "static"),
        ("masked", "inactive", "masked"),
        ("loaded", "inactive", "generated"),
    ],
)
def test_a_unit_that_neither_runs_nor_starts_at_boot_is_removed(dash, tmp_path, load, active, enabled):
    dash.tool("systemctl", SYSTEMCTL)
    state = f"Id=a.service\nLoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n"
    (tmp_path / "unit").write_text(state)
    unit = Unit(name="a", state="removed")
    assert diff_resources([unit], dash.probe(unit)) == []


OVS_VSCTL = r"""
case "$*" in
*remove*) echo "$*" > $T/call; : > $T/value ;;
*get*) cat $T/value ;;
esac
"""


def test_a_setting_without_a_value_is_unset(dash, tmp_path):
    dash.tool("ovs-vsctl", OVS_VSCTL)
    (tmp_path / "value").write_text('"enable-chassis-as-gw"\n')
    setting = OvsSetting(column="external_ids:ovn-cms-options", value="")
    observed = dash.probe(setting)
    assert [diff.resource.id for diff in diff_resources([setting], observed)] == [setting.id]
    assert all(reply.ok for reply in dash.fix(setting))
    assert dash.read_note("call").split("--no-wait ")[1] == "remove Open_vSwitch . external_ids ovn-cms-options\n"
    assert setting.manifest_entries == ()
