"""Packages through yum and dnf, with stand-ins for rpm, yum and dnf."""

from __future__ import annotations

import pytest

from packstack_lite.engine.diff import diff_resources
from packstack_lite.remote.command import Job
from packstack_lite.resources import Packages
from packstack_lite.resources.packages import MARKER
from tests.unit.dash import Dash, is_as_desired

RPM = r"""
for name in "$@"; do :; done
[ -e "$T/installed/$name" ] && exit 0
echo "no package provides $name"; exit 1
"""
INSTALL = r"""
echo "TOOL $*" >> $T/calls
[ ! -e $T/breaks ] || { echo "Could not resolve host" >&2; exit 1; }
for word in "$@"; do
    case $word in -*|install) continue ;; esac
    [ -e "$T/unknown/$word" ] || touch "$T/installed/$word"
done
"""


@pytest.fixture
def el(tmp_path):
    dash = Dash(tmp_path, moved=["/usr/sbin/policy-rc.d"])
    for name in ("installed", "unknown"):
        (tmp_path / name).mkdir()
    dash.tool("rpm", RPM)
    for tool in ("yum", "dnf"):
        dash.tool(tool, INSTALL.replace("TOOL", tool))
    dash.tool("systemctl", "echo systemctl $* >> $T/calls")
    return dash


@pytest.mark.parametrize("manager", ["yum", "dnf"])
def test_only_missing_packages_are_installed(el, tmp_path, manager):
    packages = Packages(names=("httpd", "openvswitch-ovn-host"), manager=manager)
    (tmp_path / "installed/httpd").touch()
    observed = el.probe(packages)[packages.id]
    assert observed == {"httpd": "installed", "openvswitch-ovn-host": "absent"}
    assert not is_as_desired(packages, observed)
    job = Packages.fix([diff_resources([packages], {packages.id: observed})[0]])[0]
    assert isinstance(job, Job) and el.run(job).ok
    assert is_as_desired(packages, el.probe(packages)[packages.id])
    first = el.read_note("calls").splitlines()[0].split()
    assert first[0] == manager and first[-2:] == ["install", "openvswitch-ovn-host"]
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists() and MARKER not in el.read_note("calls")


def test_yum_fails_at_an_unknown_name(el):
    assert el.fix(Packages(names=("a",), manager="yum"))[0].ok
    assert "skip_missing_names_on_install=False" in el.read_note("calls")


def test_dnf_installs_no_weak_dependencies(el):
    assert el.fix(Packages(names=("a",), manager="dnf"))[0].ok
    assert "install_weak_deps=False" in el.read_note("calls")


@pytest.mark.parametrize("manager", ["yum", "dnf"])
def test_a_package_that_is_skipped_is_a_failure(el, tmp_path, manager):
    (tmp_path / "unknown/b").touch()
    reply = el.fix(Packages(names=("a", "b"), manager=manager))[0]
    assert reply.code == 1
    assert reply.err.strip().endswith(f"{manager} reported success without installing: b")


@pytest.mark.parametrize("manager", ["yum", "dnf"])
def test_a_failure_of_the_package_manager_is_reported(el, tmp_path, manager):
    (tmp_path / "breaks").touch()
    reply = el.fix(Packages(names=("a",), manager=manager))[0]
    assert reply.code == 1 and "Could not resolve host" in reply.err
    assert "daemon-reload" not in el.read_note("calls")
