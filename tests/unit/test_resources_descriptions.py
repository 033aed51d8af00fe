"""The sentences that plan, apply and verify print, one row per kind of resource and way to differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packstack_lite.engine.diff import describe_diff
from packstack_lite.engine.verify import verify
from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources import (
    Absent,
    AllowedPeer,
    ApiObject,
    Credentials,
    Database,
    Diff,
    Directory,
    File,
    FileSystem,
    FirewalldForward,
    FirewalldPorts,
    HostsEntry,
    IniSettings,
    IptablesPorts,
    KeyRepository,
    LinuxBridge,
    Nat,
    OnlyAllowedPeers,
    OvsBridge,
    OvsManager,
    OvsSetting,
    Packages,
    Phase,
    PortFilter,
    RabbitmqUser,
    RemovedDatabaseUser,
    RemovedFile,
    RemovedMetadataAgent,
    RemovedNat,
    RemovedRabbitmqUser,
    RunOnce,
    SelinuxBooleans,
    SelinuxPermissive,
    StateDirectory,
    SwiftRings,
    Symlink,
    Sysctl,
    TunedProfile,
    Unit,
    UnitHolds,
    Unknown,
    Uplink,
    UserFiles,
    VolumeGroup,
    YumMirrors,
)
from packstack_lite.secret import Masker, Secret

ADMIN = Credentials("http://127.0.0.1:5000/v3", "admin", Secret("s3cret"), "admin", "RegionOne")
CONFIG = File(path="/etc/nova/nova.conf", content="a = 1\n", mode=0o640, group="nova")
CONDUCTOR = Unit(name="nova-conductor", restart_triggers=(CONFIG,))
RUNNING = dict(CONDUCTOR.desired())
USER = ApiObject(
    type="user", name="glance", credentials=ADMIN, body={"project": "service"}, secrets={"password": Secret("x")}
)
AGENT = ApiObject(type="compute_service", name="nova-compute@aio", credentials=ADMIN, body={"alive": True})
SYNC = RunOnce(name="nova-schema", script=":", probe_script=":", description="sync nova's schema")
FILTER = PortFilter(unit="guard.service", script="/etc/packstack-lite/guard")
PACKAGES = Packages(names=("a", "b", "c", "d", "e", "f", "g"))


def diff_of(resource, observed, triggered_by=()):
    """The diff of a resource from an observed state, as engine.diff makes it."""
    desired = resource.desired()
    if desired is None:
        keys = ("exists",)
    elif observed is None or isinstance(observed, Unknown):
        keys = tuple(desired)
    else:
        keys = tuple(key for key, value in desired.items() if observed.get(key) != value)
    return Diff(resource, observed, keys, triggered_by)


# Resource, observed state, and the sentence. test_resources_kinds.py demands a row of every kind.
SENTENCES = [
    (CONFIG, None, "write /etc/nova/nova.conf (new)"),
    (
        CONFIG,
        {**CONFIG.desired(), "sha256": "0", "mode": "0644"},
        "write /etc/nova/nova.conf (changed: content, mode 0644 → 0640)",
    ),
    (Directory(path="/srv/node"), None, "create directory /srv/node"),
    (Absent(path="/etc/x"), {"type": "file"}, "remove /etc/x"),
    (Symlink(path="/etc/a", target="/b"), {"target": "/c"}, "link /etc/a to /b (was a link to /c)"),
    (Symlink(path="/etc/a", target="/b"), {"target": "-"}, "link /etc/a to /b (was a file)"),
    (Unit(name="mariadb"), None, "start mariadb (new)"),
    (
        Unit(name="nova-compute", state="removed"),
        {"active": "active", "enabled": "enabled"},
        "stop and disable nova-compute (no longer in the answers)",
    ),
    (RemovedRabbitmqUser(name="old"), {"exists": True}, "remove RabbitMQ user old (no longer in the answers)"),
    (
        RemovedDatabaseUser(user="nova", host="198.18.1.9"),
        {"exists": True},
        "remove database account nova@198.18.1.9 (no longer in the answers)",
    ),
    (RemovedFile(path="/etc/x"), {"exists": True}, "remove /etc/x (no longer in the answers)"),
    (
        RemovedMetadataAgent(hostname="a", database="tcp:127.0.0.1:6642"),
        {"exists": True},
        "remove network agent neutron-ovn-metadata-agent@a (no longer in the answers)",
    ),
    (
        RemovedNat(source_cidr="198.18.9.0/24", bridge="br-ex"),
        {"exists": True},
        "remove address translation for 198.18.9.0/24 (no longer in the answers)",
    ),
    (
        OvsSetting(column="external_ids:ovn-cms-options", value=""),
        {"value": "enable-chassis-as-gw"},
        "unset Open vSwitch's external_ids:ovn-cms-options (was enable-chassis-as-gw)",
    ),
    (replace(USER, absent=True), {"exists": True}, "remove user glance (no longer in the answers)"),
    (
        ApiObject(
            type="endpoint",
            name="nova-public",
            credentials=ADMIN,
            body={"service": "nova", "interface": "public", "region": "Old"},
            absent=True,
        ),
        {"exists": True},
        "remove endpoint nova-public of region Old (no longer in the answers)",
    ),
    (
        ApiObject(type="compute_scheduling", name="nova-compute@aio", credentials=ADMIN, body={"status": "disabled"}),
        {"status": "enabled"},
        "give no more instances to nova-compute@aio (no longer a compute node in the answers)",
    ),
    (CONDUCTOR, {**RUNNING, "active": "inactive"}, "start nova-conductor (was inactive)"),
    (CONDUCTOR, {**RUNNING, "enabled": "disabled"}, "enable and restart nova-conductor (was disabled)"),
    (CONDUCTOR, {**RUNNING, "stamp": "0"}, "restart nova-conductor (configuration changed since its start)"),
    (Unit(name="ntp", state="stopped"), {"active": "active", "enabled": "enabled"}, "stop ntp (was active)"),
    (Unit(name="ntp", state="masked"), {"active": "inactive", "enabled": "enabled"}, "mask ntp"),
    (
        PACKAGES,
        {**dict.fromkeys("abcdefg", "absent"), "policy-rc.d": "none"},
        "install 7 packages: a, b, c, d and 3 more",
    ),
    (
        PACKAGES,
        {**PACKAGES.desired(), "policy-rc.d": "left behind"},
        "complete an interrupted installation (/usr/sbin/policy-rc.d was left behind)",
    ),
    (Database(name="nova", user="nova", password=Secret("x")), None, "create database nova"),
    (
        Database(name="nova", user="nova", password=Secret("x")),
        {"charset": "latin1", "password": "0", "grants": True},
        "change database nova (charset latin1 → utf8mb3, password)",
    ),
    (RabbitmqUser(name="openstack", password=Secret("x")), None, "create RabbitMQ user openstack"),
    (USER, None, "create user glance"),
    (USER, {**USER.desired(), "password": "another"}, "change user glance (password)"),
    (
        USER,
        Unknown(Phase.SCHEMA, "the APIs do not answer"),
        "create user glance if needed (known after Schema: the APIs do not answer)",
    ),
    (AGENT, None, "wait for compute service nova-compute@aio (does not report)"),
    (SYNC, None, "sync nova's schema"),
    (SYNC, {"done": True, "token": "zed"}, "sync nova's schema (done before with other settings)"),
    (VolumeGroup(name="cinder-volumes"), None, "create volume group cinder-volumes"),
    (FileSystem(path="/dev/vdb"), {"type": "ext4"}, "create xfs file system on /dev/vdb (it holds ext4)"),
    (
        Sysctl(settings=(("net.ipv4.ip_forward", "1"),)),
        {"net.ipv4.ip_forward": "0"},
        "set net.ipv4.ip_forward = 1 (was 0)",
    ),
    (
        IniSettings(path="/etc/yum.conf", section="main", values=(("proxy", "http://p:1"), ("pw", Secret("x")))),
        {"proxy": "nothing", "pw": "nothing"},
        "change /etc/yum.conf [main] (proxy nothing → http://p:1, pw)",
    ),
    (
        HostsEntry(address="198.18.1.10", names=("aio",)),
        {"leads to": "127.0.1.1"},
        "add aio to /etc/hosts as 198.18.1.10 (resolved to 127.0.1.1)",
    ),
    (
        FirewalldForward(source_cidr="198.18.2.0/24", bridge="br-ex"),
        {"passes": True, "passes after a boot": False},
        "forward 198.18.2.0/24 through firewalld (blocked after a boot)",
    ),
    (StateDirectory("/var/lib/x", "x"), None, "create directory /var/lib/x"),
    (
        StateDirectory("/var/lib/x", "x", "0750", "all"),
        {"type": "directory", "mode": "0755", "owner": "root", "content": "/var/lib/x/y"},
        "give /var/lib/x to x (mode is 0755 (should be 0750), owner is root (should be x), /var/lib/x/y is not x's)",
    ),
    (
        UnitHolds(units=("a.service", "b.socket")),
        {"free": ("b.socket",)},
        "hold 1 unit until configured (b.socket)",
    ),
    (
        UnitHolds(units=("a.service", "b.socket")),
        {"free": ("a.service", "b.socket")},
        "hold 2 units until configured (a.service, b.socket)",
    ),
    (FILTER, None, "start the port filter (closes internal ports to all but the cloud's nodes)"),
    (FILTER, {"rules": "lost", "after a boot": "enabled"}, "load the port filter's rules (were lost)"),
    (FILTER, {"rules": "loaded", "after a boot": "disabled"}, "enable the port filter (was disabled)"),
    (
        Uplink("br-ex", "eth1", addresses=("198.18.1.10/24",)),
        {"bridge": "", "addresses": "", "unconfirmed": "none"},
        "move eth1 with 198.18.1.10/24 into br-ex",
    ),
    (
        UserFiles(("/etc/a", "/etc/b")),
        {"files": "/etc/b, /etc/c"},
        "record your /etc/a and remove your /etc/c (no longer in --config-dir)",
    ),
    (
        AllowedPeer(("198.18.1.11",), "/etc/packstack-lite/guard", attributed_to="compute-1"),
        {"shut out": ("198.18.1.11",)},
        "open internal ports to 198.18.1.11",
    ),
    (
        OnlyAllowedPeers(("198.18.1.11",), "/etc/packstack-lite/guard"),
        {"let in": ("198.18.1.12",)},
        "close internal ports to 198.18.1.12 (not a node of this cloud)",
    ),
    (OvsBridge("br-ex"), None, "create bridge br-ex"),
    (OvsBridge("br-ex"), {"datapath": "system", "state": "down"}, "change bridge br-ex (state down → up)"),
    (LinuxBridge("brq-ex"), None, "create bridge brq-ex"),
    (Nat("198.18.2.0/24"), None, "create address translation for 198.18.2.0/24"),
    (
        KeyRepository("/etc/keystone/fernet-keys", "keystone", "keystone"),
        None,
        "create fernet keys in /etc/keystone/fernet-keys",
    ),
    (FirewalldPorts((5000, 8774), "eth0"), {"closed": ("5000",), "closed after a boot": ("5000",)}, "open ports 5000"),
    (
        IptablesPorts(ports=(5000, 8774)),
        {"closed": (), "closed after a boot": ("5000",)},
        "open ports 5000 (closed after a boot)",
    ),
    (OvsSetting("other_config:a", "true"), {"value": "unset"}, "set Open vSwitch's other_config:a to true (was unset)"),
    (OvsManager("ptcp:6640:127.0.0.1"), None, "create Open vSwitch manager ptcp:6640:127.0.0.1"),
    (
        SelinuxBooleans(("os_a", "os_b"), "openstack-selinux"),
        {"os_a": "on", "os_b": "off"},
        "switch on SELinux booleans os_b",
    ),
    (
        SelinuxPermissive(),
        {"now": "enforcing", "after a boot": "enforcing"},
        "set SELinux to permissive (was enforcing)",
    ),
    (
        SwiftRings("/etc/swift", "/srv/node", "198.18.1.10", {"account": 6202}, {"device0": 1}),
        {"account devices": "device0:2", "account replicas": 1, "account made": True},
        "change Swift's rings in /etc/swift (account devices device0:2 → device0:1)",
    ),
    (
        SwiftRings("/etc/swift", "/srv/node", "198.18.1.10", {"account": 6202}, {"device0": 1}),
        {"account devices": "", "account replicas": 1, "account made": False},
        "change Swift's rings in /etc/swift (account devices none → device0:1, account made False → True)",
    ),
    (TunedProfile("virtual-host"), {"profile": "none"}, "set tuned's profile to virtual-host (was none)"),
    (
        YumMirrors("base", ("http://vault.example",), ("mirror.example",)),
        {
            "dead": ("base",),
            "hosts": ("mirror.example",),
            "lost": (),
            "urls": ("os/x86_64\thttp://vault.example/os/x86_64",),
        },
        "point base to http://vault.example (mirror.example is gone)",
    ),
]


@pytest.mark.parametrize(("resource", "observed", "sentence"), SENTENCES)
def test_a_change_is_verb_object_and_reason(resource, observed, sentence):
    assert describe_diff(diff_of(resource, observed)) == sentence


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("/etc/nova/nova.conf",), "nova.conf changed"),
        (("/etc/nova/nova.conf", "/etc/nova/policy.yaml"), "nova.conf, policy.yaml changed"),
        (("/a/1", "/a/2", "/a/3", "/a/4"), "1, 2 and 2 more changed"),
    ],
)
def test_a_restart_names_the_files_that_cause_it(files, reason):
    triggered_by = tuple(f"file:{path}" for path in files)
    diff = diff_of(CONDUCTOR, {**RUNNING, "stamp": "0"}, triggered_by)
    assert describe_diff(diff) == f"restart nova-conductor ({reason})"


@pytest.mark.parametrize(
    ("resource", "observed", "sentence"),
    [
        (CONDUCTOR, {**RUNNING, "active": "inactive"}, "nova-conductor is inactive (should be active)"),
        (CONDUCTOR, {**RUNNING, "active": "failed", "stamp": "0"}, "nova-conductor is failed (should be active)"),
        (CONDUCTOR, {**RUNNING, "enabled": "disabled"}, "nova-conductor is disabled (should be enabled)"),
        (CONDUCTOR, {**RUNNING, "stamp": "0"}, "nova-conductor runs with an outdated configuration"),
        (CONDUCTOR, None, "nova-conductor does not exist (should be active)"),
        (CONFIG, {**CONFIG.desired(), "sha256": "0"}, "/etc/nova/nova.conf differs in content"),
        (
            CONFIG,
            {**CONFIG.desired(), "sha256": "0", "owner": "nova"},
            "/etc/nova/nova.conf differs in content, owner is nova (should be root)",
        ),
        (CONFIG, {**CONFIG.desired(), "mode": "0644"}, "/etc/nova/nova.conf: mode is 0644 (should be 0640)"),
        (CONFIG, None, "/etc/nova/nova.conf is missing"),
        (Absent(path="/etc/x"), {"type": "file"}, "/etc/x exists (should not)"),
        (USER, Unknown(Phase.SCHEMA, "the APIs do not answer"), "user glance cannot be read (the APIs do not answer)"),
        (USER, Unknown(Phase.SCHEMA), "user glance cannot be read (known after Schema)"),
        (AGENT, {**AGENT.desired(), "alive": False}, "compute service nova-compute@aio is not alive"),
        (SYNC, None, "sync nova's schema: was not done"),
        (PACKAGES, {**PACKAGES.desired(), "b": "absent"}, "1 package is not installed: b"),
        (
            IptablesPorts(ports=(5000, 8774)),
            {"closed": (), "closed after a boot": ("5000",)},
            "iptables blocks 5000 after a boot (should not)",
        ),
    ],
)
def test_drift_says_what_is_wrong_and_what_to_type(resource, observed, sentence, monkeypatch):
    monkeypatch.setattr("packstack_lite.engine.verify.probe_resources", lambda *_: {resource.id: observed})
    (drift,) = verify(Node(), [resource], Masker())
    assert (drift.message, drift.hint) == (sentence, "packstack-lite apply")


class Node:
    name = "aio"

    def run(self, commands: "list[Command]") -> "list[Reply]":
        raise AssertionError("the probe is replaced")


@pytest.mark.parametrize(
    ("resource", "sentence"),
    [
        (CONDUCTOR, "nova-conductor did not start"),
        (Unit(name="ntp", state="stopped"), "ntp did not stop"),
        (CONFIG, "cannot write /etc/nova/nova.conf"),
        (SYNC, "cannot sync nova's schema"),
        (AGENT, "compute service nova-compute@aio does not report"),
    ],
)
def test_a_failure_names_what_was_not_done(resource, sentence):
    assert resource.describe_failure(diff_of(resource, None)) == sentence


def test_no_description_shows_a_secret_or_its_digest():
    resource = Database(name="nova", user="nova", password=Secret("sesame77"))
    diff = diff_of(resource, {"charset": "utf8mb3", "password": "0123456789ab", "grants": True})
    sentences = describe_diff(diff) + resource.describe_drift(diff)
    assert "0123456789ab" not in sentences and str(resource.desired()["password"]) not in sentences
