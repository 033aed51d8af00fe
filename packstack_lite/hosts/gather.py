"""Gathering the facts of a host: a few commands, one flight, nothing changed."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Sequence, Tuple

from packstack_lite.hosts.facts import Facts, Interface
from packstack_lite.remote.command import Command, Reply

# KEY=VALUE lines. A key may come several times; its values are then a list.
_SYSTEM = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
say hostname "$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname)"
say fqdn "$(timeout 3 hostname -f 2>/dev/null)"
timeout 5 getent ahosts "$(hostname)" 2>/dev/null | awk '{print "hostname_address=" $1}' | sort -u
( . /etc/os-release; say os_id "$ID"; say os_version "$VERSION_ID"; say os_name "$PRETTY_NAME" )
say arch "$(uname -m)"
say init "$(cat /proc/1/comm)"
say virtualization "$(systemd-detect-virt 2>/dev/null)"
say cpus "$(grep -c ^processor /proc/cpuinfo)"
say cpu_flags "$(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1)"
awk '/^MemTotal|^SwapTotal/ {sub(":", "", $1); printf "%s=%d\n", $1, $2 / 1024}' /proc/meminfo
for dir in / /var /var/lib /tmp; do say "disk:$dir" "$(df -Pm "$dir" 2>/dev/null | awk 'NR == 2 {print $4}')"; done
set -- $(ip -4 route show default 2>/dev/null | head -n 1)
while [ $# -gt 1 ]; do
    case $1 in dev) say default_interface "$2" ;; via) say default_gateway "$2" ;; src) say source "$2" ;; esac
    shift
done
[ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null && say ovs_module yes
grep -q device-mapper /proc/misc 2>/dev/null && say device_mapper yes
case "$(timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null)" in yes) say time_synchronized yes ;; esac
say selinux "$(getenforce 2>/dev/null | tr 'A-Z' 'a-z')"
[ -f /var/lib/packstack-lite/manifest.json ] || [ -f /var/lib/packstack-lite/files ] && say own yes
for dir in keystone glance nova neutron cinder placement; do [ -d "/etc/$dir" ] && say foreign "/etc/$dir"; done
for trace in /etc/kolla /opt/stack /etc/openstack_deploy /root/packstackca; do [ -e "$trace" ] && say foreign "$trace"; done
[ -d /var/lib/mysql/mysql ] && say foreign /var/lib/mysql
say locale "${LC_ALL:-${LANG:-}}"
say python "$(command -v python3 >/dev/null && python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
say epoch "$(date +%s)"
exit 0
"""

_INTERFACES = r"""
ip -o link show 2>/dev/null | while read -r number name flags rest; do
    name=${name%:}; name=${name%@*}
    mtu=$(cat "/sys/class/net/$name/mtu" 2>/dev/null)
    case $flags in *[\<,]UP[,\>]*) up=1 ;; *) up=0 ;; esac
    kind=$(ip -d -o link show "$name" | grep -oE ' (bridge|vlan|bond|veth|tun|vxlan|openvswitch) ' | head -n 1 | tr -d ' ')
    addresses=$(ip -o addr show dev "$name" | awk '{print $4}' | tr '\n' ',')
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$up" "${mtu:-0}" "$addresses" "$kind"
done
"""

_PORTS = r"""
if command -v ss >/dev/null; then ss -H -ltnp; else echo none; fi
"""

# A virtual CPU has to come into being: /dev/kvm is there on machines where none can.
_KVM = r"""
[ -c /dev/kvm ] || exit 1
command -v python3 >/dev/null || { grep -qE '^flags.* (vmx|svm)' /proc/cpuinfo; exit $?; }
exec python3 -c '
import fcntl, os
kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
machine = fcntl.ioctl(kvm, 0xAE01, 0)
fcntl.ioctl(machine, 0xAE41, 0)'
"""

# What apt would fetch first is asked for by name, with apt's own settings, and thrown away.
_SOURCE = r"""
command -v apt-get >/dev/null || { echo unknown; exit 0; }
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
mkdir -p "$d/lists/partial" "$d/cache"
if timeout 25 apt-get -q -o Dir::State::Lists="$d/lists" -o Dir::Cache="$d/cache" -o Acquire::Retries=0 -o Acquire::http::Timeout=8 \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false \
    -o APT::Update::Error-Mode=any update > "$d/out" 2>&1
then echo reachable; else grep -E '^(E|W|Err)' "$d/out" | head -n 3; fi
"""


def commands() -> List[Command]:
    """Everything there is to ask, as one batch."""
    return [
        Command(_SYSTEM, says="gather facts"),
        Command(_INTERFACES, says="gather interfaces"),
        Command(_PORTS, says="gather ports"),
        Command(_KVM, timeout=10, says="try KVM"),
        Command(_SOURCE, timeout=40, says="ask the package source", slow=True),
    ]


def parse(replies: Sequence[Reply]) -> Facts:
    """The facts, from the replies to ``commands()``."""
    system, interfaces, ports, kvm, source = replies
    told = _pairs(system.out)
    nics = _interfaces(interfaces.out)
    one = {key: values[0] for key, values in told.items()}
    return Facts(
        hostname=one.get("hostname", ""), fqdn=one.get("fqdn", ""), hostname_addresses=tuple(told.get("hostname_address", ())),
        os_id=one.get("os_id", ""), os_version=one.get("os_version", ""), os_name=one.get("os_name", ""), arch=one.get("arch", ""),
        init=one.get("init", ""), virtualization=one.get("virtualization", ""), cpus=_number(one.get("cpus")),
        cpu_flags=tuple(one.get("cpu_flags", "").split()), kvm_works=kvm.ok, memory=_number(one.get("MemTotal")),
        swap=_number(one.get("SwapTotal")),
        disk_free={key[5:]: _number(values[0]) for key, values in told.items() if key.startswith("disk:")},
        default_interface=one.get("default_interface", ""), default_gateway=one.get("default_gateway", ""),
        address=one.get("source") or _address_of(nics, one.get("default_interface", "")), interfaces=nics, ports=_ports(ports.out),
        ovs_module="ovs_module" in one, device_mapper="device_mapper" in one, time_synchronized="time_synchronized" in one,
        selinux=one.get("selinux", ""), package_source=source.out.strip(), own="own" in one, foreign=tuple(told.get("foreign", ())),
        locale=one.get("locale", ""), python=one.get("python", ""), epoch=float(_number(one.get("epoch"))),
    )


def _pairs(text: str) -> Dict[str, List[str]]:
    told: Dict[str, List[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        told.setdefault(key, []).append(value)
    return told


def _number(text: "str | None") -> int:
    return int(text) if text and text.isdigit() else 0


def _interfaces(text: str) -> Tuple[Interface, ...]:
    rows = [line.split("\t") for line in text.splitlines()]
    return tuple(
        Interface(name, up == "1", _number(mtu), tuple(filter(None, addresses.split(","))), kind)
        for name, up, mtu, addresses, kind in rows
    )


def _address_of(interfaces: Sequence[Interface], name: str) -> str:
    for interface in interfaces:
        if interface.name == name:
            return next((address.split("/")[0] for address in interface.addresses if ":" not in address), "")
    return ""


def _ports(text: str) -> Mapping[int, str]:
    """Port to process name, of ``ss -H -ltnp``."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[3].rsplit(":", 1)[-1].isdigit():
            process = re.search(r'users:\(\("([^"]+)"', line)
            found[int(words[3].rsplit(":", 1)[-1])] = process.group(1) if process else ""
    return found
