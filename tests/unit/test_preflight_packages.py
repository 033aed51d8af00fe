"""What would stop the phase Packages is found before it: sources, discs, pins, holds, excludes, locks."""

from __future__ import annotations

import pytest

from packstack_lite.nodes.facts import Repo
from packstack_lite.nodes.facts.apt_source import Pin, SourceEntry, SourceRelease, find_failures
from packstack_lite.preflight import CHECKS
from packstack_lite.preflight.check import CheckContext
from tests.clouds import ANSWERS, Answers, facts, profile_of
from tests.unit import test_preflight_checks as checks
from tests.unit import test_preflight_pitfalls as pitfalls

DEBIAN = {**checks.GOOD, "os_codename": "bookworm"}
HOST = "http://deb.debian.org/debian"
DISC = "cdrom://[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST with firmware 20240210-11:27]"
LIST, STANZA = "/etc/apt/sources.list:2", "/etc/apt/sources.list.d/more.sources:4"
ENTRIES = (
    SourceEntry("/etc/apt/sources.list:1", f"{HOST}/", "bookworm", "amd64"),
    SourceEntry(LIST, f"{DISC}/", "bookworm", "amd64"),
    SourceEntry("/etc/apt/sources.list:3", f"{HOST}-security/", "bookworm-security", "amd64"),
    SourceEntry("/etc/apt/sources.list:4", "http://127.0.0.1:9/flat/", "./", "$(ARCHITECTURE)"),
    SourceEntry(STANZA, f"{HOST}/", "bookworm-backports", "amd64"),
)
STANZAS = {"/etc/apt/sources.list.d/more.sources:1": STANZA}
NO_KEY = "The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 6ED0E7B8"
# What apt-get update 2.6.1 printed on a Debian 12, and what is made of it.
OUTPUTS = {
    "a disc": (
        [
            f"Ign:1 {DISC} bookworm InRelease",
            f"Err:2 {DISC} bookworm Release",
            "  Please use apt-cdrom to make this CD-ROM recognized by APT.",
            f"E: The repository '{DISC} bookworm Release' does not have a Release file.",
        ],
        f"{LIST}: {DISC} bookworm: Please use apt-cdrom to make this CD-ROM recognized by APT.",
    ),
    "a key that is missing": (
        [
            f"Err:5 {HOST} bookworm-backports InRelease",
            f"  {NO_KEY}",
            f"W: GPG error: {HOST} bookworm-backports InRelease: {NO_KEY}",
            f"E: The repository '{HOST} bookworm-backports InRelease' is not signed.",
        ],
        f"{STANZA}: {HOST} bookworm-backports: {NO_KEY}",
    ),
    "a Release that has expired": (
        [
            f"Get:1 {HOST}-security bookworm-security InRelease [34.8 kB]",
            f"E: Release file for {HOST}-security/dists/bookworm-security/InRelease is expired (invalid since 2524d)."
            " Updates for this repository will not be applied.",
        ],
        f"/etc/apt/sources.list:3: Release file for {HOST}-security/dists/bookworm-security/InRelease is expired"
        " (invalid since 2524d).",
    ),
    "a clock that is behind": (
        [f"E: Release file for {HOST}/dists/bookworm/InRelease is not valid yet (invalid for another 2h 1min)."],
        f"/etc/apt/sources.list:1: Release file for {HOST}/dists/bookworm/InRelease is not valid yet"
        " (invalid for another 2h 1min).",
    ),
    "a suite that has become another release": (
        [f"E: Repository '{HOST} bookworm InRelease' changed its 'Codename' value from 'bookworm' to 'trixie'"],
        f"/etc/apt/sources.list:1: Repository '{HOST} bookworm InRelease' changed its 'Codename' value from"
        " 'bookworm' to 'trixie'",
    ),
    "a flat repository that refuses": (
        ["Err:4 http://127.0.0.1:9/flat ./ InRelease", "  Could not connect to 127.0.0.1:9 (127.0.0.1)."],
        "/etc/apt/sources.list:4: http://127.0.0.1:9/flat ./: Could not connect to 127.0.0.1:9 (127.0.0.1).",
    ),
    "a malformed line": (
        [
            "E: Malformed entry 7 in list file /etc/apt/sources.list (Component)",
            "E: The list of sources could not be read.",
        ],
        "/etc/apt/sources.list:7: malformed entry (Component)",
    ),
    "a malformed stanza": (
        ["E: Malformed stanza 1 in source list /etc/apt/sources.list.d/more.sources (type)"],
        f"{STANZA}: malformed entry (type)",
    ),
    "an unknown type": (
        ["E: Type 'dep' is not known on line 3 in source list /etc/apt/sources.list"],
        "/etc/apt/sources.list:3: Type 'dep' is not known",
    ),
    "two keys for one source": (
        [f"E: Conflicting values set for option Signed-By regarding source {HOST}/ bookworm-backports: /a != /b"],
        f"{STANZA}: Conflicting values set for option Signed-By regarding source {HOST}/ bookworm-backports: /a != /b",
    ),
    "what nobody foresaw": (["E: this is apt"], "this is apt"),
}


@pytest.mark.parametrize(("output", "expected"), OUTPUTS.values(), ids=list(OUTPUTS))
def test_a_failed_update_names_file_and_line(output, expected):
    lines = ["Hit:9 http://x y InRelease", *output, "Reading package lists..."]
    assert find_failures(lines, ENTRIES, STANZAS) == [expected]


def test_warnings_and_hits_are_no_failures():
    lines = [f"Hit:1 {HOST} bookworm InRelease", "W: Download is performed unsandboxed", "N: Skipping acquire"]
    assert find_failures(lines, ENTRIES, STANZAS) == []


def find(check, answers=None, profile="debian12-zed", good=DEBIAN, **changes):
    context = CheckContext(
        facts(**{**good, **changes}), Answers({**ANSWERS, **(answers or {})}), profile_of(profile), checks.NOW
    )
    return list(CHECKS[check](context))


def test_a_disc_is_a_finding_of_its_own_with_a_fix():
    changes = {"source_entries": ENTRIES, "package_source": f"{LIST}: {DISC} bookworm: Please use apt-cdrom"}
    (finding,) = find("cdrom", **changes)
    assert (finding.level, finding.message.split(": ")[0]) == ("error", LIST)
    assert finding.fix and "/etc/apt/sources.list" in finding.hint
    assert find("packages", **changes) == [], "it is said once"
    (finding,) = find("cdrom", **changes, deployed_by_us=True)
    assert finding.level == "warning"
    assert find("cdrom", source_entries=ENTRIES[:1]) == []


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (OUTPUTS["a key that is missing"][1], "get the archive's key, and name its file in the source: signed-by="),
        (OUTPUTS["a Release that has expired"][1], "check the clock; a mirror that is not updated any more"),
        (f"{HOST} nosuch: 404  Not Found", "correct the suite"),
    ],
)
def test_the_hint_says_what_to_repair(failure, hint):
    (finding,) = find("packages", package_source=failure, source_entries=ENTRIES)
    assert finding.level == "error" and failure in finding.message and hint in finding.hint


STABLE = SourceEntry("/etc/apt/sources.list:1", f"{HOST}/", "stable", "amd64")
TRIXIE = SourceRelease("deb.debian.org_debian_dists_stable_InRelease", "Debian", "trixie")
PIN = Pin("/etc/apt/preferences.d/x:1", "nova-* keystone", "release a=*", "-1")


def test_a_suite_of_another_release_is_found():
    (finding,) = find("packages", source_entries=(STABLE,), source_releases=(TRIXIE,))
    assert "/etc/apt/sources.list:1: stable is trixie" in finding.message and finding.level == "error"
    assert find("packages", source_entries=(STABLE,), source_releases=(TRIXIE,), pins=(PIN,)) == []
    backports = SourceRelease(
        "deb.debian.org_debian_dists_bookworm-backports_InRelease", "Debian", "bookworm-backports"
    )
    assert find("packages", source_entries=ENTRIES, source_releases=(backports,)) == []
    other = SourceRelease(TRIXIE.file_name, "Example Inc.", "main")
    assert find("packages", source_entries=(STABLE,), source_releases=(other,)) == []


def test_the_name_of_a_list_file_is_quoted_as_apt_does():
    entry = SourceEntry("/etc/apt/sources.list:1", "http://198.18.1.1/a_b/", "stable", "amd64")
    release = SourceRelease("198.18.1.1_a%5fb_dists_stable_Release", "Debian", "trixie")
    assert find("packages", source_entries=(entry,), source_releases=(release,))


def test_sources_for_another_processor_only_are_found():
    foreign = SourceEntry(LIST, f"{HOST}/", "bookworm", "riscv64")
    (finding,) = find("packages", source_entries=(foreign,))
    assert f"no package source is for amd64: {LIST} (riscv64)" in finding.message
    assert find("packages", source_entries=(foreign, ENTRIES[0])) == []
    assert find("packages", source_entries=(foreign, ENTRIES[3])) == [], "a flat one does not say"


def test_an_interrupted_installation_is_a_warning_with_a_fix():
    (finding,) = find("dpkg", unfinished_packages=("nginx (half configured)",))
    assert finding.level == "warning" and finding.fix and "nginx (half configured)" in finding.message
    assert find("dpkg") == []


# What apt-get -s -y install 2.6.1 printed.
NO_CANDIDATE = ("E: Package 'nova-api' has no installation candidate",)
HELD = (
    "The following held packages will be changed:",
    "  nova-api",
    "E: Held packages were changed and -y was used without --allow-change-held-packages.",
)
BROKEN = (
    " python3-nova : Depends: python3-sqlalchemy (>= 1.4.13) but it is not installable",
    "E: Unable to correct problems, you have held broken packages.",
)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"simulated_install": NO_CANDIDATE, "pins": (PIN, Pin("/x:4", "vim", "version 1", "1001"))},
            ["'nova-api' has no installation candidate", "pinned in /etc/apt/preferences.d/x:1 (nova-* keystone: "],
        ),
        (
            {"simulated_install": HELD, "held_packages": ("nova-api absent", "vim installed")},
            ["Held packages were changed", "on hold: nova-api", "apt-mark unhold nova-api"],
        ),
        (
            {"simulated_install": BROKEN, "pins": (Pin("/x:9", "python3-sqlalchemy", "release *", "-1"),)},
            ["python3-sqlalchemy (>= 1.4.13) but it is not installable", "remove the pin in /x:9"],
        ),
        # apt does not say which of them.
        ({"simulated_install": BROKEN[1:], "held_packages": ("vim installed",)}, ["on hold: vim"]),
    ],
)
def test_pins_and_holds_that_apt_refuses_are_named(changes, texts):
    (finding,) = find("pins", **changes)
    assert finding.level == "error"
    assert all(text in f"{finding.message} {finding.hint}" for text in texts), finding
    assert "vim:" not in finding.message, "a pin of another package"


@pytest.mark.parametrize(
    "changes",
    [
        {"simulated_install": ("E: Unable to locate package nova-api",), "pins": (PIN,)},  # Lists that apply updates.
        {"simulated_install": NO_CANDIDATE, "pins": (PIN,), "unfinished_packages": ("a (unpacked)",)},
        {"simulated_install": NO_CANDIDATE, "pins": (PIN,), **pitfalls.DEPLOYED},
        {"held_packages": ("vim installed",)},
        {
            "simulated_install": (
                "Inst nova-api (2:26.2.2-1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [all])",
                "Inst perl-base [5.36.0-7] (5.36.0-7+deb12u2 Debian:12.15/oldstable [amd64]) []",
            ),
            "pins": (PIN,),
        },
    ],
)
def test_limits_that_stop_nothing_are_no_finding(changes):
    assert find("pins", **changes) == []


@pytest.mark.parametrize("origin", ["Debian:13.1/stable", "Debian Backports:12/bookworm-backports", "Example:1/now"])
def test_a_version_that_is_not_of_the_release_is_a_warning(origin):
    (finding,) = find("pins", simulated_install=(f"Inst nova-api (2:31.0.0-1 {origin} [all])",), pins=(PIN,))
    assert finding.level == "warning" and f"nova-api 2:31.0.0-1 ({origin})" in finding.message


def test_a_repository_of_yum_or_dnf_is_named_with_file_and_line():
    repo = Repo("base", "/etc/yum.repos.d/x.repo", True, ("http://x",), line=7)
    (finding,) = find("packages", **EL, repos=(repo,), package_source="base: Could not resolve host: x (http://x)")
    assert "/etc/yum.repos.d/x.repo:7: base: Could not resolve host: x (http://x)" in finding.message


EL = {"profile": "centos9s-epoxy", "good": {**pitfalls.ON_EL7, "os_version": "9"}}


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        (
            {"package_excludes": ("/etc/dnf/dnf.conf:4 kernel* openstack-nova*",)},
            "error",
            "/etc/dnf/dnf.conf:4 excludes",
        ),
        ({"version_locks": ("/v:2 openstack-nova-api-1:31.0.0-1.el9.*",)}, "warning", "/v:2 locks openstack-nova-api"),
        ({"version_locks": ("/v:1 0:openstack-nova-api-20.6.1-1.el7.*",)}, "warning", "/v:1 locks openstack-nova-api"),
        ({"version_locks": ("/v:3 !openstack-nova-api-1:31.0.0-1.el9.*",)}, "error", "/v:3 excludes openstack-nova"),
        ({"version_locks": ("/v:3 vim-9-1.el9.*",), "package_excludes": ("/etc/yum.conf:2 kernel*",)}, "", ""),
    ],
)
def test_excludes_and_locks_of_yum_and_dnf_are_found(changes, level, text):
    findings = find("pins", **EL, **changes)
    assert [finding.level for finding in findings] == ([level] if level else [])
    assert all(text in finding.message for finding in findings)
