"""Packages, databases, message users, kernel settings, bridges and address translation, with stand-in tools."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
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
from packstack_lite.state_paths import JOBS_DIR
from tests.unit.dash import Dash, is_as_desired, missing_diff

HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m"
POLICY = "/usr/sbin/policy-rc.d"


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path, moved=[POLICY, "/var/lib/apt/lists", "/proc/sys", JOBS_DIR])


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
    for name in ("usr/sbin", "var/lib/apt/lists", "installed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "var/lib/apt/lists/x_Packages").touch()
    dash.tool("dpkg-query", DPKG_QUERY)
    dash.tool("apt-get", APT_GET)
    dash.tool("apt-cache", "[ ! -e $T/unknown ]")
    dash.tool(
        "dpkg",
        "echo dpkg $* >> $T/calls; [ ! -e $T/locked ] || { rm $T/locked; echo was locked by another >&2; exit 2; }",
    )
    dash.tool(
        "systemctl", "echo systemctl $* >> $T/calls; case $1 in is-active) [ -e $T/other ] && rm $T/other ;; esac"
    )
    dash.tool("sleep", ":")
    return dash


def test_packages_are_installed_without_starting_services(apt, tmp_path):
    packages = Packages(names=("nova-api", "nova-compute"))
    (tmp_path / "installed/nova-api").write_text("installed")
    observed = apt.probe(packages)[packages.id]
    assert observed == {"nova-api": "installed", "nova-compute": "absent", "policy-rc.d": "none"}
    job = Packages.fix([diff_resources([packages], {packages.id: observed})[0]])[0]
    assert isinstance(job, Job) and (job.name, job.stdin) == ("packages-apt", b"nova-compute")
    assert apt.run(job).ok
    assert is_as_desired(packages, apt.probe(packages)[packages.id])
    assert "exit 101" in apt.read_note("policy-then") and MARKER in apt.read_note("policy-then")
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists()
    assert "systemctl reload dbus" in apt.read_note("calls")
    assert "update" not in apt.read_note("calls")


@pytest.mark.parametrize("reason", ["unknown", "old lists"])
def test_package_lists_are_updated_when_needed(apt, tmp_path, reason):
    (tmp_path / "unknown").touch() if reason == "unknown" else (tmp_path / "var/lib/apt/lists/x_Packages").unlink()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").index("update") < apt.read_note("calls").index("install")


def test_dpkgs_lock_is_awaited(apt, tmp_path):
    (tmp_path / "locked").touch()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").count("--configure -a") == 2


def test_packages_that_were_unpacked_without_their_dependencies_are_completed(apt, tmp_path):
    """dpkg alone cannot: "dependency problems prevent configuration"."""
    apt.tool("dpkg", "echo dpkg $* >> $T/calls; [ -e $T/completed ] || { echo dependency problems >&2; exit 1; }")
    assert apt.fix(Packages(names=("a",)))[0].ok
    calls = apt.read_note("calls")
    assert calls.index("--fix-broken install") < calls.index("install a")


def test_an_installation_that_cannot_be_completed_shows_dpkgs_reason(apt, tmp_path):
    apt.tool("dpkg", "echo dependency problems >&2; exit 1")
    (tmp_path / "breaks").touch()
    reply = apt.fix(Packages(names=("a",)))[0]
    assert reply.code == 1 and "dependency problems" in reply.err


def test_an_older_batch_of_another_name_is_awaited_before_anything_is_changed(apt, tmp_path):
    """It has the same policy-rc.d, and removes it at its end."""
    jobs = tmp_path / JOBS_DIR[1:]
    for name, age in (("packages-apt", 60), ("packages-port-filter", 0)):
        (jobs / name).mkdir(parents=True)
        (jobs / name / "begun").touch()
        os.utime(jobs / name / "begun", (time.time() - age,) * 2)
    (tmp_path / "other").touch()
    early = Packages(names=("nftables",), batch="port-filter")
    assert "policy-rc.d" not in apt.probe(early)[early.id], "that of a running installation is no drift of its own"
    reply = apt.fix(early)[0]
    assert reply.ok and reply.out.count("waiting for packstack-lite-job-packages-apt, which an earlier run began") == 1
    calls = apt.read_note("calls").splitlines()
    assert calls[:2] == ["systemctl is-active -q packstack-lite-job-packages-apt.service"] * 2
    (tmp_path / "other").touch()
    assert "waiting" not in apt.fix(Packages(names=("a",)))[0].out, "the older one does not wait for the younger"


def test_a_failed_installation_is_tried_once_more(apt, tmp_path):
    (tmp_path / "stumbles").touch()
    assert apt.fix(Packages(names=("a",)))[0].ok
    assert apt.read_note("calls").count("--no-install-recommends install a") == 2


def test_a_failed_installation_removes_its_policy(apt, tmp_path):
    (tmp_path / "breaks").touch()
    assert apt.fix(Packages(names=("a",)))[0].code == 1
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists()


def test_a_killed_installation_is_completed(apt, tmp_path):
    packages = Packages(names=("a",))
    (tmp_path / "killed").touch()
    assert apt.fix(packages)[0].code == -9
    assert apt.probe(packages)[packages.id] == {"a": "absent", "policy-rc.d": "left behind"}
    (tmp_path / "killed").unlink()
    assert apt.fix(packages)[0].ok
    assert is_as_desired(packages, apt.probe(packages)[packages.id])


def test_a_policy_of_another_owner_stays(apt, tmp_path):
    (tmp_path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 0\n")
    reply = apt.fix(Packages(names=("a",)))[0]
    assert reply.code == 1 and "was not written by packstack-lite" in reply.err
    assert apt.read_note("usr/sbin/policy-rc.d") == "#!/bin/sh\nexit 0\n"


def test_a_half_configured_package_is_not_installed(apt, tmp_path):
    (tmp_path / "installed/a").write_text("half-configured")
    packages = Packages(names=("a",))
    assert apt.probe(packages)[packages.id]["a"] == "half-configured"


# --- databases


def database(**fields):
    return Database(
        **{"name": "nova", "user": "nova", "password": Secret(HOSTILE), "extra_grants": ("nova_cell0",), **fields}
    )


def client_output(charset="utf8mb3", password=HOSTILE, grants=("nova", "nova_cell0"), host="%"):
    lines = [
        f"schema\tnova\t{charset}",
        f"user\tnova@{host}\t{mysql_native_hash(Secret(password))}",
        "user\troot@localhost\t",
    ]
    return "\n".join([*lines, *(f"grant\tnova@{host} {schema}\tall" for schema in grants)]) + "\n"


def parse_state(resource, reply):
    return type(resource).probe([resource])[0].parse(reply)[resource.id]


def test_the_native_hash_is_mariadbs():
    # SELECT PASSWORD('password')
    assert mysql_native_hash(Secret("password")) == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_a_database_is_as_desired():
    assert is_as_desired(database(), parse_state(database(), Reply(0, client_output())))


@pytest.mark.parametrize(
    ("out", "differing_keys"),
    [
        (client_output(charset="latin1"), ["charset"]),
        (client_output(password="old"), ["password"]),
        (client_output(grants=("nova",)), ["grants"]),
        (client_output(host="198.18.0.1"), ["password", "grants"]),
    ],
)
def test_a_difference_of_a_database_shows_in_its_key(out, differing_keys):
    observed = parse_state(database(), Reply(0, out))
    assert [key for key, value in database().desired().items() if observed[key] != value] == differing_keys


def test_the_old_name_of_utf8mb3_is_known():
    assert is_as_desired(database(), parse_state(database(), Reply(0, client_output(charset="utf8"))))


def test_a_missing_database_and_a_silent_server_are_told_apart():
    assert parse_state(database(name="other"), Reply(0, client_output())) is None
    assert isinstance(parse_state(database(), Reply(75)), Unknown)
    for reply in (Reply(1, "", "ERROR 1064"), Reply(0, "schema\tnova\n")):
        with pytest.raises(ValueError):
            parse_state(database(), reply)


def test_database_states_hold_no_password_hash():
    hash_ = mysql_native_hash(Secret(HOSTILE))
    state = json.dumps([database().desired(), parse_state(database(), Reply(0, client_output()))])
    assert hash_ not in state and hash_[1:] not in state


def test_either_name_of_the_client_is_used(dash):
    dash.tool("mysql", "[ $1 = -e ] && exit 0; cat > $T/sql; printf 'schema\\tnova\\tutf8mb3\\n'")
    assert dash.probe(database())["database:nova"]["charset"] == "utf8mb3"
    assert "REPLACE(Db, '\\\\', '')" in dash.read_note("sql")
    dash.tool("mysql", "exit 1")
    assert isinstance(dash.probe(database())["database:nova"], Unknown)


def test_databases_are_created_by_one_command_without_a_secret_in_it():
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
def test_stored_hashes_of_all_algorithms_match(kind):
    stored = base64.b64encode(b"salt" + hashlib.new(kind, b"salt" + HOSTILE.encode()).digest()).decode()
    assert matches_password(stored, Secret(HOSTILE)) and not matches_password(stored, Secret("other"))


def test_our_hash_matches_and_is_salted_by_name():
    stored = hash_password(Secret(HOSTILE), "a")
    assert matches_password(stored, Secret(HOSTILE))
    assert stored == hash_password(Secret(HOSTILE), "a") != hash_password(Secret(HOSTILE), "b")
    assert base64.b64decode(stored)[:4] != base64.b64decode(hash_password(Secret(HOSTILE), "b"))[:4]


@pytest.mark.parametrize(
    ("password", "rights", "guest", "observed"),
    [
        (HOSTILE, 1, "error", {"password": "as answered", "permissions": True, "guest": "none"}),
        ("old", 0, "ok", {"password": "another", "permissions": False, "guest": "there"}),
    ],
)
def test_a_rabbitmq_user_is_probed(password, rights, guest, observed):
    reply = Reply(0, f'{{<<"{hash_password(Secret(password), "x")}">>,{rights},\n {guest}}}\n')
    assert parse_state(user(), reply) == observed


def test_a_missing_rabbitmq_user_and_a_silent_broker_are_told_apart():
    assert parse_state(user(), Reply(0, '{<<"none">>,0,ok}')) is None
    assert isinstance(parse_state(user(), Reply(75)), Unknown)
    for reply in (
        Reply(0, "Error: {undef}"),
        Reply(0, ""),
        Reply(1, '{<<"none">>,0,ok}'),
        Reply(0, '{<<"a">>,0,ok}'),
    ):
        with pytest.raises(ValueError):
            parse_state(user(), reply)


def test_only_a_running_broker_is_probed(dash):
    dash.tool("rabbitmqctl", 'echo "$*" > $T/asked; echo \'{<<"none">>,0,ok}\'')
    dash.tool("systemctl", "[ ! -e $T/down ]")
    assert dash.probe(user(name="q'\"u"))["message_user:q'\"u"] is None
    assert "<<113,39,34,117>>" in dash.read_note("asked")
    (dash.root / "down").touch()
    assert isinstance(dash.probe(user())["message_user:openstack"], Unknown)


def test_a_rabbitmq_user_is_created_without_the_password_on_the_node(dash):
    """A temporary file of the broker's holds the hash: in RabbitMQ 4 the command gets no standard input."""
    keep = '{ cat "$3" > $T/definitions; stat -c %a "$3" > $T/mode; echo "$3" > $T/file; cat > $T/input; }'
    dash.tool("rabbitmqctl", f'echo "$1 $2" >> $T/calls; [ "$2" = import_definitions ] && {keep} || :')
    dash.tool("chown", 'echo "$*" > $T/owner')
    assert dash.fix(user(" both ends "))[0].ok
    definitions = json.loads(dash.read_note("definitions"))
    assert matches_password(definitions["users"][0].pop("password_hash"), Secret(" both ends "))
    assert definitions["users"] == [
        {"name": "openstack", "tags": "", "hashing_algorithm": "rabbit_password_hashing_sha256"}
    ]
    assert definitions["permissions"] == [
        {"user": "openstack", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    ]
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
    assert not set("\"'`$") & set(asked), "the arguments go through a second shell"
    assert list((tmp_path / "var/lib/rabbitmq").iterdir()) == []


def _binary(text):
    return f"<<{','.join(map(str, text.encode()))}>>"


@pytest.mark.parametrize("definitions", [True, False])
def test_an_error_of_the_broker_is_a_failure(tmp_path, definitions):
    dash = Dash(tmp_path, moved=("/var/lib/rabbitmq",))
    (tmp_path / "var/lib/rabbitmq").mkdir(parents=True)
    dash.tool("chown", ":")
    dash.tool("rabbitmqctl", "exit 69")
    assert dash.fix(replace(user(), supports_definitions=definitions))[0].code == 1


# --- kernel settings


def test_kernel_settings_are_probed_and_set(dash, tmp_path):
    (tmp_path / "proc/sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
    (tmp_path / "proc/sys/net/ipv4/range").write_text("32768\t60999\n")
    dash.tool("sysctl", 'echo "$3" >> $T/set')
    kernel = Sysctl(settings=(("net.ipv4.ip_forward", "1"), ("net.ipv4.range", "32768 60999"), ("net.none", "1")))
    observed = {"net.ipv4.ip_forward": "0", "net.ipv4.range": "32768 60999", "net.none": "absent"}
    assert dash.probe(kernel)[kernel.id] == observed
    assert dash.fix(kernel)[0].ok
    assert dash.read_note("set").splitlines() == ["net.ipv4.ip_forward=1", "net.ipv4.range=32768 60999", "net.none=1"]
    with pytest.raises(ValueError):
        parse_state(kernel, Reply(0, "1\n"))


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
esac > $T/addresses
case "$*" in
*replace*) cp $T/addresses $T/address ;;
*show*) cat $T/addresses ;;
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


def test_a_bridge_is_created_with_its_address_and_without_offload(ovs):
    bridge = OvsBridge(name="br-ex", address="198.18.2.1/24", datapath="netdev")
    assert ovs.probe(bridge)[bridge.id] is None
    assert ovs.fix(bridge)[0].ok
    assert is_as_desired(bridge, ovs.probe(bridge)[bridge.id])
    assert bridge.desired()["offload"] == "off"
    assert "set bridge br-ex datapath_type=netdev" in ovs.read_note("calls")


def test_a_difference_of_a_bridge_shows_in_its_keys(ovs, tmp_path):
    (tmp_path / "bridge").touch()
    bridge = OvsBridge(name="br-ex", address="198.18.2.1/24", datapath="netdev")
    lost = {"datapath": "netdev", "address": "", "state": "down", "offload": "on"}
    assert {key: value for key, value in ovs.probe(bridge)[bridge.id].items() if key != "checksums"} == lost


def test_a_bridge_with_tunnels_computes_checksums_itself(ovs):
    bridge = OvsBridge(name="br-ex", datapath="netdev", has_tunnels=True)
    assert bridge.desired()["checksums"] == "the host's"
    assert "tso off gso off tx off" in bridge.fix([missing_diff(bridge)])[0].script
    assert "checksums" not in OvsBridge(name="br-ex", datapath="system", has_tunnels=True).desired()


def test_a_bridge_with_the_system_datapath_keeps_its_offload():
    assert OvsBridge(name="br-ex", datapath="").desired() == {"datapath": "system", "state": "up"}
    assert "ethtool" not in OvsBridge.fix([missing_diff(OvsBridge(name="br-ex"))])[0].script


def test_open_vswitch_that_does_not_run_is_unknown(ovs, tmp_path):
    (tmp_path / "down").touch()
    for resource in (
        OvsBridge(name="br-ex"),
        OvsSetting(column="other_config:x", value="true"),
        OvsManager(target="x"),
    ):
        assert ovs.probe(resource)[resource.id] == Unknown(Phase.PLATFORM, "Open vSwitch does not run")


def test_a_linux_bridge_is_created_with_its_address(dash, tmp_path):
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
    assert parse_state(other, Reply(3)) is None
    with pytest.raises(ValueError):
        parse_state(other, Reply(1))


def test_an_unexpected_reply_about_bridges_is_refused():
    for reply in (Reply(1, "", "ovs-vsctl: broken"), Reply(0, "netdev\n")):
        with pytest.raises(ValueError):
            parse_state(OvsBridge(name="br-ex"), reply)
    with pytest.raises(ValueError):
        parse_state(OvsSetting(column="other_config:x", value="true"), Reply(1))


def test_an_open_vswitch_setting_is_probed_and_set(ovs):
    setting = OvsSetting(column="other_config:userspace-tso-enable", value="true")
    assert ovs.probe(setting)[setting.id] is None
    assert ovs.fix(setting)[0].ok
    assert is_as_desired(setting, ovs.probe(setting)[setting.id])
    assert '--no-wait set Open_vSwitch . other_config:userspace-tso-enable="true"' in ovs.read_note("calls")


def test_settings_share_one_probe_and_are_quoted_for_sh(dash):
    dash.tool("ovs-vsctl", 'echo "$*" >> $T/calls; case "$*" in *get*) printf \'"a:$(b),c"\\n\\n\' ;; esac')
    first = OvsSetting(column="external_ids:ovn-bridge-mappings", value="a:$(b),c")
    second = OvsSetting(column="external_ids:ovn-remote", value="tcp:127.0.0.1:6642")
    (probe,) = OvsSetting.probe([first, second])
    assert probe.parse(dash.run(probe.command)) == {first.id: {"value": "a:$(b),c"}, second.id: None}
    assert dash.fix(first)[0].ok
    assert 'set Open_vSwitch . external_ids:ovn-bridge-mappings="a:$(b),c"' in dash.read_note("calls")
    with pytest.raises(ValueError, match=r"exit 0: 'x\\n'"):
        probe.parse(Reply(0, "x\n"))


def test_a_manager_is_added_to_those_of_others(dash):
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


def test_address_translation_is_added_once(dash):
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
    assert isinstance(parse_state(nat, Reply(75)), Unknown)


def test_address_translation_exempts_bridged_packets_when_asked(dash):
    """By other answers on a host that is there: the rule of other would go on to catch it."""
    dash.tool("iptables", IPTABLES)
    other = Nat(source_cidr="198.18.2.0/24")
    dash.fix(other)
    for nat in (Nat(source_cidr="198.18.2.0/24", exempt_bridged=True), other):
        assert not is_as_desired(nat, dash.probe(nat)[nat.id])
        assert dash.fix(nat)[0].ok
        assert is_as_desired(nat, dash.probe(nat)[nat.id])
        assert dash.read_note("rules").count("MASQUERADE") == 1
        assert ("! --physdev-is-bridged" in dash.read_note("rules")) is nat.exempt_bridged
