"""Packages, installed together and without starting any service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple

from packstack_lite.counts import format_count
from packstack_lite.remote.command import UPTIME_SH, Command, Job, Reply
from packstack_lite.resources.base import (
    Description,
    Diff,
    IndividualResource,
    Observed,
    Phase,
    Probe,
    job_name,
    join_names,
)
from packstack_lite.state_paths import JOBS_DIR

# Seconds. A slow mirror needs more than an hour for a gigabyte.
_INSTALL_TIMEOUT = 4 * 3600
MARKER = "packstack-lite: no service starts before it is configured"

# await_other_batches JOB: wait while an older installation of ours runs under another job's name than JOB.
_AWAIT_SH = r"""
await_other_batches() {
    waited=0
    while older=$(older_batch "$1"); do
        [ $((waited % 60)) != 0 ] || echo "waiting for packstack-lite-job-$older, which an earlier run began"
        waited=$((waited + 2))
        sleep 2
    done
}
older_batch() {
    for directory in JOBS/packages-*; do
        [ "$directory/begun" -ot "JOBS/$1/begun" ] || continue
        systemctl is-active -q "packstack-lite-job-${directory##*/}.service" && echo "${directory##*/}" && return 0
    done
    return 1
}
""".replace("JOBS", JOBS_DIR)

# policy-rc.d makes invoke-rc.d and deb-systemd-invoke start nothing; it also suppresses the
# reload of dbus, without which polkit cannot own its name and libvirt stalls 25 s per connect.
_APT_INSTALL = (
    _AWAIT_SH
    + UPTIME_SH
    + r"""
set -u
export DEBIAN_FRONTEND=noninteractive
# First: at its end the other one removes its policy-rc.d, which has this name too.
await_other_batches JOB
policy=/usr/sbin/policy-rc.d
ours() { grep -qs 'MARK' "$policy"; }
if [ -e "$policy" ] && ! ours; then
    echo "$policy was not written by packstack-lite and decides whether services start: move it away and run again" >&2
    exit 1
fi
trap 'ours && rm -f "$policy"' EXIT
trap 'exit 143' HUP INT TERM
printf '#!/bin/sh\n# MARK\nexit 101\n' > "$policy" && chmod 755 "$policy"
names=$(cat)
configure() { LC_ALL=C dpkg --force-confdef --force-confold --configure -a 2>&1; }
# An installation that was killed leaves packages half configured; dpkg itself does not wait for its lock.
end=$(($(uptime_seconds) + 300)) incomplete=
until output=$(configure); do
    case $output in *" locked by "*) ;; *) incomplete=yes; break ;; esac
    [ "$(uptime_seconds)" -lt "$end" ] || { echo "$output" >&2; exit 1; }
    sleep 2
done
known() { [ -z "$names" ] || apt-cache show --no-all-versions $names >/dev/null 2>&1; }
if ! known || [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
    apt-get -q -o DPkg::Lock::Timeout=300 update || exit 1
fi
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}
install() { apt install $names; }
# Killed while it unpacked: apt brings what the unpacked packages depend on, and unpacks the damaged ones again.
[ -z "$incomplete" ] || apt --fix-broken install || { echo "$output" >&2; exit 1; }
# A download or a package's own setup can fail once and pass when tried again, as openstack-dashboard's compression of
# style sheets did.
install || { echo "the installation failed, trying once more" >&2; configure && install; } || exit 1
rm -f "$policy"
systemctl daemon-reload
systemctl reload dbus 2>/dev/null || :
"""
).replace("MARK", MARKER)

_DPKG_PROBE = r"""
names=$(cat)
dpkg-query -W -f '${Package}\t${db:Status-Status}\n' $names 2>/dev/null
grep -qs 'MARK' /usr/sbin/policy-rc.d && printf 'policy-rc.d\tleft behind\n'
exit 0
""".replace("MARK", MARKER)

# A name may be one that another package provides (openvswitch-ovn-host): yum accepts it, so rpm is asked for providers.
_RPM_PROBE = r"""
for name in $(cat); do
    rpm -q --quiet --whatprovides "$name" >/dev/null 2>&1 && printf '%s\tinstalled\n' "$name"
done
exit 0
"""

# An RPM starts no service when it is installed. yum and dnf wait for each other's lock by themselves.
# yum skips names that it does not know and exits with 0, unless an option forbids it.
_RPM_INSTALL = (
    _AWAIT_SH
    + r"""
set -u
names=$(cat)
[ -n "$names" ] || exit 0
await_other_batches JOB
TOOL -y OPTIONS ONLY install $names || exit 1
missing=''
for name in $names; do
    rpm -q --quiet --whatprovides "$name" >/dev/null 2>&1 || missing="$missing $name"
done
[ -z "$missing" ] || { echo "TOOL reported success without installing:$missing" >&2; exit 1; }
systemctl daemon-reload
"""
)
_YUM_INSTALL = _RPM_INSTALL.replace("TOOL", "yum").replace("OPTIONS", "--setopt=skip_missing_names_on_install=False")
_DNF_INSTALL = _RPM_INSTALL.replace("TOOL", "dnf").replace(
    "OPTIONS", "--setopt=install_weak_deps=False --setopt=strict=True"
)


@dataclass(frozen=True)
class _PackageManager:
    """A package manager's scripts, and further state that is desired with it."""

    probe_script: str
    install_script: str
    required_state: Mapping[str, str]


_MANAGERS: Mapping[str, _PackageManager] = {
    "apt": _PackageManager(_DPKG_PROBE, _APT_INSTALL, {"policy-rc.d": "none"}),
    "yum": _PackageManager(_RPM_PROBE, _YUM_INSTALL, {}),
    "dnf": _PackageManager(_RPM_PROBE, _DNF_INSTALL, {}),
}

PackagesState = Mapping[str, str]
"""The status of each package, "installed" or another."""


@dataclass(frozen=True)
class Packages(IndividualResource[PackagesState]):
    """Packages that are installed. Services that come with them are not started.

    ``manager`` is apt, yum (EL 7) or dnf (EL 9); with yum and dnf a name may be one that a package provides.
    ``repository_pattern`` limits the repositories used. ``batch`` names packages that are installed before the others.
    """

    kind: ClassVar[str] = "packages"
    names: Tuple[str, ...]
    manager: str = "apt"
    repository_pattern: str = ""
    batch: str = ""
    phase: Phase = Phase.PACKAGES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``packages:BATCH``, with the package manager's name without a batch."""
        return f"packages:{self.batch or self.manager}"

    @property
    def label(self) -> str:
        """Return the number of packages, such as "12 packages"."""
        return _count_packages(self.names)

    def desired(self) -> PackagesState:
        """Return "installed" for each name, and what else the package manager requires.

        For apt that is a node without the policy-rc.d of an interrupted installation.
        """
        return {**dict.fromkeys(self.names, "installed"), **self._required_state()}

    def _required_state(self) -> Mapping[str, str]:
        """Return what else is required.

        Of an early batch that is nothing, because another installation may run.
        """
        return {} if self.batch else _MANAGERS[self.manager].required_state

    def describe(self, diff: Diff["Packages"]) -> Description:
        """Describe the missing packages: their number and the first names."""
        missing = self._missing_names(diff)
        if not missing:
            return Description("complete an interrupted installation", "/usr/sbin/policy-rc.d was left behind")
        return Description(f"install {_count_packages(missing)}: {join_names(missing)}")

    def describe_drift(self, diff: Diff["Packages"]) -> str:
        """Describe the packages that are not installed, or an interrupted installation."""
        missing = self._missing_names(diff)
        if not missing:
            return "/usr/sbin/policy-rc.d was left behind by an interrupted installation"
        verb = "is" if len(missing) == 1 else "are"
        return f"{_count_packages(missing)} {verb} not installed: {join_names(missing)}"

    def probe_one(self) -> Probe[PackagesState]:
        """Return the probe that asks the package manager for each name's state."""
        manager = _MANAGERS[self.manager]

        def parse(reply: Reply) -> Dict[str, Observed[PackagesState]]:
            """Return each package's state; "absent" for a name that is not listed."""
            lines = dict(line.split("\t", 1) for line in reply.out.splitlines())
            observed = {name: lines.get(name, "absent") for name in self.names}
            return {
                self.id: {**observed, **{key: lines.get(key, value) for key, value in self._required_state().items()}}
            }

        names = " ".join(self.names)
        return Probe(Command(manager.probe_script, stdin=names.encode(), description="probe packages"), parse)

    def _missing_names(self, diff: Diff["Packages"]) -> Tuple[str, ...]:
        """Return the names of packages that the diff has as not installed."""
        return tuple(name for name in self.names if name in diff.keys)

    def fix_one(self, diff: Diff["Packages"]) -> Job:
        """Return the job that installs the missing packages.

        It is never stopped by a later run, and has hours: a package manager that is killed leaves a half configured
        system.
        """
        missing = self._missing_names(diff)
        repository_options = (
            f"--disablerepo='*' --enablerepo='{self.repository_pattern}'" if self.repository_pattern else ""
        )
        script = _MANAGERS[self.manager].install_script.replace("ONLY", repository_options)
        name, description = job_name(self.id), f"install {_count_packages(missing)}"
        return Job(
            name,
            script.replace("await_other_batches JOB", f"await_other_batches {name}"),
            " ".join(missing).encode(),
            timeout=_INSTALL_TIMEOUT,
            description=description,
            must_end=True,
        )


def _count_packages(names: Tuple[str, ...]) -> str:
    """Return the number of names in words: "1 package", "12 packages"."""
    return format_count(len(names), "package")
