"""Roles out of the answers."""

from __future__ import annotations

import pytest

from packstack_lite.errors import UsageFault
from packstack_lite.hosts.inventory import Member, members, names

ALL = ("controller", "network", "compute", "storage", "queue", "database")


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
    assert members(answers, "cloud1") == [Member("cloud1", ALL)]


def test_several_hosts_with_their_roles():
    answers = {"CONFIG_CONTROLLER_HOST": "a", "CONFIG_NETWORK_HOSTS": ("b",), "CONFIG_COMPUTE_HOSTS": ("b", "c")}
    assert members(answers) == [
        Member("a", ("controller", "storage", "queue", "database")),
        Member("b", ("network", "compute")),
        Member("c", ("compute",)),
    ]


@pytest.mark.parametrize(
    ("answers", "roles"),
    [
        ({"CONFIG_AMQP_HOST": "b"}, {"b": ("queue",)}),
        ({"CONFIG_MARIADB_HOST": "b", "CONFIG_AMQP_HOST": "b"}, {"b": ("queue", "database")}),
        ({"CONFIG_MARIADB_HOST": "b", "CONFIG_MARIADB_INSTALL": False}, {}),
        ({"CONFIG_STORAGE_HOST": "b"}, {}),
        ({"CONFIG_STORAGE_HOST": "b", "CONFIG_UNSUPPORTED": True}, {"b": ("storage",)}),
        ({"CONFIG_COMPUTE_HOSTS": "b,a", "CONFIG_NETWORK_HOSTS": "b"}, {"b": ("network", "compute")}),
        ({"CONFIG_MARIADB_HOST": "localhost", "CONFIG_AMQP_HOST": "127.0.0.1"}, {}),
    ],
)
def test_the_roles_of_the_others(answers, roles):
    first, *others = members({"CONFIG_CONTROLLER_HOST": "a", **answers}, "a")
    assert (first.name, "controller" in first.roles) == ("a", True)
    assert {other.name: other.roles for other in others} == roles


def test_hosts_to_be_left_alone_are_known_and_marked():
    answers = {"CONFIG_CONTROLLER_HOST": "a", "CONFIG_COMPUTE_HOSTS": ("b", "c"), "EXCLUDE_SERVERS": ("c",)}
    assert [(member.name, member.left) for member in members(answers)] == [("a", False), ("b", False), ("c", True)]
    with pytest.raises(UsageFault, match="names the controller, a"):
        members({**answers, "EXCLUDE_SERVERS": "a"})


def test_names_tell_the_roles():
    told = names([Member("a", ("controller",)), Member("b", ("network", "compute"))])
    assert told == "a (controller); b (network, compute)"


def test_no_controller_and_two_controllers():
    with pytest.raises(UsageFault, match="no controller is named"):
        members({"CONFIG_COMPUTE_HOSTS": ("b",)})
    with pytest.raises(UsageFault, match="several hosts: a, b"):
        members({"CONFIG_CONTROLLER_HOST": "a,b"})
