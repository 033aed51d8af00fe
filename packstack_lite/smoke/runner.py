"""Run the smoke test's program as a job on a node and read its cases as they end.

Used by ``deployment``.
"""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter
from importlib import resources as package_files
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from packstack_lite.engine.results import Case
from packstack_lite.nodes.node import ROLES
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Connection, Job, JobResult
from packstack_lite.resources import Credentials
from packstack_lite.resources.hostside_programs import python_command
from packstack_lite.services.registry import catalog_types, optional_smoke_cases

CaseCallback = Callable[[Case], None]
EXTERNAL_NETWORK = "public"
# For the whole smoke test; an emulated node needs a good part of it.
TIMEOUT_SECONDS = 5400.0
_MAIN_MODULE = "smoke_cloud"
_IMPORTED_MODULE = re.compile(r"^(?:import|from) (smoke_\w+)", re.M)
# The program is sent as one text; this loader makes modules of its parts on the node.
_MODULE_LOADER = """
import sys, types
def load_module(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
"""


def program_source() -> bytes:
    """Return the source of the program that runs on the node, with its modules."""
    sources = hostside_sources()
    main = sources.pop(_MAIN_MODULE)
    parts = [f"load_module({name!r}, {source!r})\n" for name, source in sources.items()]
    return "".join([_MODULE_LOADER, *parts, f"exec(compile({main!r}, 'smoke_cloud', 'exec'))\n"]).encode("ascii")


def hostside_sources() -> Dict[str, str]:
    """Return the program's modules, each after those that it imports."""
    hostside_dir = package_files.files("packstack_lite.smoke") / "hostside"
    files = {path.name: path for path in hostside_dir.iterdir() if re.fullmatch(r"smoke_\w+\.py", path.name)}
    sources = {name[: -len(".py")]: files[name].read_text(encoding="ascii") for name in sorted(files)}
    imports = {name: _IMPORTED_MODULE.findall(source) for name, source in sources.items()}
    return {name: sources[name] for name in TopologicalSorter(imports).static_order()}


def build_task(
    credentials: Credentials, answers: Mapping[str, Any], profile: Profile, roles: Sequence[str] = ROLES
) -> Dict[str, Any]:
    """Return the program's input for a node with these roles.

    It holds the administrator's password.
    """
    address = credentials.auth_url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]
    horizon_url = f"http://{address}{profile.path('webroot')}" if answers["CONFIG_HORIZON_INSTALL"] else ""
    return {
        "api": credentials.to_dict(),
        "image_source": str(answers["CONFIG_PROVISION_IMAGE_URL"]) if "controller" in roles else "",
        "user": str(answers["CONFIG_PROVISION_IMAGE_SSH_USER"] or "root"),
        "external": EXTERNAL_NETWORK,
        "horizon_url": horizon_url,
        "catalog": catalog_types(answers),
        "optional_cases": optional_smoke_cases(),
        "volumes": {**_volume_task(answers), "here": "storage" in roles},
    }


def _volume_task(answers: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the backend of the default volume type and the place of its data.

    A case of the smoke test reads them there.
    """
    names = [str(name) for name in answers.get("CONFIG_CINDER_BACKEND") or ()]
    backend = names[0] if answers.get("CONFIG_CINDER_INSTALL") and names else ""
    task = {"kind": backend, "encrypted_type": ""}
    if backend and answers.get("CONFIG_CINDER_VOLUME_ENCRYPTION"):
        task["encrypted_type"] = "LUKS"
    for key in ("CONF", "POOL", "USER") if backend == "ceph" else ():
        task[key.lower()] = str(answers[f"CONFIG_CINDER_CEPH_{key}"])
    return {**task, "group": str(answers["CONFIG_CINDER_VOLUME_NAME"])} if backend == "lvm" else task


def parse_case(line: str) -> Optional[Case]:
    """Parse a line of the program's output; None if it is not a case."""
    try:
        fields = json.loads(line)
        return Case(str(fields["name"]), str(fields["outcome"]), float(fields["seconds"]), str(fields["detail"]))
    except (ValueError, KeyError, TypeError):
        return None


class _CaseCollector:
    """A JobWatcher that collects the cases and passes each to ``on_case``."""

    def __init__(self, on_case: Optional[CaseCallback]) -> None:
        self.cases: List[Case] = []
        self._on_case = on_case

    def job_started(self, job: Job) -> None:
        """Do nothing: the cases are reported as they end."""

    def job_finished(self, job: Job, result: JobResult) -> None:
        """Add a failed case if the program itself failed."""
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
        """Keep the case that a line of the program's output has."""
        case = parse_case(line)
        if case:
            self._add(case)

    def _add(self, case: Case) -> None:
        """Keep a case and pass it to the callback."""
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
    """Run every case, in order, from this node, and return them.

    ``on_case`` gets each as it ends. ``roles`` are the node's roles. The program deletes what it creates.
    """
    command = python_command(
        program_source(), build_task(credentials, answers, profile, roles), TIMEOUT_SECONDS, "use the cloud"
    )
    collector = _CaseCollector(on_case)
    node.run_jobs(
        [Job("smoke", command.script, command.stdin, timeout=TIMEOUT_SECONDS, description="smoke")], collector
    )
    return collector.cases
