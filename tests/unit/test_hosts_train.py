"""OpenStack Train's payload of the el7 test host: interpreter, pip settings, files and versions."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from packstack_lite.sandbox.model import SandboxError
from tests.hosts import el_table, train


def make_interpreter(root: Path, version: str) -> Path:
    program = root / f"versions/{version}/bin/python3.6"
    program.parent.mkdir(parents=True)
    program.touch()
    return program.parents[1]


def test_pyenvs_newest_cpython_3_6_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert train.find_interpreter() is None
    make_interpreter(tmp_path, "3.6.9")
    newest = make_interpreter(tmp_path, "3.6.15")
    (tmp_path / "versions/3.6.99").mkdir()
    assert train.find_interpreter() == newest


def test_pyenv_is_searched_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    interpreter = make_interpreter(tmp_path / ".pyenv", "3.6.15")
    assert train.find_interpreter(home=tmp_path) == interpreter


def test_pips_settings_become_one_file_in_which_the_environment_wins(tmp_path):
    index = tmp_path / "simple"
    index.mkdir()
    config, directories = train.merge_pip_config(
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
    assert directories == ["/".join(str(index).split("/")[:3])]


def test_a_url_is_not_a_directory():
    config, directories = train.merge_pip_config(["global.index-url='https://user:word@mirror.example/root/simple'"])
    assert config == "[global]\nindex-url = https://user:word@mirror.example/root/simple\n"
    assert directories == []


@pytest.mark.parametrize(
    ("path", "expected"),
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
def test_a_payload_file_has_its_path_on_the_host(path, expected):
    assert train.host_path(path) == expected


def test_a_packages_files_are_those_of_its_record_with_their_byte_code(tmp_path):
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


def pinned_versions():
    lines = el_table.read_data("el7/train-constraints.txt").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_package_of_the_payload_has_one_version():
    for name, version in pinned_versions().items():
        assert re.fullmatch(r"[a-z0-9-]+", name), name
        assert re.fullmatch(r"[0-9a-z.]+", version), version


def test_the_services_have_trains_versions():
    expected = {
        "keystone": "16.0.2", "glance": "19.0.4", "openstack-placement": "2.0.1", "nova": "20.6.1", "neutron": "15.3.4",
        "cinder": "15.6.0", "swift": "2.23.3", "barbican": "9.0.1", "horizon": "16.2.2", "oslo-messaging": "10.2.4",
        "oslo-db": "5.0.2", "oslo-policy": "2.3.4", "keystonemiddleware": "7.0.1", "keystoneauth1": "3.17.4",
        "castellan": "1.3.4", "python-openstackclient": "4.0.2",
    }  # fmt: skip
    assert {name: pinned_versions()[name] for name in expected} == expected


def test_the_pools_python_packages_are_in_the_payload():
    layout = el_table.load_layout("el7")
    assert {name for pool in layout.pools for name in pool.pip} - {"*"} <= set(pinned_versions())


def test_a_missing_cpython_3_6_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(SandboxError, match=r"CPython 3\.6") as error:
        train.ensure_payload(tmp_path / "plain", lambda message: None)
    assert "pyenv install 3.6" in error.value.hint


def test_versions_are_valid_for_rpm():
    for entry in el_table.load_layout("el7").entries:
        assert re.fullmatch(r"[\w.+~]+ [\w.+~]+", f"{entry.rpm.version} {entry.rpm.release}"), entry.rpm.name
