"""Packages, installed in one go and without any service being started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.job_names import job_name

MARKER = "packstack-lite: no service starts before it is configured"

# policy-rc.d makes invoke-rc.d and deb-systemd-invoke start nothing; it also suppresses the
# reload of dbus, without which polkit cannot own its name and libvirt stalls 25 s per connect.
_APT_INSTALL = r"""
set -u
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
ours() { grep -qs 'MARK' "$policy"; }
if [ -e "$policy" ] && ! ours; then
    echo "$policy is there and not ours: it decides whether services start; move it away and run again" >&2; exit 1
fi
trap 'ours && rm -f "$policy"' EXIT
trap 'exit 143' HUP INT TERM
printf '#!/bin/sh\n# MARK\nexit 101\n' > "$policy" && chmod 755 "$policy"
wanted=$(cat)
# A run that was killed leaves packages half configured; dpkg itself does not wait for its lock.
end=$(($(date +%s) + 300))
until said=$(LC_ALL=C dpkg --configure -a 2>&1); do
    case $said in *" locked by "*) ;; *) echo "$said" >&2; exit 1 ;; esac
    [ "$(date +%s)" -lt "$end" ] || { echo "$said" >&2; exit 1; }
    sleep 2
done
known() { [ -z "$wanted" ] || apt-cache show --no-all-versions $wanted >/dev/null 2>&1; }
if ! known || [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
    apt-get -q -o DPkg::Lock::Timeout=300 update || exit 1
fi
install() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold install --no-install-recommends $wanted
}
# A download, and what a package does to set itself up, can fail once and pass again: openstack-dashboard's
# compression of style sheets was seen to.
install || { echo "the installation failed; once more" >&2; dpkg --configure -a && install; } || exit 1
rm -f "$policy"
systemctl daemon-reload
systemctl reload dbus 2>/dev/null || :
""".replace("MARK", MARKER)

_DPKG_PROBE = r"""
wanted=$(cat)
dpkg-query -W -f '${Package}\t${db:Status-Status}\n' $wanted 2>/dev/null
grep -qs 'MARK' /usr/sbin/policy-rc.d && printf 'policy-rc.d\tleft behind\n'
exit 0
""".replace("MARK", MARKER)

# A wanted name may be one that another package provides (openvswitch-ovn-host): yum takes it, so rpm is asked likewise.
_RPM_PROBE = r"""
for name in $(cat); do
    rpm -q --quiet --whatprovides "$name" >/dev/null 2>&1 && printf '%s\tinstalled\n' "$name"
done
exit 0
"""

# Nothing starts at the installation of an RPM. Both wait for each other's lock by themselves.
# yum leaves names out that it does not know and calls that success, unless told otherwise.
_RPM_INSTALL = r"""
set -u
wanted=$(cat)
[ -n "$wanted" ] || exit 0
TOOL -y OPTIONS ONLY install $wanted || exit 1
left=''
for name in $wanted; do
    rpm -q --quiet --whatprovides "$name" >/dev/null 2>&1 || left="$left $name"
done
[ -z "$left" ] || { echo "TOOL reported success without installing:$left" >&2; exit 1; }
systemctl daemon-reload
"""
_YUM_INSTALL = _RPM_INSTALL.replace("TOOL", "yum").replace("OPTIONS", "--setopt=skip_missing_names_on_install=False")
_DNF_INSTALL = _RPM_INSTALL.replace("TOOL", "dnf").replace(
    "OPTIONS", "--setopt=install_weak_deps=False --setopt=strict=True"
)


@dataclass(frozen=True)
class _Manager:
    """How one package manager is asked and told; ``holds`` is what must be seen besides the packages."""

    probe_script: str
    install_script: str
    required_state: Mapping[str, str]


_MANAGERS: Mapping[str, _Manager] = {
    "apt": _Manager(_DPKG_PROBE, _APT_INSTALL, {"policy-rc.d": "none"}),
    "yum": _Manager(_RPM_PROBE, _YUM_INSTALL, {}),
    "dnf": _Manager(_RPM_PROBE, _DNF_INSTALL, {}),
}


@dataclass(frozen=True)
class Packages(Resource):
    """These packages are installed; services that come with them are not started.

    ``manager`` is apt, yum (EL7) or dnf (EL9); with the latter two a name may be one that a package provides, and
    ``only_from`` a pattern of the repositories that may be used. ``part`` names those that come before the rest.
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
        return f"packages:{self.batch or self.manager}"

    def desired(self) -> Optional[State]:
        return {**dict.fromkeys(self.names, "installed"), **_MANAGERS[self.manager].required_state}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(Packages, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = dict(line.split("\t", 1) for line in reply.out.splitlines())
            observed = {name: lines.get(name, "absent") for name in self.names}
            return {
                self.id: {**observed, **{key: lines.get(key, value) for key, value in manager.required_state.items()}}
            }

        manager, names = _MANAGERS[self.manager], " ".join(self.names)
        return Probe(Command(manager.probe_script, stdin=names.encode(), description="look at packages"), parse)

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Packages, diff.resource)._install(diff) for diff in diffs]

    def _install(self, diff: Diff) -> Job:
        missing = [name for name in self.names if name in diff.keys]
        repository_options = (
            f"--disablerepo='*' --enablerepo='{self.repository_pattern}'" if self.repository_pattern else ""
        )
        script = _MANAGERS[self.manager].install_script.replace("ONLY", repository_options)
        description = f"install {len(missing)} packages"
        return Job(job_name(self.id), script, " ".join(missing).encode(), timeout=3600, description=description)
