"""Make a sandbox of kind qemu, with KVM where it works; stop, start and reboot it."""

from __future__ import annotations

import time
from typing import Iterator

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.sandbox.vm import qemu
from tests.conftest import Tool
from tests.e2e.conftest import Sandbox

pytestmark = pytest.mark.slow
NAME = "e2e-qemu"
# What a container does not have: kernel modules, the device mapper, a second disk for volumes.
USE_KERNEL_MODULES = f"""
set -e
modprobe -a openvswitch dm_mod dm_crypt dm_thin_pool iscsi_target_mod
lsmod | grep -c -e ^openvswitch -e ^dm_crypt -e ^dm_thin_pool -e ^iscsi_target_mod
mkfs.ext4 -q {qemu.SECOND_DISK_DEVICE}
mount {qemu.SECOND_DISK_DEVICE} /mnt
echo kept > /mnt/file
"""


@pytest.fixture(scope="module")
def machine(tool: Tool) -> Iterator[Sandbox]:
    """A virtual machine, made with the command that users type."""
    tool("sandbox", "down", NAME)
    up_result = tool("sandbox", "up", NAME, "--kind", "qemu", timeout=1200)
    assert up_result.code == 0, up_result.err
    yield Sandbox(NAME, tool, tool.home)
    assert tool("sandbox", "down", NAME).code == 0


def test_it_runs_debians_kernel_and_list_shows_its_kind(machine: Sandbox) -> None:
    assert machine.sh("systemd-detect-virt").strip() == ("kvm" if qemu.kvm_works() else "qemu")
    assert "Debian" in machine.sh("uname -v")
    listed = machine.tool("sandbox", "list").out
    assert [line.split()[1] for line in listed.splitlines() if line.startswith(NAME)] == ["qemu"]


def test_the_kernel_loads_modules_and_mounts_a_disk(machine: Sandbox) -> None:
    assert machine.sh(USE_KERNEL_MODULES).split()[-1] == "4"


def test_it_keeps_its_disks_over_a_reboot_and_a_stop(machine: Sandbox) -> None:
    before = machine.sh("cat /proc/sys/kernel/random/boot_id; sync")
    machine.sh("nohup sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 &")
    end = time.monotonic() + 240
    while (now := machine.sh("cat /proc/sys/kernel/random/boot_id", check=False)) in ("", before):
        assert time.monotonic() < end, "it did not come back"
        time.sleep(2)
    sandbox_api.stop(NAME)
    assert sandbox_api.find(NAME).state == "stopped"
    sandbox_api.start(NAME)
    assert machine.sh("cat /proc/sys/kernel/random/boot_id") not in (before, now)
    assert machine.sh(f"mount {qemu.SECOND_DISK_DEVICE} /mnt; cat /mnt/file").strip() == "kept"
