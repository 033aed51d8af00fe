"""Create each pitfall on a real Debian.

Preflight finds and explains it, --fix removes it.

CentOS's pitfalls are in test_pitfalls_el.py.
"""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

import pytest

from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_node
from tests.e2e.pitfalls import BREAK_PORT_AND_HOSTNAME, findings_by_name, run_fix, run_preflight

NAME = "e2e-pitfalls"
# Pitfalls that --fix fixes, and a part of each finding's message.
BREAK_FIXABLE = (
    r"""
set -e
systemctl mask apache2
"""
    + BREAK_PORT_AND_HOSTNAME
    + r"""echo LANG=zh_CN.GB18030 > /etc/default/locale
mkdir -p /var/tmp/packstack/20200101-000000-abc/manifests /root/packstackca/certs
mkdir -p /var/lib/mysql/mysql /var/lib/mysql/keystone /var/lib/mysql/nova_api
echo kept > /var/lib/mysql/keystone/db.opt
echo 'deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main' >> /etc/apt/sources.list
# A package whose set-up fails until a file is there.
mkdir -p /root/half/DEBIAN
printf 'Package: half\nVersion: 1\nArchitecture: all\nMaintainer: t\nDescription: t\n' > /root/half/DEBIAN/control
printf '#!/bin/sh\ntest -e /root/half.may\n' > /root/half/DEBIAN/postinst
chmod 755 /root/half/DEBIAN/postinst
dpkg-deb --build /root/half /root/half.deb > /dev/null
! dpkg -i /root/half.deb > /dev/null 2>&1
touch /root/half.may
"""
)
FIXABLE = {
    "cdrom": "/etc/apt/sources.list:4: a CD or DVD is a package source",
    "dpkg": "an installation was interrupted: half (half configured)",
    "masked": "nothing can start: apache2.service",
    "ports": "port 80 is used by perl (otherweb.service)",
    "hostname": "resolves to 198.18.255.9, which is not this node's address",
    "locale": "LANG=zh_CN.GB18030, which is not installed",
    "leftovers": "Packstack has left /var/tmp/packstack, /root/packstackca",
    "database": "an old MariaDB with an earlier cloud's data (keystone, nova_api)",
}
# Pitfalls that the user has to resolve, and parts of each finding's message and hint.
BREAK_UNFIXABLE = r"""
set -e
set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}')
ip addr change "$1" dev host0 valid_lft 3000 preferred_lft 3000
mkdir -p /usr/local/lib/python3.11/dist-packages/yaml
mkdir -p /etc/apt/sources.list.d
echo 'deb [trusted=yes] http://127.0.0.1:9/gone stable main' > /etc/apt/sources.list.d/gone.list
"""
REPAIR_UNFIXABLE = r"""
set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}')
ip addr change "$1" dev host0 valid_lft forever preferred_lft forever
rm -r /usr/local/lib/python3.11/dist-packages/yaml /etc/apt/sources.list.d/gone.list
"""
UNFIXABLE = {
    "dhcp": ("from DHCP; the cloud stops working", "make it static"),
    "python": ("/usr/local/lib/python3.11/dist-packages/yaml", "pip uninstall"),
    "packages": ("Could not connect to 127.0.0.1:9", "repair the source"),
}


@pytest.fixture(scope="module")
def node(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare Debian."""
    with bare_node(tool, tmp_path_factory.mktemp("pitfalls"), NAME, {}) as node:
        yield node


def test_a_healthy_node_has_no_finding_and_fix_changes_nothing(node: Sandbox) -> None:
    assert run_preflight(node) == {}
    findings = node.fingerprint()
    result = node("preflight", "--fix", "--output", "json")
    assert (result.code, findings_by_name(result)) == (0, {})
    assert "there is nothing that --fix can fix" in result.err
    assert node.fingerprint() == findings


def test_fixable_pitfalls_are_found_fixed_and_gone(node: Sandbox) -> None:
    node.sh(BREAK_FIXABLE)
    findings = run_preflight(node)
    assert set(findings) == set(FIXABLE)
    for name, text in FIXABLE.items():
        assert text in str(findings[name]["message"])
        assert findings[name]["fix"] and not findings[name]["fixed"]
        assert findings[name]["fixable"] != bool(findings[name]["move_data"])
    assert {name for name in FIXABLE if findings[name]["move_data"]} == {"leftovers", "database"}
    apply_result = node("apply")
    assert apply_result.code == 3
    this_cloud = f"--sandbox {NAME} --answer-file {node.answers}"
    assert f"packstack-lite preflight --fix {this_cloud} does it for" in " ".join(apply_result.err.split())
    result_without_data = node("preflight", "--fix", "--yes", "--output", "json")
    move_data = f"packstack-lite preflight --fix --move-data mariadb {this_cloud}"
    assert move_data in str(findings["database"]["fix"])
    assert f"{move_data} does it" in result_without_data.err
    node.sh("test -e /var/lib/mysql/keystone/db.opt && test -d /var/tmp/packstack && test -d /root/packstackca")
    findings_after = run_fix(node)
    assert {name: finding["fixed"] for name, finding in findings_after.items()} == {"leftovers": True, "database": True}
    assert run_preflight(node) == {}


def test_fix_keeps_what_it_replaces(node: Sandbox) -> None:
    output = node.sh(
        "cat /etc/apt/sources.list; dpkg-query -W -f '${db:Status-Abbrev}\n' half;"
        "cat /etc/hosts.packstack-lite.orig /etc/default/locale.packstack-lite.orig"
        " /var/lib/mysql.packstack-lite.orig/keystone/db.opt;"
        "ls -d /var/tmp/packstack.packstack-lite.orig/*/manifests /root/packstackca.packstack-lite.orig/certs;"
        "getent hosts other; systemctl is-enabled otherweb"
        " || true"
    )
    for text in (
        "\n# deb cdrom:[Debian GNU/Linux 12.5.0",
        "\nii",
        "198.18.255.9",
        "LANG=zh_CN.GB18030",
        "kept",
        "manifests",
        "certs",
        "198.18.255.9    other",
        "disabled",
    ):
        assert text in output, text


def test_unfixable_pitfalls_are_explained_and_left_alone(node: Sandbox) -> None:
    node.sh(BREAK_UNFIXABLE)
    findings = run_preflight(node)
    assert set(findings) == set(UNFIXABLE)
    for name, (message, hint) in UNFIXABLE.items():
        assert message in str(findings[name]["message"])
        assert hint in str(findings[name]["fix"])
        assert not findings[name]["fixable"]
    result = node("preflight", "--fix", "--output", "json")
    assert result.code == 3 and "there is nothing that --fix can fix" in result.err
    node.sh(REPAIR_UNFIXABLE)
    assert run_preflight(node) == {}


# Sources that apt-get update refuses, each with its place.
BREAK_SOURCES = r"""
set -e
cat > /etc/apt/sources.list.d/more.sources <<'SOURCES'
# A key that is not there.

Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-proposed-updates
Components: main
Signed-By: /etc/apt/keyrings/none.gpg

Types: deb
URIs: http://deb.debian.org/debian
Suites: nosuch
Components: main
SOURCES
mkdir -p /srv/expired/dists/stable /srv/early/dists/stable
printf 'Codename: stable\nDate: Wed, 01 Jan 2020 00:00:00 UTC\nValid-Until: Thu, 02 Jan 2020 00:00:00 UTC\nSHA256:\n' \
    > /srv/expired/dists/stable/Release
printf 'Codename: stable\nDate: Wed, 01 Jan 2200 00:00:00 UTC\nSHA256:\n' > /srv/early/dists/stable/Release
options='trusted=yes check-date=yes check-valid-until=yes'
printf 'deb [%s] file:/srv/expired stable main\ndeb [%s] file:/srv/early stable main\n' "$options" "$options" \
    > /etc/apt/sources.list.d/local.list
"""
REFUSED_SOURCES = (
    "/etc/apt/sources.list.d/more.sources:3: http://deb.debian.org/debian bookworm-proposed-updates: ",
    "/etc/apt/sources.list.d/more.sources:9: http://deb.debian.org/debian nosuch: 404",
    "/etc/apt/sources.list.d/local.list:1: Release file for file:/srv/expired/dists/stable/Release is expired",
    "/etc/apt/sources.list.d/local.list:2: Release file for file:/srv/early/dists/stable/Release is not valid yet",
)
REPAIR_SOURCES = "rm -r /etc/apt/sources.list.d/more.sources /etc/apt/sources.list.d/local.list /srv/expired /srv/early"
# What keeps apt from our packages: the script, parts of message and hint, and how it is taken back.
LIMITS = (
    (
        "printf 'Package: nova-*\\nPin: release a=*\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/mine",
        ("'nova-api' has no installation candidate", "pinned in /etc/apt/preferences.d/mine:1"),
        "rm /etc/apt/preferences.d/mine",
    ),
    ("apt-mark hold nova-api", ("on hold: nova-api", "apt-mark unhold nova-api"), "apt-mark unhold nova-api"),
)


def test_sources_that_apt_refuses_are_named_with_file_and_line(node: Sandbox) -> None:
    node.sh(BREAK_SOURCES)
    paths = "/var/lib/apt /var/cache/apt /var/lib/dpkg /tmp /var/tmp"
    state = f"find {paths} -mindepth 1 -not -path '*systemd-private*' -printf '%p %T@\\n' | sort"
    before = node.sh(state)
    findings = run_preflight(node)
    assert node.sh(state) == before, "apt's own lists and caches stay"
    assert set(findings) == {"packages"}
    for text in REFUSED_SOURCES:
        assert text in str(findings["packages"]["message"])
    assert node.sh("LC_ALL=C apt-get update 2>&1 || true").count("\nE: ") >= len(REFUSED_SOURCES), "apt agrees"
    node.sh(REPAIR_SOURCES)
    assert run_preflight(node) == {}


@pytest.mark.parametrize(("limit", "texts", "repair"), LIMITS, ids=["pin", "hold"])
def test_pins_and_holds_of_our_packages_are_named(node: Sandbox, limit: str, texts: Sequence[str], repair: str) -> None:
    node.sh(f"apt-get -q update && {limit}")
    findings = run_preflight(node)
    assert set(findings) == {"pins"}
    assert all(text in f"{findings['pins']['message']} {findings['pins']['fix']}" for text in texts), findings
    node.sh(repair)
    assert run_preflight(node) == {}


class Hint(NamedTuple):
    """A finding whose whole hint is a command.

    ``commands`` are the functions of node_commands that make it. ``break_node`` makes the fault, ``changed`` are the
    paths in /etc that the command may change. ``take_back`` is run at the end.
    """

    commands: Sequence[str]
    check: str
    break_node: str
    changed: Sequence[str] = ()
    options: Sequence[str] = ()
    take_back: str = "true"


# The host name on a line with others, a comment and no end of line.
OTHER_ADDRESS = (
    'sed -i "/[[:space:]]$(hostname)/d" /etc/hosts;'
    ' printf \'10.9.9.9 else # %s\\n{} first %s Second # mine\' "$(hostname)" "$(hostname)" >> /etc/hosts'
)
BREAK_PACKAGE = r"""rm -f /root/half.may; ! dpkg -i /root/half.deb > /dev/null 2>&1 && touch /root/half.may"""
# Each round makes its faults at once.
ROUNDS: Sequence[Sequence[Hint]] = (
    (
        Hint(["unhold_packages"], "pins", "apt-get -q update && apt-mark hold nova-api"),
        Hint(["set_hosts_entry"], "hostname", OTHER_ADDRESS.format("127.0.1.1"), ["/etc/hosts"]),
        Hint(
            ["unmask_units"],
            "masked",
            "systemctl mask apache2 mariadb",
            ["/etc/systemd/system/apache2.service", "/etc/systemd/system/mariadb.service"],
        ),
        Hint(
            ["disable_units"],
            "ports",
            "systemctl enable --now otherweb",
            ["/etc/systemd/system/multi-user.target.wants/otherweb.service"],
        ),
        Hint(["set_mtu"], "route", "ip link set host0 mtu 1380"),
        Hint(
            ["set_link_up"],
            "interfaces",
            "ip link add tun9 type veth peer name tun8 && ip link set tun8 up && ip addr add 198.18.254.1/28 dev tun9",
            options=["--set", "CONFIG_NEUTRON_OVN_TUNNEL_IF=tun9"],
            take_back="ip link del tun9",
        ),
        Hint(
            ["comment_out_disc_sources"],
            "cdrom",
            "echo 'deb cdrom:[Debian 12 _Bookworm_]/ bookworm main' >> /etc/apt/sources.list",
            ["/etc/apt/sources.list"],
        ),
    ),
    (
        Hint(["finish_packages"], "dpkg", BREAK_PACKAGE),
        Hint(["set_hosts_entry"], "hostname", OTHER_ADDRESS.format("198.18.255.9"), ["/etc/hosts"]),
    ),
    (Hint(["set_hosts_entry"], "hostname", ": > /etc/hosts", ["/etc/hosts"]),),
    (
        Hint(
            ["set_hostname"],
            "hostname",
            "hostnamectl set-hostname 12345",
            ["/etc/hosts", "/etc/hostname"],
            take_back=f"hostnamectl set-hostname {NAME}; sed -i 's/node-12345/{NAME}/' /etc/hosts",
        ),
    ),
)
# It needs the daemons of test_fix_works_with_running_daemons.
FIREWALL_HINT = Hint(
    ["keep_only_firewalld"], "firewall", "systemctl enable --now nftables", ["/etc/systemd/system/sysinit.target"]
)
ROOT_LOGIN_HINT = Hint(
    ["restore_root_login"], "database", """mariadb -e "ALTER USER root@localhost IDENTIFIED BY 'of an earlier run'" """
)
HINTS = (*(hint for hints in ROUNDS for hint in hints), FIREWALL_HINT, ROOT_LOGIN_HINT)


@pytest.mark.parametrize("hints", ROUNDS, ids=["many", "packages", "no hosts", "a number"])
def test_printed_commands_cure_their_findings_and_change_nothing_else(node: Sandbox, hints: Sequence[Hint]) -> None:
    run_printed_commands(node, hints)


def run_printed_commands(node: Sandbox, hints: Sequence[Hint]) -> None:
    """Make the faults, run each finding's hint as printed, and look at what it has changed."""
    options = [option for hint in hints for option in hint.options]
    for hint in hints:
        node.sh(hint.break_node)
    findings = run_preflight(node, *options)
    assert set(findings) - {"preparation"} == {hint.check for hint in hints}
    before, others = set(node.fingerprint()), list_other_names(node)
    for hint in hints:
        node.sh(str(findings[hint.check]["fix"]).split("\n")[0])
    assert run_preflight(node, *options) == {}
    # The first path of a line; another one is the target of a link.
    paths = [re.search(r"/etc/\S+", line) for line in before ^ set(node.fingerprint())]
    changed = {path[0] for path in paths if path}
    expected = tuple(path for hint in hints for path in hint.changed)
    assert all(path.startswith(expected) for path in changed), changed
    assert list_other_names(node) == others
    for hint in hints:
        node.sh(hint.take_back)


def list_other_names(node: Sandbox) -> str:
    """Return the names and comments of /etc/hosts that are not the node's, each with its address."""
    return node.sh(
        "awk -v name=$(hostname) '{for (i = 2; i <= NF && $i !~ /^#/; i++) if ($i != name) print $1, $i}' /etc/hosts"
        " | grep -v node-12345; grep -o '#.*' /etc/hosts; true"
    )


# dns=none: NetworkManager is here for the bridge, and must not write /etc/resolv.conf.
INSTALL_DAEMONS = """
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/NetworkManager/conf.d
printf '[main]\\ndns=none\\n' > /etc/NetworkManager/conf.d/10-test.conf
apt-get -q update && apt-get -q -y install --no-install-recommends mariadb-server firewalld nftables network-manager
"""
BREAK_DAEMONS = """
set -e
mariadb -e "CREATE DATABASE keystone; ALTER USER root@localhost IDENTIFIED BY 'of an earlier run'"
systemctl enable --now nftables
ip link add br-ex type veth peer name br-ex-peer
ip link set br-ex up && ip link set br-ex-peer up
nmcli connection add type ethernet ifname br-ex con-name br-ex ipv4.method manual ipv4.addresses 198.18.255.1/28
nmcli device set br-ex managed yes
nmcli -w 20 connection up br-ex
"""
BROKEN_DAEMONS = {
    "database": "Access denied for user 'root'@'localhost'",
    "firewall": "firewalld and nftables.service are both enabled",
    "networkmanager": "NetworkManager manages br-ex",
}


def test_fix_works_with_running_daemons(node: Sandbox) -> None:
    """MariaDB refuses root, nftables has removed firewalld's rules, NetworkManager manages br-ex."""
    node.sh(INSTALL_DAEMONS)
    node.sh("systemctl is-active mariadb firewalld NetworkManager")
    assert run_preflight(node) == {}, "an empty MariaDB, one firewall and NetworkManager are no findings"
    node.sh(BREAK_DAEMONS)
    assert "firewalld" not in node.sh("nft list ruleset"), "nftables must have removed the rules"
    findings = run_preflight(node)
    # Without firewalld the firewall in force is one that apply does not support: a finding of its own.
    assert set(findings) - {"preparation"} == set(BROKEN_DAEMONS)
    assert all(text in str(findings[name]["message"]) for name, text in BROKEN_DAEMONS.items())
    findings_after = run_fix(node)
    assert {name: finding["fixed"] for name, finding in findings_after.items()} == dict.fromkeys(findings, True)
    assert run_preflight(node) == {}
    assert node.sh("mariadb -N -e 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert "table inet firewalld" in node.sh("nft list ruleset")
    node.sh("systemctl restart NetworkManager; sleep 2")
    assert "198.18.255.1/28" in node.sh("ip -o -4 addr show dev br-ex"), "the bridge's address has stayed"


def test_the_printed_command_for_two_firewalls_keeps_firewalld(node: Sandbox) -> None:
    run_printed_commands(node, [FIREWALL_HINT])
    assert "table inet firewalld" in node.sh("nft list ruleset")


def test_the_printed_command_for_root_in_mariadb_lets_it_in(node: Sandbox) -> None:
    run_printed_commands(node, [ROOT_LOGIN_HINT])
    assert node.sh("mariadb -N -e 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert node.sh("pgrep -c -x mariadbd").strip() == "1", "only the service's server runs"


def test_text_output_names_what_is_fixed(node: Sandbox) -> None:
    node.sh("systemctl mask apache2")
    result = node("preflight", "--fix")
    assert result.code == 0
    assert "✓ masked" in result.out and "fixed: masked units, which nothing can start: apache2.service" in result.out
    assert "masked: unmask apache2.service" in result.err
