"""OVN and Open vSwitch: what each way to switch packets declares, and nothing of the other."""

from __future__ import annotations

import pytest

from packstack_lite import services
from packstack_lite.errors import UsageError
from packstack_lite.nodes.facts import Interface
from packstack_lite.resources import ApiObject, OvsBridge, OvsManager, OvsSetting, Packages, Unit
from packstack_lite.resources.base import Phase
from tests.clouds import ADDRESS, MACHINE, OVN, cloud
from tests.rendered import CASES, files, resources_of, text

ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
AGENTS = {"neutron-openvswitch-agent", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}


def ovn(answers=None, **changes):
    return cloud({**OVN, **(answers or {})}, **changes)


def units(of):
    return {unit.name: unit for unit in resources_of(of, Unit)}


def settings(of):
    return {setting.column: setting.value for setting in resources_of(of, OvsSetting)}


def agents(of):
    return {entity.name for entity in resources_of(of, ApiObject) if entity.type == "network_agent"}


def lines(of, path):
    return text(files(of)[path]).splitlines()


def test_each_switch_brings_its_own_packages_and_none_of_the_other():
    (mine,), (others,) = resources_of(ovn(), Packages), resources_of(cloud(), Packages)
    own = {"ovn-central", "ovn-host", "neutron-ovn-metadata-agent", "haproxy"}
    assert own <= set(mine.names) and not AGENTS & set(mine.names)
    assert set(others.names) >= AGENTS and not own & set(others.names)
    assert set(mine.names) - own == set(others.names) - AGENTS


def test_units_start_after_what_they_ask():
    found = units(ovn())
    assert not AGENTS & set(found)
    stores = {"unit:ovn-ovsdb-server-nb", "unit:ovn-ovsdb-server-sb"}
    assert stores <= set(found["ovn-northd"].needs)
    assert {"unit:ovn-ovsdb-server-sb", "unit:ovn-host"} <= set(found["ovn-controller"].needs)
    assert {setting.id for setting in resources_of(ovn(), OvsSetting)} > set(found["ovn-host"].needs)
    assert "unit:ovn-controller" in found["neutron-ovn-metadata-agent"].needs
    assert {found[name].phase for name in ("ovn-northd", "ovn-controller")} == {Phase.PLATFORM}


def test_both_agents_have_to_be_alive():
    assert agents(ovn()) == {"ovn-controller@aio", "neutron-ovn-metadata-agent@aio"}
    assert agents(cloud()) == {f"{name}@aio" for name in AGENTS}


def test_the_controller_is_told_where_and_how():
    assert settings(ovn()) == {
        "other_config:userspace-tso-enable": "true",
        "external_ids:hostname": "aio",
        "external_ids:ovn-remote": "tcp:127.0.0.1:6642",
        "external_ids:ovn-encap-type": "geneve",
        "external_ids:ovn-encap-ip": ADDRESS,
        "external_ids:ovn-bridge-datapath-type": "netdev",
        "external_ids:ovn-bridge-mappings": "extnet:br-ex",
        "external_ids:ovn-cms-options": "enable-chassis-as-gw",
    }
    assert settings(ovn(**MACHINE))["external_ids:ovn-bridge-datapath-type"] == "system"
    assert [manager.target for manager in resources_of(ovn(), OvsManager)] == ["ptcp:6640:127.0.0.1"]
    assert not resources_of(cloud(), OvsManager)


def test_the_databases_listen_where_they_are_asked_and_nowhere_else():
    """They ask for no password."""
    of = ovn()
    options = text(files(of)["/etc/default/ovn-central"])
    assert options.count("-addr=127.0.0.1") == 2 and ADDRESS not in options
    assert {"ovn_nb_connection = tcp:127.0.0.1:6641", "ovn_sb_connection = tcp:127.0.0.1:6642"} <= set(lines(of, ML2))
    for path, file in files(of).items():
        assert f"{ADDRESS}:664" not in text(file), path


def test_restarting_northd_does_not_end_the_databases():
    unit = units(ovn())["ovn-northd"]
    dropin = "/etc/systemd/system/ovn-northd.service.d/packstack-lite.conf"
    assert f"file:{dropin}" in unit.trigger_ids
    assert "ExecStop=\nExecStop=" in text(files(ovn())[dropin])
    assert "--ovn-manage-ovsdb=no" in text(files(ovn())[dropin])


def test_neutron_routes_by_the_switch():
    assert "service_plugins = qos,trunk,ovn-router" in lines(ovn(), "/etc/neutron/neutron.conf")
    assert "service_plugins = router" in lines(cloud(), "/etc/neutron/neutron.conf")
    assert "mechanism_drivers = ovn" in lines(ovn(), ML2)
    assert "max_header_size = 38" in lines(ovn(), ML2), "neutron ends at its start with less"


@pytest.mark.parametrize(("mtu", "smaller"), [(1400, False), (1500, False), (9000, True)])
@pytest.mark.parametrize("make", [ovn, cloud])
def test_packets_are_as_large_as_the_physical_network_carries(make, mtu, smaller):
    of = make(interfaces=(Interface("host0", True, mtu, (f"{ADDRESS}/24",)),))
    assert f"global_physnet_mtu = {mtu}" in lines(of, "/etc/neutron/neutron.conf")
    assert f"path_mtu = {mtu}" in lines(of, ML2)
    assert ("physical_network_mtus = extnet:1500" in lines(of, ML2)) == smaller


def test_neutron_of_zed_finds_the_bridges_of_the_chassis():
    """It looks into external_ids, which OVN 23.03 leaves empty: no port could be bound on a flat network or a VLAN."""
    of = ovn({"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": ("extnet:br-ex", "lab:br-lab")})
    unit_file = lines(of, "/etc/systemd/system/packstack-lite-ovn-chassis.service")
    assert any("extnet:br-ex,lab:br-lab" in line for line in unit_file)
    assert {"PartOf=ovn-controller.service", "WantedBy=ovn-controller.service"} <= set(unit_file)
    assert "packstack-lite-ovn-chassis" in units(of)
    assert "packstack-lite-ovn-chassis" not in units(ovn(profile="debian13-epoxy"))
    assert "packstack-lite-ovn-chassis" not in units(cloud())


def test_each_network_is_told_by_what_it_runs_over():
    """An interface of jumbo frames for one network, of small ones for tunnels; the third ends in a bridge."""
    cards = (
        Interface("host0", True, 1500, (f"{ADDRESS}/24",)),
        Interface("eth1", True, 9000, ()),
        Interface("eth2", True, 1400, ("198.18.9.10/24",)),
    )
    answers = {
        "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("extnet:br-ex", "lab:br-lab"),
        "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-lab:eth1",),
        "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth2",
    }
    of = cloud(answers, interfaces=cards)
    assert "global_physnet_mtu = 9000" in lines(of, "/etc/neutron/neutron.conf")
    assert {"path_mtu = 1400", "physical_network_mtus = extnet:1500"} <= set(lines(of, ML2))


@pytest.mark.parametrize("profile", ["debian12-zed", "debian13-epoxy", "centos7-train", "centos9s-epoxy"])
def test_traffic_of_routers_is_counted_where_it_is_asked_for_and_routers_are_processes(profile):
    counted = {"CONFIG_NEUTRON_METERING_AGENT_INSTALL": True}
    of = cloud(counted, profile)
    assert "service_plugins = router,metering" in lines(of, "/etc/neutron/neutron.conf")
    assert "neutron-metering-agent@aio" in agents(of) and "neutron-metering-agent" in units(of)
    names = {name for packages in resources_of(of, Packages) for name in packages.names}
    assert any(name.endswith("neutron-metering-agent") for name in names)
    without = cloud({**OVN, **counted}, profile)
    assert "neutron-metering-agent" not in units(without)


def test_the_bridges_of_compute_hosts_are_made_here_too():
    of = cloud({"CONFIG_NEUTRON_OVS_BRIDGES_COMPUTE": ("br-data",)})
    assert {bridge.name for bridge in resources_of(of, OvsBridge)} == {"br-ex", "br-data"}


def test_tunnels_over_an_interface_of_their_own():
    cards = (
        Interface("host0", True, 1500, (f"{ADDRESS}/24",)),
        Interface("eth1", True, 9000, ("198.18.9.10/24",)),
    )
    of = ovn({"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1"}, interfaces=cards)
    assert settings(of)["external_ids:ovn-encap-ip"] == "198.18.9.10"
    assert "path_mtu = 9000" in lines(of, ML2)
    with pytest.raises(UsageError, match="CONFIG_NEUTRON_OVN_TUNNEL_IF=eth9"):
        services.declare(ovn({"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth9"}))


def test_every_mapped_bridge_is_made_and_one_has_the_address():
    of = CASES["ovn-answers"]()
    assert {bridge.name: bool(bridge.address) for bridge in resources_of(of, OvsBridge)} == {
        "br-out": True,
        "br-lab": False,
    }
    boot = text(files(of)["/etc/systemd/system/packstack-lite-bridge.service"])
    assert "Before=ovn-controller.service" in boot
    for bridge in ("br-out", "br-lab"):
        assert f"add-br {bridge} -- set bridge {bridge} datapath_type=system" in boot
    assert settings(of)["external_ids:ovn-bridge-mappings"] == "extnet:br-out,lab:br-lab"


@pytest.mark.parametrize("make", [ovn, cloud])
def test_the_demo_is_on_the_agents_own_physical_network(make):
    copy = "OVN" if make is ovn else "OVS"
    mapped = {f"CONFIG_NEUTRON_{copy}_BRIDGE_MAPPINGS": ("a:br-a", "b:br-b")}
    networks = {
        named: next(
            e
            for e in resources_of(make({**mapped, f"CONFIG_NEUTRON_{copy}_EXTERNAL_PHYSNET": named}), ApiObject)
            if e.id == "network:public"
        )
        for named in ("b", "")
    }
    assert {named: e.body["provider:physical_network"] for named, e in networks.items()} == {"b": "b", "": "a"}


def test_roles_that_one_unit_plays_are_declared_once():
    """As on EL, where northd's unit has the databases too."""
    from dataclasses import replace

    of = ovn()
    merged = {
        **of.profile.units,
        "ovn-nb": "ovn-northd",
        "ovn-sb": "ovn-northd",
        "ovn-central": "ovn-northd",
        "ovn-host": "ovn-controller",
    }
    found = services.declare(replace(of, profile=replace(of.profile, units=merged)))
    ids = [resource.id for resource in found]
    assert len(ids) == len(set(ids))
    assert ids.count("unit:ovn-northd") == ids.count("unit:ovn-controller") == 1
    one = {resource.id: resource for resource in found}
    assert not {"unit:ovn-northd"} & set(one["unit:ovn-northd"].needs)
    assert "file:/etc/default/ovn-central" in one["unit:ovn-northd"].trigger_ids
    assert "ovs_setting:external_ids:ovn-remote" in one["unit:ovn-controller"].needs
