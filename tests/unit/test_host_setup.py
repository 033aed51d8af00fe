"""What is declared to prepare a host, by distribution, facts and answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from packstack_lite import services
from packstack_lite.host_setup import firewall, repositories, system
from packstack_lite.host_setup import tuning as prepared
from packstack_lite.profiles.host_setup import load_host_setup, load_mirror_table
from packstack_lite.resources import (
    Absent,
    File,
    FirewalldForward,
    FirewalldPorts,
    HostsEntry,
    IniSettings,
    IptablesPorts,
    Nat,
    Packages,
    SelinuxBooleans,
    SelinuxPermissive,
    TunedProfile,
    Unit,
    YumMirrors,
)
from packstack_lite.resources.base import PHASES, Phase
from packstack_lite.secret import Secret
from tests.clouds import ADDRESS, MACHINE, cloud
from tests.conftest import PROJECT

EL = {"centos7-train": "yum", "centos9s-epoxy": "dnf"}
PROXY = {"CONFIG_HTTP_PROXY": Secret("http://me:p%40ss%22@198.18.0.9:3128/")}


def el(name="centos7-train", answers=None, **changes):
    """A cloud on CentOS, as far as its host is concerned: every other name is Debian's."""
    of = cloud(answers, **{**MACHINE, **changes})
    return replace(of, profile=replace(of.profile, name=name, package_manager=EL[name]))


def kinds(of, kind):
    told = [resource for resource in firewall.declare(of, services.services_on_node(of)) if "guard" not in resource.id]
    found = [*repositories.declare(of), *prepared.declare(of), *told]
    return [resource for resource in found if isinstance(resource, kind)]


def declared(of):
    return system.declare(of, services.services_on_node(of))


@pytest.mark.parametrize("name", EL)
@pytest.mark.parametrize("answers", [{}, PROXY, {"CONFIG_REPO": ("http://198.18.0.9/a", "http://198.18.0.9/b")}])
def test_packages_wait_for_what_they_come_from(name, answers):
    by_id = {resource.id: resource for resource in declared(el(name, answers, selinux="enforcing"))}
    rank = {identity: PHASES.index(resource.phase) for identity, resource in by_id.items()}
    for resource in by_id.values():
        for need in resource.needs:
            assert rank[need] <= rank[resource.id], (resource.id, need)
    release = by_id["packages:release"]
    assert release.phase is Phase.PREPARE and release.names[0] == load_host_setup(name).release_packages[0]
    ways = [r.id for r in by_id.values() if isinstance(r, (YumMirrors, IniSettings, File)) and "repo" in r.id + r.kind]
    before = [identity for identity in ways if by_id[identity].phase is Phase.PREPARE]
    assert set(before) <= set(release.needs)
    after = [identity for identity in ways if by_id[identity].phase is Phase.PACKAGES]
    assert after and set(after) == set(by_id[f"packages:{EL[name]}"].needs)


def test_the_answered_mirror_is_the_only_one_and_auto_tries_them_all():
    table = load_mirror_table("centos-7")
    every = [root for roots in table.mirrors.values() for root in roots]
    for answer, roots in [
        ("auto", every),
        ("aliyun", list(table.mirrors["aliyun"])),
        ("http://198.18.0.9/centos/7/", ["http://198.18.0.9/centos/7"]),
    ]:
        for files in kinds(el(answers={"CONFIG_REPO_MIRROR": answer}), YumMirrors):
            assert list(files.mirror_roots) == roots
    assert list(table.mirrors) == ["vault", "aliyun", "tuna", "tencent", "huawei"]
    assert not kinds(el("centos9s-epoxy"), YumMirrors)


def test_the_release_s_repositories_are_looked_at_again_once_it_is_installed():
    base, sig = kinds(el(), YumMirrors)
    assert (base.user_tree, base.release, base.phase) == ("base", "", Phase.PREPARE)
    assert (sig.user_tree, sig.release, sig.phase) == ("sig", "centos-release-openstack-train", Phase.PACKAGES)


def test_stream_needs_crb():
    (crb, *_) = kinds(el("centos9s-epoxy"), IniSettings)
    assert (crb.path, crb.section, crb.values) == ("/etc/yum.repos.d/centos.repo", "crb", (("enabled", "1"),))


@pytest.mark.parametrize(("name", "pattern"), [("centos7-train", "leatherman*"), ("centos9s-epoxy", "erlang*")])
def test_epel_is_kept_from_what_the_release_brings(name, pattern):
    (epel,) = [found for found in kinds(el(name), IniSettings) if found.section == "epel"]
    assert epel.append and epel.ignore_missing and pattern in epel.values[0][1].split()


def test_repositories_of_one_s_own_are_packstack_s_files():
    files = {file.path: file.content for file in kinds(el(answers={"CONFIG_REPO": ("http://a/1", "http://a/2")}), File)}
    assert list(files) == ["/etc/yum.repos.d/packstack_0.repo", "/etc/yum.repos.d/packstack_1.repo"]
    assert files["/etc/yum.repos.d/packstack_1.repo"] == (
        "# Written by packstack-lite from templates/host/etc/yum.repos.d/packstack.repo.j2.\n"
        "[packstack_1]\nname=packstack_1\nbaseurl=http://a/2\nenabled=1\npriority=1\n"
    )
    (release,) = kinds(el(answers={"CONFIG_REPO": ("http://a/1",)}), Packages)
    assert "yum-plugin-priorities" in release.names
    (release,) = kinds(el("centos9s-epoxy", answers={"CONFIG_REPO": ("http://a/1",)}), Packages)
    assert release.names == ("centos-release-openstack-epoxy",)


def test_a_directory_takes_the_place_of_every_network():
    of = el(answers={"CONFIG_REPO_DIRECTORY": "/srv/rpms/"})
    (file,) = kinds(of, File)
    assert file.path == "/etc/yum.repos.d/packstack_directory.repo"
    assert "\nbaseurl=file:///srv/rpms\n" in file.content and file.content.endswith("\ngpgcheck=0\n")
    assert not kinds(of, YumMirrors) and not kinds(of, Packages)
    (packages,) = [found for found in declared(of) if isinstance(found, Packages)]
    (job,) = Packages.fix([_gap(packages)])
    assert " --disablerepo='*' --enablerepo='packstack_*' install " in job.script
    (gone,) = kinds(el(), Absent)
    assert (gone.path, gone.created_by_us) == (file.path, True), "signatures of what is there are not checked"
    (packages,) = [found for found in declared(el()) if found.id == "packages:yum"]
    (job,) = Packages.fix([_gap(packages)])
    assert "disablerepo" not in job.script


def _gap(resource):
    from tests.unit.dash import gap

    return gap(resource)


def test_a_proxy_with_a_password_is_root_s_alone():
    (proxy, *_) = kinds(el(answers=PROXY), IniSettings)
    assert (proxy.path, proxy.section, proxy.mode) == ("/etc/yum.conf", "main", "0600")
    values = dict(proxy.values)
    assert values["proxy"] == "http://198.18.0.9:3128"
    assert (values["proxy_username"], values["proxy_password"]) == ("me", Secret('p@ss"'))
    for files in kinds(el(answers=PROXY), YumMirrors):
        assert files.curl_config == Secret('proxy = "http://198.18.0.9:3128"\nproxy-user = "me:p@ss\\""\n')
    (proxy, *_) = kinds(el(answers={"CONFIG_HTTP_PROXY": Secret("http://me@198.18.0.9")}), IniSettings)
    assert (proxy.mode, dict(proxy.values)) == ("", {"proxy": "http://198.18.0.9", "proxy_username": "me"})
    (proxy, *_) = kinds(el("centos9s-epoxy", {"CONFIG_HTTP_PROXY": Secret("http://198.18.0.9:3128")}), IniSettings)
    assert (proxy.path, proxy.mode, dict(proxy.values)) == (
        "/etc/dnf/dnf.conf",
        "",
        {"proxy": "http://198.18.0.9:3128"},
    )


@pytest.mark.parametrize("profile", ["debian12-zed", "debian13-epoxy"])
def test_debian_gets_apt_s_proxy_and_nothing_else(profile):
    of = cloud(profile=profile, selinux="enforcing", **MACHINE)
    plain = [*repositories.declare(of), *prepared.declare(of)]
    assert [resource.id for resource in plain if not isinstance(resource, SelinuxBooleans)] == [
        "absent:/etc/apt/apt.conf.d/95packstack-lite-proxy"
    ]
    (file,) = kinds(cloud(PROXY, profile=profile), File)
    assert file.mode == 0o600
    assert 'Acquire::http::Proxy "http://me:p%40ss%22@198.18.0.9:3128";' in file.content.splitlines()
    assert not kinds(cloud(PROXY, profile=profile), Absent)
    (file,) = kinds(cloud({"CONFIG_HTTP_PROXY": Secret("http://198.18.0.9:3128")}, profile=profile), File)
    assert 'Acquire::https::Proxy "http://198.18.0.9:3128";' in file.content.splitlines()


# --- SELinux


@pytest.mark.parametrize(
    ("selinux", "container", "declared"),
    [("enforcing", False, True), ("permissive", False, True), ("disabled", False, False), ("", False, False),
     ("enforcing", True, False)],
)  # fmt: skip
def test_selinux_is_prepared_only_where_it_is(selinux, container, declared):
    machine = {} if not container else {"virtualization": "systemd-nspawn"}
    of = el(selinux=selinux, **machine)
    assert bool(kinds(of, SelinuxBooleans)) is declared
    assert ("openstack-selinux" in system._all_packages(of, [])) is declared
    assert not kinds(of, SelinuxPermissive), "nobody asked"
    asked = el(answers={"CONFIG_SELINUX": "permissive"}, selinux=selinux, **machine)
    assert bool(kinds(asked, SelinuxPermissive)) is declared


FACTS = json.loads((PROJECT / "tests/facts/rdo-host.json").read_text())


@pytest.mark.parametrize("name", EL)
def test_names_are_those_of_the_facts(name):
    facts, wants = FACTS[name], load_host_setup(name)
    beyond = {"httpd_can_network_connect", "rsync_export_all_ro", "os_neutron_dac_override"}
    assert set(wants.selinux_booleans) <= set(facts["booleans"]) | beyond
    assert list(dict.fromkeys(wants.selinux_booleans)) == list(wants.selinux_booleans)
    named = (*wants.release_packages, *wants.selinux_packages, *wants.tuned_packages)
    assert set(named) <= set(facts["packages"])


def test_mirrored_paths_are_those_of_the_facts():
    for identity, path in FACTS["centos7-train"]["paths"].items():
        assert load_mirror_table("centos-7").repository_paths[identity] + "/" == path


# --- name, tuning, firewall


@pytest.mark.parametrize(
    ("fqdn", "names"),
    [("aio.lab", ("aio.lab", "aio")), ("aio", ("aio",)), ("localhost.localdomain", ("aio",)), ("", ("aio",))],
)
def test_the_host_s_names_lead_to_its_address(fqdn, names):
    (entry,) = kinds(el(fqdn=fqdn), HostsEntry)
    assert (entry.address, entry.names) == (ADDRESS, names)


def test_tuned_is_for_machines():
    of = el()
    (unit,), (tuned,) = kinds(of, Unit), kinds(of, TunedProfile)
    assert tuned.needs == (unit.id,) and "tuned" in system._all_packages(of, [])
    inside = el(virtualization="systemd-nspawn")
    assert not kinds(inside, TunedProfile) and "tuned" not in system._all_packages(inside, [])


ALL = {"CONFIG_SWIFT_INSTALL": True, "CONFIG_CINDER_INSTALL": True, "CONFIG_BARBICAN_INSTALL": True}


@pytest.mark.parametrize("on", ["firewalld", "iptables"])
@pytest.mark.parametrize(
    ("answers", "ports"),
    [
        ({}, (80, 5000, 6080, 8774, 8778, 9292, 9696)),
        ({"CONFIG_HORIZON_INSTALL": False}, (5000, 6080, 8774, 8778, 9292, 9696)),
        (ALL, (80, 5000, 6080, 8080, 8774, 8776, 8778, 9292, 9311, 9696)),
    ],
)
def test_only_what_users_reach_is_opened(on, answers, ports):
    """Packstack opens the database and the queue as well; here they are asked on the host itself."""
    kind = {"firewalld": FirewalldPorts, "iptables": IptablesPorts}[on]
    (found,) = kinds(el(answers={"CONFIG_FIREWALL": True, **answers}, firewall=on), kind)
    assert found.ports == ports


def test_floating_addresses_pass_the_firewall_where_they_are_translated():
    of = el(answers={"CONFIG_FIREWALL": True}, firewall="firewalld")
    (forward,) = kinds(of, FirewalldForward)
    assert (forward.source_cidr, forward.bridge, forward.needs) == ("198.18.2.0/24", "br-ex", ("firewalld:ports",))
    # Rules of iptables' own would be gone at firewalld's next reload, and verify would tell so.
    assert not [found for found in services.declare(of) if isinstance(found, Nat)]
    (rules,) = kinds(el(answers={"CONFIG_FIREWALL": True}, firewall="iptables"), IptablesPorts)
    assert rules.forwarded_networks == ("198.18.2.0/24",)
    without = {"CONFIG_FIREWALL": True, "CONFIG_PROVISION_DEMO": False}
    assert not kinds(el(answers=without, firewall="firewalld"), FirewalldForward)


@pytest.mark.parametrize(("on", "wanted"), [("", True), ("nftables", True), ("ufw", True), ("firewalld", False)])
def test_no_firewall_is_touched_that_is_not_there_or_not_to_be(on, wanted):
    assert not kinds(el(answers={"CONFIG_FIREWALL": wanted}, firewall=on), (FirewalldPorts, IptablesPorts))


# --- what preflight says of answers that do nothing


def remarks(of):
    from packstack_lite.preflight.check import CheckContext
    from packstack_lite.preflight.ineffective_answers import check_ineffective_answers

    return [said.message for said in check_ineffective_answers(CheckContext(of.facts, of.answers, of.profile))]


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (cloud({"CONFIG_REPO": ("http://a/1",)}), "CONFIG_REPO does nothing here: apt needs"),
        (cloud({"CONFIG_REPO_DIRECTORY": "/srv"}), "CONFIG_REPO_DIRECTORY does nothing here: apt needs"),
        (
            cloud({"CONFIG_REPO_MIRROR": "vault"}),
            "CONFIG_REPO_MIRROR=vault does nothing here: the repositories of Debian",
        ),
        (el(answers={"CONFIG_SELINUX": "permissive"}), "CONFIG_SELINUX=permissive does nothing here: SELinux is off"),
        (
            cloud({"CONFIG_SELINUX": "permissive"}, selinux="enforcing"),
            "CONFIG_SELINUX=permissive does nothing here: a container's",
        ),
        (
            el(answers={"CONFIG_FIREWALL": True}, firewall="nftables"),
            "the firewall is nftables, whose rules are not touched",
        ),
    ],
)
def test_an_answer_that_does_nothing_says_so(of, said):
    (told,) = remarks(of)
    assert told.startswith(said)


@pytest.mark.parametrize("name", EL)
def test_answers_that_do_something_are_not_remarked_on(name):
    answers = {"CONFIG_REPO": ("http://a/1",), "CONFIG_REPO_DIRECTORY": "/srv", "CONFIG_FIREWALL": True}
    assert not remarks(el(name, {**answers, "CONFIG_SELINUX": "permissive"}, selinux="enforcing", firewall="firewalld"))
    assert not remarks(cloud({"CONFIG_REPO_MIRROR": "auto", "CONFIG_SELINUX": "enforcing", "CONFIG_FIREWALL": True}))


@pytest.mark.parametrize("found", [(), ("127.0.1.1",), ("198.18.9.9",)])
def test_a_name_that_apply_leads_to_the_host_does_not_forbid_to_go_on(found):
    from packstack_lite.preflight.check import CheckContext
    from packstack_lite.preflight.network import check_hostname

    of = el(hostname_addresses=found)
    (told,) = check_hostname(CheckContext(of.facts, of.answers, of.profile))
    assert told.level == "warning" and told.message.endswith("; apply writes it into /etc/hosts") and told.fix
    assert kinds(of, HostsEntry)
    right = el(hostname_addresses=(ADDRESS,))
    assert not list(check_hostname(CheckContext(right.facts, right.answers, right.profile)))
