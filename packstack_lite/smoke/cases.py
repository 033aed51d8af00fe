"""Runs the host-side program as a job and reads its cases while they end."""

from __future__ import annotations

import json
from importlib import resources as package_files
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from packstack_lite.engine.results import Case
from packstack_lite.hosts.place import ROLES
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Host, Job, JobResult
from packstack_lite.resources import Credentials
from packstack_lite.resources.entity import hostside

Say = Callable[[Case], None]
EXTERNAL = "public"
# Of a smoke test in all; on a host in software it takes a good part of that.
TIMEOUT = 5400.0
# Each imports only from those before it.
MODULES = ("smoke_session", "smoke_instance", "smoke_network", "smoke_storage", "smoke_devices", "smoke_volumes")
# The program is sent as one; what it imports of ours becomes modules there.
_MODULE = """
import sys, types
def bring(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
"""


def program() -> bytes:
    """The host-side program's source, its own modules included."""
    here = package_files.files("packstack_lite.smoke") / "hostside"
    parts = [_MODULE]
    for name in MODULES:
        source = (here / f"{name}.py").read_text(encoding="ascii")
        parts.append(f"bring({name!r}, {source!r})\n")
    main = (here / "smoke_cloud.py").read_text(encoding="ascii")
    return "".join([*parts, f"exec(compile({main!r}, 'smoke_cloud', 'exec'))\n"]).encode("ascii")


def task(
    api: Credentials, answers: Mapping[str, Any], profile: Profile, roles: Sequence[str] = ROLES
) -> Dict[str, Any]:
    """What the program is told on a host with these roles; holds the administrator's password."""
    address = api.auth_url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]
    horizon = f"http://{address}{profile.path('webroot')}" if answers["CONFIG_HORIZON_INSTALL"] else ""
    return {
        "api": api.told(),
        "image_source": str(answers["CONFIG_PROVISION_IMAGE_URL"]) if "controller" in roles else "",
        "user": str(answers["CONFIG_PROVISION_IMAGE_SSH_USER"] or "root"),
        "external": EXTERNAL,
        "horizon_url": horizon,
        "volumes": {**_volumes(answers), "here": "storage" in roles},
    }


def _volumes(answers: Mapping[str, Any]) -> Dict[str, Any]:
    """Where the default type's volumes are on the host, to look at them from below."""
    names = [str(name) for name in answers.get("CONFIG_CINDER_BACKEND") or ()]
    kind = names[0] if answers.get("CONFIG_CINDER_INSTALL") and names else ""
    told = {"kind": kind, "encrypted_type": ""}
    if kind and answers.get("CONFIG_CINDER_VOLUME_ENCRYPTION"):
        told["encrypted_type"] = "LUKS"
    for key in ("CONF", "POOL", "USER") if kind == "ceph" else ():
        told[key.lower()] = str(answers[f"CONFIG_CINDER_CEPH_{key}"])
    return {**told, "group": str(answers["CONFIG_CINDER_VOLUME_NAME"])} if kind == "lvm" else told


def parse(line: str) -> Optional[Case]:
    """A case, from a line of the program's output; None for anything else it prints."""
    try:
        told = json.loads(line)
        return Case(str(told["name"]), str(told["outcome"]), float(told["seconds"]), str(told["detail"]))
    except (ValueError, KeyError, TypeError):
        return None


class _Ear:
    """A JobWatcher that collects cases."""

    def __init__(self, say: Optional[Say]) -> None:
        self.cases: List[Case] = []
        self._say = say

    def job_started(self, job: Job) -> None:
        """See JobWatcher."""

    def job_finished(self, job: Job, result: JobResult) -> None:
        """A program that died is a failed case of its own."""
        if not result.ok:
            self._add(
                Case(
                    "smoke",
                    "failed",
                    result.seconds,
                    f"the program ended with {result.code}: {result.out.strip()[-1500:]}",
                )
            )

    def job_output(self, job: Job, line: str) -> None:
        """See JobWatcher."""
        case = parse(line)
        if case:
            self._add(case)

    def _add(self, case: Case) -> None:
        self.cases.append(case)
        if self._say:
            self._say(case)


def run(
    host: Host,
    api: Credentials,
    answers: Mapping[str, Any],
    profile: Profile,
    say: Optional[Say] = None,
    roles: Sequence[str] = ROLES,
) -> List[Case]:
    """Every case, in order, tried from this host of the cloud, which has ``roles``. ``say`` hears each as it ends.
    The program cleans up what it made."""
    command = hostside(program(), task(api, answers, profile, roles), TIMEOUT, "use the cloud")
    ear = _Ear(say)
    host.run_jobs([Job("smoke", command.script, command.stdin, timeout=TIMEOUT, says="smoke")], ear)
    return ear.cases
