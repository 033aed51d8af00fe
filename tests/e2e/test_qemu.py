"""A machine by QEMU: Debian's own kernel, by KVM where that runs one, else translated; stopped, started, rebooted."""

from __future__ import annotations

import time
from typing import Iterator

import pytest

from packstack_lite import sandbox as room
from packstack_lite.sandbox.vm import qemu
from tests.conftest import Tool
from tests.e2e.conftest import Sandbox

pytestmark = pytest.mark.slow
NAME = "e2e-qemu"
# What a container cannot have: kernel modules, a device mapper, a second disk to make volumes of.
KERNELS = f"""
set -e
modprobe -a openvswitch dm_mod dm_crypt dm_thin_pool iscsi_target_mod
lsmod | grep -c -e ^openvswitch -e ^dm_crypt -e ^dm_thin_pool -e ^iscsi_target_mod
mkfs.ext4 -q {qemu.SECOND_DISK_DEVICE}
mount {qemu.SECOND_DISK_DEVICE} /mnt
echo kept > /mnt/file
"""


@pytest.fixture(scope="module")
def machine(tool: Tool) -> Iterator[Sandbox]:
    """Made as a user makes it."""
    tool("sandbox", "down", NAME)
    up = tool("sandbox", "up", NAME, "--kind", "qemu", timeout=1200)
    assert up.code == 0, up.err
    yield Sandbox(NAME, tool, tool.home)
    assert tool("sandbox", "down", NAME).code == 0


def test_it_has_debians_kernel_and_the_kind_is_told(machine: Sandbox) -> None:
    assert machine.sh("systemd-detect-virt").strip() == ("kvm" if qemu.kvm_works() else "qemu")
    assert "Debian" in machine.sh("uname -v")
    listed = machine.tool("sandbox", "list").out
    assert [line.split()[1] for line in listed.splitlines() if line.startswith(NAME)] == ["qemu"]


def test_the_kernel_does_what_a_containers_cannot(machine: Sandbox) -> None:
    assert machine.sh(KERNELS).split()[-1] == "4"


def test_it_comes_back_after_a_reboot_and_after_a_stop_with_its_disks(machine: Sandbox) -> None:
    before = machine.sh("cat /proc/sys/kernel/random/boot_id; sync")
    machine.sh("nohup sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 &")
    end = time.monotonic() + 240
    while (now := machine.sh("cat /proc/sys/kernel/random/boot_id", check=False)) in ("", before):
        assert time.monotonic() < end, "it did not come back"
        time.sleep(2)
    room.stop(NAME)
    assert room.find(NAME).state == "stopped"
    room.start(NAME)
    assert machine.sh("cat /proc/sys/kernel/random/boot_id") not in (before, now)
    assert machine.sh(f"mount {qemu.SECOND_DISK_DEVICE} /mnt; cat /mnt/file").strip() == "kept"
