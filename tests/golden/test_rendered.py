"""What is rendered is what was rendered: a change of a template or a default shows here, line by line."""

from __future__ import annotations

import pytest

from packstack_lite import profiles
from tests.golden.update import place
from tests.rendered import CASES, files, on, text

pytestmark = [pytest.mark.parametrize("case", CASES), pytest.mark.parametrize("profile", profiles.list_names())]


def test_same_files(profile, case):
    here = place(profile, case)
    assert here.is_dir(), f"{profile} has no golden files: run .venv/bin/python -m tests.golden.update"
    kept = {"/" + str(path.relative_to(here)) for path in here.rglob("*") if path.is_file()}
    assert set(files(on(profile, CASES[case]()))) == kept


def test_same_content(profile, case):
    for path, file in files(on(profile, CASES[case]())).items():
        kept = place(profile, case, path).read_text()
        assert text(file) == kept, f"{path}: run .venv/bin/python -m tests.golden.update"
