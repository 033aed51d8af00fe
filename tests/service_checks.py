"""Checks of a service's spec, which return sentences about what is missing.

A sentence says what to add and where.

Used by tests/unit/test_service_spec.py, for every service and for each omission.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers import Parameter
from packstack_lite.profiles import Profile
from packstack_lite.resources import ApiObject
from packstack_lite.resources.base import Resource
from packstack_lite.services._base.catalog import INTERFACES
from packstack_lite.services._base.spec import ServiceSpec

# Ports that preflight does not check, with the reason.
PORTS_WITHOUT_CHECK: Mapping[str, str] = {
    "ceph": "check_volume_backends looks at the cluster",
    "ceph-old": "check_volume_backends looks at the cluster",
}
# Services whose files are not read by oslo.config, with the reason.
WITHOUT_OPTION_LISTS: Mapping[str, str] = {"swift": "it reads its files with a parser of its own"}
# Smoke cases of optional services without an API, which raise Skip where the service is not.
CASES_THAT_SKIP_THEMSELVES = ("horizon",)
# Services whose units write no log file on EL, with the source.
LOGS_TO_JOURNAL: Mapping[str, str] = {
    "barbican": "RDO's package has no dist.conf; gunicorn's logs are '-'",
    "swift": "it logs to syslog",
}
# Services that a user of the cloud does not see, so that no case of the smoke test is theirs alone.
WITHOUT_SMOKE_CASE = ("mariadb", "mariadb-client", "rabbitmq", "memcached", "client", "demo")


def unregistered_modules(sources: Mapping[str, str], registered: Collection[str]) -> List[str]:
    """Name modules that define a SPEC and that the registry did not find.

    ``sources`` maps paths below packstack_lite/services to their text, ``registered`` are the paths in the registry.
    """
    return [
        f"services/registry.py does not find the SPEC of services/{path}: give it a name that no other SPEC has, and"
        " its directory an __init__.py"
        for path, text in sources.items()
        if "\nSPEC = ServiceSpec(" in text and path not in registered
    ]


def missing_firewall_rows(spec: ServiceSpec) -> List[str]:
    """Name ports that are neither public nor covered by the internal ports."""
    texts = [*spec.internal_ports, *(text for group in spec.group_ports.values() for text in group)]
    ranges = [_parse_range(text) for text in texts]
    return [
        f"port {port.number} ({port.name}) of {spec.name} has no firewall row: make it is_public=True, or add it to"
        f" internal_ports in the SPEC of {spec.name}"
        for port in spec.listening_ports()
        if not port.is_public and not any(first <= port.number <= last for first, last in ranges)
    ]


def missing_preflight_ports(spec: ServiceSpec) -> List[str]:
    """Name ports whose holder preflight cannot recognise."""
    return [
        f"preflight does not check port {port.number} ({port.name}) of {spec.name}: name the units that may hold it,"
        f" units=(...), in the SPEC of {spec.name}"
        for port in spec.listening_ports()
        if not port.units and port.name not in PORTS_WITHOUT_CHECK
    ]


def missing_profile_entries(spec: ServiceSpec, profile: Profile) -> Iterator[str]:
    """Name packages, units and the user that a profile lacks."""
    where = f"in packstack_lite/profiles/{profile.name}.yaml, or in the family that it extends"
    if spec.may_lack_packages and spec.name not in profile.packages:
        return
    for group in spec.all_package_groups:
        if not profile.packages.get(group):
            yield f"{profile.name} has no packages for {spec.name}: add services: {group}: packages: [...] {where}"
    held_by = [unit for port in spec.listening_ports() for unit in port.units if "." not in unit]
    for unit in dict.fromkeys([*spec.units, *held_by]):
        if unit not in profile.units:
            yield f"{profile.name} has no unit {unit}: add services: {spec.name}: units: {unit}: NAME {where}"
    if spec.user and spec.user not in profile.users:
        yield f"{profile.name} has no user {spec.user}: add services: {spec.name}: user: NAME {where}"


def wrong_marker_tables(spec: ServiceSpec, profile: Profile) -> List[str]:
    """Name a marker table in another schema than the service's own.

    Which table the migrations of a release make is in no file of facts: alembic's are ``alembic_version``,
    sqlalchemy-migrate's ``migrate_version``.
    """
    table = profile.marker_tables.get(spec.name, "")
    schemas = {database.schema for database in spec.databases}
    if not table or table.partition(".")[0] in schemas:
        return []
    return [
        f"{profile.name} waits for {table}, which is not in a schema of {spec.name}: set marker_table:"
        f" {min(schemas, default=spec.name)}.TABLE in its block {spec.name}"
    ]


def missing_logs(spec: ServiceSpec, profile: Profile) -> List[str]:
    """Name units whose log is not the one that their name suggests.

    EL's units are named openstack-NAME, their logs NAME.log or shorter: the family's ``log_pattern`` does not fit.
    """
    if spec.name in LOGS_TO_JOURNAL:
        return []
    return [
        f"{profile.name} has no log of {profile.units[role]}: add services: {spec.name}: logs: {role}: PATH to"
        f" packstack_lite/profiles, or {spec.name} to LOGS_TO_JOURNAL in tests/service_checks.py"
        for role in (*spec.units, *spec.optional_units)
        if profile.units.get(role, "").startswith("openstack-") and role not in profile.logs
    ]


def apis_with_threads(profile: Profile) -> List[str]:
    """Name APIs that need one thread per process and have several.

    Zed's oslo.log replaces the locks of logging by eventlet's, which fail between threads (profiles/debian12-zed.yaml).
    """
    if profile.release != "zed":
        return []
    return [
        f"{profile.name} runs {name} with {api.threads} threads per process, which fails with Zed's oslo.log: set"
        f" api_threads: 1 in packstack_lite/profiles/{profile.name}.yaml"
        for name, api in {**profile.uwsgi, **profile.mod_wsgi}.items()
        if api.threads > 1
    ]


def missing_change(spec: ServiceSpec, changes: str) -> List[str]:
    """Name an optional service with an API that the change log, ``changes``, does not mention."""
    if not spec.answer or spec.is_required or not spec.apis or spec.answer in changes:
        return []
    return [f"CHANGELOG.md does not mention {spec.answer}: add a line that says what it deploys"]


def leftovers_of_apis(spec: ServiceSpec, switched_off: Sequence[Resource], paths: Mapping[str, str]) -> Iterator[str]:
    """Name what a service declares of its optional APIs although they are switched off.

    ``switched_off`` are its resources then, ``paths`` those of the profile.
    """
    for api in spec.apis if spec.apis else ():
        if not api.answer:
            continue
        own_paths = {path for key, path in paths.items() if key == api.name or key.startswith(f"{api.name}-")}
        for resource in switched_off:
            is_own_file = resource.id.partition(":")[2] in own_paths
            if is_own_file or resource.id in {f"unit:{unit}" for unit in api.units}:
                yield (
                    f"{spec.name} declares {resource.id} with {api.answer}=n: declare it only if"
                    f' context.is_enabled("{api.answer}")'
                )


def missing_catalog_entries(spec: ServiceSpec, resources: Sequence[Resource]) -> List[str]:
    """Name APIs without a service or an endpoint, and a missing account.

    ``resources`` are those that the service declares.
    """
    objects = {(one.type, one.name): one for one in resources if isinstance(one, ApiObject)}
    sentences = []
    for api in spec.apis:
        name = api.catalog_name or api.name
        service = objects.get(("service", name))
        endpoints = [("endpoint", f"{name}-{interface}") in objects for interface in INTERFACES]
        if not all(endpoints) or service is None or service.body["type"] != api.type:
            sentences.append(
                f"{spec.name} does not declare its API {api.type}: add *catalog.declare_catalog(context, SPEC) to its"
                " declare()"
            )
    if spec.account_parameter and ("user", spec.name) not in objects:
        sentences.append(
            f"{spec.name} does not declare its account: add *catalog.declare_catalog(context, SPEC) to its declare()"
        )
    return sentences


def missing_golden_cases(spec: ServiceSpec, services_by_case: Mapping[str, Collection[str]]) -> List[str]:
    """Name a service that no rendered case deploys."""
    if any(spec.name in services for services in services_by_case.values()):
        return []
    switch = f"{spec.answer}=y" if spec.answer else "the answer that requests it"
    return [
        f"no golden case deploys {spec.name}: set {switch} in a case of tests/rendered.py, and run"
        " .venv/bin/python -m tests.golden.update"
    ]


def missing_smoke_cases(spec: ServiceSpec, cases: Collection[str]) -> List[str]:
    """Name a service without a case of the smoke test, and cases that do not exist."""
    if not spec.smoke_cases and spec.name not in WITHOUT_SMOKE_CASE:
        return [
            f"no smoke case proves {spec.name}: add a module smoke_*.py with CASES below"
            f" packstack_lite/smoke/hostside, and name its cases in smoke_cases of the SPEC of {spec.name}"
        ]
    return [
        f"{spec.name} names the smoke case {case}: add it to CASES of a module below packstack_lite/smoke/hostside"
        for case in spec.smoke_cases
        if case not in cases
    ]


def misused_smoke_cases(specs: Sequence[ServiceSpec], optional_cases: Collection[str]) -> Iterator[str]:
    """Name smoke cases that would run in clouds without their service, or not in clouds with it.

    ``optional_cases`` are those in the CASES of modules of optional services.
    """
    optional = [spec for spec in specs if spec.answer and not spec.is_required]
    others = {case: spec.name for spec in specs if spec not in optional for case in spec.smoke_cases}
    for spec in optional:
        for case in spec.smoke_cases:
            if case in others:
                yield (
                    f"the smoke case {case} of {spec.name} is also a case of {others[case]}, and would not run without"
                    f" {spec.name}: give {spec.name} a case of its own"
                )
            elif not spec.apis and case not in CASES_THAT_SKIP_THEMSELVES:
                yield (
                    f"the smoke case {case} runs in clouds without {spec.name}, as its SPEC has no apis: raise Skip in"
                    " the case, and name it in CASES_THAT_SKIP_THEMSELVES in tests/service_checks.py"
                )
    named = {case for spec in specs for case in spec.smoke_cases}
    for case in optional_cases:
        if case not in named:
            yield f"no service names the smoke case {case}, so every cloud runs it: add it to smoke_cases of a SPEC"


def missing_templates(spec: ServiceSpec, directories: Collection[str]) -> List[str]:
    """Name a directory of templates that does not exist."""
    if not spec.template_dir or spec.template_dir in directories:
        return []
    return [f"{spec.name} has no templates: add the directory templates/{spec.template_dir}, which mirrors the node"]


def missing_option_checks(
    spec: ServiceSpec, paths: Collection[str], checked: Collection[str], lists: Mapping[str, Any]
) -> Iterator[str]:
    """Name rendered files whose options are not checked.

    ``paths`` are the files of a cloud, ``checked`` those that the tests compare with the catalogue of options or
    exempt, and ``lists`` the patterns of services/option_lists.yaml.
    """
    own = [path for path in paths if path.startswith(f"/etc/{spec.name}/") and path.endswith(".conf")]
    for path in own if spec.apis else []:
        if path not in checked:
            yield (f"the options of {path} are not checked: its template must be templates/{spec.name}{path}.j2")
    if own and spec.apis and f"{spec.name}/*.conf" not in lists and spec.name not in WITHOUT_OPTION_LISTS:
        yield (
            f"overrides of {own[0]} are not checked on the node: add {spec.name}/*.conf to"
            " packstack_lite/services/option_lists.yaml"
        )


def missing_reference_row(spec: ServiceSpec, page: str) -> List[str]:
    """Name a service without a row in the reference."""
    row = re.search(rf"^\| `{re.escape(spec.name)}` \|.*$", page.partition("## Services")[2], re.M)
    ports = [str(port.number) for port in spec.listening_ports() if port.is_public]
    if row and all(port in row[0] for port in ports):
        return []
    return [f"docs/reference.md has no row for {spec.name} in its table of services: run make reference"]


def missing_parameters(spec: ServiceSpec, table: Mapping[str, Parameter]) -> Iterator[str]:
    """Name parameters that the table lacks, and a refused install parameter."""
    switches = [spec.answer, *(api.answer for api in spec.apis)]
    for name in dict.fromkeys(name for name in (*switches, *spec.password_parameters) if name):
        if name not in table:
            yield f"{spec.name} uses {name}, which is no parameter: add it below packstack_lite/answers/parameters"
    for name in switches:
        if name in table and table[name].supported_values == ("n",):
            yield (
                f"{name} is refused as not deployed, but {spec.name} deploys it: remove its supported_values below"
                " packstack_lite/answers/parameters"
            )


def unrefused_parameters(specs: Sequence[ServiceSpec], table: Mapping[str, Parameter]) -> List[str]:
    """Name install parameters that no spec answers and that the table does not refuse."""
    known = {spec.answer for spec in specs}
    return [
        f'no service answers {name}: add supported_values: ["n"] to it below packstack_lite/answers/parameters'
        for name, parameter in table.items()
        if re.fullmatch(r"CONFIG_[A-Z]+_INSTALL", name) and name not in known and parameter.supported_values != ("n",)
    ]


def _parse_range(text: str) -> Tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)
