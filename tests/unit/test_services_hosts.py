"""A cloud of several nodes: what each node gets, and which secrets it does not get."""

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
from tests.clouds import ANSWERS, MACHINE, OVN, SPREAD, THREE, cloud, node_context
from tests.rendered import TUNNELS, VOLUMES, files, on, resources_of, text

OVN_ANSWERS = {**OVN, **TUNNELS, **VOLUMES}
SINGLE_NODE = {"controller": ("controller", "network", "compute", "storage", "queue", "database")}
LAYOUTS = [(name, layout) for layout in (THREE, SPREAD) for name in layout]


def declared(name, answers=None, layout=THREE, profile="debian12-zed", **changes):
    return services.declare(on(profile, node_context(name, answers, layout, **changes)))


def units(resources):
    return {resource.name for resource in resources if isinstance(resource, Unit) and resource.state == "running"}


@pytest.mark.parametrize("agent", [VOLUMES, OVN_ANSWERS], ids=["ovs", "ovn"])
@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(("name", "layout"), LAYOUTS, ids=[f"{name}-of-{len(layout)}" for name, layout in LAYOUTS])
def test_ids_are_unique_and_needs_are_met_on_every_node(name, layout, profile, agent):
    resources = declared(name, agent, layout, profile, **MACHINE)
    ids = [resource.id for resource in resources]
    assert len(ids) == len(set(ids))
    rank = {resource.id: PHASES.index(resource.phase) for resource in resources}
    for resource in resources:
        for need in resource.needs:
            assert need in rank, f"{resource.id} needs {need}, which does not exist"
            assert rank[need] <= rank[resource.id], f"{resource.id} needs {need}, which comes later"


ROLES = {
    "controller": {"keystone", "nova-scheduler", "neutron-rpc-server", "ovn-northd", "memcached", "cinder-scheduler"},
    "compute-1": {"nova-compute", "libvirtd", "ovn-controller", "neutron-ovn-metadata-agent", "openvswitch-switch"},
    "network-1": {"ovn-controller", "openvswitch-switch"},
    "storage-1": {"cinder-volume", "cinder-backup"},
    "queue-1": {"rabbitmq-server"},
    "database-1": {"mariadb"},
}


@pytest.mark.parametrize("name", SPREAD)
def test_each_role_has_its_services_and_no_other(name):
    unit_names = units(declared(name, OVN_ANSWERS, SPREAD, **MACHINE))
    assert ROLES[name] <= unit_names
    others = set().union(*(names for role, names in ROLES.items() if role != name)) - ROLES[name]
    assert not unit_names & others


def test_with_open_vswitch_network_nodes_route_and_hypervisors_switch():
    agents = {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}
    assert agents < units(declared("network-1", layout=SPREAD))
    compute = units(declared("compute-1", layout=SPREAD))
    assert "neutron-openvswitch-agent" in compute
    assert not agents & compute


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("compute-1", {"NOVA_KS", "NEUTRON_KS", "AMQP", "CINDER_KS", "NEUTRON_METADATA"}),
        ("network-1", {"AMQP", "NEUTRON_METADATA"}),
        ("storage-1", {"AMQP", "CINDER_DB", "CINDER_KS"}),
        ("queue-1", set()),
        ("database-1", set()),
    ],
)
def test_configs_hold_no_password_that_the_node_does_not_need(name, known, profile):
    """No node holds the administrator's; of the others only the storage node's cinder connects to the database."""
    context = on(
        profile, node_context(name, {**OVN_ANSWERS, "CONFIG_CINDER_VOLUME_ENCRYPTION": True}, SPREAD, **MACHINE)
    )
    rendered = "\n".join(text(file) for file in files(context).values())
    secrets = {name: secret for name, secret in ANSWERS.items() if isinstance(secret, Secret)}
    present = {name for name, secret in secrets.items() if secret.reveal() in rendered}
    assert {name for name in present if not any(f"CONFIG_{word}_" in name for word in known)} == set()


def test_nodes_listen_on_their_address_and_connect_to_each_other():
    controller = files(node_context("controller", OVN_ANSWERS, SPREAD))
    nova = text(controller["/etc/nova/nova.conf"])
    assert "@198.18.1.15:3306/" in nova
    assert "@198.18.1.14:5672/" in nova
    assert "bind-address = 198.18.1.15\n" in text(files(node_context("database-1", OVN_ANSWERS, SPREAD))[MARIADB])
    assert "listeners.tcp.1 = 198.18.1.14:5672" in text(files(node_context("queue-1", OVN_ANSWERS, SPREAD))[RABBITMQ])
    compute = text(files(node_context("compute-1", OVN_ANSWERS, SPREAD))["/etc/nova/nova.conf"])
    assert "my_ip = 198.18.1.11\n" in compute
    assert "server_listen = 198.18.1.11\n" in compute
    assert "auth_url = http://198.18.1.10:5000" in compute
    assert "[database]" not in compute and "[api_database]" not in compute


MARIADB = "/etc/mysql/mariadb.conf.d/99-packstack-lite.cnf"
RABBITMQ = "/etc/rabbitmq/rabbitmq.conf"


def settings(name, layout=THREE, answers=OVN_ANSWERS):
    settings = resources_of(node_context(name, answers, layout), OvsSetting)
    return {setting.column.partition(":")[2]: setting.value for setting in settings}


def test_ovn_databases_listen_on_loopback_on_a_single_node():
    assert settings("compute-2")["ovn-remote"] == settings("controller")["ovn-remote"] == "tcp:198.18.1.10:6642"
    alone = {one.column: one.value for one in resources_of(cloud(OVN), OvsSetting)}
    assert alone["external_ids:ovn-remote"] == "tcp:127.0.0.1:6642"


def test_tunnels_end_at_each_nodes_address_and_hypervisors_host_no_routers():
    assert settings("controller")["ovn-encap-ip"] == "198.18.9.10"
    assert settings("compute-2")["ovn-encap-ip"] == "198.18.9.12"
    assert settings("controller")["ovn-cms-options"] == "enable-chassis-as-gw"
    assert "ovn-cms-options" not in settings("compute-2")
    assert settings("controller")["ovn-bridge-mappings"] == "extnet:br-ex"
    assert "ovn-bridge-mappings" not in settings("compute-2")


def test_hypervisors_have_the_bridges_of_bridges_compute():
    def bridges(name, **answers):
        return [bridge.name for bridge in resources_of(node_context(name, {**OVN_ANSWERS, **answers}), OvsBridge)]

    assert bridges("controller") == ["br-ex"]
    assert bridges("compute-1") == []
    assert bridges("compute-1", CONFIG_NEUTRON_OVN_BRIDGES_COMPUTE=("br-ex",)) == ["br-ex"]


@pytest.mark.parametrize(("profile", "is_copied"), [("debian12-zed", True), ("debian13-epoxy", False)])
def test_chassis_options_are_copied_for_releases_that_need_it(profile, is_copied):
    spread = {
        name: on(profile, node_context(name, OVN_ANSWERS, SPREAD)) for name in ("controller", "network-1", "compute-1")
    }
    chassis_files = {
        name: " ".join(text(file) for file in files(context).values() if "ovn-chassis" in file.path)
        for name, context in spread.items()
    }
    assert ("enable-chassis-as-gw" in chassis_files["network-1"]) == is_copied
    assert "enable-chassis-as-gw" not in chassis_files["compute-1"]
    assert ("198.18" in chassis_files["compute-1"]) == is_copied, "it connects to the controller's database"


def test_delegated_resources_are_about_that_node_only():
    controller, compute = node_context("controller", OVN_ANSWERS), node_context("compute-2", OVN_ANSWERS)
    delegated = services.declare_delegated(controller, compute)
    assert {resource.id for resource in delegated} == {
        "once:nova-discover-compute-2",
        "network_agent:ovn-controller@compute-2",
        "network_agent:neutron-ovn-metadata-agent@compute-2",
        "compute_service:nova-compute@compute-2",
    }
    assert all(not resource.needs for resource in delegated)
    assert {resource.id for resource in delegated}.isdisjoint(resource.id for resource in services.declare(controller))


def test_only_the_controller_calls_the_apis():
    for name in SPREAD:
        api_objects = [one for one in declared(name, OVN_ANSWERS, SPREAD, **MACHINE) if isinstance(one, ApiObject)]
        assert bool(api_objects) == (name == "controller")


def own_resources(resources):
    """Return the desired state of resources that are not attributed to another node."""
    own = {one.id: one for one in resources if not one.attributed_to}
    return {name: (text(one) if isinstance(one, File) else one.desired()) for name, one in own.items()}


@pytest.mark.parametrize("answers", [VOLUMES, OVN_ANSWERS], ids=["ovs", "ovn"])
@pytest.mark.parametrize("name", ["controller", "compute-1"])
def test_adding_a_hypervisor_changes_nothing_on_the_others(name, answers):
    two = {name: roles for name, roles in THREE.items() if name != "compute-2"}
    before, after = (own_resources(declared(name, answers, layout, **MACHINE)) for layout in (two, THREE))
    assert before == after


def test_hypervisors_share_one_private_key_that_other_nodes_lack(tmp_path):
    first, other = (files(node_context(name, OVN_ANSWERS)) for name in ("compute-1", "compute-2"))
    keys = "/var/lib/nova/.ssh/id_ed25519"
    assert first[keys].content == other[keys].content
    assert (first[keys].mode, first[keys].owner, first[keys].is_secret) == (0o600, "nova", True)
    (tmp_path / "key").write_text(text(first[keys]))
    (tmp_path / "key").chmod(0o600)
    public_key = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True
    )
    assert public_key.stdout.strip() in text(other["/var/lib/nova/.ssh/authorized_keys"])
    assert keys not in files(node_context("controller", OVN_ANSWERS))
    assert keys not in files(cloud(OVN))
    compute = text(first["/etc/nova/nova-compute.conf"])
    way = "qemu+ssh://nova@%s/system?command=/etc/packstack-lite/migration-ssh"
    assert f"live_migration_uri = {way}\nlive_migration_inbound_addr = 198.18.1.11\n" in compute
    ssh = first["/etc/packstack-lite/migration-ssh"]
    assert ssh.mode == 0o755 and "exec ssh -F /var/lib/nova/.ssh/config " in text(ssh)


@pytest.mark.parametrize(("profile", "needs_shell"), [("debian12-zed", False), ("centos9s-epoxy", True)])
def test_novas_account_gets_a_shell_on_hypervisors(profile, needs_shell):
    def shells(name):
        return [one.script for one in declared(name, OVN_ANSWERS, profile=profile) if one.id == "once:nova-shell"]

    assert shells("compute-1") == (["usermod --shell /bin/bash nova"] if needs_shell else [])
    assert shells("controller") == []


@pytest.mark.parametrize("seed", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_openssh_reads_the_key_of_every_seed(seed, tmp_path):
    private, public = nova_migration.derive_key_pair(Secret(base64.urlsafe_b64encode(seed).decode()))
    (tmp_path / "key").write_text(private)
    (tmp_path / "key").chmod(0o600)
    public_key = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True
    )
    assert public_key.stdout.strip() == public


def test_a_database_on_another_node_is_reached_over_the_network():
    controller = declared("controller", OVN_ANSWERS, SPREAD)
    (access,) = (one for one in controller if isinstance(one, File) and one.path == DATABASE_CLIENT_CONFIG)
    assert access.mode == 0o600
    assert 'host = 198.18.1.15\nport = 3306\nuser = "root"\npassword = "mariadb-pw"\n' in text(access)
    databases = [one for one in controller if isinstance(one, Database)]
    assert {one.option_file for one in databases} == {DATABASE_CLIENT_CONFIG}
    hosts = {one.name: one.client_hosts for one in databases}
    assert hosts["keystone"] == ("198.18.1.10",)
    assert hosts["cinder"] == ("198.18.1.10", "198.18.1.13")
    (root,) = (one for one in declared("database-1", OVN_ANSWERS, SPREAD) if isinstance(one, RunOnce))
    assert "CREATE USER IF NOT EXISTS root@'198.18.1.10' IDENTIFIED BY 'mariadb-pw'" in root.stdin.decode()


def test_an_existing_database_is_used_and_not_installed():
    answers = {
        **OVN_ANSWERS,
        "CONFIG_MARIADB_INSTALL": False,
        "CONFIG_MARIADB_HOST": "198.18.77.7",
        "CONFIG_MARIADB_USER": "mine",
        "CONFIG_MARIADB_PW": Secret('p"a\\s'),
    }
    for context in (cloud({**answers, **OVN, "CONFIG_CINDER_INSTALL": False}), node_context("controller", answers)):
        resources = services.declare(context)
        assert "mariadb" not in units(resources)
        rendered = files(context)
        assert 'user = "mine"\npassword = "p\\"a\\\\s"\n' in text(rendered[DATABASE_CLIENT_CONFIG])
        assert "@198.18.77.7:3306/keystone" in text(rendered["/etc/keystone/keystone.conf"])
        (packages,) = (one for one in resources if isinstance(one, Packages))
        assert "mariadb-client" in packages.names and "mariadb-server" not in packages.names


def test_a_node_gets_the_packages_of_its_roles():
    def names(name, answers=OVN_ANSWERS):
        (packages,) = (one for one in declared(name, answers, SPREAD, **MACHINE) if isinstance(one, Packages))
        return set(packages.names)

    assert {"nova-compute", "ovn-host"} <= names("compute-1")
    assert not {"nova-api", "ovn-central", "mariadb-server", "neutron-rpc-server"} & names("compute-1")
    assert "rabbitmq-server" in names("queue-1")
    assert {"lvm2", "cinder-volume"} <= names("storage-1")
    assert "lvm2" not in names("controller")


def test_a_node_with_every_role_equals_a_single_node():
    everything = {"controller": tuple(THREE["controller"]) + THREE["compute-1"]}
    context = node_context("controller", VOLUMES, everything)
    plain = cloud(
        {**VOLUMES, "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth1", "CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1"},
        hostname="controller",
        fqdn="controller",
        interfaces=context.facts.network.interfaces,
    )
    assert own_resources(services.declare(context)) == own_resources(services.declare(plain))


def test_delegated_checks_of_volume_services_are_in_the_last_phase():
    delegated = services.declare_delegated(
        node_context("controller", OVN_ANSWERS, SPREAD), node_context("storage-1", OVN_ANSWERS, SPREAD)
    )
    assert {one.id for one in delegated} == {
        "volume_service:cinder-backup@storage-1",
        "volume_service:cinder-volume@storage-1@lvm",
    }
    assert {one.phase for one in delegated} == {Phase.VERIFY}


@pytest.mark.parametrize(
    ("layout", "answers", "value"),
    [
        (SINGLE_NODE, VOLUMES, "true"),
        (THREE, OVN_ANSWERS, "true"),
        (THREE, VOLUMES, "false"),
    ],
    ids=["alone", "ovn", "agents-of-several-nodes"],
)
def test_checksum_offload_of_the_user_space_switch(layout, answers, value):
    """The switch drops packets without a checksum before a tunnel, such as metadata replies to another node."""
    resources = declared("controller", answers, layout, has_ovs_module=False)
    (setting,) = [one for one in resources if isinstance(one, OvsSetting) and "tso" in one.column]
    (file,) = [one for one in resources if isinstance(one, File) and "ovs-vswitchd.service.d" in one.path]
    assert setting.value == value and f"userspace-tso-enable={value}" in text(file)


def test_hypervisors_get_the_keyring_of_another_nodes_ceph():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": True}
    path = "/etc/ceph/ceph.client.cinder.keyring"
    files_by_node = {name: files(node_context(name, answers, SPREAD, **MACHINE)) for name in SPREAD}
    assert {name for name, paths in files_by_node.items() if path in paths} == {"compute-1", "storage-1"}
    on_storage, on_compute = files_by_node["storage-1"][path], files_by_node["compute-1"][path]
    assert text(on_storage) == text(on_compute) and on_storage.is_secret and on_compute.is_secret
    assert (on_storage.group, on_storage.mode, on_compute.group, on_compute.mode) == ("cinder", 0o640, "root", 0o600)
    key = base64.b64decode(text(on_compute).split("key = ")[1])
    assert key[:12] == bytes([1, 0, *[0] * 8, 16, 0]) and len(key) == 28
    jobs_by_node = {
        name: {one.name for one in declared(name, answers, SPREAD) if isinstance(one, RunOnce)} for name in SPREAD
    }
    assert (
        "nova-ceph-secret" in jobs_by_node["compute-1"]
        and not {"nova-ceph-secret", "ceph-pool"} & jobs_by_node["controller"]
    )
    assert "ceph-pool" in jobs_by_node["storage-1"] and "nova-ceph-secret" not in jobs_by_node["storage-1"]


@pytest.mark.parametrize("profile", profiles.list_names())
@pytest.mark.parametrize(
    ("backend", "tools"), [("lvm", {"iscsi-initiator-utils", "open-iscsi"}), ("nfs", {"nfs-common", "nfs-utils"})]
)
def test_hypervisors_get_the_packages_that_attach_remote_volumes(profile, backend, tools):
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": (backend,)}
    resources_by_node = {name: declared(name, answers, SPREAD, profile, **MACHINE) for name in SPREAD}
    packages_by_node = {
        name: {name for one in resources if isinstance(one, Packages) for name in one.names}
        for name, resources in resources_by_node.items()
    }
    assert packages_by_node["compute-1"] & tools and not packages_by_node["controller"] & tools
    assert not packages_by_node["compute-1"] & {"tgt", "targetcli", "lvm2"}
    initiator = on(profile, node_context("compute-1", answers, SPREAD, **MACHINE)).profile.unit("iscsi-initiator")
    assert (initiator in units(resources_by_node["compute-1"])) == (backend == "lvm")
    # os-brick runs these to extend an attached volume.
    assert bool(packages_by_node["compute-1"] & {"lsscsi", "sg3_utils"}) == (backend == "lvm")


def test_a_new_ceph_cluster_listens_on_the_storage_node():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": True}
    cloud = node_context("storage-1", answers, SPREAD, **MACHINE)
    conf = text(files(cloud)["/etc/ceph/ceph.conf"])
    assert f"public addr = {cloud.node_address}\n" in conf and cloud.controller_address not in conf
    steps = [one for one in services.declare(cloud) if isinstance(one, RunOnce) and one.name.startswith("ceph-")]
    assert steps and all(f"v2:{cloud.node_address}:3300,v1:{cloud.node_address}:6789" in one.script for one in steps)


def test_hypervisors_read_the_keyring_of_an_existing_ceph_cluster():
    answers = {**VOLUMES, "CONFIG_CINDER_BACKEND": ("ceph",), "CONFIG_CINDER_CEPH_CREATE": False}
    resources = declared("compute-1", answers, SPREAD, **MACHINE)
    assert not [one.path for one in resources if isinstance(one, File) and one.path.startswith("/etc/ceph")]
    (secret,) = [one for one in resources if isinstance(one, RunOnce) and "ceph" in one.name]
    assert secret.name == "nova-ceph-secret" and "copy it from the Ceph cluster" in secret.script
