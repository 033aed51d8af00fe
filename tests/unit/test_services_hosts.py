"""A cloud of several hosts: what each of them gets, and what none of them is told."""

from __future__ import annotations

import base64
import subprocess

import pytest

from packstack_lite import profiles, services
from packstack_lite.resources import ApiObject, Database, File, OvsBridge, OvsSetting, Packages, RunOnce, Unit
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.secret import Secret
from packstack_lite.services import nova_migration
from packstack_lite.services._base.context import DATABASE_CLIENT_CONFIG
from tests.clouds import ANSWERS, MACHINE, OVN, SPREAD, THREE, cloud, member
from tests.rendered import TUNNELS, VOLUMES, files, on, resources_of, text

OF_OVN = {**OVN, **TUNNELS, **VOLUMES}
ALONE = {"controller": ("controller", "network", "compute", "storage", "queue", "database")}
LAYOUTS = [(name, layout) for layout in (THREE, SPREAD) for name in layout]


def declared(which, answers=None, layout=THREE, profile="debian12-zed", **changes):
    return services.declare(on(profile, member(which, answers, layout, **changes)))


def units(resources):
    return {resource.name for resource in resources if isinstance(resource, Unit) and resource.state == "running"}


@pytest.mark.parametrize("agent", [VOLUMES, OF_OVN], ids=["ovs", "ovn"])
@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(("which", "layout"), LAYOUTS, ids=[f"{name}-of-{len(layout)}" for name, layout in LAYOUTS])
def test_ids_are_unique_and_needs_are_met_on_every_host(which, layout, profile, agent):
    resources = declared(which, agent, layout, profile, **MACHINE)
    ids = [resource.id for resource in resources]
    assert len(ids) == len(set(ids))
    rank = {resource.id: PHASES.index(resource.phase) for resource in resources}
    for resource in resources:
        for need in resource.needs:
            assert need in rank, f"{resource.id} needs {need}, which is not there"
            assert rank[need] <= rank[resource.id], f"{resource.id} needs {need}, which comes later"


ROLES = {
    "controller": {"keystone", "nova-scheduler", "neutron-rpc-server", "ovn-northd", "memcached", "cinder-scheduler"},
    "compute-1": {"nova-compute", "libvirtd", "ovn-controller", "neutron-ovn-metadata-agent", "openvswitch-switch"},
    "network-1": {"ovn-controller", "openvswitch-switch"},
    "storage-1": {"cinder-volume", "cinder-backup"},
    "queue-1": {"rabbitmq-server"},
    "database-1": {"mariadb"},
}


@pytest.mark.parametrize("which", SPREAD)
def test_each_role_has_its_services_and_no_other(which):
    found = units(declared(which, OF_OVN, SPREAD, **MACHINE))
    assert ROLES[which] <= found
    others = set().union(*(names for role, names in ROLES.items() if role != which)) - ROLES[which]
    assert not found & others


def test_with_open_vswitch_hosts_that_serve_networks_route_and_hypervisors_switch():
    agents = {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}
    assert agents < units(declared("network-1", layout=SPREAD))
    compute = units(declared("compute-1", layout=SPREAD))
    assert "neutron-openvswitch-agent" in compute
    assert not agents & compute


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(
    ("which", "known"),
    [
        ("compute-1", {"NOVA_KS", "NEUTRON_KS", "AMQP", "CINDER_KS", "NEUTRON_METADATA"}),
        ("network-1", {"AMQP", "NEUTRON_METADATA"}),
        ("storage-1", {"AMQP", "CINDER_DB", "CINDER_KS"}),
        ("queue-1", set()),
        ("database-1", set()),
    ],
)
def test_configs_hold_no_password_that_the_host_does_not_need(which, known, profile):
    """The administrator's least of all, and only the storage host's cinder asks the database itself."""
    here = on(profile, member(which, {**OF_OVN, "CONFIG_CINDER_VOLUME_ENCRYPTION": True}, SPREAD, **MACHINE))
    rendered = "\n".join(text(file) for file in files(here).values())
    secrets = {name: secret for name, secret in ANSWERS.items() if isinstance(secret, Secret)}
    told = {name for name, secret in secrets.items() if secret.reveal() in rendered}
    assert {name for name in told if not any(f"CONFIG_{word}_" in name for word in known)} == set()


def test_hosts_listen_and_find_each_other():
    controller = files(member("controller", OF_OVN, SPREAD))
    nova = text(controller["/etc/nova/nova.conf"])
    assert "@198.18.1.15:3306/" in nova
    assert "@198.18.1.14:5672/" in nova
    assert "bind-address = 198.18.1.15\n" in text(files(member("database-1", OF_OVN, SPREAD))[MARIADB])
    assert "listeners.tcp.1 = 198.18.1.14:5672" in text(files(member("queue-1", OF_OVN, SPREAD))[RABBITMQ])
    compute = text(files(member("compute-1", OF_OVN, SPREAD))["/etc/nova/nova.conf"])
    assert "my_ip = 198.18.1.11\n" in compute
    assert "server_listen = 198.18.1.11\n" in compute
    assert "auth_url = http://198.18.1.10:5000" in compute
    assert "[database]" not in compute and "[api_database]" not in compute


MARIADB = "/etc/mysql/mariadb.conf.d/99-packstack-lite.cnf"
RABBITMQ = "/etc/rabbitmq/rabbitmq.conf"


def settings(which, layout=THREE, answers=OF_OVN):
    found = resources_of(member(which, answers, layout), OvsSetting)
    return {setting.column.partition(":")[2]: setting.value for setting in found}


def test_ovn_databases_listen_for_others_only_where_there_are_any():
    assert settings("compute-2")["ovn-remote"] == settings("controller")["ovn-remote"] == "tcp:198.18.1.10:6642"
    alone = {one.column: one.value for one in resources_of(cloud(OVN), OvsSetting)}
    assert alone["external_ids:ovn-remote"] == "tcp:127.0.0.1:6642"


def test_tunnels_end_at_each_hosts_own_address_and_hypervisors_take_no_routers():
    assert settings("controller")["ovn-encap-ip"] == "198.18.9.10"
    assert settings("compute-2")["ovn-encap-ip"] == "198.18.9.12"
    assert settings("controller")["ovn-cms-options"] == "enable-chassis-as-gw"
    assert "ovn-cms-options" not in settings("compute-2")
    assert settings("controller")["ovn-bridge-mappings"] == "extnet:br-ex"
    assert "ovn-bridge-mappings" not in settings("compute-2")


def test_hypervisors_have_the_bridges_that_the_answers_give_them():
    def bridges(which, **answers):
        return [bridge.name for bridge in resources_of(member(which, {**OF_OVN, **answers}), OvsBridge)]

    assert bridges("controller") == ["br-ex"]
    assert bridges("compute-1") == []
    assert bridges("compute-1", CONFIG_NEUTRON_OVN_BRIDGES_COMPUTE=("br-ex",)) == ["br-ex"]


@pytest.mark.parametrize(("profile", "there"), [("debian12-zed", True), ("debian13-epoxy", False)])
def test_each_chassis_tells_neutron_whether_it_takes_routers_where_neutron_does_not_see_it(profile, there):
    spread = {name: on(profile, member(name, OF_OVN, SPREAD)) for name in ("controller", "network-1", "compute-1")}
    told = {
        name: " ".join(text(file) for file in files(of).values() if "ovn-chassis" in file.path)
        for name, of in spread.items()
    }
    assert ("enable-chassis-as-gw" in told["network-1"]) == there
    assert "enable-chassis-as-gw" not in told["compute-1"]
    assert ("198.18" in told["compute-1"]) == there, "it asks the controller's database"


def test_what_the_controller_does_for_a_host_is_about_that_host_alone():
    controller, compute = member("controller", OF_OVN), member("compute-2", OF_OVN)
    told = services.declare_delegated(controller, compute)
    assert {resource.id for resource in told} == {
        "once:nova-discover-compute-2",
        "network_agent:ovn-controller@compute-2",
        "network_agent:neutron-ovn-metadata-agent@compute-2",
        "compute_service:nova-compute@compute-2",
    }
    assert all(not resource.needs for resource in told)
    assert {resource.id for resource in told}.isdisjoint(resource.id for resource in services.declare(controller))


def test_no_host_but_the_controller_asks_the_apis():
    for which in SPREAD:
        found = [one for one in declared(which, OF_OVN, SPREAD, **MACHINE) if isinstance(one, ApiObject)]
        assert bool(found) == (which == "controller")


def of_its_own(resources):
    """What is the host's own affair: that another host is let in is laid to that one."""
    told = {one.id: one for one in resources if not one.attributed_to}
    return {name: (text(one) if isinstance(one, File) else one.desired()) for name, one in told.items()}


@pytest.mark.parametrize("answers", [VOLUMES, OF_OVN], ids=["ovs", "ovn"])
@pytest.mark.parametrize("which", ["controller", "compute-1"])
def test_a_hypervisor_that_is_added_changes_nothing_on_the_others(which, answers):
    two = {name: roles for name, roles in THREE.items() if name != "compute-2"}
    before, after = (of_its_own(declared(which, answers, layout, **MACHINE)) for layout in (two, THREE))
    assert before == after


def test_hypervisors_let_each_other_in_by_one_key_and_keep_it_to_themselves(tmp_path):
    here, there = (files(member(which, OF_OVN)) for which in ("compute-1", "compute-2"))
    keys = "/var/lib/nova/.ssh/id_ed25519"
    assert here[keys].content == there[keys].content
    assert (here[keys].mode, here[keys].owner, here[keys].is_secret) == (0o600, "nova", True)
    (tmp_path / "key").write_text(text(here[keys]))
    (tmp_path / "key").chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() in text(there["/var/lib/nova/.ssh/authorized_keys"])
    assert keys not in files(member("controller", OF_OVN))
    assert keys not in files(cloud(OVN))
    compute = text(here["/etc/nova/nova-compute.conf"])
    way = "qemu+ssh://nova@%s/system?command=/etc/packstack-lite/migration-ssh"
    assert f"live_migration_uri = {way}\nlive_migration_inbound_addr = 198.18.1.11\n" in compute
    ssh = here["/etc/packstack-lite/migration-ssh"]
    assert ssh.mode == 0o755 and "exec ssh -F /var/lib/nova/.ssh/config " in text(ssh)


@pytest.mark.parametrize(("profile", "shut"), [("debian12-zed", False), ("centos9s-epoxy", True)])
def test_a_nova_that_may_not_log_in_gets_a_shell_where_instances_move(profile, shut):
    def shells(which):
        return [one.script for one in declared(which, OF_OVN, profile=profile) if one.id == "once:nova-shell"]

    assert shells("compute-1") == (["usermod --shell /bin/bash nova"] if shut else [])
    assert shells("controller") == []


@pytest.mark.parametrize("seed", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_every_seed_makes_a_key_that_openssh_reads(seed, tmp_path):
    private, public = nova_migration.derive_key_pair(Secret(base64.urlsafe_b64encode(seed).decode()))
    (tmp_path / "key").write_text(private)
    (tmp_path / "key").chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == public


def test_a_database_on_another_host_is_asked_over_the_network():
    controller = declared("controller", OF_OVN, SPREAD)
    (access,) = (one for one in controller if isinstance(one, File) and one.path == DATABASE_CLIENT_CONFIG)
    assert access.mode == 0o600
    assert 'host = 198.18.1.15\nport = 3306\nuser = "root"\npassword = "mariadb-pw"\n' in text(access)
    databases = [one for one in controller if isinstance(one, Database)]
    assert {one.option_file for one in databases} == {DATABASE_CLIENT_CONFIG}
    hosts = {one.name: one.client_hosts for one in databases}
    assert hosts["keystone"] == ("198.18.1.10",)
    assert hosts["cinder"] == ("198.18.1.10", "198.18.1.13")
    (root,) = (one for one in declared("database-1", OF_OVN, SPREAD) if isinstance(one, RunOnce))
    assert "CREATE USER IF NOT EXISTS root@'198.18.1.10' IDENTIFIED BY 'mariadb-pw'" in root.stdin.decode()


def test_an_existing_database_is_used_and_left_as_it_is():
    answers = {
        **OF_OVN,
        "CONFIG_MARIADB_INSTALL": False,
        "CONFIG_MARIADB_HOST": "198.18.77.7",
        "CONFIG_MARIADB_USER": "mine",
        "CONFIG_MARIADB_PW": Secret('p"a\\s'),
    }
    for here in (cloud({**answers, **OVN, "CONFIG_CINDER_INSTALL": False}), member("controller", answers)):
        found = services.declare(here)
        assert "mariadb" not in units(found)
        rendered = files(here)
        assert 'user = "mine"\npassword = "p\\"a\\\\s"\n' in text(rendered[DATABASE_CLIENT_CONFIG])
        assert "@198.18.77.7:3306/keystone" in text(rendered["/etc/keystone/keystone.conf"])
        (packages,) = (one for one in found if isinstance(one, Packages))
        assert "mariadb-client" in packages.names and "mariadb-server" not in packages.names


def test_packages_of_a_host_are_those_of_its_roles():
    def names(which, answers=OF_OVN):
        (packages,) = (one for one in declared(which, answers, SPREAD, **MACHINE) if isinstance(one, Packages))
        return set(packages.names)

    assert {"nova-compute", "ovn-host"} <= names("compute-1")
    assert not {"nova-api", "ovn-central", "mariadb-server", "neutron-rpc-server"} & names("compute-1")
    assert "rabbitmq-server" in names("queue-1")
    assert {"lvm2", "cinder-volume"} <= names("storage-1")
    assert "lvm2" not in names("controller")


def test_one_host_is_as_it_was_whether_it_knows_its_roles_or_not():
    everything = {"controller": tuple(THREE["controller"]) + THREE["compute-1"]}
    here = member("controller", VOLUMES, everything)
    plain = cloud(
        {**VOLUMES, "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth1", "CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1"},
        hostname="controller",
        fqdn="controller",
        interfaces=here.facts.network.interfaces,
    )
    assert of_its_own(services.declare(here)) == of_its_own(services.declare(plain))


def test_phases_of_what_is_joined_are_those_that_come_after_the_host_itself():
    told = services.declare_delegated(member("controller", OF_OVN, SPREAD), member("storage-1", OF_OVN, SPREAD))
    assert {one.id for one in told} == {
        "volume_service:cinder-backup@storage-1",
        "volume_service:cinder-volume@storage-1@lvm",
    }
    assert {one.phase for one in told} == {Phase.VERIFY}


@pytest.mark.parametrize(
    ("layout", "answers", "value"),
    [
        (ALONE, VOLUMES, "true"),
        (THREE, OF_OVN, "true"),
        (THREE, VOLUMES, "false"),
    ],
    ids=["alone", "ovn", "agents-of-several-hosts"],
)
def test_who_computes_checksums_for_a_switch_in_user_space(layout, answers, value):
    """The switch drops a packet without one before a tunnel; so did the metadata service's answers to another host."""
    resources = declared("controller", answers, layout, has_ovs_module=False)
    (setting,) = [one for one in resources if isinstance(one, OvsSetting) and "tso" in one.column]
    (file,) = [one for one in resources if isinstance(one, File) and "ovs-vswitchd.service.d" in one.path]
    assert setting.value == value and f"userspace-tso-enable={value}" in text(file)


def test_hypervisors_get_the_key_to_volumes_on_another_hosts_ceph():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": True}
    path = "/etc/ceph/ceph.client.cinder.keyring"
    found = {which: files(member(which, answers, SPREAD, **MACHINE)) for which in SPREAD}
    assert {which for which, paths in found.items() if path in paths} == {"compute-1", "storage-1"}
    there, here = found["storage-1"][path], found["compute-1"][path]
    assert text(there) == text(here) and there.is_secret and here.is_secret
    assert (there.group, there.mode, here.group, here.mode) == ("cinder", 0o640, "root", 0o600)
    key = base64.b64decode(text(here).split("key = ")[1])
    assert key[:12] == bytes([1, 0, *[0] * 8, 16, 0]) and len(key) == 28
    once = {
        which: {one.name for one in declared(which, answers, SPREAD) if isinstance(one, RunOnce)} for which in SPREAD
    }
    assert "nova-ceph-secret" in once["compute-1"] and not {"nova-ceph-secret", "ceph-pool"} & once["controller"]
    assert "ceph-pool" in once["storage-1"] and "nova-ceph-secret" not in once["storage-1"]


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(
    ("backend", "needed"), [("lvm", {"iscsi-initiator-utils", "open-iscsi"}), ("nfs", {"nfs-common", "nfs-utils"})]
)
def test_hypervisors_have_what_reaches_volumes_on_another_host(profile, backend, needed):
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": (backend,)}
    found = {which: declared(which, answers, SPREAD, profile, **MACHINE) for which in SPREAD}
    names = {
        which: {name for one in resources if isinstance(one, Packages) for name in one.names}
        for which, resources in found.items()
    }
    assert names["compute-1"] & needed and not names["controller"] & needed
    assert not names["compute-1"] & {"tgt", "targetcli", "lvm2"}
    runs = on(profile, member("compute-1", answers, SPREAD, **MACHINE)).profile.unit("iscsi-initiator")
    assert (runs in units(found["compute-1"])) == (backend == "lvm")
    # What os-brick runs to make an attached volume larger.
    assert bool(names["compute-1"] & {"lsscsi", "sg3_utils"}) == (backend == "lvm")


def test_a_ceph_of_our_own_listens_where_it_is_and_not_on_the_controller():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": True}
    cloud = member("storage-1", answers, SPREAD, **MACHINE)
    conf = text(files(cloud)["/etc/ceph/ceph.conf"])
    assert f"public addr = {cloud.node_address}\n" in conf and cloud.controller_address not in conf
    steps = [one for one in services.declare(cloud) if isinstance(one, RunOnce) and one.name.startswith("ceph-")]
    assert steps and all(f"v2:{cloud.node_address}:3300,v1:{cloud.node_address}:6789" in one.script for one in steps)


def test_with_a_ceph_that_is_there_hypervisors_read_the_key_that_was_put_there():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": False}
    resources = declared("compute-1", answers, SPREAD, **MACHINE)
    assert not [one.path for one in resources if isinstance(one, File) and one.path.startswith("/etc/ceph")]
    (secret,) = [one for one in resources if isinstance(one, RunOnce) and "ceph" in one.name]
    assert secret.name == "nova-ceph-secret" and "copy it from the Ceph cluster" in secret.script
