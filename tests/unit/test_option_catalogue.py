"""The tool that adds a file to a catalogue of options (tests/tools/option_catalogue.py)."""

from __future__ import annotations

import json
import sys

import pytest

from tests.conftest import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "tools"))
import option_catalogue

# As oslo-config-generator of oslo.config 9 prints it, with two of its options.
ENTRY = {
    "advanced": False,
    "choices": [],
    "default": None,
    "deprecated_for_removal": False,
    "deprecated_opts": [{"group": "DEFAULT", "name": "logdir"}],
    "deprecated_reason": None,
    "deprecated_since": None,
    "dest": "log_dir",
    "help": "",
    "max": None,
    "metavar": "LOG_DIR",
    "min": None,
    "mutable": False,
    "name": "log-dir",
    "namespace": "oslo.log",
    "positional": False,
    "required": False,
    "sample_default": None,
    "secret": False,
    "short": None,
    "type": "string value",
}
INTERVAL = {
    **ENTRY,
    "choices": [["Days", None], ["Weekday", None]],
    "deprecated_opts": [],
    "dest": "log_rotate_interval_type",
    "default": "days",
}
GENERATED = {
    "deprecated_options": {},
    "generator_options": {"format_": "json"},
    "options": {"DEFAULT": {"opts": [ENTRY, INTERVAL]}},
}


@pytest.fixture
def facts_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(option_catalogue, "FACTS_DIR", tmp_path)
    return tmp_path


def add(monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", ["option_catalogue.py", *map(str, args)])
    option_catalogue.main()


def test_output_of_the_generator_becomes_what_the_catalogues_have():
    options = option_catalogue.read_options(GENERATED, "heat.conf")["DEFAULT"]
    catalogue = option_catalogue.read_json(PROJECT / "tests/facts/options-epoxy.json.gz")["barbican.conf"]["DEFAULT"]
    assert options["log_dir"] == catalogue["log_dir"]
    assert options["log_rotate_interval_type"]["choices"] == ["Days", "Weekday"]


def test_a_file_is_added_and_the_others_stay(facts_dir, monkeypatch):
    (facts_dir / "source.json").write_text(json.dumps(GENERATED))
    target = facts_dir / "options-zed.json.gz"
    target.write_bytes(option_catalogue.pack_catalogue({"nova.conf": {"DEFAULT": {}}}))
    add(monkeypatch, "zed", "heat.conf", facts_dir / "source.json")
    assert set(option_catalogue.read_json(target)) == {"nova.conf", "heat.conf"}


def test_a_file_is_copied_from_another_catalogue(facts_dir, monkeypatch):
    source = PROJECT / "tests/facts/options-zed.json.gz"
    add(monkeypatch, "zed", "barbican.conf", source)
    copied = option_catalogue.read_json(facts_dir / "options-zed.json.gz")
    assert copied == {"barbican.conf": option_catalogue.read_json(source)["barbican.conf"]}


def test_a_source_without_the_file_is_refused():
    with pytest.raises(SystemExit, match=r"the source has no heat\.conf"):
        option_catalogue.read_options({"nova.conf": {}}, "heat.conf")
