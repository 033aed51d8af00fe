"""A cloud, deployed for real on a throw-away host, once for all tests that share it."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

import pytest

from packstack_lite import profiles
from packstack_lite import sandbox as room
from tests.conftest import Outcome, Tool

# Each holds something that some quoting, somewhere, has tripped over.
HOSTILE = [
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
# Everything that the complete cloud has beyond the default one.
COMPLETE = {
    "CONFIG_BARBICAN_INSTALL": "y",
    "CONFIG_SWIFT_INSTALL": "y",
    "CONFIG_GLANCE_BACKEND": "swift",
    "CONFIG_CINDER_INSTALL": "y",
    "CONFIG_CINDER_BACKEND": "ceph",
    "CONFIG_CINDER_VOLUME_ENCRYPTION": "y",
}
MORE_PASSWORDS = [
    "CONFIG_BARBICAN_DB_PW",
    "CONFIG_BARBICAN_KS_PW",
    "CONFIG_SWIFT_KS_PW",
    "CONFIG_SWIFT_HASH",
    "CONFIG_CINDER_DB_PW",
    "CONFIG_CINDER_KS_PW",
]
# What smoke proves of every cloud.
PROMISES = {
    *("token", "catalog", "agents", "image", "instance", "console", "console_log", "horizon"),
    *("floating_ip", "ping", "ssh", "metadata", "neighbour", "two_networks", "security_group"),
}
# The sandboxes that this lane of the tests has made and not yet removed.
OURS: List[str] = []


@dataclass
class Sandbox:
    """A throw-away host and the tool pointed at it."""

    name: str
    tool: Tool
    answers: Path
    always: Sequence[str] = ()
    # What the deployment said, where the fixture has made it.
    applied: Optional[Outcome] = None
    distro: str = "debian12"

    def __call__(self, verb: str, *words: str, timeout: float = 1800) -> Outcome:
        said = [verb, "--sandbox", self.name, "--answer-file", str(self.answers), *self.always, *words]
        return self.tool(*said, timeout=timeout)

    def sh(self, script: str, check: bool = True) -> str:
        """Run a script as root on the host, past our own remote code."""
        argv = ["sandbox", "ssh", self.name, "--", "sh -c " + shlex.quote(script)]
        done = self.tool(*argv)
        assert not check or done.code == 0, f"{script}\n{done.out}\n{done.err}"
        return done.out

    def fingerprint(self) -> List[str]:
        """Checksums and modes of all of /etc, and the package list."""
        return self.sh(
            "find /etc -xdev -type f -exec sha256sum {} + | sort -k2;"
            "find /etc -xdev -printf '%p %m %u %g %l\\n' | sort;"
            "dpkg-query -W; ls -A /var/lib/packstack-lite 2>/dev/null; true"
        ).splitlines()

    def started(self) -> Dict[str, str]:
        """When each running service began, in microseconds since boot."""
        text = self.sh(
            "systemctl show --property=Id,ActiveEnterTimestampMonotonic,ActiveState"
            " $(systemctl list-units --type=service --state=active --plain --no-legend | cut -d' ' -f1)"
        )
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
        return {block["Id"]: block["ActiveEnterTimestampMonotonic"] for block in blocks if not _ours(block["Id"])}


def _ours(unit: str) -> bool:
    """Units that come and go with any login or timer, not with what is deployed."""
    return unit.startswith(
        ("packstack-lite-", "user@", "user-runtime-dir@", "apt-", "systemd-", "ssh@", "run-", "phpsession")
    )


def write_answers(path: Path, tool: Tool, name: str, changes: Dict[str, str]) -> None:
    """An answer file as generated for a sandbox, with some answers replaced."""
    generated = tool(f"--gen-answer-file={path}", "--sandbox", name)
    assert generated.code == 0, generated.err
    lines = []
    for line in path.read_text().splitlines():
        key = line.split("=", 1)[0]
        lines.append(f"{key}={changes[key]}" if key in changes else line)
    path.write_text("\n".join(lines) + "\n")


def changed(path: Path, answers: Dict[str, str]) -> None:
    """The answer file with other answers; those that it does not name yet are added."""
    lines = [line for line in path.read_text().splitlines() if line.split("=", 1)[0] not in answers]
    path.write_text("\n".join([*lines, *(f"{name}={text}" for name, text in answers.items())]) + "\n")


def hostile(passwords: Sequence[str]) -> Dict[str, str]:
    """Answers that try every quoting on their way."""
    return {key: HOSTILE[place % len(HOSTILE)] + str(place) for place, key in enumerate(passwords)}


@contextmanager
def bare_host(
    tool: Tool, directory: Path, name: str, changes: Mapping[str, str], distro: str = "debian12"
) -> Iterator[Sandbox]:
    """A host with nothing of OpenStack on it, and an answer file with these answers; gone in the end.

    For a developer's own loop, with the name in capitals, here E2E: E2E_SANDBOX and E2E_ANSWERS name a sandbox that
    is deployed already and its answer file; it stays. E2E_TREE names a saved tree to begin from (make quick).
    """
    prefix = name.upper().replace("-", "_")
    known = {what: os.environ.get(f"{prefix}_{what}") for what in ("SANDBOX", "ANSWERS", "TREE")}
    if known["SANDBOX"]:
        yield Sandbox(known["SANDBOX"], tool, Path(known["ANSWERS"] or ""), distro=distro)
        return
    tool("sandbox", "down", name)
    if known["TREE"]:
        room.up(name, tree=known["TREE"], distro=distro)
    up = tool("sandbox", "up", name, "--distro", distro)
    assert up.code == 0, up.err
    answers = directory / "answers.txt"
    write_answers(answers, tool, name, {"CONFIG_PROVISION_DEMO": "y", **changes})
    # A saved tree looks as if another tool had been there.
    always = ["--ignore", "leftovers", "--ignore", "database"] if known["TREE"] else []
    OURS.append(name)
    yield Sandbox(name, tool, answers, always, distro=distro)
    OURS.remove(name)
    assert tool("sandbox", "down", name).code == 0


@contextmanager
def bare_machine(tool: Tool, directory: Path, name: str, changes: Mapping[str, str]) -> Iterator[Sandbox]:
    """As ``bare_host``, with a kernel of its own and the packages installed; made as ``--kind machine`` makes it."""
    known = [os.environ.get(f"{name.upper().replace('-', '_')}_{what}") for what in ("SANDBOX", "ANSWERS")]
    if known[0]:
        yield Sandbox(known[0], tool, Path(known[1] or ""))
        return
    tool("sandbox", "down", name)
    packages = profiles.load("debian12-zed").all_packages()
    room.up(name, print, kind="machine", packages=packages)
    up = tool("sandbox", "up", name)
    assert up.code == 0, up.err
    answers = directory / "answers.txt"
    write_answers(answers, tool, name, {"CONFIG_PROVISION_DEMO": "y", **changes})
    yield Sandbox(name, tool, answers)
    assert tool("sandbox", "down", name).code == 0


@contextmanager
def alone() -> Iterator[None]:
    """Two clouds need more memory than one: the other sandboxes of this lane sleep meanwhile."""
    others = list(OURS)
    for name in others:
        room.stop(name)
    yield
    for name in others:
        room.start(name)


@pytest.fixture(scope="session")
def sandbox(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The cloud that most tests of this folder share: Debian 12, plain Open vSwitch, nothing more."""
    with bare_host(tool, tmp_path_factory.mktemp("answers"), "e2e", {**hostile(PASSWORDS), **OPENVSWITCH}) as host:
        yield host


@pytest.fixture(scope="session")
def complete(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The cloud with all that there is: Debian 12, OVN (the default), secrets, objects, volumes on Ceph; deployed.

    A developer's own one: E2E_COMPLETE_SANDBOX, E2E_COMPLETE_ANSWERS, E2E_COMPLETE_TREE (see bare_host).
    """
    answers = {**hostile(PASSWORDS + MORE_PASSWORDS), **COMPLETE}
    with alone(), bare_host(tool, tmp_path_factory.mktemp("complete"), "e2e-complete", answers) as host:
        host.applied = host("apply", "--output", "json")
        assert host.applied.code == 0, host.applied.err[-6000:]
        yield host
