"""Answers from the environment and the command line: precedence, names, secrets; derived defaults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.answers import (
    PARAMETERS_BY_NAME,
    derive_node_answers,
    derived_defaults,
    read_overrides,
    resolve_answers,
)
from packstack_lite.errors import AnswersError

NAME = "CONFIG_KEYSTONE_REGION"
HOSTS = derive_node_answers(["198.18.1.10"])


def write_answers(path, *lines):
    path.write_text("\n".join(["[general]", *lines]) + "\n", encoding="utf-8")
    return path


def resolve_errors(**arguments):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(node_answers=HOSTS, **arguments)
    return list(failure.value.errors)


# From the lowest to the highest precedence.
SOURCES = ("first", "second", "over", "environment", "settings")


@given(st.sets(st.sampled_from(SOURCES)), st.sampled_from(["settings", "flags"]))
def test_the_highest_source_with_an_answer_is_used(tmp_path_factory, used, command_line):
    directory = tmp_path_factory.getbasetemp()
    files = [write_answers(directory / name, f"{NAME}={name}") for name in ("first", "second") if name in used]
    arguments = {
        "sandbox_answers": {NAME: "over"} if "over" in used else {},
        "environment": {f"PACKSTACK_{NAME}": "environment"} if "environment" in used else {},
    }
    if "settings" in used:
        arguments[command_line] = {NAME: "settings"} if command_line == "flags" else [f"{NAME}=settings"]
    answers = resolve_answers(files, node_answers=HOSTS, **arguments)
    top = max(used, key=SOURCES.index, default="")
    assert answers[NAME] == (top or PARAMETERS_BY_NAME[NAME].default)
    flag = f"--{PARAMETERS_BY_NAME[NAME].flag}" if command_line == "flags" else "--set"
    assert (
        answers.origin(NAME)
        == {
            "": "default",
            "first": f"{directory / 'first'}:2",
            "second": f"{directory / 'second'}:2",
            "over": "sandbox",
            "environment": f"$PACKSTACK_{NAME}",
            "settings": flag,
        }[top]
    )
    assert answers.is_customized(NAME) is bool(used)
    assert answers.warnings == ()


@pytest.mark.parametrize(
    ("arguments", "value", "expected_warning"),
    [
        ({"settings": ["config_debug_mode=y"]}, True, ""),
        ({"settings": [" Config_Debug_Mode =y"]}, True, ""),
        ({"settings": ["CONFIG_DEBUG_MODE=n", "CONFIG_DEBUG_MODE=y"]}, True, ""),
        ({"settings": ["CONFIG_DEBUG_MODE=y"], "flags": {"CONFIG_DEBUG_MODE": "y"}}, True, ""),
        ({"environment": {"PACKSTACK_config_debug_mode": "y"}}, True, ""),
        ({"environment": {"PACKSTACK_CONFIG_DEBUG_MOD": "y"}}, False, "did you mean CONFIG_DEBUG_MODE?"),
        ({"environment": {"PACKSTACK_DEBUG_MODE": "y"}}, False, "did you mean CONFIG_DEBUG_MODE?"),
        ({"environment": {"PACKSTACK_LITE_SHELL": "1", "OS_CONFIG_DEBUG_MODE": "y"}}, False, ""),
    ],
)
def test_names_are_read_in_any_case_and_unknown_ones_suggest_another(arguments, value, expected_warning):
    answers = resolve_answers(node_answers=HOSTS, **arguments)
    assert answers["CONFIG_DEBUG_MODE"] is value
    if expected_warning:
        (warning,) = answers.warnings
        assert expected_warning in warning
    else:
        assert answers.warnings == ()


def test_every_parameter_can_be_set_by_option_and_environment():
    for name in ("EXCLUDE_SERVERS", *(name for name in PARAMETERS_BY_NAME if name.startswith("CONFIG_"))):
        for arguments in ({"settings": [f"{name}=x"]}, {"environment": {f"PACKSTACK_{name}": "x"}}):
            overrides = read_overrides(arguments.get("environment", {}), arguments.get("settings", ()), {})
            assert overrides.answers[name][0] == "x" and not overrides.errors


def test_old_names_are_read_as_the_new_ones_which_win():
    old, new = "CONFIG_PROVISION_ALL_IN_ONE_OVS_BRIDGE", "CONFIG_PROVISION_OVS_BRIDGE"
    alone = resolve_answers(node_answers=HOSTS, environment={f"PACKSTACK_{old}": "n"})
    assert alone[new] is False
    assert f"is an old name of {new}" in alone.warnings[0]
    assert (
        resolve_answers(node_answers=HOSTS, environment={f"PACKSTACK_{old}": "n", f"PACKSTACK_{new}": "y"})[new] is True
    )
    assert resolve_answers(node_answers=HOSTS, settings=[f"{old}=n"])[new] is False


@pytest.mark.parametrize(
    ("settings", "flags", "word"),
    [
        (["CONFIG_NOVA_INSTAL=y"], {}, "--set: CONFIG_NOVA_INSTAL is unknown; did you mean CONFIG_NOVA_INSTALL?"),
        (["DEBUG_MODE=y"], {}, "did you mean CONFIG_DEBUG_MODE?"),
        (["CONFIG_DEBUG_MODE"], {}, "write --set CONFIG_DEBUG_MODE=VALUE"),
        (["=y"], {}, "--set: no name; write --set NAME=VALUE"),
        (["CONFIG_DEBUG_MODE=maybe"], {}, "--set: CONFIG_DEBUG_MODE: 'maybe' is neither y nor n"),
        (["CONFIG_DEBUG_MODE=y"], {"CONFIG_DEBUG_MODE": "n"}, "--set CONFIG_DEBUG_MODE and --os-debug-mode disagree"),
    ],
)
def test_an_invalid_set_option_is_an_error(settings, flags, word):
    (error,) = resolve_errors(settings=settings, flags=flags)
    assert word in error


def test_invalid_settings_are_reported_together_without_secrets():
    errors = resolve_errors(
        settings=["CONFIG_X=1", "CONFIG_KEYSTONE_ADMIN_PW=hunter22\t"],
        environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "hunter22\n"},
        flags={"CONFIG_DEBUG_MODE": "?"},
    )
    assert len(errors) == 4
    assert "hunter22" not in "".join(errors)
    assert any(error.startswith("$PACKSTACK_CONFIG_NOVA_KS_PW: CONFIG_NOVA_KS_PW: ") for error in errors)


def test_secrets_on_the_command_line_share_a_warning_with_an_alternative():
    flags = {"CONFIG_DEFAULT_PASSWORD": "hunter22"}
    (warning,) = resolve_answers(node_answers=HOSTS, settings=["CONFIG_NOVA_KS_PW=hunter22"], flags=flags).warnings
    assert warning.startswith("--set CONFIG_NOVA_KS_PW, --default-password: ")
    assert "PACKSTACK_CONFIG_NOVA_KS_PW" in warning
    assert "hunter22" not in warning


@pytest.mark.parametrize("setting", ["CONFIG_DEFAULT_PASSWORD=", "CONFIG_NOVA_KS_PW=PW_PLACEHOLDER"])
def test_an_empty_secret_on_the_command_line_is_no_warning(setting):
    assert resolve_answers(node_answers=HOSTS, settings=[setting]).warnings == ()


def test_secrets_in_the_environment_are_no_warning():
    answers = resolve_answers(node_answers=HOSTS, environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "hunter22"})
    assert (answers["CONFIG_NOVA_KS_PW"].reveal(), answers.warnings) == ("hunter22", ())


@given(st.dictionaries(st.text(min_size=1).map(lambda t: f"PACKSTACK_{t}"), st.text(), max_size=5))
def test_no_environment_stops_a_run(environment):
    overrides = read_overrides(environment, (), {})
    assert not overrides.errors
    assert set(overrides.answers) <= set(PARAMETERS_BY_NAME)


@given(st.lists(st.text(), max_size=5))
def test_every_setting_is_an_answer_or_an_error(words):
    overrides = read_overrides({}, words, {})
    assert len(overrides.answers) + len(overrides.errors) <= len(words)
    assert bool(overrides.answers or overrides.errors) is bool(words)


def test_is_customized_means_other_than_the_default():
    answers = resolve_answers(
        node_answers=HOSTS,
        settings=["CONFIG_DEBUG_MODE=n", "CONFIG_KEYSTONE_REGION=Here", "CONFIG_MARIADB_HOST=198.18.1.10"],
        environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "x"},
    )
    assert {name for name in answers if answers.is_customized(name)} == {
        "CONFIG_CONTROLLER_HOST",
        "CONFIG_KEYSTONE_REGION",
        "CONFIG_NOVA_KS_PW",
    }


@pytest.mark.parametrize("agent, tunnel", [("openvswitch", "vxlan"), ("ovn", "geneve"), ("linuxbridge", "vxlan")])
def test_network_defaults_follow_the_l2_agent(agent, tunnel):
    """The defaults follow every agent."""
    wanted = {"MECHANISM_DRIVERS": agent, "TENANT_NETWORK_TYPES": tunnel, "TYPE_DRIVERS": f"{tunnel},flat"}
    for name, text in wanted.items():
        assert derived_defaults.derive_default(f"CONFIG_NEUTRON_ML2_{name}", {}, agent) == (
            text,
            "CONFIG_NEUTRON_L2_AGENT",
        )
    assert derived_defaults.derive_default("CONFIG_DEBUG_MODE", {}, agent) is None


def test_images_in_swift_install_swift_unless_that_is_refused():
    answers = resolve_answers(node_answers=HOSTS, settings=["CONFIG_GLANCE_BACKEND=swift"])
    assert answers["CONFIG_SWIFT_INSTALL"] is True
    assert answers.origin("CONFIG_SWIFT_INSTALL") == "CONFIG_GLANCE_BACKEND"
    with pytest.raises(AnswersError, match="1 error in the answers"):
        resolve_answers(node_answers=HOSTS, settings=["CONFIG_GLANCE_BACKEND=swift", "CONFIG_SWIFT_INSTALL=n"])


def test_mechanism_drivers_without_the_agents_are_replaced_with_a_warning():
    agent = "CONFIG_NEUTRON_L2_AGENT=openvswitch"
    answers = resolve_answers(node_answers=HOSTS, settings=[agent, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=ovn"])
    assert answers["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"] == ("openvswitch",)
    assert answers.text("CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS") == "openvswitch"
    assert answers.warnings == (
        "--set: CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS: does not contain openvswitch, the CONFIG_NEUTRON_L2_AGENT;"
        " openvswitch is used instead of ovn",
    )
    kept = resolve_answers(
        node_answers=HOSTS, settings=[agent, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=l2population, openvswitch"]
    )
    assert kept["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"] == ("l2population", "openvswitch")
