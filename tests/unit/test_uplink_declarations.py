"""What makes a bridge keep an interface's addresses, under each network system; and that a second look agrees."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite import services
from packstack_lite.errors import UsageError
from packstack_lite.host_setup.uplink_ini import UplinkMove
from packstack_lite.host_setup.uplink_scripts import rewrite_interfaces
from packstack_lite.nodes.facts import NetworkFacts, UplinkFacts
from packstack_lite.nodes.facts import uplinks as facts_of
from packstack_lite.remote.command import Reply
from packstack_lite.resources import ApiObject, File, Nat, OvsBridge, Unit, Uplink
from packstack_lite.resources.uplink import NETWORK_SCRIPTS_DIR, NETWORKD_FILE, NM_PROFILE
from tests.clouds import ADDRESS, MACHINE, OVN, cloud, read_facts
from tests.conftest import PROJECT
from tests.rendered import resources_of

GOLDEN = PROJECT / "tests/golden/uplink"
IFACES = {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:ens33",), "CONFIG_PROVISION_DEMO": False}
MAC = "52:54:00:12:34:56"
CARD = UplinkFacts(mac=MAC, addresses=(f"{ADDRESS}/24",))
WIRED = "/etc/NetworkManager/system-connections/Wired one.nmconnection"

# For each system: the interface as found, the files as found, and further files of the golden directory to expect.
FOUND = {
    "networkd": (
        replace(CARD, managed_by="networkd", config_path="/etc/systemd/network/10-lan.network"),
        {
            "/etc/systemd/network/10-lan.network": "# mine\n[Match]\nName=en*\n\n[Link]\nMTUBytes=1500\n"
            "RequiredForOnline=yes\n\n[Network]\nAddress=198.18.1.10/24\nGateway=198.18.1.1\nDNS=198.18.0.1\n"
            "Domains=lab.example\n# by hand\n[Route]\nDestination=198.19.0.0/16\nGateway=198.18.1.2\n"
            "[Network]\nLLMNR=no\n"
        },
    ),
    "networkd-dhcp": (
        UplinkFacts(
            mac=MAC,
            managed_by="networkd",
            config_path="/lib/systemd/network/80-dhcp.network",
            has_dhcp=True,
            iaid="0000abcd",
        ),
        {"/lib/systemd/network/80-dhcp.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n[DHCPv4]\nUseMTU=yes\n"},
    ),
    "ifupdown": (
        replace(CARD, managed_by="ifupdown"),
        {
            "/etc/network/interfaces": "# interfaces(5)\nsource /etc/network/interfaces.d/*\n\nauto lo\n"
            "iface lo inet loopback\n",
            "/etc/network/interfaces.d/lan": "auto ens33 ens330\niface ens33 inet static\n\taddress 198.18.1.10/24\n"
            "    gateway 198.18.1.1\n    mtu 1500\n    # names\n    dns-nameservers 198.18.0.1\n"
            "    up ip route add 198.19.0.0/16 \\\niface via 198.18.1.2\n\n# IPv6 too\niface ens33 inet6 static\n"
            "    address 2001:db8::10/64\n\niface ens330 inet dhcp\n",
        },
    ),
    "ifupdown-dhcp": (
        UplinkFacts(mac=MAC, managed_by="ifupdown", has_dhcp=True),
        {"/etc/network/interfaces": "auto lo\niface lo inet loopback\nallow-hotplug ens33\niface ens33 inet dhcp"},
    ),
    "network-scripts": (
        replace(CARD, managed_by="network-scripts"),
        {
            f"{NETWORK_SCRIPTS_DIR}/ifcfg-ens33": 'TYPE="Ethernet"\nBOOTPROTO="static"\nDEFROUTE="yes"\nIPV6INIT="yes"\n'
            f'NAME="ens33"\nUUID="x"\nDEVICE="ens33"\nONBOOT="yes"\nHWADDR={MAC}\nMTU=1500\nIPADDR="198.18.1.10"\n'
            'PREFIX="24"\nGATEWAY="198.18.1.1"\nDNS1="198.18.0.1"\nDOMAIN="lab.example"\nETHTOOL_OPTS="wol d"\n',
            f"{NETWORK_SCRIPTS_DIR}/route-ens33": "198.19.0.0/16 via 198.18.1.2 dev ens33\n",
        },
    ),
    "network-scripts-dhcp": (
        UplinkFacts(mac=MAC, managed_by="network-scripts", has_dhcp=True),
        {f"{NETWORK_SCRIPTS_DIR}/ifcfg-ens33": "TYPE=Ethernet\nBOOTPROTO=dhcp\nPEERDNS=yes\nONBOOT=yes\n"},
    ),
    "NetworkManager": (
        replace(CARD, managed_by="NetworkManager", config_path=WIRED),
        {
            WIRED: "[connection]\nid=Wired one\nuuid=1\ntype=ethernet\nzone=lan\n\n[ethernet]\n\n[ipv4]\n"
            "method=manual\naddress1=198.18.1.10/24,198.18.1.1\ndns=198.18.0.1;\nroute1=198.19.0.0/16,198.18.1.2\n\n"
            "[ipv6]\nmethod=disabled\n"
        },
    ),
}


def of(name, **changes):
    card, texts = FOUND[name]
    wiring = {"ens33": card, **changes.pop("wiring", {})}
    return cloud(IFACES, **{**MACHINE, "uplinks": wiring, "network_files": texts, **changes})


def move_of(made):
    (move,) = resources_of(made, Uplink)
    return move


def moved(name):
    """The same host after its move."""
    before = move_of(of(name))
    card, texts = FOUND[name]
    written = {file.path: file.content for file in before.files}
    texts = {path: text for path, text in {**texts, **written}.items() if text is not None}
    path = {"networkd": NETWORKD_FILE, "NetworkManager": NM_PROFILE}.get(card.managed_by, "").format("ens33")
    bridge = replace(card, config_path=path.replace("ens33", "br-ex"), bridge_ports=("ens33",))
    card = replace(card, config_path=path, bridge="br-ex", addresses=(), has_dhcp=False, iaid="")
    return before, of(name, uplinks={"ens33": card, "br-ex": bridge}, network_files=texts)


def shown(files):
    return "".join(
        f"==> {file.path} {file.mode or 'as it is':{'o' if file.mode else 's'}}\n"
        + ("(removed)\n" if file.content is None else file.content)
        for file in files
    )


@pytest.mark.parametrize("name", FOUND)
def test_files_are_as_in_the_golden_tree(name):
    assert shown(move_of(of(name)).files) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", FOUND)
def test_after_the_move_the_same_is_wanted(name):
    before, after = moved(name)
    again = move_of(after)
    written = {file.path: file.content for file in before.files if file.content is not None}
    assert {file.path: file.content for file in again.files} == written
    assert (again.addresses, again.has_dhcp, again.managed_by) == (before.addresses, before.has_dhcp, before.managed_by)


LINES = ["", "# a remark", "auto lo", "iface lo inet loopback", "    address 198.19.0.1/24", "iface ens330 inet dhcp"]
LINES += [" up echo ens33", "source /etc/network/more/*", "mapping eth0", "allow-hotplug eth1", "\tmtu 9000 \\", "x "]
LINE = st.sampled_from(LINES)
STANZA = ["auto ens33", "iface ens33 inet static", "    address 198.18.1.10/24"]
MOVE = UplinkMove("br-ex", "ens33", "system", {"ens33": CARD}, {})


@given(st.lists(LINE, max_size=12), st.lists(LINE, max_size=12))
def test_every_other_line_of_ifupdown_stays_as_it_is(head, tail):
    """Ours are added, the interface's name is replaced in its own lines; nothing else changes, in its order."""
    head = [line for line in head if not line.endswith("\\")]
    tail = ["iface other inet manual", *tail]
    text = rewrite_interfaces("".join(f"{line}\n" for line in [*head, *STANZA, *tail]), MOVE)
    lines = text.splitlines()
    kept = [*head, "auto br-ex", "iface br-ex inet static", STANZA[2]]
    assert lines[: len(kept)] == kept
    assert [line.split()[0] for line in lines[len(kept) : len(kept) + 3]] == ["ovs_type", "ovs_ports", "ovs_extra"]
    rest = lines[len(kept) + 3 :]
    assert rest[: len(tail)] == tail
    assert rest[len(tail) + 2 : len(tail) + 4] == ["allow-br-ex ens33", "iface ens33 inet manual"]


@given(st.lists(LINE, max_size=12))
def test_a_file_of_ifupdown_that_does_not_name_the_interface_stays_as_it_is(lines):
    text = "\n".join(lines)
    assert rewrite_interfaces(text, MOVE) == text


@given(
    st.lists(st.sampled_from(["ETHTOOL_OPTS='wol d'", "MTU=9000", "# mine", "USERCTL=no", "MACADDR=2:0:0:0:0:1"])),
    st.lists(st.sampled_from(["IPADDR1=198.18.1.11", "DNS2=198.18.0.2", "IPV6_AUTOCONF=no", "GATEWAY=198.18.1.1"])),
)
def test_every_line_of_an_ifcfg_file_is_in_one_of_both(device, addresses):
    text = "".join(f"{line}\n" for line in [*device, *addresses])
    card = replace(CARD, managed_by="network-scripts")
    made = cloud(IFACES, **MACHINE, uplinks={"ens33": card}, network_files={f"{NETWORK_SCRIPTS_DIR}/ifcfg-ens33": text})
    bridge, port = (file.content.splitlines() for file in move_of(made).files)
    assert [line for line in bridge if line in addresses] == addresses
    assert [line for line in port if line in device] == device
    assert not set(addresses) & set(port)


def test_an_interface_without_anything_is_simply_plugged_in():
    move = move_of(cloud(IFACES, **MACHINE, uplinks={"ens33": UplinkFacts(mac=MAC)}))
    assert (move.managed_by, move.files, move.addresses) == ("", (), ())


def test_addresses_that_nobody_would_bring_back_are_not_moved():
    with pytest.raises(UsageError, match="BRIDGE_IFACES=br-ex:ens33: no known network system configures ens33 on aio"):
        services.declare(cloud(IFACES, **MACHINE, uplinks={"ens33": CARD}))


@pytest.mark.parametrize("demo", [True, False])
def test_a_bridge_with_an_interface_is_no_network_of_the_hosts_own(demo):
    """No address of the floating range and no address translation, also for the demo: its router is the network's."""
    router = {"default_gateway": "198.18.1.1", "default_interface": "ens33"}
    answers = {**IFACES, "CONFIG_PROVISION_DEMO": demo, "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.1.0/24"}
    made = cloud(answers, **MACHINE, **router, uplinks={"ens33": UplinkFacts(mac=MAC)})
    assert resources_of(made, Nat) == []
    assert [bridge.address for bridge in resources_of(made, OvsBridge)] == [""]
    subnets = [one for one in resources_of(made, ApiObject) if one.id == "subnet:public_subnet"]
    assert [subnet.body["gateway_ip"] for subnet in subnets] == ["198.18.1.1"] * demo
    (unit,) = [f for f in resources_of(made, File) if f.path.endswith("packstack-lite-bridge.service")]
    assert "MASQUERADE" not in unit.content
    assert "set-fail-mode br-ex standalone" in unit.content
    assert "ip link set ens33 up" in unit.content


def test_everything_that_binds_to_the_address_waits_for_the_move():
    made = of("networkd")
    waiting = {unit.name for unit in resources_of(made, Unit) if "uplink:ens33" in unit.needs}
    assert {"mariadb", "rabbitmq-server", "packstack-lite-bridge"} <= waiting
    assert "openvswitch-switch" not in waiting
    assert not [unit for unit in resources_of(cloud(), Unit) if any(need.startswith("uplink") for need in unit.needs)]


def test_with_ovn_the_answer_is_ovns_own():
    answers = {**OVN, "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:ens33",), "CONFIG_PROVISION_DEMO": False}
    made = cloud({**IFACES, "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth9",), **answers}, **MACHINE)
    assert (move_of(made).bridge, move_of(made).local_interface) == ("br-ex", "ens33")


def test_a_bridge_that_network_manager_makes_is_waited_for():
    (unit,) = [f for f in resources_of(of("NetworkManager"), File) if f.path.endswith("packstack-lite-bridge.service")]
    assert "wait-until bridge br-ex" in unit.content
    assert "add-br br-ex" not in unit.content


def test_tunnels_over_the_bridge_find_their_address_before_the_move_too():
    from packstack_lite.nodes.facts import Interface
    from packstack_lite.services.networking.network_settings import tunnel_address

    card = Interface("ens33", True, 1500, ("198.18.1.77/24",))
    answers = {**IFACES, "CONFIG_NEUTRON_OVS_TUNNEL_IF": "br-ex"}
    assert tunnel_address(cloud(answers, **MACHINE, interfaces=(card,))) == "198.18.1.77"
    after = (replace(card, addresses=()), replace(card, name="br-ex"))
    assert tunnel_address(cloud(answers, **MACHINE, interfaces=after)) == "198.18.1.77"


def test_facts_are_read_from_their_lines():
    text = base64.b64encode(b"[Network]\nDNS=x\xff\n").decode()
    told = read_facts(
        NetworkFacts,
        Reply(0, "key_digest=a b\n"),
        Reply(
            0,
            f"uplink=ens33 mac {MAC}\nuplink=ens33 carrier 1\nuplink=ens33 manager networkd\n"
            "uplink=ens33 address a/24\nuplink=ens33 address b/24\nuplink=ens33 dynamic yes\n"
            "uplink=ens33 upper ens33.5\nuplink=br-ex port ens34\n"
            f"uplink=ens33 armed yes\nnm_ovs_plugin=yes\nnetwork_file={text} /a/with space\n",
        ),
    )
    assert told.uplinks == {
        "ens33": UplinkFacts(
            mac=MAC,
            upper_interfaces=("ens33.5",),
            addresses=("a/24", "b/24"),
            has_dhcp=True,
            managed_by="networkd",
            is_move_pending=True,
        ),
        "br-ex": UplinkFacts(has_carrier=False, bridge_ports=("ens34",)),
    }
    assert told.nm_has_ovs_plugin is True
    assert told.network_files["/a/with space"].encode(errors="surrogateescape") == b"[Network]\nDNS=x\xff\n"


def test_nothing_is_asked_without_such_answers():
    assert facts_of.build_commands(()) == []
    (asked,) = facts_of.build_commands(("br-ex:ens33",))
    assert asked.stdin == b"br-ex:ens33\n"
