"""OVN and Open vSwitch: what each layer 2 agent declares, and nothing of the other."""

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


def units(context):
    return {unit.name: unit for unit in resources_of(context, Unit)}


def settings(context):
    return {setting.column: setting.value for setting in resources_of(context, OvsSetting)}


def agent_names(context):
    return {api_object.name for api_object in resources_of(context, ApiObject) if api_object.type == "network_agent"}


def lines(context, path):
    return text(files(context)[path]).splitlines()


def test_each_agent_installs_its_packages_and_none_of_the_other():
    (with_ovn,), (with_agents,) = resources_of(ovn(), Packages), resources_of(cloud(), Packages)
    own = {"ovn-central", "ovn-host", "neutron-ovn-metadata-agent", "haproxy"}
    assert own <= set(with_ovn.names) and not AGENTS & set(with_ovn.names)
    assert set(with_agents.names) >= AGENTS and not own & set(with_agents.names)
    assert set(with_ovn.names) - own == set(with_agents.names) - AGENTS


def test_units_start_after_the_units_that_they_contact():
    by_name = units(ovn())
    assert not AGENTS & set(by_name)
    databases = {"unit:ovn-ovsdb-server-nb", "unit:ovn-ovsdb-server-sb"}
    assert databases <= set(by_name["ovn-northd"].needs)
    assert {"unit:ovn-ovsdb-server-sb", "unit:ovn-host"} <= set(by_name["ovn-controller"].needs)
    assert {setting.id for setting in resources_of(ovn(), OvsSetting)} > set(by_name["ovn-host"].needs)
    assert "unit:ovn-controller" in by_name["neutron-ovn-metadata-agent"].needs
    assert {by_name[name].phase for name in ("ovn-northd", "ovn-controller")} == {Phase.PLATFORM}


def test_every_agent_must_be_alive():
    assert agent_names(ovn()) == {"ovn-controller@aio", "neutron-ovn-metadata-agent@aio"}
    assert agent_names(cloud()) == {f"{name}@aio" for name in AGENTS}


def test_ovn_controllers_settings_are_in_the_switchs_database():
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


def test_the_databases_of_a_single_node_listen_on_loopback_only():
    """They have no password."""
    context = ovn()
    options = text(files(context)["/etc/default/ovn-central"])
    assert options.count("-addr=127.0.0.1") == 2 and ADDRESS not in options
    assert {"ovn_nb_connection = tcp:127.0.0.1:6641", "ovn_sb_connection = tcp:127.0.0.1:6642"} <= set(
        lines(context, ML2)
    )
    for path, file in files(context).items():
        assert f"{ADDRESS}:664" not in text(file), path


def test_a_restart_of_northd_does_not_stop_the_databases():
    unit = units(ovn())["ovn-northd"]
    dropin = "/etc/systemd/system/ovn-northd.service.d/packstack-lite.conf"
    assert f"file:{dropin}" in unit.trigger_ids
    assert "ExecStop=\nExecStop=" in text(files(ovn())[dropin])
    assert "--ovn-manage-ovsdb=no" in text(files(ovn())[dropin])


def test_with_ovn_neutron_uses_its_router_plugin():
    assert "service_plugins = qos,trunk,ovn-router" in lines(ovn(), "/etc/neutron/neutron.conf")
    assert "service_plugins = router" in lines(cloud(), "/etc/neutron/neutron.conf")
    assert "mechanism_drivers = ovn" in lines(ovn(), ML2)
    assert "max_header_size = 38" in lines(ovn(), ML2), "neutron refuses to start with less"


@pytest.mark.parametrize(("mtu", "smaller"), [(1400, False), (1500, False), (9000, True)])
@pytest.mark.parametrize("make", [ovn, cloud])
def test_mtus_are_those_of_the_physical_network(make, mtu, smaller):
    context = make(interfaces=(Interface("host0", True, mtu, (f"{ADDRESS}/24",)),))
    assert f"global_physnet_mtu = {mtu}" in lines(context, "/etc/neutron/neutron.conf")
    assert f"path_mtu = {mtu}" in lines(context, ML2)
    assert ("physical_network_mtus = extnet:1500" in lines(context, ML2)) == smaller


def test_chassis_options_are_copied_for_neutron_of_zed():
    """It reads external_ids, which OVN 23.03 leaves empty: no port on a flat network or VLAN could be bound."""
    context = ovn({"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": ("extnet:br-ex", "lab:br-lab")})
    unit_file = lines(context, "/etc/systemd/system/packstack-lite-ovn-chassis.service")
    assert any("extnet:br-ex,lab:br-lab" in line for line in unit_file)
    assert {"PartOf=ovn-controller.service", "WantedBy=ovn-controller.service"} <= set(unit_file)
    assert "packstack-lite-ovn-chassis" in units(context)
    assert "packstack-lite-ovn-chassis" not in units(ovn(profile="debian13-epoxy"))
    assert "packstack-lite-ovn-chassis" not in units(cloud())


def test_each_network_has_the_mtu_of_its_interface():
    """One interface has jumbo frames, the tunnels' has small ones, and the external network has none."""
    interfaces = (
        Interface("host0", True, 1500, (f"{ADDRESS}/24",)),
        Interface("eth1", True, 9000, ()),
        Interface("eth2", True, 1400, ("198.18.9.10/24",)),
    )
    answers = {
        "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("extnet:br-ex", "lab:br-lab"),
        "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-lab:eth1",),
        "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth2",
    }
    context = cloud(answers, interfaces=interfaces)
    assert "global_physnet_mtu = 9000" in lines(context, "/etc/neutron/neutron.conf")
    assert {"path_mtu = 1400", "physical_network_mtus = extnet:1500"} <= set(lines(context, ML2))


@pytest.mark.parametrize("profile", ["debian12-zed", "debian13-epoxy", "centos7-train", "centos9s-epoxy"])
def test_the_metering_agent_runs_where_requested_but_not_with_ovn(profile):
    metering = {"CONFIG_NEUTRON_METERING_AGENT_INSTALL": True}
    context = cloud(metering, profile)
    assert "service_plugins = router,metering" in lines(context, "/etc/neutron/neutron.conf")
    assert "neutron-metering-agent@aio" in agent_names(context) and "neutron-metering-agent" in units(context)
    names = {name for packages in resources_of(context, Packages) for name in packages.names}
    assert any(name.endswith("neutron-metering-agent") for name in names)
    without = cloud({**OVN, **metering}, profile)
    assert "neutron-metering-agent" not in units(without)


def test_a_single_node_has_the_bridges_of_compute_nodes_too():
    context = cloud({"CONFIG_NEUTRON_OVS_BRIDGES_COMPUTE": ("br-data",)})
    assert {bridge.name for bridge in resources_of(context, OvsBridge)} == {"br-ex", "br-data"}


def test_tunnels_use_the_address_and_mtu_of_their_interface():
    interfaces = (
        Interface("host0", True, 1500, (f"{ADDRESS}/24",)),
        Interface("eth1", True, 9000, ("198.18.9.10/24",)),
    )
    context = ovn({"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1"}, interfaces=interfaces)
    assert settings(context)["external_ids:ovn-encap-ip"] == "198.18.9.10"
    assert "path_mtu = 9000" in lines(context, ML2)
    with pytest.raises(UsageError, match="CONFIG_NEUTRON_OVN_TUNNEL_IF=eth9"):
        services.declare(ovn({"CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth9"}))


def test_every_mapped_bridge_is_created_and_only_the_external_one_has_an_address():
    context = CASES["ovn-answers"]()
    assert {bridge.name: bool(bridge.address) for bridge in resources_of(context, OvsBridge)} == {
        "br-out": True,
        "br-lab": False,
    }
    unit_file = text(files(context)["/etc/systemd/system/packstack-lite-bridge.service"])
    assert "Before=ovn-controller.service" in unit_file
    for bridge in ("br-out", "br-lab"):
        assert f"add-br {bridge} -- set bridge {bridge} datapath_type=system" in unit_file
    assert settings(context)["external_ids:ovn-bridge-mappings"] == "extnet:br-out,lab:br-lab"


@pytest.mark.parametrize("make", [ovn, cloud])
def test_the_demo_uses_the_agents_external_physical_network(make):
    prefix = "OVN" if make is ovn else "OVS"
    mapped = {f"CONFIG_NEUTRON_{prefix}_BRIDGE_MAPPINGS": ("a:br-a", "b:br-b")}
    networks = {
        named: next(
            e
            for e in resources_of(make({**mapped, f"CONFIG_NEUTRON_{prefix}_EXTERNAL_PHYSNET": named}), ApiObject)
            if e.id == "network:public"
        )
        for named in ("b", "")
    }
    assert {named: e.body["provider:physical_network"] for named, e in networks.items()} == {"b": "b", "": "a"}


def test_roles_of_one_unit_are_declared_once():
    """As on EL, where northd's unit also runs the databases."""
    from dataclasses import replace

    context = ovn()
    merged = {
        **context.profile.units,
        "ovn-nb": "ovn-northd",
        "ovn-sb": "ovn-northd",
        "ovn-central": "ovn-northd",
        "ovn-host": "ovn-controller",
    }
    resources = services.declare(replace(context, profile=replace(context.profile, units=merged)))
    ids = [resource.id for resource in resources]
    assert len(ids) == len(set(ids))
    assert ids.count("unit:ovn-northd") == ids.count("unit:ovn-controller") == 1
    by_id = {resource.id: resource for resource in resources}
    assert not {"unit:ovn-northd"} & set(by_id["unit:ovn-northd"].needs)
    assert "file:/etc/default/ovn-central" in by_id["unit:ovn-northd"].trigger_ids
    assert "ovs_setting:external_ids:ovn-remote" in by_id["unit:ovn-controller"].needs
