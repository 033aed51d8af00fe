"""Options, settings and variables that only older releases had are read like the lines of an old answer file."""

from __future__ import annotations

import pytest

from packstack_lite.answers import derive_node_answers, resolve_answers
from packstack_lite.answers.legacy.history import load_old_flags, load_old_parameters
from packstack_lite.answers.legacy.old_flags import find_old_parameter
from packstack_lite.answers.parameter_table import PARAMETERS
from packstack_lite.answers.suggestions import suggest_name
from packstack_lite.cli.app import cli
from packstack_lite.cli.option_abbreviations import expand_options
from packstack_lite.errors import AnswersError, UsageError
from tests.conftest import Tool

HOSTS = derive_node_answers(["198.18.1.10"])
# Options as old releases of Packstack spelled them (plugins/*.py, CMD_OPTION).
OLD_FLAGS = {
    "--nagios-install": "CONFIG_NAGIOS_INSTALL",
    "--nagios-passwd": "CONFIG_NAGIOS_PW",
    "--os-neutron-lbaas-install": "CONFIG_LBAAS_INSTALL",
    "--os-gnocchi-install": "CONFIG_GNOCCHI_INSTALL",
    "--os-quantum-install": "CONFIG_QUANTUM_INSTALL",
    "--quantum-ovs-bridge-interfaces": "CONFIG_QUANTUM_OVS_BRIDGE_IFACES",
    "--mongodb-host": "CONFIG_MONGODB_HOST",
    "--use-epel": "CONFIG_USE_EPEL",
    "--os-heat-cloudwatch-install": "CONFIG_HEAT_CLOUDWATCH_INSTALL",
    "--novacompute-hosts": "CONFIG_NOVA_COMPUTE_HOSTS",
    "--novavncproxy-hosts": "CONFIG_NOVA_VNCPROXY_HOST",
    "--novanetwork-pubif": "CONFIG_NOVA_NETWORK_PUBIF",
    "--novanetwork-fixed-range": "CONFIG_NOVA_NETWORK_FIXEDRANGE",
    "--novanetwork-floating-range": "CONFIG_NOVA_NETWORK_FLOATRANGE",
    "--mysql-pw": "CONFIG_MYSQL_PW",
    "--qpid-host": "CONFIG_QPID_HOST",
    "--os-swift-storage": "CONFIG_SWIFT_STORAGE_HOSTS",
    "--provision-all-in-one-ovs-bridge": "CONFIG_PROVISION_ALL_IN_ONE_OVS_BRIDGE",
}


def test_old_options_are_known():
    assert {flag: find_old_parameter(flag) for flag in OLD_FLAGS} == OLD_FLAGS
    for name in load_old_parameters():
        flag = name[len("CONFIG_") :].lower().replace("_", "-")
        assert find_old_parameter(f"--{flag}") == find_old_parameter(f"--os-{flag}") == name
    assert set(load_old_flags().values()) <= set(load_old_parameters())
    assert not find_old_parameter("--os-octavia-install")


def test_no_current_option_is_taken_for_an_old_one():
    """Where both spell a name alike, the current option counts: it is found first."""
    for parameter in PARAMETERS:
        assert expand_options(cli, [f"--{parameter.flag}=x"]) == [f"--{parameter.flag}=x"]


@pytest.mark.parametrize("flag", OLD_FLAGS)
def test_old_options_become_settings(flag):
    assert expand_options(cli, [f"{flag}=n", "plan"]) == [f"--set={flag}=n", "plan"]
    assert expand_options(cli, ["plan", flag, "n", "--diff"]) == ["plan", f"--set={flag}=n", "--diff"]
    assert expand_options(cli, [flag, "plan"]) == [f"--set={flag}=", "plan"]


@pytest.mark.parametrize(
    "settings, environment",
    [
        (["--nagios-install=n", "--os-neutron-lbaas-install=n", "--use-epel=n"], {}),
        (["CONFIG_NAGIOS_INSTALL=n", "CONFIG_LBAAS_INSTALL=n", "config_use_epel=n"], {}),
        ([], {f"PACKSTACK_CONFIG_{word}": "n" for word in ("NAGIOS_INSTALL", "LBAAS_INSTALL", "USE_EPEL")}),
    ],
    ids=["flags", "--set", "environment"],
)
def test_what_is_gone_passes_with_its_fate_all_at_once(settings, environment):
    warnings = resolve_answers(node_answers=HOSTS, settings=settings, environment=environment).warnings
    assert len(warnings) == 3
    for words in ("Nagios is no longer deployed", "load balancers were retired", "EPEL is neither needed"):
        assert [warning for warning in warnings if words in warning]
    origins = [setting.partition("=")[0] if setting.startswith("--") else "--set" for setting in settings]
    for origin in origins or [f"${variable}" for variable in environment]:
        assert [warning for warning in warnings if warning.startswith(f"{origin}: CONFIG_")]


def test_what_is_gone_and_was_wanted_is_said():
    (warning,) = resolve_answers(node_answers=HOSTS, settings=["--nagios-install=y"]).warnings
    assert warning.startswith("--nagios-install: CONFIG_NAGIOS_INSTALL=y: removed after ocata: Nagios is no longer")


def test_old_options_of_todays_parameters_are_answers():
    answers = resolve_answers(node_answers=HOSTS, settings=["--mysql-pw=sesame", "--novacompute-hosts=198.18.1.11"])
    assert answers["CONFIG_MARIADB_PW"].reveal() == "sesame"
    assert answers["CONFIG_COMPUTE_HOSTS"] == ("198.18.1.11",)
    assert answers.origin("CONFIG_COMPUTE_HOSTS") == "--novacompute-hosts"
    assert "sesame" not in "".join(answers.warnings)
    assert any("--mysql-pw: a password on the command line" in warning for warning in answers.warnings)


def test_old_options_that_disagree_are_an_error():
    with pytest.raises(AnswersError) as failure:
        resolve_answers(node_answers=HOSTS, settings=["--cinder-host=198.18.1.1", "--glance-host=198.18.1.2"])
    (error,) = failure.value.errors
    assert error == (
        "--glance-host: CONFIG_CINDER_HOST (--cinder-host), CONFIG_GLANCE_HOST (--glance-host) disagree;"
        " replace them with one CONFIG_CONTROLLER_HOST"
    )
    assert "file" not in failure.value.hint


def test_a_command_line_overrides_old_names_of_the_environment():
    answers = resolve_answers(
        node_answers=HOSTS,
        settings=["CONFIG_MARIADB_HOST=198.18.1.1"],
        environment={"PACKSTACK_CONFIG_MYSQL_HOST": "198.18.1.2"},
    )
    assert answers["CONFIG_MARIADB_HOST"] == "198.18.1.1"


@pytest.mark.parametrize("settings, environment", [(["CONFIG_MYSQL_INSTALL="], {}), ([], {"CONFIG_MYSQL_INSTALL": ""})])
def test_an_empty_old_name_is_skipped_as_packstack_does(settings, environment):
    answers = resolve_answers(
        node_answers=HOSTS,
        settings=settings,
        environment={f"PACKSTACK_{name}": text for name, text in environment.items()},
    )
    assert answers["CONFIG_MARIADB_INSTALL"] is True
    assert "CONFIG_MYSQL_INSTALL: was empty" in answers.warnings[0]


def test_empty_old_names_in_a_file_are_skipped(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "[general]\nCONFIG_NOVA_NETWORK_HOSTS=\nCONFIG_NEUTRON_L3_HOSTS=198.18.1.10\nCONFIG_MYSQL_INSTALL=\n"
    )
    answers = resolve_answers([path], node_answers=HOSTS)
    assert (answers["CONFIG_NETWORK_HOSTS"], answers["CONFIG_MARIADB_INSTALL"]) == (("198.18.1.10",), True)
    assert f"{path}:2: CONFIG_NOVA_NETWORK_HOSTS, CONFIG_MYSQL_INSTALL (line 4): was empty" in answers.warnings


def test_all_unknown_options_are_reported_at_once():
    with pytest.raises(UsageError) as error:
        expand_options(cli, ["--os-octavia-install=y", "--os-debugmode", "y", "--allin", "--os", "--nagios-install=n"])
    assert error.value.message == (
        "3 options are unknown or ambiguous: there is no option --os-octavia-install;"
        " there is no option --os-debugmode (did you mean --os-debug-mode?);"
        " --os is ambiguous (write one of: " + error.value.message.rpartition("write one of: ")[2]
    )


def test_old_options_work_on_the_whole_command_line(tmp_path):
    path = tmp_path / "a.txt"
    result = Tool(tmp_path / "home")(f"--gen-answer-file={path}", "--nagios-install=n", "--mongodb-host", "198.18.1.10")
    assert result.code == 0, result.err
    assert "--nagios-install: CONFIG_NAGIOS_INSTALL: removed after ocata" in result.err
    assert "--mongodb-host: CONFIG_MONGODB_HOST" in result.err


@pytest.mark.parametrize(
    "name, suggestion",
    [
        ("CONFIG_OCTAVIA_INSTALL", ""),
        ("CONFIG_DESIGNATE_INSTALL", ""),
        ("CONFIG_NOVA_INSTAL", "CONFIG_NOVA_INSTALL"),
        ("CONFIG_NTP_SERVER", "CONFIG_NTP_SERVERS"),
        ("CONFIG_NEUTRON_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"),
        ("--os-nagios-install", ""),
    ],
)
def test_only_a_typo_has_a_suggestion(name, suggestion):
    known = [p.name for p in PARAMETERS] + [f"--{p.flag}" for p in PARAMETERS]
    assert suggest_name(name, known) in (suggestion, suggestion.replace("_OVS_", "_OVN_"))
