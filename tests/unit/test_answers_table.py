"""The parameter table compared with Packstack's facts and with what the services implement."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from packstack_lite import services
from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, derive_node_answers, describe_parameter
from packstack_lite.answers.conditions import condition_is_met
from packstack_lite.answers.values import parse_value
from tests.conftest import PROJECT
from tests.unit.check_each import check_each

PACKSTACK_FACTS = json.loads((PROJECT / "tests/facts/packstack-params.json").read_text())
FACTS = {fact["name"]: fact for fact in PACKSTACK_FACTS["parameters"]}
DIFFERENCES = yaml.safe_load((PROJECT / "packstack_lite/answers/differences.yaml").read_text())
# RabbitMQ always requires a name and a password here, whatever CONFIG_AMQP_ENABLE_AUTH says.
ALWAYS_APPLY = {"CONFIG_AMQP_AUTH_USER", "CONFIG_AMQP_AUTH_PASSWORD"}
# Empty: taken from the node's host name. Packstack computes a default from the machine it runs on.
MAY_BE_EMPTY = {"CONFIG_SSL_CERT_SUBJECT_CN", "CONFIG_SSL_CERT_SUBJECT_MAIL"}

EXTENSIONS = {parameter.name for parameter in PARAMETERS if parameter.extension}
PACKSTACK_PARAMETERS = [parameter for parameter in PARAMETERS if not parameter.extension]


def check_parameters(parameters, check):
    check_each(parameters, check, lambda parameter: parameter.name)


def test_the_table_has_exactly_packstacks_parameters_and_our_own():
    assert PACKSTACK_FACTS["_source"]
    assert set(PARAMETERS_BY_NAME) - EXTENSIONS == set(FACTS)
    assert not EXTENSIONS & set(FACTS)
    assert len(PACKSTACK_PARAMETERS) == 315


def undocumented_extensions(names, differences, page):
    """Return a sentence for each of our own parameters that the differences or docs/packstack.md lack."""
    shown = [name.replace("*", ".*") for name in re.findall(r"`(CONFIG_[A-Z0-9_*]+)`", page)]
    problems = []
    for name in sorted(names):
        if differences.get(name, {}).get("packstack", "") is not None:
            problems.append(f"{name}: add it to packstack_lite/answers/differences.yaml with packstack: null")
        if not any(re.fullmatch(pattern, name) for pattern in shown):
            problems.append(f"{name}: name it in docs/packstack.md, below 'Compare parameters'")
    if f" and {len(names)} more" not in " ".join(page.split()):
        problems.append(f"docs/packstack.md: write 'and {len(names)} more' below 'Compare parameters'")
    return problems


def test_every_parameter_of_our_own_is_documented():
    assert EXTENSIONS
    problems = undocumented_extensions(EXTENSIONS, DIFFERENCES, (PROJECT / "docs/packstack.md").read_text())
    assert not problems, "\n" + "\n".join(problems)


def test_an_undocumented_parameter_of_our_own_is_named():
    assert undocumented_extensions({"CONFIG_NEW"}, {}, "315 parameters and 2 more: `CONFIG_NE*_X`") == [
        "CONFIG_NEW: add it to packstack_lite/answers/differences.yaml with packstack: null",
        "CONFIG_NEW: name it in docs/packstack.md, below 'Compare parameters'",
        "docs/packstack.md: write 'and 1 more' below 'Compare parameters'",
    ]


# Packstack's parameters without effect and without a warning, each with its reason.
WITHOUT_EFFECT = {
    "CONFIG_AMQP_BACKEND": "RabbitMQ is its only choice",
    "CONFIG_AMQP_ENABLE_AUTH": "RabbitMQ always requires a name and a password; its help says so",
    "CONFIG_KEYSTONE_ADMIN_TOKEN": "Keystone's bootstrap needs no token; its help says so",
    "CONFIG_KEYSTONE_TOKEN_FORMAT": "FERNET is its only choice",
    "CONFIG_SAHARA_HOST": "Sahara is not deployed: CONFIG_SAHARA_INSTALL warns",
    "CONFIG_NOVA_DB_PURGE_ENABLE": "no cron job yet; docs/packstack.md says so",
    "CONFIG_CINDER_DB_PURGE_ENABLE": "no cron job yet; docs/packstack.md says so",
}
# CONFIG_SSL_*: certificates are made only with parameters that are refused. UEC: the demo has one image.
WITHOUT_EFFECT_PATTERN = re.compile(r"CONFIG_SSL_\w+|CONFIG_PROVISION_UEC_IMAGE_\w+")


def condition_words(condition):
    """Yield each parameter in a condition with the answer that it has to have, "" for any."""
    for word, name, other, answer, alone in re.findall(
        r"(\w+) in (CONFIG_\w+)|(CONFIG_\w+) == (\w+)|(CONFIG_\w+)(?! (?:==|in))", condition
    ):
        yield name or other or alone, word or answer


def unread_parameters(table, text):
    """Return a sentence for each parameter that ``text`` (the package's source) does not read.

    A parameter may go unread that is refused (``supported_values``), or that applies only if such a one is set.
    """
    composed = re.findall(r"CONFIG_[A-Z0-9]+_(?:[A-Z0-9_]|\{[^}]*\})*\{[^}]*\}[A-Z0-9_]*", text)
    patterns = [re.sub(r"\{[^}]*\}", "[A-Z0-9_]+", name) for name in composed]
    read = set(re.findall(r"\b[A-Z]+_[A-Z0-9_]+", text))

    def is_refused(name):
        return table[name].supported_values is not None or any(
            other != name and other in table and is_refused_answer(table[other], word)
            for other, word in condition_words(table[name].condition)
        )

    def is_refused_answer(parameter, word):
        supported = parameter.supported_values
        if supported is None:
            return parameter.name not in read and is_refused(parameter.name)
        return word not in supported if word else supported == ("",)

    return [
        f"nothing reads {name}: use it, or add it to WITHOUT_EFFECT in tests/unit/test_answers_table.py"
        if parameter.is_secret
        else f'nothing reads {name}: use it, or add supported_values: ["{parameter.default}"] to it below'
        " packstack_lite/answers/parameters"
        for name, parameter in table.items()
        if name not in read and not is_refused(name) and not any(re.fullmatch(one, name) for one in patterns)
    ]


def package_source():
    """Return the text of code, templates and profiles, without the table of parameters."""
    package = PROJECT / "packstack_lite"
    paths = [*package.rglob("*.py"), *(PROJECT / "templates").rglob("*.j2"), *(package / "profiles").rglob("*.yaml")]
    return "\n".join(path.read_text() for path in paths)


def test_every_parameter_is_read_or_refused():
    problems = {
        name: problem
        for problem in unread_parameters(PARAMETERS_BY_NAME, package_source())
        for name in re.findall(r"^nothing reads (\w+):", problem)
    }
    outdated = [
        f"WITHOUT_EFFECT names {name}, which is read or refused" for name in set(WITHOUT_EFFECT) - set(problems)
    ]
    new = [
        problem
        for name, problem in problems.items()
        if name not in WITHOUT_EFFECT and not WITHOUT_EFFECT_PATTERN.fullmatch(name)
    ]
    assert not new + outdated, "\n" + "\n".join(new + outdated)


def test_a_parameter_that_nothing_reads_is_named():
    zone = replace(PARAMETERS_BY_NAME["CONFIG_REPO_DIRECTORY"], name="CONFIG_TIMEZONE")
    assert unread_parameters({"CONFIG_TIMEZONE": zone}, "CONFIG_TIMEZONES, CONFIG_{name}") == [
        'nothing reads CONFIG_TIMEZONE: use it, or add supported_values: [""] to it below'
        " packstack_lite/answers/parameters"
    ]
    assert not unread_parameters({"CONFIG_TIMEZONE": zone}, 'context["CONFIG_TIMEZONE"]')
    assert not unread_parameters({"CONFIG_TIMEZONE": replace(zone, supported_values=("",))}, "")
    assert not unread_parameters({"CONFIG_OVS_TIMEZONE": zone}, 'f"CONFIG_OVS_{suffix}"')


def test_rules_agree_with_packstack():
    def check(parameter):
        fact = FACTS[parameter.name]
        condition = fact["group_condition"]
        assert parameter.condition == ("" if condition == "always" or parameter.name in ALWAYS_APPLY else condition)
        assert parameter.required == ("validate_not_empty" in fact["validators"] and parameter.name not in MAY_BE_EMPTY)
        assert list(parameter.old_names) == fact["deprecates"]
        assert parameter.accepts_boolean_words == ("process_bool" in fact["processors"])
        if parameter.default == "random":
            computed = fact["computed_as"]
            assert parameter.ignores_default_password == ("CONFIG_DEFAULT_PASSWORD" not in computed)
            assert parameter.length == int(re.search(r"(\d+) lowercase hex", computed).group(1))

    check_parameters(PACKSTACK_PARAMETERS, check)


KINDS = {
    "validate_integer": {"integer"},
    "validate_float": {"float"},
    "validate_port": {"port"},
    "validate_ip": {"ip"},
    "validate_ssh": {"host"},
    "validate_multi_ssh": {"hosts"},
    "validate_multi_options": {"list", "password"},
}


def test_kinds_are_as_strict_as_packstacks_validators():
    def check(parameter):
        for validator in FACTS[parameter.name]["validators"]:
            assert parameter.kind in KINDS.get(validator, {parameter.kind}), validator

    check_parameters(PACKSTACK_PARAMETERS, check)


def test_every_default_is_a_valid_answer():
    def check(parameter):
        if parameter.computed or (parameter.required and not parameter.default):
            assert parameter.default in ("random", "address", "", "CONFIG_TROVE_KS_PW")
            return
        value = parse_value(parameter, parameter.default)
        assert value is not None
        assert (
            parameter.supported_values is None
            or parameter.default in parameter.supported_values
            or parameter.name in DIFFERENCES
        )

    check_parameters(PARAMETERS, check)


def test_conditions_name_parameters_and_can_be_evaluated():
    def check(parameter):
        texts = {other.name: other.default for other in PARAMETERS}
        assert isinstance(condition_is_met(parameter.condition, texts), bool)
        for name in re.findall(r"\b[A-Z]+_[A-Z0-9_]+\b", parameter.condition):
            assert name in PARAMETERS_BY_NAME

    check_parameters(PARAMETERS, check)


def test_patterns_compile_and_have_a_description():
    def check(parameter):
        assert bool(parameter.pattern) == bool(parameter.pattern_description)
        if parameter.pattern and parameter.is_secret:
            with pytest.raises(ValueError) as error:
                parse_value(parameter, "geheimniß")
            assert "geheim" not in str(error.value)
        re.compile(parameter.pattern)

    check_parameters(PARAMETERS, check)


@pytest.mark.parametrize(
    "condition, met",
    [
        ("", True),
        ("A", True),
        ("EMPTY", False),
        ("A == y", True),
        ("A == n", False),
        ("lvm in LIST", True),
        ("lv in LIST", False),
        ("A in [x, y]", True),
        ("A in [x, z]", False),
        ("A == n or lvm in LIST", True),
        ("A == n or A == y and EMPTY", False),
        ("A == y and nfs in LIST and A in [y]", True),
    ],
)
def test_conditions_are_evaluated(condition, met):
    assert condition_is_met(condition, {"A": "y", "EMPTY": "", "LIST": "lvm, nfs"}) is met


def test_differences_match_the_table_and_have_a_reason():
    for name, difference in DIFFERENCES.items():
        assert difference["packstack"] == FACTS.get(name, {}).get("default_train"), name
        assert difference["here"] == PARAMETERS_BY_NAME[name].default
        assert len(difference["reason"]) > 5


def test_supported_values_agree_with_the_services():
    """A newly supported service must be supported in the table, and the other way round."""
    switches = [parameter for parameter in PARAMETERS if re.fullmatch(r"CONFIG_[A-Z]+_INSTALL", parameter.name)]
    assert len(switches) == 18
    for parameter in switches:
        refused = parameter.name in {name for name, _ in services.unsupported_answers({parameter.name: True})}
        assert refused == (parameter.supported_values == ("n",)), parameter.name


def test_allinone_sets_nodes_of_the_cloud_and_no_storage_backend():
    node_answers = derive_node_answers(["198.18.1.10"])
    assert set(node_answers) == {
        "CONFIG_CONTROLLER_HOST",
        "CONFIG_COMPUTE_HOSTS",
        "CONFIG_NETWORK_HOSTS",
        "CONFIG_STORAGE_HOST",
        "CONFIG_SAHARA_HOST",
        "CONFIG_MARIADB_HOST",
        "CONFIG_AMQP_HOST",
        "CONFIG_TEMPEST_HOST",
        "CONFIG_REDIS_HOST",
    }


def test_the_description_has_choices_condition_and_supported_values():
    description = describe_parameter(PARAMETERS_BY_NAME["CONFIG_CINDER_BACKEND"])
    assert description.endswith(
        "solidfire, ceph. Applies when CONFIG_CINDER_INSTALL=y. Supported so far: lvm, nfs, ceph."
    )
    assert describe_parameter(PARAMETERS_BY_NAME["CONFIG_MANILA_INSTALL"]).endswith("(y/n) Not supported yet.")


@pytest.mark.parametrize(
    "old, new", [("CONFIG_MYSQL_PW", "CONFIG_MARIADB_PW"), ("CONFIG_SSL_KEY", "CONFIG_HORIZON_SSL_KEY")]
)
def test_old_names_are_known(old, new):
    assert old in PARAMETERS_BY_NAME[new].old_names


def test_help_texts_are_short_sentences():
    for parameter in PARAMETERS:
        assert 10 < len(parameter.help) <= 200, parameter.name
        assert parameter.help[0].isupper() or parameter.help.startswith(("PHYSNET", "BRIDGE")), parameter.name
