"""What of this machine and of the payload goes where, when the el7 test host gets OpenStack Train's own code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from packstack_lite.sandbox.model import SandboxError
from tests.hosts import el_table, train


def python_in(root: Path, version: str) -> Path:
    program = root / f"versions/{version}/bin/python3.6"
    program.parent.mkdir(parents=True)
    program.touch()
    return program.parents[1]


def test_the_newest_3_6_that_pyenv_has_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert train.find_interpreter() is None
    python_in(tmp_path, "3.6.9")
    newest = python_in(tmp_path, "3.6.15")
    (tmp_path / "versions/3.6.99").mkdir()
    assert train.find_interpreter() == newest


def test_pyenv_is_looked_for_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    found = python_in(tmp_path / ".pyenv", "3.6.15")
    assert train.find_interpreter(home=tmp_path) == found


def test_pips_settings_are_one_file_and_what_the_environment_says_wins(tmp_path):
    index = tmp_path / "simple"
    index.mkdir()
    config, shown = train.merge_pip_config(
        [
            ":env:.timeout='180'",
            f"global.extra-index-url='file://{index}'",
            "global.timeout='5'",
            "global.constraint='/etc/constraints.txt'",
            "install.no-binary='x'",
            "nothing to read",
        ]
    )
    assert config == f"[global]\nextra-index-url = file://{index}\ntimeout = 180\n[install]\nno-binary = x\n"
    assert shown == ["/".join(str(index).split("/")[:3])]


def test_a_url_is_no_directory_of_this_machine():
    config, shown = train.merge_pip_config(["global.index-url='https://user:word@mirror.example/root/simple'"])
    assert config == "[global]\nindex-url = https://user:word@mirror.example/root/simple\n"
    assert shown == []


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("bin/nova-api", "usr/bin/nova-api"),
        ("bin/python3.6", "opt/train/bin/python3.6"),
        ("bin/pip3", "opt/train/bin/pip3"),
        ("etc/nova/api-paste.ini", "etc/nova/api-paste.ini"),
        ("share/man/man1/x.1", ""),
        ("share/nova/x", "usr/share/nova/x"),
        ("lib/python3.6/site-packages/nova/wsgi.py", "opt/train/lib/python3.6/site-packages/nova/wsgi.py"),
    ],
)
def test_where_a_file_of_the_prefix_is_on_the_host(path, there):
    assert train.host_path(path) == there


def test_the_files_of_a_package_are_those_of_its_record_with_their_byte_code(tmp_path):
    site = tmp_path / train.SITE_PACKAGES
    for name in ("nova/api.py", "nova/__pycache__/api.cpython-36.pyc", "nova_extra/other.py", "../../../bin/nova-api"):
        path = Path(os.path.normpath(site / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    info = site / "Nova_Thing-20.6.1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text('nova/api.py,sha256=x,1\n../../../bin/nova-api,,\nnova/gone.py,,\n"nova/a,b.py",,\n')
    code = f"{train.SITE_PACKAGES}/nova/__pycache__/api.cpython-36.pyc"
    assert train.package_files(tmp_path, "nova-thing") == [f"{train.SITE_PACKAGES}/nova/api.py", code, "bin/nova-api"]
    with pytest.raises(SandboxError, match="no package neutron"):
        train.package_files(tmp_path, "neutron")


def pinned():
    lines = el_table.read_data("el7/train-constraints.txt").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_package_of_the_payload_has_one_version():
    for name, version in pinned().items():
        assert re.fullmatch(r"[a-z0-9-]+", name), name
        assert re.fullmatch(r"[0-9a-z.]+", version), version


def test_the_services_are_those_of_train():
    expected = {
        "keystone": "16.0.2", "glance": "19.0.4", "openstack-placement": "2.0.1", "nova": "20.6.1", "neutron": "15.3.4",
        "cinder": "15.6.0", "swift": "2.23.3", "barbican": "9.0.1", "horizon": "16.2.2", "oslo-messaging": "10.2.4",
        "oslo-db": "5.0.2", "oslo-policy": "2.3.4", "keystonemiddleware": "7.0.1", "keystoneauth1": "3.17.4",
        "castellan": "1.3.4", "python-openstackclient": "4.0.2",
    }  # fmt: skip
    assert {name: pinned()[name] for name in expected} == expected


def test_what_the_pools_of_the_layout_name_is_in_the_payload():
    layout = el_table.load_layout("el7")
    assert {name for pool in layout.pools for name in pool.pip} - {"*"} <= set(pinned())


def test_a_machine_without_3_6_is_told_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(SandboxError, match=r"CPython 3\.6") as told:
        train.ensure_payload(tmp_path / "plain", lambda said: None)
    assert "pyenv install 3.6" in told.value.hint


def test_versions_are_as_rpm_takes_them():
    for entry in el_table.load_layout("el7").entries:
        assert re.fullmatch(r"[\w.+~]+ [\w.+~]+", f"{entry.rpm.version} {entry.rpm.release}"), entry.rpm.name
