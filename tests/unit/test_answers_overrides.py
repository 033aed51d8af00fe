"""Answers beside the files: which wins, what is told about names and secrets, what a differing answer is."""

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


def file_of(path, *lines):
    path.write_text("\n".join(["[general]", *lines]) + "\n", encoding="utf-8")
    return path


def faults_of(**how):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(node_answers=HOSTS, **how)
    return list(failure.value.errors)


# From the lowest to the highest: how each says the region, and the origin it leaves.
LAYERS = ("first", "second", "over", "environment", "settings")


@given(st.sets(st.sampled_from(LAYERS)), st.sampled_from(["settings", "flags"]))
def test_the_highest_layer_that_says_something_counts(tmp_path_factory, said, command_line):
    place = tmp_path_factory.getbasetemp()
    files = [file_of(place / name, f"{NAME}={name}") for name in ("first", "second") if name in said]
    how = {
        "sandbox_answers": {NAME: "over"} if "over" in said else {},
        "environment": {f"PACKSTACK_{NAME}": "environment"} if "environment" in said else {},
    }
    if "settings" in said:
        how[command_line] = {NAME: "settings"} if command_line == "flags" else [f"{NAME}=settings"]
    told = resolve_answers(files, node_answers=HOSTS, **how)
    top = max(said, key=LAYERS.index, default="")
    assert told[NAME] == (top or PARAMETERS_BY_NAME[NAME].default)
    flag = f"--{PARAMETERS_BY_NAME[NAME].flag}" if command_line == "flags" else "--set"
    assert (
        told.origin(NAME)
        == {
            "": "default",
            "first": f"{place / 'first'}:2",
            "second": f"{place / 'second'}:2",
            "over": "sandbox",
            "environment": f"$PACKSTACK_{NAME}",
            "settings": flag,
        }[top]
    )
    assert told.is_customized(NAME) is bool(said)
    assert told.warnings == ()


@pytest.mark.parametrize(
    ("how", "value", "warned"),
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
def test_names(how, value, warned):
    told = resolve_answers(node_answers=HOSTS, **how)
    assert told["CONFIG_DEBUG_MODE"] is value
    if warned:
        (warning,) = told.warnings
        assert warned in warning
    else:
        assert told.warnings == ()


def test_every_parameter_can_be_said_in_each_way():
    for name in ("EXCLUDE_SERVERS", *(name for name in PARAMETERS_BY_NAME if name.startswith("CONFIG_"))):
        for how in ({"settings": [f"{name}=x"]}, {"environment": {f"PACKSTACK_{name}": "x"}}):
            found = read_overrides(how.get("environment", {}), how.get("settings", ()), {})
            assert found.answers[name][0] == "x" and not found.errors


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
def test_a_wrong_setting_is_a_fault(settings, flags, word):
    (fault,) = faults_of(settings=settings, flags=flags)
    assert word in fault


def test_wrong_settings_are_told_together_and_hold_no_secret():
    told = faults_of(
        settings=["CONFIG_X=1", "CONFIG_KEYSTONE_ADMIN_PW=hunter22\t"],
        environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "hunter22\n"},
        flags={"CONFIG_DEBUG_MODE": "?"},
    )
    assert len(told) == 4
    assert "hunter22" not in "".join(told)
    assert any(fault.startswith("$PACKSTACK_CONFIG_NOVA_KS_PW: CONFIG_NOVA_KS_PW: ") for fault in told)


def test_secrets_on_the_command_line_are_one_warning_that_names_them_and_the_way_out():
    flags = {"CONFIG_DEFAULT_PASSWORD": "hunter22"}
    (warning,) = resolve_answers(node_answers=HOSTS, settings=["CONFIG_NOVA_KS_PW=hunter22"], flags=flags).warnings
    assert warning.startswith("--set CONFIG_NOVA_KS_PW, --default-password: ")
    assert "PACKSTACK_CONFIG_NOVA_KS_PW" in warning
    assert "hunter22" not in warning


@pytest.mark.parametrize("setting", ["CONFIG_DEFAULT_PASSWORD=", "CONFIG_NOVA_KS_PW=PW_PLACEHOLDER"])
def test_a_secret_that_is_none_is_no_warning(setting):
    assert resolve_answers(node_answers=HOSTS, settings=[setting]).warnings == ()


def test_secrets_in_the_environment_are_no_warning():
    told = resolve_answers(node_answers=HOSTS, environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "hunter22"})
    assert (told["CONFIG_NOVA_KS_PW"].reveal(), told.warnings) == ("hunter22", ())


@given(st.dictionaries(st.text(min_size=1).map(lambda t: f"PACKSTACK_{t}"), st.text(), max_size=5))
def test_no_environment_stops_a_run(environment):
    found = read_overrides(environment, (), {})
    assert not found.errors
    assert set(found.answers) <= set(PARAMETERS_BY_NAME)


@given(st.lists(st.text(), max_size=5))
def test_no_setting_is_lost(words):
    found = read_overrides({}, words, {})
    assert len(found.answers) + len(found.errors) <= len(words)
    assert bool(found.answers or found.errors) is bool(words)


def test_what_differs():
    told = resolve_answers(
        node_answers=HOSTS,
        settings=["CONFIG_DEBUG_MODE=n", "CONFIG_KEYSTONE_REGION=Here", "CONFIG_MARIADB_HOST=198.18.1.10"],
        environment={"PACKSTACK_CONFIG_NOVA_KS_PW": "x"},
    )
    assert {name for name in told if told.is_customized(name)} == {
        "CONFIG_CONTROLLER_HOST",
        "CONFIG_KEYSTONE_REGION",
        "CONFIG_NOVA_KS_PW",
    }


@pytest.mark.parametrize("agent, tunnel", [("openvswitch", "vxlan"), ("ovn", "geneve"), ("linuxbridge", "vxlan")])
def test_naming_the_agent_is_enough(agent, tunnel):
    """What the other agents' names stand for is not deployed; the answers follow all the same."""
    wanted = {"MECHANISM_DRIVERS": agent, "TENANT_NETWORK_TYPES": tunnel, "TYPE_DRIVERS": f"{tunnel},flat"}
    for name, text in wanted.items():
        assert derived_defaults.derive_default(f"CONFIG_NEUTRON_ML2_{name}", {}, agent) == (
            text,
            "CONFIG_NEUTRON_L2_AGENT",
        )
    assert derived_defaults.derive_default("CONFIG_DEBUG_MODE", {}, agent) is None


def test_images_in_swift_bring_swift_along_unless_it_is_refused():
    told = resolve_answers(node_answers=HOSTS, settings=["CONFIG_GLANCE_BACKEND=swift"])
    assert told["CONFIG_SWIFT_INSTALL"] is True
    assert told.origin("CONFIG_SWIFT_INSTALL") == "CONFIG_GLANCE_BACKEND"
    with pytest.raises(AnswersError, match="1 error in the answers"):
        resolve_answers(node_answers=HOSTS, settings=["CONFIG_GLANCE_BACKEND=swift", "CONFIG_SWIFT_INSTALL=n"])


def test_mechanism_drivers_without_the_agents_own_are_replaced_and_told():
    agent = "CONFIG_NEUTRON_L2_AGENT=openvswitch"
    told = resolve_answers(node_answers=HOSTS, settings=[agent, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=ovn"])
    assert told["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"] == ("openvswitch",)
    assert told.text("CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS") == "openvswitch"
    assert told.warnings == (
        "--set: CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS: does not contain openvswitch, the CONFIG_NEUTRON_L2_AGENT;"
        " openvswitch is used instead of ovn",
    )
    kept = resolve_answers(
        node_answers=HOSTS, settings=[agent, "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=l2population, openvswitch"]
    )
    assert kept["CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS"] == ("l2population", "openvswitch")
