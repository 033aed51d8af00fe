"""Every check reports something on a node that is bad for it, and reads facts that are gathered.

``test_nodes_facts`` holds that each fact is printed by a script and parsed; together no check can be silent for ever.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from packstack_lite.nodes.facts import Facts, Interface
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext, warning
from tests.clouds import ANSWERS, MACHINE, facts, profile_of
from tests.unit import test_preflight_checks as checks
from tests.unit import test_preflight_pitfalls as pitfalls
from tests.unit import test_preflight_storage as storage

# Checks that compare answers with the profile, and need nothing of the node.
ANSWERS_ONLY = {"driver", "services"}
DEBIAN13 = "debian13-epoxy"
# Check, changed facts, changed answers, profile: a bad node for each check without a table of its own.
MORE = [
    ("uplink", {}, {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:eth7",)}, DEBIAN13),
    ("interfaces", {}, {"CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth7"}, DEBIAN13),
    ("agent", {"ml2_mechanisms": ("ovn",)}, {"CONFIG_NEUTRON_L2_AGENT": "openvswitch"}, DEBIAN13),
    ("driver", {}, {"CONFIG_NEUTRON_L2_AGENT": "linuxbridge"}, DEBIAN13),
    (
        "sriov",
        {"interfaces": (Interface("eth4", True, 1500, ()),)},
        {
            "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": ("openvswitch", "sriovnicswitch"),
            "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": ("lab:eth4",),
        },
        DEBIAN13,
    ),
    ("guard", {"nft_support": "no"}, {"CONFIG_FIREWALL": True}, DEBIAN13),
    ("translation", {"nat_support": "no"}, {"CONFIG_PROVISION_DEMO": True}, DEBIAN13),
    ("services", {}, {"CONFIG_MANILA_INSTALL": True}, DEBIAN13),
    ("preparation", {"firewall": "ufw"}, {"CONFIG_FIREWALL": True}, DEBIAN13),
]
BAD_NODES = [
    *((check, {**checks.GOOD, **changes}, {}, "debian12-zed") for check, _, _, changes in checks.BAD),
    *((check, {**pitfalls.ON_EL7, **changes}, {}, "centos7-train") for check, _, _, changes, _ in pitfalls.BAD),
    *((check, {**storage.GOOD, **changes}, answers, "debian12-zed") for check, _, _, answers, changes in storage.BAD),
    *((check, {**MACHINE, **changes}, answers, profile) for check, changes, answers, profile in MORE),
]


class ReadFacts:
    """The facts of a subject, which note the names that are read."""

    def __init__(self, name, subject, read):
        self._name, self._subject, self._read = name, subject, read

    def __getattr__(self, fact):
        self._read.add(f"{self._name}.{fact}")
        return getattr(self._subject, fact)


def silent_checks(all_checks, bad_nodes):
    """Return a sentence for each check that reports nothing on every bad node, or reads no fact before it reports."""
    fires, read = set(), {name: set() for name in all_checks}
    for name, changes, answers, profile in bad_nodes:
        of = facts(**changes)
        subjects = {each.name: getattr(of, each.name) for each in fields(Facts)}
        noted = replace(of, **{name_: ReadFacts(name_, subject, read[name]) for name_, subject in subjects.items()})
        context = CheckContext(noted, {**ANSWERS, **answers}, profile_of(profile), checks.NOW)
        if list(all_checks[name](context)):
            fires.add(name)
    return [
        *(f"{name}: reports nothing on any bad node of the tables" for name in all_checks if name not in fires),
        *(f"{name}: reads no fact of the node" for name in all_checks if not read[name] and name not in ANSWERS_ONLY),
    ]


def test_every_check_reports_on_a_bad_node_and_reads_facts():
    sentences = silent_checks(CHECKS, BAD_NODES)
    assert not sentences, "\n".join(sentences)


def silent(context):
    """Check nothing."""
    yield from ()


def blind(context):
    """Report on every node, whatever its facts are."""
    yield warning("wrong", "do it")


@pytest.mark.parametrize(
    ("check", "sentences"),
    [
        (silent, ["new: reports nothing on any bad node of the tables", "new: reads no fact of the node"]),
        (blind, ["new: reads no fact of the node"]),
    ],
)
def test_a_check_that_cannot_fire_is_noticed(check, sentences):
    assert silent_checks({"new": check}, [("new", {}, {}, DEBIAN13)]) == sentences


def test_a_check_that_is_in_no_table_is_noticed():
    assert silent_checks({"new": CHECKS["memory"]}, []) == [
        "new: reports nothing on any bad node of the tables",
        "new: reads no fact of the node",
    ]


def test_a_check_of_a_fact_that_is_not_gathered_is_noticed():
    """mypy sees it too; ``preflight.run_checks`` reports it as a bug of the check."""

    def of_a_missing_fact(context):
        """Read a fact that no subject has."""
        if context.facts.storage.example_fact == "noexec":
            yield warning("wrong", "do it")

    with pytest.raises(AttributeError, match="example_fact"):
        silent_checks({**CHECKS, "new": of_a_missing_fact}, [("new", {}, {}, DEBIAN13)])
