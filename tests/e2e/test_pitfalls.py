"""The pitfalls on a real host: each built, found with its explanation, mended by --fix, gone; none on a healthy host.

This one is a Debian; CentOS's are in test_pitfalls_el.py.
"""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_host
from tests.e2e.pitfalls import ELSEWHERE, found, looked, mended

HOST = "e2e-pitfalls"
# Built by hand, as users come by them: what --fix mends of it, and by which words it is found.
BUILD = (
    r"""
set -e
systemctl mask apache2
"""
    + ELSEWHERE
    + r"""echo LANG=zh_CN.GB18030 > /etc/default/locale
mkdir -p /var/tmp/packstack/20200101-000000-abc/manifests /root/packstackca/certs
mkdir -p /var/lib/mysql/mysql /var/lib/mysql/keystone /var/lib/mysql/nova_api
echo kept > /var/lib/mysql/keystone/db.opt
"""
)
BUILT = {
    "masked": "nothing can start: apache2.service",
    "ports": "port 80 is used by perl (otherweb.service)",
    "hostname": "resolves to 198.18.255.9, which is not this node's address",
    "locale": "LANG=zh_CN.GB18030, which is not installed",
    "leftovers": "Packstack has left /var/tmp/packstack, /root/packstackca",
    "database": "an old MariaDB with an earlier cloud's data (keystone, nova_api)",
}
# What takes the user: found and explained, and left alone.
EXPLAINED = r"""
set -e
set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}')
ip addr change "$1" dev host0 valid_lft 3000 preferred_lft 3000
mkdir -p /usr/local/lib/python3.11/dist-packages/yaml
mkdir -p /etc/apt/sources.list.d
echo 'deb [trusted=yes] http://127.0.0.1:9/gone stable main' > /etc/apt/sources.list.d/gone.list
"""
EXPLAINED_AWAY = r"""
set -- $(ip -o -4 addr show dev host0 scope global | awk '{print $4}')
ip addr change "$1" dev host0 valid_lft forever preferred_lft forever
rm -r /usr/local/lib/python3.11/dist-packages/yaml /etc/apt/sources.list.d/gone.list
"""
WORDS = {
    "dhcp": ("from DHCP; the cloud stops working", "make it static"),
    "python": ("/usr/local/lib/python3.11/dist-packages/yaml", "pip uninstall"),
    "packages": ("Could not connect to 127.0.0.1:9", "repair the source"),
}


@pytest.fixture(scope="module")
def host(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A Debian with nothing on it."""
    with bare_host(tool, tmp_path_factory.mktemp("pitfalls"), HOST, {}) as made:
        yield made


def test_a_healthy_host_has_no_pitfall_and_fix_does_nothing_to_it(host):
    assert looked(host) == {}
    before = host.fingerprint()
    ended = host("preflight", "--fix", "--output", "json")
    assert (ended.code, found(ended)) == (0, {})
    assert "there is nothing that --fix can fix" in ended.err
    assert host.fingerprint() == before


def test_what_is_built_is_found_mended_and_gone(host):
    host.sh(BUILD)
    before = looked(host)
    assert set(before) == set(BUILT)
    for name, words in BUILT.items():
        assert words in str(before[name]["message"])
        assert before[name]["fix"] and not before[name]["fixed"]
        assert before[name]["fixable"] != bool(before[name]["move_data"])
    assert {name for name in BUILT if before[name]["move_data"]} == {"leftovers", "database"}
    refused = host("apply")
    assert refused.code == 3
    assert "preflight --fix does it for" in " ".join(refused.err.split())
    alone = host("preflight", "--fix", "--yes", "--output", "json")
    assert "packstack-lite preflight --fix --move-data mariadb does it" in alone.err
    host.sh("test -e /var/lib/mysql/keystone/db.opt && test -d /var/tmp/packstack && test -d /root/packstackca")
    after = mended(host)
    assert {name: one["fixed"] for name, one in after.items()} == {"leftovers": True, "database": True}
    assert looked(host) == {}


def test_what_fix_has_replaced_is_kept(host):
    told = host.sh(
        "cat /etc/hosts.packstack-lite.orig /etc/default/locale.packstack-lite.orig"
        " /var/lib/mysql.packstack-lite.orig/keystone/db.opt;"
        "ls -d /var/tmp/packstack.packstack-lite.orig/*/manifests /root/packstackca.packstack-lite.orig/certs;"
        "getent hosts other; systemctl is-enabled otherweb"
        " || true"
    )
    for words in (
        "198.18.255.9",
        "LANG=zh_CN.GB18030",
        "kept",
        "manifests",
        "certs",
        "198.18.255.9    other",
        "disabled",
    ):
        assert words in told, words


def test_what_takes_the_user_is_explained_and_left_alone(host):
    host.sh(EXPLAINED)
    before = looked(host)
    assert set(before) == set(WORDS)
    for name, (what, way) in WORDS.items():
        assert what in str(before[name]["message"])
        assert way in str(before[name]["fix"])
        assert not before[name]["fixable"]
    ended = host("preflight", "--fix", "--output", "json")
    assert ended.code == 3 and "there is nothing that --fix can fix" in ended.err
    host.sh(EXPLAINED_AWAY)
    assert looked(host) == {}


# dns=none: NetworkManager is here for the bridge, and not for the host's resolv.conf.
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/NetworkManager/conf.d
printf '[main]\\ndns=none\\n' > /etc/NetworkManager/conf.d/10-test.conf
apt-get -q update && apt-get -q -y install --no-install-recommends mariadb-server firewalld nftables network-manager
"""
BREAK = """
set -e
mariadb -e "CREATE DATABASE keystone; ALTER USER root@localhost IDENTIFIED BY 'of an earlier run'"
systemctl enable --now nftables
ip link add br-ex type veth peer name br-ex-peer
ip link set br-ex up && ip link set br-ex-peer up
nmcli connection add type ethernet ifname br-ex con-name br-ex ipv4.method manual ipv4.addresses 198.18.255.1/28
nmcli device set br-ex managed yes
nmcli -w 20 connection up br-ex
"""
BROKEN = {
    "database": "Access denied for user 'root'@'localhost'",
    "firewall": "firewalld and nftables.service are both enabled",
    "networkmanager": "NetworkManager manages br-ex",
}


def test_running_daemons_are_mended_too(host):
    """MariaDB refuses root, nftables has thrown out firewalld's rules, NetworkManager has br-ex: real ones."""
    host.sh(INSTALL)
    host.sh("systemctl is-active mariadb firewalld NetworkManager")
    assert looked(host) == {}, "an empty MariaDB, a firewall and NetworkManager are no faults"
    host.sh(BREAK)
    assert "firewalld" not in host.sh("nft list ruleset"), "the fault is real: the rules are lost"
    before = looked(host)
    # With firewalld gone the firewall in force is one whose rules apply does not know; that is said too.
    assert set(before) - {"preparation"} == set(BROKEN)
    assert all(words in str(before[name]["message"]) for name, words in BROKEN.items())
    after = mended(host)
    assert {name: one["fixed"] for name, one in after.items()} == dict.fromkeys(before, True)
    assert looked(host) == {}
    assert host.sh("mariadb -N -e 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert "table inet firewalld" in host.sh("nft list ruleset")
    host.sh("systemctl restart NetworkManager; sleep 2")
    assert "198.18.255.1/28" in host.sh("ip -o -4 addr show dev br-ex"), "the bridge's address has stayed"


def test_text_names_what_is_mended(host):
    host.sh("systemctl mask apache2")
    ended = host("preflight", "--fix")
    assert ended.code == 0
    assert "✓ masked" in ended.out and "fixed: masked units, which nothing can start: apache2.service" in ended.out
    assert "masked: unmask apache2.service" in ended.err
