"""A controller and two hypervisors on a segment: deployed side by side, used over the tunnel, one more added later."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as room
from tests.conftest import Tool
from tests.e2e.cloud_contract import smoke_proves
from tests.e2e.conftest import OURS, Sandbox, alone, write_answers
from tests.e2e.segment import address, sh

pytestmark = pytest.mark.slow

NAME = "e2e-hosts"
COMPUTE_2, COMPUTE_3 = f"{NAME}-2", f"{NAME}-3"
CONTROLLER_ROLES = (*("CONTROLLER_HOST", "NETWORK_HOSTS", "STORAGE_HOST", "MARIADB_HOST", "AMQP_HOST"),)


@pytest.fixture(scope="module")
def cloud(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A segment of four bare hosts, and answers that give work to three of them.

    A developer's own one, which stays: E2E_HOSTS_ANSWERS names the answer file, its sandbox has this test's name.
    """
    if "E2E_HOSTS_ANSWERS" in os.environ:
        yield Sandbox(NAME, tool, Path(os.environ["E2E_HOSTS_ANSWERS"]))
        return
    with alone():
        OURS.append(NAME)
        done = tool("sandbox", "up", NAME, "--hosts", "4", timeout=1800)
        assert done.code == 0, done.err
        answers = tmp_path_factory.mktemp("hosts") / "answers.txt"
        hosts = {f"CONFIG_{role}": address(NAME) for role in CONTROLLER_ROLES}
        write_answers(
            answers,
            tool,
            NAME,
            {
                **hosts,
                "CONFIG_COMPUTE_HOSTS": ",".join(address(name) for name in (COMPUTE_2, COMPUTE_3)),
                "CONFIG_HORIZON_INSTALL": "n",
            },
        )
        yield Sandbox(NAME, tool, answers)
        assert tool("sandbox", "down", NAME).code == 0
        OURS.remove(NAME)


def openstack(words: str) -> str:
    return sh(NAME, f". /root/keystonerc_admin && openstack {words}")


def instance(name: str, host: str) -> str:
    """An instance of the demo's private network on one host; the address of its floating IP."""
    openstack(
        f"server create {name} --image cirros --flavor m1.tiny --network private"
        f" --availability-zone nova:{host} --wait -f value -c status"
    )
    port = openstack(f"port list --server {name} -f value -c ID")
    # The administrator's own group lets nothing in.
    openstack(f"port set --no-security-group --disable-port-security {port}")
    return openstack(f"floating ip create public --port {port} -f value -c floating_ip_address")


def answers_ping(where: str, seconds: int = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        done = subprocess.run(room.ssh_argv(room.find(NAME), f"ping -c 1 -W 1 {where}"), capture_output=True)
        if done.returncode == 0:
            return
        assert time.monotonic() < end, f"{where} does not answer"


def changed(hosts: List[dict]) -> dict:
    return {host["name"]: host["changes"] for host in hosts}


def test_a_hypervisor_that_is_cut_off_stops_nobody_and_the_next_run_ends_what_it_began(cloud: Sandbox) -> None:
    """Its link goes as soon as it installs packages, and comes back when the run is over."""
    cut: List[int] = []

    def saboteur() -> None:
        for _ in range(600):
            there = Path(room.find(COMPUTE_3).root) / "var/lib/packstack-lite/jobs"
            if there.is_dir() and any(there.iterdir()):
                cut.append(cloud.tool("sandbox", "link", COMPUTE_3, "cut").code)
                return
            time.sleep(0.5)

    knife = threading.Thread(target=saboteur)
    knife.start()
    done = cloud("apply", "--output", "json", timeout=2400)
    knife.join()
    assert cut == [0]
    assert done.code == 5, done.err[-3000:]
    assert f"1 of 3 nodes failed: {address(COMPUTE_3)}" in done.err
    assert f"completed: {address(NAME)}, {address(COMPUTE_2)}" in done.err
    assert cloud.tool("sandbox", "link", COMPUTE_3, "heal").code == 0
    again = cloud("apply", "--output", "json", timeout=2400)
    assert again.code == 0, again.err[-3000:]
    told = changed(again.data["hosts"])
    assert (told[address(NAME)], told[address(COMPUTE_2)]) == (0, 0)
    assert told[address(COMPUTE_3)] > 20


def test_a_second_apply_changes_nothing_in_a_few_flights_per_host(cloud: Sandbox) -> None:
    done = cloud("apply", "--output", "json")
    assert done.code == 0, done.err[-3000:]
    assert (done.data["changes"], done.data["restarted"]) == ([], [])
    # Connect and shell 6, facts, lock, look, journal or lock's end by then: 9 or 10 for each.
    assert all(host["flights"] <= 10 for host in done.data["hosts"]), done.data["hosts"]
    assert cloud("verify", "--output", "json").data["faults"] == []


def test_instances_on_each_hypervisor_are_reached_and_talk_over_the_tunnel(cloud: Sandbox) -> None:
    there = {name: instance(f"on-{name}", name) for name in (COMPUTE_2, COMPUTE_3)}
    for where in there.values():
        answers_ping(where)
    own = {name: openstack(f"server show on-{name} -f value -c OS-EXT-SRV-ATTR:host") for name in there}
    assert own == {name: name for name in there}
    # By TCP, which is harder on a tunnel than a ping; the key is on the controller alone.
    port = f"timeout 10 bash -c 'echo > /dev/tcp/{there[COMPUTE_3]}/22'"
    sh(NAME, f"i=0; until {port}; do i=$((i + 1)); [ $i -lt 30 ] || exit 1; sleep 2; done")


def test_an_instance_moves_from_one_hypervisor_to_the_other(cloud: Sandbox) -> None:
    """Cold, which copies the disk over nova's own SSH, and live, which libvirt does over it."""
    where = openstack(f"server show on-{COMPUTE_2} -f value -c addresses")
    floating = where.replace("'", " ").replace("]", " ").split()[-2]
    openstack(f"server migrate on-{COMPUTE_2} --host {COMPUTE_3} --os-compute-api-version 2.56 --wait")
    openstack(f"server migration confirm on-{COMPUTE_2}")
    active = f"openstack server show on-{COMPUTE_2} -c status -f value | grep ACTIVE"
    sh(NAME, f". /root/keystonerc_admin; until {active}; do sleep 2; done")
    assert openstack(f"server show on-{COMPUTE_2} -f value -c OS-EXT-SRV-ATTR:host") == COMPUTE_3
    answers_ping(floating)
    openstack(f"server migrate on-{COMPUTE_2} --live-migration --host {COMPUTE_2} --os-compute-api-version 2.30 --wait")
    assert openstack(f"server show on-{COMPUTE_2} -f value -c OS-EXT-SRV-ATTR:host") == COMPUTE_2
    answers_ping(floating)


def test_a_hypervisor_that_is_added_changes_itself_alone(cloud: Sandbox) -> None:
    fourth = f"{NAME}-4"
    two, three = (",".join(map(address, names)) for names in ((COMPUTE_2, COMPUTE_3), (COMPUTE_2, COMPUTE_3, fourth)))
    cloud.answers.write_text(cloud.answers.read_text().replace(f"HOSTS={two}\n", f"HOSTS={three}\n"))
    before = cloud.started()
    done = cloud("apply", "--output", "json", timeout=2400)
    assert done.code == 0, done.err[-3000:]
    assert [change for change in done.data["changes"] if change["host"] != address(fourth)] == []
    told = changed(done.data["hosts"])
    assert [told[address(name)] for name in (NAME, COMPUTE_2, COMPUTE_3)] == [0, 0, 0]
    assert cloud.started().items() >= before.items(), "a service of the controller was restarted"
    mapped = {change["resource"] for change in done.data["changes"] if change["host"] == address(fourth)}
    assert f"once:nova-discover-{fourth}" in mapped
    assert fourth in openstack("compute service list --service nova-compute -f value -c Host -c State")
    answers_ping(instance("on-the-new-one", fourth))


def test_smoke_proves_each_promise_of_every_cloud(cloud: Sandbox) -> None:
    smoke_proves(cloud, without=["horizon"])
