"""Run the smoke test's program as a job on a node and read its cases as they end.

Used by ``deployment``.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from packstack_lite.engine.results import OUTCOMES, Case
from packstack_lite.profiles import Profile
from packstack_lite.remote.command import Connection, Job, JobResult
from packstack_lite.resources import Credentials
from packstack_lite.resources.hostside_programs import bundle_modules, python_command, read_modules
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext
from packstack_lite.services.networking import network_settings
from packstack_lite.services.registry import catalog_types, optional_smoke_cases

CaseCallback = Callable[[Case], None]
EXTERNAL_NETWORK = "public"
# For the whole smoke test; an emulated node needs a good part of it.
TIMEOUT_SECONDS = 5400.0


@dataclass(frozen=True)
class ExternalNetwork:
    """A temporary external network: its range, first and last address, and gateway."""

    cidr: str
    first: str
    last: str
    gateway: str


def program_source() -> bytes:
    """Return the source of the program that runs on the node, with its modules."""
    return bundle_modules(hostside_sources(), "smoke_cloud")


def hostside_sources() -> Dict[str, str]:
    """Return the program's modules, each after those that it imports."""
    return read_modules("packstack_lite.smoke", "smoke_")


def build_task(
    credentials: Credentials,
    context: NodeContext,
    profile: Profile,
    external: Optional[ExternalNetwork] = None,
) -> Dict[str, Any]:
    """Return the program's input for the node of the context.

    ``profile`` is the controller's. The input holds the administrator's password.
    """
    answers = context.answers
    address = credentials.auth_url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]
    horizon_url = f"http://{address}{profile.path('webroot')}" if answers["CONFIG_HORIZON_INSTALL"] else ""
    return {
        "api": credentials.to_dict(),
        "image": _image_task(answers),
        "user": str(answers["CONFIG_PROVISION_IMAGE_SSH_USER"] or "root"),
        "external": _external_task(context, external),
        "horizon_url": horizon_url,
        "catalog": catalog_types(answers),
        "optional_cases": optional_smoke_cases(),
        "volumes": {**_volume_task(answers), "here": context.has_role("storage")},
    }


def _image_task(answers: Mapping[str, Any]) -> Dict[str, str]:
    """Return the name and source of the answers' image, and the proxy for a download."""
    proxy = answers.get("CONFIG_HTTP_PROXY") or ""
    return {
        "name": str(answers["CONFIG_PROVISION_IMAGE_NAME"]),
        "source": str(answers["CONFIG_PROVISION_IMAGE_URL"]),
        "proxy": proxy.reveal() if isinstance(proxy, Secret) else str(proxy),
    }


def _external_task(context: NodeContext, temporary: Optional[ExternalNetwork]) -> Dict[str, Any]:
    """Return the demo's external network, and what a temporary one is made of."""
    bridges = network_settings.bridges_with_interface(context)
    mapped_interface = network_settings.interface_mappings(context).get(network_settings.external_physnet(context))
    return {
        "name": EXTERNAL_NETWORK,
        "is_demo": bool(context.answers.get("CONFIG_PROVISION_DEMO")),
        "physnet": network_settings.external_physnet(context),
        "bridge": context.external_bridge,
        "has_interface": context.external_bridge in bridges or bool(mapped_interface),
        "temporary": asdict(temporary) if temporary else None,
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
        case = Case(str(fields["name"]), str(fields["outcome"]), float(fields["seconds"]), str(fields["detail"]))
    # OverflowError: a number of 400 digits. RecursionError: a thousand nested brackets.
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return case if case.outcome in OUTCOMES and math.isfinite(case.seconds) else None


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
    context: NodeContext,
    profile: Profile,
    on_case: Optional[CaseCallback] = None,
    external: Optional[ExternalNetwork] = None,
) -> List[Case]:
    """Run every case, in order, from the node of the context, and return them.

    ``on_case`` gets each as it ends. ``profile`` is the controller's. ``external`` is made for the test if given. The
    program deletes what it creates.
    """
    task = build_task(credentials, context, profile, external)
    command = python_command(program_source(), task, TIMEOUT_SECONDS, "use the cloud")
    collector = _CaseCollector(on_case)
    node.run_jobs(
        [Job("smoke", command.script, command.stdin, timeout=TIMEOUT_SECONDS, description="smoke")], collector
    )
    return collector.cases
