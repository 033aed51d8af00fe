"""Rendered files equal the golden ones: each change of a template or a default is visible, line by line."""

from __future__ import annotations

import pytest

from packstack_lite import profiles
from tests.golden.update import golden_path
from tests.rendered import CASES, files, on, text

pytestmark = [pytest.mark.parametrize("case", CASES), pytest.mark.parametrize("profile", profiles.list_names())]


def test_the_same_files_are_rendered(profile, case):
    directory = golden_path(profile, case)
    assert directory.is_dir(), f"{profile} has no golden files: run .venv/bin/python -m tests.golden.update"
    golden = {"/" + str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert set(files(on(profile, CASES[case]()))) == golden


def test_files_have_the_same_content(profile, case):
    for path, file in files(on(profile, CASES[case]())).items():
        golden = golden_path(profile, case, path).read_text()
        assert text(file) == golden, f"{path}: run .venv/bin/python -m tests.golden.update"
