"""Overrides on the command line: with --allinone and --install-hosts, in ``answers show``, and their warnings."""

from __future__ import annotations

import json

import pytest

from packstack_lite.answers import PARAMETERS, PARAMETERS_BY_NAME, read_answer_file
from packstack_lite.cli import deploy
from packstack_lite.cli.app import cli
from packstack_lite.cli.opening import default_target
from packstack_lite.deployment import answer_sources, new_answer_file
from packstack_lite.deployment import connection_target as targets
from packstack_lite.errors import ExitCode
from tests.conftest import cli_runner

HERE, OTHER = "198.18.1.10", "198.18.9.1"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Use an empty home directory; this machine has one address."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for module in (new_answer_file, targets):
        monkeypatch.setattr(module, "find_own_address", lambda: HERE)
        monkeypatch.setattr(module, "is_this_machine", lambda host: host == HERE)
    return tmp_path


@pytest.fixture
def deploy_calls(monkeypatch):
    """Record what would be deployed: the options, the target and the resolved answers."""
    calls = []

    def from_files(options, dry_run=False, only=frozenset(), start=None):
        target = default_target(options)
        calls.append((options, target, answer_sources.resolve_answers(options.answer_sources, target)))
        return ExitCode.SUCCESS

    monkeypatch.setattr(deploy, "deploy_answer_files", from_files)
    return calls


def run(*arguments, **env):
    return cli_runner(env=env).invoke(cli, [str(word) for word in arguments], catch_exceptions=False)


def write_answers(home, *lines, name="mine.txt"):
    path = home / name
    path.write_text("\n".join(["[general]", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    "arguments", [["--allinone"], [f"--install-hosts={HERE}"], [f"--install-hosts=root@{HERE}:22"]]
)
def test_an_answer_file_with_allinone_is_a_source_and_stays_unchanged(home, deploy_calls, arguments):
    path = write_answers(home, "CONFIG_DEBUG_MODE=y", "CONFIG_KEYSTONE_REGION=File", "# mine")
    before = path.read_bytes(), path.stat().st_mtime_ns
    result = run(*arguments, f"--answer-file={path}", "--os-debug-mode=n", PACKSTACK_CONFIG_NOVA_KS_PW="from-env")
    assert result.exit_code == 0, result.stderr
    _, target, answers = deploy_calls.pop()
    assert target.address == HERE
    assert answers["CONFIG_CONTROLLER_HOST"] == HERE
    assert (answers["CONFIG_KEYSTONE_REGION"], answers["CONFIG_DEBUG_MODE"]) == ("File", False)
    assert answers["CONFIG_NOVA_KS_PW"].reveal() == "from-env"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    (written,) = home.glob("packstack-answers-*.txt")
    assert read_answer_file(written).answers["CONFIG_KEYSTONE_REGION"][0] == "File"
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_second_allinone_with_a_file_keeps_the_passwords(home, deploy_calls):
    path = write_answers(home, "CONFIG_KEYSTONE_REGION=File")
    assert run("--allinone").exit_code == 0
    (earlier,) = home.glob("packstack-answers-*.txt")
    earlier.rename(home / "packstack-answers-20200101-000000.txt")
    assert run("--allinone", f"--answer-file={path}").exit_code == 0
    first, second = (answers for _, _, answers in deploy_calls)
    assert first["CONFIG_NOVA_KS_PW"] == second["CONFIG_NOVA_KS_PW"]
    assert second["CONFIG_KEYSTONE_REGION"] == "File"


@pytest.mark.parametrize(
    ("option", "name"), [("--allinone", "--allinone"), (f"--install-hosts={HERE}", "--install-hosts")]
)
def test_a_file_that_names_another_host_is_refused(home, deploy_calls, option, name):
    path = write_answers(home, "", f"CONFIG_CONTROLLER_HOST={OTHER}")
    result = run(option, f"--answer-file={path}")
    assert result.exit_code == 2
    assert f"{path}:3: CONFIG_CONTROLLER_HOST={OTHER}, but {name} means {HERE}" in result.stderr
    assert f"--set CONFIG_CONTROLLER_HOST={HERE}" in result.stderr
    assert not deploy_calls and not [*home.glob("packstack-answers-*")]
    hosts = [f"--set=CONFIG_{host}={HERE}" for host in ("CONTROLLER_HOST", "COMPUTE_HOSTS", "NETWORK_HOSTS")]
    assert run(option, f"--answer-file={path}", *hosts).exit_code == 0, "the hint works"


@pytest.mark.parametrize("here", ["localhost", HERE])
def test_a_file_that_names_this_host_is_accepted(home, deploy_calls, here):
    path = write_answers(home, f"CONFIG_CONTROLLER_HOST={here}")
    assert run("--allinone", f"--answer-file={path}").exit_code == 0


def test_parameter_options_win_over_allinone(deploy_calls):
    names = ("CONFIG_CONTROLLER_HOST", "CONFIG_COMPUTE_HOSTS", "CONFIG_NETWORK_HOSTS")
    assert run("--allinone", *(f"--{PARAMETERS_BY_NAME[name].flag}={OTHER}" for name in names)).exit_code == 0
    _, target, answers = deploy_calls.pop()
    assert (target.address, target.is_local) == (OTHER, False)
    assert answers["CONFIG_CONTROLLER_HOST"] == OTHER


def shown_answers(*arguments, **env):
    result = run("answers", "show", "--output=json", f"--host={HERE}", *arguments, **env)
    assert result.exit_code == 0, result.stderr
    return {row["name"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)["answers"]}


def test_show_prints_every_origin(home):
    base = write_answers(home, "CONFIG_DEBUG_MODE=y", "CONFIG_KEYSTONE_REGION=Base", name="base.txt")
    top = write_answers(home, "CONFIG_KEYSTONE_REGION=Top", name="top.txt")
    result = shown_answers(
        f"--answer-file={base}",
        f"--answer-file={top}",
        "--set=CONFIG_PROVISION_DEMO=n",
        "--os-client-install=n",
        PACKSTACK_CONFIG_DEFAULT_PASSWORD="hunter22",
    )
    assert set(result) == set(PARAMETERS_BY_NAME)
    assert result["CONFIG_DEBUG_MODE"] == ("y", f"{base}:2")
    assert result["CONFIG_KEYSTONE_REGION"] == ("Top", f"{top}:2")
    assert result["CONFIG_PROVISION_DEMO"] == ("n", "--set")
    assert result["CONFIG_CLIENT_INSTALL"] == ("n", "--os-client-install")
    assert result["CONFIG_DEFAULT_PASSWORD"] == ("***", "$PACKSTACK_CONFIG_DEFAULT_PASSWORD")
    assert result["CONFIG_NOVA_KS_PW"] == ("***", "CONFIG_DEFAULT_PASSWORD")
    assert result["CONFIG_HORIZON_SECRET_KEY"] == ("***", "random")
    assert result["CONFIG_GLANCE_BACKEND"] == ("file", "default")


def test_show_changed_lists_given_answers_that_differ_from_the_default(home):
    path = write_answers(home, "CONFIG_DEBUG_MODE=n", "CONFIG_KEYSTONE_REGION=Here", "CONFIG_NOVA_KS_PW=x")
    assert set(shown_answers("--changed", f"--answer-file={path}")) == {"CONFIG_KEYSTONE_REGION", "CONFIG_NOVA_KS_PW"}
    assert set(shown_answers("--changed", "CONFIG_NOVA*", f"--answer-file={path}")) == {"CONFIG_NOVA_KS_PW"}
    assert shown_answers("--changed") == {}


@pytest.mark.parametrize(
    ("names", "count"),
    [(["CONFIG_DEBUG_MODE"], 1), (["config_debug_mode"], 1), (["CONFIG_DEBUG_MODE", "EXCLUDE_SERVERS"], 2)],
)
def test_show_lists_the_named_parameters(names, count):
    assert set(shown_answers(*names)) == {name.upper() for name in names}
    assert len(shown_answers(*names)) == count


def test_show_lists_the_parameters_that_match_a_pattern():
    assert set(shown_answers("config_heat_*")) == {
        name for name in PARAMETERS_BY_NAME if name.startswith("CONFIG_HEAT_")
    }


def test_show_refuses_an_unknown_name():
    result = run("answers", "show", "CONFIG_DEBUG_MOD", f"--host={HERE}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "CONFIG_DEBUG_MOD: no such parameter; did you mean CONFIG_DEBUG_MODE?" in result.stderr


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("CONFIG_NAGIOS_INSTALL", "removed after ocata: Nagios is no longer deployed"),
        ("config_quantum_ks_pw", "is no parameter after grizzly; its successors: CONFIG_NEUTRON_KS_PW"),
    ],
)
def test_show_says_what_became_of_an_old_name(name, fate):
    result = run("answers", "show", name, f"--host={HERE}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{name}: {fate}" in result.stderr


def test_show_never_truncates_a_name():
    result = run("answers", "show", f"--host={HERE}").stdout
    assert [p.name for p in PARAMETERS if p.name not in result] == []


@pytest.mark.parametrize("verb", [["answers", "show"], ["render", "--to", "r"], ["--gen-answer-file", "g"]])
def test_warnings_are_printed_on_stderr(home, verb, monkeypatch):
    monkeypatch.chdir(home)
    arguments = [*verb, f"--os-controller-host={HERE}", "--set=CONFIG_KEYSTONE_ADMIN_PW=hunter22"]
    result = run(*arguments, PACKSTACK_CONFIG_DEBUG_MOD="y")
    assert result.exit_code == 0, result.stderr
    assert "warning: --set CONFIG_KEYSTONE_ADMIN_PW: a password on the command line" in result.stderr
    assert "warning: $PACKSTACK_CONFIG_DEBUG_MOD: CONFIG_DEBUG_MOD is unknown and ignored" in result.stderr
    assert "warning" not in result.stdout
    assert "hunter22" not in result.output


def test_validation_uses_all_sources(home):
    below = write_answers(home, "CONFIG_NEUTRON_L2_AGENT=openvswitch", name="below.txt")
    path = write_answers(home, "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=vlan")
    result = run(f"--validate-answer-file={path}", f"--answer-file={below}")
    assert result.exit_code == 2
    assert f"{path}:2: CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES: vlan needs ranges" in result.stderr
    arguments = [f"--validate-answer-file={path}", f"--answer-file={below}"]
    assert run(*arguments, "--set", "config_neutron_ml2_vlan_ranges=extnet:1:9").exit_code == 0
    assert run(*arguments, PACKSTACK_CONFIG_NEUTRON_ML2_VLAN_RANGES="extnet:1:9").exit_code == 0


def test_options_prints_every_parameter_as_packstack_does():
    result = run("-o").stdout
    assert result == run("--options").stdout
    assert [p.name for p in PARAMETERS if f"**{p.name}** (``--{p.flag}``)\n    " not in result] == []
    groups = dict.fromkeys(p.group for p in PARAMETERS)
    assert [group for group in groups if f"{group}\n{'-' * len(group)}\n" not in result] == []
