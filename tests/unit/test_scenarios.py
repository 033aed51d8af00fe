"""Command lines of Packstack's CI scenarios and of the notes: requests are declared, or warned about."""

from __future__ import annotations

import json

import pytest

from packstack_lite import services
from packstack_lite.answers import PARAMETERS_BY_NAME
from packstack_lite.cli import deploy
from packstack_lite.cli.app import cli
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import ConnectionTarget
from packstack_lite.deployment.new_answer_file import find_overriding_controller
from packstack_lite.errors import ExitCode
from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.resources import ApiObject, File, OvsBridge, RunOnce, Unit, Uplink
from tests.clouds import ADDRESS, MACHINE, facts, profile_of
from tests.conftest import PROJECT, cli_runner

LINES = json.loads((PROJECT / "tests/facts/packstack-scenarios.json").read_text())
del LINES["_source"]
FLAGS = {f"--{parameter.flag}": parameter.name for parameter in PARAMETERS_BY_NAME.values()}


@pytest.fixture
def parse_command_line(monkeypatch, tmp_path):
    """Return a function that parses a command line of --allinone into options, without a run."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    parsed = []

    def new(options, install_hosts, dry_run):
        parsed.append(options)
        return ExitCode.SUCCESS

    monkeypatch.setattr(deploy, "deploy_new", new)

    def parse(*words):
        result = cli_runner().invoke(cli, list(words), catch_exceptions=False)
        assert (result.exit_code, result.stderr) == (0, "")
        return parsed.pop()

    return parse


def answers(options, name):
    """Resolve the answers of --allinone for a node with ADDRESS."""
    from packstack_lite.answers import derive_node_answers

    return answer_sources.load_answers(
        options.answer_sources, node_answers=derive_node_answers([ADDRESS]), address=ADDRESS
    )


def declared(resolved, **changes):
    from packstack_lite.services import NodeContext

    return services.declare(NodeContext(resolved, facts(**MACHINE, **changes), profile_of("debian12-zed")))


@pytest.mark.parametrize("name", LINES)
def test_every_argument_is_parsed(parse_command_line, name):
    options = parse_command_line(*LINES[name])
    given = dict(word.partition("=")[::2] for word in LINES[name] if "=" in word)
    assert options.flags == {FLAGS[flag]: text for flag, text in given.items()}
    assert options.debug is ("--debug" in LINES[name])
    split_args = [part for word in LINES[name] for part in word.split("=", 1)]
    assert parse_command_line(*split_args).flags == options.flags, "the value as an argument of its own"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("000", ["--default-password"]),
        (
            "001",
            [
                "--default-password",
                "CONFIG_MANILA_INSTALL=y: Manila is not deployed",
                "CONFIG_AMQP_ENABLE_SSL=y",
                "CONFIG_HORIZON_SSL=y",
                "CONFIG_PROVISION_TEMPEST=y",
            ],
        ),
        ("002", ["--default-password", "CONFIG_TROVE_INSTALL=y: Trove is not deployed"]),
        (
            "003",
            [
                "--default-password",
                "CONFIG_HEAT_INSTALL=y: Heat is not deployed",
                "CONFIG_MAGNUM_INSTALL=y: Magnum is not deployed",
            ],
        ),
    ],
)
def test_unsupported_answers_are_warned_about(parse_command_line, name, expected):
    """One warning per service, unless a release supports it by now, and one for all other values."""
    warnings = "\n".join(answers(parse_command_line(*LINES[name]), name).warnings)
    names = {text: text.partition("=")[0] for text in expected if "_INSTALL=y" in text}
    supported = [text for text, name in names.items() if PARAMETERS_BY_NAME[name].supported_values is None]
    assert [text for text in expected if text not in warnings] == supported


def test_scenario_002_keeps_its_images_in_swift(parse_command_line):
    """As with Packstack, which installs Swift by default."""
    ids = {resource.id for resource in declared(answers(parse_command_line(*LINES["002"]), "002"))}
    assert {"unit:swift-proxy", "unit:neutron-openvswitch-agent"} <= ids


def test_scenario_000_is_the_default_cloud_with_one_password(parse_command_line):
    resolved = answers(parse_command_line(*LINES["000"]), "000")
    assert resolved["CONFIG_NOVA_KS_PW"].reveal() == "packstack"
    ids = {resource.id for resource in declared(resolved)}
    assert {"unit:apache2", "network:public", "image:cirros", "router:router1"} <= ids


@pytest.mark.parametrize("name", ["001", "003"])
def test_the_answers_of_scenarios_are_declared(parse_command_line, name):
    resources = declared(answers(parse_command_line(*LINES[name]), name))
    ids = {resource.id for resource in resources}
    files = {file.path: str(file.content) for file in resources if isinstance(file, File)}
    assert ("unit:apache2" in ids) is (name == "001"), "003 is without the dashboard"
    (image,) = [resource for resource in resources if resource.id == "image:cirros"]
    assert isinstance(image, (ApiObject, RunOnce))
    assert "network:public" in ids
    assert "virt_type = qemu" in files["/etc/nova/nova-compute.conf"]
    assert "debug = true" in files["/etc/nova/nova.conf"].lower()
    assert "processes = 2" in files["/etc/nova/nova-api-uwsgi.ini"]


def test_the_answers_of_the_notes_are_declared(parse_command_line):
    """No demo, the drivers and the mapping of the notes, and br-ex takes ens33."""
    resolved = answers(parse_command_line(*LINES["notes"]), "notes")
    assert resolved["CONFIG_NEUTRON_OVS_BRIDGE_IFACES"] == ("br-ex:ens33",)
    assert not [warning for warning in resolved.warnings if "BRIDGE_IFACES" in warning]
    card = UplinkFacts(addresses=(f"{ADDRESS}/24",), managed_by="network-scripts")
    text = {"/etc/sysconfig/network-scripts/ifcfg-ens33": f"DEVICE=ens33\nIPADDR={ADDRESS}\n"}
    resources = declared(resolved, uplinks={"ens33": card}, network_files=text)
    (move,) = [resource for resource in resources if isinstance(resource, Uplink)]
    assert (move.bridge, move.interface, move.addresses) == ("br-ex", "ens33", (f"{ADDRESS}/24",))
    assert [file.path.rpartition("/")[2] for file in move.files] == ["ifcfg-br-ex", "ifcfg-ens33"]
    ids = {resource.id for resource in resources}
    assert not [
        resource_id
        for resource_id in ids
        if resource_id in ("network:public", "project:demo", "user:demo", "image:cirros", "router:router1")
    ]
    assert not [resource_id for resource_id in ids if resource_id.startswith("nat:")]
    (bridge,) = [resource for resource in resources if isinstance(resource, OvsBridge)]
    assert (bridge.name, bridge.address) == ("br-ex", "")
    files = {file.path: str(file.content) for file in resources if isinstance(file, File)}
    ml2, agent = (files[f"/etc/neutron/plugins/ml2/{name}.ini"] for name in ("ml2_conf", "openvswitch_agent"))
    for line in ("type_drivers = vxlan,flat", "tenant_network_types = vxlan", "mechanism_drivers = openvswitch"):
        assert line in ml2
    assert "bridge_mappings = extnet:br-ex" in agent
    assert "tunnel_types = vxlan" in agent
    assert any(isinstance(r, Unit) and r.name.startswith("neutron-openvswitch-agent") for r in resources)


def test_the_notes_are_rendered(tmp_path, monkeypatch):
    """Run render with these arguments, without a node and so without facts of ens33."""
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    words = ["render", "--to", str(tmp_path / "r"), f"--os-controller-host={ADDRESS}", *LINES["notes"][1:]]
    assert cli_runner().invoke(cli, words).exit_code == 0
    unit = (tmp_path / "r/etc/systemd/system/packstack-lite-bridge.service").read_text()
    assert "ip link set ens33 up" in unit
    assert "MASQUERADE" not in unit
    assert (
        "bridge_mappings = extnet:br-ex" in (tmp_path / "r/etc/neutron/plugins/ml2/openvswitch_agent.ini").read_text()
    )


def test_parameter_flags_override_allinone(parse_command_line, monkeypatch):
    """Packstack's CI distributes --allinone over two nodes this way."""
    words = [*LINES["003"], "--os-controller-host=198.18.9.1", "--os-network-hosts=198.18.9.1"]
    options = parse_command_line(*words, "--os-compute-hosts=198.18.9.2")
    assert find_overriding_controller(options.answer_sources, ADDRESS, is_allinone=True) == "198.18.9.1"
    assert answers(options, "003")["CONFIG_COMPUTE_HOSTS"] == ("198.18.9.2",)
    assert ConnectionTarget("198.18.9.1").address == "198.18.9.1"
