"""Sandboxes with a kernel of their own: what is told to that kernel, and what goes into its disk."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import lifecycle, local_commands, model
from packstack_lite.sandbox.identity import network_file
from packstack_lite.sandbox.vm import qemu, uml, uml_kernel, virtual_machine

RECORD = model.Record("m", "uml", "debian12", 3, "base-1", False)
EMULATED = dataclasses.replace(RECORD, kind="qemu")


def test_the_kernel_gets_both_disks_its_cable_and_a_console_that_is_kept():
    words = uml.uml_argv(RECORD, uml_kernel.KernelBuild(Path("/kernels/uml-9")), 512)
    assert f"ubd0={RECORD.directory}/disk.img" in words and f"ubd1={RECORD.directory}/second.img" in words
    assert words[0] == "/kernels/uml-9/linux"
    assert {"mem=512M", "con0=null,fd:2", "con1=null,fd:1", "rw", "root=/dev/ubda"} <= set(words)
    assert any(word.startswith("vec0:transport=tap,ifname=plsandbox3,") for word in words)


@pytest.mark.parametrize(("kind", "name"), [("uml", "vec0"), ("qemu", "eth0"), ("machine", "vec0")])
def test_the_interface_is_configured_by_the_name_that_this_kernel_gives_it(kind, name):
    text = network_file(dataclasses.replace(RECORD, kind=kind))
    assert f"Name={name}\n" in text and "Address=198.18.5.10/24" in text


@pytest.mark.parametrize(("runs", "accelerator"), [(True, "kvm host"), (False, "tcg,thread=multi max")])
def test_qemu_gets_both_disks_its_cable_a_console_and_a_kernel(monkeypatch, runs, accelerator):
    monkeypatch.setattr(qemu, "kvm_works", lambda: runs)
    words = qemu.boot_argv(EMULATED, 512)
    said = " ".join(words)
    assert accelerator == " ".join(words[words.index("-accel") + 1 : words.index("-accel") + 4 : 2])
    assert f"-kernel {RECORD.directory}/vmlinuz -initrd {RECORD.directory}/initrd -append root=/dev/vda rw " in said
    assert f"file={RECORD.directory}/disk.img,format=raw,if=virtio" in said
    assert said.index("/disk.img") < said.index("/second.img")
    assert "-m 512 " in said and "-serial stdio" in said and "ifname=plsandbox3,script=no" in said


def test_qemu_boots_the_newest_kernel_of_the_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    boot = EMULATED.root / "boot"
    boot.mkdir(parents=True)
    with pytest.raises(model.SandboxError, match="holds no boot/vmlinuz"):
        qemu.install_kernel(EMULATED)
    for number in ("6.1.0-47", "6.1.0-56"):
        (boot / f"vmlinuz-{number}-amd64").write_text(number)
        (boot / f"initrd.img-{number}-amd64").write_text(f"of {number}")
    qemu.install_kernel(EMULATED)
    kept = [(EMULATED.directory / name).read_text() for name in ("vmlinuz", "initrd")]
    assert kept == ["6.1.0-56", "of 6.1.0-56"]


@pytest.mark.parametrize(
    ("program", "proved"),
    [
        ("print('VFS: Unable to mount root fs on unknown-block')", True),
        ("print('Unable to mount root fs', flush=True); import time; time.sleep(60)", True),
        ("print('Linux version', flush=True); import time; time.sleep(60)", False),
        ("raise SystemExit('cannot access KVM')", False),
    ],
)
def test_kvm_runs_where_a_kernel_gets_as_far_as_its_disk(program, proved):
    assert qemu.boots_kernel([sys.executable, "-c", program], seconds=2) is proved


def test_kvm_is_tried_once(tmp_path, monkeypatch):
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(qemu, "KVM_RESULT_FILE", tmp_path / "found")
    monkeypatch.setattr(qemu, "_has_kvm_device", lambda: True)
    tried = []
    monkeypatch.setattr(qemu, "_boot_test_kernel", lambda say: tried.append(1) or True)
    assert qemu.kvm_works() and qemu.kvm_works() and tried == [1]
    qemu.KVM_RESULT_FILE.unlink()
    monkeypatch.setattr(qemu, "_has_kvm_device", lambda: False)
    assert not qemu.kvm_works() and tried == [1]


@pytest.mark.parametrize(
    ("asked", "runs", "chosen", "names"),
    [
        ("machine", True, "qemu", ["nova", *qemu.PACKAGES]),
        ("machine", False, "uml", ["nova"]),
        ("qemu", False, "qemu", ["nova", *qemu.PACKAGES]),
        ("uml", True, "uml", ["nova"]),
    ],
)
def test_a_machine_is_what_this_machine_can_do_best_or_what_was_named(monkeypatch, asked, runs, chosen, names):
    monkeypatch.setattr(qemu, "kvm_works", lambda say: runs)
    made = []
    for hypervisor in (qemu, uml):
        monkeypatch.setattr(hypervisor, "install_tools", lambda tools, say: None)
    monkeypatch.setattr(uml_kernel, "ensure_kernel", lambda say: made.append(1))
    monkeypatch.setattr(
        virtual_machine.preinstalled_tree,
        "ensure_preinstalled_tree",
        lambda distro, names, say: f"{distro} {' '.join(names)}",
    )
    said = []
    assert virtual_machine.choose_kind_and_tree(asked, "debian12", ["nova"], said.append) == (
        chosen,
        f"debian12 {' '.join(names)}",
    )
    assert bool(said) == (chosen == "qemu" and not runs)
    assert bool(made) == (chosen == "uml"), "before anybody has to wait for the lock of all"
    if chosen == "uml":
        assert virtual_machine.choose_kind_and_tree(asked, "debian12", [], said.append) == ("uml", model.BASE_TREE)


def test_every_kernel_stays_on_one_processor_that_there_is(monkeypatch):
    monkeypatch.setattr(uml.os, "sched_getaffinity", lambda pid: {2, 5})
    chosen = [uml.taskset_argv(model.Record("m", "machine", "debian12", number, "b", False)) for number in (1, 2)]
    assert chosen == [["taskset", "-c", "5"], ["taskset", "-c", "2"]]


@pytest.fixture
def made(tmp_path):
    """A kernel as it is kept."""
    made = uml_kernel.KernelBuild(tmp_path / "uml-9")
    (made.root / "modules/9.9/kernel").mkdir(parents=True)
    (made.root / "config").write_text("CONFIG_X=y\n")
    (made.root / "linux").touch()
    return made


def test_modules_generators_and_settings_go_into_the_tree(tmp_path, monkeypatch, made):
    root, calls = tmp_path / "root", []
    (root / "etc/systemd").mkdir(parents=True)
    monkeypatch.setattr(uml, "run_command", lambda argv: calls.append(argv))
    uml.adapt_tree(root, made)
    assert calls == [
        ["cp", "-a", str(made.root / "modules/9.9"), str(root / "usr/lib/modules/9.9")],
        ["chroot", str(root), "depmod", "9.9"],
    ]
    assert (root / "boot/config-9.9").read_text() == "CONFIG_X=y\n"
    assert (root / "etc/systemd/system-generators/systemd-debug-generator").readlink().as_posix() == "/dev/null"
    assert not (root / "etc/systemd/system-generators/systemd-fstab-generator").exists()
    assert (
        "innodb_buffer_pool_size_max" in (root / "etc/mysql/mariadb.conf.d/10-packstack-lite-sandbox.cnf").read_text()
    )


def test_a_sandbox_boots_by_the_kernel_whose_modules_its_disk_has(tmp_path, made):
    uml_kernel.link_kernel(tmp_path, made)
    assert uml_kernel.linked_kernel(tmp_path) == made


def test_a_sandbox_whose_kernel_is_gone_is_to_be_made_anew(tmp_path, made):
    with pytest.raises(model.SandboxError, match="no longer exists") as none:
        uml_kernel.linked_kernel(tmp_path)
    assert f"sandbox down {tmp_path.name}" in none.value.hint
    uml_kernel.link_kernel(tmp_path, made)
    (made.root / "linux").unlink()
    with pytest.raises(model.SandboxError, match="no longer exists"):
        uml_kernel.linked_kernel(tmp_path)


def test_a_kernel_is_made_once_and_anew_when_what_it_is_made_from_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(uml_kernel, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(uml_kernel.trees, "ensure_tree", lambda distro, tree, say: tmp_path / distro)
    made, said = [], []
    monkeypatch.setattr(uml_kernel, "_build_kernel", lambda base, place: (made.append(base), place.mkdir(parents=True)))
    first = uml_kernel.ensure_kernel(said.append)
    assert uml_kernel.ensure_kernel(said.append) == first and made == [tmp_path / "debian12"] and len(said) == 2
    monkeypatch.setattr(uml_kernel, "BUILD_PACKAGES", "gcc")
    assert uml_kernel.ensure_kernel(said.append) != first and len(made) == 2


def test_a_kernel_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(uml_kernel, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    (tmp_path / "base/etc").mkdir(parents=True)
    monkeypatch.setattr(uml_kernel.trees, "ensure_tree", lambda distro, tree, say: tmp_path / "base")
    monkeypatch.setattr(uml_kernel.debs, "install_packages", lambda tree, names: None)
    monkeypatch.setattr(uml_kernel.apt_sources, "find_sources", _no_such_suite)
    with pytest.raises(model.SandboxError, match="no source of Debian trixie-backports"):
        uml_kernel.ensure_kernel(lambda text: None)
    assert list((tmp_path / "kernels").iterdir()) == []


def test_the_newest_source_is_taken_by_number():
    names = ["linux-source-6.19", "linux-source-7.3", "linux-source-7.12", "linux-source-rt-8.0", "linux-source"]
    assert uml_kernel.newest_source_package(names) == "linux-source-7.12"


@pytest.mark.parametrize("names", [[], ["linux-source-6.12"], ["linux-source-7.3-rt"]])
def test_no_source_or_an_old_one_is_said(names):
    with pytest.raises(model.SandboxError, match=r"no kernel source of 6\.16 or newer") as fault:
        uml_kernel.newest_source_package(names)
    assert "--kind container" in fault.value.hint


def test_the_kernel_is_asked_for_what_a_cloud_cannot_do_without():
    wanted = {"CONFIG_NF_CONNTRACK_ZONES=y", "CONFIG_NF_TABLES_IPV4=y", "CONFIG_DM_CRYPT=m", "# CONFIG_SMP is not set"}
    assert wanted <= set(uml_kernel.read_data("uml/cloud.config").splitlines())


def _no_such_suite(suite):
    raise model.SandboxError(f"this machine's apt has no source of Debian {suite}", hint="")


def test_a_missing_header_is_a_missing_package(tmp_path):
    there = tmp_path / "elf.h"
    there.touch()
    assert local_commands.missing_packages({str(there): "libc6-dev", "/no/such.h": "headers", "sh": "dash"}) == [
        "headers"
    ]


def test_several_machines_on_one_segment_are_refused():
    with pytest.raises(UsageError, match="a segment has containers only"):
        lifecycle.up("m", kind="machine", node_count=2)
