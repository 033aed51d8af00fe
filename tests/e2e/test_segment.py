"""Three bare hosts on one segment: they reach each other twice over, a link is slow, cut and healed, nothing stays."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as room
from tests.conftest import Tool
from tests.e2e.segment import sh

NAME = "e2e-segment"
HOSTS = [NAME, f"{NAME}-2", f"{NAME}-3"]


@pytest.fixture(scope="module")
def segment(tool: Tool) -> Iterator[List[room.Sandbox]]:
    tool("sandbox", "down", NAME)
    up = tool("sandbox", "up", NAME, "--hosts", "3", "--output", "json")
    assert up.code == 0, up.err
    assert [each["name"] for each in up.data["sandboxes"]] == HOSTS
    yield [room.find(name) for name in HOSTS]
    # Its last test has done this already where it got so far.
    tool("sandbox", "down", NAME)


def ping(name: str, *addresses: str) -> float:
    """The longest of the addresses' quickest round trips in milliseconds, 0 where one of them does not answer."""
    said = sh(name, "".join(f"ping -c 3 -i 0.2 -W 1 -q {address} & " for address in addresses) + "wait")
    found = [float(time) for time in re.findall(r"min/avg/max/mdev = ([\d.]+)/", said)]
    return max(found) if len(found) == len(addresses) else 0.0


def linked(tool: Tool, *words: str) -> str:
    done = tool("sandbox", "link", *words)
    assert done.code == 0, done.err
    return done.err


def on_this_machine() -> List[str]:
    """What a segment may leave behind: interfaces, rules, routes, mounts, cgroups, processes."""
    said = [
        subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        for argv in (
            ["ip", "-o", "link"],
            ["iptables", "-w", "-S"],
            ["iptables", "-w", "-t", "nat", "-S"],
            ["ip", "route"],
        )
    ]
    said += [Path("/proc/mounts").read_text()]
    said += [str(path) for path in Path("/sys/fs/cgroup").glob("**/packstack-lite-sandbox-*")]
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for text in said for line in text.splitlines()]


def test_every_host_reaches_every_other_one_on_both_networks_and_the_world(tool, segment):
    for box in segment:
        assert (
            ping(box.name, *(address for other in segment for address in (other.address, other.tunnel))) > 0
        ), box.name
    banner = sh(HOSTS[2], f"bash -c 'exec 3<>/dev/tcp/{segment[1].address}/22; head -c 4 <&3'")
    assert banner == "SSH-"
    assert sh(HOSTS[1], "hostname; apt-get -q download hostname >&2 && echo fine").split() == [HOSTS[1], "fine"]
    # One key opens them all, and each is known by its own.
    options = {"UserKnownHostsFile": segment[0].known_hosts, "StrictHostKeyChecking": "yes"}
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "/dev/null", "-i", str(segment[0].key), *words, f"root@{segment[2].address}", "hostname"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == HOSTS[2]


def test_the_tunnels_network_is_the_hosts_own(segment):
    assert "198.19." not in subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert sh(NAME, "ip -o route show dev tunnel0").split()[0].endswith(".0/24")


@pytest.mark.parametrize("interface", ["main", "tunnel"])
def test_a_link_is_slow_then_cut_then_healed(tool, segment, interface):
    here, there = [getattr(box, "address" if interface == "main" else "tunnel") for box in segment[:2]]
    linked(tool, HOSTS[1], "delay", "50ms", "--interface", interface)
    assert 50 <= ping(NAME, there) < 150
    # The other link and the other hosts are as quick as before.
    assert 0 < ping(HOSTS[2], here) < 50
    assert 0 < ping(NAME, segment[1].tunnel if interface == "main" else segment[1].address) < 50
    linked(tool, HOSTS[1], "delay", "0.1s", "--interface", interface)
    assert 100 <= ping(NAME, there) < 200
    linked(tool, HOSTS[1], "cut", "--interface", interface)
    assert ping(NAME, there) == 0
    linked(tool, HOSTS[1], "heal", "--interface", interface)
    assert 0 < ping(NAME, there) < 50


def test_much_passes_a_slow_link_unharmed(tool, segment):
    linked(tool, HOSTS[1], "delay", "5ms")
    total = "head -c 20000000 /dev/zero | tr '\\0' x"
    summed = subprocess.run(["sh", "-c", f"{total} | sha256sum"], capture_output=True, text=True, check=True).stdout
    argv = room.ssh_argv(segment[1], "sha256sum")
    there = subprocess.run(["sh", "-c", f'{total} | "$@"', "sh", *argv], capture_output=True, text=True, check=True)
    back = subprocess.run(
        ["sh", "-c", '"$@" | sha256sum', "sh", *room.ssh_argv(segment[1], total)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout == back.stdout == summed
    linked(tool, HOSTS[1], "heal")


def test_a_host_that_boots_again_is_back_on_both_networks_with_its_links_healed(tool, segment):
    linked(tool, HOSTS[2], "delay", "50ms", "--interface", "tunnel")
    room.stop(HOSTS[2])
    assert ping(NAME, segment[1].tunnel) > 0
    stopped = tool("sandbox", "link", HOSTS[2], "cut")
    assert stopped.code == 2 and "stopped" in stopped.err
    assert tool("sandbox", "up", NAME).code == 0
    assert 0 < ping(NAME, segment[2].tunnel) < 50


def test_a_host_is_taken_away_and_another_added(tool, segment):
    assert tool("sandbox", "down", HOSTS[2]).code == 0
    up = tool("sandbox", "up", NAME, "--hosts", "4", "--output", "json")
    assert up.code == 0, up.err
    assert [each["name"] for each in up.data["sandboxes"]] == [*HOSTS, f"{NAME}-4"]
    fourth = room.find(f"{NAME}-4")
    assert ping(HOSTS[2], fourth.tunnel) > 0
    assert tool("sandbox", "ssh", HOSTS[2], "--", "true").code == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["up", HOSTS[1], "--hosts", "2"], 2, "belongs to the segment"),
        (["up", NAME, "--hosts", "0"], 2, "is not possible"),
        (["up", NAME, "--hosts", "99"], 2, "1 to 20"),
        (["up", NAME, "--distro", "debian13"], 2, "runs debian12"),
        (["link", NAME, "delay", "soon"], 2, "50ms"),
        (["link", NAME, "delay"], 2, "50ms"),
        (["link", NAME, "cut", "--interface", "eth7"], 2, "main, tunnel"),
        (["link", "e2e-no-such", "cut"], 2, "there is no sandbox"),
    ],
)
def test_bad_words_are_one_sentence_and_change_nothing(tool, segment, words, code, told):
    done = tool("sandbox", *words)
    assert (done.code, done.out) == (code, "")
    assert told in done.err and "Traceback" not in done.err
    assert ping(NAME, segment[1].address) > 0


def hosts_there():
    """Of this segment: the other lane's sandboxes come and go."""
    return [box.name for box in room.list_all() if box.name.startswith(NAME)]


def test_a_host_that_does_not_boot_leaves_the_segment_as_it_was(tool, segment, monkeypatch):
    monkeypatch.setattr(room.lifecycle.container, "BOOT_SECONDS", -1.0)
    before = hosts_there()
    with pytest.raises(room.SandboxError, match="did not come up"):
        room.up(NAME, node_count=6)
    assert hosts_there() == before
    assert not [line for line in on_this_machine() if f"{NAME}-5" in line or f"{NAME}-6" in line]
    assert ping(NAME, segment[1].tunnel) > 0


def test_down_takes_all_of_it_away(tool, segment):
    linked(tool, NAME, "delay", "20ms")
    number = segment[0].tunnel.split(".")[2]
    names = (NAME, f"plsandbox{number}", f"pltunnel{number}", f"prsandbox{number}")
    assert [line for line in on_this_machine() if any(name in line for name in names)]
    down = tool("sandbox", "down", NAME, "--output", "json")
    assert down.code == 0, down.err
    assert not [
        box for box in json.loads(tool("sandbox", "list", "--output", "json").out)["sandboxes"] if NAME in box["name"]
    ]
    assert [line for line in on_this_machine() if any(re.search(rf"\b{name}\b", line) for name in names)] == []
