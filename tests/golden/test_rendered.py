"""What is rendered is what was rendered: a change of a template or a default shows here, line by line."""

from __future__ import annotations

import pytest

from tests.golden.update import HERE, PROFILE, place
from tests.rendered import CASES, files, text


@pytest.mark.parametrize("case", CASES)
def test_same_files(case):
    kept = {
        "/" + str(path.relative_to(HERE / PROFILE / case))
        for path in (HERE / PROFILE / case).rglob("*")
        if path.is_file()
    }
    assert set(files(CASES[case]())) == kept


@pytest.mark.parametrize("case", CASES)
def test_same_content(case):
    for path, file in files(CASES[case]()).items():
        assert text(file) == place(case, path).read_text(), f"{path}: run .venv/bin/python -m tests.golden.update"
