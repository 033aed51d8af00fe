"""Whose affair a change is, where hosts let each other in and one does something for another."""

from __future__ import annotations

import pytest

from packstack_lite.deployment.attribution import attribute
from packstack_lite.engine.results import Change

OLD, OTHER, NEW = "198.18.1.10", "198.18.1.11", "198.18.1.12"
ABOUT = {(here, f"peer:{there}"): there for here in (OLD, OTHER, NEW) for there in (OLD, OTHER, NEW) if here != there}
WHOSE = {(OLD, "once:nova-discover-new"): NEW}


def told(*found):
    changes = [Change(host, "Platform", resource, "create") for host, resource in found]
    return [(one.node, one.resource_id) for one in attribute(changes, WHOSE, ABOUT)]


def test_all_that_comes_of_a_new_host_is_laid_to_it():
    found = [
        (OLD, f"peer:{NEW}"),
        (OTHER, f"peer:{NEW}"),
        (NEW, "package:all"),
        (NEW, f"peer:{OLD}"),
        (NEW, f"peer:{OTHER}"),
        (OLD, "once:nova-discover-new"),
    ]
    assert {host for host, _ in told(*found)} == {NEW}


@pytest.mark.parametrize("rest", [[], [(OLD, "file:/etc/nova/nova.conf")]])
def test_a_host_that_was_shut_out_by_hand_is_the_affair_of_who_did_it(rest):
    assert (OLD, f"peer:{OTHER}") in told((OLD, f"peer:{OTHER}"), *rest)


def test_nothing_is_lost_where_every_host_is_new():
    found = [(here, "package:all") for here in (OLD, OTHER, NEW)] + [*ABOUT]
    assert len(told(*found)) == len(found)
    assert {host for host, _ in told(*found)} == {OLD, OTHER, NEW}
