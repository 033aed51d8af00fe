"""A deployed host as testinfra sees it, and what its profile calls things."""

from __future__ import annotations

import re
from typing import Any, Set

import pytest

from packstack_lite import profiles
from packstack_lite.profiles import Profile


def pytest_collection_modifyitems(config: Any, items: Any) -> None:
    """Without a host testinfra would take this very machine, which nobody meant."""
    if not config.getoption("hosts"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no host was named: --hosts=ssh://NAME (make vagrant-smoke does)"))


@pytest.fixture(scope="module")
def profile(host: Any) -> Profile:
    """The profile that the host's own os-release leads to."""
    told = dict(re.findall(r'(?m)^(ID|VERSION_ID)="?([^"\n]*)"?$', host.file("/etc/os-release").content_string))
    return profiles.detect(told["ID"], told["VERSION_ID"])


@pytest.fixture(scope="module")
def services(host: Any, profile: Profile) -> Set[str]:
    """What is deployed there: what every cloud has, the agents that its ml2 names, the rest by its packages."""
    ml2 = host.file(profile.path("ml2")).content_string
    drivers = re.search(r"(?m)^mechanism_drivers *= *(.*)$", ml2)
    assert drivers, f"{profile.path('ml2')} names no mechanism driver"
    agents = {"ovn"} if "ovn" in drivers.group(1) else {"openvswitch"}
    optional = {
        name for name in ("horizon", "cinder", "swift", "barbican") if _has(host, profile.packages.get(name, ()))
    }
    return {"always"} | agents | optional


def _has(host: Any, packages: Any) -> bool:
    return bool(packages) and host.package(packages[0]).is_installed


@pytest.fixture(scope="module")
def listening(host: Any) -> Set[str]:
    """Every address on which something listens for TCP, as ``ADDRESS:PORT``."""
    shown = host.run("ss -ltn")
    assert shown.rc == 0, shown.stderr
    return {line.split()[3] for line in shown.stdout.splitlines()[1:]}
