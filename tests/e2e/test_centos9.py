"""Deploy a complete cloud on a test node with CentOS Stream 9's layout.

It has RDO's names, dnf, httpd, and Epoxy's code.

The node is not a CentOS (docs/decisions/0008-el-layout-host.md). The tests show that the profile centos9s-epoxy has
RDO's names and paths, and that the cloud works, with secrets, objects and volumes on Ceph.
"""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import (
    STORAGE_CASES,
    assert_apply_matches_plan,
    assert_second_apply_changes_nothing,
    assert_smoke_passes,
)
from tests.e2e.conftest import (
    COMPLETE,
    OPTIONAL_PASSWORDS,
    PASSWORDS,
    Sandbox,
    bare_node,
    hostile_passwords,
    other_sandboxes_stopped,
)
from tests.e2e.pitfalls import assert_fixable
from tests.rehearsal_services import without_absent_services

# The version that each service's program prints in Epoxy (2025.1), and the program's package.
PROGRAMS = {
    "keystone-manage": ("27.", "openstack-keystone"),
    "glance-manage": ("30.", "openstack-glance"),
    "placement-manage": ("13.", "openstack-placement-common"),
    "nova-manage": ("31.", "openstack-nova-common"),
    "neutron-server": ("26.", "openstack-neutron"),
    "cinder-manage": ("26.", "openstack-cinder"),
    "barbican-manage": ("20.", "openstack-barbican-common"),
}
# The newest versions of the running APIs: Epoxy's microversion of nova, Epoxy's image API.
NOVA, GLANCE = "2.100", "v2.17"
# Files of running services -> the packages that own them.
OWNERS = {
    "/usr/sbin/httpd": "httpd",
    "/usr/lib64/httpd/modules/mod_wsgi_python3.so": "python3-mod_wsgi",
    "/usr/libexec/mariadbd": "mariadb-server",
    "/usr/sbin/rabbitmqctl": "rabbitmq-server",
    "/usr/sbin/ovs-vswitchd": "openvswitch3.4",
    "/usr/sbin/virtqemud": "libvirt-daemon-driver-qemu",
    "/usr/libexec/qemu-kvm": "qemu-kvm-core",
    "/usr/bin/nova-compute": "openstack-nova-compute",
    "/usr/lib/systemd/system/openstack-nova-api.service": "openstack-nova-api",
    "/usr/lib/systemd/system/neutron-server.service": "openstack-neutron",
    "/usr/share/openstack-dashboard/manage.py": "openstack-dashboard",
    "/usr/bin/ceph-osd": "ceph-osd",
    "/usr/bin/swift-proxy-server": "openstack-swift-proxy",
    "/etc/redhat-release": "centos-stream-release",
}


@pytest.fixture(scope="module")
def centos9(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare node with CentOS Stream 9's layout (E2E_CENTOS9_SANDBOX, _ANSWERS and _TREE: see bare_node)."""
    directory, answers = (
        tmp_path_factory.mktemp("centos9"),
        {**hostile_passwords(PASSWORDS + OPTIONAL_PASSWORDS), **without_absent_services(COMPLETE, "el9")},
    )
    with other_sandboxes_stopped(), bare_node(tool, directory, "e2e-centos9", answers, "el9") as node:
        yield node


def test_it_looks_like_centos_stream_9(centos9: Sandbox) -> None:
    release = centos9.sh("cat /etc/os-release")
    assert 'ID="centos"' in release
    assert 'VERSION_ID="9"' in release
    assert centos9.sh("cat /etc/redhat-release") == "CentOS Stream release 9\n"
    assert centos9.sh("command -v dnf yum rpm") == "/usr/bin/dnf\n/usr/bin/yum\n/usr/bin/rpm\n"
    assert centos9.sh("command -v apt apt-get dpkg", check=False) == ""


def test_apply_makes_no_change_that_plan_did_not_announce(centos9: Sandbox) -> None:
    assert_apply_matches_plan(centos9, "--distro", "el9")


def test_smoke_passes(centos9: Sandbox) -> None:
    assert_smoke_passes(centos9, STORAGE_CASES)


def test_second_apply_changes_nothing_and_restarts_nothing(centos9: Sandbox) -> None:
    assert_second_apply_changes_nothing(centos9)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_epoxys_and_of_rdos_packages(centos9: Sandbox, program: str) -> None:
    version, package = PROGRAMS[program]
    assert centos9.sh(f"{program} --version 2>&1").split()[-1].startswith(version)
    assert centos9.sh(f"rpm -qf --qf '%{{NAME}} %{{VERSION}}' /usr/bin/{program}").startswith(f"{package} {version}")


def test_running_apis_speak_epoxys_newest_versions(centos9: Sandbox) -> None:
    address = centos9.sh("hostname -I").split()[0]
    nova = json.loads(centos9.sh(f"curl -s http://{address}:8774/v2.1/"))["version"]
    assert nova["version"] == NOVA
    glance = json.loads(centos9.sh(f"curl -s http://{address}:9292/versions"))["versions"]
    assert GLANCE in {entry["id"] for entry in glance if entry["status"] == "CURRENT"}


def test_what_runs_was_installed_by_rpm(centos9: Sandbox) -> None:
    output = centos9.sh(f"for path in {' '.join(OWNERS)}; do rpm -qf --qf '%{{NAME}}\\n' $path; done")
    assert dict(zip(OWNERS, output.split())) == OWNERS


def test_packages_are_as_installed_but_for_their_configuration(centos9: Sandbox) -> None:
    """``rpm -Va`` marks configuration files with a c before the path."""
    output = centos9.sh("rpm -Va --nomtime --nouser --nogroup --nomode", check=False)
    changed = [line for line in output.splitlines() if " c " not in line]
    assert changed == []


def test_services_run_under_rdos_units_and_users(centos9: Sandbox) -> None:
    units = "openstack-nova-api openstack-nova-compute openstack-glance-api neutron-server mariadb"
    output = centos9.sh(f"for unit in {units}; do systemctl show -P User $unit; done; ps -o user= -C httpd | sort -u")
    assert output.split() == ["nova", "nova", "glance", "neutron", "mysql", "apache", "keystone", "placement", "root"]


def test_no_unit_is_failed_or_restarting(centos9: Sandbox) -> None:
    assert centos9.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""


@pytest.mark.slow
def test_removed_packages_are_reinstalled_by_fix_and_apply(centos9: Sandbox) -> None:
    """preflight --fix reinstalls the web server and a module; apply does the rest."""
    centos9.sh("systemctl stop httpd && rpm -e --nodeps httpd python3-pyyaml")
    assert_fixable(
        centos9,
        {
            "httpd": "httpd is no longer installed",
            "python": "python3 cannot import yaml, which OpenStack's programs",
        },
    )
    applied = centos9("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert centos9("verify").code == 0
    assert centos9.sh(". /root/keystonerc_admin; openstack token issue -f value -c id")
