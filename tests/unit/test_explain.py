"""``explain``: templates, lines, answers and facts behind a rendered file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from packstack_lite import profiles, services
from packstack_lite.cli.app import cli
from packstack_lite.diagnosis.tracking import TrackedContext, Tracker
from packstack_lite.errors import UsageError
from packstack_lite.resources import File
from packstack_lite.services._base.templating import templates_root
from tests.rendered import CASES, files_of_case, on, text

ANSWER_FILE = """[general]
CONFIG_CONTROLLER_HOST=192.0.2.10
CONFIG_SERVICE_WORKERS=3
CONFIG_DEBUG_MODE=y
CONFIG_NOVA_KS_PW=not-to-be-shown
"""
TWO_NODES = ANSWER_FILE + "CONFIG_COMPUTE_HOSTS=192.0.2.10,192.0.2.11\n"


@pytest.fixture
def answer_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An answer file; $HOME is empty."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "answers.txt"
    path.write_text(ANSWER_FILE)
    return path


def explain(answer_file, *arguments):
    """The JSON object that explain prints."""
    command = ["explain", "--answer-file", str(answer_file), "--output", "json", *arguments]
    result = CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False)
    return json.loads(result.stdout[result.stdout.index("{") :])


def explain_error(answer_file, *arguments):
    """The UsageError that explain raises."""
    with pytest.raises(UsageError) as caught:
        explain(answer_file, *arguments)
    return caught.value


def template_line(label):
    """The text of a template's line, from templates/PATH:LINE."""
    name, _, number = label.rpartition(":")
    path = templates_root()
    for part in name.split("/")[1:]:
        path = path / part
    return path.read_text().split("\n")[int(number) - 1]


def track(context, tracker):
    """Return a tracked context; its answers are a plain dict, as the tracker's ``get`` needs a KeyError."""
    return TrackedContext.wrap(replace(context, answers=dict(context.answers)), tracker)


@pytest.mark.parametrize("profile", profiles.list_names())
def test_tracking_changes_no_file_and_finds_every_rendering(profile):
    for case, make_context in CASES.items():
        context, tracker = on(profile, make_context()), Tracker()
        resources = services.declare(track(context, tracker))
        tracked = {file.path: text(file) for file in resources if isinstance(file, File)}
        assert tracked == {path: text(file) for path, file in files_of_case(profile, case).items()}, case
        with_header = {content for content in tracked.values() if "packstack-lite from templates/" in content[:200]}
        assert with_header <= {rendering.text for rendering in tracker.renderings}, case


def test_each_piece_of_text_comes_from_the_template_line_that_is_named():
    tracker = Tracker()
    services.declare(track(on("debian12-zed", CASES["answers"]()), tracker))
    checked = 0
    for rendering in tracker.renderings:
        for fragment in rendering.fragments:
            line = template_line(f"templates/{fragment.lines[0].template}:{fragment.lines[0].number}")
            if not fragment.reads and fragment.text.strip() and "{{" not in line and "{%" not in line:
                assert fragment.text.strip() in line, f"{rendering.template}: {fragment.lines[0]}"
                checked += 1
    assert checked > 500


def test_a_file_is_explained_by_template_service_mode_and_units(answer_file):
    explained = explain(answer_file, "/etc/nova/nova.conf")
    assert explained["schema"] == 1
    assert explained["template"] == "templates/nova/etc/nova/nova.conf.j2"
    assert explained["declared_by"].startswith("packstack_lite/services/nova.py:")
    assert explained["services"] == ["nova"]
    assert (explained["mode"], explained["owner"], explained["group"]) == ("0640", "root", "nova")
    assert "nova-conductor" in explained["restarts"] and "neutron-api" not in explained["restarts"]
    assert explained["lines"] == []


@pytest.mark.parametrize("option", ["[DEFAULT] debug", "DEFAULT.debug", "debug"])
def test_an_option_is_named_in_three_ways(answer_file, option):
    (line,) = explain(answer_file, "nova.conf", option)["lines"]
    assert (line["section"], line["text"]) == ("DEFAULT", "debug = true")
    assert template_line(line["template_lines"][0]).startswith("debug = {{")
    (source,) = line["sources"]
    assert source == {
        "kind": "answer",
        "name": "CONFIG_DEBUG_MODE",
        "value": "y",
        "origin": f"{answer_file}:4",
    }


def test_every_section_with_the_option_is_explained(answer_file):
    lines = explain(answer_file, "nova.conf", "workers")["lines"]
    assert [line["section"] for line in lines] == ["conductor", "scheduler"]
    assert all(line["conditions"][0]["text"] == "{% if controls %}" for line in lines)
    assert all([source["name"] for source in line["sources"]] == ["CONFIG_SERVICE_WORKERS"] for line in lines)


@pytest.mark.parametrize(
    ("setting", "origin"),
    [((), "default"), (("--set", "CONFIG_KEYSTONE_REGION=Here"), "--set"), (("--keystone-region", "Here"), None)],
)
def test_the_origin_of_an_answer_is_named(answer_file, setting, origin):
    (line,) = explain(answer_file, "nova.conf", "glance.region_name", *setting)["lines"]
    (source,) = line["sources"]
    assert source["name"] == "CONFIG_KEYSTONE_REGION"
    assert source["origin"] == (origin or "--keystone-region")


def test_an_answer_of_the_environment_is_named_by_its_variable(answer_file, monkeypatch):
    monkeypatch.setenv("PACKSTACK_CONFIG_KEYSTONE_REGION", "Here")
    (line,) = explain(answer_file, "nova.conf", "glance.region_name")["lines"]
    assert line["sources"][0]["origin"] == "$PACKSTACK_CONFIG_KEYSTONE_REGION"


def test_a_value_that_python_computes_names_its_answers_and_facts(answer_file):
    (line,) = explain(answer_file, "ml2_conf.ini", "path_mtu")["lines"]
    names = {(source["kind"], source["name"]) for source in line["sources"]}
    assert ("answer", "CONFIG_NEUTRON_OVN_TUNNEL_IF") in names
    assert any(kind == "fact" and name.endswith("interfaces") for kind, name in names)
    assert not any(name == "CONFIG_NEUTRON_ML2_VNI_RANGES" for _, name in names)


def test_a_value_passed_through_a_function_names_its_answer(answer_file):
    (line,) = explain(answer_file, "keystonerc_admin", "OS_USERNAME")["lines"]
    assert [source["name"] for source in line["sources"]] == ["CONFIG_KEYSTONE_ADMIN_USERNAME"]


def test_a_profile_s_entry_is_named(answer_file):
    (line,) = explain(answer_file, "nova.conf", "lock_path")["lines"]
    (source,) = line["sources"]
    assert (source["kind"], source["name"], source["value"]) == ("profile", "paths.nova-locks", "/var/lock/nova")


def test_a_helper_of_all_services_is_not_named_as_the_declaring_code(answer_file):
    declared_by = explain(answer_file, "nova-api-uwsgi.ini")["declared_by"]
    assert declared_by.startswith("packstack_lite/services/nova.py:")
    (line,) = explain(answer_file, "nova-api-uwsgi.ini", "uwsgi.threads")["lines"]
    assert [source["name"] for source in line["sources"]] == ["uwsgi.nova-api.threads"]


def test_a_macro_s_line_names_its_callers_and_the_argument_s_answer(answer_file):
    (line,) = explain(answer_file, "nova.conf", "[service_user] password")["lines"]
    macro, caller = line["template_lines"]
    assert macro.startswith("templates/common/macros.j2:") and "password" in template_line(macro)
    assert caller.startswith("templates/nova/etc/nova/nova.conf.j2:") and "login(" in template_line(caller)
    assert [source["name"] for source in line["sources"]] == ["CONFIG_NOVA_KS_PW"]
    (user,) = explain(answer_file, "nova.conf", "[service_user] username")["lines"]
    assert user["sources"] == []


def test_no_secret_is_shown(answer_file):
    explained = explain(answer_file, "nova.conf", "[service_user] password")
    assert "not-to-be-shown" not in json.dumps(explained)
    assert explained["lines"][0]["text"] == "password = ***"
    assert explained["lines"][0]["sources"][0]["value"] == "***"
    (line,) = explain(answer_file, "nova.conf", "[database] connection")["lines"]
    assert line["text"] == "connection = ***" or ":***@" in line["text"]


def test_an_override_is_named_with_its_line_and_what_it_replaces(answer_file, tmp_path):
    override = tmp_path / "overrides" / "nova" / "nova.conf"
    override.parent.mkdir(parents=True)
    override.write_text("[conductor]\nworkers = 7\n[filter_scheduler]\nhost_subset_size = 3\n")
    directory = ("--config-dir", str(tmp_path / "overrides"))
    conductor, scheduler = explain(answer_file, "nova.conf", "workers", *directory)["lines"]
    assert (conductor["text"], conductor["override"]) == ("workers = 7", f"{override}:2")
    (replaced,) = conductor["replaces"]
    assert replaced["text"] == "workers = 3" and replaced["template_lines"]
    assert (scheduler["text"], scheduler["override"]) == ("workers = 3", "")
    (added,) = explain(answer_file, "nova.conf", "host_subset_size", *directory)["lines"]
    assert added["override"] == f"{override}:4" and not added["replaces"]
    assert explain(answer_file, "nova.conf", *directory)["override"] == str(override)


def test_line_numbers_are_those_of_the_file_with_overrides(answer_file, tmp_path):
    override = tmp_path / "overrides" / "nova" / "nova.conf"
    override.parent.mkdir(parents=True)
    override.write_text("[DEFAULT]\nfirst = 1\nsecond = 2\n")
    (before,) = explain(answer_file, "nova.conf", "lock_path")["lines"]
    (after,) = explain(answer_file, "nova.conf", "lock_path", "--config-dir", str(tmp_path / "overrides"))["lines"]
    assert after["number"] == before["number"] + 2
    assert after["template_lines"] == before["template_lines"]


def test_a_node_is_chosen_by_name(answer_file):
    answer_file.write_text(TWO_NODES)
    controller = explain(answer_file, "nova.conf")
    assert (controller["node"], controller["other_nodes"]) == ("192.0.2.10", ["192.0.2.11"])
    compute = explain(answer_file, "nova.conf", "--node", "192.0.2.11")
    assert compute["node"] == "192.0.2.11"
    assert compute["restarts"] == ["nova-compute"]
    error = explain_error(answer_file, "nova.conf", "--node", "192.0.2.12")
    assert error.hint == "choose one of: 192.0.2.10, 192.0.2.11"


def test_an_unknown_file_lists_close_names(answer_file):
    error = explain_error(answer_file, "nova.cnf")
    assert error.message == "nova.cnf: no such file is rendered"
    assert "/etc/nova/nova.conf" in error.hint


def test_an_ambiguous_name_lists_the_paths(answer_file):
    error = explain_error(answer_file, "packstack-lite.conf")
    assert error.message == "packstack-lite.conf: several files have this name"
    assert error.hint.startswith("choose one of: /etc/systemd/system/")


def test_an_unknown_option_lists_close_names(answer_file):
    error = explain_error(answer_file, "nova.conf", "wrkers")
    assert error.message == "/etc/nova/nova.conf does not set wrkers"
    assert "[scheduler] workers" in error.hint
    other_section = explain_error(answer_file, "nova.conf", "[glance] workers")
    assert "[conductor] workers" in other_section.hint


def test_the_text_names_everything(answer_file):
    command = ["explain", "--answer-file", str(answer_file), "nova.conf", "workers"]
    output = CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False).output
    for expected in (
        "/etc/nova/nova.conf on 192.0.2.10",
        "  template  templates/nova/etc/nova/nova.conf.j2",
        "  mode      0640 root:nova",
        "[conductor]: workers = 3",
        f"  answer    CONFIG_SERVICE_WORKERS = 3 ({answer_file}:3)",
    ):
        assert expected in output
