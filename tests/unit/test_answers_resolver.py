"""Resolved answers: sources, passwords, parameters that do not apply, complete Packstack files."""

from __future__ import annotations

import json
import stat

import pytest

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, PasswordStore, derive_node_answers, resolve_answers
from packstack_lite.answers.values import given_text
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.secret import Secret
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())["parameters"]


def write_answers(tmp_path, *lines):
    path = tmp_path / "answers.txt"
    path.write_text("\n".join(["[general]", *lines]) + "\n", encoding="utf-8")
    return path


def resolve_errors(**arguments):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(**arguments)
    return list(failure.value.errors)


COMPUTED = {"<random>": "0123456789abcdef", "<host_ip>": "198.18.1.10", None: ""}
CHOSEN = {
    "CONFIG_NEUTRON_L2_AGENT": "openvswitch",
    "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,flat",
    "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
    "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "openvswitch",
    "CONFIG_SSH_KEY": "/root/.ssh/id_rsa.pub",
    "CONFIG_TROVE_NOVA_PW": "PW_PLACEHOLDER",
    "CONFIG_TEMPEST_HOST": "",
    # The three answers that Packstack rewrites in the user's file.
    "CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE": "True",
    "CONFIG_NOVA_DB_PURGE_ENABLE": "True",
    "CONFIG_CINDER_DB_PURGE_ENABLE": "True",
}


def packstack_default(fact):
    """Return what a file written by Packstack contains; our default where Packstack computes one."""
    default = fact["default_train"]
    return PARAMETERS_BY_NAME[fact["name"]].default if default == "<computed>" else COMPUTED.get(default, default)


def test_a_complete_packstack_file_resolves_with_warnings_only(tmp_path):
    """All 315 answers with Packstack's defaults give warnings, but no error."""
    texts = {**{fact["name"]: packstack_default(fact) for fact in FACTS}, **CHOSEN}
    answers = resolve_answers([write_answers(tmp_path, *(f"{name}={text}" for name, text in texts.items()))])
    service_warnings = [warning for warning in answers.warnings if "not deployed by this release" in warning]
    assert [warning.split(": ")[1].split("=")[0] for warning in service_warnings] == [
        f"CONFIG_{service}_INSTALL" for service in ("CEILOMETER", "AODH")
    ]
    assert answers.warnings == tuple(service_warnings), "what nobody misses has no warning"
    assert answers["CONFIG_NOVA_DB_PURGE_ENABLE"] is True


def test_an_empty_number_or_address_means_the_default(tmp_path):
    names = [
        parameter.name for parameter in PARAMETERS if parameter.kind in ("integer", "float", "port", "cidr", "host")
    ]
    answers = resolve_answers([write_answers(tmp_path, *(f"{name}=" for name in names))], address="198.18.1.10")
    assert answers["CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO"] == 16.0
    assert answers["CONFIG_PROVISION_DEMO_FLOATRANGE"] == "172.24.4.0/24"
    assert answers["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert len(answers.warnings) == len([name for name in names if answers.applies(name)]) > 5
    assert all("is empty; the default is used: " in warning for warning in answers.warnings)


def test_an_empty_switch_is_no_as_with_packstack(tmp_path):
    assert resolve_answers([write_answers(tmp_path, "CONFIG_HORIZON_INSTALL=")])["CONFIG_HORIZON_INSTALL"] is False


@pytest.mark.parametrize("word, value", [("True", True), ("YES", True), ("y", True), ("False", False), ("no", False)])
def test_packstacks_words_for_yes_are_valid_where_it_writes_them(tmp_path, word, value):
    answers = resolve_answers([write_answers(tmp_path, f"CONFIG_NOVA_DB_PURGE_ENABLE={word}")])
    assert answers["CONFIG_NOVA_DB_PURGE_ENABLE"] is value


def test_packstacks_words_for_yes_are_invalid_elsewhere(tmp_path):
    assert "neither y nor n" in resolve_errors(files=[write_answers(tmp_path, "CONFIG_PROVISION_DEMO=True")])[0]


def test_a_puppet_fact_is_valid_only_where_the_default_is_one(tmp_path):
    answers = resolve_answers(
        [
            write_answers(
                tmp_path, "CONFIG_SERVICE_WORKERS=%{::x}", "CONFIG_KEYSTONE_ADMIN_PW=%{::x}", "CONFIG_MARIADB_USER=root"
            )
        ]
    )
    assert answers["CONFIG_SERVICE_WORKERS"] == "%{::x}"
    assert answers["CONFIG_KEYSTONE_ADMIN_PW"] == Secret("%{::x}")
    path = write_answers(tmp_path, "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=%{::x}", "CONFIG_CONTROLLER_HOST=%{::ip}")
    assert len(resolve_errors(files=[path])) == 2


def test_workers_are_a_number(tmp_path):
    assert resolve_answers([write_answers(tmp_path, "CONFIG_SERVICE_WORKERS=3")])["CONFIG_SERVICE_WORKERS"] == 3
    assert "whole number" in resolve_errors(files=[write_answers(tmp_path, "CONFIG_SERVICE_WORKERS=many")])[0]


def test_the_other_hosts_follow_the_controller(tmp_path):
    answers = resolve_answers(
        [write_answers(tmp_path, "CONFIG_CONTROLLER_HOST=cloud.example.org")], address="198.18.1.10"
    )
    assert answers["CONFIG_COMPUTE_HOSTS"] == ("cloud.example.org",)
    assert answers.warnings == ()


def test_an_invalid_controller_is_one_error(tmp_path):
    path = write_answers(tmp_path, "CONFIG_CONTROLLER_HOST=no host")
    assert resolve_errors(files=[path]) == [
        f"{path}:2: CONFIG_CONTROLLER_HOST: 'no host' is neither an address nor a host name"
    ]


def test_an_invalid_answer_that_does_not_apply_is_a_warning(tmp_path):
    path = write_answers(tmp_path, "CONFIG_CINDER_VOLUMES_SIZE=lots", "CONFIG_CINDER_VOLUME_NAME=")
    answers = resolve_answers([path])
    assert answers.warnings == (
        f"{path}:2: CONFIG_CINDER_VOLUMES_SIZE: 'lots' is not whole gigabytes such as 20G; ignored unless"
        " CONFIG_CINDER_INSTALL == y and lvm in CONFIG_CINDER_BACKEND",
    )
    assert answers["CONFIG_CINDER_VOLUMES_SIZE"] == ""
    assert answers.text("CONFIG_CINDER_VOLUMES_SIZE") == "lots"


def test_an_invalid_answer_that_applies_is_an_error(tmp_path):
    path = write_answers(
        tmp_path, "CONFIG_CINDER_INSTALL=y", "CONFIG_CINDER_VOLUMES_SIZE=lots", "CONFIG_CINDER_VOLUME_NAME="
    )
    assert [error.split(": ")[1] for error in resolve_errors(files=[path])] == [
        "CONFIG_CINDER_VOLUMES_SIZE",
        "CONFIG_CINDER_VOLUME_NAME",
    ]


def test_an_invalid_switch_hides_no_errors_that_depend_on_it(tmp_path):
    path = write_answers(tmp_path, "CONFIG_PROVISION_DEMO=perhaps", "CONFIG_PROVISION_DEMO_FLOATRANGE=everywhere")
    assert [error.split(":")[1] for error in resolve_errors(files=[path])] == ["2", "3"]


def test_errors_are_in_the_order_of_the_file(tmp_path):
    path = write_answers(tmp_path, "CONFIG_PROVISION_DEMO=perhaps", "nonsense", "CONFIG_DEBUG_MODE=perhaps")
    errors = resolve_errors(files=[path], flags={"CONFIG_HORIZON_INSTALL": "perhaps"})
    assert [error.split(": ")[0] for error in errors] == [f"{path}:2", f"{path}:3", f"{path}:4", "--os-horizon-install"]


def test_passwords_are_generated_only_for_installed_services(tmp_path):
    password_file = PasswordStore(tmp_path / "passwords.json")
    answers = resolve_answers(password_store=password_file)
    assert answers.text("CONFIG_CINDER_KS_PW") == "PW_PLACEHOLDER"
    assert answers["CONFIG_CINDER_KS_PW"] == Secret("")
    assert Secret("PW_PLACEHOLDER") not in answers.secrets()
    assert "CONFIG_CINDER_KS_PW" not in (tmp_path / "passwords.json").read_text()
    wanted = resolve_answers(flags={"CONFIG_CINDER_INSTALL": "y"}, password_store=password_file)
    assert len(wanted["CONFIG_CINDER_KS_PW"].reveal()) == 16
    assert answers["CONFIG_NOVA_KS_PW"] == wanted["CONFIG_NOVA_KS_PW"]


def test_the_message_queue_always_has_a_password():
    answers = resolve_answers(flags={"CONFIG_AMQP_ENABLE_AUTH": "n"})
    assert len(answers["CONFIG_AMQP_AUTH_PASSWORD"].reveal()) == 16


def test_keys_never_use_the_default_password():
    answers = resolve_answers(
        flags={"CONFIG_DEFAULT_PASSWORD": "one", "CONFIG_SWIFT_INSTALL": "y", "CONFIG_HEAT_INSTALL": "y"}
    )
    assert answers["CONFIG_SWIFT_KS_PW"] == Secret("one")
    assert answers.origin("CONFIG_SWIFT_KS_PW") == "CONFIG_DEFAULT_PASSWORD"
    for name in ("CONFIG_SWIFT_HASH", "CONFIG_HEAT_AUTH_ENC_KEY", "CONFIG_HORIZON_SECRET_KEY"):
        assert answers[name] != Secret("one"), name
        assert answers.origin(name) == "random"


@pytest.mark.parametrize("text", ["PW_PLACEHOLDER", ""])
def test_an_empty_default_password_is_none(text):
    answers = resolve_answers(flags={"CONFIG_DEFAULT_PASSWORD": text})
    assert answers["CONFIG_DEFAULT_PASSWORD"] == Secret("")
    assert answers.origin("CONFIG_NOVA_KS_PW") == "random"


def test_troves_nova_password_repeats_its_own():
    answers = resolve_answers(flags={"CONFIG_TROVE_INSTALL": "y", "CONFIG_TROVE_KS_PW": "a"})
    assert answers["CONFIG_TROVE_NOVA_PW"] == Secret("a")
    assert answers.origin("CONFIG_TROVE_NOVA_PW") == "CONFIG_TROVE_KS_PW"


def test_excluded_hosts_stay_in_the_lists_of_hosts():
    hosts = derive_node_answers(["198.18.1.10"])
    flags = {"CONFIG_COMPUTE_HOSTS": "198.18.1.10,198.18.1.11", "EXCLUDE_SERVERS": "198.18.1.11"}
    assert resolve_answers(flags=flags, node_answers=hosts)["CONFIG_COMPUTE_HOSTS"] == (
        "198.18.1.10",
        "198.18.1.11",
    )
    (error,) = resolve_errors(flags={"EXCLUDE_SERVERS": "198.18.1.10"}, node_answers=hosts)
    assert error.endswith("is the controller and cannot be excluded: nothing would be deployed")


def test_packstacks_way_to_add_a_compute_host_is_answered_with_ours(tmp_path):
    path = write_answers(
        tmp_path, "CONFIG_COMPUTE_HOSTS=198.18.1.11,198.18.1.12", "EXCLUDE_SERVERS=198.18.1.10,198.18.1.12"
    )
    (error,) = resolve_errors(files=[path], address="198.18.1.10")
    assert error.startswith(
        f"{path}:3: EXCLUDE_SERVERS: 198.18.1.10 is the controller and cannot be excluded: 198.18.1.11"
    )
    assert "Write EXCLUDE_SERVERS=198.18.1.12 and, in CONFIG_COMPUTE_HOSTS, every compute host, old and new" in error
    instead = {"EXCLUDE_SERVERS": "198.18.1.12", "CONFIG_COMPUTE_HOSTS": "198.18.1.10,198.18.1.11,198.18.1.12"}
    assert resolve_answers([path], flags=instead, address="198.18.1.10").warnings == ()


def test_no_password_is_stored_when_answers_have_an_error(tmp_path):
    password_file = tmp_path / "state" / "passwords.json"
    resolve_errors(flags={"CONFIG_PROVISION_DEMO": "perhaps"}, password_store=PasswordStore(password_file))
    assert not password_file.parent.exists()
    resolve_answers(password_store=PasswordStore(password_file))
    assert stat.S_IMODE(password_file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_a_damaged_password_file_is_never_replaced(tmp_path, content):
    path = tmp_path / "passwords.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not a valid password file") as failure:
        PasswordStore(path)
    assert failure.value.hint
    assert path.read_text() == content


def test_a_password_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be"):
        resolve_answers(password_store=PasswordStore(tmp_path / "file" / "passwords.json"))


def test_generated_passwords_are_unique_and_no_numbers():
    words = [answer.reveal() for answer in resolve_answers().secrets()]
    assert len(words) == len(set(words)) >= 14
    for word in words:
        with pytest.raises(ValueError):
            float(word)


def test_an_origin_is_described_through_the_parameters_that_an_answer_follows(tmp_path):
    path = write_answers(tmp_path, "CONFIG_DEFAULT_PASSWORD=one", "CONFIG_NEUTRON_L2_AGENT=openvswitch")
    node_answers = derive_node_answers(["198.18.1.10"])
    answers = resolve_answers(
        [path],
        settings=["CONFIG_TROVE_INSTALL=y", "CONFIG_DEBUG_MODE=y"],
        flags={"CONFIG_KEYSTONE_REGION": "a"},
        environment={"PACKSTACK_CONFIG_NTP_SERVERS": "a"},
        node_answers=node_answers,
        sandbox_answers={"CONFIG_PROVISION_IMAGE_URL": "/a"},
    )
    expected = {
        "CONFIG_TROVE_NOVA_PW": f"CONFIG_TROVE_KS_PW (CONFIG_DEFAULT_PASSWORD ({path}:2))",
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": f"CONFIG_NEUTRON_L2_AGENT ({path}:3)",
        "CONFIG_HORIZON_SECRET_KEY": "generated",
        "CONFIG_CONTROLLER_HOST": "--allinone or --install-hosts",
        "CONFIG_PROVISION_IMAGE_URL": "the sandbox",
        "CONFIG_SERVICE_WORKERS": "the default",
        "CONFIG_DEBUG_MODE": "--set",
        "CONFIG_KEYSTONE_REGION": "--keystone-region",
        "CONFIG_NTP_SERVERS": "$PACKSTACK_CONFIG_NTP_SERVERS",
    }
    assert {name: answers.describe_origin(name) for name in expected} == expected


# One parameter of each kind.
EACH_KIND = list({parameter.kind: parameter.name for parameter in PARAMETERS if not parameter.choices}.values())


@pytest.mark.parametrize("word", ['""', "''", "[]", "none", "NULL"])
def test_words_for_nothing_are_no_answer(word):
    """Of a secret they may be the secret, unless they are quotes around nothing."""
    for parameter in PARAMETERS:
        is_answer = parameter.is_secret and word not in ('""', "''")
        is_answer = is_answer or word in (parameter.default, *parameter.choices)
        assert given_text(parameter, word) == (word if is_answer else ""), parameter.name


@pytest.mark.parametrize("name", EACH_KIND)
def test_a_word_for_nothing_has_the_effect_of_an_empty_answer(name):
    outcomes = []
    for text in ("", '""'):
        try:
            answers = resolve_answers(node_answers=derive_node_answers(["198.18.1.10"]), settings=[f"{name}={text}"])
            outcomes.append((answers[name], answers.text(name), answers.warnings))
        except AnswersError as failure:
            outcomes.append(tuple(failure.errors))
    assert outcomes[0] == outcomes[1]


def test_a_template_is_one_error_that_names_every_value(tmp_path):
    path = write_answers(
        tmp_path,
        "CONFIG_KEYSTONE_ADMIN_PW={{ pw }}",
        "CONFIG_NOVA_KS_PW=$DB_PW",
        "CONFIG_KEYSTONE_REGION=<region>",
        "CONFIG_NEUTRON_OVN_BRIDGE_IFACES=br-ex:$NIC",
        "CONFIG_COMPUTE_HOSTS=198.18.1.10,{{ host }}",
        "CONFIG_CONTROLLER_HOST={{ ip }}",
        "CONFIG_MANILA_KS_PW={{ not needed }}",
    )
    (error,) = resolve_errors(files=[path], settings=["CONFIG_NOVA_DB_PW=<password>"])
    assert error.startswith(f"{path}:2: this looks like a template: fill in 7 values first: ")
    for place in ("CONFIG_KEYSTONE_ADMIN_PW (line 2)", "CONFIG_CONTROLLER_HOST (line 7)", "CONFIG_NOVA_DB_PW (--set)"):
        assert place in error
    assert "MANILA" not in error


@pytest.mark.parametrize("text", ["a$b", "$ecret", "x<y>z", "{}", "%{::x}", "$(touch /tmp/x) {{ y }}", "a{{b}}"])
def test_a_password_with_such_characters_is_no_template(text):
    answers = resolve_answers(environment={"PACKSTACK_CONFIG_NOVA_KS_PW": text})
    assert answers["CONFIG_NOVA_KS_PW"].reveal() == text


def test_variables_of_yum_are_no_template():
    assert resolve_answers(settings=["CONFIG_REPO=http://198.18.0.9/$releasever/$basearch/"]).warnings == ()


def test_text_behind_a_value_is_no_comment(tmp_path):
    path = write_answers(tmp_path, "CONFIG_PROVISION_DEMO=n #y", "CONFIG_DEBUG_MODE=y ; or n")
    for error in resolve_errors(files=[path]):
        assert error.endswith("is neither y nor n; text behind a value is no comment")
    path = write_answers(tmp_path, "CONFIG_NOVA_KS_PW=sesame # change me", "CONFIG_NOVA_DB_PW=a #1 ;2 b#c")
    (warning,) = resolve_answers([path]).warnings
    assert warning.startswith(f"{path}:2: CONFIG_NOVA_KS_PW: ")
    assert "text behind a value is no comment" in warning
    assert "sesame" not in warning
