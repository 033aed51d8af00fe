"""Rendered files equal the golden ones: each change of a template or a default is visible, line by line."""

from __future__ import annotations

import pytest

from packstack_lite import profiles
from tests.golden.update import golden_path
from tests.rendered import CASES, files_of_case, text

UPDATE = ".venv/bin/python -m tests.golden.update"
CASES_OF_PROFILES = [(profile, case) for profile in profiles.list_names() for case in CASES]


@pytest.mark.parametrize("profile", profiles.list_names())
def test_a_profile_has_golden_files(profile):
    missing = [case for case in CASES if not golden_path(profile, case).is_dir()]
    assert not missing, f"{profile} has no golden files of {', '.join(missing)}: run {UPDATE}"


@pytest.mark.parametrize(("profile", "case"), CASES_OF_PROFILES)
def test_the_same_files_are_rendered(profile, case):
    """A case without golden files is the subject of the test above."""
    directory = golden_path(profile, case)
    if not directory.is_dir():
        return
    golden = {"/" + str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    rendered = set(files_of_case(profile, case))
    assert rendered == golden, f"{', '.join(sorted(rendered ^ golden))}: rendered or golden only: run {UPDATE}"


@pytest.mark.parametrize(("profile", "case"), CASES_OF_PROFILES)
def test_files_have_the_same_content(profile, case):
    """A file without a golden one is the subject of the test above."""
    for path, file in files_of_case(profile, case).items():
        golden = golden_path(profile, case, path)
        assert not golden.is_file() or text(file) == golden.read_text(), f"{path}: run {UPDATE}"
