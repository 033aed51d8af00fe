"""Use OVN, the default, on the complete cloud.

Stop parts of it, and refuse a change of agent.
"""

from __future__ import annotations

import os
from typing import Any, Iterator

import pytest

from packstack_lite import sandbox as sandbox_api
from tests.e2e.conftest import OPENVSWITCH, Sandbox, change_answers
from tests.e2e.providers import Segment, try_instance
from tests.e2e.scan import assert_only_public_ports_open, public_ports

CREATE = """
flavor create --ram 256 --disk 1 --vcpus 1 ovn-tiny
keypair create --public-key /root/ovn-key.pub ovn-key
security group create outer
security group rule create --protocol icmp outer
security group rule create --protocol tcp --dst-port 22 outer
security group create inner
security group rule create --protocol icmp --remote-group outer inner
network create ovn-a
subnet create --network ovn-a --subnet-range 10.98.1.0/24 ovn-a
network create ovn-b
subnet create --network ovn-b --subnet-range 10.98.2.0/24 ovn-b
router create ovn-r
router set --external-gateway public ovn-r
router add subnet ovn-r ovn-a
router add subnet ovn-r ovn-b
port create --network ovn-a --security-group outer ovn-a
port create --network ovn-b --security-group inner ovn-b
server create --image cirros --flavor ovn-tiny --key-name ovn-key --port ovn-a ovn-a
server create --image cirros --flavor ovn-tiny --key-name ovn-key --port ovn-b ovn-b
floating ip create --port ovn-a public
"""
REMOVE = """
server delete --wait ovn-a ovn-b
router remove subnet ovn-r ovn-a
router remove subnet ovn-r ovn-b
router delete ovn-r
network delete ovn-a ovn-b
security group delete inner outer
keypair delete ovn-key
flavor delete ovn-tiny
"""


@pytest.fixture(scope="module")
def ovn(complete: Sandbox) -> Sandbox:
    return complete


def test_only_public_ports_are_open(ovn: Sandbox) -> None:
    """OVN's databases, Swift, Ceph and an instance's console listen here too."""
    assert_only_public_ports_open(ovn)


def test_the_default_is_ovn_without_the_other_agents(ovn: Sandbox) -> None:
    assert "\nCONFIG_NEUTRON_L2_AGENT=ovn\n" in ovn.answers.read_text()
    if ovn.apply_result:
        changed_resources = {change["resource"] for change in ovn.apply_result.data["changes"]}
        assert not {name for name in changed_resources if "openvswitch-agent" in name or "l3-agent" in name}
    running = ovn.sh("systemctl list-units --type=service --state=active --plain --no-legend").split()
    assert {"ovn-controller.service", "ovn-northd.service", "neutron-ovn-metadata-agent.service"} <= set(running)
    assert "neutron-l3-agent.service" not in running
    if "E2E_COMPLETE_TREE" not in os.environ:  # a saved tree has the packages of every service
        assert "neutron-l3-agent" not in ovn.sh("dpkg-query -W -f '${Package} '").split()


@pytest.fixture(scope="module")
def pair(ovn: Sandbox) -> Iterator[Any]:
    """A function that runs a command on the first of two instances.

    Its ``other`` is the second one's address.

    The instances are on two private networks behind one router.
    """
    ovn.sh("rm -f /root/ovn-key*; ssh-keygen -q -t ed25519 -N '' -f /root/ovn-key")
    openstack(ovn, CREATE)
    show = ". /root/keystonerc_admin; openstack"
    outside = ovn.sh(f"{show} floating ip list --port ovn-a -f value -c 'Floating IP Address'").strip()
    inside = ovn.sh(f"{show} port show ovn-b -f json -c fixed_ips | grep -o '10[.]98[.]2[.][0-9]*' | head -n 1").strip()
    assert outside and inside
    options = "-i /root/ovn-key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"

    def on_first(command: str, tries: int = 1) -> str:
        return str(
            ovn.sh(
                f"for i in $(seq {tries}); do ssh {options} -o LogLevel=ERROR root@{outside}"
                f" '{command}' </dev/null && break; sleep 2; done; true"
            )
        )

    on_first.other = inside  # type: ignore[attr-defined]
    yield on_first
    if "E2E_COMPLETE_SANDBOX" in os.environ:  # otherwise the whole sandbox is removed
        openstack(ovn, REMOVE)


def openstack(ovn: Sandbox, commands: str) -> None:
    """Run commands of the OpenStack client, all in one process."""
    ovn.sh(f". /root/keystonerc_admin; openstack <<'END' >/root/ovn-client.log 2>&1\n{commands.strip()}\nEND\ntrue")


def output_becomes(pair: Any, expected: bool, command: str, text: str, tries: int = 15) -> bool:
    """Return whether the text appears in the command's output within ``tries``.

    With ``expected`` False: whether it disappears.
    """
    return any((text in pair(command)) == expected for _ in range(tries))


def test_security_groups_filter_traffic_between_routed_networks(ovn: Sandbox, pair: Any) -> None:
    ping, ssh = f"ping -c 1 -W 2 {pair.other}", f"echo | timeout 3 nc {pair.other} 22"
    assert pair("hostname", tries=90).strip() == "ovn-a", ovn.sh("tail -c 3000 /root/ovn-client.log")
    assert output_becomes(pair, True, ping, "1 packets received", tries=60), "the second one may boot later"
    assert "SSH-" not in pair(ssh), "a group without a rule for SSH admits none"
    openstack(ovn, "security group rule create --protocol tcp --dst-port 22 --remote-group outer inner")
    assert output_becomes(pair, True, ssh, "SSH-"), "an added rule admits it"
    openstack(ovn, "port unset --security-group inner ovn-b")
    assert output_becomes(pair, False, ping, "1 packets received"), "without its group nothing is admitted"


@pytest.mark.slow
def test_an_instance_reaches_public_ports_of_the_node_only(ovn: Sandbox, pair: Any) -> None:
    """Its packets come through the router: not from a peer of the cloud, and not from the node itself."""
    address = sandbox_api.find(ovn.name).address
    listening = {int(line.rsplit(":", 1)[1]) for line in ovn.sh("ss -tlnH | awk '{print $4}'").splitlines()}
    assert {3306, 5672} <= listening
    tries = " ".join(f"{port}" for port in sorted(listening))
    script = f"for port in {tries}; do nc -w 2 {address} $port </dev/null >/dev/null 2>&1 && echo $port; done; true"
    assert {int(port) for port in pair(script).split()} == public_ports(ovn)


def test_packets_fit_the_tunnel(pair: Any) -> None:
    """1500 bytes of the physical network less 58 of Geneve."""
    assert "mtu 1442" in pair("ip link show eth0")


def test_a_stopped_controller_is_reported_by_verify_and_fixed_by_apply(ovn: Sandbox) -> None:
    ovn.sh("systemctl stop ovn-controller")
    verified = ovn("verify", "--output", "json")
    assert verified.code == 6, verified.err
    drifted = {fault["resource"] for fault in verified.data["faults"]}
    # The unit that reports the chassis to Neutron is PartOf= the controller: both stop and start together.
    units = {"ovn-controller", "packstack-lite-ovn-chassis"}
    assert {name for name in drifted if not name.startswith("network_agent:")} == {f"unit:{name}" for name in units}
    applied = ovn("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert "ovn-controller" in applied.data["restarted"] and units >= set(applied.data["restarted"])
    assert ovn("verify").code == 0


def test_restarting_northd_does_not_stop_the_databases(ovn: Sandbox) -> None:
    """Debian's unit of northd would stop both databases too."""
    ovn.sh("systemctl restart ovn-northd; sleep 3; systemctl is-active ovn-ovsdb-server-nb ovn-ovsdb-server-sb")
    assert ovn("verify").code == 0


def test_the_databases_listen_on_loopback_only(ovn: Sandbox) -> None:
    shown = ovn.sh("ss -ltnH | awk '{print $4}'").split()
    for port in ("6640", "6641", "6642"):
        assert [address for address in shown if address.endswith(f":{port}")] == [f"127.0.0.1:{port}"]


def test_changing_the_agent_is_refused_with_the_reason(ovn: Sandbox, tmp_path: Any) -> None:
    lines = [line.split("=", 1) for line in ovn.answers.read_text().splitlines() if "=" in line]
    other = tmp_path / "openvswitch.txt"
    other.write_text("[general]\n" + "".join(f"{key}={OPENVSWITCH.get(key, value)}\n" for key, value in lines))
    before = ovn.fingerprint()
    refused = ovn.tool("apply", "--sandbox", ovn.name, "--answer-file", str(other))
    assert refused.code == 3, refused.err
    assert "networks were made with ovn" in refused.err
    assert ovn.fingerprint() == before


def test_an_instance_in_a_vlan_answers_only_in_that_vlan(ovn: Sandbox) -> None:
    """Other answers add a second bridge and VLANs.

    Neutron has to find the bridge at this chassis.
    """
    before = ovn.answers.read_text()
    more = {
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "geneve,vlan,flat",
        "CONFIG_NEUTRON_ML2_VLAN_RANGES": "lab:100:199",
        "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": "extnet:br-ex,lab:br-lab",
    }
    change_answers(ovn.answers, more)
    try:
        applied = ovn("apply", "--output", "json")
        assert applied.code == 0, applied.err[-3000:]
        results = try_instance(ovn, Segment("lab", "br-lab", 101, "198.19.101"))
    finally:
        ovn.answers.write_text(before)
    assert results == {"answers": "True", "login": "seg101", "next VLAN": "True"}
    assert ovn("apply").code == 0
