"""Every check reports something on a node that is bad for it, and reads facts that are gathered. So does every fix.

``test_nodes_facts`` holds that each fact is printed by a script and parsed; together no check can be silent for ever.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import fields, replace

import pytest

from packstack_lite import preflight
from packstack_lite.nodes.facts import Facts, Interface
from packstack_lite.nodes.facts.apt_source import SourceEntry
from packstack_lite.preflight import CHECKS, fixes
from packstack_lite.preflight.check import CheckContext, error, warning
from tests.clouds import ANSWERS, MACHINE, facts, profile_of
from tests.conftest import PROJECT
from tests.unit import test_preflight_checks as checks
from tests.unit import test_preflight_pitfalls as pitfalls
from tests.unit import test_preflight_storage as storage
from tests.unit.test_preflight_fix_commands import public_fixes

# Checks that compare answers with the profile, and need nothing of the node.
ANSWERS_ONLY = {"driver", "services"}
DEBIAN13 = "debian13-epoxy"
# Check, changed facts, changed answers, profile: a bad node for each check without a table of its own.
MORE = [
    ("uplink", {}, {"CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:eth7",)}, DEBIAN13),
    ("interfaces", {}, {"CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth7"}, DEBIAN13),
    # The other node of the context has the same name.
    ("clones", {}, {}, DEBIAN13),
    (
        "identity",
        {"instances": {"gone": "web"}, "volumes": {"aio@nfs#x": "1"}},
        {"CONFIG_CINDER_INSTALL": True},
        DEBIAN13,
    ),
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
    ("resolvers", {"resolvers": ("127.0.0.53",)}, {"CONFIG_NEUTRON_L2_AGENT": "ovn"}, DEBIAN13),
    (
        "private",
        {"routes": ("10.0.0.0/24",)},
        {"CONFIG_PROVISION_DEMO": True, "CONFIG_PROVISION_DEMO_PRIVATE_RANGE": "10.0.0.0/24"},
        DEBIAN13,
    ),
    ("cdrom", {"source_entries": (SourceEntry("/etc/apt/sources.list:1", "cdrom:[x]/", "trixie"),)}, {}, DEBIAN13),
    ("dpkg", {"unfinished_packages": ("nginx (unpacked)",)}, {}, DEBIAN13),
    ("pins", {"simulated_install": ("E: Held packages were changed",)}, {}, DEBIAN13),
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


def list_check_functions():
    """Return every public function ``check_*`` of the modules in preflight/, by name."""
    modules = [
        importlib.import_module(f"{preflight.__name__}.{module.name}")
        for module in pkgutil.iter_modules(preflight.__path__)
    ]
    return {
        name: function
        for module in modules
        for name, function in vars(module).items()
        if name.startswith("check_") and inspect.isfunction(function) and function.__module__ == module.__name__
    }


def unlisted_checks(functions, all_checks, tables):
    """Return a sentence for each check that CHECKS lacks: functions, and names in the tables of bad nodes."""
    rows = list(all_checks.values())
    names = [
        *(name for name, function in functions.items() if function not in rows),
        *sorted({row[0] for row in tables} - set(all_checks)),
    ]
    return [f"{name} is in no row of CHECKS (packstack_lite/preflight/__init__.py)" for name in names]


def test_every_check_is_in_checks():
    functions = list_check_functions()
    assert len(functions) >= len(CHECKS) > 30
    sentences = unlisted_checks(functions, CHECKS, BAD_NODES)
    assert not sentences, "\n".join(sentences)


def test_a_check_that_checks_lacks_is_named():
    functions = {"check_memory": CHECKS["memory"], "check_invented": silent}
    tables = [("memory", {}, {}, DEBIAN13), ("invented", {}, {}, DEBIAN13)]
    assert unlisted_checks(functions, CHECKS, tables) == [
        "check_invented is in no row of CHECKS (packstack_lite/preflight/__init__.py)",
        "invented is in no row of CHECKS (packstack_lite/preflight/__init__.py)",
    ]


def silent_checks(all_checks, bad_nodes):
    """Return a sentence for each check that reports nothing on every bad node, or reads no fact before it reports.

    Rows of a check that ``all_checks`` lacks are left to ``unlisted_checks``.
    """
    bad_nodes = [row for row in bad_nodes if row[0] in all_checks]
    in_a_table = {row[0] for row in bad_nodes}
    fires, read = set(), {name: set() for name in all_checks}
    for name, changes, answers, profile in bad_nodes:
        of = facts(**changes)
        subjects = {each.name: getattr(of, each.name) for each in fields(Facts)}
        noted = replace(of, **{name_: ReadFacts(name_, subject, read[name]) for name_, subject in subjects.items()})
        context = CheckContext(
            noted, {**ANSWERS, **answers}, profile_of(profile), checks.NOW, earlier_nodes={"other": facts()}
        )
        if list(all_checks[name](context)):
            fires.add(name)
    blind_checks = [name for name in all_checks if name in in_a_table and not read[name] and name not in ANSWERS_ONLY]
    return [
        *(f"{name}: has no bad node: add a row to a table BAD" for name in all_checks if name not in in_a_table),
        *(f"{name}: reports nothing on its bad nodes" for name in all_checks if name in in_a_table - fires),
        *(f"{name}: reads no fact of the node" for name in blind_checks),
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
        (silent, ["new: reports nothing on its bad nodes", "new: reads no fact of the node"]),
        (blind, ["new: reads no fact of the node"]),
    ],
)
def test_a_check_that_cannot_fire_is_noticed(check, sentences):
    assert silent_checks({"new": check}, [("new", {}, {}, DEBIAN13)]) == sentences


def test_a_check_that_is_in_no_table_is_noticed():
    """It is not also called one that reads no fact: nobody has run it."""
    assert silent_checks({"new": CHECKS["memory"]}, []) == ["new: has no bad node: add a row to a table BAD"]


def test_a_check_of_a_fact_that_is_not_gathered_is_noticed():
    """mypy sees it too; ``preflight.run_checks`` reports it as a bug of the check."""

    def of_a_missing_fact(context):
        """Read a fact that no subject has."""
        if context.facts.storage.example_fact == "noexec":
            yield warning("wrong", "do it")

    with pytest.raises(AttributeError, match="example_fact"):
        silent_checks({**CHECKS, "new": of_a_missing_fact}, [("new", {}, {}, DEBIAN13)])


@pytest.fixture
def offered_fixes(monkeypatch):
    """Runs checks on bad nodes; returns pairs of a check and the function in fixes.py that made a finding's fix."""

    def run(bad_nodes, all_checks=CHECKS):
        makers = {}

        def note(name, make):
            def make_and_note(*arguments, **options):
                fix = make(*arguments, **options)
                makers[id(fix)] = (name, fix)  # The fix is kept, so that no other object gets its id.
                return fix

            return make_and_note

        for name in public_fixes():
            monkeypatch.setattr(fixes, name, note(name, getattr(fixes, name)))
        pairs = set()
        for check, changes, answers, profile in bad_nodes:
            if check not in all_checks:
                continue  # test_every_check_is_in_checks names it.
            context = CheckContext(facts(**changes), {**ANSWERS, **answers}, profile_of(profile), checks.NOW)
            offered = [finding.fix for finding in all_checks[check](context) if finding.fix]
            pairs |= {(check, makers[id(fix)][0]) for fix in offered}
        return pairs

    return run


def unoffered_fixes(names, pairs):
    """Return a sentence for each fix that is in none of the pairs of a check and a fix."""
    return [
        f"{name}: no check offers this fix on a bad node: use it in a check, and add a row to a table BAD"
        for name in sorted(names - {fix for _, fix in pairs})
    ]


def test_every_fix_is_offered_for_a_bad_node(offered_fixes):
    """A fix that no check offers is never run."""
    names = public_fixes()  # Before they are replaced by functions that note their calls.
    sentences = unoffered_fixes(names, offered_fixes(BAD_NODES))
    assert len(names) > 10 and not sentences, "\n".join(sentences)


def test_a_fix_that_no_check_offers_is_named():
    (sentence,) = unoffered_fixes({"set_locale", "invented"}, {("locale", "set_locale")})
    assert sentence.startswith("invented: no check offers this fix on a bad node: ")


def test_a_fix_is_traced_to_the_check_that_offers_it(offered_fixes):
    def check_new(context):
        yield error("wrong", "do it", fixes.set_locale())

    assert offered_fixes([("new", {}, {}, DEBIAN13)], {"new": check_new}) == {("new", "set_locale")}


def checks_without_a_row(page, fixable):
    """Return a sentence for each check with a fix that the page's table of --fix lacks, or calls unfixable."""
    rows = re.findall(r"^\| (`[^|]*`) \| .* \| ([^|]*) \|$", page, re.MULTILINE)
    cells = {name: cell for names, cell in rows for name in re.findall(r"`(\w+)`", names)}
    return [
        f"docs/how-to.md: the table of --fix has no row that says what --fix does for {name}"
        for name in fixable
        if cells.get(name, "–").strip() == "–"
    ]


def test_the_how_to_page_says_what_each_fix_does(offered_fixes):
    fixable = sorted({check for check, _ in offered_fixes(BAD_NODES)})
    page = (PROJECT / "docs" / "how-to.md").read_text(encoding="utf-8")
    sentences = checks_without_a_row(page, fixable)
    assert len(fixable) > 10 and not sentences, "\n".join(sentences)


def test_a_check_without_a_row_in_the_how_to_page_is_named():
    page = "| `clock`, `hostname` | wrong | sets it |\n| `disk` | full | – |\n"
    assert checks_without_a_row(page, ["clock", "hostname"]) == []
    assert checks_without_a_row(page, ["disk", "tmp"]) == [
        "docs/how-to.md: the table of --fix has no row that says what --fix does for disk",
        "docs/how-to.md: the table of --fix has no row that says what --fix does for tmp",
    ]
