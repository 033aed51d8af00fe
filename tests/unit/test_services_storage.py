"""Barbican, Swift and Cinder as declared: what is there for which answers, in which order, safely quoted."""

from __future__ import annotations

import configparser
import subprocess

import pytest

from packstack_lite import services
from packstack_lite.remote.command import Command
from packstack_lite.resources import (
    ApiObject,
    Database,
    Directory,
    File,
    FileSystem,
    Packages,
    RunOnce,
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


def by_id(of):
    return {resource.id: resource for resource in services.declare(of)}


def packages(of):
    return set(resources_of(of, Packages)[0].names)


def test_nobody_who_has_not_asked_gets_any_of_it():
    words = ("barbican", "swift", "cinder", "ceph", "volume")
    assert [identity for identity in by_id(cloud()) if any(word in identity for word in words)] == []
    assert not [name for name in packages(cloud()) if name.startswith(words)]
    assert "notifications" not in text(files(cloud())["/etc/keystone/keystone.conf"])


@pytest.mark.parametrize(
    ("backends", "wanted"),
    [
        (("lvm",), {"tgt", "lvm2"}),
        (("nfs",), {"nfs-common"}),
        (("ceph",), {"ceph-common", "ceph-mon", "ceph-osd"}),
        (("nfs", "ceph"), {"nfs-common", "ceph-mon"}),
    ],
)
def test_each_backend_brings_its_packages_and_its_type(backends, wanted):
    of = cloud(
        {"CONFIG_CINDER_INSTALL": True, "CONFIG_CINDER_BACKEND": backends, "CONFIG_CINDER_NFS_MOUNTS": ("h:/p",)}
    )
    assert wanted <= packages(of)
    others = {"tgt", "nfs-common", "ceph-mon"} - wanted
    assert not others & packages(of)
    types = {entity.name: entity.body for entity in resources_of(of, ApiObject) if entity.type == "volume_type"}
    assert [body["extra_specs"]["volume_backend_name"] for body in types.values()] == list(backends)
    config = text(files(of)["/etc/cinder/cinder.conf"])
    assert f"enabled_backends = {','.join(backends)}\n" in config
    assert f"default_volume_type = {next(iter(types))}\n" in config
    assert all(f"\n[{backend}]\n" in config for backend in backends)


FICKLE = """#!/bin/sh
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
    ("words", "trouble", "fails", "runs", "code"),
    [
        (["create", "-f", "luks", "x"], "Unable to get accurate CPU usage", 2, 3, 3),
        (["create", "-f", "luks", "x"], "Unable to get accurate CPU usage", 9, 5, 1),
        (["create", "-f", "luks", "x"], "no space", 2, 1, 1),
        (["convert", "-O", "raw", "x"], "Unable to get accurate CPU usage", 2, 1, 1),
    ],
)
def test_making_a_key_is_tried_again_where_the_processors_time_could_not_be_told(
    tmp_path, words, trouble, fails, runs, code
):
    own = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": True, "CONFIG_CINDER_BACKEND": ("ceph",)}
    wrapper = text(files(cloud(own))["/usr/sbin/qemu-img"])
    real = tmp_path / "real"
    real.write_text(FICKLE.format(tmp_path, trouble))
    real.chmod(0o755)
    (tmp_path / "left").write_text(f"{fails}\n")
    script = wrapper.replace("/usr/bin/qemu-img", str(real))
    assert script != wrapper
    done = subprocess.run(["dash", "-c", script, "qemu-img", *words], input=b"in\n", capture_output=True, check=False)
    assert ((tmp_path / "runs").read_text().count("run"), done.returncode) == (runs, code), done
    ended_well = code == 3
    assert done.stdout == (b"in\ndone\n" if ended_well else b"in\n")
    assert done.stderr == (
        b"a warning\n" if ended_well else f"qemu-img: x: error while converting luks: {trouble}\n".encode()
    )


def test_every_account_of_a_single_host_is_let_in_from_that_host_alone():
    of = cloud({**STORAGE})
    found = {database.name: database.client_hosts for database in resources_of(of, Database)}
    assert "cinder" in found and set(found.values()) == {(of.controller_address,)}


def test_nobody_else_gets_a_qemu_img_of_ours():
    lvm = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": True, "CONFIG_CINDER_BACKEND": ("lvm",)}
    plain = {**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": False, "CONFIG_CINDER_BACKEND": ("ceph",)}
    assert [of for of in (lvm, plain) if "/usr/sbin/qemu-img" in files(cloud(of))] == []


def test_an_existing_ceph_cluster_is_used_and_not_made():
    answers = {**STORAGE, "CONFIG_CINDER_CEPH_CREATE": False, "CONFIG_CINDER_CEPH_CONF": "/etc/ceph/far.conf"}
    of = cloud(answers)
    assert not {"ceph-mon", "ceph-osd"} & packages(of)
    assert not [identity for identity in by_id(of) if identity.startswith(("unit:ceph", "file:/etc/ceph"))]
    assert "rbd_ceph_conf = /etc/ceph/far.conf\n" in text(files(of)["/etc/cinder/cinder.conf"])
    assert "once:nova-ceph-secret" in by_id(of)


def test_a_ceph_cluster_is_made_step_by_step():
    resources = by_id(cloud(STORAGE))
    needs = {identity: set(resource.needs) for identity, resource in resources.items()}
    assert needs["unit:ceph-mon@aio"] == {"once:ceph-monitor"}
    assert needs["once:ceph-storage"] == needs["once:ceph-manager"] == {"unit:ceph-mon@aio"}
    assert needs["once:ceph-pool"] == {"unit:ceph-osd@0", "file:/etc/ceph/ceph.client.cinder.keyring"}
    assert "once:nova-ceph-secret" in needs["unit:nova-compute"]


def test_a_ceph_cluster_starts_with_the_host():
    """Its units are wanted by targets of its own, which a saved tree (and policy-rc.d) leaves disabled."""
    units = {unit.name for unit in resources_of(cloud(STORAGE), Unit) if unit.enabled and unit.state == "running"}
    assert {"ceph-mon.target", "ceph-mgr.target", "ceph-osd.target"} <= units


@pytest.mark.parametrize("step", ["monitor", "manager", "storage", "pool"])
def test_a_step_that_fails_in_the_middle_fails(step, tmp_path):
    """Every command fails here, the first one too: what stands behind it must not make the step look done."""
    work = by_id(cloud(STORAGE))[f"once:ceph-{step}"]
    names = ("ceph", "ceph-authtool", "monmaptool", "install", "runuser", "rbd", "chown", "mv", "rm", "mktemp", "grep")
    for name in names:
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/calls\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = f"( {work.script}\n) || exit $?\ntouch {tmp_path}/token\n"
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "token").exists()


CEPH_DONE = {
    "monitor": "/var/lib/ceph/mon/ceph-aio/store.db/CURRENT",
    "manager": "/var/lib/ceph/mgr/ceph-aio/keyring",
    "storage": "/var/lib/ceph/osd/ceph-0/ready",
}


def ceph_dash(tmp_path):
    made = Dash(tmp_path, ["/var/lib/ceph", "/etc/ceph"])
    for name in ("ceph", "ceph-authtool", "monmaptool", "chown"):
        made.tool(name, f'echo "{name} $*" >> "$T/ran"; for last; do :; done')
    made.tool("install", 'for last; do :; done; mkdir -p "$last"')
    made.tool("runuser", 'shift 3; "$@"')
    made.tool(
        "ceph-mon",
        'echo "ceph-mon $*" >> "$T/ran"; [ ! -e "$T/broken" ] || exit 1\n'
        'while [ "$1" != --mon-data ]; do shift; done; mkdir "$2/store.db"; echo new > "$2/store.db/CURRENT"',
    )
    return made


@pytest.mark.parametrize("step", sorted(CEPH_DONE))
def test_a_ceph_cluster_outlives_the_loss_of_its_tokens(step, tmp_path):
    """/var/lib/packstack-lite is gone: the step runs again, and must not begin a new cluster over the old one."""
    dash = ceph_dash(tmp_path)
    kept = tmp_path / CEPH_DONE[step].lstrip("/")
    kept.parent.mkdir(parents=True)
    kept.write_text("the cluster's")
    reply = dash.run(Command(by_id(cloud(STORAGE))[f"once:ceph-{step}"].script))
    assert (reply.code, dash.noted("ran")) == (0, ""), reply
    assert kept.read_text() == "the cluster's"


def test_a_monitors_store_is_made_whole_or_not_at_all(tmp_path):
    dash = ceph_dash(tmp_path)
    monitor = Command(by_id(cloud(STORAGE))["once:ceph-monitor"].script)
    home = tmp_path / "var/lib/ceph/mon/ceph-aio"
    (tmp_path / "broken").touch()
    assert dash.run(monitor).code != 0
    assert not home.exists()
    (tmp_path / "broken").unlink()
    home.mkdir()
    assert dash.run(monitor).code == 0
    assert (home / "store.db/CURRENT").read_text() == "new\n"
    assert [path.name for path in home.parent.iterdir()] == ["ceph-aio"]


def test_a_directory_of_a_monitor_that_holds_anything_is_left_alone(tmp_path):
    dash = ceph_dash(tmp_path)
    other = tmp_path / "var/lib/ceph/mon/ceph-aio/other"
    other.parent.mkdir(parents=True)
    other.write_text("somebody's")
    assert dash.run(Command(by_id(cloud(STORAGE))["once:ceph-monitor"].script)).code != 0
    assert other.read_text() == "somebody's"


def test_volumes_are_encrypted_by_the_host_with_keys_from_barbican():
    of = cloud(STORAGE)
    luks = by_id(of)["volume_type:LUKS"].body["encryption"]
    assert luks == {
        "provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"
    }  # fmt: skip
    for path in ("/etc/cinder/cinder.conf", "/etc/nova/nova.conf"):
        assert "[key_manager]\nbackend = barbican\n" in text(files(of)[path]), path
        assert "barbican_endpoint = http://198.18.1.10:9311\n" in text(files(of)[path]), path
    plain = cloud({**STORAGE, "CONFIG_CINDER_VOLUME_ENCRYPTION": False})
    assert "volume_type:LUKS" not in by_id(plain)
    assert "key_manager" not in text(files(plain)["/etc/nova/nova.conf"])


def test_the_demo_user_may_have_secrets_where_there_are_any():
    assert by_id(cloud(STORAGE))["user:demo"].body["roles"] == ("member", "creator")
    assert by_id(cloud())["user:demo"].body["roles"] == ("member",)


def test_a_volume_group_in_a_file_comes_back_after_a_boot():
    of = cloud(DISKS, **MACHINE)
    group = by_id(of)["volume_group:cinder-volumes"]
    assert (group.path, group.size_mib) == ("/var/lib/cinder/cinder-volumes", 20 * 1024 * 103 // 100)
    unit = text(files(of)["/etc/systemd/system/packstack-lite-cinder-volumes.service"])
    assert "losetup -f /var/lib/cinder/cinder-volumes" in unit
    assert "Before=tgt.service cinder-volume.service" in unit
    on_device = by_id(cloud({**DISKS, "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vdd"}, **MACHINE))
    assert on_device["volume_group:cinder-volumes"] == VolumeGroup(
        name="cinder-volumes", path="/dev/vdd", phase=Phase.PLATFORM, tags=frozenset({"cinder"})
    )
    assert "unit:packstack-lite-cinder-volumes" not in on_device
    theirs = by_id(cloud({**DISKS, "CONFIG_CINDER_VOLUMES_CREATE": False}, **MACHINE))
    assert theirs["volume_group:cinder-volumes"].path == ""


def test_objects_are_kept_on_the_devices_by_their_own_names():
    of = cloud(DISKS, **MACHINE)
    (rings,) = resources_of(of, SwiftRings)
    assert (dict(rings.devices), rings.replicas) == ({"vdb": 1, "vdc": 2}, 2)
    assert {system.path: system.type for system in resources_of(of, FileSystem)} == {
        "/dev/vdb": "xfs",
        "/dev/vdc": "xfs",
    }
    mounts = {unit.name: set(unit.needs) for unit in resources_of(of, Unit) if unit.name.endswith(".mount")}
    assert mounts == {"srv-node-vdb.mount": {"filesystem:/dev/vdb"}, "srv-node-vdc.mount": {"filesystem:/dev/vdc"}}
    turned = cloud({**DISKS, "CONFIG_SWIFT_STORAGES": ("/dev/vdc", "/dev/vdb")}, **MACHINE)
    assert set(resources_of(turned, SwiftRings)[0].devices) == {"vdb", "vdc"}
    assert "/etc/rsyncd.conf" in files(of)


def test_objects_are_in_a_file_or_where_that_cannot_be_in_a_directory():
    machine, container = cloud(STORAGE, **MACHINE), cloud(STORAGE)
    (system,) = resources_of(machine, FileSystem)
    assert (system.path, system.size, system.type) == ("/srv/loopback-device/swiftloopback", "2G", "ext4")
    assert "mount_check = true" in text(files(machine)["/etc/swift/object-server.conf"])
    assert resources_of(container, FileSystem) == []
    assert "mount_check = false" in text(files(container)["/etc/swift/object-server.conf"])
    places = {directory.path: directory.owner for directory in resources_of(container, Directory)}
    assert places["/srv/node/swiftloopback"] == "swift"
    assert "/etc/rsyncd.conf" not in files(container)


def test_the_storage_servers_listen_to_this_host_alone():
    rendered = files(cloud(STORAGE))
    for kind in ("account", "container", "object"):
        assert "\nbind_ip = 127.0.0.1\n" in text(rendered[f"/etc/swift/{kind}-server.conf"])


def test_no_swift_server_starts_before_the_rings():
    running = [u for u in resources_of(cloud(STORAGE), Unit) if u.name.startswith("swift-") and u.state == "running"]
    assert len(running) == 13
    assert all("rings:/etc/swift" in unit.needs for unit in running)


def test_glance_still_reads_its_files_when_new_images_go_to_swift():
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
    """As Swift reads its hash, and as glance_store reads its login: quotes taken off, but not by Train's."""
    of = with_password(password, profile)
    for path, section, key in (
        ("/etc/swift/swift.conf", "swift-hash", "swift_hash_path_suffix"),
        ("/etc/glance/glance-swift.conf", "service", "key"),
    ):
        parser = configparser.ConfigParser()
        parser.read_string(text(files(of)[path]))
        found = parser.get(section, key)
        quoted = path.endswith("glance-swift.conf") and profile != "centos7-train"
        assert (found[1:-1] if quoted else found) == password, path


@pytest.mark.parametrize("password", [*HOSTILE, "a%(x)s", "%%(x)s%", "100%"])
def test_swift_reads_every_password_of_its_paste_files_back(password):
    """Interpolation as in Swift's NicerInterpolation: none without ``%(``, ConfigParser's own with it."""

    class Nicer(configparser.BasicInterpolation):
        def before_get(self, parser, section, option, value, defaults):
            if "%(" not in value:
                return value
            return super().before_get(parser, section, option, value, defaults)

    parser = configparser.ConfigParser(interpolation=Nicer())
    parser.read_string(f"[a]\nb = {quote_paste(password.strip())}\n")
    assert parser.get("a", "b") == password.strip()


def test_what_holds_secrets_is_for_root_and_the_service():
    of = with_password("S3cr3t-")
    holding = [file for file in resources_of(of, File) if "S3cr3t-" in text(file)]
    assert len(holding) >= 6
    assert [file.path for file in holding if file.mode & 0o007 or file.owner != "root"] == []
    for resource in services.declare(of):
        assert "S3cr3t-" not in repr(resource.desired()), resource.id
        if isinstance(resource, RunOnce):
            assert "S3cr3t-" not in resource.script
