"""Make a segment of three bare nodes; delay, cut and heal links.

Remove everything.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.sandbox import container
from tests.conftest import Tool
from tests.e2e.segment import sh

NAME = "e2e-segment"
NAMES = [NAME, f"{NAME}-2", f"{NAME}-3"]


@pytest.fixture(scope="module")
def segment(tool: Tool) -> Iterator[List[sandbox_api.Sandbox]]:
    tool("sandbox", "down", NAME)
    up = tool("sandbox", "up", NAME, "--hosts", "3", "--output", "json")
    assert up.code == 0, up.err
    assert [entry["name"] for entry in up.data["sandboxes"]] == NAMES
    yield [sandbox_api.find(name) for name in NAMES]
    # The last test has done this already, unless one before it failed.
    tool("sandbox", "down", NAME)


def ping(name: str, *addresses: str) -> float:
    """Ping each address three times.

    Return the slowest address's shortest time in milliseconds.

    0 if an address does not answer.
    """
    output = sh(name, "".join(f"ping -c 3 -i 0.2 -W 1 -q {address} & " for address in addresses) + "wait")
    times = [float(time) for time in re.findall(r"min/avg/max/mdev = ([\d.]+)/", output)]
    return max(times) if len(times) == len(addresses) else 0.0


def change_link(tool: Tool, *arguments: str) -> str:
    result = tool("sandbox", "link", *arguments)
    assert result.code == 0, result.err
    return result.err


def machine_state() -> List[str]:
    """Return what a segment may leave behind.

    These are interfaces, rules, routes, mounts, cgroups, processes.
    """
    output = [
        subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        for argv in (
            ["ip", "-o", "link"],
            ["iptables", "-w", "-S"],
            ["iptables", "-w", "-t", "nat", "-S"],
            ["ip", "route"],
        )
    ]
    output += [Path("/proc/mounts").read_text()]
    output += [str(path) for path in Path("/sys/fs/cgroup").glob("**/packstack-lite-sandbox-*")]
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            output.append(cmdline.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for text in output for line in text.splitlines()]


def test_every_node_reaches_every_other_one_on_both_networks_and_the_internet(
    tool: Tool, segment: List[sandbox_api.Sandbox]
) -> None:
    for box in segment:
        assert ping(box.name, *(address for other in segment for address in (other.address, other.tunnel))) > 0, (
            box.name
        )
    banner = sh(NAMES[2], f"bash -c 'exec 3<>/dev/tcp/{segment[1].address}/22; head -c 4 <&3'")
    assert banner == "SSH-"
    assert sh(NAMES[1], "hostname; apt-get -q download hostname >&2 && echo fine").split() == [NAMES[1], "fine"]
    # One key logs in to all nodes; each has its own host key.
    options = {"UserKnownHostsFile": segment[0].known_hosts, "StrictHostKeyChecking": "yes"}
    arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "/dev/null", "-i", str(segment[0].key), *arguments, f"root@{segment[2].address}", "hostname"]
    expected_text = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert expected_text.stdout.strip() == NAMES[2]


def test_a_node_cannot_set_this_machines_clock(segment: List[sandbox_api.Sandbox]) -> None:
    """A container shares it. The time that is tried is the node's own, so that nothing breaks where it can."""
    assert sh(NAMES[0], 'date -s "@$(date +%s)" 2>&1 || echo refused').splitlines()[-1] == "refused"


def test_the_tunnel_network_has_no_route_on_this_machine(segment: List[sandbox_api.Sandbox]) -> None:
    assert "198.19." not in subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert sh(NAME, "ip -o route show dev tunnel0").split()[0].endswith(".0/24")


@pytest.mark.parametrize("interface", ["main", "tunnel"])
def test_a_link_can_be_delayed_cut_and_healed(tool: Tool, segment: List[sandbox_api.Sandbox], interface: str) -> None:
    here, there = [getattr(box, "address" if interface == "main" else "tunnel") for box in segment[:2]]
    change_link(tool, NAMES[1], "delay", "50ms", "--interface", interface)
    assert 50 <= ping(NAME, there) < 150
    # The other link and the other nodes are not delayed.
    assert 0 < ping(NAMES[2], here) < 50
    assert 0 < ping(NAME, segment[1].tunnel if interface == "main" else segment[1].address) < 50
    change_link(tool, NAMES[1], "delay", "0.1s", "--interface", interface)
    assert 100 <= ping(NAME, there) < 200
    change_link(tool, NAMES[1], "cut", "--interface", interface)
    assert ping(NAME, there) == 0
    change_link(tool, NAMES[1], "heal", "--interface", interface)
    assert 0 < ping(NAME, there) < 50


def test_data_pass_a_slow_link_unchanged(tool: Tool, segment: List[sandbox_api.Sandbox]) -> None:
    change_link(tool, NAMES[1], "delay", "5ms")
    data_command = "head -c 20000000 /dev/zero | tr '\\0' x"
    checksum = subprocess.run(
        ["sh", "-c", f"{data_command} | sha256sum"], capture_output=True, text=True, check=True
    ).stdout
    argv = sandbox_api.ssh_argv(segment[1], "sha256sum")
    there = subprocess.run(
        ["sh", "-c", f'{data_command} | "$@"', "sh", *argv], capture_output=True, text=True, check=True
    )
    back = subprocess.run(
        ["sh", "-c", '"$@" | sha256sum', "sh", *sandbox_api.ssh_argv(segment[1], data_command)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout == back.stdout == checksum
    change_link(tool, NAMES[1], "heal")


def test_a_restarted_node_has_both_networks_and_healed_links(tool: Tool, segment: List[sandbox_api.Sandbox]) -> None:
    change_link(tool, NAMES[2], "delay", "50ms", "--interface", "tunnel")
    sandbox_api.stop(NAMES[2])
    assert ping(NAME, segment[1].tunnel) > 0
    stopped = tool("sandbox", "link", NAMES[2], "cut")
    assert stopped.code == 2 and "stopped" in stopped.err
    assert tool("sandbox", "up", NAME).code == 0
    assert 0 < ping(NAME, segment[2].tunnel) < 50


def test_a_node_can_be_removed_and_another_added(tool: Tool, segment: List[sandbox_api.Sandbox]) -> None:
    assert tool("sandbox", "down", NAMES[2]).code == 0
    up = tool("sandbox", "up", NAME, "--hosts", "4", "--output", "json")
    assert up.code == 0, up.err
    assert [entry["name"] for entry in up.data["sandboxes"]] == [*NAMES, f"{NAME}-4"]
    fourth = sandbox_api.find(f"{NAME}-4")
    assert ping(NAMES[2], fourth.tunnel) > 0
    assert tool("sandbox", "ssh", NAMES[2], "--", "true").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "expected_text"),
    [
        (["up", NAMES[1], "--hosts", "2"], 2, "belongs to the segment"),
        (["up", NAME, "--hosts", "0"], 2, "is not possible"),
        (["up", NAME, "--hosts", "99"], 2, "1 to 20"),
        (["up", NAME, "--distro", "debian13"], 2, "runs debian12"),
        (["link", NAME, "delay", "soon"], 2, "50ms"),
        (["link", NAME, "delay"], 2, "50ms"),
        (["link", NAME, "cut", "--interface", "eth7"], 2, "main, tunnel"),
        (["link", "e2e-no-such", "cut"], 2, "there is no sandbox"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence_and_change_nothing(
    tool: Tool, segment: List[sandbox_api.Sandbox], arguments: List[str], code: int, expected_text: str
) -> None:
    result = tool("sandbox", *arguments)
    assert (result.code, result.out) == (code, "")
    assert expected_text in result.err and "Traceback" not in result.err
    assert ping(NAME, segment[1].address) > 0


def segment_names() -> List[str]:
    """Return the sandboxes of this segment.

    Another test process may have sandboxes too.
    """
    return [box.name for box in sandbox_api.list_all() if box.name.startswith(NAME)]


def test_a_node_that_does_not_boot_leaves_the_segment_unchanged(
    tool: Tool, segment: List[sandbox_api.Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "BOOT_SECONDS", -1.0)
    before = segment_names()
    with pytest.raises(sandbox_api.SandboxError, match="did not come up"):
        sandbox_api.up(NAME, node_count=6)
    assert segment_names() == before
    assert not [line for line in machine_state() if f"{NAME}-5" in line or f"{NAME}-6" in line]
    assert ping(NAME, segment[1].tunnel) > 0


def test_down_removes_all_traces(tool: Tool, segment: List[sandbox_api.Sandbox]) -> None:
    change_link(tool, NAME, "delay", "20ms")
    network_number = segment[0].tunnel.split(".")[2]
    names = (NAME, f"plsandbox{network_number}", f"pltunnel{network_number}", f"prsandbox{network_number}")
    assert [line for line in machine_state() if any(name in line for name in names)]
    down = tool("sandbox", "down", NAME, "--output", "json")
    assert down.code == 0, down.err
    assert not [
        box for box in json.loads(tool("sandbox", "list", "--output", "json").out)["sandboxes"] if NAME in box["name"]
    ]
    assert [line for line in machine_state() if any(re.search(rf"\b{name}\b", line) for name in names)] == []
