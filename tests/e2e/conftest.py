"""Fixtures of the clouds that several test files share, and helpers that make sandboxes and answer files."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

import pytest

from packstack_lite import profiles
from packstack_lite import sandbox as sandbox_api
from tests.conftest import Outcome, Tool

# Each has characters that some kind of quoting gets wrong.
HOSTILE_TEXTS = [
    "a$b %c\"d'e\\f#g;h@i/j:k&l!m",
    "$(touch /tmp/owned) `id` ${HOME} %(x)s {{ y }}",
    "'; DROP DATABASE nova; -- #\\",
    "\"quoted\" and 'quoted' = [section]",
    "@//:host:3306/db?charset=x&y=%41",
    "!#$%&()*+,-./:;<=>?@[]^_`{|}~",
]
PASSWORDS = [
    "CONFIG_KEYSTONE_ADMIN_PW",
    "CONFIG_KEYSTONE_DEMO_PW",
    "CONFIG_KEYSTONE_DB_PW",
    "CONFIG_MARIADB_PW",
    "CONFIG_GLANCE_DB_PW",
    "CONFIG_GLANCE_KS_PW",
    "CONFIG_NOVA_DB_PW",
    "CONFIG_NOVA_KS_PW",
    "CONFIG_NEUTRON_DB_PW",
    "CONFIG_NEUTRON_KS_PW",
    "CONFIG_NEUTRON_METADATA_PW",
    "CONFIG_AMQP_AUTH_PASSWORD",
]
OPENVSWITCH = {
    "CONFIG_NEUTRON_L2_AGENT": "openvswitch",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "openvswitch",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,flat",
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
}
# The optional services of the complete cloud.
COMPLETE = {
    "CONFIG_BARBICAN_INSTALL": "y",
    "CONFIG_SWIFT_INSTALL": "y",
    "CONFIG_GLANCE_BACKEND": "swift",
    "CONFIG_CINDER_INSTALL": "y",
    "CONFIG_CINDER_BACKEND": "ceph",
    "CONFIG_CINDER_VOLUME_ENCRYPTION": "y",
}
OPTIONAL_PASSWORDS = [
    "CONFIG_BARBICAN_DB_PW",
    "CONFIG_BARBICAN_KS_PW",
    "CONFIG_SWIFT_KS_PW",
    "CONFIG_SWIFT_HASH",
    "CONFIG_CINDER_DB_PW",
    "CONFIG_CINDER_KS_PW",
]
# The smoke cases of every cloud.
COMMON_CASES = {
    *("token", "catalog", "agents", "image", "instance", "console", "console_log", "horizon"),
    *("floating_ip", "ping", "ssh", "metadata", "name_server", "neighbour", "two_networks", "security_group"),
}
# The sandboxes that this test process has made and not yet removed.
RUNNING_SANDBOXES: List[str] = []


@dataclass
class Sandbox:
    """A sandbox, and the tool with the options that select it.

    Calling it runs a verb. ``extra_options`` are added to every call. ``apply_result`` is the outcome of the
    deployment if a fixture has made it.
    """

    name: str
    tool: Tool
    answers: Path
    extra_options: Sequence[str] = ()
    apply_result: Optional[Outcome] = None
    distro: str = "debian12"

    def __call__(self, verb: str, *options: str, timeout: float = 1800) -> Outcome:
        argv = [verb, "--sandbox", self.name, "--answer-file", str(self.answers), *self.extra_options, *options]
        return self.tool(*argv, timeout=timeout)

    def sh(self, script: str, check: bool = True) -> str:
        """Run a script as root on the node, with ssh instead of packstack-lite's own SSH code."""
        argv = ["sandbox", "ssh", self.name, "--", "sh -c " + shlex.quote(script)]
        process = self.tool(*argv)
        assert not check or process.code == 0, f"{script}\n{process.out}\n{process.err}"
        return process.out

    def fingerprint(self) -> List[str]:
        """Return checksums and modes of everything in /etc, and the list of packages."""
        return self.sh(
            "find /etc -xdev -type f -exec sha256sum {} + | sort -k2;"
            "find /etc -xdev -printf '%p %m %u %g %l\\n' | sort;"
            "dpkg-query -W; ls -A /var/lib/packstack-lite 2>/dev/null; true"
        ).splitlines()

    def service_start_times(self) -> Dict[str, str]:
        """Return the start time of each running service, in microseconds since boot."""
        text = self.sh(
            "systemctl show --property=Id,ActiveEnterTimestampMonotonic,ActiveState"
            " $(systemctl list-units --type=service --state=active --plain --no-legend | cut -d' ' -f1)"
        )
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
        return {
            block["Id"]: block["ActiveEnterTimestampMonotonic"]
            for block in blocks
            if not _is_unrelated_unit(block["Id"])
        }


def _is_unrelated_unit(unit: str) -> bool:
    """Return whether a unit starts and stops with logins or timers, not with a deployment."""
    return unit.startswith(
        ("packstack-lite-", "user@", "user-runtime-dir@", "apt-", "systemd-", "ssh@", "run-", "phpsession")
    )


def write_answers(path: Path, tool: Tool, name: str, changes: Dict[str, str]) -> None:
    """Generate an answer file for a sandbox, with some answers replaced."""
    generated = tool(f"--gen-answer-file={path}", "--sandbox", name)
    assert generated.code == 0, generated.err
    lines = []
    for line in path.read_text().splitlines():
        key = line.split("=", 1)[0]
        lines.append(f"{key}={changes[key]}" if key in changes else line)
    path.write_text("\n".join(lines) + "\n")


def change_answers(path: Path, answers: Dict[str, str]) -> None:
    """Replace answers in an answer file; add those that it does not have."""
    lines = [line for line in path.read_text().splitlines() if line.split("=", 1)[0] not in answers]
    path.write_text("\n".join([*lines, *(f"{name}={text}" for name, text in answers.items())]) + "\n")


def hostile_passwords(passwords: Sequence[str]) -> Dict[str, str]:
    """Return answers for these parameters that test every kind of quoting."""
    return {key: HOSTILE_TEXTS[index % len(HOSTILE_TEXTS)] + str(index) for index, key in enumerate(passwords)}


@contextmanager
def bare_node(
    tool: Tool, directory: Path, name: str, changes: Mapping[str, str], distro: str = "debian12"
) -> Iterator[Sandbox]:
    """Make a sandbox without OpenStack and an answer file.

    Remove the sandbox at the end.

    Variables for developers begin with the name in capitals, here E2E: E2E_SANDBOX and E2E_ANSWERS name a deployed
    sandbox and its answer file, which are used and kept. E2E_TREE names a saved tree to start from (make quick).
    """
    prefix = name.upper().replace("-", "_")
    environment = {what: os.environ.get(f"{prefix}_{what}") for what in ("SANDBOX", "ANSWERS", "TREE")}
    if environment["SANDBOX"]:
        yield Sandbox(environment["SANDBOX"], tool, Path(environment["ANSWERS"] or ""), distro=distro)
        return
    tool("sandbox", "down", name)
    if environment["TREE"]:
        sandbox_api.up(name, tree=environment["TREE"], distro=distro)
    up_result = tool("sandbox", "up", name, "--distro", distro)
    assert up_result.code == 0, up_result.err
    answers = directory / "answers.txt"
    write_answers(answers, tool, name, {"CONFIG_PROVISION_DEMO": "y", **changes})
    # Preflight takes the packages of a saved tree for those of another tool.
    extra_options = ["--ignore", "leftovers", "--ignore", "database"] if environment["TREE"] else []
    RUNNING_SANDBOXES.append(name)
    yield Sandbox(name, tool, answers, extra_options, distro=distro)
    RUNNING_SANDBOXES.remove(name)
    assert tool("sandbox", "down", name).code == 0


@contextmanager
def bare_machine(tool: Tool, directory: Path, name: str, changes: Mapping[str, str]) -> Iterator[Sandbox]:
    """Make a virtual machine with the packages installed, as ``--kind machine`` does.

    See ``bare_node``.
    """
    environment = [os.environ.get(f"{name.upper().replace('-', '_')}_{what}") for what in ("SANDBOX", "ANSWERS")]
    if environment[0]:
        yield Sandbox(environment[0], tool, Path(environment[1] or ""))
        return
    tool("sandbox", "down", name)
    packages = profiles.load("debian12-zed").all_packages()
    sandbox_api.up(name, print, kind="machine", packages=packages)
    up_result = tool("sandbox", "up", name)
    assert up_result.code == 0, up_result.err
    answers = directory / "answers.txt"
    write_answers(answers, tool, name, {"CONFIG_PROVISION_DEMO": "y", **changes})
    yield Sandbox(name, tool, answers)
    assert tool("sandbox", "down", name).code == 0


@contextmanager
def other_sandboxes_stopped() -> Iterator[None]:
    """Stop the other sandboxes of this test process meanwhile.

    There is memory for one cloud only.
    """
    stopped_names = list(RUNNING_SANDBOXES)
    for name in stopped_names:
        sandbox_api.stop(name)
    yield
    for name in stopped_names:
        sandbox_api.start(name)


@pytest.fixture(scope="session")
def sandbox(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare Debian 12 for a cloud with Open vSwitch and no optional service.

    Most tests share it.
    """
    with bare_node(
        tool, tmp_path_factory.mktemp("answers"), "e2e", {**hostile_passwords(PASSWORDS), **OPENVSWITCH}
    ) as node:
        yield node


@pytest.fixture(scope="session")
def complete(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A deployed cloud with every service.

    It has Debian 12, OVN (the default), secrets, objects, volumes on Ceph.

    Variables for developers: E2E_COMPLETE_SANDBOX, E2E_COMPLETE_ANSWERS, E2E_COMPLETE_TREE (see bare_node).
    """
    answers = {**hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS), **COMPLETE}
    with (
        other_sandboxes_stopped(),
        bare_node(tool, tmp_path_factory.mktemp("complete"), "e2e-complete", answers) as node,
    ):
        node.apply_result = node("apply", "--output", "json")
        assert node.apply_result.code == 0, node.apply_result.err[-6000:]
        yield node
