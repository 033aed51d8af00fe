"""Changes are attributed to the node that causes them: peers in the port filter, and delegated resources."""

from __future__ import annotations

import pytest

from packstack_lite.deployment.attribution import attribute
from packstack_lite.engine.results import Change

OLD, OTHER, NEW = "198.18.1.10", "198.18.1.11", "198.18.1.12"
SUBJECTS = {(node, f"peer:{peer}"): peer for node in (OLD, OTHER, NEW) for peer in (OLD, OTHER, NEW) if node != peer}
OWNERS = {(OLD, "once:nova-discover-new"): NEW}


def attributed_changes(*changes_found):
    changes = [Change(node, "Platform", resource, "create") for node, resource in changes_found]
    return [(change.node, change.resource_id) for change in attribute(changes, OWNERS, SUBJECTS)]


def test_every_change_that_a_new_node_causes_is_attributed_to_it():
    changes_found = [
        (OLD, f"peer:{NEW}"),
        (OTHER, f"peer:{NEW}"),
        (NEW, "package:all"),
        (NEW, f"peer:{OLD}"),
        (NEW, f"peer:{OTHER}"),
        (OLD, "once:nova-discover-new"),
    ]
    assert {host for host, _ in attributed_changes(*changes_found)} == {NEW}


@pytest.mark.parametrize("other_changes", [[], [(OLD, "file:/etc/nova/nova.conf")]])
def test_a_removed_rule_is_attributed_to_the_node_that_lost_it(other_changes):
    assert (OLD, f"peer:{OTHER}") in attributed_changes((OLD, f"peer:{OTHER}"), *other_changes)


def test_no_change_is_lost_where_every_node_is_new():
    changes_found = [(node, "package:all") for node in (OLD, OTHER, NEW)] + [*SUBJECTS]
    assert len(attributed_changes(*changes_found)) == len(changes_found)
    assert {host for host, _ in attributed_changes(*changes_found)} == {OLD, OTHER, NEW}
