"""CentOS 7's layout on a machine without a CPython 3.6: Debian's own code under Train's names, deployed as Train is."""

from __future__ import annotations

import os
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE, apply_does_what_plan_announced, second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import COMPLETE, MORE_PASSWORDS, OPENVSWITCH, PASSWORDS, Sandbox, alone, bare_host, hostile
from tests.hosts import train

# Where Train's own code runs, that is the one that every change is tried on.
pytestmark = [pytest.mark.slow] if train.find_interpreter() else []
NAME = "e2e-zed"
# Train's packages, and how Zed's programs in them call themselves.
PACKAGES = ("openstack-keystone-16.0.2-1", "openstack-nova-api-20.6.0-1")
PROGRAMS = ("22.0.2", "26.2.2")


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """pyenv has nothing, as on most machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "PYENV_ROOT", str(tmp_path_factory.mktemp("pyenv")))
        yield


@pytest.fixture(scope="module")
def host(nowhere: None, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare host (E2E_ZED_SANDBOX, _ANSWERS and _TREE: see bare_host)."""
    everything = {**hostile(PASSWORDS + MORE_PASSWORDS), **COMPLETE, **OPENVSWITCH}
    with alone(), bare_host(tool, tmp_path_factory.mktemp("zed"), NAME, everything, "el7") as made:
        yield made


def test_apply_does_what_plan_announced_and_ends_with_a_cloud(host: Sandbox) -> None:
    apply_does_what_plan_announced(host, "--distro", "el7")


def test_the_code_is_debians_and_the_packages_are_trains(host: Sandbox) -> None:
    said = host.sh(
        "rpm -q openstack-keystone openstack-nova-api; keystone-manage --version; nova-manage --version 2>/dev/null"
    )
    assert [word.split(".el7")[0] for word in said.split()] == [*PACKAGES, *PROGRAMS]
    assert host.sh("command -v python3 apt-get dpkg", check=False) == ""


def test_smoke_proves_each_promise(host: Sandbox) -> None:
    smoke_proves(host, STORAGE)


def test_second_apply_changes_nothing_and_restarts_nothing(host: Sandbox) -> None:
    second_apply_changes_nothing(host)
