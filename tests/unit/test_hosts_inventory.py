"""Roles out of the answers."""

from __future__ import annotations

import pytest

from packstack_lite.errors import UsageFault
from packstack_lite.hosts.inventory import Member, members, single

ALL = ("controller", "network", "compute", "storage")


@pytest.mark.parametrize(
    "answers",
    [
        {"CONFIG_CONTROLLER_HOST": "cloud1"},
        {
            "CONFIG_CONTROLLER_HOST": "cloud1",
            "CONFIG_COMPUTE_HOSTS": ("cloud1",),
            "CONFIG_NETWORK_HOSTS": "cloud1, cloud1",
        },
        {"CONFIG_CONTROLLER_HOST": "", "CONFIG_COMPUTE_HOSTS": ()},
        {"CONFIG_CONTROLLER_HOST": "localhost", "CONFIG_COMPUTE_HOSTS": ("127.0.0.1",)},
    ],
    ids=["one name", "the same everywhere", "nothing named", "loopback"],
)
def test_one_host_has_every_role(answers):
    assert single(answers, "cloud1") == Member("cloud1", ALL)


def test_several_hosts_with_their_roles():
    answers = {"CONFIG_CONTROLLER_HOST": "a", "CONFIG_NETWORK_HOSTS": ("b",), "CONFIG_COMPUTE_HOSTS": ("b", "c")}
    assert members(answers) == [
        Member("a", ("controller", "storage")),
        Member("b", ("network", "compute")),
        Member("c", ("compute",)),
    ]


def test_several_hosts_cannot_be_deployed_yet():
    with pytest.raises(UsageFault) as caught:
        single({"CONFIG_CONTROLLER_HOST": "a", "CONFIG_COMPUTE_HOSTS": ("b",)})
    assert "b (compute)" in caught.value.message
    assert caught.value.hint.endswith("name a in CONFIG_COMPUTE_HOSTS")


def test_no_controller_and_two_controllers():
    with pytest.raises(UsageFault, match="no controller is named"):
        single({"CONFIG_COMPUTE_HOSTS": ("b",)})
    with pytest.raises(UsageFault, match="several hosts: a, b"):
        single({"CONFIG_CONTROLLER_HOST": "a,b"})
