"""Every role that a rendered file or a service's policy names is made in Keystone."""

from __future__ import annotations

import re

import pytest

from packstack_lite import profiles
from packstack_lite.resources import ApiObject
from packstack_lite.services import registry
from tests.clouds import cloud
from tests.rendered import CASES, STORAGE, files_of_case, on, resources_of, text

EVERY_PROFILE = pytest.mark.parametrize("profile", profiles.list_names())
# Made by keystone-manage bootstrap in every release since Rocky (keystone/cmd/bootstrap.py).
BOOTSTRAP_ROLES = {"admin", "member", "reader"}
# The controller of a case's node: Keystone's roles are declared there.
CONTROLLERS = {
    "hosts-compute": "hosts-controller",
    "hosts-compute-ovs": "hosts-controller",
    "spread-storage": "spread-controller",
}
# An option with one role or a list of roles (reseller_admin_role, operator_roles, OPENSTACK_KEYSTONE_DEFAULT_ROLE), and
# a rule of a policy. Comments count too: an example that names a role that is not there misleads.
ROLE_OPTION = re.compile(r"^[#\s]*[\"']?\w*?_?(?:role|roles)[\"']?\s*[=:]\s*(.+)$", re.M | re.I)
POLICY_ROLE = re.compile(r"\brole:([\w:.-]+)")


def roles_in(content):
    values = [value.split(",") for value in ROLE_OPTION.findall(content)]
    return {role.strip(" \t\"'[]()") for value in values for role in value} | set(POLICY_ROLE.findall(content))


def declared_roles(context):
    return {one.name for one in resources_of(context, ApiObject) if one.type == "role"} | BOOTSTRAP_ROLES


def test_roles_are_found_in_every_form():
    content = (
        "operator_roles = admin, SwiftOperator\n  reseller_admin_role=ResellerAdmin\n"
        "service_token_roles_required = true\n"
        'OPENSTACK_KEYSTONE_DEFAULT_ROLE = "member"\n"secret:get": "role:creator or role:key-manager:service-admin"\n'
        "heat_stack_user_role = heat_stack_user\ntrusts_delegated_roles = a,b\nroles = one\n"
    )
    assert roles_in(content) == {
        *("admin", "SwiftOperator", "ResellerAdmin", "member", "creator", "key-manager:service-admin"),
        *("heat_stack_user", "a", "b", "one"),
    }


@pytest.mark.parametrize("case", CASES)
@EVERY_PROFILE
def test_every_role_in_a_rendered_file_is_made(profile, case):
    declared = declared_roles(on(profile, CASES[CONTROLLERS.get(case, case)]()))
    for path, file in files_of_case(profile, case).items():
        assert roles_in(text(file)) <= declared, path


def test_the_files_name_roles_at_all():
    named = {role for file in files_of_case("debian12-zed", "storage").values() for role in roles_in(text(file))}
    assert {"service", "member", "admin", "SwiftOperator", "ResellerAdmin"} <= named


@EVERY_PROFILE
def test_every_role_that_a_user_gets_is_made(profile):
    context = on(profile, cloud(STORAGE))
    users = [one for one in resources_of(context, ApiObject) if one.type == "user"]
    assert users and {role for user in users for role in user.body["roles"]} <= declared_roles(context)


def test_barbicans_policy_has_its_roles():
    """From barbican/common/policies of Train, Zed and Epoxy; observer and creator are of its guide as well."""
    (spec,) = [spec for spec in registry.SPECS if spec.name == "barbican"]
    assert {*spec.user_roles, *spec.admin_roles} == {"creator", "observer", "audit", "key-manager:service-admin"}


@pytest.mark.parametrize("spec", [spec for spec in registry.SPECS if spec.admin_roles], ids=lambda spec: spec.name)
def test_roles_follow_their_service(spec):
    roles = {*spec.user_roles, *spec.admin_roles}
    everything, nothing = (declared_roles(cloud({**STORAGE, spec.answer: on})) for on in (True, False))
    assert roles <= everything and not roles & nothing
