"""The answers that count: layers, passwords, questions that do not count, whole Packstack files."""

from __future__ import annotations

import json
import stat

import pytest

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, PasswordStore, derive_node_answers, resolve_answers
from packstack_lite.errors import AnswersError, UsageError
from packstack_lite.secret import Secret
from tests.conftest import PROJECT

FACTS = json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())["parameters"]


def file_of(tmp_path, *lines):
    path = tmp_path / "answers.txt"
    path.write_text("\n".join(["[general]", *lines]) + "\n", encoding="utf-8")
    return path


def faults_of(**how):
    with pytest.raises(AnswersError) as failure:
        resolve_answers(**how)
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


def packstack_says(fact):
    """What a file written by Packstack holds; what it computes from the machine stands as ours."""
    default = fact["default_train"]
    return PARAMETERS_BY_NAME[fact["name"]].default if default == "<computed>" else COMPUTED.get(default, default)


def test_a_whole_packstack_file_is_taken(tmp_path):
    """All 315 answers with Packstack's defaults, on the agent that is there: warnings, no fault."""
    texts = {**{fact["name"]: packstack_says(fact) for fact in FACTS}, **CHOSEN}
    told = resolve_answers([file_of(tmp_path, *(f"{name}={text}" for name, text in texts.items()))])
    off = [warning for warning in told.warnings if "not deployed by this release" in warning]
    assert [warning.split(": ")[1].split("=")[0] for warning in off] == [
        f"CONFIG_{service}_INSTALL" for service in ("CEILOMETER", "AODH")
    ]
    (rest,) = [warning for warning in told.warnings if warning not in off]
    assert rest.startswith("ignored, since this release does not implement it: ")
    assert "CONFIG_SSH_KEY=/root/.ssh/id_rsa.pub" in rest
    assert rest.count("CONFIG_") == 1
    assert told["CONFIG_NOVA_DB_PURGE_ENABLE"] is True


def test_an_empty_answer_is_the_default_where_nothing_else_can_be_meant(tmp_path):
    names = [
        parameter.name for parameter in PARAMETERS if parameter.kind in ("integer", "float", "port", "cidr", "host")
    ]
    told = resolve_answers([file_of(tmp_path, *(f"{name}=" for name in names))], address="198.18.1.10")
    assert told["CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO"] == 16.0
    assert told["CONFIG_PROVISION_DEMO_FLOATRANGE"] == "172.24.4.0/24"
    assert told["CONFIG_CONTROLLER_HOST"] == "198.18.1.10"
    assert len(told.warnings) == len([name for name in names if told.applies(name)]) > 5
    assert all("is empty; the default is used: " in warning for warning in told.warnings)


def test_an_empty_switch_is_no_as_with_packstack(tmp_path):
    assert resolve_answers([file_of(tmp_path, "CONFIG_HORIZON_INSTALL=")])["CONFIG_HORIZON_INSTALL"] is False


@pytest.mark.parametrize("word, value", [("True", True), ("YES", True), ("y", True), ("False", False), ("no", False)])
def test_packstacks_own_words_for_yes_are_taken_where_it_writes_them(tmp_path, word, value):
    told = resolve_answers([file_of(tmp_path, f"CONFIG_NOVA_DB_PURGE_ENABLE={word}")])
    assert told["CONFIG_NOVA_DB_PURGE_ENABLE"] is value


def test_and_nowhere_else(tmp_path):
    assert "neither y nor n" in faults_of(files=[file_of(tmp_path, "CONFIG_PROVISION_DEMO=True")])[0]


def test_the_host_decides_only_where_it_can(tmp_path):
    told = resolve_answers(
        [
            file_of(
                tmp_path, "CONFIG_SERVICE_WORKERS=%{::x}", "CONFIG_KEYSTONE_ADMIN_PW=%{::x}", "CONFIG_MARIADB_USER=root"
            )
        ]
    )
    assert told["CONFIG_SERVICE_WORKERS"] == "%{::x}"
    assert told["CONFIG_KEYSTONE_ADMIN_PW"] == Secret("%{::x}")
    path = file_of(tmp_path, "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=%{::x}", "CONFIG_CONTROLLER_HOST=%{::ip}")
    assert len(faults_of(files=[path])) == 2


def test_workers_are_a_number(tmp_path):
    assert resolve_answers([file_of(tmp_path, "CONFIG_SERVICE_WORKERS=3")])["CONFIG_SERVICE_WORKERS"] == 3
    assert "whole number" in faults_of(files=[file_of(tmp_path, "CONFIG_SERVICE_WORKERS=many")])[0]


def test_the_other_hosts_follow_the_controller(tmp_path):
    told = resolve_answers([file_of(tmp_path, "CONFIG_CONTROLLER_HOST=cloud.example.org")], address="198.18.1.10")
    assert told["CONFIG_COMPUTE_HOSTS"] == ("cloud.example.org",)
    assert told.warnings == ()


def test_a_wrong_controller_is_one_fault(tmp_path):
    path = file_of(tmp_path, "CONFIG_CONTROLLER_HOST=no host")
    assert faults_of(files=[path]) == [
        f"{path}:2: CONFIG_CONTROLLER_HOST: 'no host' is neither an address nor a host name"
    ]


def test_what_does_not_count_is_a_warning_and_not_a_fault(tmp_path):
    path = file_of(tmp_path, "CONFIG_CINDER_VOLUMES_SIZE=lots", "CONFIG_CINDER_VOLUME_NAME=")
    told = resolve_answers([path])
    assert told.warnings == (
        f"{path}:2: CONFIG_CINDER_VOLUMES_SIZE: 'lots' is not whole gigabytes such as 20G; ignored unless"
        " CONFIG_CINDER_INSTALL == y and lvm in CONFIG_CINDER_BACKEND",
    )
    assert told["CONFIG_CINDER_VOLUMES_SIZE"] == ""
    assert told.text("CONFIG_CINDER_VOLUMES_SIZE") == "lots"


def test_and_a_fault_as_soon_as_it_counts(tmp_path):
    path = file_of(tmp_path, "CONFIG_CINDER_INSTALL=y", "CONFIG_CINDER_VOLUMES_SIZE=lots", "CONFIG_CINDER_VOLUME_NAME=")
    assert [fault.split(": ")[1] for fault in faults_of(files=[path])] == [
        "CONFIG_CINDER_VOLUMES_SIZE",
        "CONFIG_CINDER_VOLUME_NAME",
    ]


def test_a_fault_in_a_switch_hides_none_behind_it(tmp_path):
    path = file_of(tmp_path, "CONFIG_PROVISION_DEMO=perhaps", "CONFIG_PROVISION_DEMO_FLOATRANGE=everywhere")
    assert [fault.split(":")[1] for fault in faults_of(files=[path])] == ["2", "3"]


def test_faults_stand_in_the_order_of_the_file(tmp_path):
    path = file_of(tmp_path, "CONFIG_PROVISION_DEMO=perhaps", "nonsense", "CONFIG_DEBUG_MODE=perhaps")
    told = faults_of(files=[path], flags={"CONFIG_HORIZON_INSTALL": "perhaps"})
    assert [fault.split(": ")[0] for fault in told] == [f"{path}:2", f"{path}:3", f"{path}:4", "--os-horizon-install"]


def test_passwords_of_services_that_are_not_wanted_wait(tmp_path):
    vault = PasswordStore(tmp_path / "passwords.json")
    told = resolve_answers(password_store=vault)
    assert told.text("CONFIG_CINDER_KS_PW") == "PW_PLACEHOLDER"
    assert told["CONFIG_CINDER_KS_PW"] == Secret("")
    assert Secret("PW_PLACEHOLDER") not in told.secrets()
    assert "CONFIG_CINDER_KS_PW" not in (tmp_path / "passwords.json").read_text()
    wanted = resolve_answers(flags={"CONFIG_CINDER_INSTALL": "y"}, password_store=vault)
    assert len(wanted["CONFIG_CINDER_KS_PW"].reveal()) == 16
    assert told["CONFIG_NOVA_KS_PW"] == wanted["CONFIG_NOVA_KS_PW"]


def test_the_message_queue_always_has_a_password():
    told = resolve_answers(flags={"CONFIG_AMQP_ENABLE_AUTH": "n"})
    assert len(told["CONFIG_AMQP_AUTH_PASSWORD"].reveal()) == 16


def test_keys_never_take_the_default_password():
    told = resolve_answers(
        flags={"CONFIG_DEFAULT_PASSWORD": "one", "CONFIG_SWIFT_INSTALL": "y", "CONFIG_HEAT_INSTALL": "y"}
    )
    assert told["CONFIG_SWIFT_KS_PW"] == Secret("one")
    assert told.origin("CONFIG_SWIFT_KS_PW") == "CONFIG_DEFAULT_PASSWORD"
    for name in ("CONFIG_SWIFT_HASH", "CONFIG_HEAT_AUTH_ENC_KEY", "CONFIG_HORIZON_SECRET_KEY"):
        assert told[name] != Secret("one"), name
        assert told.origin(name) == "random"


@pytest.mark.parametrize("text", ["PW_PLACEHOLDER", ""])
def test_a_default_password_that_is_none(text):
    told = resolve_answers(flags={"CONFIG_DEFAULT_PASSWORD": text})
    assert told["CONFIG_DEFAULT_PASSWORD"] == Secret("")
    assert told.origin("CONFIG_NOVA_KS_PW") == "random"


def test_trove_asks_nova_with_its_own_password():
    told = resolve_answers(flags={"CONFIG_TROVE_INSTALL": "y", "CONFIG_TROVE_KS_PW": "a"})
    assert told["CONFIG_TROVE_NOVA_PW"] == Secret("a")
    assert told.origin("CONFIG_TROVE_NOVA_PW") == "CONFIG_TROVE_KS_PW"


def test_excluded_hosts_stay_in_the_lists_as_the_others_know_them():
    hosts = derive_node_answers(["198.18.1.10"])
    flags = {"CONFIG_COMPUTE_HOSTS": "198.18.1.10,198.18.1.11", "EXCLUDE_SERVERS": "198.18.1.11"}
    assert resolve_answers(flags=flags, node_answers=hosts)["CONFIG_COMPUTE_HOSTS"] == (
        "198.18.1.10",
        "198.18.1.11",
    )
    assert "cannot be excluded" in faults_of(flags={"EXCLUDE_SERVERS": "198.18.1.10"}, node_answers=hosts)[0]


def test_nothing_is_kept_when_the_answers_have_a_fault(tmp_path):
    vault = tmp_path / "state" / "passwords.json"
    faults_of(flags={"CONFIG_PROVISION_DEMO": "perhaps"}, password_store=PasswordStore(vault))
    assert not vault.parent.exists()
    resolve_answers(password_store=PasswordStore(vault))
    assert stat.S_IMODE(vault.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_a_broken_vault_is_never_replaced(tmp_path, content):
    path = tmp_path / "passwords.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not a valid password file") as failure:
        PasswordStore(path)
    assert failure.value.hint
    assert path.read_text() == content


def test_a_vault_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be"):
        resolve_answers(password_store=PasswordStore(tmp_path / "file" / "passwords.json"))


def test_random_passwords_are_no_numbers():
    words = [answer.reveal() for answer in resolve_answers().secrets()]
    assert len(words) == len(set(words)) >= 14
    for word in words:
        with pytest.raises(ValueError):
            float(word)
