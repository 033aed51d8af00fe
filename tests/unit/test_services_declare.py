"""The declared resources of a cloud of one node: complete, in order, and read only by their own units."""

from __future__ import annotations

import pytest

from packstack_lite import services
from packstack_lite.errors import UsageError
from packstack_lite.remote.command import Command
from packstack_lite.resources import Absent, ApiObject, File, Nat, Packages, RunOnce, Unit
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.services.demo import parse_allocation_pools
from tests.clouds import ANSWERS, MACHINE, cloud
from tests.rendered import CASES, files, on, resources_of, text
from tests.unit.dash import Dash


def resources_by_id(context):
    return {resource.id: resource for resource in services.declare(context)}


def unit(context, name):
    return resources_by_id(context)[f"unit:{name}"]


@pytest.mark.parametrize("case", CASES)
def test_ids_are_unique_and_needs_are_met(case):
    resources = services.declare(CASES[case]())
    ids = [resource.id for resource in resources]
    assert len(ids) == len(set(ids))
    for resource in resources:
        assert set(resource.needs) <= set(ids), resource.id
        assert set(resource.trigger_ids) <= set(ids), resource.id


@pytest.mark.parametrize("case", CASES)
def test_a_script_that_runs_once_says_what_it_does(case):
    assert not [one.name for one in resources_of(CASES[case](), RunOnce) if not one.description]


@pytest.mark.parametrize("case", CASES)
def test_no_resource_waits_for_a_later_phase(case):
    resources = resources_by_id(CASES[case]())
    for resource in resources.values():
        for other in (*resource.needs, *resource.trigger_ids):
            assert PHASES.index(resources[other].phase) <= PHASES.index(resource.phase), (
                f"{resource.id} waits for {other}"
            )


# Files that no unit keeps: a program reads them anew each time it is run, or a resource of another kind loads them.
READ_EACH_TIME = {
    "/etc/apt/apt.conf.d/95packstack-lite-proxy": "apt",
    "/etc/ceph/ceph.client.cinder.keyring": "librados, at each connection",
    "/etc/packstack-lite/guard": "PortFilter loads it",
    "/etc/packstack-lite/migration-ssh": "ssh",
    "/etc/sysctl.d/60-packstack-lite.conf": "Sysctl sets the values",
    "/etc/systemd/system/packstack-lite-guard.service": "PortFilter starts it",
    "/etc/systemd/system/rpcbind.socket.d/packstack-lite.conf": "rpcbind's socket, which a mount or a boot starts",
    "/root/.packstack-lite-database.cnf": "the database's client",
    "/root/keystonerc_admin": "a shell",
    "/root/keystonerc_demo": "a shell",
    "/usr/sbin/qemu-img": "each call",
    "/var/lib/nova/.ssh/authorized_keys": "sshd, at each login",
    "/var/lib/nova/.ssh/config": "ssh",
    "/var/lib/nova/.ssh/id_ed25519": "ssh",
}


def test_every_file_that_a_unit_reads_restarts_it():
    """The address of another node stands in files: whoever reads them has to follow when it moves (row D6)."""
    unread = set()
    for make in CASES.values():
        resources = services.declare(make())
        triggers = {id_ for resource in resources if isinstance(resource, Unit) for id_ in resource.trigger_ids}
        paths = {resource.path for resource in resources if isinstance(resource, File)}
        unread |= {path for path in paths if f"file:{path}" not in triggers}
    assert unread == set(READ_EACH_TIME)


@pytest.mark.parametrize(("profile", "again"), [("debian12-zed", False), ("debian13-epoxy", True)])
def test_nova_compute_restarts_once_only_in_releases_that_need_it(profile, again):
    resources = resources_by_id(on(profile, cloud()))
    assert ("once:nova-compute-hears" in resources) is again
    if again:
        assert resources["once:nova-compute-hears"].needs == ("once:nova-discover-hosts",)


@pytest.mark.parametrize(
    ("began", "known", "code"),
    [
        ("Mon 2026-11-23 22:31:40 UTC", "1", 0),
        ("Mon 2026-11-23 22:31:40 UTC", "0", 1),
        ("", "1", 75),
        ("Mon 2026-11-23 22:31:40 UTC", None, 75),
    ],
)
def test_the_restart_is_done_once_nova_compute_is_younger_than_its_registration(tmp_path, began, known, code):
    dash = Dash(tmp_path)
    dash.tool("systemctl", f'echo "{began}"')
    dash.tool("mariadb", f'echo "$3" > $T/query; echo {known}' if known else "exit 1")
    probe = resources_by_id(on("debian13-epoxy", cloud()))["once:nova-compute-hears"].probe_script
    assert dash.run(Command(probe)).code == code
    if code < 2:
        assert "created_at) < 1795473100" in dash.read_note("query")


def test_phases_come_in_order():
    ranks = [PHASES.index(resource.phase) for resource in services.declare(cloud())]
    assert ranks == sorted(ranks)


def test_every_config_is_written_before_the_schemas_and_triggers_a_unit():
    resources = services.declare(cloud())
    read = {identity for resource in resources for identity in resource.trigger_ids}
    configs = [r for r in resources if isinstance(r, File) and r.path.startswith("/etc/") and "sysctl" not in r.path]
    before_packages = [config.path for config in configs if config.phase is Phase.PREPARE]
    assert before_packages == ["/etc/systemd/system/epmd.socket.d/packstack-lite.conf"]
    assert {config.phase for config in configs} == {Phase.PREPARE, Phase.PLATFORM, Phase.CONFIGURE}
    assert [config.path for config in configs if config.id not in read] == []


def test_nova_conf_triggers_only_novas_units():
    readers = {r.id for r in services.declare(cloud()) if "file:/etc/nova/nova.conf" in r.trigger_ids}
    names = ("api", "api-metadata", "conductor", "scheduler", "novncproxy", "compute")
    assert readers == {f"unit:nova-{name}" for name in names}


def test_a_changed_ratio_changes_one_line():
    before = text(files(cloud())["/etc/nova/nova.conf"]).splitlines()
    after = text(files(cloud({"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO": 7.5}))["/etc/nova/nova.conf"]).splitlines()
    changed = [pair for pair in zip(before, after) if pair[0] != pair[1]]
    assert changed == [("cpu_allocation_ratio = 16.0", "cpu_allocation_ratio = 7.5")]


def test_every_running_unit_is_enabled():
    units = resources_of(cloud(), Unit)
    assert len(units) > 20
    assert [u.name for u in units if u.state == "running" and not u.enabled] == []
    assert {u.name for u in units if u.state == "masked"} == {
        *("mariadb.socket", "mariadb-extra.socket", "nova-spicehtml5proxy", "nova-serialproxy"),
    }


def test_agents_start_once_the_server_consumes_its_queue():
    agents = [u for u in resources_of(cloud(), Unit) if u.name.endswith("-agent")]
    assert len(agents) == 4
    assert all("unit:neutron-rpc-server" in agent.needs for agent in agents)
    assert "q-plugin" in unit(cloud(), "neutron-rpc-server").ready_script


def test_neutron_runs_as_one_server_without_uwsgi():
    """Under uwsgi, notifications to the agents waited for the next request: a closed port stayed open."""
    context = cloud()
    server = unit(context, "neutron-rpc-server")
    dropin = files(context)["/etc/systemd/system/neutron-rpc-server.service.d/packstack-lite.conf"]
    assert dropin in server.restart_triggers
    assert "\nExecStart=/usr/bin/neutron-server " in text(dropin)
    assert ":9696/ && " in server.ready_script and "q-plugin" in server.ready_script
    assert not [path for path in files(context) if "neutron-api" in path]


def test_nova_compute_starts_after_the_services_that_it_contacts():
    needs = set(unit(cloud(), "nova-compute").needs)
    assert {"unit:libvirtd", "unit:nova-conductor", "unit:nova-scheduler"} <= needs


def test_schema_jobs_run_in_parallel():
    """Only Keystone's bootstrap waits, for Keystone's tables."""
    waiting = {
        once.name: once.needs for once in resources_of(cloud(), RunOnce) if once.phase is Phase.SCHEMA and once.needs
    }
    assert waiting == {"keystone-bootstrap": ("once:keystone-schema",)}


def test_api_objects_of_one_phase_do_not_need_each_other():
    api_objects = resources_of(cloud(), ApiObject)
    for api_object in api_objects:
        same = {other.id for other in api_objects if other.phase is api_object.phase}
        assert not same & set(api_object.needs), api_object.id


def test_a_container_gets_user_space_switching_and_qemu():
    paths = set(files(cloud()))
    assert {"/etc/libvirt/qemu.conf", "/etc/systemd/system/ovs-vswitchd.service.d/packstack-lite.conf"} <= paths
    ids = set(resources_by_id(cloud()))
    assert "ovs_setting:other_config:userspace-tso-enable" in ids
    assert "unit:chrony" not in ids
    assert "datapath_type = netdev" in text(files(cloud())["/etc/neutron/plugins/ml2/openvswitch_agent.ini"])
    assert "virt_type = qemu\n" in text(files(cloud())["/etc/nova/nova-compute.conf"])


def test_a_machine_gets_kvm_and_the_kernels_switch():
    context = cloud(**MACHINE)
    assert "/etc/libvirt/qemu.conf" not in files(context)
    assert "unit:chrony" in resources_by_id(context)
    assert "datapath_type = system" in text(files(context)["/etc/neutron/plugins/ml2/openvswitch_agent.ini"])
    assert "virt_type = kvm\n" in text(files(context)["/etc/nova/nova-compute.conf"])
    assert "doublewrite" not in text(files(context)["/etc/mysql/mariadb.conf.d/99-packstack-lite.cnf"])


@pytest.mark.parametrize(
    ("answer", "cpus", "workers"), [("%{::processorcount}", 2, 1), ("", 16, 4), ("3", 2, 3), ("0", 1, 1)]
)
def test_workers_follow_the_answer_or_the_processors(answer, cpus, workers):
    assert cloud({"CONFIG_SERVICE_WORKERS": answer}, cpus=cpus).workers == workers


def test_every_uwsgi_api_closes_its_connections():
    inis = [text(file) for path, file in files(cloud()).items() if path.endswith("uwsgi.ini")]
    assert len(inis) == 4
    for ini in inis:
        assert "\nadd-header = Connection: close\n" in ini
        assert "\nprocesses = 2\n" in ini


def test_uwsgi_apis_of_zed_have_one_thread_per_process():
    """With several, neutron-api and keystone hung: greenlet.error, cannot switch to a different thread.

    There are two processes, because Nova and Cinder call each other within one request.
    """
    everything = {"CONFIG_CINDER_INSTALL": "y", "CONFIG_BARBICAN_INSTALL": "y"}
    rendered = {path: text(file) for path, file in files(cloud(everything, cpus=2)).items() if "uwsgi.ini" in path}
    assert len(rendered) == 6
    for path, ini in rendered.items():
        assert "\nthreads = 1\n" in ini and "\nprocesses = 2\n" in ini, path


def test_the_boot_unit_creates_the_rules_that_are_probed():
    context = cloud()
    nat = resources_of(context, Nat)[0]
    rules = [rule for _, rule in nat.rules]
    unit_text = text(files(context)["/etc/systemd/system/packstack-lite-bridge.service"])
    assert len(rules) == 3
    for rule in rules:
        assert f"-C {rule} 2>/dev/null" in unit_text and f"-A {rule}'" in unit_text, rule


def test_sites_that_keep_apache_from_starting_are_removed():
    absent_paths = {absent.path for absent in resources_of(cloud(), Absent)}
    assert "/etc/apache2/sites-enabled/default-ssl.conf" in absent_paths


def test_horizon_and_demo_can_be_left_out():
    context = cloud({"CONFIG_HORIZON_INSTALL": False, "CONFIG_PROVISION_DEMO": False})
    ids = set(resources_by_id(context))
    assert not {"unit:apache2", "network:public", "image:cirros", "project:demo", "nat:198.18.2.0/24"} & ids
    assert "flavor:m1.tiny" in ids
    assert "openstack-dashboard" not in resources_of(context, Packages)[0].names
    assert "/root/keystonerc_demo" not in files(context)


def test_the_demo_equals_packstacks():
    resources = resources_by_id(
        cloud({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=198.18.2.100,end=198.18.2.200"]'})
    )
    subnet = resources["subnet:public_subnet"].body
    assert subnet["gateway_ip"] == "198.18.2.1"
    assert subnet["allocation_pools"] == [{"start": "198.18.2.100", "end": "198.18.2.200"}]
    assert resources["subnet:private_subnet"].body["cidr"] == "10.0.0.0/24"
    assert resources["network:public"].body["provider:physical_network"] == "extnet"
    assert resources["router:router1"].body["interfaces"] == ("private_subnet",)
    assert [resources[f"flavor:m1.{n}"].body["id"] for n in ("tiny", "small", "medium", "large", "xlarge")] == list(
        "12345"
    )


@pytest.mark.parametrize(
    "answer", [None, "", "[]", (), '["start=198.18.2.9,end=198.18.2.9"]', ("start=198.18.2.9, end=198.18.2.9",)]
)
def test_allocation_pools_are_parsed(answer):
    expected = [{"start": "198.18.2.9", "end": "198.18.2.9"}] if answer and "start" in str(answer) else []
    assert parse_allocation_pools(answer) == expected


def test_a_malformed_allocation_pool_is_refused():
    with pytest.raises(UsageError, match="CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"):
        parse_allocation_pools('["198.18.2.9-198.18.2.10"]')


def test_every_unsupported_answer_is_in_one_error():
    context = cloud({"CONFIG_CINDER_INSTALL": True, "CONFIG_NOVA_INSTALL": False, "CONFIG_GLANCE_INSTALL": False})
    with pytest.raises(UsageError) as error:
        services.declare(context)
    assert error.value.message == "not supported yet: CONFIG_GLANCE_INSTALL=n, CONFIG_NOVA_INSTALL=n"
    assert "CONFIG_NOVA_INSTALL=y" in error.value.hint


def test_an_unknown_tunnel_interface_is_refused():
    with pytest.raises(UsageError, match="CONFIG_NEUTRON_OVS_TUNNEL_IF=eth9"):
        services.declare(cloud({"CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth9"}))


def test_the_tests_answers_are_parameters_of_the_table():
    """Services read these answers, so a resolved answer file always has all of them."""
    table = pytest.importorskip("packstack_lite.answers").PARAMETERS
    assert set(ANSWERS) <= {parameter.name for parameter in table}


def test_a_changed_admin_password_runs_the_bootstrap_again():
    def token(password):
        from packstack_lite.secret import Secret

        context = cloud({"CONFIG_KEYSTONE_ADMIN_PW": Secret(password)})
        return resources_by_id(context)["once:keystone-bootstrap"].desired()["token"]

    assert token("one") != token("two") and token("one") == token("one")
    assert "one" not in token("one")


def test_nova_compute_is_ready_once_it_has_registered_itself():
    """Its unit is active before: on Debian 13 discover_hosts ran too early and found nothing."""
    assert "nova.services WHERE topic = 'compute'" in unit(cloud(), "nova-compute").ready_script


@pytest.mark.parametrize(("virtualization", "seconds"), [("none", 120), ("kvm", 120), ("uml", 600), ("qemu", 600)])
def test_an_emulated_node_gets_longer_ready_timeouts(virtualization, seconds):
    assert cloud(virtualization=virtualization).declare_unit("glance-api", "glance").ready_timeout == seconds


@pytest.mark.parametrize("name", ["nova", "neutron", "cinder"])
def test_services_on_an_emulated_node_have_longer_rpc_timeouts(name):
    def rendered(virtualization):
        return text(
            files(cloud({"CONFIG_CINDER_INSTALL": "y"}, virtualization=virtualization))[f"/etc/{name}/{name}.conf"]
        )

    assert "\nrpc_response_timeout = 300\n" in rendered("uml").partition("\n[")[2].partition("\n[")[0]
    assert "rpc_response_timeout" not in rendered("kvm")


@pytest.mark.parametrize("agent_types", [("geneve",), ("gre", "vxlan", "geneve")])
def test_open_vswitch_has_the_tunnels_of_the_answers(agent_types):
    """Geneve too; nothing closes its UDP port 6081, because the port filter has TCP ports only."""
    answers = {
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": (*agent_types, "flat"),
        "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": agent_types,
        "CONFIG_FIREWALL": True,
    }
    context = cloud(answers, **MACHINE)
    rendered = files(context)
    agent = text(rendered["/etc/neutron/plugins/ml2/openvswitch_agent.ini"])
    assert f"tunnel_types = {','.join(agent_types)}\n" in agent
    server = text(rendered["/etc/neutron/plugins/ml2/ml2_conf.ini"])
    assert "[ml2_type_geneve]\nvni_ranges = 10:100\nmax_header_size = 38\n" in server
    assert f"tenant_network_types = {','.join(agent_types)}\n" in server
    port_filter = text(rendered[context.profile.path("port-filter")])
    assert "tcp" in port_filter
    assert "udp" not in port_filter
