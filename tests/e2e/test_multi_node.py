"""Deploy a controller and two hypervisors in parallel, use the tunnel, and add a third hypervisor."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from packstack_lite import sandbox as sandbox_api
from tests.conftest import Tool
from tests.e2e.cloud_contract import assert_smoke_passes
from tests.e2e.conftest import RUNNING_SANDBOXES, Sandbox, change_answers, other_sandboxes_stopped, write_answers
from tests.e2e.segment import address, sh

pytestmark = pytest.mark.slow

NAME = "e2e-hosts"
COMPUTE_2, COMPUTE_3 = f"{NAME}-2", f"{NAME}-3"
CONTROLLER_ROLES = (*("CONTROLLER_HOST", "NETWORK_HOSTS", "STORAGE_HOST", "MARIADB_HOST", "AMQP_HOST"),)


@pytest.fixture(scope="module")
def cloud(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A segment of four bare nodes, and an answer file that uses three of them.

    For developers: E2E_HOSTS_ANSWERS names an answer file; the sandboxes, named as here, are used and kept.
    """
    if "E2E_HOSTS_ANSWERS" in os.environ:
        yield Sandbox(NAME, tool, Path(os.environ["E2E_HOSTS_ANSWERS"]))
        return
    with other_sandboxes_stopped():
        RUNNING_SANDBOXES.append(NAME)
        result = tool("sandbox", "up", NAME, "--hosts", "4", timeout=1800)
        assert result.code == 0, result.err
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
        RUNNING_SANDBOXES.remove(NAME)


def openstack(command: str) -> str:
    return sh(NAME, f". /root/keystonerc_admin && openstack {command}")


def create_instance(name: str, hypervisor: str) -> str:
    """Create an instance in the demo's private network on this hypervisor.

    Return its floating IP.
    """
    openstack(
        f"server create {name} --image cirros --flavor m1.tiny --network private"
        f" --availability-zone nova:{hypervisor} --wait -f value -c status"
    )
    port = openstack(f"port list --server {name} -f value -c ID")
    # The administrator's default security group admits no traffic.
    openstack(f"port set --no-security-group --disable-port-security {port}")
    return openstack(f"floating ip create public --port {port} -f value -c floating_ip_address")


def wait_for_ping(floating_ip: str, seconds: int = 300) -> None:
    """Wait until the address answers pings from the controller."""
    end = time.monotonic() + seconds
    while True:
        result = subprocess.run(
            sandbox_api.ssh_argv(sandbox_api.find(NAME), f"ping -c 1 -W 1 {floating_ip}"), capture_output=True
        )
        if result.returncode == 0:
            return
        assert time.monotonic() < end, f"{floating_ip} does not answer"


def change_counts(hosts: List[dict]) -> dict:
    """Return the number of changes by node, from the JSON of apply."""
    return {host["name"]: host["changes"] for host in hosts}


def test_a_node_that_is_cut_off_stops_no_other_and_the_next_run_completes_it(cloud: Sandbox) -> None:
    """The node's link is cut once it runs its first job, and healed after the run."""
    exit_codes: List[int] = []

    def cut_link() -> None:
        for _ in range(600):
            jobs_directory = Path(sandbox_api.find(COMPUTE_3).root) / "var/lib/packstack-lite/jobs"
            if jobs_directory.is_dir() and any(jobs_directory.iterdir()):
                exit_codes.append(cloud.tool("sandbox", "link", COMPUTE_3, "cut").code)
                return
            time.sleep(0.5)

    cutter = threading.Thread(target=cut_link)
    cutter.start()
    result = cloud("apply", "--output", "json", timeout=2400)
    cutter.join()
    assert exit_codes == [0]
    assert result.code == 5, result.err[-3000:]
    assert f"1 of 3 nodes failed: {address(COMPUTE_3)}" in result.err
    assert f"completed: {address(NAME)}, {address(COMPUTE_2)}" in result.err
    assert cloud.tool("sandbox", "link", COMPUTE_3, "heal").code == 0
    again = cloud("apply", "--output", "json", timeout=2400)
    assert again.code == 0, again.err[-3000:]
    changes_by_node = change_counts(again.data["hosts"])
    assert (changes_by_node[address(NAME)], changes_by_node[address(COMPUTE_2)]) == (0, 0)
    assert changes_by_node[address(COMPUTE_3)] > 20


def test_a_second_apply_changes_nothing_in_at_most_ten_round_trips_per_node(cloud: Sandbox) -> None:
    result = cloud("apply", "--output", "json")
    assert result.code == 0, result.err[-3000:]
    assert (result.data["changes"], result.data["restarted"]) == ([], [])
    # Connection and shell take 6, then facts, lock, probe and journal: 9 or 10 for each node.
    assert all(host["flights"] <= 10 for host in result.data["hosts"]), result.data["hosts"]
    assert cloud("verify", "--output", "json").data["faults"] == []


def test_instances_on_every_hypervisor_are_reachable_over_the_tunnel(cloud: Sandbox) -> None:
    floating_ips = {name: create_instance(f"on-{name}", name) for name in (COMPUTE_2, COMPUTE_3)}
    for floating_ip in floating_ips.values():
        wait_for_ping(floating_ip)
    hypervisors = {name: openstack(f"server show on-{name} -f value -c OS-EXT-SRV-ATTR:host") for name in floating_ips}
    assert hypervisors == {name: name for name in floating_ips}
    # TCP tests the tunnel harder than ping does; only the controller has the key.
    port = f"timeout 10 bash -c 'echo > /dev/tcp/{floating_ips[COMPUTE_3]}/22'"
    sh(NAME, f"i=0; until {port}; do i=$((i + 1)); [ $i -lt 30 ] || exit 1; sleep 2; done")


def test_an_instance_migrates_cold_and_live(cloud: Sandbox) -> None:
    """A cold migration copies the disk over nova's SSH.

    libvirt does a live migration over it.
    """
    addresses = openstack(f"server show on-{COMPUTE_2} -f value -c addresses")
    floating_ip = addresses.replace("'", " ").replace("]", " ").split()[-2]
    openstack(f"server migrate on-{COMPUTE_2} --host {COMPUTE_3} --os-compute-api-version 2.56 --wait")
    openstack(f"server migration confirm on-{COMPUTE_2}")
    active = f"openstack server show on-{COMPUTE_2} -c status -f value | grep ACTIVE"
    sh(NAME, f". /root/keystonerc_admin; until {active}; do sleep 2; done")
    assert openstack(f"server show on-{COMPUTE_2} -f value -c OS-EXT-SRV-ATTR:host") == COMPUTE_3
    wait_for_ping(floating_ip)
    openstack(f"server migrate on-{COMPUTE_2} --live-migration --host {COMPUTE_2} --os-compute-api-version 2.30 --wait")
    assert openstack(f"server show on-{COMPUTE_2} -f value -c OS-EXT-SRV-ATTR:host") == COMPUTE_2
    wait_for_ping(floating_ip)


def test_adding_a_hypervisor_changes_no_other_node(cloud: Sandbox) -> None:
    fourth = f"{NAME}-4"
    two, three = (",".join(map(address, names)) for names in ((COMPUTE_2, COMPUTE_3), (COMPUTE_2, COMPUTE_3, fourth)))
    cloud.answers.write_text(cloud.answers.read_text().replace(f"HOSTS={two}\n", f"HOSTS={three}\n"))
    before = cloud.service_start_times()
    result = cloud("apply", "--output", "json", timeout=2400)
    assert result.code == 0, result.err[-3000:]
    assert [change for change in result.data["changes"] if change["host"] != address(fourth)] == []
    changes_by_node = change_counts(result.data["hosts"])
    assert [changes_by_node[address(name)] for name in (NAME, COMPUTE_2, COMPUTE_3)] == [0, 0, 0]
    assert cloud.service_start_times().items() >= before.items(), "a service of the controller was restarted"
    changed_resources = {change["resource"] for change in result.data["changes"] if change["host"] == address(fourth)}
    assert f"once:nova-discover-{fourth}" in changed_resources
    assert fourth in openstack("compute service list --service nova-compute -f value -c Host -c State")
    wait_for_ping(create_instance("on-the-new-one", fourth))


def change_hypervisors(cloud: Sandbox, *names: str) -> None:
    """Answer with these nodes as the compute nodes."""
    change_answers(cloud.answers, {"CONFIG_COMPUTE_HOSTS": ",".join(map(address, names))})


def test_a_node_that_loses_its_compute_role_is_no_hypervisor_any_more(cloud: Sandbox) -> None:
    """Row D6: an all-in-one that becomes a controller with compute nodes.

    Its nova-compute stayed and got instances, its metadata agent kept an address that nobody listened on any more, and
    verify was clean. Instances are refused by name; after that everything of the role goes.
    """
    others = (COMPUTE_2, COMPUTE_3, f"{NAME}-4")
    change_hypervisors(cloud, NAME, *others)
    result = cloud("apply", "--output", "json", timeout=2400)
    assert result.code == 0, result.err[-3000:]
    create_instance("on-the-controller", NAME)
    change_hypervisors(cloud, *others)
    refused = cloud("apply", "--output", "json")
    assert refused.code == 3, refused.err[-3000:]
    assert (
        f"{NAME} is no compute node in the answers any more, and instances are on it: on-the-controller" in refused.err
    )
    assert sh(NAME, "systemctl is-active nova-compute").strip() == "active"

    openstack("server delete on-the-controller --wait")
    planned = {change["gap"] for change in cloud("plan", "--output", "json").data["changes"]}
    reason = "(no longer in the answers)"
    assert {
        f"give no more instances to nova-compute@{NAME} (no longer a compute node in the answers)",
        f"stop and disable nova-compute {reason}",
        f"stop and disable neutron-ovn-metadata-agent {reason}",
        f"remove compute service nova-compute@{NAME} {reason}",
        f"remove network agent neutron-ovn-metadata-agent@{NAME} {reason}",
    } <= planned
    result = cloud("apply", "--output", "json", timeout=2400)
    assert result.code == 0, result.err[-3000:]
    hypervisors = set(openstack("compute service list --service nova-compute -f value -c Host").split())
    assert hypervisors == set(others)
    agents = openstack("network agent list -f value -c Host -c Binary").splitlines()
    assert [line for line in agents if line.split()[0] == NAME] == [f"{NAME} ovn-controller"]
    assert sh(NAME, "systemctl is-active nova-compute; systemctl is-enabled nova-compute; true").split() == [
        "inactive",
        "disabled",
    ]
    again = cloud("apply", "--output", "json")
    assert (again.data["changes"], again.data["restarted"]) == ([], [])
    assert all(host["flights"] <= 10 for host in again.data["hosts"]), again.data["hosts"]
    assert cloud("verify", "--output", "json").data["faults"] == []


def test_verify_names_a_hypervisor_that_is_in_no_answer(cloud: Sandbox) -> None:
    """Its node is out of reach, so its service stays until it is dead; nobody else's is touched."""
    change_hypervisors(cloud, COMPUTE_2, COMPUTE_3)
    sh(f"{NAME}-4", "systemctl stop nova-compute")
    named = cloud("verify", "--output", "json")
    change_hypervisors(cloud, COMPUTE_2, COMPUTE_3, f"{NAME}-4")
    sh(f"{NAME}-4", "systemctl start nova-compute")
    messages = " ".join(fault["message"] for fault in named.data["faults"])
    assert named.code == 6 and f"nova-compute@{NAME}-4 is listed, but not in the answers" in messages, messages


def test_smoke_passes(cloud: Sandbox) -> None:
    assert_smoke_passes(cloud, not_passed=["horizon"])
