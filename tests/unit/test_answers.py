"""Answers end to end: table, reader, precedence of sources, errors, writer."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from packstack_lite.answers import (
    PARAMETERS,
    PARAMETERS_BY_NAME,
    PasswordStore,
    derive_node_answers,
    render_answer_file,
    resolve_answers,
    write_answer_file,
)
from packstack_lite.answers.templates import is_template
from packstack_lite.answers.values import is_given, parse_value
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.secret import Secret
from tests.conftest import PROJECT
from tests.unit.check_each import check_each

FACTS = {
    fact["name"]: fact for fact in json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())["parameters"]
}
DIFFERENCES = yaml.safe_load((PROJECT / "packstack_lite/answers/differences.yaml").read_text())
# Choices that Packstack does not have.
ADDED_CHOICES = {"CONFIG_CINDER_BACKEND": ["ceph"]}


def write_answers(tmp_path: Path, *lines: str, section: str = "[general]") -> Path:
    path = tmp_path / "answers.txt"
    path.write_text("\n".join([section, *lines]) + "\n")
    return path


def test_the_table_agrees_with_packstack():
    def check(parameter):
        fact = FACTS[parameter.name]
        assert parameter.flag == fact["cli"]
        assert parameter.is_secret == fact["secret"]
        assert parameter.set_by_allinone == bool(fact["allinone"])
        if parameter.kind != "boolean":
            assert [word for word in parameter.choices if word not in ADDED_CHOICES.get(parameter.name, ())] == fact[
                "choices"
            ]
        packstack = {"<random>": "random", "<host_ip>": "address"}.get(fact["default_train"], fact["default_train"])
        if parameter.name in DIFFERENCES:
            assert parameter.default == DIFFERENCES[parameter.name]["here"] != fact["default_train"]
            assert DIFFERENCES[parameter.name]["reason"]
        else:
            assert parameter.default == packstack

    shared = [parameter for parameter in PARAMETERS if not parameter.extension]
    check_each(shared, check, lambda parameter: parameter.name)


def test_names_and_flags_are_unique_and_helps_complete():
    assert len(PARAMETERS_BY_NAME) == len(PARAMETERS) == len({parameter.flag for parameter in PARAMETERS})
    assert all(parameter.help.endswith((".", "]", ")")) and len(parameter.help) > 10 for parameter in PARAMETERS)


def test_defaults_are_valid_and_typed(tmp_path):
    answers = resolve_answers(node_answers=derive_node_answers(["198.18.1.10"]), address="198.18.1.10")
    assert answers["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert answers["CONFIG_COMPUTE_HOSTS"] == ("198.18.1.10",)
    assert answers["CONFIG_PROVISION_DEMO"] is True
    assert answers["CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO"] == 16.0
    assert isinstance(answers["CONFIG_KEYSTONE_ADMIN_PW"], Secret)
    assert answers.warnings == ()
    assert repr(answers["CONFIG_KEYSTONE_ADMIN_PW"]) == "***"


@pytest.mark.parametrize("sample", sorted((PROJECT / "answer-files").glob("*.txt")), ids=lambda path: path.name)
def test_sample_files_load_without_warnings(sample):
    assert resolve_answers([sample], address="198.18.1.10").warnings == ()


def test_every_error_is_reported_at_once_with_its_line(tmp_path):
    path = write_answers(
        tmp_path,
        "CONFIG_PROVISION_DEMO=maybe",
        "CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO=lots",
        "nonsense",
        "CONFIG_KEYSTONE_REGION=",
        "CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT=70000",
        "CONFIG_PROVISION_DEMO_FLOATRANGE=198.18.2.0/40",
        "CONFIG_CONTROLLER_HOST=198.18.1.300",
        "CONFIG_NEUTRON_L2_AGENT=openvswitch",
        "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS=openvswitch",
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vxlan,flat",
        "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=vxlan",
    )
    with pytest.raises(AnswersError) as failure:
        resolve_answers([path])
    text = "\n".join(failure.value.errors)
    for line, word in [
        (2, "neither y nor n"),
        (3, "not a number"),
        (4, "NAME=VALUE"),
        (5, "must not be empty"),
        (6, "not a port"),
        (7, "not a network"),
        (8, "neither an address"),
    ]:
        assert any(error.startswith(f"{path}:{line}:") and word in error for error in failure.value.errors), text
    assert len(failure.value.errors) == 7


def test_an_unknown_name_is_a_warning_with_the_nearest_one(tmp_path):
    path = write_answers(tmp_path, "CONFIG_NOVA_KS_PWD=x", "config_debug_mode = y")
    answers = resolve_answers([path])
    assert answers["CONFIG_DEBUG_MODE"] is True
    assert answers.warnings == (
        f"{path}:2: CONFIG_NOVA_KS_PWD is unknown and ignored; did you mean CONFIG_NOVA_KS_PW?",
    )


@pytest.mark.parametrize(
    "content, word",
    [(b"\x7fELF\x00\x01\x02", "not a text file"), (b"\xff\xfe\x00", "not a text file"), (None, "no such file")],
)
def test_an_unreadable_file_is_refused_with_a_hint(tmp_path, content, word):
    path = tmp_path / "answers"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=word) as failure:
        resolve_answers([path])
    assert "--gen-answer-file" in failure.value.hint


@pytest.mark.parametrize("text", ["CONFIG_DEBUG_MODE=y\n", "[other]\nCONFIG_DEBUG_MODE=y\n"])
def test_answers_outside_the_section_general_are_errors(tmp_path, text):
    path = tmp_path / "answers"
    path.write_text(text)
    with pytest.raises(AnswersError) as failure:
        resolve_answers([path])
    assert "[general]" in failure.value.errors[0]


def test_later_sources_override_earlier_ones(tmp_path):
    path = write_answers(
        tmp_path,
        "CONFIG_KEYSTONE_REGION=of-file",
        "CONFIG_CONTROLLER_HOST=198.18.1.20",
        "CONFIG_COMPUTE_HOSTS=198.18.1.20",
        "CONFIG_NETWORK_HOSTS=198.18.1.20",
    )
    answers = resolve_answers(
        [path], {"CONFIG_KEYSTONE_REGION": "of-flag"}, derive_node_answers(["198.18.1.10"]), "198.18.1.5"
    )
    assert (answers["CONFIG_KEYSTONE_REGION"], answers.origin("CONFIG_KEYSTONE_REGION")) == (
        "of-flag",
        "--keystone-region",
    )
    assert (answers["CONFIG_CONTROLLER_HOST"], answers.origin("CONFIG_CONTROLLER_HOST")) == ("198.18.1.20", f"{path}:3")
    assert answers.origin("CONFIG_AMQP_HOST") == "allinone"
    assert answers.origin("CONFIG_DEBUG_MODE") == "default"
    assert answers.origin("CONFIG_GLANCE_KS_PW") == "random"


def test_the_default_password_replaces_missing_passwords_only(tmp_path):
    path = write_answers(
        tmp_path, "CONFIG_DEFAULT_PASSWORD=one", "CONFIG_NOVA_KS_PW=PW_PLACEHOLDER", "CONFIG_GLANCE_KS_PW=own"
    )
    answers = resolve_answers([path])
    assert answers["CONFIG_NOVA_KS_PW"] == answers["CONFIG_NEUTRON_KS_PW"] == Secret("one")
    assert answers["CONFIG_GLANCE_KS_PW"] == Secret("own")
    assert len(answers["CONFIG_HORIZON_SECRET_KEY"].reveal()) == 32


def test_the_password_store_keeps_generated_passwords(tmp_path):
    path = write_answers(tmp_path, "CONFIG_DEBUG_MODE=n")
    first = resolve_answers([path], password_store=PasswordStore(tmp_path / "v" / "passwords.json"))
    second = resolve_answers([path], password_store=PasswordStore(tmp_path / "v" / "passwords.json"))
    assert dict(first) == dict(second)
    assert dict(first) != dict(resolve_answers([path]))
    assert stat.S_IMODE((tmp_path / "v" / "passwords.json").stat().st_mode) == 0o600
    assert path.read_text() == "[general]\nCONFIG_DEBUG_MODE=n\n", "the user's file was changed"


def test_written_files_are_private_and_read_back_the_same(tmp_path):
    answers = resolve_answers(address="198.18.1.10")
    write_answer_file(tmp_path / "out.txt", answers)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o600
    again = resolve_answers([tmp_path / "out.txt"], address="198.18.9.9")
    assert dict(again) == dict(answers)
    text = (tmp_path / "out.txt").read_text()
    assert text.count("\nCONFIG_") + text.count("\nEXCLUDE_") == len(PARAMETERS)
    assert list(tmp_path.glob(".out*")) == []


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


# A word that looks like a template is refused; "" in quotation marks is no answer.
GIVEN_WORDS = WORDS.filter(
    lambda word: word != "PW_PLACEHOLDER" and not is_template(word, True) and is_given(word, True)
)


@settings(max_examples=50)
@given(st.tuples(GIVEN_WORDS, GIVEN_WORDS, GIVEN_WORDS))
def test_passwords_of_any_printable_characters_read_back(tmp_path_factory, words):
    names = ("CONFIG_NOVA_KS_PW", "CONFIG_GLANCE_DB_PW", "CONFIG_MARIADB_PW")
    path = tmp_path_factory.mktemp("a") / "answers.txt"
    answers = resolve_answers(flags=dict(zip(names, words)))
    write_answer_file(path, answers)
    again = resolve_answers([path])
    for name, word in zip(names, words):
        assert again[name] == answers[name] == Secret(word), name


@pytest.mark.parametrize(
    "flags, word",
    [
        ({"CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "ovn,arista"}, "arista is not deployed"),
        (
            {
                "CONFIG_NEUTRON_L2_AGENT": "openvswitch",
                "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "geneve,flat",
                "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
            },
            "not among",
        ),
        (
            {
                "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
                "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "geneve,flat",
                "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "geneve",
            },
            "does not support geneve",
        ),
        (
            {"CONFIG_NEUTRON_L2_AGENT": "openvswitch", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vlan"},
            "needs ranges in CONFIG_NEUTRON_ML2_VLAN_RANGES",
        ),
        ({"CONFIG_NEUTRON_ML2_VNI_RANGES": "100:10"}, "FIRST:LAST"),
        ({"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": "extnet"}, "PHYSNET:BRIDGE"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": "no"}, "JSON list"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=198.18.9.1,end=198.18.9.9"]'}, "not a range"),
        ({"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS": '["start=172.24.4.1,end=172.24.4.9"]'}, "gateway"),
        ({"CONFIG_NOVA_INSTALL": "n"}, "must be y"),
        ({"CONFIG_GLANCE_BACKEND": "swift", "CONFIG_SWIFT_INSTALL": "n"}, "needs CONFIG_SWIFT_INSTALL=y"),
        ({"CONFIG_CINDER_INSTALL": "y", "CONFIG_CINDER_VOLUME_ENCRYPTION": "y"}, "needs CONFIG_BARBICAN_INSTALL=y"),
        ({"CONFIG_CINDER_INSTALL": "y", "CONFIG_CINDER_BACKEND": "vmdk"}, "use one of lvm, nfs, ceph"),
        ({"CONFIG_CINDER_INSTALL": "y", "CONFIG_CINDER_VOLUMES_SIZE": "20"}, "whole gigabytes"),
        ({"CONFIG_SWIFT_INSTALL": "y", "CONFIG_SWIFT_STORAGE_ZONES": "2"}, "within 1 and the number of devices, 1"),
        ({"CONFIG_SWIFT_INSTALL": "y", "CONFIG_SWIFT_STORAGE_REPLICAS": "2"}, "within 1 and the number of zones, 1"),
        ({"CONFIG_BARBICAN_INSTALL": "y", "CONFIG_BARBICAN_KEK": "c2hvcnQ="}, "has 5 bytes, not 32"),
        ({"CONFIG_BARBICAN_INSTALL": "y", "CONFIG_BARBICAN_KEK": "no base64!"}, "is not base64"),
    ],
)
def test_answers_that_contradict_each_other_are_errors(flags, word):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(flags=flags, node_answers=derive_node_answers(["198.18.1.10"]))
    assert len(failure.value.errors) == 1
    assert word in failure.value.errors[0]


def test_an_unsupported_service_is_a_warning():
    answers = resolve_answers(flags={"CONFIG_MANILA_INSTALL": "y"})
    assert len(answers.warnings) == 1
    assert "CONFIG_MANILA_INSTALL=y" in answers.warnings[0]


def test_an_unsupported_backend_among_others_is_a_warning():
    answers = resolve_answers(flags={"CONFIG_CINDER_INSTALL": "y", "CONFIG_CINDER_BACKEND": "nfs, ceph"})
    assert answers.warnings == ()
    answers = resolve_answers(flags={"CONFIG_CINDER_INSTALL": "y", "CONFIG_CINDER_BACKEND": "nfs,vmdk"})
    assert "CONFIG_CINDER_BACKEND=nfs,vmdk" in answers.warnings[0]


def test_a_key_is_generated_once_and_read_in_either_alphabet(tmp_path):
    password_file = tmp_path / "kept.json"
    flags = {"CONFIG_BARBICAN_INSTALL": "y", "CONFIG_DEFAULT_PASSWORD": "shared"}
    keys = [
        resolve_answers(flags=flags, password_store=PasswordStore(password_file))["CONFIG_BARBICAN_KEK"]
        for _ in range(2)
    ]
    assert keys[0] == keys[1]
    assert len(base64.urlsafe_b64decode(keys[0].reveal())) == 32
    standard = base64.b64encode(bytes(range(224, 256))).decode()
    assert "/" in standard and "+" in standard
    read = parse_value(PARAMETERS_BY_NAME["CONFIG_BARBICAN_KEK"], standard)
    assert base64.urlsafe_b64decode(read.reveal()) == bytes(range(224, 256))
    assert "CONFIG_BARBICAN_KEK=PW_PLACEHOLDER" in render_answer_file(resolve_answers())


def test_an_error_never_contains_a_secret():
    with pytest.raises(ValueError) as failure:
        parse_value(PARAMETERS_BY_NAME["CONFIG_NOVA_KS_PW"], "open\x07sesame")
    assert "sesame" not in str(failure.value)


def test_install_hosts_names_a_controller_and_computes():
    node_answers = derive_node_answers(["198.18.1.10", "198.18.1.11", "198.18.1.12"])
    assert node_answers["CONFIG_CONTROLLER_HOST"] == node_answers["CONFIG_AMQP_HOST"] == "198.18.1.10"
    assert node_answers["CONFIG_COMPUTE_HOSTS"] == "198.18.1.11,198.18.1.12"
