"""Create each pitfall on a real Debian.

Preflight finds and explains it, --fix removes it.

CentOS's pitfalls are in test_pitfalls_el.py.
"""

from __future__ import annotations

from typing import Iterator

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
"""
)
FIXABLE = {
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
    assert "preflight --fix does it for" in " ".join(apply_result.err.split())
    result_without_data = node("preflight", "--fix", "--yes", "--output", "json")
    assert "packstack-lite preflight --fix --move-data mariadb does it" in result_without_data.err
    node.sh("test -e /var/lib/mysql/keystone/db.opt && test -d /var/tmp/packstack && test -d /root/packstackca")
    findings_after = run_fix(node)
    assert {name: finding["fixed"] for name, finding in findings_after.items()} == {"leftovers": True, "database": True}
    assert run_preflight(node) == {}


def test_fix_keeps_what_it_replaces(node: Sandbox) -> None:
    output = node.sh(
        "cat /etc/hosts.packstack-lite.orig /etc/default/locale.packstack-lite.orig"
        " /var/lib/mysql.packstack-lite.orig/keystone/db.opt;"
        "ls -d /var/tmp/packstack.packstack-lite.orig/*/manifests /root/packstackca.packstack-lite.orig/certs;"
        "getent hosts other; systemctl is-enabled otherweb"
        " || true"
    )
    for text in (
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


def test_text_output_names_what_is_fixed(node: Sandbox) -> None:
    node.sh("systemctl mask apache2")
    result = node("preflight", "--fix")
    assert result.code == 0
    assert "✓ masked" in result.out and "fixed: masked units, which nothing can start: apache2.service" in result.out
    assert "masked: unmask apache2.service" in result.err
