"""The main job on a host with CentOS Stream 9's layout: RDO's names, dnf, httpd, and Epoxy's own code in the RPMs.

It is no CentOS (docs/decisions/0008-el-layout-host.md); what is shown is that the profile centos9s-epoxy
finds everything where RDO puts it, and that the cloud made from it works: the complete one, with secrets, objects,
and volumes on Ceph.
"""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from tests.conftest import Tool
from tests.e2e.cloud_contract import STORAGE, apply_does_what_plan_announced, second_apply_changes_nothing, smoke_proves
from tests.e2e.conftest import COMPLETE, MORE_PASSWORDS, PASSWORDS, Sandbox, alone, bare_host, hostile
from tests.e2e.pitfalls import goes

# Each service's own word for Epoxy (2025.1), as its program says it, and the package that brings the program.
PROGRAMS = {
    "keystone-manage": ("27.", "openstack-keystone"),
    "glance-manage": ("30.", "openstack-glance"),
    "placement-manage": ("13.", "openstack-placement-common"),
    "nova-manage": ("31.", "openstack-nova-common"),
    "neutron-server": ("26.", "openstack-neutron"),
    "cinder-manage": ("26.", "openstack-cinder"),
    "barbican-manage": ("20.", "openstack-barbican-common"),
}
# The newest that the running API speaks: Epoxy's microversion of nova, Epoxy's image API.
NOVA, GLANCE = "2.100", "v2.17"
# What runs, and whose it is.
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
    """A bare host with CentOS Stream 9's layout (E2E_CENTOS9_SANDBOX, _ANSWERS and _TREE: see bare_host)."""
    answers, everything = tmp_path_factory.mktemp("centos9"), {**hostile(PASSWORDS + MORE_PASSWORDS), **COMPLETE}
    with alone(), bare_host(tool, answers, "e2e-centos9", everything, "el9") as host:
        yield host


def test_it_looks_like_centos_stream_9(centos9: Sandbox) -> None:
    release = centos9.sh("cat /etc/os-release")
    assert 'ID="centos"' in release
    assert 'VERSION_ID="9"' in release
    assert centos9.sh("cat /etc/redhat-release") == "CentOS Stream release 9\n"
    assert centos9.sh("command -v dnf yum rpm") == "/usr/bin/dnf\n/usr/bin/yum\n/usr/bin/rpm\n"
    assert centos9.sh("command -v apt apt-get dpkg", check=False) == ""


def test_apply_does_what_plan_announced_and_ends_with_a_cloud(centos9: Sandbox) -> None:
    apply_does_what_plan_announced(centos9, "--distro", "el9")


def test_smoke_proves_each_promise(centos9: Sandbox) -> None:
    smoke_proves(centos9, STORAGE)


def test_second_apply_changes_nothing_and_restarts_nothing(centos9: Sandbox) -> None:
    second_apply_changes_nothing(centos9)


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
    said = centos9.sh(f"for path in {' '.join(OWNERS)}; do rpm -qf --qf '%{{NAME}}\\n' $path; done")
    assert dict(zip(OWNERS, said.split())) == OWNERS


def test_packages_are_as_installed_but_for_their_configuration(centos9: Sandbox) -> None:
    """``rpm -Va`` names configuration files with a c between the marks and the path."""
    said = centos9.sh("rpm -Va --nomtime --nouser --nogroup --nomode", check=False)
    changed = [line for line in said.splitlines() if " c " not in line]
    assert changed == []


def test_services_run_under_rdos_units_and_users(centos9: Sandbox) -> None:
    units = "openstack-nova-api openstack-nova-compute openstack-glance-api neutron-server mariadb"
    said = centos9.sh(f"for unit in {units}; do systemctl show -P User $unit; done; ps -o user= -C httpd | sort -u")
    assert said.split() == ["nova", "nova", "glance", "neutron", "mysql", "apache", "keystone", "placement", "root"]


def test_nothing_has_failed_and_nothing_restarts_for_ever(centos9: Sandbox) -> None:
    assert centos9.sh("systemctl list-units --type=service --state=failed,activating --plain --no-legend") == ""


@pytest.mark.slow
def test_what_somebody_has_removed_from_under_the_cloud_comes_back(centos9: Sandbox) -> None:
    """The web server and a module: preflight tells and brings the packages again, apply the rest."""
    centos9.sh("systemctl stop httpd && rpm -e --nodeps httpd python3-pyyaml")
    goes(
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
