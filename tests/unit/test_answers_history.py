"""Files of older releases: every name they can hold is read, carried over or explained; nothing is lost."""

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

FACTS = json.loads((PROJECT / "tests/facts/packstack-history.json").read_text())
RELEASES = FACTS["releases"]
NAMES = FACTS["names"]
SAMPLES = PROJECT / "tests/facts/answers"

every_sample = pytest.mark.parametrize("release", RELEASES)


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "old.txt"
    path.write_text("\n".join(["[general]", *lines, ""]), encoding="utf-8")
    return path


def told_of(tmp_path, *lines):
    return read_answer_file(written(tmp_path, *lines))


def lives(name: str, release: str) -> bool:
    """Whether that release wrote the name."""
    if not NAMES[name]:
        return False
    first, last = map(RELEASES.index, NAMES[name])
    return first <= RELEASES.index(release) <= last


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_ever_was_is_of_today_or_renamed_or_explained(name, tmp_path):
    assert FACTS["_source"]
    if name in PARAMETERS_BY_NAME:
        assert name not in load_old_parameters()
        return
    old = load_old_parameters()[name]
    assert [old.first_release, old.last_release] == (NAMES[name] or ["", ""])
    assert old.successors or len(old.explanation) > 20
    told = told_of(tmp_path, f"{name}=1")
    assert told.answers or "".join(told.warnings).count(name) == 1, "it must be read or reported"


def test_no_name_was_made_up():
    assert set(load_old_parameters()) == set(NAMES) - set(PARAMETERS_BY_NAME)
    assert len(NAMES) == 437 and len(load_old_parameters()) == 437 - 315


def test_what_packstack_carries_over_is_said_in_the_table_alone():
    for name, old in load_old_parameters().items():
        assert list(old.successors) == [CURRENT_NAME_BY_OLD_NAME[name]] if name in CURRENT_NAME_BY_OLD_NAME else True


@pytest.mark.parametrize("old", load_old_parameters().values(), ids=lambda old: old.name)
def test_renames_lead_to_parameters_of_today(old: OldParameter):
    for now, how in old.successors.items():
        following = load_old_parameters().get(now)
        assert now in PARAMETERS_BY_NAME or (following and following.successors), f"{now} leads nowhere"
        for text in how.get("values", {}).values():
            parse_value(PARAMETERS_BY_NAME[now], text)


@pytest.mark.parametrize("name", [name for name, old in load_old_parameters().items() if not old.successors])
def test_what_is_gone_is_reported_with_its_fate_and_never_with_a_secret(name, tmp_path):
    told = told_of(tmp_path, f"{name}=open-sesame")
    assert not told.answers and not told.errors
    (warning,) = told.warnings
    assert warning.startswith(f"{told.path}:2: {name}") and load_old_parameters()[name].explanation in warning
    assert "sesame" not in warning or not is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["CONFIG_NAGIOS_PW", "CONFIG_QUANTUM_KS_PW", "CONFIG_MYSQL_PW", "CONFIG_QPID_NSS_CERTDB_PW"]
)
def test_old_passwords_are_secrets(name):
    assert is_secret_name(name) and not is_secret_name("CONFIG_MYSQL_HOST")


def test_secret_looking_names_of_old_are_secrets():
    words = ("_PW", "PASSWORD", "TOKEN", "SECRET")
    assert [
        name for name in load_old_parameters() if any(word in name for word in words) and not is_secret_name(name)
    ] == []


@every_sample
def test_a_sample_is_what_its_release_wrote(release):
    answers = [line.split("=")[0] for line in (SAMPLES / f"{release}.txt").read_text().splitlines() if "=" in line]
    strange = [name for name in answers if not lives(name, release)]
    # Havana read this one and wrote CONFIG_AMQP_BACKEND's first form with it.
    assert strange in ([], ["CONFIG_AMQP_SERVER"])
    gone = {name for name in NAMES if lives(name, release) and name not in PARAMETERS_BY_NAME}
    assert gone <= set(answers), "every name that is gone today has to be tried"


@every_sample
def test_a_sample_of_every_release_loads(release):
    path = SAMPLES / f"{release}.txt"
    answers = resolve_answers([path])
    assert answers["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert answers["CONFIG_KEYSTONE_TOKEN_FORMAT"] == "FERNET"
    told = "\n".join(answers.warnings)
    assert "unknown" not in told
    for line in path.read_text().splitlines():
        name, _, text = line.partition("=")
        if name in load_old_parameters() and name not in told:
            pytest.fail(f"{line} went without a word")
        if is_secret_name(name) and text:
            assert text not in told


@every_sample
def test_a_whole_file_of_every_release_loads(release, tmp_path):
    """Every name of the release, those of today with today's defaults."""
    lines = []
    sample = dict(
        line.split("=", 1)
        for line in (SAMPLES / f"{release}.txt").read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    for name in NAMES:
        if lives(name, release):
            default = PARAMETERS_BY_NAME[name].default if name in PARAMETERS_BY_NAME else ""
            known = "198.18.1.10" if default == "address" else "PW_PLACEHOLDER" if default == "random" else default
            lines.append(f"{name}={sample.get(name, known if known not in PARAMETERS_BY_NAME else 'PW_PLACEHOLDER')}")
    answers = resolve_answers([written(tmp_path, *lines)])
    # Folsom knew no Neutron at all, so its files choose nothing that would not be the default of today.
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
def test_what_samples_said_is_kept_under_todays_names(release, name, text):
    assert resolve_answers([SAMPLES / f"{release}.txt"]).text(name) == text


def test_a_plug_in_of_its_own_counts_before_ml2s_names(tmp_path):
    lines = ["CONFIG_NEUTRON_L2_PLUGIN=openvswitch", "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=vlan"]
    lines += ["CONFIG_NEUTRON_OVS_VLAN_RANGES=physnet1:100:199", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=vxlan"]
    told = told_of(tmp_path, *lines)
    assert told.answers["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"] == ("vlan", 3)
    assert told.answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"] == ("vlan,flat", 3)
    assert told.answers["CONFIG_NEUTRON_ML2_VLAN_RANGES"] == ("physnet1:100:199", 4)
    assert told.answers["CONFIG_NEUTRON_L2_AGENT"] == ("openvswitch", 2)
    assert any(":5: CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES is ignored" in warning for warning in told.warnings)


@pytest.mark.parametrize("plugin, counts", [("ml2", False), ("openvswitch", True), (None, True)])
def test_names_of_a_plug_in_count_only_beside_it(tmp_path, plugin, counts):
    lines = [f"CONFIG_NEUTRON_L2_PLUGIN={plugin}"] if plugin else []
    told = told_of(tmp_path, *lines, "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=gre")
    assert ("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" in told.answers) is counts
    assert counts or any("had no effect" in warning for warning in told.warnings)


def test_without_a_plug_in_ml2s_names_say_which_it_was(tmp_path):
    told = told_of(tmp_path, "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=gre", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vxlan")
    assert "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" not in told.answers


@pytest.mark.parametrize(
    "kind, name", [("gre", "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES"), ("vxlan", "CONFIG_NEUTRON_ML2_VNI_RANGES")]
)
@pytest.mark.parametrize("project", ["NEUTRON", "QUANTUM"])
def test_tunnel_ranges_go_where_the_kind_of_tunnel_reads_them(tmp_path, kind, name, project):
    told = told_of(
        tmp_path, f"CONFIG_{project}_OVS_TENANT_NETWORK_TYPE={kind}", f"CONFIG_{project}_OVS_TUNNEL_RANGES=5:50"
    )
    assert told.answers[name] == ("5:50", 3)
    assert [known for known in told.answers if known.endswith(("_VNI_RANGES", "TUNNEL_ID_RANGES"))] == [name]


def test_a_value_that_no_plug_in_knew_is_reported_with_the_way_out(tmp_path):
    told = told_of(tmp_path, "CONFIG_NEUTRON_L2_PLUGIN=openvswitch", "CONFIG_NEUTRON_OVS_TENANT_NETWORK_TYPE=fibre")
    assert any(
        "=fibre: " in warning and "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES" in warning for warning in told.warnings
    )


def test_old_names_that_are_read_alike_are_told_in_one_sentence(tmp_path):
    told = told_of(tmp_path, "CONFIG_KEYSTONE_HOST=198.18.1.10", "CONFIG_GLANCE_HOST=198.18.1.10")
    assert told.warnings == [
        f"{told.path}:2: CONFIG_KEYSTONE_HOST, CONFIG_GLANCE_HOST (line 3) are old names of CONFIG_CONTROLLER_HOST"
        " and are read as such"
    ]


def test_names_that_asked_for_nothing_are_told_together_and_others_alone(tmp_path):
    told = told_of(
        tmp_path, "CONFIG_NOVA_NETWORK_PUBIF=eth0", "CONFIG_NAGIOS_INSTALL=y", "CONFIG_NOVA_NETWORK_PRIVIF=eth1"
    )
    assert len(told.warnings) == 2
    assert ":3: CONFIG_NAGIOS_INSTALL=y: removed after ocata" in told.warnings[0]
    assert "CONFIG_NOVA_NETWORK_PUBIF, CONFIG_NOVA_NETWORK_PRIVIF (line 4): removed after newton" in told.warnings[1]


@pytest.mark.parametrize(
    "mappings, bridge, now, network",
    [
        ("", "br-ex", "extnet:br-ex", None),
        ("physnet1:br-eth1", "br-ex", "physnet1:br-eth1,extnet:br-ex", None),
        ("physnet1:br-ex", "br-ex", "physnet1:br-ex", "physnet1"),
        ("extnet:br-out", "br-out", "extnet:br-out", None),
    ],
)
def test_the_outer_network_of_older_files_gets_name_and_mapping(tmp_path, mappings, bridge, now, network):
    lines = [
        "CONFIG_USE_EPEL=n",
        f"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS={mappings}",
        f"CONFIG_NEUTRON_L3_EXT_BRIDGE={bridge}",
    ]
    told = told_of(tmp_path, *lines, "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vxlan")
    assert told.answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"][0] == now
    assert told.answers.get("CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", (None, 0))[0] == network
    assert told.answers["CONFIG_NEUTRON_ML2_TYPE_DRIVERS"][0] == "vxlan,flat"
    resolve_answers([told.path])


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET=extnet",
        "CONFIG_NEUTRON_L2_AGENT=linuxbridge",
        "CONFIG_NEUTRON_L3_EXT_BRIDGE=",
        "CONFIG_NEUTRON_L3_EXT_BRIDGE=provider",
    ],
)
def test_files_that_name_their_outer_network_or_have_none_keep_their_mappings(tmp_path, line):
    told = told_of(tmp_path, "CONFIG_USE_EPEL=n", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=", line)
    assert told.answers["CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS"] == ("", 3)


def test_files_of_today_keep_theirs():
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
def test_inner_workings_that_are_gone_are_replaced_and_told(tmp_path, name, was, now):
    answers = resolve_answers([written(tmp_path, f"{name}={was}")])
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
def test_another_network_or_storage_than_asked_for_is_a_fault_with_its_way_out(tmp_path, lines, way_out):
    with pytest.raises(AnswersError) as caught:
        resolve_answers([written(tmp_path, *lines)])
    (fault,) = caught.value.errors
    assert f":{len(lines) + 1}: " in fault and way_out in fault and "answers migrate" in fault


@pytest.mark.parametrize("line", ["CONFIG_CINDER_BACKEND=gluster", "CONFIG_MANILA_NETWORK_TYPE=nova-network"])
def test_what_does_not_count_forbids_nothing(tmp_path, line):
    assert resolve_answers([written(tmp_path, line)]).warnings == ()


@pytest.mark.parametrize("name", load_retired_values())
def test_retired_values_lead_to_values_of_today(name):
    parameter = PARAMETERS_BY_NAME[name]
    for rule in load_retired_values()[name]:
        assert len(rule.reason) > 15
        assert "\\" in rule.new_value or parse_value(parameter, rule.new_value) is not None
    assert modernize_value(name, parameter.default) is None


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_no_choice_of_today_is_retired_unsaid(parameter):
    """A choice that is offered and yet replaced has to be one that Packstack offers and OpenStack dropped."""
    dropped = {choice for choice in parameter.choices if modernize_value(parameter.name, choice)}
    assert dropped <= {"v2.0", "gluster", "nova-network"}


def test_lines_without_an_aim_are_told_by_line():
    told = rename_old_parameters({}, [OldLine("CONFIG_USE_EPEL", "y", 7)])
    (change,) = told.changes
    assert (change.kind, change.line_number, change.was_requested) == ("removed", 7, True)
