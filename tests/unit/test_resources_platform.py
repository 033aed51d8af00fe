"""Packages, databases, message users, kernel settings, bridges and address translation, with stand-in tools."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from packstack_lite.engine.diff import diff_resources
from packstack_lite.remote.command import Command, Job, Reply
from packstack_lite.resources import (
    Database,
    LinuxBridge,
    Nat,
    OvsBridge,
    OvsManager,
    OvsSetting,
    Packages,
    Phase,
    RabbitmqUser,
    Sysctl,
    Unknown,
)
from packstack_lite.resources.database import mysql_native_hash
from packstack_lite.resources.packages import MARKER
from packstack_lite.resources.rabbitmq_user import hash_password, matches_password
from packstack_lite.secret import Masker, Secret
from tests.unit.dash import Dash, is_as_desired, missing_diff

HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m"
POLICY = "/usr/sbin/policy-rc.d"


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path, moved=[POLICY, "/var/lib/apt/lists", "/proc/sys"])


# --- packages

DPKG_QUERY = r"""
for name in "$@"; do
    [ -e "$T/installed/$name" ] && printf '%s\t%s\n' "$name" "$(cat "$T/installed/$name")"
done
[ $# = $(ls "$T/installed" | wc -l) ]
"""
APT_GET = r"""
echo "apt-get $*" >> $T/calls
[ -e $T/breaks ] && exit 100
case "$*" in *" install "*) [ -e $T/stumbles ] && { rm $T/stumbles; exit 100; } ;; esac
case "$*" in
*" install "*)
    cp $T/usr/sbin/policy-rc.d $T/policy-then
    [ -e $T/killed ] && kill -9 $PPID && exit
    for word in "$@"; do case $word in -*|install|*=*) ;; *) echo installed > "$T/installed/$word" ;; esac; done ;;
esac
"""


@pytest.fixture
def apt(dash, tmp_path):
    for place in ("usr/sbin", "var/lib/apt/lists", "installed"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "var/lib/apt/lists/x_Packages").touch()
    dash.tool("dpkg-query", DPKG_QUERY)
    dash.tool("apt-get", APT_GET)
    dash.tool("apt-cache", "[ ! -e $T/unknown ]")
    dash.tool(
        "dpkg",
        "echo dpkg $* >> $T/calls; [ ! -e $T/locked ] || { rm $T/locked; echo was locked by another >&2; exit 2; }",
    )
    dash.tool("systemctl", "echo systemctl $* >> $T/calls")
    dash.tool("sleep", ":")
    return dash


def test_packages_are_installed_without_starting_anything(apt, tmp_path):
    packages = Packages(names=("nova-api", "nova-compute"))
    (tmp_path / "installed/nova-api").write_text("installed")
    seen = apt.probe(packages)[packages.id]
    assert seen == {"nova-api": "installed", "nova-compute": "absent", "policy-rc.d": "none"}
    job = Packages.fix([diff_resources([packages], {packages.id: seen})[0]])[0]
    assert isinstance(job, Job) and (job.name, job.stdin) == ("packages-apt", b"nova-compute")
    assert apt.run(job).ok
    assert is_as_desired(packages, apt.probe(packages)[packages.id])
    assert "exit 101" in apt.read_note("policy-then") and MARKER in apt.read_note("policy-then")
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists()
    assert "systemctl reload dbus" in apt.read_note("calls")
    assert "update" not in apt.read_note("calls")


@pytest.mark.parametrize("why", ["unknown", "old lists"])
def test_lists_are_fetched_when_they_would_not_do(apt, tmp_path, why):
    (tmp_path / "unknown").touch() if why == "unknown" else (tmp_path / "var/lib/apt/lists/x_Packages").unlink()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").index("update") < apt.read_note("calls").index("install")


def test_a_held_lock_is_waited_for(apt, tmp_path):
    (tmp_path / "locked").touch()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").count("dpkg --configure -a") == 2


def test_an_installation_that_stumbles_is_tried_once_more(apt, tmp_path):
    (tmp_path / "stumbles").touch()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").count("--no-install-recommends a") == 2


def test_a_failed_installation_leaves_no_policy(apt, tmp_path):
    (tmp_path / "breaks").touch()
    assert apt.fix(Packages(names=("a",)))[0].code == 1
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists()


def test_a_killed_installation_is_made_good(apt, tmp_path):
    packages = Packages(names=("a",))
    (tmp_path / "killed").touch()
    assert apt.fix(packages)[0].code == -9
    assert apt.probe(packages)[packages.id] == {"a": "absent", "policy-rc.d": "left behind"}
    (tmp_path / "killed").unlink()
    assert apt.fix(packages)[0].ok
    assert is_as_desired(packages, apt.probe(packages)[packages.id])


def test_somebody_elses_policy_stays(apt, tmp_path):
    (tmp_path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 0\n")
    reply = apt.fix(Packages(names=("a",)))[0]
    assert reply.code == 1 and "was not written by packstack-lite" in reply.err
    assert apt.read_note("usr/sbin/policy-rc.d") == "#!/bin/sh\nexit 0\n"


def test_half_configured_is_not_installed(apt, tmp_path):
    (tmp_path / "installed/a").write_text("half-configured")
    packages = Packages(names=("a",))
    assert apt.probe(packages)[packages.id]["a"] == "half-configured"


# --- databases


def database(**more):
    return Database(
        **{"name": "nova", "user": "nova", "password": Secret(HOSTILE), "extra_grants": ("nova_cell0",), **more}
    )


def told(charset="utf8mb3", password=HOSTILE, grants=("nova", "nova_cell0"), host="%"):
    lines = [
        f"schema\tnova\t{charset}",
        f"user\tnova@{host}\t{mysql_native_hash(Secret(password))}",
        "user\troot@localhost\t",
    ]
    return "\n".join([*lines, *(f"grant\tnova@{host} {schema}\tall" for schema in grants)]) + "\n"


def seen_of(resource, reply):
    return type(resource).probe([resource])[0].parse(reply)[resource.id]


def test_native_hash_is_mariadbs():
    # SELECT PASSWORD('password')
    assert mysql_native_hash(Secret("password")) == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_database_as_wanted():
    assert is_as_desired(database(), seen_of(database(), Reply(0, told())))


@pytest.mark.parametrize(
    ("out", "differs"),
    [
        (told(charset="latin1"), ["charset"]),
        (told(password="old"), ["password"]),
        (told(grants=("nova",)), ["grants"]),
        (told(host="198.18.0.1"), ["password", "grants"]),
    ],
)
def test_database_that_differs(out, differs):
    seen = seen_of(database(), Reply(0, out))
    assert [key for key, value in database().desired().items() if seen[key] != value] == differs


def test_an_old_server_calls_the_character_set_by_its_old_name():
    assert is_as_desired(database(), seen_of(database(), Reply(0, told(charset="utf8"))))


def test_database_that_is_not_there_or_cannot_be_asked():
    assert seen_of(database(name="other"), Reply(0, told())) is None
    assert isinstance(seen_of(database(), Reply(75)), Unknown)
    for nonsense in (Reply(1, "", "ERROR 1064"), Reply(0, "schema\tnova\n")):
        with pytest.raises(ValueError):
            seen_of(database(), nonsense)


def test_database_states_hold_nothing_to_log_in_with():
    hash_ = mysql_native_hash(Secret(HOSTILE))
    state = json.dumps([database().desired(), seen_of(database(), Reply(0, told()))])
    assert hash_ not in state and hash_[1:] not in state


def test_database_is_asked_through_either_client(dash):
    dash.tool("mysql", "[ $1 = -e ] && exit 0; cat > $T/sql; printf 'schema\\tnova\\tutf8mb3\\n'")
    assert dash.probe(database())["database:nova"]["charset"] == "utf8mb3"
    assert "REPLACE(Db, '\\\\', '')" in dash.read_note("sql")
    dash.tool("mysql", "exit 1")
    assert isinstance(dash.probe(database())["database:nova"], Unknown)


def test_databases_are_made_in_one_command_without_a_secret_in_it():
    command = Database.fix(
        [
            missing_diff(database()),
            missing_diff(database(name="glance", user="gl'ance", client_hosts=("%", "localhost"))),
        ]
    )
    assert len(command) == 1 and isinstance(command[0], Command)
    assert not Masker([Secret(HOSTILE)]).contains_secret(command[0].script)
    sql = command[0].stdin.decode().splitlines()
    quoted = "'a$b %c\"d''e\\\\f#g;h@i/j:k&l!m'"
    assert f"CREATE USER IF NOT EXISTS 'nova'@'%' IDENTIFIED BY {quoted};" in sql
    assert f"ALTER USER 'gl''ance'@'localhost' IDENTIFIED BY {quoted};" in sql
    assert "GRANT ALL PRIVILEGES ON `nova_cell0`.* TO 'nova'@'%';" in sql


# --- message users


def user(password=HOSTILE, name="openstack"):
    return RabbitmqUser(name=name, password=Secret(password))


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha512"])
def test_stored_hashes_of_all_kinds_are_understood(kind):
    stored = base64.b64encode(b"salt" + hashlib.new(kind, b"salt" + HOSTILE.encode()).digest()).decode()
    assert matches_password(stored, Secret(HOSTILE)) and not matches_password(stored, Secret("other"))


def test_own_hash_is_understood_and_salted_by_name():
    stored = hash_password(Secret(HOSTILE), "a")
    assert matches_password(stored, Secret(HOSTILE))
    assert stored == hash_password(Secret(HOSTILE), "a") != hash_password(Secret(HOSTILE), "b")
    assert base64.b64decode(stored)[:4] != base64.b64decode(hash_password(Secret(HOSTILE), "b"))[:4]


@pytest.mark.parametrize(
    ("password", "rights", "guest", "seen"),
    [
        (HOSTILE, 1, "error", {"password": "as answered", "permissions": True, "guest": "none"}),
        ("old", 0, "ok", {"password": "another", "permissions": False, "guest": "there"}),
    ],
)
def test_message_user_is_seen(password, rights, guest, seen):
    reply = Reply(0, f'{{<<"{hash_password(Secret(password), "x")}">>,{rights},\n {guest}}}\n')
    assert seen_of(user(), reply) == seen


def test_message_user_that_is_not_there_or_cannot_be_asked():
    assert seen_of(user(), Reply(0, '{<<"none">>,0,ok}')) is None
    assert isinstance(seen_of(user(), Reply(75)), Unknown)
    for nonsense in (
        Reply(0, "Error: {undef}"),
        Reply(0, ""),
        Reply(1, '{<<"none">>,0,ok}'),
        Reply(0, '{<<"a">>,0,ok}'),
    ):
        with pytest.raises(ValueError):
            seen_of(user(), nonsense)


def test_message_user_is_asked_only_of_a_running_broker(dash):
    dash.tool("rabbitmqctl", 'echo "$*" > $T/asked; echo \'{<<"none">>,0,ok}\'')
    dash.tool("systemctl", "[ ! -e $T/down ]")
    assert dash.probe(user(name="q'\"u"))["message_user:q'\"u"] is None
    assert "<<113,39,34,117>>" in dash.read_note("asked")
    (dash.root / "down").touch()
    assert isinstance(dash.probe(user())["message_user:openstack"], Unknown)


def test_message_user_is_made_without_the_password_on_the_host(dash):
    """By way of a file of the broker's own, gone in the end: RabbitMQ 4 keeps the command from its input."""
    keep = '{ cat "$3" > $T/definitions; stat -c %a "$3" > $T/mode; echo "$3" > $T/file; cat > $T/input; }'
    dash.tool("rabbitmqctl", f'echo "$1 $2" >> $T/calls; [ "$2" = import_definitions ] && {keep} || :')
    dash.tool("chown", 'echo "$*" > $T/owner')
    assert dash.fix(user(" both ends "))[0].ok
    made = json.loads(dash.read_note("definitions"))
    assert matches_password(made["users"][0].pop("password_hash"), Secret(" both ends "))
    assert made["users"] == [{"name": "openstack", "tags": "", "hashing_algorithm": "rabbit_password_hashing_sha256"}]
    assert made["permissions"] == [{"user": "openstack", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]
    assert sorted(dash.read_note("calls").splitlines()) == ["-q delete_user", "-q import_definitions"]
    file = dash.read_note("file").strip()
    assert (dash.read_note("mode"), dash.read_note("owner"), dash.read_note("input")) == (
        "600\n",
        f"rabbitmq {file}\n",
        "",
    )
    assert not Path(file).exists()


def test_a_broker_without_definitions_reads_the_hash_from_a_file(tmp_path):
    dash = Dash(tmp_path, moved=("/var/lib/rabbitmq",))
    (tmp_path / "var/lib/rabbitmq").mkdir(parents=True)
    dash.tool("rabbitmqctl", '[ "$2" = eval ] && { echo "$3" > $T/asked; cat $T/var/lib/rabbitmq/* > $T/terms; } || :')
    dash.tool("chown", 'echo "$*" > $T/owner')
    old = replace(user(" both ends "), supports_definitions=False)
    assert dash.fix(old)[0].ok
    stored = hash_password(Secret(" both ends "), "openstack")
    terms = ("openstack", stored, "/", ".*", "packstack-lite")
    assert dash.read_note("terms") == f"{{{', '.join(map(_binary, terms))}}}.\n"
    asked = dash.read_note("asked")
    assert stored not in asked and "both" not in asked
    path = bytes(map(int, re.search(r"consult\(<<([0-9,]+)>>\)", asked)[1].split(","))).decode()
    assert path.startswith(f"{tmp_path}/var/lib/rabbitmq/")
    assert not set("\"'`$") & set(asked), "the words go through a second shell"
    assert list((tmp_path / "var/lib/rabbitmq").iterdir()) == []


def _binary(text):
    return f"<<{','.join(map(str, text.encode()))}>>"


@pytest.mark.parametrize("definitions", [True, False])
def test_a_broker_that_refuses_is_a_failure(tmp_path, definitions):
    dash = Dash(tmp_path, moved=("/var/lib/rabbitmq",))
    (tmp_path / "var/lib/rabbitmq").mkdir(parents=True)
    dash.tool("chown", ":")
    dash.tool("rabbitmqctl", "exit 69")
    assert dash.fix(replace(user(), supports_definitions=definitions))[0].code == 1


# --- kernel settings


def test_sysctl_is_seen_and_set(dash, tmp_path):
    (tmp_path / "proc/sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
    (tmp_path / "proc/sys/net/ipv4/range").write_text("32768\t60999\n")
    dash.tool("sysctl", 'echo "$3" >> $T/set')
    kernel = Sysctl(settings=(("net.ipv4.ip_forward", "1"), ("net.ipv4.range", "32768 60999"), ("net.none", "1")))
    seen = {"net.ipv4.ip_forward": "0", "net.ipv4.range": "32768 60999", "net.none": "absent"}
    assert dash.probe(kernel)[kernel.id] == seen
    assert dash.fix(kernel)[0].ok
    assert dash.read_note("set").splitlines() == ["net.ipv4.ip_forward=1", "net.ipv4.range=32768 60999", "net.none=1"]
    with pytest.raises(ValueError):
        seen_of(kernel, Reply(0, "1\n"))


# --- Open vSwitch

VSCTL = r"""
echo "$*" >> $T/calls
case "$*" in
*show) [ ! -e $T/down ] ;;
*br-exists*) [ -e $T/bridge ] || exit 2 ;;
"get bridge"*) echo '"netdev"' ;;
*add-br*) : > $T/bridge ;;
*" get "*) cat $T/setting 2>/dev/null || echo ;;
*" set "*) echo '"true"' > $T/setting ;;
esac
"""
IP = r"""
case "$*" in
*addr*show*) cat $T/address 2>/dev/null ;;
*addr*replace*) echo "9: br-ex inet 198.18.9.9/32 scope"; echo "9: br-ex    inet $3 brd x scope" ;;
*link*show*) echo "9: br-ex: <BROADCAST,MULTICAST$(cat $T/up 2>/dev/null)> mtu 1500" ;;
esac > $T/said
case "$*" in
*replace*) cp $T/said $T/address ;;
*show*) cat $T/said ;;
*"link set"*up) echo ,UP,LOWER_UP > $T/up ;;
esac
"""
ETHTOOL = r"""
case $1 in
-k) echo "tcp-segmentation-offload: $(cat $T/offload 2>/dev/null || echo on)" ;;
-K) echo off > $T/offload ;;
esac
"""


@pytest.fixture
def ovs(dash):
    dash.tool("ovs-vsctl", VSCTL)
    dash.tool("ip", IP)
    dash.tool("ethtool", ETHTOOL)
    return dash


def test_bridge_is_made_with_its_address_and_without_offload(ovs):
    bridge = OvsBridge(name="br-ex", address="198.18.2.1/24", datapath="netdev")
    assert ovs.probe(bridge)[bridge.id] is None
    assert ovs.fix(bridge)[0].ok
    assert is_as_desired(bridge, ovs.probe(bridge)[bridge.id])
    assert bridge.desired()["offload"] == "off"
    assert "set bridge br-ex datapath_type=netdev" in ovs.read_note("calls")


def test_bridge_that_lost_what_it_had_is_told_by_keys(ovs, tmp_path):
    (tmp_path / "bridge").touch()
    bridge = OvsBridge(name="br-ex", address="198.18.2.1/24", datapath="netdev")
    lost = {"datapath": "netdev", "address": "", "state": "down", "offload": "on"}
    assert {key: value for key, value in ovs.probe(bridge)[bridge.id].items() if key != "checksums"} == lost


def test_bridge_of_several_hosts_computes_checksums_itself(ovs):
    bridge = OvsBridge(name="br-ex", datapath="netdev", has_tunnels=True)
    assert bridge.desired()["checksums"] == "the host's"
    assert "tso off gso off tx off" in bridge.fix([missing_diff(bridge)])[0].script
    assert "checksums" not in OvsBridge(name="br-ex", datapath="system", has_tunnels=True).desired()


def test_bridge_of_the_kernel_keeps_its_offload():
    assert OvsBridge(name="br-ex", datapath="").desired() == {"datapath": "system", "state": "up"}
    assert "ethtool" not in OvsBridge.fix([missing_diff(OvsBridge(name="br-ex"))])[0].script


def test_switch_that_does_not_run_cannot_tell(ovs, tmp_path):
    (tmp_path / "down").touch()
    for resource in (
        OvsBridge(name="br-ex"),
        OvsSetting(column="other_config:x", value="true"),
        OvsManager(target="x"),
    ):
        assert ovs.probe(resource)[resource.id] == Unknown(Phase.PLATFORM, "Open vSwitch does not run")


def test_linux_bridge_is_made_with_its_address(dash, tmp_path):
    name = "lo"  # there on every machine, and no bridge
    other = LinuxBridge(name=name, address="198.18.2.1/24")
    dash.tool("ip", IP)
    assert dash.probe(other)[other.id]["kind"] == "other"
    (command,) = LinuxBridge.fix([missing_diff(LinuxBridge(name="br-x", address="198.18.2.1/24"))])
    assert command.script.splitlines() == [
        "[ -e /sys/class/net/br-x ] || ip link add br-x type bridge || exit 1",
        "ip link set br-x up || exit 1",
        "ip addr replace 198.18.2.1/24 dev br-x || exit 1",
    ]
    assert other.desired() == {"kind": "bridge", "state": "up", "address": "198.18.2.1/24"}
    assert seen_of(other, Reply(3)) is None
    with pytest.raises(ValueError):
        seen_of(other, Reply(1))


def test_nonsense_about_bridges_is_refused():
    for reply in (Reply(1, "", "ovs-vsctl: broken"), Reply(0, "netdev\n")):
        with pytest.raises(ValueError):
            seen_of(OvsBridge(name="br-ex"), reply)
    with pytest.raises(ValueError):
        seen_of(OvsSetting(column="other_config:x", value="true"), Reply(1))


def test_setting_of_the_switch(ovs):
    setting = OvsSetting(column="other_config:userspace-tso-enable", value="true")
    assert ovs.probe(setting)[setting.id] is None
    assert ovs.fix(setting)[0].ok
    assert is_as_desired(setting, ovs.probe(setting)[setting.id])
    assert '--no-wait set Open_vSwitch . other_config:userspace-tso-enable="true"' in ovs.read_note("calls")


def test_settings_are_read_in_one_command_and_keep_what_sh_would_eat(dash):
    dash.tool("ovs-vsctl", 'echo "$*" >> $T/calls; case "$*" in *get*) printf \'"a:$(b),c"\\n\\n\' ;; esac')
    first = OvsSetting(column="external_ids:ovn-bridge-mappings", value="a:$(b),c")
    second = OvsSetting(column="external_ids:ovn-remote", value="tcp:127.0.0.1:6642")
    (look,) = OvsSetting.probe([first, second])
    assert look.parse(dash.run(look.command)) == {first.id: {"value": "a:$(b),c"}, second.id: None}
    assert dash.fix(first)[0].ok
    assert 'set Open_vSwitch . external_ids:ovn-bridge-mappings="a:$(b),c"' in dash.read_note("calls")
    with pytest.raises(ValueError, match=r"exit 0: 'x\\n'"):
        look.parse(Reply(0, "x\n"))


def test_a_manager_is_added_beside_those_of_others(dash):
    listed = 'case "$*" in *get-manager) cat $T/managers ;; *create*) echo ptcp:6640:127.0.0.1 >> $T/managers ;; esac'
    dash.tool("ovs-vsctl", f'echo "$*" >> $T/calls; {listed}')
    (dash.root / "managers").write_text("ssl:198.18.1.1:6640\n")
    manager = OvsManager(target="ptcp:6640:127.0.0.1")
    assert dash.probe(manager)[manager.id] is None
    assert dash.fix(manager)[0].ok
    assert is_as_desired(manager, dash.probe(manager)[manager.id])
    assert dash.read_note("managers").splitlines() == ["ssl:198.18.1.1:6640", "ptcp:6640:127.0.0.1"]
    assert "set-manager" not in dash.read_note("calls")


IPTABLES = r"""
shift 2
rule=$(echo "$*" | sed 's/-[ACD] //')
case " $* " in
*" -C "*) grep -qxF -e "$rule" $T/rules 2>/dev/null ;;
*" -A "*) echo "$rule" >> $T/rules ;;
*" -D "*) grep -vxF -e "$rule" $T/rules > $T/left; mv $T/left $T/rules ;;
esac
"""


def test_translation_is_added_once(dash):
    dash.tool("iptables", IPTABLES)
    nat = Nat(source_cidr="198.18.2.0/24", bridge="br-ex")
    assert dash.probe(nat)[nat.id] is None
    for _ in range(2):
        assert dash.fix(nat)[0].ok
        assert is_as_desired(nat, dash.probe(nat)[nat.id])
    assert dash.read_note("rules").splitlines() == [
        "-t nat POSTROUTING -s 198.18.2.0/24 ! -o br-ex -j MASQUERADE",
        "FORWARD -i br-ex -j ACCEPT",
        "FORWARD -o br-ex -j ACCEPT",
    ]
    assert isinstance(seen_of(nat, Reply(75)), Unknown)


def test_translation_leaves_alone_what_only_passes_a_bridge_where_instances_are_behind_one(dash):
    """By other answers on a host that is there: the rule of before would go on to catch it."""
    dash.tool("iptables", IPTABLES)
    before = Nat(source_cidr="198.18.2.0/24")
    dash.fix(before)
    for nat in (Nat(source_cidr="198.18.2.0/24", exempt_bridged=True), before):
        assert not is_as_desired(nat, dash.probe(nat)[nat.id])
        assert dash.fix(nat)[0].ok
        assert is_as_desired(nat, dash.probe(nat)[nat.id])
        assert dash.read_note("rules").count("MASQUERADE") == 1
        assert ("! --physdev-is-bridged" in dash.read_note("rules")) is nat.exempt_bridged
