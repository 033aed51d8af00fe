"""Runs the host-side program as a job and reads its cases while they end."""

from __future__ import annotations

import json
from importlib import resources as package_files
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from packstack_lite.engine.results import Case
from packstack_lite.nodes.node import ROLES
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Connection, Job, JobResult
from packstack_lite.resources import Credentials
from packstack_lite.resources.hostside_programs import python_command
from packstack_lite.services.registry import catalog_types

CaseCallback = Callable[[Case], None]
EXTERNAL_NETWORK = "public"
# Of a smoke test in all; on a host in software it takes a good part of that.
TIMEOUT_SECONDS = 5400.0
# Each imports only from those before it.
HOSTSIDE_MODULES = (
    "smoke_session",
    "smoke_instance",
    "smoke_network",
    "smoke_storage",
    "smoke_devices",
    "smoke_volumes",
)
# The program is sent as one; what it imports of ours becomes modules there.
_MODULE_LOADER = """
import sys, types
def bring(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
"""


def program_source() -> bytes:
    """The host-side program's source, its own modules included."""
    hostside_dir = package_files.files("packstack_lite.smoke") / "hostside"
    parts = [_MODULE_LOADER]
    for name in HOSTSIDE_MODULES:
        source = (hostside_dir / f"{name}.py").read_text(encoding="ascii")
        parts.append(f"bring({name!r}, {source!r})\n")
    main = (hostside_dir / "smoke_cloud.py").read_text(encoding="ascii")
    return "".join([*parts, f"exec(compile({main!r}, 'smoke_cloud', 'exec'))\n"]).encode("ascii")


def build_task(
    credentials: Credentials, answers: Mapping[str, Any], profile: Profile, roles: Sequence[str] = ROLES
) -> Dict[str, Any]:
    """What the program is told on a host with these roles; holds the administrator's password."""
    address = credentials.auth_url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]
    horizon_url = f"http://{address}{profile.path('webroot')}" if answers["CONFIG_HORIZON_INSTALL"] else ""
    return {
        "api": credentials.to_dict(),
        "image_source": str(answers["CONFIG_PROVISION_IMAGE_URL"]) if "controller" in roles else "",
        "user": str(answers["CONFIG_PROVISION_IMAGE_SSH_USER"] or "root"),
        "external": EXTERNAL_NETWORK,
        "horizon_url": horizon_url,
        "catalog": catalog_types(answers),
        "volumes": {**_volume_task(answers), "here": "storage" in roles},
    }


def _volume_task(answers: Mapping[str, Any]) -> Dict[str, Any]:
    """Where the default type's volumes are on the host, to look at them from below."""
    names = [str(name) for name in answers.get("CONFIG_CINDER_BACKEND") or ()]
    backend = names[0] if answers.get("CONFIG_CINDER_INSTALL") and names else ""
    task = {"kind": backend, "encrypted_type": ""}
    if backend and answers.get("CONFIG_CINDER_VOLUME_ENCRYPTION"):
        task["encrypted_type"] = "LUKS"
    for key in ("CONF", "POOL", "USER") if backend == "ceph" else ():
        task[key.lower()] = str(answers[f"CONFIG_CINDER_CEPH_{key}"])
    return {**task, "group": str(answers["CONFIG_CINDER_VOLUME_NAME"])} if backend == "lvm" else task


def parse_case(line: str) -> Optional[Case]:
    """A case, from a line of the program's output; None for anything else it prints."""
    try:
        fields = json.loads(line)
        return Case(str(fields["name"]), str(fields["outcome"]), float(fields["seconds"]), str(fields["detail"]))
    except (ValueError, KeyError, TypeError):
        return None


class _CaseCollector:
    """A JobWatcher that collects cases."""

    def __init__(self, on_case: Optional[CaseCallback]) -> None:
        self.cases: List[Case] = []
        self._on_case = on_case

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
        case = parse_case(line)
        if case:
            self._add(case)

    def _add(self, case: Case) -> None:
        self.cases.append(case)
        if self._on_case:
            self._on_case(case)


def run_cases(
    node: Connection,
    credentials: Credentials,
    answers: Mapping[str, Any],
    profile: Profile,
    on_case: Optional[CaseCallback] = None,
    roles: Sequence[str] = ROLES,
) -> List[Case]:
    """Every case, in order, tried from this host of the cloud, which has ``roles``. ``say`` hears each as it ends.
    The program cleans up what it made."""
    command = python_command(
        program_source(), build_task(credentials, answers, profile, roles), TIMEOUT_SECONDS, "use the cloud"
    )
    collector = _CaseCollector(on_case)
    node.run_jobs(
        [Job("smoke", command.script, command.stdin, timeout=TIMEOUT_SECONDS, description="smoke")], collector
    )
    return collector.cases
