"""Facts of hardware and kernel: processors, memory, KVM, Open vSwitch's module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, is_present, number, parse_number
from packstack_lite.remote.command import Command


def _words(values: Values) -> Tuple[str, ...]:
    """Split the first value at its spaces."""
    return tuple(first_text(values).split())


def _smallest(values: Values) -> int:
    """Return the smallest of the values' numbers, 0 without one."""
    return min(map(parse_number, values), default=0)


@dataclass(frozen=True)
class HardwareFacts:
    """Processors, memory and what the kernel offers.

    ``cpus`` is the number of processors that are online, ``cpu_flags`` their features from /proc/cpuinfo.
    ``has_kvm_device``: /dev/kvm exists. ``has_device_mapper``: the kernel has device-mapper, which LVM needs.
    ``memory_mib`` is what may be used: a container's limit where there is one. ``product`` is the maker's name and
    the product's, from DMI. ``kvm_works``: a virtual processor could be made. ``has_ovs_module``: the kernel has Open
    vSwitch's datapath, with the connection zones that Neutron needs (CONFIG_NF_CONNTRACK_ZONES).
    """

    cpus: int = fact("cpus", number)
    cpu_flags: Tuple[str, ...] = fact("cpu_flags", _words)
    memory_mib: int = fact("memory", _smallest)
    product: str = fact("product", " ".join)
    has_kvm_device: bool = fact("kvm_device", is_present)
    kvm_works: bool = fact("kvm_works", is_present)
    has_ovs_module: bool = fact("ovs_module", is_present)
    has_device_mapper: bool = fact("device_mapper", is_present)


_SCRIPT = (
    SAY_FUNCTION
    + r"""
for part in sys_vendor product_name; do say product "$(cat "/sys/class/dmi/id/$part" 2>/dev/null)"; done
say cpus "$(getconf _NPROCESSORS_ONLN)"
say cpu_flags "$(sed -n 's/^\(flags\|Features\)[^:]*: //p' /proc/cpuinfo | head -n 1)"
awk '/^MemTotal/ {printf "memory=%d\n", $2 / 1024}' /proc/meminfo
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ ! -r "$limit" ] || awk '/^[0-9]+$/ {printf "memory=%d\n", $1 / 1048576}' "$limit"
done
if { [ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null; } &&
    ! grep -qs '^# CONFIG_NF_CONNTRACK_ZONES is not set' "/boot/config-$(uname -r)"; then
    say ovs_module yes
fi
if grep -q device-mapper /proc/misc 2>/dev/null; then say device_mapper yes; fi
[ ! -c /dev/kvm ] || say kvm_device yes
exit 0
"""
)

# On some machines /dev/kvm and even KVM_CREATE_VCPU work although guests do not: the processor's flags decide too.
_KVM_SCRIPT = r"""
[ -c /dev/kvm ] || exit 1
[ "$(uname -m)" != x86_64 ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || exit 1
for python in python3 python2 python ''; do [ -z "$python" ] || ! command -v $python >/dev/null || break; done
[ -z "$python" ] || $python -c '
import fcntl, os
kvm = os.open("/dev/kvm", os.O_RDWR)
machine = fcntl.ioctl(kvm, 0xAE01, 0)
fcntl.ioctl(machine, 0xAE41, 0)' 2>/dev/null || exit 1
echo kvm_works=yes
"""


def build_command() -> Command:
    """Return the command that prints the facts of the hardware, but ``kvm_works``."""
    return Command(_SCRIPT, description="gather facts of the hardware")


def build_kvm_command() -> Command:
    """Return the command that creates a virtual processor, to test KVM.

    It fails, or times out, where KVM does not work.
    """
    return Command(_KVM_SCRIPT, timeout=10, description="try KVM")
