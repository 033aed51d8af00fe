"""Overrides as they are typed: layers beside --allinone and --install-hosts, answers show, --options, warnings."""

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
    """Nothing of the user's is read or written; this machine has one address."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for module in (new_answer_file, targets):
        monkeypatch.setattr(module, "find_own_address", lambda: HERE)
        monkeypatch.setattr(module, "is_this_machine", lambda host: host == HERE)
    return tmp_path


@pytest.fixture
def deployed(monkeypatch):
    """What would be deployed: the options, and the answers that count then."""
    heard = []

    def from_files(options, dry_run=False, only=frozenset(), start=None):
        target = default_target(options)
        heard.append((options, target, answer_sources.resolve_answers(options.answer_sources, target)))
        return ExitCode.SUCCESS

    monkeypatch.setattr(deploy, "deploy_answer_files", from_files)
    return heard


def run(*words, **env):
    return cli_runner(env=env).invoke(cli, [str(word) for word in words], catch_exceptions=False)


def file_of(home, *lines, name="mine.txt"):
    path = home / name
    path.write_text("\n".join(["[general]", *lines]) + "\n")
    return path


@pytest.mark.parametrize("words", [["--allinone"], [f"--install-hosts={HERE}"], [f"--install-hosts=root@{HERE}:22"]])
def test_a_file_beside_them_is_a_layer_and_stays_as_it_is(home, deployed, words):
    path = file_of(home, "CONFIG_DEBUG_MODE=y", "CONFIG_KEYSTONE_REGION=File", "# mine")
    before = path.read_bytes(), path.stat().st_mtime_ns
    ended = run(*words, f"--answer-file={path}", "--os-debug-mode=n", PACKSTACK_CONFIG_NOVA_KS_PW="from-env")
    assert ended.exit_code == 0, ended.stderr
    _, target, told = deployed.pop()
    assert target.address == HERE
    assert told["CONFIG_CONTROLLER_HOST"] == HERE
    assert (told["CONFIG_KEYSTONE_REGION"], told["CONFIG_DEBUG_MODE"]) == ("File", False)
    assert told["CONFIG_NOVA_KS_PW"].reveal() == "from-env"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    (written,) = home.glob("packstack-answers-*.txt")
    assert read_answer_file(written).answers["CONFIG_KEYSTONE_REGION"][0] == "File"
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_second_allinone_with_a_file_keeps_the_passwords(home, deployed):
    path = file_of(home, "CONFIG_KEYSTONE_REGION=File")
    assert run("--allinone").exit_code == 0
    (earlier,) = home.glob("packstack-answers-*.txt")
    earlier.rename(home / "packstack-answers-20200101-000000.txt")
    assert run("--allinone", f"--answer-file={path}").exit_code == 0
    first, second = (told for _, _, told in deployed)
    assert first["CONFIG_NOVA_KS_PW"] == second["CONFIG_NOVA_KS_PW"]
    assert second["CONFIG_KEYSTONE_REGION"] == "File"


@pytest.mark.parametrize(
    ("word", "name"), [("--allinone", "--allinone"), (f"--install-hosts={HERE}", "--install-hosts")]
)
def test_a_file_that_names_another_host_is_refused(home, deployed, word, name):
    path = file_of(home, "", f"CONFIG_CONTROLLER_HOST={OTHER}")
    ended = run(word, f"--answer-file={path}")
    assert ended.exit_code == 2
    assert f"{path}:3: CONFIG_CONTROLLER_HOST={OTHER}, but {name} means {HERE}" in ended.stderr
    assert f"--set CONFIG_CONTROLLER_HOST={HERE}" in ended.stderr
    assert not deployed and not [*home.glob("packstack-answers-*")]
    hosts = [f"--set=CONFIG_{host}={HERE}" for host in ("CONTROLLER_HOST", "COMPUTE_HOSTS", "NETWORK_HOSTS")]
    assert run(word, f"--answer-file={path}", *hosts).exit_code == 0, "what the hint says works"


@pytest.mark.parametrize("here", ["localhost", HERE])
def test_a_file_that_names_this_host_is_fine(home, deployed, here):
    path = file_of(home, f"CONFIG_CONTROLLER_HOST={here}")
    assert run("--allinone", f"--answer-file={path}").exit_code == 0


def test_flags_beat_allinone_hosts_included(deployed):
    names = ("CONFIG_CONTROLLER_HOST", "CONFIG_COMPUTE_HOSTS", "CONFIG_NETWORK_HOSTS")
    assert run("--allinone", *(f"--{PARAMETERS_BY_NAME[name].flag}={OTHER}" for name in names)).exit_code == 0
    _, target, told = deployed.pop()
    assert (target.address, target.is_local) == (OTHER, False)
    assert told["CONFIG_CONTROLLER_HOST"] == OTHER


def shown(*words, **env):
    ended = run("answers", "show", "--output=json", f"--host={HERE}", *words, **env)
    assert ended.exit_code == 0, ended.stderr
    return {row["name"]: (row["value"], row["origin"]) for row in json.loads(ended.stdout)["answers"]}


def test_show_tells_every_origin(home):
    base = file_of(home, "CONFIG_DEBUG_MODE=y", "CONFIG_KEYSTONE_REGION=Base", name="base.txt")
    top = file_of(home, "CONFIG_KEYSTONE_REGION=Top", name="top.txt")
    told = shown(
        f"--answer-file={base}",
        f"--answer-file={top}",
        "--set=CONFIG_PROVISION_DEMO=n",
        "--os-client-install=n",
        PACKSTACK_CONFIG_DEFAULT_PASSWORD="hunter22",
    )
    assert set(told) == set(PARAMETERS_BY_NAME)
    assert told["CONFIG_DEBUG_MODE"] == ("y", f"{base}:2")
    assert told["CONFIG_KEYSTONE_REGION"] == ("Top", f"{top}:2")
    assert told["CONFIG_PROVISION_DEMO"] == ("n", "--set")
    assert told["CONFIG_CLIENT_INSTALL"] == ("n", "--os-client-install")
    assert told["CONFIG_DEFAULT_PASSWORD"] == ("***", "$PACKSTACK_CONFIG_DEFAULT_PASSWORD")
    assert told["CONFIG_NOVA_KS_PW"] == ("***", "CONFIG_DEFAULT_PASSWORD")
    assert told["CONFIG_HORIZON_SECRET_KEY"] == ("***", "random")
    assert told["CONFIG_GLANCE_BACKEND"] == ("file", "default")


def test_show_changed_is_what_somebody_gave_and_is_not_the_default(home):
    path = file_of(home, "CONFIG_DEBUG_MODE=n", "CONFIG_KEYSTONE_REGION=Here", "CONFIG_NOVA_KS_PW=x")
    assert set(shown("--changed", f"--answer-file={path}")) == {"CONFIG_KEYSTONE_REGION", "CONFIG_NOVA_KS_PW"}
    assert set(shown("--changed", "CONFIG_NOVA*", f"--answer-file={path}")) == {"CONFIG_NOVA_KS_PW"}
    assert shown("--changed") == {}


@pytest.mark.parametrize(
    ("names", "count"),
    [(["CONFIG_DEBUG_MODE"], 1), (["config_debug_mode"], 1), (["CONFIG_DEBUG_MODE", "EXCLUDE_SERVERS"], 2)],
)
def test_show_of_names(names, count):
    assert set(shown(*names)) == {name.upper() for name in names}
    assert len(shown(*names)) == count


def test_show_of_a_pattern():
    assert set(shown("config_heat_*")) == {name for name in PARAMETERS_BY_NAME if name.startswith("CONFIG_HEAT_")}


def test_show_of_nothing_known():
    ended = run("answers", "show", "CONFIG_DEBUG_MOD", f"--host={HERE}")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "CONFIG_DEBUG_MOD: no such parameter; did you mean CONFIG_DEBUG_MODE?" in ended.stderr


def test_show_never_cuts_a_name_short():
    told = run("answers", "show", f"--host={HERE}").stdout
    assert [p.name for p in PARAMETERS if p.name not in told] == []


@pytest.mark.parametrize("verb", [["answers", "show"], ["render", "--to", "r"], ["--gen-answer-file", "g"]])
def test_what_is_doubtful_is_told_on_stderr(home, verb, monkeypatch):
    monkeypatch.chdir(home)
    words = [*verb, f"--os-controller-host={HERE}", "--set=CONFIG_KEYSTONE_ADMIN_PW=hunter22"]
    ended = run(*words, PACKSTACK_CONFIG_DEBUG_MOD="y")
    assert ended.exit_code == 0, ended.stderr
    assert "warning: --set CONFIG_KEYSTONE_ADMIN_PW: a password on the command line" in ended.stderr
    assert "warning: $PACKSTACK_CONFIG_DEBUG_MOD: CONFIG_DEBUG_MOD is unknown and ignored" in ended.stderr
    assert "warning" not in ended.stdout
    assert "hunter22" not in ended.output


def test_validation_sees_the_layers(home):
    below = file_of(home, "CONFIG_NEUTRON_ML2_TYPE_DRIVERS=vlan,flat", name="below.txt")
    path = file_of(home, "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=vlan")
    ended = run(f"--validate-answer-file={path}", f"--answer-file={below}")
    assert ended.exit_code == 2
    assert f"{path}:2: CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES: vlan needs ranges" in ended.stderr
    words = [f"--validate-answer-file={path}", f"--answer-file={below}"]
    assert run(*words, "--set", "config_neutron_ml2_vlan_ranges=extnet:1:9").exit_code == 0
    assert run(*words, PACKSTACK_CONFIG_NEUTRON_ML2_VLAN_RANGES="extnet:1:9").exit_code == 0


def test_options_prints_every_parameter_as_packstack_does():
    told = run("-o").stdout
    assert told == run("--options").stdout
    assert [p.name for p in PARAMETERS if f"**{p.name}** (``--{p.flag}``)\n    " not in told] == []
    groups = dict.fromkeys(p.group for p in PARAMETERS)
    assert [group for group in groups if f"{group}\n{'-' * len(group)}\n" not in told] == []
