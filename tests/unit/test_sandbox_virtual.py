"""Sandboxes with a kernel of their own: what is told to that kernel, and what goes into its disk."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from packstack_lite.errors import UsageFault
from packstack_lite.sandbox import kernel, lifecycle, machine, model, uml, virtual
from packstack_lite.sandbox.identity import network_file

OWN = kernel.Kernel(Path("/"))
RECORD = model.Record("m", "machine", "debian12", 3, "base-1", False)


def test_the_kernel_gets_both_disks_its_cable_and_a_console_that_is_kept():
    words = uml.argv(RECORD, OWN, 512)
    assert f"ubd0={RECORD.place}/disk.img" in words and f"ubd1={RECORD.place}/second.img" in words
    assert {"mem=512M", "con0=null,fd:2", "con1=null,fd:1", "rw", "root=/dev/ubda"} <= set(words)
    assert any(word.startswith("vec0:transport=tap,ifname=plsandbox3,") for word in words)


def test_the_interface_is_configured_by_the_name_that_this_kernel_gives_it():
    assert f"Name={uml.INTERFACE}\n" in network_file(RECORD)
    assert "Address=198.18.5.10/24" in network_file(RECORD)


def test_every_kernel_stays_on_one_processor_that_there_is(monkeypatch):
    monkeypatch.setattr(virtual.os, "sched_getaffinity", lambda pid: {2, 5})
    chosen = [virtual._pinned(model.Record("m", "machine", "debian12", number, "b", False)) for number in (1, 2)]
    assert chosen == [["taskset", "-c", "5"], ["taskset", "-c", "2"]]


def test_modules_generators_and_settings_go_into_the_tree(tmp_path, monkeypatch):
    root, calls = tmp_path / "root", []
    modules = tmp_path / "kernel/usr/lib/uml/modules"
    (modules / "6.1.9" / "kernel").mkdir(parents=True)
    for name in ("etc/systemd", "etc/apt/apt.conf.d", "usr/local/sbin"):
        (root / name).mkdir(parents=True)
    monkeypatch.setattr(uml, "run", lambda argv: calls.append(argv))
    uml.equip(root, kernel.Kernel(tmp_path / "kernel"))
    assert calls == [
        ["cp", "-a", str(modules / "6.1.9"), str(root / "usr/lib/modules/6.1.9")],
        ["chroot", str(root), "depmod", "6.1.9"],
        ["chroot", str(root), "/usr/local/sbin/packstack-lite-legacy-iptables"],
    ]
    assert (root / "etc/systemd/system-generators/systemd-debug-generator").readlink().as_posix() == "/dev/null"
    assert not (root / "etc/systemd/system-generators/systemd-fstab-generator").exists()
    assert (
        "innodb_buffer_pool_size_max" in (root / "etc/mysql/mariadb.conf.d/10-packstack-lite-sandbox.cnf").read_text()
    )


def test_without_modules_it_is_said_which_package_brings_them(tmp_path):
    with pytest.raises(model.SandboxFault, match="there are no modules") as fault:
        print(kernel.Kernel(tmp_path).modules)
    assert "user-mode-linux" in fault.value.hint


def test_the_host_knows_what_its_kernel_was_made_with(tmp_path, monkeypatch):
    root, from_here = tmp_path / "root", kernel.Kernel(tmp_path / "kernel")
    config = from_here.root / "usr/share/doc/user-mode-linux/config.gz"
    module = from_here.root / "usr/lib/uml/modules/9.9/kernel/x.ko"
    for place in (module, config, root / "etc/systemd/x", root / "etc/apt/apt.conf.d/x", root / "usr/local/sbin/x"):
        place.parent.mkdir(parents=True)
    config.write_bytes(gzip.compress(b"CONFIG_X=y\n"))
    monkeypatch.setattr(uml, "run", lambda argv: None)
    uml.equip(root, from_here)
    assert (root / "boot/config-9.9").read_text() == "CONFIG_X=y\n"


def test_a_sandbox_boots_by_the_kernel_whose_modules_its_disk_has(tmp_path):
    assert kernel.kept(tmp_path) == OWN
    kernel.keep(tmp_path, kernel.Kernel(tmp_path / "uml-9"))
    assert kernel.kept(tmp_path).program[-1] == str(tmp_path / "uml-9/start")


def test_this_machines_own_kernel_serves_where_no_other_is_to_be_had(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "HOME", tmp_path)
    monkeypatch.setattr(kernel.sources, "find", _no_such_suite)
    installed, said = [], []
    monkeypatch.setattr(kernel.machine, "install", lambda tools, say: installed.append(tools))
    assert kernel.ensure(said.append) == OWN
    assert installed == [kernel.OWN_TOOLS] and "no source of Debian sid" in said[-1]
    assert list((tmp_path / "kernels").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("CONFIG_IP_NF_FILTER=m", False),
        ("CONFIG_NF_TABLES_IPV4=y", False),
        ("# CONFIG_NF_TABLES_IPV4 is not set", True),
    ],
)
def test_the_newest_kernel_is_fetched_once_and_used_if_iptables_has_tables_in_it(tmp_path, monkeypatch, line, own):
    monkeypatch.setattr(kernel, "HOME", tmp_path)
    said = []
    monkeypatch.setattr(kernel.machine, "install", lambda tools, say: None)
    monkeypatch.setattr(kernel, "_fetch", lambda: pytest.fail("it is there"))
    newest = tmp_path / "kernels/uml-9"
    config = newest / "usr/share/doc/user-mode-linux/config.gz"
    config.parent.mkdir(parents=True)
    config.write_bytes(gzip.compress(f"CONFIG_X=y\n{line}\n".encode()))
    (newest / "start").touch()
    assert kernel.ensure(said.append).own is own
    assert any("no tables for iptables" in each for each in said) is own


def _no_such_suite(suite):
    raise model.SandboxFault(f"this machine's apt has no source of Debian {suite}", hint="")


def test_a_missing_header_is_a_missing_package(tmp_path):
    there = tmp_path / "elf.h"
    there.touch()
    assert machine.missing({str(there): "libc6-dev", "/no/such.h": "headers", "sh": "dash"}) == ["headers"]


def test_several_machines_on_one_segment_are_refused():
    with pytest.raises(UsageFault, match="several machines on one segment"):
        lifecycle.up("m", kind="machine", hosts=2)


def test_a_state_larger_than_the_kernel_knows_comes_back_whole(tmp_path, monkeypatch):
    """The library that user-mode Linux is run with, against this machine's real ptrace."""
    if machine.missing({key: name for key, name in kernel.TOOLS.items() if key != "mkfs.ext4"}):
        pytest.skip("there is no C compiler here")
    monkeypatch.setattr(kernel, "HOME", tmp_path)
    (tmp_path / "probe.c").write_text(PROBE)
    subprocess.run(["gcc", "-O0", "-o", "probe", "probe.c"], cwd=tmp_path, check=True)
    for preload in ({}, {"LD_PRELOAD": str(kernel.shim())}):
        done = subprocess.run(["./probe"], cwd=tmp_path, env=preload, capture_output=True, text=True)
        wide = "avx512f" in Path("/proc/cpuinfo").read_text()
        # Alone, 832 bytes are refused where the processor has more.
        assert (done.returncode, done.stdout) == ((2, "") if wide and not preload else (0, "kept\n")), done.stderr


# A child stops; 832 bytes of its registers are taken, changed, put back, and taken again by another place.
PROBE = r"""
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static _Alignas(64) char first[832], second[832];

int main(void)
{
    struct iovec one = { first, sizeof(first) }, two = { second, sizeof(second) };
    pid_t child = fork();

    if (!child) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &one) < 0)
        return 1;
    /* xmm0 is at 160 of the legacy part; the header at 512 says that SSE's registers are in use. */
    memcpy(first + 160, "packstack-lite!!", 16);
    first[512] |= 2;
    if (ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &one) < 0)
        return kill(child, SIGKILL) | 2;
    if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &two) < 0)
        return 3;
    kill(child, SIGKILL);
    puts(memcmp(second + 160, "packstack-lite!!", 16) ? "lost" : "kept");
    return 0;
}
"""
