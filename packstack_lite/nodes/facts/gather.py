"""Gathering the facts of a host: a few commands, one flight, nothing changed there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Sequence, Tuple

from packstack_lite.errors import PhaseError
from packstack_lite.nodes.facts import (
    Facts,
    network_interfaces,
    package_source,
    repositories,
    security,
    software,
    storage,
    uplinks,
)
from packstack_lite.nodes.facts.key_value import parse_key_values as words
from packstack_lite.remote.command import Command, Connection, Reply

# What a command replies that took too long.
TIMEOUT_EXIT_CODE = 124
# Seconds that a host may still take to boot before it is looked at as it is.
BOOT_WAIT_SECONDS = 60
# KEY=VALUE lines. A key may come several times; its values are then a list.
_SYSTEM = r"""
say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
# While a host boots, units that systemd is about to start look stopped, and routes are missing. Not "--wait", of 239.
turns=PATIENCE
while case $(systemctl is-system-running 2>/dev/null) in initializing|starting) ;; *) false ;; esac; do
    [ $turns -gt 0 ] || { say booting yes; break; }
    turns=$((turns - 1))
    sleep 1
done
name=$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname)
say hostname "$name"
say fqdn "$(timeout 3 hostname -f 2>/dev/null)"
timeout 5 getent ahosts "$name" 2>/dev/null | awk '!seen[$1]++ {print "hostname_address=" $1}'
[ ! -r /etc/os-release ] ||
    ( . /etc/os-release; say os_id "$ID"; say os_version "${VERSION_ID:-}"; say os_name "$PRETTY_NAME" )
say arch "$(uname -m)"
if [ -d /run/systemd/system ]; then say init systemd; else say init "$(cat /proc/1/comm)"; fi
virtualization=$(systemd-detect-virt 2>/dev/null)
say virtualization "$virtualization"
for part in sys_vendor product_name; do say hardware "$(cat "/sys/class/dmi/id/$part" 2>/dev/null)"; done
say cpus "$(getconf _NPROCESSORS_ONLN)"
say cpu_flags "$(sed -n 's/^\(flags\|Features\)[^:]*: //p' /proc/cpuinfo | head -n 1)"
awk '/^MemTotal|^SwapTotal/ {sub(":", "", $1); printf "%s=%d\n", $1, $2 / 1024}' /proc/meminfo
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ ! -r "$limit" ] || awk '/^[0-9]+$/ {printf "limit=%d\n", $1 / 1048576}' "$limit"
done
for dir in / /var /var/lib /tmp; do
    say disk "$(df -Pm "$dir" 2>/dev/null | awk -v dir="$dir" 'NR == 2 {print dir, $4, $6}')"
done
set -- $(ip -4 route show default 2>/dev/null | head -n 1)
while [ $# -gt 1 ]; do
    case $1 in dev) say default_interface "$2" ;; via) say default_gateway "$2" ;; src) say source "$2" ;; esac
    shift
done
if { [ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null; } &&
    ! grep -qs '^# CONFIG_NF_CONNTRACK_ZONES is not set' "/boot/config-$(uname -r)"; then
    say ovs_module yes
fi
if grep -q device-mapper /proc/misc 2>/dev/null; then say device_mapper yes; fi
[ ! -c /dev/kvm ] || say kvm_device yes
# Asking starts a daemon on the host: not in a container, whose clock is not its own.
if ! systemd-detect-virt --container --quiet 2>/dev/null; then
    # Not "show", of systemd 239; the words are of 219 and of 239 and later.
    if timeout 5 timedatectl 2>/dev/null | grep -qE '(NTP|System clock) synchronized: yes' ||
        chronyc waitsync 1 >/dev/null 2>&1
    then say time_synchronized yes; fi
fi
say selinux "$(getenforce 2>/dev/null | tr 'A-Z' 'a-z')"
for trace in manifest.json journal jobs units once; do
    [ ! -e "/var/lib/packstack-lite/$trace" ] || say own "$trace"
done
for path in /etc/keystone/keystone.conf /etc/glance/glance-api.conf /etc/nova/nova.conf /etc/neutron/neutron.conf \
    /etc/cinder/cinder.conf /etc/placement/placement.conf /etc/kolla /etc/openstack_deploy /var/lib/config-data \
    /opt/stack/devstack /opt/stack/nova /var/snap/openstack \
    /var/lib/mysql/mysql
do
    [ ! -e "$path" ] || say foreign "$path"
    [ ! -f "$path" ] || ! head -n 1 "$path" | grep -q '^# Written by packstack-lite' || say ours "$path"
done
# What switches packets here: told by our own file only, a package's example says something else.
ml2=/etc/neutron/plugins/ml2/ml2_conf.ini
[ ! -r "$ml2" ] || ! head -n 1 "$ml2" | grep -q packstack-lite ||
    say mechanisms "$(sed -n 's/^mechanism_drivers *= *//p' "$ml2")"
for card in /sys/class/net/*/device/sriov_numvfs; do
    [ ! -r "$card" ] || say functions "$(echo "$card" | cut -d/ -f5) $(cat "$card")"
done
say locale "$(sed -n 's/^LANG="\{0,1\}\([^"]*\).*/\1/p' /etc/default/locale /etc/locale.conf 2>/dev/null | head -n 1)"
say python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
say epoch "$(date +%s)"
exit 0
""".replace("PATIENCE", str(BOOT_WAIT_SECONDS))

_INTERFACES = r"""
ip -o -d link show && echo && ip -o addr show
"""

# PORT INODE PID..., then what systemd and the kernel call the process.
_PORTS = r"""
listening() {
    if command -v ss >/dev/null; then
        ss -ltnpe | awk '$1 == "LISTEN" {
            count = split($4, end, ":")
            line = end[count] " " (match($0, / ino:[0-9]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : 0)
            while (match($0, /pid=[0-9]+/)) {
                line = line " " substr($0, RSTART + 4, RLENGTH - 4)
                $0 = substr($0, RSTART + RLENGTH)
            }
            print line }'
        return
    fi
    { ls -l /proc/[0-9]*/fd 2>/dev/null; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; } | awk '
        /^\/proc\// {split($0, part, "/"); pid = part[3]}
        match($0, /socket:\[[0-9]+\]/) {
            inode = substr($0, RSTART + 8, RLENGTH - 9)
            owner[inode] = owner[inode] " " pid
        }
        $4 == "0A" {split($2, end, ":"); print "0x" end[2], $10 owner[$10]}'
}
# A child of systemd has all of its sockets until it becomes its program, and has the program's name already when it
# was looked at half way: it has been given the socket only where it is a program and has it now.
holder() {
    inode=$1
    shift
    case " $* " in *' 1 '*) ;; *) echo "$1"; return ;; esac
    for pid; do
        [ "$pid" != 1 ] || continue
        case $(cat "/proc/$pid/comm" 2>/dev/null) in '' | '('*) continue ;; esac
        ! ls -l "/proc/$pid/fd" 2>/dev/null | grep -qF "socket:[$inode]" || { echo "$pid"; return; }
    done
    echo 1
}
listening | sort -u | while read -r port users; do
    name= unit= pid=$(holder $users)
    if [ -n "$pid" ]; then
        name=$(cat "/proc/$pid/comm" 2>/dev/null)
        unit=$(sed -nE 's#.*/([^/]*\.(service|socket|scope)).*#\1#p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
    fi
    printf '%d\t%s\t%s\n' "$((port))" "$name" "$unit"
done
"""

# The device and even virtual CPUs are there on machines where no kernel runs: the processor has to agree.
_KVM = r"""
[ -c /dev/kvm ] || exit 1
[ "$(uname -m)" != x86_64 ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || exit 1
for python in python3 python2 python ''; do [ -z "$python" ] || ! command -v $python >/dev/null || break; done
[ -n "$python" ] || exit 0
exec $python -c '
import fcntl, os
kvm = os.open("/dev/kvm", os.O_RDWR)
machine = fcntl.ioctl(kvm, 0xAE01, 0)
fcntl.ioctl(machine, 0xAE41, 0)' 2>/dev/null
"""


def build_commands(nfs_exports: Sequence[str] = (), bridge_interfaces: Sequence[str] = ()) -> List[Command]:
    """Everything there is to ask, as one batch; ``exports`` of NFS are tried besides, and ``uplinks``
    (BRIDGE:INTERFACE) looked at."""
    return [
        Command(_SYSTEM, timeout=120.0 + BOOT_WAIT_SECONDS, description="gather facts"),
        Command(_INTERFACES, description="gather interfaces"),
        Command(_PORTS, description="gather listening ports"),
        Command(_KVM, timeout=10, description="try KVM"),
        package_source.build_command(),
        *storage.build_commands(nfs_exports),
        repositories.build_command(),
        security.build_command(),
        software.build_command(),
        *uplinks.build_commands(bridge_interfaces),
    ]


def gather_facts(host: Connection, nfs_exports: Sequence[str] = (), bridge_interfaces: Sequence[str] = ()) -> Facts:
    """The host's facts, in one flight. Raises PhaseFailed where they make no sense."""
    return run_and_gather_facts(host, (), nfs_exports, bridge_interfaces)[1]


def run_and_gather_facts(
    host: Connection,
    first_commands: Sequence[Command],
    nfs_exports: Sequence[str] = (),
    bridge_interfaces: Sequence[str] = (),
) -> Tuple[List[Reply], Facts]:
    """The replies to the commands of ``first`` and the facts once they have run, in one flight. Raises PhaseFailed."""
    # Slow commands would begin before the first.
    fact_commands = [
        replace(command, concurrent=command.concurrent and not first_commands)
        for command in build_commands(nfs_exports, bridge_interfaces)
    ]
    replies = host.run([*first_commands, *fact_commands])
    try:
        return replies[: len(first_commands)], parse_facts(replies[len(first_commands) :])
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise PhaseError(
            f"{host.name}: its facts cannot be read: {error}", "log in and look whether commands end there at all"
        ) from error


def parse_facts(replies: Sequence[Reply]) -> Facts:
    """The facts, from the replies to ``commands()``; ValueError when one that counts broke off."""
    system, addressing, ports, kvm, packages, *other_replies = replies
    values_by_key = words([system])
    if not system.ok or "epoch" not in values_by_key:
        raise ValueError(f"exit code {system.code}: {system.err.strip()[-300:] or 'no error message'}")
    # What was not told in time would be taken for what is not there.
    if any(reply.code == TIMEOUT_EXIT_CODE for reply in (addressing, ports, *other_replies)):
        raise ValueError("the host is so slow that some were not told in time")
    first_values = {key: values[0] for key, values in values_by_key.items()}
    disks = [line.split(" ", 2) for line in values_by_key.get("disk", ())]
    listeners = [line.split("\t") for line in ports.out.splitlines()]
    interfaces = network_interfaces.parse_interfaces(addressing.out)
    default = first_values.get("default_interface", "")
    text_fields: Dict[str, Any] = {key: first_values.get(key, "") for key in _TEXT_FIELDS}
    return Facts(
        **text_fields,
        hostname_addresses=tuple(values_by_key.get("hostname_address", ())),
        cpus=_parse_number(first_values.get("cpus", "")),
        cpu_flags=tuple(first_values.get("cpu_flags", "").split()),
        kvm_works=kvm.ok,
        memory_mib=min(_parse_number(size) for key in ("MemTotal", "limit") for size in values_by_key.get(key, ())),
        swap_mib=_parse_number(first_values.get("SwapTotal", "")),
        disk_free_mib={path: _parse_number(free) for path, free, _ in disks},
        default_interface=default,
        address=first_values.get("source") or network_interfaces.first_ipv4_address(interfaces, default),
        interfaces=interfaces,
        listening_ports={int(port): name for port, name, _ in listeners},
        has_ovs_module="ovs_module" in first_values,
        has_device_mapper="device_mapper" in first_values,
        is_time_synchronized="time_synchronized" in first_values,
        is_booting="booting" in first_values,
        package_source=package_source.parse_result(packages),
        deployed_by_us="own" in first_values,
        other_openstack=tuple(values_by_key.get("foreign", ())),
        ours=tuple(values_by_key.get("ours", ())),
        epoch=float(first_values["epoch"]),
        port_units={int(port): unit for port, _, unit in listeners if unit},
        mounts={path: mount for path, _, mount in disks},
        has_kvm_device="kvm_device" in first_values,
        ml2_mechanisms=tuple(filter(None, first_values.get("mechanisms", "").replace(" ", "").split(","))),
        sriov_vfs={
            interface: _parse_number(vf_count)
            for interface, vf_count in map(str.split, values_by_key.get("functions", ()))
        },
        dhcp_addresses=network_interfaces.parse_dhcp_addresses(addressing.out),
        hardware=" ".join(values_by_key.get("hardware", ())),
        **storage.parse_facts(other_replies),
        **repositories.parse_facts(other_replies),
        **security.parse_facts(other_replies),
        **software.parse_facts(other_replies),
        **uplinks.parse_facts(other_replies),
    )


_TEXT_FIELDS = (
    *("hostname", "fqdn", "os_id", "os_version", "os_name", "arch", "init", "virtualization"),
    *("default_gateway", "selinux", "locale", "python"),
)


def _parse_number(text: str) -> int:
    return int(text) if text.isdigit() else 0
