"""Answer files of older releases: every name is read, renamed or explained; nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, read_answer_file, resolve_answers
from packstack_lite.answers.legacy.history import (
    OldParameter,
    is_secret_name,
    load_old_parameters,
    load_retired_values,
    modernize_value,
)
from packstack_lite.answers.legacy.rename import OldLine, rename_old_parameters
from packstack_lite.answers.parameter_table import CURRENT_NAME_BY_OLD_NAME
from packstack_lite.answers.values import parse_value
from packstack_lite.errors import AnswersError
from tests.conftest import PROJECT
from tests.unit.check_each import check_each

FACTS = json.loads((PROJECT / "tests/facts/packstack-history.json").read_text())
RELEASES = FACTS["releases"]
NAMES = FACTS["names"]
SAMPLES = PROJECT / "tests/facts/answers"

every_sample = pytest.mark.parametrize("release", RELEASES)


def write_lines(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "old.txt"
    path.write_text("\n".join(["[general]", *lines, ""]), encoding="utf-8")
    return path


def read_lines(tmp_path, *lines):
    return read_answer_file(write_lines(tmp_path, *lines))


def is_of_release(name: str, release: str) -> bool:
    """Whether that release wrote the name."""
    if not NAMES[name]:
        return False
    first, last = map(RELEASES.index, NAMES[name])
    return first <= RELEASES.index(release) <= last


def test_every_name_of_any_release_is_current_renamed_or_explained(tmp_path):
    def check(name):
        assert FACTS["_source"]
        if name in PARAMETERS_BY_NAME:
            assert name not in load_old_parameters()
            return
        old = load_old_parameters()[name]
        assert [old.first_release, old.last_release] == (NAMES[name] or ["", ""])
        assert old.successors or len(old.explanation) > 20
        answer_file = read_lines(tmp_path, f"{name}=1")
        assert answer_file.answers or "".join(answer_file.warnings).count(name) == 1, "it must be read or reported"

    check_each(NAMES, check)


def test_the_history_has_exactly_the_names_of_packstack():
    assert set(load_old_parameters()) == set(NAMES) - set(PARAMETERS_BY_NAME)
    assert len(NAMES) == 437 and len(load_old_parameters()) == 437 - 315


def test_names_that_packstack_carries_over_are_in_the_table_only():
    for name, old in load_old_parameters().items():
        assert list(old.successors) == [CURRENT_NAME_BY_OLD_NAME[name]] if name in CURRENT_NAME_BY_OLD_NAME else True


def test_renames_lead_to_current_parameters():
    def check(old: OldParameter):
        for successor, rule in old.successors.items():
            next_old = load_old_parameters().get(successor)
            assert successor in PARAMETERS_BY_NAME or (next_old and next_old.successors), f"{successor} leads nowhere"
            for text in rule.get("values", {}).values():
                parse_value(PARAMETERS_BY_NAME[successor], text)

    check_each(load_old_parameters().values(), check, lambda old: old.name)


def test_a_removed_name_is_reported_with_its_explanation_and_no_secret(tmp_path):
    def check(name):
        answer_file = read_lines(tmp_path, f"{name}=open-sesame")
        assert not answer_file.answers and not answer_file.errors
        (warning,) = answer_file.warnings
        assert (
            warning.startswith(f"{answer_file.path}:2: {name}") and load_old_parameters()[name].explanation in warning
        )
        assert "sesame" not in warning or not is_secret_name(name)

    check_each([name for name, old in load_old_parameters().items() if not old.successors], check)


@pytest.mark.parametrize(
    "name", ["CONFIG_NAGIOS_PW", "CONFIG_QUANTUM_KS_PW", "CONFIG_MYSQL_PW", "CONFIG_QPID_NSS_CERTDB_PW"]
)
def test_old_passwords_are_secrets(name):
    assert is_secret_name(name) and not is_secret_name("CONFIG_MYSQL_HOST")


def test_old_names_that_look_secret_are_secret():
    words = ("_PW", "PASSWORD", "TOKEN", "SECRET")
    assert [
        name for name in load_old_parameters() if any(word in name for word in words) and not is_secret_name(name)
    ] == []


@every_sample
def test_a_sample_has_only_names_of_its_release(release):
    answers = [line.split("=")[0] for line in (SAMPLES / f"{release}.txt").read_text().splitlines() if "=" in line]
    strange = [name for name in answers if not is_of_release(name, release)]
    # Havana read this one and wrote CONFIG_AMQP_BACKEND's first form with it.
    assert strange in ([], ["CONFIG_AMQP_SERVER"])
    removed = {name for name in NAMES if is_of_release(name, release) and name not in PARAMETERS_BY_NAME}
    assert removed <= set(answers), "the samples must contain every removed name"


@every_sample
def test_a_sample_of_every_release_loads(release):
    path = SAMPLES / f"{release}.txt"
    answers = resolve_answers([path])
    assert answers["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert answers["CONFIG_KEYSTONE_TOKEN_FORMAT"] == "FERNET"
    warnings = "\n".join(answers.warnings)
    assert "unknown" not in warnings
    for line in path.read_text().splitlines():
        name, _, text = line.partition("=")
        if name in load_old_parameters() and name not in warnings:
            pytest.fail(f"{line}: no warning")
        if is_secret_name(name) and text:
            assert text not in warnings


@every_sample
def test_a_complete_file_of_every_release_loads(release, tmp_path):
    """A file with every name of the release, current names with today's defaults."""
    lines = []
    sample = dict(
        line.split("=", 1)
        for line in (SAMPLES / f"{release}.txt").read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    for name in NAMES:
        if is_of_release(name, release):
            default = PARAMETERS_BY_NAME[name].default if name in PARAMETERS_BY_NAME else ""
            known = "198.18.1.10" if default == "address" else "PW_PLACEHOLDER" if default == "random" else default
            lines.append(f"{name}={sample.get(name, known if known not in PARAMETERS_BY_NAME else 'PW_PLACEHOLDER')}")
    answers = resolve_answers([write_lines(tmp_path, *lines)])
    # Folsom had no Neutron, so its files set no network answers and get today's defaults.
    assert answers["CONFIG_NEUTRON_L2_AGENT"] == ("ovn" if release == "folsom" else "openvswitch")


@pytest.mark.parametrize(
    "release, name, text",
    [
        ("folsom", "CONFIG_KEYSTONE_ADMIN_PW", "of-folsom-keystone-admin-pw"),
        ("folsom", "CONFIG_MARIADB_PW", "of-folsom-mysql-pw"),
        ("folsom", "CONFIG_AMQP_HOST", "198.18.1.10"),
        ("grizzly", "CONFIG_NEUTRON_KS_PW", "of-grizzly-quantum-ks-pw"),
        ("grizzly", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", "local"),
        ("grizzly", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS", "local,flat"),
        ("grizzly", "CONFIG_NETWORK_HOSTS", "198.18.1.10"),
        ("havana", "CONFIG_AMQP_AUTH_PASSWORD", "of-havana-qpid-auth-password"),
        ("havana", "CONFIG_AMQP_BACKEND", "rabbitmq"),
        ("havana", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", "gre"),
        ("havana", "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES", "1:1000"),
        ("havana", "CONFIG_NEUTRON_ML2_VNI_RANGES", "10:1000"),
        ("havana", "CONFIG_SWIFT_STORAGES", ""),
        ("icehouse", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", "vxlan"),
        ("juno", "CONFIG_PROVISION_IMAGE_URL", "http://download.cirros-cloud.net/0.3.1/cirros-0.3.1-x86_64-disk.img"),
        ("kilo", "CONFIG_SSL_CERT_SUBJECT_CN", "host.example"),
        ("kilo", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "extnet:br-ex"),
        ("liberty", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS", "vxlan,flat"),
        ("mitaka", "CONFIG_REDIS_HOST", "198.18.1.10"),
        ("newton", "CONFIG_KEYSTONE_API_VERSION", "v3"),
    ],
)
def test_answers_of_samples_are_kept_under_current_names(release, name, text):
    assert resolve_answers([SAMPLES / f"{release}.txt"]).text(name) == text


def test_names_of_the_chosen_plug_in_override_ml2s_names(tmp_path):
    lines = ["CONFIG_NEUTRON_L2_PLUGIN=openvswitch", "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=vlan"]
    lines += ["CONFIG_NEUTRON_OVS_VLAN_RANGES=physnet1:100:199", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=vxlan"]
    answer_file = read_lines(tmp_path, *lines)
    assert answer_file.answers["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"] == ("vlan", 3)
    assert answer_file.answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"] == ("vlan,flat", 3)
    assert answer_file.answers["CONFIG_NEUTRON_ML2_VLAN_RANGES"] == ("physnet1:100:199", 4)
    assert answer_file.answers["CONFIG_NEUTRON_L2_AGENT"] == ("openvswitch", 2)
    assert any(":5: CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES is ignored" in warning for warning in answer_file.warnings)


@pytest.mark.parametrize("plugin, counts", [("ml2", False), ("openvswitch", True), (None, True)])
def test_names_of_a_plug_in_are_used_only_if_it_is_chosen(tmp_path, plugin, counts):
    lines = [f"CONFIG_NEUTRON_L2_PLUGIN={plugin}"] if plugin else []
    answer_file = read_lines(tmp_path, *lines, "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=gre")
    assert ("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" in answer_file.answers) is counts
    assert counts or any("had no effect" in warning for warning in answer_file.warnings)


def test_without_a_plug_in_ml2s_names_imply_ml2(tmp_path):
    answer_file = read_lines(
        tmp_path, "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=gre", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vxlan"
    )
    assert "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" not in answer_file.answers


@pytest.mark.parametrize(
    "kind, name", [("gre", "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"), ("vxlan", "CONFIG_NEUTRON_ML2_VNI_RANGES")]
)
@pytest.mark.parametrize("project", ["NEUTRON", "QUANTUM"])
def test_tunnel_ranges_become_the_ranges_of_their_network_type(tmp_path, kind, name, project):
    answer_file = read_lines(
        tmp_path, f"CONFIG_{project}_OVS_TENANT_NETWORK_TYPE={kind}", f"CONFIG_{project}_OVS_TUNNEL_RANGES=5:50"
    )
    assert answer_file.answers[name] == ("5:50", 3)
    assert [known for known in answer_file.answers if known.endswith(("_VNI_RANGES", "TUNNEL_ID_RANGES"))] == [name]


def test_an_invalid_network_type_is_reported_with_the_parameter_to_use(tmp_path):
    answer_file = read_lines(
        tmp_path, "CONFIG_NEUTRON_L2_PLUGIN=openvswitch", "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=fibre"
    )
    assert any(
        "=fibre: " in warning and "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" in warning
        for warning in answer_file.warnings
    )


def test_old_names_of_one_answer_share_a_message(tmp_path):
    answer_file = read_lines(tmp_path, "CONFIG_KEYSTONE_HOST=198.18.1.10", "CONFIG_GLANCE_HOST=198.18.1.10")
    assert answer_file.warnings == [
        f"{answer_file.path}:2: CONFIG_KEYSTONE_HOST, CONFIG_GLANCE_HOST (line 3) are old names of"
        " CONFIG_CONTROLLER_HOST and are read as such"
    ]


def test_names_without_effect_share_a_message_and_others_do_not(tmp_path):
    answer_file = read_lines(
        tmp_path, "CONFIG_NOVA_NETWORK_PUBIF=eth0", "CONFIG_NAGIOS_INSTALL=y", "CONFIG_NOVA_NETWORK_PRIVIF=eth1"
    )
    assert len(answer_file.warnings) == 2
    assert ":3: CONFIG_NAGIOS_INSTALL=y: removed after ocata" in answer_file.warnings[0]
    assert (
        "CONFIG_NOVA_NETWORK_PUBIF, CONFIG_NOVA_NETWORK_PRIVIF (line 4): removed after newton"
        in answer_file.warnings[1]
    )


@pytest.mark.parametrize(
    "mappings, bridge, now, network",
    [
        ("", "br-ex", "extnet:br-ex", None),
        ("physnet1:br-eth1", "br-ex", "physnet1:br-eth1,extnet:br-ex", None),
        ("physnet1:br-ex", "br-ex", "physnet1:br-ex", "physnet1"),
        ("extnet:br-out", "br-out", "extnet:br-out", None),
    ],
)
def test_the_external_network_of_old_files_gets_name_and_mapping(tmp_path, mappings, bridge, now, network):
    lines = [
        "CONFIG_USE_EPEL=n",
        f"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS={mappings}",
        f"CONFIG_NEUTRON_L3_EXT_BRIDGE={bridge}",
    ]
    answer_file = read_lines(tmp_path, *lines, "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vxlan")
    assert answer_file.answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"][0] == now
    assert answer_file.answers.get("CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", (None, 0))[0] == network
    assert answer_file.answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"][0] == "vxlan,flat"
    resolve_answers([answer_file.path])


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET=extnet",
        "CONFIG_NEUTRON_L2_AGENT=linuxbridge",
        "CONFIG_NEUTRON_L3_EXT_BRIDGE=",
        "CONFIG_NEUTRON_L3_EXT_BRIDGE=provider",
    ],
)
def test_files_with_a_named_external_network_or_none_keep_their_mappings(tmp_path, line):
    answer_file = read_lines(tmp_path, "CONFIG_USE_EPEL=n", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=", line)
    assert answer_file.answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"] == ("", 3)


def test_files_without_old_names_keep_their_mappings():
    assert rename_old_parameters({"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": ("", 2)}, []).changes == []


@pytest.mark.parametrize(
    "name, was, now",
    [
        ("CONFIG_KEYSTONE_TOKEN_FORMAT", "UUID", "FERNET"),
        ("CONFIG_KEYSTONE_TOKEN_FORMAT", "PKI", "FERNET"),
        ("CONFIG_KEYSTONE_TOKEN_FORMAT", "PKIZ", "FERNET"),
        ("CONFIG_KEYSTONE_API_VERSION", "v2.0", "v3"),
        ("CONFIG_AMQP_BACKEND", "qpid", "rabbitmq"),
        ("CONFIG_AMQP_SERVER", "qpid", "rabbitmq"),
        ("CONFIG_SWIFT_STORAGES", "198.18.1.10", ""),
        ("CONFIG_SWIFT_STORAGES", "198.18.1.10/vdb, 198.18.1.10/dev/vdc", "/dev/vdb,/dev/vdc"),
        ("CONFIG_SWIFT_STORAGE_HOSTS", "/srv/a,198.18.1.10", "/srv/a"),
    ],
)
def test_retired_internal_values_are_replaced_with_a_warning(tmp_path, name, was, now):
    answers = resolve_answers([write_lines(tmp_path, f"{name}={was}")])
    name = CURRENT_NAME_BY_OLD_NAME.get(name, name)
    assert answers.text(name) == now
    assert any(f"{name}={was} is read as {now or 'empty'}: " in warning for warning in answers.warnings)
    assert resolve_answers(flags={name: was}).text(name) == now


@pytest.mark.parametrize(
    "lines, way_out",
    [
        (["CONFIG_NEUTRON_INSTALL=n"], "nova-network"),
        (["CONFIG_QUANTUM_INSTALL=n"], "nova-network"),
        (["CONFIG_CINDER_INSTALL=y", "CONFIG_CINDER_BACKEND=lvm,gluster"], "use nfs"),
        (["CONFIG_MANILA_INSTALL=y", "CONFIG_MANILA_NETWORK_TYPE=nova-network"], "use neutron"),
    ],
)
def test_retired_networks_and_storage_are_errors_with_an_alternative(tmp_path, lines, way_out):
    with pytest.raises(AnswersError) as caught:
        resolve_answers([write_lines(tmp_path, *lines)])
    (error,) = caught.value.errors
    assert f":{len(lines) + 1}: " in error and way_out in error and "answers migrate" in error


@pytest.mark.parametrize("line", ["CONFIG_CINDER_BACKEND=gluster", "CONFIG_MANILA_NETWORK_TYPE=nova-network"])
def test_a_retired_value_that_does_not_apply_is_ignored(tmp_path, line):
    assert resolve_answers([write_lines(tmp_path, line)]).warnings == ()


@pytest.mark.parametrize("name", load_retired_values())
def test_retired_values_lead_to_valid_values(name):
    parameter = PARAMETERS_BY_NAME[name]
    for rule in load_retired_values()[name]:
        assert len(rule.reason) > 15
        assert "\\" in rule.new_value or parse_value(parameter, rule.new_value) is not None
    assert modernize_value(name, parameter.default) is None


def test_no_current_choice_is_retired_by_mistake():
    """A choice that is offered and yet replaced must be one that Packstack offers and OpenStack dropped."""

    def check(parameter):
        dropped = {choice for choice in parameter.choices if modernize_value(parameter.name, choice)}
        assert dropped <= {"v2.0", "gluster", "nova-network"}

    check_each(PARAMETERS, check, lambda parameter: parameter.name)


def test_a_removed_name_is_recorded_with_its_line():
    result = rename_old_parameters({}, [OldLine("CONFIG_USE_EPEL", "y", 7)])
    (change,) = result.changes
    assert (change.kind, change.line_number, change.was_requested) == ("removed", 7, True)
