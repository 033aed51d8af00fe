"""What differs on EL: one web server for three services, and units that serve several roles."""

from __future__ import annotations

import ast

import pytest

from packstack_lite import services
from packstack_lite.resources import Absent, ApiObject, Packages, RabbitmqUser, RunOnce, Symlink, Unit
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.secret import Secret
from packstack_lite.services._base.merge_units import merge_units
from tests.clouds import ADDRESS, MACHINE, OVN, cloud
from tests.rendered import CASES, DISKS, STORAGE, files, on, resources_of, resources_of_case, text

TRAIN, EPOXY = "centos7-train", "centos9s-epoxy"
BOTH = pytest.mark.parametrize("profile", [TRAIN, EPOXY])
ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"


def declared(profile, answers=None, **changes):
    return {resource.id: resource for resource in services.declare(on(profile, cloud(answers, **changes)))}


def unit(profile, name, answers=None, **changes):
    return declared(profile, answers, **changes)[f"unit:{name}"]


def config(profile, path, answers=None, **changes):
    return text(files(on(profile, cloud(answers, **changes)))[path])


@BOTH
@pytest.mark.parametrize("case", CASES)
def test_ids_are_unique_needs_are_met_and_no_resource_waits_for_a_later_phase(profile, case):
    resources = resources_of_case(profile, case)
    by_id = {resource.id: resource for resource in resources}
    assert len(by_id) == len(resources)
    for resource in resources:
        for other in (*resource.needs, *resource.trigger_ids):
            assert other in by_id, f"{resource.id} needs {other}, which does not exist"
            assert PHASES.index(by_id[other].phase) <= PHASES.index(resource.phase), f"{resource.id} waits for {other}"
        assert resource.id not in resource.needs


@BOTH
def test_one_web_server_runs_keystone_placement_and_the_dashboard(profile):
    context = on(profile, cloud())
    httpd = unit(profile, "httpd")
    paths = ("keystone", "keystone-vhost", "httpd-unit", "placement", "placement-vhost", "horizon", "horizon-site")
    assert {f"file:{context.profile.path(name)}" for name in paths} == set(httpd.trigger_ids)
    assert httpd.phase is Phase.SCHEMA, "the catalogue needs keystone"
    assert {"once:keystone-schema", "once:placement-schema"} <= set(httpd.needs)
    for address in (":5000/v3", ":8778/", "/dashboard/auth/login/"):
        assert f"http://{ADDRESS}{address}" in httpd.ready_script
    assert httpd.tags == {"keystone", "placement", "horizon"}
    assert httpd.ready_timeout == 300, "RDO's unit may take five minutes to start"


@BOTH
def test_without_the_dashboard_the_web_server_runs_the_rest(profile):
    httpd = unit(profile, "httpd", {"CONFIG_HORIZON_INSTALL": False})
    assert "dashboard" not in httpd.ready_script and ":5000/v3" in httpd.ready_script
    assert len(httpd.trigger_ids) == 5


@BOTH
@pytest.mark.parametrize(
    ("path", "script", "port"),
    [
        ("/etc/httpd/conf.d/wsgi-keystone.conf", "/usr/bin/keystone-wsgi-public", 5000),
        ("/etc/httpd/conf.d/00-placement-api.conf", "/usr/bin/placement-api", 8778),
    ],
)
def test_a_virtual_host_listens_and_grants_access_to_its_script(profile, path, script, port):
    """The package's own file for Placement grants no access: every request gets 403."""
    lines = [line.strip() for line in config(profile, path, {"CONFIG_SERVICE_WORKERS": "3"}).splitlines()]
    assert f"Listen {ADDRESS}:{port}" in lines
    assert f"WSGIScriptAlias / {script}" in lines
    assert lines[lines.index("<Directory /usr/bin>") + 1] == "Require all granted"
    (daemon,) = [line for line in lines if line.startswith("WSGIDaemonProcess")]
    assert " processes=3 " in daemon


@BOTH
def test_one_unit_serves_compute_and_metadata(profile):
    api = unit(profile, "openstack-nova-api")
    assert f"http://{ADDRESS}:8774/" in api.ready_script and f"http://{ADDRESS}:8775/" in api.ready_script
    lines = config(profile, "/etc/nova/nova.conf").splitlines()
    for name in ("osapi_compute_listen", "metadata_listen"):
        assert f"{name} = {ADDRESS}" in lines
    assert "unit:openstack-nova-metadata-api" not in declared(profile)


def test_on_debian_uwsgi_sets_the_listen_address():
    assert "osapi_compute_" not in config("debian12-zed", "/etc/nova/nova.conf")


@BOTH
def test_a_link_gives_neutrons_plugin_configuration_the_units_name(profile):
    (link,) = resources_of(on(profile, cloud()), Symlink)
    assert (link.path, link.target) == ("/etc/neutron/plugin.ini", ML2)
    assert {link.id, f"file:{ML2}"} <= set(unit(profile, "neutron-server").trigger_ids)
    assert not resources_of(cloud(), Symlink)


@BOTH
def test_northds_unit_checks_both_databases(profile):
    northd = unit(profile, "ovn-northd", OVN)
    assert "ovn-nbctl" in northd.ready_script and "ovn-sbctl" in northd.ready_script
    options = config(profile, "/etc/sysconfig/ovn-northd", OVN)
    assert options.count("-addr=127.0.0.1") == 2 and ADDRESS not in options
    assert "file:/etc/sysconfig/ovn-northd" in northd.trigger_ids


@pytest.mark.parametrize(
    ("profile", "path", "agent"),
    [
        (TRAIN, "plugins/networking-ovn/networking-ovn-metadata-agent.ini", "networking-ovn-metadata-agent"),
        (EPOXY, "neutron_ovn_metadata_agent.ini", "neutron-ovn-metadata-agent"),
    ],
)
def test_the_ovn_metadata_agent_reads_one_file_and_has_its_own_name(profile, path, agent):
    path = f"/etc/neutron/{path}"
    lines = config(profile, path, OVN).splitlines()
    assert "root_helper = sudo neutron-rootwrap /etc/neutron/rootwrap.conf" in lines
    assert "ovsdb_connection = tcp:127.0.0.1:6640" in lines, "the agent may not open the switch's socket on EL"
    assert f"file:{path}" in unit(profile, agent, OVN).trigger_ids
    names = {
        api_object.name
        for api_object in resources_of(on(profile, cloud(OVN)), ApiObject)
        if api_object.type == "network_agent"
    }
    assert names == {"ovn-controller@aio", f"{agent}@aio"}


def test_libvirt_is_one_daemon_or_several():
    sockets = {f"virt{part}d.socket" for part in ("qemu", "nodedev", "secret", "storage")}
    one, parts = declared(TRAIN), declared(EPOXY)
    assert "unit:libvirtd" in one and "unit:libvirtd" not in parts
    assert {f"unit:{name}" for name in sockets} <= set(parts["unit:openstack-nova-compute"].needs)
    assert not {f"unit:{name}" for name in sockets} & set(one)
    assert "file:/etc/libvirt/qemu.conf" in parts["unit:virtqemud.socket"].trigger_ids
    assert parts["unit:virtqemud.socket"].full_name == "virtqemud.socket"


def test_rabbitmqs_configuration_has_its_releases_format():
    terms = config(TRAIN, "/etc/rabbitmq/rabbitmq.config")
    assert terms.rstrip().endswith("].") and f'{{tcp_listeners, [{{"{ADDRESS}", 5672}}]}}' in terms
    assert terms.count("[") == terms.count("]") and terms.count("{") == terms.count("}")
    assert f"listeners.tcp.1 = {ADDRESS}:5672" in config(EPOXY, "/etc/rabbitmq/rabbitmq.conf")


@BOTH
@pytest.mark.parametrize("name", ["rabbitmq-server", "mariadb", "httpd"])
def test_services_that_bind_the_address_once_wait_for_the_network(profile, name):
    path = f"/etc/systemd/system/{name}.service.d/packstack-lite.conf"
    assert "After=network-online.target" in config(profile, path)
    assert f"file:{path}" in unit(profile, name).trigger_ids


@BOTH
def test_epmd_listens_on_loopback_only(profile):
    """Both when systemd's socket starts it and when the broker does."""
    assert "ERL_EPMD_ADDRESS=127.0.0.1" in config(profile, "/etc/rabbitmq/rabbitmq-env.conf")
    dropin = config(profile, "/etc/systemd/system/epmd@0.0.0.0.socket.d/packstack-lite.conf")
    assert "ListenStream=\nListenStream=127.0.0.1:4369\n" in dropin


def test_a_rabbitmq_without_definitions_is_marked():
    supports_definitions = {
        name: resources_of(on(name, cloud()), RabbitmqUser)[0].supports_definitions for name in (TRAIN, EPOXY)
    }
    assert supports_definitions == {TRAIN: False, EPOXY: True}


def statements(profile, **changes):
    (root,) = [once for once in resources_of(on(profile, cloud(**changes)), RunOnce) if once.name == "mariadb-root"]
    return root.stdin.decode().splitlines()


def test_root_of_the_database_has_both_logins_on_every_release():
    ways = "unix_socket OR mysql_native_password USING PASSWORD('mariadb-pw')"
    assert statements("debian12-zed") == [f"ALTER USER root@localhost IDENTIFIED VIA {ways};"]
    assert statements(EPOXY)[0] == f"ALTER USER root@localhost IDENTIFIED VIA {ways};"
    old = statements(TRAIN)
    assert old[:3] == [
        "ALTER USER root@localhost IDENTIFIED VIA unix_socket;",
        f"CREATE USER IF NOT EXISTS root@'{ADDRESS}' IDENTIFIED BY 'mariadb-pw';",
        f"ALTER USER root@'{ADDRESS}' IDENTIFIED BY 'mariadb-pw';",
    ]
    assert " OR " not in " ".join(old), "MariaDB 10.3 takes one method per account"
    assert "plugin-load-add = auth_socket" in config(TRAIN, "/etc/my.cnf.d/zz-packstack-lite.cnf")


@BOTH
def test_no_database_is_dropped(profile):
    """Not even "test", which may hold a user's tables."""
    assert not [line for line in statements(profile) if "DROP DATABASE" in line]


@BOTH
def test_accounts_without_a_password_are_dropped(profile):
    (drop,) = [line for line in statements(profile) if line.startswith("DROP USER")]
    for account in ("''@'localhost'", "''@'aio'", "root@'aio'", "root@'127.0.0.1'", "root@'::1'"):
        assert account in drop
    assert "root@'localhost'" not in drop
    (drop,) = [line for line in statements(profile, hostname="localhost") if line.startswith("DROP USER")]
    assert "root@'localhost'" not in drop, "every service of ours uses that account"


@BOTH
def test_marker_tables_are_the_releases_own(profile):
    tables = {"once:keystone-schema": "keystone", "once:cinder-schema": "cinder"}
    old = profile == TRAIN
    resources = declared(profile, STORAGE)
    for once, schema in tables.items():
        assert f"FROM {schema}.{'migrate_version' if old else 'alembic_version'}" in resources[once].probe_script
    assert "FROM placement.alembic_version" in resources["once:placement-schema"].probe_script


@BOTH
def test_values_of_dist_conf_are_rendered(profile):
    """RDO's services do not read dist.conf since Xena."""
    assert "log_file = /var/log/keystone/keystone.log" in config(profile, "/etc/keystone/keystone.conf")
    glance = config(profile, "/etc/glance/glance-api.conf").splitlines()
    assert "log_file = /var/log/glance/api.log" in glance
    assert [line for line in glance if line.startswith("config_file = /")]
    nova = config(profile, "/etc/nova/nova.conf").splitlines()
    assert {"log_dir = /var/log/nova", "state_path = /var/lib/nova", "lock_path = /var/lib/nova/tmp"} <= set(nova)
    assert "compute_driver = libvirt.LibvirtDriver" in config(profile, "/etc/nova/nova-compute.conf")


def test_config_drives_use_the_installed_program():
    assert "mkisofs_cmd = mkisofs" in config(EPOXY, "/etc/nova/nova.conf").splitlines()
    assert "mkisofs_cmd" not in config(TRAIN, "/etc/nova/nova.conf")


def test_trains_dashboard_settings_are_one_valid_file():
    key = {"CONFIG_HORIZON_SECRET_KEY": Secret("a'b\"\\c")}
    settings = config(TRAIN, "/etc/openstack-dashboard/local_settings", key)
    settings_values = {}
    exec(
        compile(settings, "/usr/share/x/local_settings.py", "exec"), {"__file__": "/usr/share/x/y.py"}, settings_values
    )
    assert settings_values["SECRET_KEY"] == "a'b\"\\c"
    assert settings_values["WEBROOT"] == "/dashboard/"
    assert settings_values["CACHES"]["default"]["BACKEND"].endswith("memcached.MemcachedCache"), (
        "Django has no other in Train"
    )


@BOTH
def test_barbicans_gunicorn_listens_on_the_controllers_address(profile):
    source = config(profile, "/etc/barbican/gunicorn-config.py", STORAGE)
    settings = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source).body}
    assert settings["bind"] == f"{ADDRESS}:9311" and settings["user"] == "barbican"
    assert "file:/etc/barbican/gunicorn-config.py" in unit(profile, "openstack-barbican-api", STORAGE).trigger_ids


@BOTH
def test_volumes_are_exported_by_the_kernels_target(profile):
    context = on(profile, cloud(DISKS, **MACHINE))
    assert "target_helper = lioadm" in text(files(context)["/etc/cinder/cinder.conf"])
    assert f"osapi_volume_listen = {ADDRESS}" in text(files(context)["/etc/cinder/cinder.conf"])
    assert {"target", "iscsid"} <= {unit.name for unit in resources_of(context, Unit)}
    assert "targetcli" in resources_of(context, Packages)[-1].names


@BOTH
def test_chrony_is_configured_in_its_only_file(profile):
    answers = {"CONFIG_NTP_SERVERS": ("198.18.0.1",)}
    assert "server 198.18.0.1 iburst\n" in config(profile, "/etc/chrony.conf", answers, **MACHINE)
    assert unit(profile, "chronyd", answers, **MACHINE).trigger_ids == ("file:/etc/chrony.conf",)
    assert "file:/etc/chrony.conf" not in declared(profile, **MACHINE)


@BOTH
def test_no_path_of_debian_is_rendered(profile):
    context = on(profile, CASES["disks"]())
    assert not [absent for absent in resources_of(context, Absent) if not absent.created_by_us]
    for path, file in files(context).items():
        assert "uwsgi" not in path and "/apache2/" not in path and "/etc/default/" not in path
        assert "www-data" not in text(file)


def test_roles_of_one_unit_merge_into_one_resource():
    first = Unit("a", needs=("unit:b",), ready_script="one", phase=Phase.SCHEMA, tags=frozenset({"x"}), logs=("/l",))
    second = Unit("a", needs=("unit:a", "unit:c"), ready_script="two\nthree", ready_timeout=300, tags=frozenset({"y"}))
    other = Unit("b")
    merged, kept = merge_units([first, other, second])
    assert kept is other
    assert merged.needs == ("unit:b", "unit:c")
    assert merged.ready_script == "( one\n) && ( two\nthree\n)"
    assert (merged.phase, merged.ready_timeout, merged.tags, merged.logs) == (
        Phase.SCHEMA,
        300,
        frozenset({"x", "y"}),
        ("/l",),
    )
    assert merge_units([Unit("a"), Unit("a")])[0].ready_script == "true"
    assert merge_units([Unit("a"), first])[0].ready_script == "one"
