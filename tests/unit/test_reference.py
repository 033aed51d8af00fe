"""docs/reference.md matches the commands, exit codes and parameters."""

from __future__ import annotations

import runpy

import click
import pytest

from packstack_lite.answers import PARAMETERS
from packstack_lite.cli.app import cli
from packstack_lite.errors import ExitCode
from tests.conftest import PROJECT
from tests.unit.check_each import check_each

PAGE = PROJECT / "docs/reference.md"
UPDATE = "run .venv/bin/python docs/reference.py"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(page):
    assert page == runpy.run_path(str(PROJECT / "docs/reference.py"))["page"](), (
        f"docs/reference.md is not up to date: {UPDATE}"
    )


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_the_readme_lists_the_optional_services(readme):
    text = (PROJECT / readme).read_text(encoding="utf-8")
    reference = runpy.run_path(str(PROJECT / "docs/reference.py"))
    assert text == reference["list_optional_services"](readme, text), f"{readme} is not up to date: {UPDATE}"
    assert all(name in text for name in ("Barbican", "Swift", "Cinder"))


def test_every_parameter_has_its_row(page):
    def check(parameter):
        rows = [
            line
            for line in page.partition("\n## Parameters\n")[2].splitlines()
            if line.startswith(f"| `{parameter.name}`")
        ]
        assert len(rows) == 1, f"docs/reference.md has {len(rows)} rows of it: {UPDATE}"
        (row,) = rows
        assert not parameter.flag or f"`--{parameter.flag}`" in row
        assert row.count("|") - row.count("\\|") == 4
        assert not parameter.is_secret or parameter.default in ("", "random", "PW_PLACEHOLDER", "CONFIG_TROVE_KS_PW")

    check_each(PARAMETERS, check, lambda parameter: parameter.name)


def test_every_verb_and_exit_code_is_on_the_page(page):
    def walk(path, verb):
        yield path
        if isinstance(verb, click.Group):
            for name, child in verb.commands.items():
                yield from walk(f"{path} {name}", child)

    for path in walk("packstack-lite", cli):
        assert f"### {path}" in page, f"docs/reference.md lacks {path}: {UPDATE}"
    for code in ExitCode:
        assert f"| {int(code)} | {code.meaning} |" in page
