"""The verbs, with the host and the engine faked where the rooms meet: exit codes, JSON, what is left behind."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import pytest
import yaml
from click.testing import Result

from packstack_lite.answers import read_answer_file
from packstack_lite.cli.app import cli
from packstack_lite.deployment import connect
from packstack_lite.deployment import deployment as deployment_module
from packstack_lite.engine.events import Finding
from packstack_lite.engine.results import ApplyReport, Case, Change, Drift, PhaseTime
from packstack_lite.errors import ConnectError, LockedError, PhaseError
from packstack_lite.nodes.facts import sample_facts
from packstack_lite.remote.command import Job, Reply
from tests.conftest import cli_runner

ADDRESS = "198.18.1.10"
CHANGE = Change(ADDRESS, "Configure", "file:/etc/nova/nova.conf", "content", "-a = 1\n+a = 2")
REPORT = ApplyReport((CHANGE,), ("nova-api",), 12, 3.25, (PhaseTime("Configure", 3.2, 1),))


class FakeHost:
    """Answers every command with success and keeps what it was told."""

    def __init__(self) -> None:
        self.name = ADDRESS
        self.round_trips = 0
        self.masker = self.on_reply = None
        self.scripts: List[str] = []
        self.jobs: List[Job] = []
        self.closed = False

    def run(self, commands):
        self.round_trips += 1
        self.scripts += [command.script for command in commands]
        return [Reply(0) for _ in commands]

    def run_jobs(self, jobs, watcher):
        self.jobs += jobs
        return []

    def close(self):
        self.closed = True


@pytest.fixture
def host(tmp_path, monkeypatch) -> FakeHost:
    """A host that can be reached, is a fresh Debian 12, and passes preflight."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    fake = FakeHost()
    monkeypatch.setattr(connect, "open_connection", lambda *arguments: fake)
    monkeypatch.setattr(connect.gather, "parse_facts", lambda replies: sample_facts("debian", "12", ADDRESS))
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *what: [])
    monkeypatch.setattr(deployment_module, "hold_lock", lambda *what: nullcontext())
    monkeypatch.setattr(deployment_module, "apply", lambda *what: REPORT)
    return fake


@pytest.fixture
def answers(tmp_path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text(f"[general]\nCONFIG_CONTROLLER_HOST={ADDRESS}\nCONFIG_DEFAULT_PASSWORD=hunter22\n")
    return path


def run(*words: Any) -> Result:
    return cli_runner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def payload(ended: Result) -> Any:
    assert ended.stdout.count("\n") == 1, "one object, one line"
    told = json.loads(ended.stdout)
    assert told.pop("schema") == 1
    return told


def raises(error: BaseException) -> Any:
    def call(*what: Any, **how: Any) -> Any:
        raise error

    return call


def test_plan_json(host, answers, monkeypatch):
    monkeypatch.setattr(deployment_module, "plan", lambda *what: [CHANGE])
    ended = run("plan", "--answer-file", answers, "--output=json")
    assert ended.exit_code == 0
    (change,) = payload(ended)["changes"]
    assert {key: change[key] for key in ("host", "phase", "resource", "gap")} == {
        "host": ADDRESS,
        "phase": "Configure",
        "resource": "file:/etc/nova/nova.conf",
        "gap": "content",
    }
    assert host.closed


@pytest.mark.parametrize(("found", "code"), [([CHANGE], 10), ([], 0)])
def test_plan_exit_code(host, answers, monkeypatch, found, code):
    monkeypatch.setattr(deployment_module, "plan", lambda *what: found)
    assert run("plan", "--answer-file", answers, "--exit-code").exit_code == code
    assert run("plan", "--answer-file", answers).exit_code == 0


def test_plan_diff_shows_the_lines(host, answers, monkeypatch):
    monkeypatch.setattr(deployment_module, "plan", lambda *what: [CHANGE])
    shown = run("plan", "--diff", "--answer-file", answers).stdout
    assert "+a = 2" in shown
    assert "+a = 2" not in run("plan", "--answer-file", answers).stdout


def test_dry_run_is_plan_and_makes_nothing(host, answers, monkeypatch, tmp_path):
    monkeypatch.setattr(deployment_module, "plan", lambda *what: [CHANGE])
    monkeypatch.setattr(deployment_module, "apply", raises(AssertionError("applied")))
    assert run("--answer-file", answers, "--dry-run", "--output=json").exit_code == 0
    assert not (tmp_path / "openstack").exists()


def test_verify_json_and_exit_code(host, answers, monkeypatch):
    fault = Drift(ADDRESS, "unit:nova-api", "nova-api is inactive (should be active)", "packstack-lite apply")
    monkeypatch.setattr(deployment_module, "verify", lambda *what: [fault])
    ended = run("verify", "--answer-file", answers, "--output=json")
    assert ended.exit_code == 6
    assert payload(ended)["faults"][0]["resource"] == "unit:nova-api"
    monkeypatch.setattr(deployment_module, "verify", lambda *what: [])
    assert run("verify", "--answer-file", answers).exit_code == 0


def test_preflight_tells_everything_and_exits_with_3(host, answers, monkeypatch):
    findings = [Finding("memory", ADDRESS, "error", "2 GiB", "add some"), Finding("clock", ADDRESS, "warning", "off")]
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *what: findings)
    ended = run("preflight", "--answer-file", answers, "--output=json")
    assert ended.exit_code == 3
    assert [found["name"] for found in payload(ended)["findings"]] == ["memory", "clock"]
    assert run("preflight", "--answer-file", answers, "--ignore=memory").exit_code == 0


def test_apply_stops_at_preflight_before_anything_is_changed(host, answers, monkeypatch):
    finding = Finding("memory", ADDRESS, "error", "2 GiB", "add some")
    monkeypatch.setattr(deployment_module.preflight, "run_checks", lambda *what: [finding])
    monkeypatch.setattr(deployment_module, "apply", raises(AssertionError("applied")))
    ended = run("apply", "--answer-file", answers)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "memory" in ended.stderr
    assert "add some" in ended.stderr


def test_apply_json_holds_the_figures_and_nothing_else_is_on_stdout(host, answers):
    ended = run("apply", "--answer-file", answers, "--output=json")
    assert ended.exit_code == 0, ended.stderr
    told = payload(ended)
    assert set(told) == {"changes", "restarted", "flights", "seconds", "phases"}
    assert (told["restarted"], told["flights"], told["phases"][0]["name"]) == (["nova-api"], 12, "Configure")


def test_apply_lays_the_cloud_into_clouds_yaml_and_tells_what_is_next(host, answers, tmp_path):
    ended = run("--answer-file", answers)
    assert ended.exit_code == 0
    assert "packstack-lite smoke" in ended.stdout
    entries = yaml.safe_load((tmp_path / "openstack" / "clouds.yaml").read_text())["clouds"]
    assert entries[f"packstack-lite-{ADDRESS}"]["auth"]["password"] == "hunter22"
    assert "hunter22" not in ended.output


def test_a_clouds_yaml_that_is_no_mapping_is_a_warning(host, answers, tmp_path):
    place = tmp_path / "openstack" / "clouds.yaml"
    place.parent.mkdir()
    place.write_text("- mine\n")
    ended = run("--answer-file", answers)
    assert ended.exit_code == 0
    assert "clouds.yaml" in ended.stderr
    assert place.read_text() == "- mine\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(PhaseError("x failed", "mend it"), 5), (LockedError("x is held"), 7), (KeyboardInterrupt(), 130)],
)
def test_a_failed_apply_leaves_stdout_empty(host, answers, monkeypatch, error, code):
    monkeypatch.setattr(deployment_module, "apply", raises(error))
    ended = run("apply", "--answer-file", answers, "--output=json")
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert "Traceback" not in ended.stderr
    assert host.closed


def test_a_host_that_cannot_be_reached_is_code_4(host, answers, monkeypatch):
    monkeypatch.setattr(connect, "open_connection", raises(ConnectError(f"{ADDRESS}: cannot be reached", "start it")))
    ended = run("plan", "--answer-file", answers)
    assert (ended.exit_code, ended.stdout) == (4, "")
    assert "start it" in ended.stderr


def test_smoke_json_junit_and_exit_code(host, answers, monkeypatch, tmp_path):
    cases = [Case("token", "passed", 0.4), Case("ping", "failed", 9.0, "no answer <&>")]
    monkeypatch.setattr(deployment_module.smoke, "run_cases", lambda *what: cases)
    junit = tmp_path / "smoke.xml"
    ended = run("smoke", "--answer-file", answers, "--output=json", "--junit", junit)
    assert ended.exit_code == 6
    assert [(case["name"], case["outcome"]) for case in payload(ended)["cases"]] == [
        ("token", "passed"),
        ("ping", "failed"),
    ]
    assert 'failures="1"' in junit.read_text()


@pytest.mark.parametrize("verb", ["verify", "smoke"])
def test_without_answers_a_deployed_host_is_not_guessed_at(host, verb):
    ended = run(verb, "--host", ADDRESS)
    assert ended.exit_code == 2
    assert "--answer-file" in ended.stderr


def test_allinone_writes_its_answers_and_a_second_one_keeps_the_passwords(host, tmp_path, monkeypatch):
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    (first,) = tmp_path.glob("packstack-answers-*.txt")
    assert first.stat().st_mode & 0o777 == 0o600
    said = read_answer_file(first).answers
    assert said["CONFIG_CONTROLLER_HOST"][0] == ADDRESS
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    assert [*tmp_path.glob("packstack-answers-*.txt")] == [first], "nothing new to say, no new file"
    first = first.rename(tmp_path / "packstack-answers-20200101-000000.txt")
    before = first.read_text()
    assert run("--allinone", "--host", ADDRESS, "--os-debug-mode=y").exit_code == 0
    (second,) = set(tmp_path.glob("packstack-answers-*.txt")) - {first}
    again = read_answer_file(second).answers
    assert again["CONFIG_DEBUG_MODE"][0] == "y"
    assert again["CONFIG_KEYSTONE_ADMIN_PW"][0] == said["CONFIG_KEYSTONE_ADMIN_PW"][0]
    assert first.read_text() == before


def test_verbs_find_the_answers_of_an_earlier_allinone(host, monkeypatch):
    monkeypatch.setattr(deployment_module, "verify", lambda *what: [])
    assert run("--allinone", "--host", ADDRESS).exit_code == 0
    assert run("verify", "--host", ADDRESS).exit_code == 0


def test_the_first_of_several_hosts_is_the_controller_and_the_others_compute(host, tmp_path, monkeypatch):
    monkeypatch.setattr(
        deployment_module, "apply_nodes", lambda lanes, *rest: [replace(REPORT, node=one.name) for one in lanes]
    )
    ended = run(f"--install-hosts={ADDRESS},198.18.1.11,198.18.1.12", "--output=json")
    assert ended.exit_code == 0, ended.stderr
    (path,) = tmp_path.glob("packstack-answers-*")
    written = path.read_text().splitlines()
    assert f"CONFIG_CONTROLLER_HOST={ADDRESS}" in written
    assert f"CONFIG_NETWORK_HOSTS={ADDRESS}" in written
    assert "CONFIG_COMPUTE_HOSTS=198.18.1.11,198.18.1.12" in written
    told = payload(ended)
    assert [each["name"] for each in told["hosts"]] == [ADDRESS, "198.18.1.11", "198.18.1.12"]
    assert told["flights"] == 3 * REPORT.round_trips


def test_several_hosts_and_another_word_for_the_host_exclude_each_other(host, tmp_path):
    ended = run(f"--install-hosts={ADDRESS},198.18.1.11", "--host=198.18.1.9")
    assert ended.exit_code == 2
    assert "--host" in ended.stderr
    assert not [*tmp_path.glob("packstack-answers-*")]


def test_a_host_that_failed_is_named_with_the_others_and_exits_with_5(host, monkeypatch):
    def partly(lanes, *rest):
        first, *others = [replace(REPORT, node=one.name) for one in lanes]
        return [first, *(replace(one, error="Services: x did not start") for one in others)]

    monkeypatch.setattr(deployment_module, "apply_nodes", partly)
    ended = run(f"--install-hosts={ADDRESS},198.18.1.11")
    assert ended.exit_code == 5
    assert "1 of 2 nodes failed: 198.18.1.11 (Services: x did not start)" in ended.stderr
    assert f"completed: {ADDRESS}" in ended.stderr
    assert "run the same command again" in ended.stderr


def test_a_compute_host_out_of_reach_is_told_by_every_verb_and_does_not_stop_the_others(host, monkeypatch):
    def some(target, *options):
        if target.address == ADDRESS:
            return host
        raise ConnectError(f"{target.address}: does not answer", "start it")

    lanes = []
    monkeypatch.setattr(connect, "open_connection", some)
    monkeypatch.setattr(
        deployment_module, "apply_nodes", lambda found, *rest: lanes.extend(found) or [REPORT for _ in found]
    )
    assert run(f"--install-hosts={ADDRESS},198.18.1.11").exit_code == 0
    assert [(lane.name, bool(lane.connection), lane.error) for lane in lanes] == [
        (ADDRESS, True, ""),
        ("198.18.1.11", False, "198.18.1.11: does not answer"),
    ]
    told = run(
        "preflight",
        f"--set=CONFIG_CONTROLLER_HOST={ADDRESS}",
        "--set=CONFIG_COMPUTE_HOSTS=198.18.1.11",
        "--output=json",
    )
    (finding,) = payload(told)["findings"]
    assert (finding["name"], finding["host"], finding["level"]) == ("reach", "198.18.1.11", "error")
    assert "EXCLUDE_SERVERS=198.18.1.11" in finding["fix"]
    planned = run("plan", f"--set=CONFIG_CONTROLLER_HOST={ADDRESS}", "--set=CONFIG_COMPUTE_HOSTS=198.18.1.11")
    assert planned.exit_code == 4


def test_an_excluded_host_is_not_even_connected_to(host, monkeypatch):
    reached = []
    monkeypatch.setattr(connect, "open_connection", lambda target, *options: reached.append(target.address) or host)
    monkeypatch.setattr(
        deployment_module, "apply_nodes", lambda lanes, *rest: [replace(REPORT, node=one.name) for one in lanes]
    )
    ended = run(f"--install-hosts={ADDRESS},198.18.1.11,198.18.1.12", "--exclude-servers=198.18.1.11")
    assert ended.exit_code == 0, ended.stderr
    assert sorted(reached) == [ADDRESS, "198.18.1.12"]


def test_timeout_is_the_limit_of_a_step(host, answers, monkeypatch):
    def one_job(host, *rest):
        host.run_jobs([Job("packages", "true", timeout=60)], None)
        return REPORT

    monkeypatch.setattr(deployment_module, "apply", one_job)
    run("--answer-file", answers, "--timeout=900")
    run("--answer-file", answers)
    assert [job.timeout for job in host.jobs] == [900, 60]


def test_the_run_log_holds_the_failure_and_no_password(host, answers, monkeypatch, tmp_path):
    monkeypatch.setattr(deployment_module, "apply", raises(PhaseError("cannot log in with hunter22", "mend it")))
    run("apply", "--answer-file", answers)
    (log,) = (tmp_path / "packstack-lite" / ADDRESS).glob("*/run.log")
    assert "cannot log in with ***" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
