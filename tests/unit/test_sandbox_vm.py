"""Virtual machines: command lines of QEMU and user-mode Linux, the kernel, and the settings in its tree."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import lifecycle, local_commands, model
from packstack_lite.sandbox.identity import network_file
from packstack_lite.sandbox.vm import qemu, uml, uml_kernel, virtual_machine

RECORD = model.Record("m", "uml", "debian12", 3, "base-1", False)
QEMU_RECORD = dataclasses.replace(RECORD, kind="qemu")


def test_user_mode_linux_gets_both_disks_its_cable_and_a_console():
    argv = uml.uml_argv(RECORD, uml_kernel.KernelBuild(Path("/kernels/uml-9")), 512)
    assert f"ubd0={RECORD.directory}/disk.img" in argv and f"ubd1={RECORD.directory}/second.img" in argv
    assert argv[0] == "/kernels/uml-9/linux"
    assert {"mem=512M", "con0=null,fd:2", "con1=null,fd:1", "rw", "root=/dev/ubda"} <= set(argv)
    assert any(word.startswith("vec0:transport=tap,ifname=plsandbox3,") for word in argv)


@pytest.mark.parametrize(("kind", "name"), [("uml", "vec0"), ("qemu", "eth0"), ("machine", "vec0")])
def test_the_network_file_uses_the_kernels_name_of_the_interface(kind, name):
    text = network_file(dataclasses.replace(RECORD, kind=kind))
    assert f"Name={name}\n" in text and "Address=198.18.5.10/24" in text


@pytest.mark.parametrize(("kvm_works", "accelerator"), [(True, "kvm host"), (False, "tcg,thread=multi max")])
def test_qemu_gets_both_disks_its_cable_a_console_and_a_kernel(monkeypatch, kvm_works, accelerator):
    monkeypatch.setattr(qemu, "kvm_works", lambda: kvm_works)
    argv = qemu.boot_argv(QEMU_RECORD, 512)
    command_line = " ".join(argv)
    assert accelerator == " ".join(argv[argv.index("-accel") + 1 : argv.index("-accel") + 4 : 2])
    assert (
        f"-kernel {RECORD.directory}/vmlinuz -initrd {RECORD.directory}/initrd -append root=/dev/vda rw "
        in command_line
    )
    assert f"file={RECORD.directory}/disk.img,format=raw,if=virtio" in command_line
    assert command_line.index("/disk.img") < command_line.index("/second.img")
    assert (
        "-m 512 " in command_line and "-serial stdio" in command_line and "ifname=plsandbox3,script=no" in command_line
    )


def test_qemu_boots_the_newest_kernel_of_the_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    boot = QEMU_RECORD.root / "boot"
    boot.mkdir(parents=True)
    with pytest.raises(model.SandboxError, match="holds no boot/vmlinuz"):
        qemu.install_kernel(QEMU_RECORD)
    for number in ("6.1.0-47", "6.1.0-56"):
        (boot / f"vmlinuz-{number}-amd64").write_text(number)
        (boot / f"initrd.img-{number}-amd64").write_text(f"of {number}")
    qemu.install_kernel(QEMU_RECORD)
    installed = [(QEMU_RECORD.directory / name).read_text() for name in ("vmlinuz", "initrd")]
    assert installed == ["6.1.0-56", "of 6.1.0-56"]


@pytest.mark.parametrize(
    ("program", "seconds", "works"),
    [
        ("echo 'VFS: Unable to mount root fs on unknown-block'", 9, True),
        ("echo 'Unable to mount root fs'; exec sleep 60", 2, True),
        ("echo 'Linux version'; exec sleep 60", 0.5, False),
        ("echo 'cannot access KVM' >&2; exit 1", 9, False),
    ],
)
def test_kvm_works_where_a_kernel_gets_as_far_as_its_disk(program, seconds, works):
    assert qemu.boots_kernel(["sh", "-c", program], seconds) is works


def test_kvm_is_tried_only_once(tmp_path, monkeypatch):
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(qemu, "KVM_RESULT_FILE", tmp_path / "found")
    monkeypatch.setattr(qemu, "_has_kvm_device", lambda: True)
    attempts = []
    monkeypatch.setattr(qemu, "_boot_test_kernel", lambda progress: attempts.append(1) or True)
    assert qemu.kvm_works() and qemu.kvm_works() and attempts == [1]
    qemu.KVM_RESULT_FILE.unlink()
    monkeypatch.setattr(qemu, "_has_kvm_device", lambda: False)
    assert not qemu.kvm_works() and attempts == [1]


@pytest.mark.parametrize(
    ("kind", "kvm_works", "expected_kind", "packages"),
    [
        ("machine", True, "qemu", ["nova", *qemu.PACKAGES]),
        ("machine", False, "uml", ["nova"]),
        ("qemu", False, "qemu", ["nova", *qemu.PACKAGES]),
        ("uml", True, "uml", ["nova"]),
    ],
)
def test_kind_machine_is_qemu_where_kvm_works_else_uml(monkeypatch, kind, kvm_works, expected_kind, packages):
    monkeypatch.setattr(qemu, "kvm_works", lambda progress: kvm_works)
    kernels = []
    for hypervisor in (qemu, uml):
        monkeypatch.setattr(hypervisor, "install_tools", lambda tools, progress: None)
    monkeypatch.setattr(uml_kernel, "ensure_kernel", lambda progress: kernels.append(1))
    monkeypatch.setattr(
        virtual_machine.preinstalled_tree,
        "ensure_preinstalled_tree",
        lambda distro, names, progress: f"{distro} {' '.join(names)}",
    )
    messages = []
    assert virtual_machine.choose_kind_and_tree(kind, "debian12", ["nova"], messages.append) == (
        expected_kind,
        f"debian12 {' '.join(packages)}",
    )
    assert bool(messages) == (expected_kind == "qemu" and not kvm_works)
    assert bool(kernels) == (expected_kind == "uml"), "made before the lock for all is taken"
    if expected_kind == "uml":
        assert virtual_machine.choose_kind_and_tree(kind, "debian12", [], messages.append) == ("uml", model.BASE_TREE)


def test_each_kernel_runs_on_one_of_the_available_processors(monkeypatch):
    monkeypatch.setattr(uml.os, "sched_getaffinity", lambda pid: {2, 5})
    argvs = [uml.taskset_argv(model.Record("m", "machine", "debian12", number, "b", False)) for number in (1, 2)]
    assert argvs == [["taskset", "-c", "5"], ["taskset", "-c", "2"]]


@pytest.fixture
def kernel(tmp_path):
    """A compiled kernel in its directory."""
    build = uml_kernel.KernelBuild(tmp_path / "uml-9")
    (build.root / "modules/9.9/kernel").mkdir(parents=True)
    (build.root / "config").write_text("CONFIG_X=y\n")
    (build.root / "linux").touch()
    return build


def test_modules_generators_and_settings_are_written_into_the_tree(tmp_path, monkeypatch, kernel):
    root, calls = tmp_path / "root", []
    (root / "etc/systemd").mkdir(parents=True)
    monkeypatch.setattr(uml, "run_command", lambda argv: calls.append(argv))
    uml.adapt_tree(root, kernel)
    assert calls == [
        ["cp", "-a", str(kernel.root / "modules/9.9"), str(root / "usr/lib/modules/9.9")],
        ["chroot", str(root), "depmod", "9.9"],
    ]
    assert (root / "boot/config-9.9").read_text() == "CONFIG_X=y\n"
    assert (root / "etc/systemd/system-generators/systemd-debug-generator").readlink().as_posix() == "/dev/null"
    assert not (root / "etc/systemd/system-generators/systemd-fstab-generator").exists()
    assert (
        "innodb_buffer_pool_size_max" in (root / "etc/mysql/mariadb.conf.d/10-packstack-lite-sandbox.cnf").read_text()
    )


def test_a_sandbox_boots_the_kernel_that_it_was_linked_to(tmp_path, kernel):
    uml_kernel.link_kernel(tmp_path, kernel)
    assert uml_kernel.linked_kernel(tmp_path) == kernel


def test_a_sandbox_without_its_kernel_is_an_error_that_names_the_command(tmp_path, kernel):
    with pytest.raises(model.SandboxError, match="no longer exists") as error:
        uml_kernel.linked_kernel(tmp_path)
    assert f"sandbox down {tmp_path.name}" in error.value.hint
    uml_kernel.link_kernel(tmp_path, kernel)
    (kernel.root / "linux").unlink()
    with pytest.raises(model.SandboxError, match="no longer exists"):
        uml_kernel.linked_kernel(tmp_path)


def test_a_kernel_is_compiled_once_for_each_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(uml_kernel, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(uml_kernel.trees, "ensure_tree", lambda distro, tree, progress: tmp_path / distro)
    bases, messages = [], []
    monkeypatch.setattr(
        uml_kernel, "_build_kernel", lambda base, directory: (bases.append(base), directory.mkdir(parents=True))
    )
    first = uml_kernel.ensure_kernel(messages.append)
    assert (
        uml_kernel.ensure_kernel(messages.append) == first and bases == [tmp_path / "debian12"] and len(messages) == 2
    )
    monkeypatch.setattr(uml_kernel, "BUILD_PACKAGES", "gcc")
    assert uml_kernel.ensure_kernel(messages.append) != first and len(bases) == 2


def test_a_failed_kernel_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(uml_kernel, "SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(local_commands, "SANDBOX_HOME", tmp_path)
    (tmp_path / "base/etc").mkdir(parents=True)
    monkeypatch.setattr(uml_kernel.trees, "ensure_tree", lambda distro, tree, progress: tmp_path / "base")
    monkeypatch.setattr(uml_kernel.debs, "install_packages", lambda tree, names: None)
    monkeypatch.setattr(uml_kernel.apt_sources, "find_sources", _no_such_suite)
    with pytest.raises(model.SandboxError, match="no source of Debian trixie-backports"):
        uml_kernel.ensure_kernel(lambda text: None)
    assert list((tmp_path / "kernels").iterdir()) == []


def test_the_newest_kernel_source_is_chosen_by_version():
    names = ["linux-source-6.19", "linux-source-7.3", "linux-source-7.12", "linux-source-rt-8.0", "linux-source"]
    assert uml_kernel.newest_source_package(names) == "linux-source-7.12"


@pytest.mark.parametrize("names", [[], ["linux-source-6.12"], ["linux-source-7.3-rt"]])
def test_no_kernel_source_or_only_an_old_one_is_an_error(names):
    with pytest.raises(model.SandboxError, match=r"no kernel source of 6\.16 or newer") as error:
        uml_kernel.newest_source_package(names)
    assert "--kind container" in error.value.hint


def test_the_kernel_has_the_options_that_a_cloud_needs():
    required = {
        "CONFIG_NF_CONNTRACK_ZONES=y",
        "CONFIG_NF_TABLES_IPV4=y",
        "CONFIG_DM_CRYPT=m",
        "# CONFIG_SMP is not set",
    }
    assert required <= set(uml_kernel.read_data("uml/cloud.config").splitlines())


def _no_such_suite(suite):
    raise model.SandboxError(f"this machine's apt has no source of Debian {suite}", hint="")


def test_a_missing_header_file_gives_its_package(tmp_path):
    header = tmp_path / "elf.h"
    header.touch()
    assert local_commands.missing_packages({str(header): "libc6-dev", "/no/such.h": "headers", "sh": "dash"}) == [
        "headers"
    ]


def test_a_segment_of_virtual_machines_is_refused():
    with pytest.raises(UsageError, match="a segment has containers only"):
        lifecycle.up("m", kind="machine", node_count=2)
