"""Fixtures for a deployed node that testinfra reaches.

They return its profile, its services and its listening ports.
"""

from __future__ import annotations

import re
from typing import Any, Set

import pytest

from packstack_lite import profiles
from packstack_lite.profiles import Profile


def pytest_collection_modifyitems(config: Any, items: Any) -> None:
    """Skip all tests without --hosts, because testinfra would then test this machine."""
    if not config.getoption("hosts"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no node is named: --hosts=ssh://NAME (make vagrant-smoke does)"))


@pytest.fixture(scope="module")
def profile(host: Any) -> Profile:
    """The profile for the node's os-release."""
    os_release = dict(re.findall(r'(?m)^(ID|VERSION_ID)="?([^"\n]*)"?$', host.file("/etc/os-release").content_string))
    return profiles.detect(os_release["ID"], os_release["VERSION_ID"])


@pytest.fixture(scope="module")
def services(host: Any, profile: Profile) -> Set[str]:
    """The services on the node: ``always``, the L2 agents by its ml2 configuration, the others by their packages."""
    ml2 = host.file(profile.path("ml2")).content_string
    drivers = re.search(r"(?m)^mechanism_drivers *= *(.*)$", ml2)
    assert drivers, f"{profile.path('ml2')} names no mechanism driver"
    agents = {"ovn"} if "ovn" in drivers.group(1) else {"openvswitch"}
    optional = {
        name
        for name in ("horizon", "cinder", "swift", "barbican")
        if _is_installed(host, profile.packages.get(name, ()))
    }
    return {"always"} | agents | optional


def _is_installed(host: Any, packages: Any) -> bool:
    return bool(packages) and host.package(packages[0]).is_installed


@pytest.fixture(scope="module")
def listening(host: Any) -> Set[str]:
    """The listening TCP sockets, as ``ADDRESS:PORT``."""
    result = host.run("ss -ltn")
    assert result.rc == 0, result.stderr
    return {line.split()[3] for line in result.stdout.splitlines()[1:]}
