"""Barbican, Swift and Cinder: resources per answer, their order, and quoting of secrets."""

from __future__ import annotations

import configparser
import subprocess

import pytest

from packstack_lite import services
from packstack_lite.remote.command import Command
from packstack_lite.resources import (
    ApiObject,
    Database,
    File,
    FileSystem,
    Packages,
    RunOnce,
    StateDirectory,
    SwiftRings,
    Unit,
    VolumeGroup,
)
from packstack_lite.resources.base import Phase
from packstack_lite.secret import Secret, quote_paste
from tests.clouds import MACHINE, cloud
from tests.rendered import DISKS, STORAGE, files, resources_of, text
from tests.unit.dash import Dash
from tests.unit.test_services_secrets import HOSTILE


def resources_by_id(context):
    return {resource.id: resource for resource in services.declare(context)}


def packages(context):
    return set(resources_of(context, Packages)[0].names)


def test_storage_services_are_declared_only_if_requested():
    words = ("barbican", "swift", "cinder", "ceph", "volume")
    assert [resource_id for resource_id in resources_by_id(cloud()) if any(word in resource_id for word in words)] == []
    assert not [name for name in packages(cloud()) if name.startswith(words)]
    assert "notifications" not in text(files(cloud())["/etc/keystone/keystone.conf"])


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        (("lvm",), {"tgt", "lvm2"}),
        (("nfs",), {"nfs-common"}),
        (("ceph",), {"ceph-common", "ceph-mon", "ceph-osd"}),
        (("nfs", "ceph"), {"nfs-common", "ceph-mon"}),
    ],
)
def test_each_backend_has_its_packages_and_its_volume_type(backends, expected):
    context = cloud(
        {"CONFIG_CINDER_INSTALL": True, "CONFIG_CINDER_BACKEND": backends, "CONFIG_CINDER_NFS_MOUNTS": ("h:/p",)}
    )
    assert expected <= packages(context)
    others = {"tgt", "nfs-common", "ceph-mon"} - expected
    assert not others & packages(context)
    types = {
        api_object.name: api_object.body
        for api_object in resources_of(context, ApiObject)
        if api_object.type == "volume_type"
    }
    assert [body["extra_specs"]["volume_backend_name"] for body in types.values()] == list(backends)
    config = text(files(context)["/etc/cinder/cinder.conf"])
    assert f"enabled_backends = {','.join(backends)}\n" in config
    assert f"default_volume_type = {next(iter(types))}\n" in config
    assert all(f"\n[{backend}]\n" in config for backend in backends)


FAILING_QEMU_IMG = """#!/bin/sh
read left < {0}/left
echo run >> {0}/runs
cat
if [ "$left" -gt 0 ]; then
    echo $((left - 1)) > {0}/left
    echo "qemu-img: x: error while converting luks: {1}" >&2
    exit 1
fi
echo done
echo "a warning" >&2
exit 3
"""


@pytest.mark.parametrize(
    ("args", "message", "failures", "runs", "code"),
    [
        (["create", "-f", "luks", "x"], "Unable to get accurate CPU usage", 2, 3, 3),
        (["create", "-f", "luks", "x"], "Unable to get accurate CPU usage", 9, 5, 1),
        (["create", "-f", "luks", "x"], "no space", 2, 1, 1),
        (["convert", "-O", "raw", "x"], "Unable to get accurate CPU usage", 2, 1, 1),
    ],
)
def test_qemu_img_retries_where_it_cannot_measure_the_cpu(tmp_path, args, message, failures, runs, code):
    answers = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": True, "CONFIG_CINDER_BACKEND": ("ceph",)}
    wrapper = text(files(cloud(answers))["/usr/sbin/qemu-img"])
    real = tmp_path / "real"
    real.write_text(FAILING_QEMU_IMG.format(tmp_path, message))
    real.chmod(0o755)
    (tmp_path / "left").write_text(f"{failures}\n")
    script = wrapper.replace("/usr/bin/qemu-img", str(real))
    assert script != wrapper
    done = subprocess.run(["dash", "-c", script, "qemu-img", *args], input=b"in\n", capture_output=True, check=False)
    assert ((tmp_path / "runs").read_text().count("run"), done.returncode) == (runs, code), done
    succeeded = code == 3
    assert done.stdout == (b"in\ndone\n" if succeeded else b"in\n")
    assert done.stderr == (
        b"a warning\n" if succeeded else f"qemu-img: x: error while converting luks: {message}\n".encode()
    )


def test_accounts_of_a_single_node_may_connect_from_that_node_only():
    context = cloud({**STORAGE})
    hosts_by_database = {database.name: database.client_hosts for database in resources_of(context, Database)}
    assert "cinder" in hosts_by_database and set(hosts_by_database.values()) == {(context.controller_address,)}


def test_other_backends_get_no_wrapper_of_qemu_img():
    lvm = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": True, "CONFIG_CINDER_BACKEND": ("lvm",)}
    plain = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": False, "CONFIG_CINDER_BACKEND": ("ceph",)}
    assert [answers for answers in (lvm, plain) if "/usr/sbin/qemu-img" in files(cloud(answers))] == []


def test_an_existing_ceph_cluster_is_used_and_not_created():
    answers = {**STORAGE, "CONFIG_CINDER_CEPH_CREATE": False, "CONFIG_CINDER_CEPH_CONF": "/etc/ceph/far.conf"}
    context = cloud(answers)
    assert not {"ceph-mon", "ceph-osd"} & packages(context)
    assert not [
        resource_id
        for resource_id in resources_by_id(context)
        if resource_id.startswith(("unit:ceph", "file:/etc/ceph"))
    ]
    assert "rbd_ceph_conf = /etc/ceph/far.conf\n" in text(files(context)["/etc/cinder/cinder.conf"])
    assert "once:nova-ceph-secret" in resources_by_id(context)


def test_a_ceph_cluster_is_created_in_steps():
    resources = resources_by_id(cloud(STORAGE))
    needs = {resource_id: set(resource.needs) for resource_id, resource in resources.items()}
    assert needs["unit:ceph-mon@aio"] == {"once:ceph-monitor"}
    assert needs["once:ceph-storage"] == needs["once:ceph-manager"] == {"unit:ceph-mon@aio"}
    assert needs["once:ceph-pool"] == {"unit:ceph-osd@0", "file:/etc/ceph/ceph.client.cinder.keyring"}
    assert "once:nova-ceph-secret" in needs["unit:nova-compute"]


def test_a_ceph_cluster_starts_at_boot():
    """Its units are wanted by their own targets, which a saved tree (and policy-rc.d) leaves disabled."""
    units = {unit.name for unit in resources_of(cloud(STORAGE), Unit) if unit.enabled and unit.state == "running"}
    assert {"ceph-mon.target", "ceph-mgr.target", "ceph-osd.target"} <= units


@pytest.mark.parametrize("step", ["monitor", "manager", "storage", "pool"])
def test_a_step_with_a_failing_command_fails(step, tmp_path):
    """Every command fails here, the first one too; a later command must not make the step succeed."""
    job = resources_by_id(cloud(STORAGE))[f"once:ceph-{step}"]
    names = ("ceph", "ceph-authtool", "monmaptool", "install", "runuser", "rbd", "chown", "mv", "rm", "mktemp", "grep")
    for name in names:
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/calls\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = f"( {job.script}\n) || exit $?\ntouch {tmp_path}/token\n"
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "token").exists()


CEPH_DONE = {
    "monitor": "/var/lib/ceph/mon/ceph-aio/store.db/CURRENT",
    "manager": "/var/lib/ceph/mgr/ceph-aio/keyring",
    "storage": "/var/lib/ceph/osd/ceph-0/ready",
}


def ceph_sandbox(tmp_path):
    dash = Dash(tmp_path, ["/var/lib/ceph", "/etc/ceph"])
    for name in ("ceph", "ceph-authtool", "monmaptool", "chown"):
        dash.tool(name, f'echo "{name} $*" >> "$T/ran"; for last; do :; done')
    dash.tool("install", 'for last; do :; done; mkdir -p "$last"')
    dash.tool("runuser", 'shift 3; "$@"')
    dash.tool(
        "ceph-mon",
        'echo "ceph-mon $*" >> "$T/ran"; [ ! -e "$T/broken" ] || exit 1\n'
        'while [ "$1" != --mon-data ]; do shift; done; mkdir "$2/store.db"; echo new > "$2/store.db/CURRENT"',
    )
    return dash


@pytest.mark.parametrize("step", sorted(CEPH_DONE))
def test_a_ceph_cluster_survives_the_loss_of_the_fingerprints(step, tmp_path):
    """Without /var/lib/packstack-lite the step runs again, and must not overwrite the cluster."""
    dash = ceph_sandbox(tmp_path)
    data = tmp_path / CEPH_DONE[step].lstrip("/")
    data.parent.mkdir(parents=True)
    data.write_text("data of the cluster")
    reply = dash.run(Command(resources_by_id(cloud(STORAGE))[f"once:ceph-{step}"].script))
    assert (reply.code, dash.read_note("ran")) == (0, ""), reply
    assert data.read_text() == "data of the cluster"


def test_a_monitors_store_is_created_completely_or_not_at_all(tmp_path):
    dash = ceph_sandbox(tmp_path)
    monitor = Command(resources_by_id(cloud(STORAGE))["once:ceph-monitor"].script)
    home = tmp_path / "var/lib/ceph/mon/ceph-aio"
    (tmp_path / "broken").touch()
    assert dash.run(monitor).code != 0
    assert not home.exists()
    (tmp_path / "broken").unlink()
    home.mkdir()
    assert dash.run(monitor).code == 0
    assert (home / "store.db/CURRENT").read_text() == "new\n"
    assert [path.name for path in home.parent.iterdir()] == ["ceph-aio"]


def test_a_monitors_directory_with_foreign_files_is_not_touched(tmp_path):
    dash = ceph_sandbox(tmp_path)
    other = tmp_path / "var/lib/ceph/mon/ceph-aio/other"
    other.parent.mkdir(parents=True)
    other.write_text("of the user")
    assert dash.run(Command(resources_by_id(cloud(STORAGE))["once:ceph-monitor"].script)).code != 0
    assert other.read_text() == "of the user"


def test_the_hypervisor_encrypts_volumes_with_keys_from_barbican():
    context = cloud(STORAGE)
    luks = resources_by_id(context)["volume_type:LUKS"].body["encryption"]
    assert luks == {
        "provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"
    }  # fmt: skip
    for path in ("/etc/cinder/cinder.conf", "/etc/nova/nova.conf"):
        assert "[key_manager]\nbackend = barbican\n" in text(files(context)[path]), path
        assert "barbican_endpoint = http://198.18.1.10:9311\n" in text(files(context)[path]), path
    plain = cloud({**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": False})
    assert "volume_type:LUKS" not in resources_by_id(plain)
    assert "key_manager" not in text(files(plain)["/etc/nova/nova.conf"])


def test_the_demo_user_may_create_secrets_where_barbican_is():
    with_barbican = cloud({"CONFIG_BARBICAN_INSTALL": True})
    assert resources_by_id(with_barbican)["user:demo"].body["roles"] == ("member", "creator")
    assert resources_by_id(cloud())["user:demo"].body["roles"] == ("member",)


def test_a_volume_group_in_a_file_is_attached_at_boot():
    context = cloud(DISKS, **MACHINE)
    group = resources_by_id(context)["volume_group:cinder-volumes"]
    assert (group.path, group.size_mib) == ("/var/lib/cinder/cinder-volumes", 20 * 1024 * 103 // 100)
    unit = text(files(context)["/etc/systemd/system/packstack-lite-cinder-volumes.service"])
    assert "losetup -f /var/lib/cinder/cinder-volumes" in unit
    assert "Before=tgt.service cinder-volume.service" in unit
    on_device = resources_by_id(cloud({**DISKS, "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vdd"}, **MACHINE))
    assert on_device["volume_group:cinder-volumes"] == VolumeGroup(
        name="cinder-volumes", path="/dev/vdd", phase=Phase.PLATFORM, tags=frozenset({"cinder"})
    )
    assert "unit:packstack-lite-cinder-volumes" not in on_device
    existing_group = resources_by_id(cloud({**DISKS, "CONFIG_CINDER_VOLUMES_CREATE": False}, **MACHINE))
    assert existing_group["volume_group:cinder-volumes"].path == ""


def test_swifts_devices_are_named_after_the_disks():
    context = cloud(DISKS, **MACHINE)
    (rings,) = resources_of(context, SwiftRings)
    assert (dict(rings.devices), rings.replicas) == ({"vdb": 1, "vdc": 2}, 2)
    assert {system.path: system.type for system in resources_of(context, FileSystem)} == {
        "/dev/vdb": "xfs",
        "/dev/vdc": "xfs",
    }
    mounts = {unit.name: set(unit.needs) for unit in resources_of(context, Unit) if unit.name.endswith(".mount")}
    assert mounts == {"srv-node-vdb.mount": {"filesystem:/dev/vdb"}, "srv-node-vdc.mount": {"filesystem:/dev/vdc"}}
    reordered = cloud({**DISKS, "CONFIG_SWIFT_STORAGES": ("/dev/vdc", "/dev/vdb")}, **MACHINE)
    assert set(resources_of(reordered, SwiftRings)[0].devices) == {"vdb", "vdc"}
    assert "/etc/rsyncd.conf" in files(context)


def test_without_disks_objects_are_in_a_file_or_a_directory():
    machine, container = cloud(STORAGE, **MACHINE), cloud(STORAGE)
    (system,) = resources_of(machine, FileSystem)
    assert (system.path, system.size, system.type) == ("/srv/loopback-device/swiftloopback", "2G", "ext4")
    assert "mount_check = true" in text(files(machine)["/etc/swift/object-server.conf"])
    assert resources_of(container, FileSystem) == []
    assert "mount_check = false" in text(files(container)["/etc/swift/object-server.conf"])
    directories = {directory.path: directory for directory in resources_of(container, StateDirectory)}
    device = directories["/srv/node/swiftloopback"]
    assert (device.owner, device.content) == ("swift", "store")
    assert "/etc/rsyncd.conf" not in files(container)


def test_swifts_storage_servers_listen_on_loopback_only():
    rendered = files(cloud(STORAGE))
    for kind in ("account", "container", "object"):
        assert "\nbind_ip = 127.0.0.1\n" in text(rendered[f"/etc/swift/{kind}-server.conf"])


def test_no_swift_server_starts_before_the_rings():
    running = [u for u in resources_of(cloud(STORAGE), Unit) if u.name.startswith("swift-") and u.state == "running"]
    assert len(running) == 13
    assert all("rings:/etc/swift" in unit.needs for unit in running)


def test_glance_keeps_its_file_store_when_images_go_to_swift():
    config = text(files(cloud(STORAGE))["/etc/glance/glance-api.conf"])
    assert "enabled_backends = swift:swift, file:file\n" in config
    assert "default_backend = swift\n" in config


def with_password(password, profile="debian12-zed"):
    names = [name for name, value in STORAGE_SECRETS.items() if isinstance(value, Secret)]
    return cloud({**STORAGE, **{name: Secret(password) for name in names}}, profile=profile)


STORAGE_SECRETS = {
    f"CONFIG_{name}": Secret("")
    for name in ("GLANCE_KS_PW", "SWIFT_KS_PW", "SWIFT_HASH", "BARBICAN_KS_PW", "CINDER_KS_PW", "CINDER_DB_PW")
}


@pytest.mark.parametrize("profile", ["centos7-train", "debian12-zed"])
@pytest.mark.parametrize("password", [word.strip() for word in HOSTILE])
def test_configparser_reads_every_password_back(password, profile):
    """Swift reads its hash this way, and glance_store its login; Train's keeps the quotes."""
    context = with_password(password, profile)
    for path, section, key in (
        ("/etc/swift/swift.conf", "swift-hash", "swift_hash_path_suffix"),
        ("/etc/glance/glance-swift.conf", "service", "key"),
    ):
        parser = configparser.ConfigParser()
        parser.read_string(text(files(context)[path]))
        value = parser.get(section, key)
        quoted = path.endswith("glance-swift.conf") and profile != "centos7-train"
        assert (value[1:-1] if quoted else value) == password, path


@pytest.mark.parametrize("password", [*HOSTILE, "a%(x)s", "%%(x)s%", "100%"])
def test_swift_reads_every_password_of_its_paste_files_back(password):
    """Interpolate as Swift's NicerInterpolation does: only values with ``%(``."""

    class Nicer(configparser.BasicInterpolation):
        def before_get(self, parser, section, option, value, defaults):
            if "%(" not in value:
                return value
            return super().before_get(parser, section, option, value, defaults)

    parser = configparser.ConfigParser(interpolation=Nicer())
    parser.read_string(f"[a]\nb = {quote_paste(password.strip())}\n")
    assert parser.get("a", "b") == password.strip()


def test_only_root_and_the_service_can_read_secrets_of_storage():
    context = with_password("S3cr3t-")
    secret_files = [file for file in resources_of(context, File) if "S3cr3t-" in text(file)]
    assert len(secret_files) >= 6
    assert [file.path for file in secret_files if file.mode & 0o007 or file.owner != "root"] == []
    for resource in services.declare(context):
        assert "S3cr3t-" not in repr(resource.desired()), resource.id
        if isinstance(resource, RunOnce):
            assert "S3cr3t-" not in resource.script
