"""Network files that keep an interface's addresses on a bridge, per network system, and that they are stable."""

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
from packstack_lite.nodes.facts import uplinks as uplink_facts
from packstack_lite.remote.command import Reply
from packstack_lite.resources import ApiObject, File, Nat, OvsBridge, Unit, Uplink
from packstack_lite.resources.uplink import NETWORK_SCRIPTS_DIR, NETWORKD_FILE, NM_PROFILE
from tests.clouds import ADDRESS, MACHINE, OVN, cloud, read_facts
from tests.conftest import PROJECT
from tests.rendered import resources_of

GOLDEN = PROJECT / "tests/golden/uplink"
IFACES = {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:ens33",), "CONFIG_PROVISION_DEMO": False}
MAC = "52:54:00:12:34:56"
INTERFACE = UplinkFacts(mac=MAC, addresses=(f"{ADDRESS}/24",))
NM_FILE = "/etc/NetworkManager/system-connections/Wired one.nmconnection"

# For each network system: the facts about the interface before the move, and the node's network files.
BEFORE = {
    "networkd": (
        replace(INTERFACE, managed_by="networkd", config_path="/etc/systemd/network/10-lan.network"),
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
        replace(INTERFACE, managed_by="ifupdown"),
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
        replace(INTERFACE, managed_by="network-scripts"),
        {
            f"{NETWORK_SCRIPTS_DIR}/ifcfg-ens33": 'TYPE="Ethernet"\nBOOTPROTO="static"\nDEFROUTE="yes"\n'
            'IPV6INIT="yes"\n'
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
        replace(INTERFACE, managed_by="NetworkManager", config_path=NM_FILE),
        {
            NM_FILE: "[connection]\nid=Wired one\nuuid=1\ntype=ethernet\nzone=lan\n\n[ethernet]\n\n[ipv4]\n"
            "method=manual\naddress1=198.18.1.10/24,198.18.1.1\ndns=198.18.0.1;\nroute1=198.19.0.0/16,198.18.1.2\n\n"
            "[ipv6]\nmethod=disabled\n"
        },
    ),
}


def node_with(name, **changes):
    """A node whose interface is configured by one network system, before the move."""
    interface, texts = BEFORE[name]
    return cloud(IFACES, **{**MACHINE, "uplinks": {"ens33": interface}, "network_files": texts, **changes})


def uplink_of(context):
    (uplink,) = resources_of(context, Uplink)
    return uplink


def move(name):
    """The uplink before the move, and the node after it."""
    before = uplink_of(node_with(name))
    interface, texts = BEFORE[name]
    written = {file.path: file.content for file in before.files}
    texts = {path: text for path, text in {**texts, **written}.items() if text is not None}
    path = {"networkd": NETWORKD_FILE, "NetworkManager": NM_PROFILE}.get(interface.managed_by, "").format("ens33")
    bridge = replace(interface, config_path=path.replace("ens33", "br-ex"), bridge_ports=("ens33",))
    interface = replace(interface, config_path=path, bridge="br-ex", addresses=(), has_dhcp=False, iaid="")
    return before, node_with(name, uplinks={"ens33": interface, "br-ex": bridge}, network_files=texts)


def format_files(files):
    return "".join(
        f"==> {file.path} {file.mode or 'as it is':{'o' if file.mode else 's'}}\n"
        + ("(removed)\n" if file.content is None else file.content)
        for file in files
    )


@pytest.mark.parametrize("name", BEFORE)
def test_files_equal_the_golden_ones(name):
    assert format_files(uplink_of(node_with(name)).files) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", BEFORE)
def test_a_run_after_the_move_declares_the_same_files(name):
    before, after = move(name)
    second = uplink_of(after)
    written = {file.path: file.content for file in before.files if file.content is not None}
    assert {file.path: file.content for file in second.files} == written
    assert (second.addresses, second.has_dhcp, second.managed_by) == (
        before.addresses,
        before.has_dhcp,
        before.managed_by,
    )


IFUPDOWN_LINES = [
    "",
    "# a comment",
    "auto lo",
    "iface lo inet loopback",
    "    address 198.19.0.1/24",
    "iface ens330 inet dhcp",
]
IFUPDOWN_LINES += [
    " up echo ens33",
    "source /etc/network/more/*",
    "mapping eth0",
    "allow-hotplug eth1",
    "\tmtu 9000 \\",
    "x ",
]
LINE = st.sampled_from(IFUPDOWN_LINES)
STANZA = ["auto ens33", "iface ens33 inet static", "    address 198.18.1.10/24"]
MOVE = UplinkMove("br-ex", "ens33", "system", {"ens33": INTERFACE}, {})


@given(st.lists(LINE, max_size=12), st.lists(LINE, max_size=12))
def test_every_other_line_of_ifupdown_stays_unchanged(head, tail):
    """The interface's name is replaced in its own lines and ours are added; all else stays, in its order."""
    head = [line for line in head if not line.endswith("\\")]
    tail = ["iface other inet manual", *tail]
    text = rewrite_interfaces("".join(f"{line}\n" for line in [*head, *STANZA, *tail]), MOVE)
    lines = text.splitlines()
    expected_start = [*head, "auto br-ex", "iface br-ex inet static", STANZA[2]]
    assert lines[: len(expected_start)] == expected_start
    assert [line.split()[0] for line in lines[len(expected_start) : len(expected_start) + 3]] == [
        "ovs_type",
        "ovs_ports",
        "ovs_extra",
    ]
    remaining = lines[len(expected_start) + 3 :]
    assert remaining[: len(tail)] == tail
    assert remaining[len(tail) + 2 : len(tail) + 4] == ["allow-br-ex ens33", "iface ens33 inet manual"]


@given(st.lists(LINE, max_size=12))
def test_a_file_of_ifupdown_without_the_interface_stays_unchanged(lines):
    text = "\n".join(lines)
    assert rewrite_interfaces(text, MOVE) == text


@given(
    st.lists(st.sampled_from(["ETHTOOL_OPTS='wol d'", "MTU=9000", "# mine", "USERCTL=no", "MACADDR=2:0:0:0:0:1"])),
    st.lists(st.sampled_from(["IPADDR1=198.18.1.11", "DNS2=198.18.0.2", "IPV6_AUTOCONF=no", "GATEWAY=198.18.1.1"])),
)
def test_every_line_of_an_ifcfg_file_goes_to_bridge_or_port(device, addresses):
    text = "".join(f"{line}\n" for line in [*device, *addresses])
    interface = replace(INTERFACE, managed_by="network-scripts")
    context = cloud(
        IFACES, **MACHINE, uplinks={"ens33": interface}, network_files={f"{NETWORK_SCRIPTS_DIR}/ifcfg-ens33": text}
    )
    bridge, port = (file.content.splitlines() for file in uplink_of(context).files)
    assert [line for line in bridge if line in addresses] == addresses
    assert [line for line in port if line in device] == device
    assert not set(addresses) & set(port)


def test_an_interface_without_addresses_needs_no_files():
    uplink = uplink_of(cloud(IFACES, **MACHINE, uplinks={"ens33": UplinkFacts(mac=MAC)}))
    assert (uplink.managed_by, uplink.files, uplink.addresses) == ("", (), ())


def test_addresses_without_a_known_network_system_are_not_moved():
    with pytest.raises(UsageError, match="BRIDGE_IFACES=br-ex:ens33: no known network system configures ens33 on aio"):
        services.declare(cloud(IFACES, **MACHINE, uplinks={"ens33": INTERFACE}))


@pytest.mark.parametrize("demo", [True, False])
def test_a_bridge_with_an_uplink_gets_no_address_and_no_translation(demo):
    """Also for the demo: the router of the floating range is the physical network's."""
    router = {"default_gateway": "198.18.1.1", "default_interface": "ens33"}
    answers = {**IFACES, "CONFIG_PROVISION_DEMO": demo, "CONFIG_PROVISION_DEMO_FLOATRANGE": "198.18.1.0/24"}
    context = cloud(answers, **MACHINE, **router, uplinks={"ens33": UplinkFacts(mac=MAC)})
    assert resources_of(context, Nat) == []
    assert [bridge.address for bridge in resources_of(context, OvsBridge)] == [""]
    subnets = [api_object for api_object in resources_of(context, ApiObject) if api_object.id == "subnet:public_subnet"]
    assert [subnet.body["gateway_ip"] for subnet in subnets] == ["198.18.1.1"] * demo
    (unit,) = [file for file in resources_of(context, File) if file.path.endswith("packstack-lite-bridge.service")]
    assert "MASQUERADE" not in unit.content
    assert "set-fail-mode br-ex standalone" in unit.content
    assert "ip link set ens33 up" in unit.content


def test_units_that_bind_to_the_address_wait_for_the_move():
    context = node_with("networkd")
    waiting = {unit.name for unit in resources_of(context, Unit) if "uplink:ens33" in unit.needs}
    assert {"mariadb", "rabbitmq-server", "packstack-lite-bridge"} <= waiting
    assert "openvswitch-switch" not in waiting
    assert not [unit for unit in resources_of(cloud(), Unit) if any(need.startswith("uplink") for need in unit.needs)]


def test_with_ovn_its_own_answer_counts():
    answers = {**OVN, "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:ens33",), "CONFIG_PROVISION_DEMO": False}
    context = cloud({**IFACES, "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth9",), **answers}, **MACHINE)
    assert (uplink_of(context).bridge, uplink_of(context).interface) == ("br-ex", "ens33")


def test_the_bridge_unit_waits_for_a_bridge_of_network_manager():
    (unit,) = [
        file
        for file in resources_of(node_with("NetworkManager"), File)
        if file.path.endswith("packstack-lite-bridge.service")
    ]
    assert "wait-until bridge br-ex" in unit.content
    assert "add-br br-ex" not in unit.content


def test_tunnels_over_the_bridge_have_their_address_before_and_after_the_move():
    from packstack_lite.nodes.facts import Interface
    from packstack_lite.services.networking.network_settings import tunnel_address

    interface = Interface("ens33", True, 1500, ("198.18.1.77/24",))
    answers = {**IFACES, "CONFIG_NEUTRON_OVS_TUNNEL_IF": "br-ex"}
    assert tunnel_address(cloud(answers, **MACHINE, interfaces=(interface,))) == "198.18.1.77"
    after = (replace(interface, addresses=()), replace(interface, name="br-ex"))
    assert tunnel_address(cloud(answers, **MACHINE, interfaces=after)) == "198.18.1.77"


def test_facts_are_parsed_from_their_lines():
    text = base64.b64encode(b"[Network]\nDNS=x\xff\n").decode()
    parsed = read_facts(
        NetworkFacts,
        Reply(0, "key_digest=a b\n"),
        Reply(
            0,
            f"uplink=ens33 mac {MAC}\nuplink=ens33 carrier 1\nuplink=ens33 manager networkd\n"
            "uplink=ens33 address 198.18.1.5/24\nuplink=ens33 address 198.18.2.5/24\nuplink=ens33 dynamic yes\n"
            "uplink=ens33 upper ens33.5\nuplink=br-ex port ens34\n"
            f"uplink=ens33 armed yes\nnm_ovs_plugin=yes\nnetwork_file={text} /a/with space\n",
        ),
    )
    assert parsed.uplinks == {
        "ens33": UplinkFacts(
            mac=MAC,
            upper_interfaces=("ens33.5",),
            addresses=("198.18.1.5/24", "198.18.2.5/24"),
            has_dhcp=True,
            managed_by="networkd",
            is_move_pending=True,
        ),
        "br-ex": UplinkFacts(has_carrier=False, bridge_ports=("ens34",)),
    }
    assert parsed.nm_has_ovs_plugin is True
    assert parsed.network_files["/a/with space"].encode(errors="surrogateescape") == b"[Network]\nDNS=x\xff\n"


def test_no_facts_are_gathered_without_such_answers():
    assert uplink_facts.build_commands(()) == []
    (command,) = uplink_facts.build_commands(("br-ex:ens33",))
    assert command.stdin == b"br-ex:ens33\n"
