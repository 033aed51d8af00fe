"""The Python API: the programs of docs/api.md run, and what they leave behind."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from packstack_lite import deployment as api
from packstack_lite.deployment import AnswerSources, Callbacks, NodeSelection, connect, open_deployment
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.deployment.node_sessions import run_parallel
from packstack_lite.engine.events import PhaseFinished
from packstack_lite.engine.results import ApplyReport, Change, Drift
from packstack_lite.errors import ConnectError, UsageError
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.remote.command import Reply
from packstack_lite.resources.base import Phase

ADDRESS = "198.18.1.10"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
OFFLINE_PROGRAM, ONLINE_PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


class EmptyNode:
    """A connection on which every command succeeds without output."""

    name = ADDRESS

    def __init__(self) -> None:
        self.round_trips = 0
        self.masker = self.on_reply = None
        self.is_closed = False

    def run(self, commands):
        self.round_trips += 1
        return [Reply(0) for _ in commands]

    def after_reopening(self, action):
        pass

    def abort(self):
        self.close()

    def close(self):
        self.is_closed = True


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.txt").write_text(f"[general]\nCONFIG_CONTROLLER_HOST={ADDRESS}\nCONFIG_KEYSTONE_REGION=Here\n")
    return tmp_path


@pytest.fixture
def node(home, monkeypatch):
    connection = EmptyNode()
    monkeypatch.setattr(connect, "open_connection", lambda *arguments: connection)
    monkeypatch.setattr(connect.gather, "parse_facts", lambda replies: sample_facts("debian", "12", ADDRESS))
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *arguments: [])
    monkeypatch.setattr(deployment_module, "hold_lock", lambda *arguments: nullcontext())
    return connection


def apply_one_phase(connection, resources, listener, *arguments):
    listener.on_event(PhaseFinished(ADDRESS, Phase.CONFIGURE, 3, 0.5))
    return ApplyReport((), (), 12, 0.5, (), ADDRESS)


def test_the_offline_program_of_the_page_runs(home):
    ended = subprocess.run([sys.executable, "-c", OFFLINE_PROGRAM], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(rf"{ADDRESS} /etc/nova/nova.conf \d\d+ lines\n", ended.stdout)


def test_the_online_program_of_the_page_runs(node, monkeypatch, capsys):
    drift = Drift(ADDRESS, "unit:nova-api", "is stopped", "packstack-lite apply")
    change = Change(ADDRESS, "Configure", "file:/etc/nova/nova.conf", "new")
    monkeypatch.setattr(deployment_module, "plan", lambda *arguments: [change])
    monkeypatch.setattr(deployment_module, "apply", apply_one_phase)
    monkeypatch.setattr(deployment_module, "verify", lambda *arguments: [drift])
    exec(compile(ONLINE_PROGRAM, "docs/api.md", "exec"), {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "1 changes planned",
        f"{ADDRESS} Configure 3",
        "12 round trips",
        f"{ADDRESS} unit:nova-api is stopped",
    ]
    assert node.is_closed


def test_the_page_names_every_option_type_and_parameter():
    option_types = [
        value for value in vars(api).values() if is_dataclass(value) and value.__module__.endswith("options")
    ]
    assert {option.__name__ for option in option_types} == {
        *("AnswerSources", "NodeSelection", "ConnectionOptions", "RunOptions", "Callbacks")
    }
    for option in option_types:
        assert f"`{option.__name__}`" in PAGE
        assert option(), f"every field of {option.__name__} has a default: {[field.name for field in fields(option)]}"
    parameters = open_deployment.__wrapped__.__annotations__
    assert [name for name in parameters if name != "return" and f"| `{name}` |" not in PAGE] == []


def test_the_environment_is_read_only_if_it_is_passed(node, monkeypatch):
    monkeypatch.setenv("PACKSTACK_CONFIG_DEBUG_MODE", "y")
    files = (Path("answers.txt"),)
    with open_deployment(AnswerSources(files)) as silent:
        assert silent.answers["CONFIG_DEBUG_MODE"] is False
    with open_deployment(AnswerSources(files, environment={"PACKSTACK_CONFIG_DEBUG_MODE": "y"})) as told:
        assert told.answers["CONFIG_DEBUG_MODE"] is True


def test_warnings_go_to_the_callback_and_nowhere_else(node, capsys):
    warnings = []
    sources = AnswerSources((Path("answers.txt"),), settings=("CONFIG_KEYSTONE_ADMIN_PW=hunter22",))
    with open_deployment(sources, callbacks=Callbacks(warn=warnings.append)):
        pass
    assert any("a password on the command line" in warning for warning in warnings)
    with open_deployment(sources):
        pass
    assert capsys.readouterr() == ("", "")


def test_an_unreachable_controller_is_an_error_and_the_log_is_named(home, monkeypatch):
    def refuse(*arguments):
        raise ConnectError(f"{ADDRESS}: cannot be reached", "start it")

    monkeypatch.setattr(connect, "open_connection", refuse)
    messages = []
    sources = AnswerSources((Path("answers.txt"),))
    with pytest.raises(ConnectError), open_deployment(sources, callbacks=Callbacks(progress=messages.append)):
        pass
    (log,) = home.rglob("run.log")
    assert messages == [f"1 node: {ADDRESS} (all roles)", f"log of this run: {log.parent}"]
    assert "cannot be reached" in log.read_text()


def test_an_error_within_the_block_closes_the_connections(node):
    with pytest.raises(KeyError), open_deployment(AnswerSources((Path("answers.txt"),))):
        raise KeyError("of the caller")
    assert node.is_closed


def test_answers_are_never_invented_for_a_deployed_node(home):
    with pytest.raises(UsageError, match="no answers are known"):
        open_deployment(nodes=NodeSelection(host=ADDRESS), require_answers=True).__enter__()


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_nodes_are_worked_on_at_once_up_to_a_limit(limit):
    at_work, counts = [], []

    def work(number):
        at_work.append(number)
        counts.append(len(at_work))
        time.sleep(0.02)
        at_work.remove(number)
        return -number

    assert run_parallel(work, range(10), limit) == [-number for number in range(10)]
    assert max(counts) <= limit and (max(counts) > 1) is (limit > 1)


NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("nodes", "limits", "expected"),
    [
        (1, (1024, 4096), None),
        (300, (1024, 524288), (2656, 524288)),
        (300, (1024, 2000), (2000, 2000)),
        (300, (1024, NO_LIMIT), (2656, NO_LIMIT)),
        (300, (NO_LIMIT, NO_LIMIT), None),
        (300, (4096, 4096), None),
    ],
)
def test_hundreds_of_nodes_raise_the_limit_of_open_files(monkeypatch, nodes, limits, expected):
    calls = []
    monkeypatch.setattr(connect.resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(connect.resource, "setrlimit", lambda kind, pair: calls.append((kind, pair)))
    connect.allow_open_files(nodes)
    assert calls == ([(resource.RLIMIT_NOFILE, expected)] if expected else [])
