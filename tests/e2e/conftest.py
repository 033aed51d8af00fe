"""A cloud, deployed for real on a throw-away host, once for all tests of this folder."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List

import pytest

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

# The sandboxes that this very run has brought up.
UP: List[str] = []


@dataclass
class Sandbox:
    """A throw-away host and the tool pointed at it."""

    name: str
    tool: Tool
    answers: Path

    def __call__(self, verb: str, *words: str, timeout: float = 1800) -> Outcome:
        return self.tool(verb, "--sandbox", self.name, "--answer-file", str(self.answers), *words, timeout=timeout)

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
        name = line.split("=", 1)[0]
        lines.append(f"{name}={changes[name]}" if name in changes else line)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def sandbox(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bare host: nothing of OpenStack on it; its answer file has hostile passwords.

    For a developer's own loop: E2E_SANDBOX and E2E_ANSWERS name a sandbox that is deployed
    already and its answer file; it stays. E2E_TREE names a saved tree to begin from (make quick).
    """
    if "E2E_SANDBOX" in os.environ:
        yield Sandbox(os.environ["E2E_SANDBOX"], tool, Path(os.environ["E2E_ANSWERS"]))
        return
    name = "e2e"
    tool("sandbox", "down", name)
    if "E2E_TREE" in os.environ:
        room.up(name, tree=os.environ["E2E_TREE"])
    up = tool("sandbox", "up", name)
    assert up.code == 0, up.err
    UP.append(name)
    answers = tmp_path_factory.mktemp("answers") / "answers.txt"
    changes = {key: HOSTILE[place % len(HOSTILE)] + str(place) for place, key in enumerate(PASSWORDS)}
    write_answers(answers, tool, name, {**changes, "CONFIG_PROVISION_DEMO": "y"})
    yield Sandbox(name, tool, answers)
    tool("sandbox", "down", name)
    UP.remove(name)
