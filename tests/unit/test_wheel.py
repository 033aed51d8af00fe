"""The wheel has every file of the product (templates, answer files, profiles, host-side programs), and no tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.wheel import ROOT, build_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def files_below(name: str) -> set[str]:
    base = ROOT / name
    # Compiled files are no part of the tree: Python 2.7 writes NAME.pyc beside a module that it imports.
    files = (path for path in base.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(base).as_posix() for path in files}


@pytest.mark.parametrize(
    ("tree", "package"),
    [
        ("templates", "packstack_lite/templates"),
        ("answer-files", "packstack_lite/answer_files"),
        ("packstack_lite", "packstack_lite"),
    ],
)
def test_wheel_holds_the_whole_tree(wheel, tree, package):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"{package}/{name}" for name in files_below(tree)}
    assert len(expected) > 1
    assert not sorted(expected - names)


def test_wheel_holds_no_test_equipment(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith("tests") or "/el7" in name or "/el9" in name]


def test_console_script_is_declared(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "packstack-lite = packstack_lite.cli.app:main" in archive.read(name).decode()


def test_templates_are_found_without_the_source_tree(wheel, tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from importlib.resources import files\n"
        "for name in ('packstack_lite.templates', 'packstack_lite.answer_files'):\n"
        "    print(sum(1 for entry in files(name).iterdir()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(wheel)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(int(count) > 1 for count in done.stdout.split())
