"""Resources of host setup (repositories, SELinux, tuned, firewall), by distribution, facts and answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from packstack_lite import services
from packstack_lite.host_setup import firewall, repositories, system, tuning
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


def centos_node(name="centos7-train", answers=None, **changes):
    """A node with CentOS's name and package manager; every other name of its profile is Debian's."""
    context = cloud(answers, **{**MACHINE, **changes})
    return replace(context, profile=replace(context.profile, name=name, package_manager=EL[name]))


def resources_of_kind(context, kind):
    """The resources of one kind, without those of the port filter."""
    firewall_resources = firewall.declare(context, services.services_on_node(context))
    declared = [*repositories.declare(context), *tuning.declare(context)]
    declared += [resource for resource in firewall_resources if "guard" not in resource.id]
    return [resource for resource in declared if isinstance(resource, kind)]


def system_resources(context):
    return system.declare(context, services.services_on_node(context))


@pytest.mark.parametrize("name", EL)
@pytest.mark.parametrize("answers", [{}, PROXY, {"CONFIG_REPO": ("http://198.18.0.9/a", "http://198.18.0.9/b")}])
def test_packages_wait_for_their_repositories(name, answers):
    by_id = {resource.id: resource for resource in system_resources(centos_node(name, answers, selinux="enforcing"))}
    rank = {identity: PHASES.index(resource.phase) for identity, resource in by_id.items()}
    for resource in by_id.values():
        for need in resource.needs:
            assert rank[need] <= rank[resource.id], (resource.id, need)
    release = by_id["packages:release"]
    assert release.phase is Phase.PREPARE and release.names[0] == load_host_setup(name).release_packages[0]
    repository_ids = [
        r.id for r in by_id.values() if isinstance(r, (YumMirrors, IniSettings, File)) and "repo" in r.id + r.kind
    ]
    before_release = [identity for identity in repository_ids if by_id[identity].phase is Phase.PREPARE]
    assert set(before_release) <= set(release.needs)
    after_release = [identity for identity in repository_ids if by_id[identity].phase is Phase.PACKAGES]
    assert after_release and set(after_release) == set(by_id[f"packages:{EL[name]}"].needs)


def test_an_answered_mirror_is_the_only_one_and_auto_tries_every_mirror():
    table = load_mirror_table("centos-7")
    all_roots = [root for roots in table.mirrors.values() for root in roots]
    for answer, roots in [
        ("auto", all_roots),
        ("aliyun", list(table.mirrors["aliyun"])),
        ("http://198.18.0.9/centos/7/", ["http://198.18.0.9/centos/7"]),
    ]:
        for mirrors in resources_of_kind(centos_node(answers={"CONFIG_REPO_MIRROR": answer}), YumMirrors):
            assert list(mirrors.mirror_roots) == roots
    assert list(table.mirrors) == ["vault", "aliyun", "tuna", "tencent", "huawei"]
    assert not resources_of_kind(centos_node("centos9s-epoxy"), YumMirrors)


def test_the_releases_repositories_get_mirrors_once_its_package_is_installed():
    base, sig = resources_of_kind(centos_node(), YumMirrors)
    assert (base.repo_group, base.release_package, base.phase) == ("base", "", Phase.PREPARE)
    assert (sig.repo_group, sig.release_package, sig.phase) == ("sig", "centos-release-openstack-train", Phase.PACKAGES)


def test_crb_is_enabled_on_stream():
    (crb, *_) = resources_of_kind(centos_node("centos9s-epoxy"), IniSettings)
    assert (crb.path, crb.section, crb.values) == ("/etc/yum.repos.d/centos.repo", "crb", (("enabled", "1"),))


@pytest.mark.parametrize(("name", "pattern"), [("centos7-train", "leatherman*"), ("centos9s-epoxy", "erlang*")])
def test_epel_cannot_replace_the_releases_packages(name, pattern):
    (epel,) = [settings for settings in resources_of_kind(centos_node(name), IniSettings) if settings.section == "epel"]
    assert epel.append and epel.ignore_missing and pattern in epel.values[0][1].split()


def test_answered_repositories_are_written_as_packstack_writes_them():
    files = {
        file.path: file.content
        for file in resources_of_kind(centos_node(answers={"CONFIG_REPO": ("http://a/1", "http://a/2")}), File)
    }
    assert list(files) == ["/etc/yum.repos.d/packstack_0.repo", "/etc/yum.repos.d/packstack_1.repo"]
    assert files["/etc/yum.repos.d/packstack_1.repo"] == (
        "# Written by packstack-lite from templates/host/etc/yum.repos.d/packstack.repo.j2.\n"
        "[packstack_1]\nname=packstack_1\nbaseurl=http://a/2\nenabled=1\npriority=1\n"
    )
    (release,) = resources_of_kind(centos_node(answers={"CONFIG_REPO": ("http://a/1",)}), Packages)
    assert "yum-plugin-priorities" in release.names
    (release,) = resources_of_kind(centos_node("centos9s-epoxy", answers={"CONFIG_REPO": ("http://a/1",)}), Packages)
    assert release.names == ("centos-release-openstack-epoxy",)


def test_a_directory_replaces_every_network_repository():
    context = centos_node(answers={"CONFIG_REPO_DIRECTORY": "/srv/rpms/"})
    (file,) = resources_of_kind(context, File)
    assert file.path == "/etc/yum.repos.d/packstack_directory.repo"
    assert "\nbaseurl=file:///srv/rpms\n" in file.content and file.content.endswith("\ngpgcheck=0\n")
    assert not resources_of_kind(context, YumMirrors) and not resources_of_kind(context, Packages)
    (packages,) = [resource for resource in system_resources(context) if isinstance(resource, Packages)]
    (job,) = Packages.fix([missing_diff(packages)])
    assert " --disablerepo='*' --enablerepo='packstack_*' install " in job.script
    (absent,) = resources_of_kind(centos_node(), Absent)
    assert (absent.path, absent.created_by_us) == (file.path, True), "signatures are not checked in that directory"
    (packages,) = [resource for resource in system_resources(centos_node()) if resource.id == "packages:yum"]
    (job,) = Packages.fix([missing_diff(packages)])
    assert "disablerepo" not in job.script


def missing_diff(resource):
    from tests.unit.dash import missing_diff as make_diff

    return make_diff(resource)


def test_a_proxy_with_a_password_is_readable_by_root_only():
    (proxy, *_) = resources_of_kind(centos_node(answers=PROXY), IniSettings)
    assert (proxy.path, proxy.section, proxy.mode) == ("/etc/yum.conf", "main", "0600")
    values = dict(proxy.values)
    assert values["proxy"] == "http://198.18.0.9:3128"
    assert (values["proxy_username"], values["proxy_password"]) == ("me", Secret('p@ss"'))
    for mirrors in resources_of_kind(centos_node(answers=PROXY), YumMirrors):
        assert mirrors.curl_config == Secret('proxy = "http://198.18.0.9:3128"\nproxy-user = "me:p@ss\\""\n')
    (proxy, *_) = resources_of_kind(
        centos_node(answers={"CONFIG_HTTP_PROXY": Secret("http://me@198.18.0.9")}), IniSettings
    )
    assert (proxy.mode, dict(proxy.values)) == ("", {"proxy": "http://198.18.0.9", "proxy_username": "me"})
    (proxy, *_) = resources_of_kind(
        centos_node("centos9s-epoxy", {"CONFIG_HTTP_PROXY": Secret("http://198.18.0.9:3128")}), IniSettings
    )
    assert (proxy.path, proxy.mode, dict(proxy.values)) == (
        "/etc/dnf/dnf.conf",
        "",
        {"proxy": "http://198.18.0.9:3128"},
    )


@pytest.mark.parametrize("profile", ["debian12-zed", "debian13-epoxy"])
def test_debian_gets_apts_proxy_and_nothing_else(profile):
    context = cloud(profile=profile, selinux="enforcing", **MACHINE)
    plain = [*repositories.declare(context), *tuning.declare(context)]
    assert [resource.id for resource in plain if not isinstance(resource, SelinuxBooleans)] == [
        "absent:/etc/apt/apt.conf.d/95packstack-lite-proxy"
    ]
    (file,) = resources_of_kind(cloud(PROXY, profile=profile), File)
    assert file.mode == 0o600
    assert 'Acquire::http::Proxy "http://me:p%40ss%22@198.18.0.9:3128";' in file.content.splitlines()
    assert not resources_of_kind(cloud(PROXY, profile=profile), Absent)
    (file,) = resources_of_kind(cloud({"CONFIG_HTTP_PROXY": Secret("http://198.18.0.9:3128")}, profile=profile), File)
    assert 'Acquire::https::Proxy "http://198.18.0.9:3128";' in file.content.splitlines()


# --- SELinux


@pytest.mark.parametrize(
    ("selinux", "container", "expected"),
    [("enforcing", False, True), ("permissive", False, True), ("disabled", False, False), ("", False, False),
     ("enforcing", True, False)],
)  # fmt: skip
def test_selinux_is_set_up_only_where_it_is_enabled(selinux, container, expected):
    machine = {} if not container else {"virtualization": "systemd-nspawn"}
    context = centos_node(selinux=selinux, **machine)
    assert bool(resources_of_kind(context, SelinuxBooleans)) is expected
    assert ("openstack-selinux" in system.list_packages(context, [])) is expected
    assert not resources_of_kind(context, SelinuxPermissive), "no answer asks for it"
    permissive = centos_node(answers={"CONFIG_SELINUX": "permissive"}, selinux=selinux, **machine)
    assert bool(resources_of_kind(permissive, SelinuxPermissive)) is expected


FACTS = json.loads((PROJECT / "tests/facts/rdo-host.json").read_text())


@pytest.mark.parametrize("name", EL)
def test_setup_names_exist_in_the_facts(name):
    facts, setup = FACTS[name], load_host_setup(name)
    not_of_the_package = {"httpd_can_network_connect", "rsync_export_all_ro", "os_neutron_dac_override"}
    assert set(setup.selinux_booleans) <= set(facts["booleans"]) | not_of_the_package
    assert list(dict.fromkeys(setup.selinux_booleans)) == list(setup.selinux_booleans)
    packages = (*setup.release_packages, *setup.selinux_packages, *setup.tuned_packages)
    assert set(packages) <= set(facts["packages"])


def test_mirror_paths_exist_in_the_facts():
    for identity, path in FACTS["centos7-train"]["paths"].items():
        assert load_mirror_table("centos-7").repository_paths[identity] + "/" == path


# --- host name, tuned, firewall


@pytest.mark.parametrize(
    ("fqdn", "names"),
    [("aio.lab", ("aio.lab", "aio")), ("aio", ("aio",)), ("localhost.localdomain", ("aio",)), ("", ("aio",))],
)
def test_the_nodes_names_resolve_to_its_address(fqdn, names):
    (entry,) = resources_of_kind(centos_node(fqdn=fqdn), HostsEntry)
    assert (entry.address, entry.names) == (ADDRESS, names)


def test_tuned_is_left_out_in_a_container():
    context = centos_node()
    (unit,), (tuned,) = resources_of_kind(context, Unit), resources_of_kind(context, TunedProfile)
    assert tuned.needs == (unit.id,) and "tuned" in system.list_packages(context, [])
    container = centos_node(virtualization="systemd-nspawn")
    assert not resources_of_kind(container, TunedProfile) and "tuned" not in system.list_packages(container, [])


EXTRA_SERVICES = {"CONFIG_SWIFT_INSTALL": True, "CONFIG_CINDER_INSTALL": True, "CONFIG_BARBICAN_INSTALL": True}


@pytest.mark.parametrize("active_firewall", ["firewalld", "iptables"])
@pytest.mark.parametrize(
    ("answers", "ports"),
    [
        ({}, (80, 5000, 6080, 8774, 8778, 9292, 9696)),
        ({"CONFIG_HORIZON_INSTALL": False}, (5000, 6080, 8774, 8778, 9292, 9696)),
        (EXTRA_SERVICES, (80, 5000, 6080, 8080, 8774, 8776, 8778, 9292, 9311, 9696)),
    ],
)
def test_only_public_ports_are_opened(active_firewall, answers, ports):
    """Packstack opens the database and the queue as well; here only the cloud's own nodes reach them."""
    kind = {"firewalld": FirewalldPorts, "iptables": IptablesPorts}[active_firewall]
    (opened,) = resources_of_kind(
        centos_node(answers={"CONFIG_FIREWALL": True, **answers}, firewall=active_firewall), kind
    )
    assert opened.ports == ports


def test_floating_addresses_are_forwarded_by_the_firewall_that_translates_them():
    context = centos_node(answers={"CONFIG_FIREWALL": True}, firewall="firewalld")
    (forward,) = resources_of_kind(context, FirewalldForward)
    assert (forward.source_cidr, forward.bridge, forward.needs) == ("198.18.2.0/24", "br-ex", ("firewalld:ports",))
    # firewalld's next reload would drop rules of iptables, and verify would report that.
    assert not [resource for resource in services.declare(context) if isinstance(resource, Nat)]
    (rules,) = resources_of_kind(centos_node(answers={"CONFIG_FIREWALL": True}, firewall="iptables"), IptablesPorts)
    assert rules.forwarded_networks == ("198.18.2.0/24",)
    without_demo = {"CONFIG_FIREWALL": True, "CONFIG_PROVISION_DEMO": False}
    assert not resources_of_kind(centos_node(answers=without_demo, firewall="firewalld"), FirewalldForward)


@pytest.mark.parametrize(
    ("active_firewall", "enabled"), [("", True), ("nftables", True), ("ufw", True), ("firewalld", False)]
)
def test_an_absent_or_excluded_firewall_is_left_alone(active_firewall, enabled):
    assert not resources_of_kind(
        centos_node(answers={"CONFIG_FIREWALL": enabled}, firewall=active_firewall), (FirewalldPorts, IptablesPorts)
    )


# --- preflight: answers without effect


def ineffective_answers(context):
    from packstack_lite.preflight.check import CheckContext
    from packstack_lite.preflight.ineffective_answers import check_ineffective_answers

    return [
        finding.message
        for finding in check_ineffective_answers(CheckContext(context.facts, context.answers, context.profile))
    ]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (cloud({"CONFIG_REPO": ("http://a/1",)}), "CONFIG_REPO has no effect here: apt needs"),
        (cloud({"CONFIG_REPO_DIRECTORY": "/srv"}), "CONFIG_REPO_DIRECTORY has no effect here: apt needs"),
        (
            cloud({"CONFIG_REPO_MIRROR": "vault"}),
            "CONFIG_REPO_MIRROR=vault has no effect here: the repositories of Debian",
        ),
        (
            centos_node(answers={"CONFIG_SELINUX": "permissive"}),
            "CONFIG_SELINUX=permissive has no effect here: SELinux is off",
        ),
        (
            cloud({"CONFIG_SELINUX": "permissive"}, selinux="enforcing"),
            "CONFIG_SELINUX=permissive has no effect here: a container shares its host's",
        ),
        (
            centos_node(answers={"CONFIG_FIREWALL": True}, firewall="nftables"),
            "the firewall is nftables, whose rules packstack-lite does not change",
        ),
    ],
)
def test_an_answer_without_effect_is_reported(context, message):
    (reported,) = ineffective_answers(context)
    assert reported.startswith(message)


@pytest.mark.parametrize("name", EL)
def test_effective_answers_are_not_reported(name):
    answers = {"CONFIG_REPO": ("http://a/1",), "CONFIG_REPO_DIRECTORY": "/srv", "CONFIG_FIREWALL": True}
    assert not ineffective_answers(
        centos_node(name, {**answers, "CONFIG_SELINUX": "permissive"}, selinux="enforcing", firewall="firewalld")
    )
    assert not ineffective_answers(
        cloud({"CONFIG_REPO_MIRROR": "auto", "CONFIG_SELINUX": "enforcing", "CONFIG_FIREWALL": True})
    )


@pytest.mark.parametrize("resolved", [(), ("127.0.1.1",), ("198.18.9.9",)])
def test_a_name_that_apply_will_resolve_is_only_a_warning(resolved):
    from packstack_lite.preflight.check import CheckContext
    from packstack_lite.preflight.network import check_hostname

    context = centos_node(hostname_addresses=resolved)
    (finding,) = check_hostname(CheckContext(context.facts, context.answers, context.profile))
    assert finding.level == "warning" and finding.message.endswith("; apply writes it into /etc/hosts") and finding.fix
    assert resources_of_kind(context, HostsEntry)
    correct = centos_node(hostname_addresses=(ADDRESS,))
    assert not list(check_hostname(CheckContext(correct.facts, correct.answers, correct.profile)))
