"""Roles out of the answers."""

from __future__ import annotations

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.nodes.inventory import describe_nodes, list_nodes
from packstack_lite.nodes.node import Node

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
    assert list_nodes(answers, "cloud1") == [Node(name="cloud1", roles=ALL)]


def test_several_hosts_with_their_roles():
    answers = {"CONFIG_CONTROLLER_HOST": "a", "CONFIG_NETWORK_HOSTS": ("b",), "CONFIG_COMPUTE_HOSTS": ("b", "c")}
    assert list_nodes(answers) == [
        Node(name="a", roles=("controller", "storage", "queue", "database")),
        Node(name="b", roles=("network", "compute")),
        Node(name="c", roles=("compute",)),
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
    first, *others = list_nodes({"CONFIG_CONTROLLER_HOST": "a", **answers}, "a")
    assert (first.name, "controller" in first.roles) == ("a", True)
    assert {other.name: other.roles for other in others} == roles


def test_hosts_to_be_left_alone_are_known_and_marked():
    answers = {"CONFIG_CONTROLLER_HOST": "a", "CONFIG_COMPUTE_HOSTS": ("b", "c"), "EXCLUDE_SERVERS": ("c",)}
    assert [(member.name, member.is_excluded) for member in list_nodes(answers)] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]
    with pytest.raises(UsageError, match="names the controller, a"):
        list_nodes({**answers, "EXCLUDE_SERVERS": "a"})


def test_no_controller_and_two_controllers():
    with pytest.raises(UsageError, match="no controller is named"):
        list_nodes({"CONFIG_COMPUTE_HOSTS": ("b",)})
    with pytest.raises(UsageError, match="several hosts: a, b"):
        list_nodes({"CONFIG_CONTROLLER_HOST": "a,b"})


def test_nodes_are_described_with_their_number_and_roles():
    nodes = [Node(name="a", roles=("controller", "network")), Node(name="b", roles=("compute",), is_excluded=True)]
    assert describe_nodes(nodes) == "2 nodes: a (controller, network); b (compute, excluded)"
    assert describe_nodes([Node(name="a")]) == "1 node: a (all roles)"
