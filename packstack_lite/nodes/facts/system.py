"""Facts of the operating system: name, release, init, clock and locale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Tuple

from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, ip_addresses, is_present
from packstack_lite.remote.command import Command

# Seconds to wait for a node that is still booting; after that its facts are read as they are.
BOOT_WAIT_SECONDS = 60
_CONTAINERS = ("systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "openvz")


def _seconds(values: Values) -> float:
    """Return the first value as seconds, 0 without one. Raises ValueError."""
    seconds = float(values[0]) if values else 0.0
    if not math.isfinite(seconds):
        raise ValueError(f"not a time: {seconds}")
    return seconds


@dataclass(frozen=True)
class SystemFacts:
    """The operating system. Empty texts mean "not there".

    ``hostname`` is what ``hostname`` prints, ``fqdn`` what ``hostname -f`` prints, ``hostname_addresses`` what the host
    name resolves to on the node. ``os_id``, ``os_version`` and ``os_name`` are ID, VERSION_ID and PRETTY_NAME of
    /etc/os-release. ``arch`` is the machine's word of uname. ``init`` is ``systemd``, or the name of process 1.
    ``is_time_synchronized``: a time server sets the clock; never in a container.
    ``virtualization`` is the word of systemd-detect-virt. ``epoch`` is the node's clock in seconds. ``is_booting``:
    systemd had not finished the boot after ``BOOT_WAIT_SECONDS``. ``locale`` is LANG; ``missing_locale`` is the same
    if ``locale -a`` does not list it. ``machine_id`` is the content of /etc/machine-id.
    ``ssh_host_key`` is one of the node's public host keys.
    """

    hostname: str = fact("hostname", first_text)
    fqdn: str = fact("fqdn", first_text)
    hostname_addresses: Tuple[str, ...] = fact("hostname_address", ip_addresses)
    os_id: str = fact("os_id", first_text)
    os_version: str = fact("os_version", first_text)
    os_name: str = fact("os_name", first_text)
    arch: str = fact("arch", first_text)
    init: str = fact("init", first_text)
    virtualization: str = fact("virtualization", first_text)
    is_booting: bool = fact("booting", is_present)
    is_time_synchronized: bool = fact("time_synchronized", is_present)
    epoch: float = fact("epoch", _seconds)
    locale: str = fact("locale", first_text)
    missing_locale: str = fact("missing_locale", first_text)
    machine_id: str = fact("machine_id", first_text)
    ssh_host_key: str = fact("ssh_host_key", first_text)

    @property
    def is_container(self) -> bool:
        """Return whether the node is a container, without a kernel and a clock of its own."""
        return self.virtualization in _CONTAINERS


_SCRIPT = (
    SAY_FUNCTION
    + r"""
# While a node boots, units that systemd is about to start look stopped, and routes are missing. Not "--wait", of 239.
turns=@boot_wait@
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
say virtualization "$(systemd-detect-virt 2>/dev/null)"
# timedatectl starts a daemon on the node: not in a container, whose clock is not its own.
if ! systemd-detect-virt --container --quiet 2>/dev/null; then
    # Not "show", of systemd 239; the words are of 219 and of 239 and later.
    if timeout 5 timedatectl 2>/dev/null | grep -qE '(NTP|System clock) synchronized: yes' ||
        chronyc waitsync 1 >/dev/null 2>&1
    then say time_synchronized yes; fi
fi
lang=$(sed -n 's/^LANG="\{0,1\}\([^"]*\).*/\1/p' /etc/default/locale /etc/locale.conf 2>/dev/null | head -n 1)
say locale "$lang"
# "C.UTF-8" and "C.utf8" are the same.
flat() { tr 'A-Z' 'a-z' | tr -d '-'; }
case $lang in ''|C|POSIX) ;; *)
    locale -a 2>/dev/null | flat | grep -qxF -e "$(printf '%s\n' "$lang" | flat)" || say missing_locale "$lang"
esac
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
# In FIPS mode there is no Ed25519 key.
for kind in ed25519 ecdsa rsa; do
    [ ! -r "/etc/ssh/ssh_host_${kind}_key.pub" ] ||
        { say ssh_host_key "$(cut -d ' ' -f 2 "/etc/ssh/ssh_host_${kind}_key.pub")"; break; }
done
say epoch "$(date +%s)"
exit 0
""".replace("@boot_wait@", str(BOOT_WAIT_SECONDS))
)


def build_command() -> Command:
    """Return the command that prints the facts of the system.

    It waits for the end of the boot, so it must run first.
    """
    return Command(_SCRIPT, timeout=120.0 + BOOT_WAIT_SECONDS, description="gather facts of the system")
