"""Deploy on CentOS 7's layout without a CPython 3.6.

Packages named as in Train hold Debian's code (Zed).
"""

from __future__ import annotations

import os
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import (
    STORAGE_CASES,
    assert_apply_matches_plan,
    assert_second_apply_changes_nothing,
    assert_smoke_passes,
)
from tests.e2e.conftest import (
    COMPLETE,
    OPENVSWITCH,
    OPTIONAL_PASSWORDS,
    PASSWORDS,
    Sandbox,
    bare_node,
    hostile_passwords,
    other_sandboxes_stopped,
)
from tests.hosts import train
from tests.rehearsal_services import without_absent_services

# Where Train's own code runs, test_centos7.py is enough for every change.
pytestmark = [pytest.mark.slow] if train.find_interpreter() else []
NAME = "e2e-zed"
# Train's packages, and the versions that Zed's programs in them print.
PACKAGES = ("openstack-keystone-16.0.2-1", "openstack-nova-api-20.6.0-1")
PROGRAMS = ("22.0.2", "26.2.2")


@pytest.fixture(scope="module")
def without_pyenv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide pyenv's interpreters; most machines have none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "PYENV_ROOT", str(tmp_path_factory.mktemp("pyenv")))
        yield


@pytest.fixture(scope="module")
def node(without_pyenv: None, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node (E2E_ZED_SANDBOX, _ANSWERS and _TREE: see bare_node)."""
    answers = {
        **hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS),
        **without_absent_services(COMPLETE, "el7"),
        **OPENVSWITCH,
    }
    with other_sandboxes_stopped(), bare_node(tool, tmp_path_factory.mktemp("zed"), NAME, answers, "el7") as node:
        yield node


def test_apply_makes_no_change_that_plan_did_not_announce(node: Sandbox) -> None:
    assert_apply_matches_plan(node, "--distro", "el7")


def test_packages_are_named_as_in_train_and_hold_debians_code(node: Sandbox) -> None:
    output = node.sh(
        "rpm -q openstack-keystone openstack-nova-api; keystone-manage --version; nova-manage --version 2>/dev/null"
    )
    assert [word.split(".el7")[0] for word in output.split()] == [*PACKAGES, *PROGRAMS]
    assert node.sh("command -v python3 apt-get dpkg", check=False) == ""


def test_smoke_passes(node: Sandbox) -> None:
    assert_smoke_passes(node, STORAGE_CASES)


def test_second_apply_changes_nothing_and_restarts_nothing(node: Sandbox) -> None:
    assert_second_apply_changes_nothing(node)
