"""Every service is complete, and each omission is named in a sentence."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
import yaml

from packstack_lite import profiles
from packstack_lite.answers import PARAMETERS
from packstack_lite.services import SERVICES, barbican, declare, glance, nova, registry
from packstack_lite.services._base.spec import Api, Port, ServiceDatabase, ServiceSpec
from packstack_lite.smoke.runner import hostside_sources
from tests import service_checks as checks
from tests.clouds import OVN, THREE, cloud, node_context, profile_of
from tests.conftest import PROJECT
from tests.rendered import CASES, STORAGE, files, on, text
from tests.unit.test_services_options import CATALOGUED, LINUX_BRIDGE, NOT_OSLO

TABLE = {parameter.name: parameter for parameter in PARAMETERS}
SERVICES_DIR = PROJECT / "packstack_lite" / "services"
OPTION_LISTS = yaml.safe_load((SERVICES_DIR / "option_lists.yaml").read_text())["files"]
EVERYTHING = {
    **STORAGE,
    "CONFIG_CINDER_BACKEND": ("lvm",),
}
every_spec = pytest.mark.parametrize("spec", registry.SPECS, ids=lambda spec: spec.name)

# A service of which nothing exists but its spec.
ZAQAR = ServiceSpec(
    name="zaqar",
    answer="CONFIG_ZAQAR_INSTALL",
    apis=(Api("messaging", "zaqar", 8888, "/v2", "OpenStack Messaging"),),
    ports=(Port("zaqar-websocket", 9000, ("zaqar-websocket",)),),
    units=("zaqar-api",),
    user="zaqar",
    databases=(ServiceDatabase("zaqar", "zaqar", "CONFIG_ZAQAR_DB_PW"),),
    account_parameter="CONFIG_ZAQAR_KS_PW",
    template_dir="zaqar",
)


@lru_cache(maxsize=None)
def sources() -> Tuple[Tuple[str, str], ...]:
    """Return every module of the services: (path below packstack_lite/services, text)."""
    return tuple((path.relative_to(SERVICES_DIR).as_posix(), path.read_text()) for path in SERVICES_DIR.rglob("*.py"))


def registered() -> List[str]:
    """Return the modules in the registry, by path below packstack_lite/services."""
    return [str(module.__file__).rpartition("/services/")[2] for module in SERVICES.values()]


@lru_cache(maxsize=None)
def services_by_case() -> Dict[str, List[str]]:
    """Return the services of each golden case.

    Linux bridges are added: they are checked where a release has them.
    """
    contexts = {**{name: make() for name, make in CASES.items()}, "linuxbridge": cloud(LINUX_BRIDGE)}
    return {name: registry.services_on_node(context) for name, context in contexts.items()}


@lru_cache(maxsize=None)
def smoke_cases(table: str = r"\w*CASES") -> List[str]:
    """Return the names of the cases in the smoke test's tables whose names match."""
    return [
        row.elts[0].attr if isinstance(row.elts[0], ast.Attribute) else row.elts[0].id
        for source in hostside_sources().values()
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and re.fullmatch(table, getattr(node.targets[0], "id", ""))
        for row in node.value.elts
    ]


def optional_smoke_cases() -> List[str]:
    """Return the cases of modules of optional services: those of smoke_cloud run in every cloud."""
    return smoke_cases("CASES")


def template_dirs() -> List[str]:
    """Return the directories below templates."""
    return [path.name for path in (PROJECT / "templates").iterdir() if path.is_dir()]


def reference() -> str:
    """Return the reference page."""
    return (PROJECT / "docs/reference.md").read_text(encoding="utf-8")


def changes() -> str:
    """Return the change log."""
    return (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def rendered_paths() -> List[str]:
    """Return the files of a cloud with every service."""
    return list(files(cloud(EVERYTHING)))


def assert_nothing_missing(*checks_of_one_service) -> None:
    """Fail with every sentence, one per line."""
    sentences = [text for check in checks_of_one_service for text in check]
    assert not sentences, "\n".join(["", *sentences])


def test_services_are_in_the_order_of_their_needs():
    names = list(SERVICES)
    assert names[:6] == ["mariadb", "mariadb-client", "rabbitmq", "memcached", "openvswitch", "keystone"]
    assert names[-3:] == ["horizon", "client", "demo"]
    assert names.index("swift") < names.index("cinder") and names.index("ovn") < names.index("barbican")


def test_a_new_service_comes_after_the_core_and_before_horizon():
    names = registry.order_services([ZAQAR, *reversed(registry.SPECS)])
    assert [name for name in names if name != "zaqar"] == list(SERVICES)
    assert names.index("ovn") < names.index("zaqar") < names.index("horizon")


@pytest.mark.parametrize("after", [("nowhere",), ("zaqar",), ("demo",)])
def test_a_service_that_has_no_place_is_named(after):
    with pytest.raises(ValueError, match=f"after in a SPEC .*zaqar after .*{after[0]}"):
        registry.order_services([*registry.SPECS, replace(ZAQAR, after=after)])


def test_every_module_with_a_spec_is_registered():
    assert_nothing_missing(checks.unregistered_modules(dict(sources()), registered()))


@every_spec
def test_a_service_is_complete(spec):
    assert_nothing_missing(
        checks.missing_parameters(spec, TABLE),
        checks.missing_firewall_rows(spec),
        checks.missing_preflight_ports(spec),
        *(checks.missing_profile_entries(spec, profile_of(name)) for name in profiles.list_names()),
        checks.missing_templates(spec, template_dirs()),
        checks.missing_golden_cases(spec, services_by_case()),
        checks.missing_smoke_cases(spec, smoke_cases()),
        checks.missing_reference_row(spec, reference()),
        checks.missing_change(spec, changes()),
        *(checks.missing_logs(spec, profile_of(name)) for name in profiles.list_names()),
        *(checks.wrong_marker_tables(spec, profile_of(name)) for name in profiles.list_names()),
    )


@pytest.mark.parametrize("spec", [spec for spec in registry.SPECS if spec.apis], ids=lambda spec: spec.name)
def test_a_service_is_in_the_catalog_and_its_options_are_checked(spec):
    """Needs the parameters, the profile entries and the templates of the test before."""
    assert_nothing_missing(
        checks.missing_catalog_entries(spec, SERVICES[spec.name].declare(cloud(EVERYTHING))),
        checks.missing_option_checks(spec, rendered_paths(), {*CATALOGUED, *NOT_OSLO}, OPTION_LISTS),
    )


def test_a_stored_key_is_where_preflight_looks_for_it():
    """The node's file holds the answer in plain, in the option that the SPEC names."""
    context = cloud(EVERYTHING)
    rendered = files(context)
    assert {key.parameter for _, key in registry.STORED_KEYS} >= {"CONFIG_BARBICAN_KEK", "CONFIG_SWIFT_HASH"}
    for _, key in registry.STORED_KEYS:
        line = f"\n{key.option} = {context[key.parameter].reveal()}\n"
        assert line in text(rendered[key.path]), f"{key.path} has no line{line}: see stored_keys in the SPEC"


@pytest.mark.parametrize("name", profiles.list_names())
@every_spec
def test_an_optional_api_that_is_switched_off_leaves_nothing(spec, name):
    answers = {api.answer: False for api in spec.apis if api.answer}
    profile = profile_of(name)
    if not answers or (spec.may_lack_packages and spec.name not in profile.packages):
        return
    context = on(name, cloud({**EVERYTHING, **answers}))
    units = {**profile.units, **{unit: unit for api in spec.apis for unit in api.units}}
    apis = tuple(replace(api, units=tuple(units[unit] for unit in api.units)) for api in spec.apis)
    resources = SERVICES[spec.name].declare(context)
    assert_nothing_missing(checks.leftovers_of_apis(replace(spec, apis=apis), resources, profile.paths))


def test_what_is_left_of_an_optional_api_is_named():
    """Barbican's API, as if an answer switched it off."""
    context = cloud(EVERYTHING)
    api = replace(barbican.SPEC.apis[0], answer="CONFIG_BARBICAN_API_INSTALL")
    spec, resources = replace(barbican.SPEC, apis=(api,)), barbican.declare(context)
    sentences = list(
        checks.leftovers_of_apis(spec, resources, {"barbican-uwsgi": context.profile.path("barbican-uwsgi")})
    )
    assert [text.split()[2] for text in sentences] == [
        "file:/etc/barbican/barbican-api-uwsgi.ini",
        "unit:barbican-api",
    ]
    assert all("CONFIG_BARBICAN_API_INSTALL=n" in text for text in sentences)


def test_an_api_has_one_thread_where_more_would_fail():
    assert_nothing_missing(*(checks.apis_with_threads(profile_of(name)) for name in profiles.list_names()))


def test_cases_of_the_smoke_test_run_where_their_service_is():
    assert_nothing_missing(checks.misused_smoke_cases(registry.SPECS, optional_smoke_cases()))


def test_every_install_parameter_is_answered_or_refused():
    assert_nothing_missing(checks.unrefused_parameters(registry.SPECS, TABLE))


@every_spec
def test_units_that_a_service_declares_are_in_its_spec(spec):
    """So that status and doctor, which read the specs, do not overlook a unit."""
    context = cloud(
        LINUX_BRIDGE if "linuxbridge" in spec.l2_agents else {**EVERYTHING, **OVN} if "ovn" in spec.name else EVERYTHING
    )
    known = {context.profile.units.get(role) for role in (*spec.units, *spec.optional_units)}
    ours = set(context.profile.units.values())
    declared = {one.name.partition("@")[0] for one in SERVICES[spec.name].declare(context) if one.kind == "unit"}
    assert (declared & ours) - known == set()


# Each omission, left out once.


def sentence(sentences) -> str:
    """Return the only sentence of a check."""
    (only,) = sentences
    return str(only)


def test_a_module_that_is_not_registered_is_named():
    new = {"zaqar.py": "x = 1\nSPEC = ServiceSpec(\n"}
    text = sentence(checks.unregistered_modules(new, registered()))
    assert "services/zaqar.py" in text and "services/registry.py" in text


def test_a_port_without_a_firewall_row_is_named():
    text = sentence(checks.missing_firewall_rows(replace(nova.SPEC, internal_ports=nova.HYPERVISOR_PORTS)))
    assert "port 8775 (metadata) of nova" in text and "internal_ports" in text


def test_a_port_that_preflight_cannot_check_is_named():
    api = replace(glance.SPEC.apis[0], units=())
    text = sentence(checks.missing_preflight_ports(replace(glance.SPEC, apis=(api,))))
    assert "port 9292 (glance)" in text and "units=(...)" in text


@pytest.mark.parametrize("name", profiles.list_names())
@pytest.mark.parametrize(("table", "key"), [("packages", "glance"), ("units", "glance-api"), ("users", "glance")])
def test_a_missing_profile_entry_is_named(name, table, key):
    entries = {one: value for one, value in getattr(profile_of(name), table).items() if one != key}
    text = sentence(checks.missing_profile_entries(glance.SPEC, replace(profile_of(name), **{table: entries})))
    assert f"packstack_lite/profiles/{name}.yaml" in text and "services: glance:" in text


def test_a_missing_log_is_named():
    profile = profile_of("centos9s-epoxy")
    logs = {role: path for role, path in profile.logs.items() if role != "glance-api"}
    text = sentence(checks.missing_logs(glance.SPEC, replace(profile, logs=logs)))
    assert "openstack-glance-api" in text and "logs: glance-api:" in text


def test_a_marker_table_of_another_schema_is_named():
    profile = replace(profile_of("debian12-zed"), marker_tables={"glance": "keystone.alembic_version"})
    assert "marker_table: glance." in sentence(checks.wrong_marker_tables(glance.SPEC, profile))


def test_an_api_with_several_threads_on_zed_is_named():
    profile = profile_of("debian12-zed")
    uwsgi = {**profile.uwsgi, "barbican": replace(profile.uwsgi["barbican"], threads=8)}
    text = sentence(checks.apis_with_threads(replace(profile, uwsgi=uwsgi)))
    assert "barbican with 8 threads" in text and "debian12-zed.yaml" in text
    assert not checks.apis_with_threads(replace(profile, uwsgi=uwsgi, release="epoxy"))


def test_a_change_log_that_does_not_mention_a_service_is_named():
    text = sentence(checks.missing_change(barbican.SPEC, "Barbican"))
    assert "CHANGELOG.md" in text and "CONFIG_BARBICAN_INSTALL" in text


def test_an_answer_that_the_test_clouds_lack_is_named():
    with pytest.raises(AssertionError, match=r"add CONFIG_ZAQAR_SIZE to ANSWERS in tests/clouds\.py"):
        cloud()["CONFIG_ZAQAR_SIZE"]


def test_a_missing_catalog_entry_is_named():
    context = cloud({"CONFIG_BARBICAN_INSTALL": True})
    rest = [one for one in barbican.declare(context) if one.id != "endpoint:barbican-public"]
    assert "its API key-manager" in sentence(checks.missing_catalog_entries(barbican.SPEC, rest))
    rest = [one for one in barbican.declare(context) if one.id != "user:barbican"]
    assert "its account" in sentence(checks.missing_catalog_entries(barbican.SPEC, rest))


def test_a_missing_golden_case_is_named():
    without = {name: [one for one in made if one != "swift"] for name, made in services_by_case().items()}
    text = sentence(checks.missing_golden_cases(registry.SPECS_BY_NAME["swift"], without))
    assert "CONFIG_SWIFT_INSTALL=y" in text and "tests/rendered.py" in text and "tests.golden.update" in text


def test_a_missing_smoke_case_is_named():
    assert "smoke_cases" in sentence(checks.missing_smoke_cases(replace(glance.SPEC, smoke_cases=()), smoke_cases()))
    text = sentence(checks.missing_smoke_cases(glance.SPEC, [case for case in smoke_cases() if case != "image"]))
    assert "smoke/hostside" in text and "case image" in text


def test_a_smoke_case_that_would_run_in_another_cloud_is_named():
    shared = replace(barbican.SPEC, smoke_cases=("instance",))
    text = sentence(checks.misused_smoke_cases([nova.SPEC, shared], []))
    assert "instance of barbican is also a case of nova" in text
    without_api = replace(barbican.SPEC, apis=())
    assert "runs in clouds without barbican" in sentence(checks.misused_smoke_cases([without_api], ["secret"]))
    text = sentence(checks.misused_smoke_cases([barbican.SPEC], ["secret", "secret_order"]))
    assert "secret_order" in text and "smoke_cases" in text


def test_a_missing_template_directory_is_named():
    rest = [name for name in template_dirs() if name != "glance"]
    assert "templates/glance" in sentence(checks.missing_templates(glance.SPEC, rest))


def test_a_config_whose_options_are_not_checked_is_named():
    path = "/etc/glance/glance-api.conf"
    rest = {one: name for one, name in CATALOGUED.items() if one != path}
    paths = [one for one in rendered_paths() if one != "/etc/glance/glance-swift.conf"]
    text = sentence(checks.missing_option_checks(glance.SPEC, paths, rest, OPTION_LISTS))
    assert path in text and "templates/glance/etc/glance/glance-api.conf.j2" in text
    text = sentence(checks.missing_option_checks(glance.SPEC, paths, CATALOGUED, {}))
    assert "glance/*.conf" in text and "option_lists.yaml" in text


def test_a_missing_reference_row_is_named():
    page = re.sub(r"^\| `glance` \|.*\n", "", reference(), flags=re.M)
    assert "make reference" in sentence(checks.missing_reference_row(glance.SPEC, page))
    moved = replace(glance.SPEC, apis=(replace(glance.SPEC.apis[0], port=9999),))
    assert "make reference" in sentence(checks.missing_reference_row(moved, reference()))


@pytest.mark.parametrize("name", ["CONFIG_GLANCE_INSTALL", "CONFIG_GLANCE_DB_PW", "CONFIG_GLANCE_KS_PW"])
def test_a_missing_parameter_is_named(name):
    rest = {one: parameter for one, parameter in TABLE.items() if one != name}
    text = sentence(checks.missing_parameters(glance.SPEC, rest))
    assert name in text and "packstack_lite/answers/parameters" in text


def test_an_install_parameter_that_is_still_refused_is_named():
    refused = {**TABLE, "CONFIG_GLANCE_INSTALL": replace(TABLE["CONFIG_GLANCE_INSTALL"], supported_values=("n",))}
    text = sentence(checks.missing_parameters(glance.SPEC, refused))
    assert "CONFIG_GLANCE_INSTALL is refused" in text and "supported_values" in text
    rest = [spec for spec in registry.SPECS if spec.name != "glance"]
    assert "CONFIG_GLANCE_INSTALL" in sentence(checks.unrefused_parameters(rest, TABLE))


def test_a_new_spec_alone_is_told_everything_that_it_lacks():
    profile = profile_of("debian12-zed")
    sentences = [
        *checks.missing_firewall_rows(ZAQAR),
        *checks.missing_preflight_ports(ZAQAR),
        *checks.missing_profile_entries(ZAQAR, profile),
        *checks.missing_catalog_entries(ZAQAR, []),
        *checks.missing_golden_cases(ZAQAR, services_by_case()),
        *checks.missing_smoke_cases(ZAQAR, smoke_cases()),
        *checks.missing_templates(ZAQAR, template_dirs()),
        *checks.missing_option_checks(ZAQAR, ["/etc/zaqar/zaqar.conf"], CATALOGUED, OPTION_LISTS),
        *checks.missing_reference_row(ZAQAR, reference()),
        *checks.missing_parameters(ZAQAR, TABLE),
    ]
    assert len(sentences) == len(set(sentences)) == 17
    assert all("zaqar" in text.lower() for text in sentences)


def test_the_derived_tables_have_their_values():
    """Values that other programs rely on, written out once."""
    public = registry.public_ports(["horizon", "keystone", "nova", "swift", "cinder", "glance", "mariadb"], {})
    assert public == (80, 5000, 6080, 8080, 8774, 8776, 9292)
    assert registry.internal_ports(["mariadb", "swift", "cinder-lvm"]) == ["873", "3260", "3306", "6200-6202"]
    assert {port.number: port.role for port in registry.checked_ports() if port.role != "controller"} == {
        3306: "database",
        4369: "queue",
        5672: "queue",
        25672: "queue",
    }
    assert registry.catalog_types({"CONFIG_SWIFT_INSTALL": True}) == [
        *("identity", "image", "placement", "compute", "network", "object-store")
    ]
    assert registry.unsupported_answers({"CONFIG_GLANCE_INSTALL": False, "CONFIG_TROVE_INSTALL": True}) == [
        ("CONFIG_GLANCE_INSTALL", "y"),
        ("CONFIG_TROVE_INSTALL", "n"),
    ]


def test_a_node_gets_the_services_of_its_roles():
    names = {
        name: registry.services_on_node(node_context(name, {**OVN}, THREE)) for name in ("controller", "compute-1")
    }
    assert names["compute-1"] == ["openvswitch", "nova-compute", "ovn"]
    assert "mariadb-client" not in names["controller"] and "ovn-central" in names["controller"]


def test_an_api_that_is_switched_off_has_no_port_and_no_catalog_entry():
    optional = Api("cloudformation", "heat-cfn", 8000, "/v1", answer="CONFIG_HEAT_CFN_INSTALL")
    spec = replace(ZAQAR, apis=(*ZAQAR.apis, optional))
    assert spec.public_ports({"CONFIG_HEAT_CFN_INSTALL": False}) == [8888]
    assert spec.public_ports({"CONFIG_HEAT_CFN_INSTALL": True}) == [8888, 8000]
    assert [api.name for api in spec.enabled_apis({})] == ["zaqar"]


def test_a_required_service_that_is_switched_off_is_refused():
    with pytest.raises(Exception, match="CONFIG_NOVA_INSTALL=n"):
        declare(cloud({"CONFIG_NOVA_INSTALL": False}))


def test_the_checks_read_the_tree_that_is_here():
    assert (
        len(sources()) > 30
        and len(smoke_cases()) > 20
        and len(optional_smoke_cases()) > 5
        and Path(SERVICES_DIR, "registry.py").is_file()
    )
