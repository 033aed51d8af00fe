"""The run log: private, without secrets, and only the newest twenty runs."""

from __future__ import annotations

import io
import json
import os

import pytest

from packstack_lite.engine.events import Changed, Failed, Output, PhaseStarted
from packstack_lite.report.run_log import RunLog, create_run_directory, open_log
from packstack_lite.resources.base import Phase
from packstack_lite.secret import Masker, Secret
from packstack_lite.state_paths import state_directory

NODE, PHASE = "cloud1", Phase.CONFIGURE
NOW = 1_800_000_000.0
SECRET = Secret("pa$$ \"word'1")


@pytest.fixture
def log(tmp_path):
    run_log = RunLog(tmp_path, Masker([SECRET]), lambda: NOW)
    yield run_log
    run_log.close()


def test_events_are_written_as_json_and_as_sentences(log, tmp_path):
    log.on_event(PhaseStarted(NODE, PHASE))
    log.on_event(Changed(NODE, PHASE, "file:/x", "write /x (new)"))
    log.on_event(Failed(NODE, PHASE, "unit:y", "one\ntwo", "journalctl -u y"))
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert events[1] == {
        "time": NOW,
        "event": "Changed",
        "host": NODE,
        "phase": "Configure",
        "resource": "file:/x",
        "gap": "write /x (new)",
    }
    lines = [line[9:] for line in (tmp_path / "run.log").read_text().splitlines()]
    assert lines == [
        "Configure: begins",
        "Configure: write /x (new)",
        "Configure: unit:y failed on cloud1: one",
        "two",
        "→ journalctl -u y",
    ]


def test_no_secret_is_written(log, tmp_path):
    value = SECRET.reveal()
    log.on_event(Output(NODE, PHASE, "step", f"using {value} and mysql://nova:other@db"))
    log.write(f"password = {value}")
    log.write_exchange(NODE, "look", f"echo '{value}'", 1, "connection = mysql+pymysql://u:hunter22@h/nova", value)
    text = (tmp_path / "run.log").read_text() + (tmp_path / "events.jsonl").read_text()
    for part in (value, json.dumps(value)[1:-1], ":other@", "hunter22"):
        assert part not in text
    assert "look" in text and "= 1" in text


def test_only_the_user_can_read_the_log(tmp_path):
    previous = os.umask(0)
    try:
        log = open_log("root@[fd00::1]:22", Masker(), tmp_path / "state")
    finally:
        os.umask(previous)
    log.close()
    assert log.directory.parent.name == "root__fd00__1__22"
    assert log.directory.stat().st_mode & 0o777 == 0o700
    assert log.directory.parent.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in log.directory.iterdir()} == {
        "run.log": 0o600,
        "events.jsonl": 0o600,
    }


def test_the_newest_twenty_runs_are_kept(tmp_path):
    (tmp_path / NODE).mkdir()
    (tmp_path / NODE / "my-notes").mkdir()
    directories = [create_run_directory(NODE, tmp_path, NOW + minute * 60) for minute in range(22)]
    second = create_run_directory(NODE, tmp_path, NOW + 21 * 60)
    assert second.name == directories[-1].name + ".001", "a second run within the same second"
    names = sorted(path.name for path in (tmp_path / NODE).iterdir())
    assert names == sorted([*(path.name for path in directories[3:]), second.name, "my-notes"])


@pytest.mark.parametrize("name", ["..", "/etc", "a/../../b"])
def test_a_node_name_cannot_lead_out_of_the_state_directory(name, tmp_path):
    path = create_run_directory(name, tmp_path, NOW)
    assert path.parent.parent.resolve() == tmp_path.resolve()


def test_a_full_disk_stops_the_log_and_not_the_run(log):
    class FullDisk(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    log._log.close()
    log._log = FullDisk()
    log.on_event(PhaseStarted(NODE, PHASE))
    log.on_event(PhaseStarted(NODE, PHASE))
    assert log.write_error.endswith("ends early: No space left on device")


def test_xdg_state_home_is_respected_if_absolute(tmp_path):
    assert state_directory({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "packstack-lite"
    assert state_directory({"XDG_STATE_HOME": "relative"}).is_absolute()
    assert str(state_directory({})).endswith("/.local/state/packstack-lite")
