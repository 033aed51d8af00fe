"""Bad input gives a message, a hint and an exit code; never a traceback or a half-written file."""

from __future__ import annotations

import pytest

from packstack_lite.cli.app import cli
from tests.conftest import PROJECT, cli_runner

CASES = {
    "no such file": (["plan", "--answer-file", "{tmp}/none.txt"], None, 2, "no such file"),
    "a binary file": (["plan", "--answer-file", "{tmp}/a.txt"], b"\x7fELF\x00\x01", 2, "not a text file"),
    "a wrong value": (
        ["plan", "--answer-file", "{tmp}/a.txt"],
        b"[general]\nCONFIG_PROVISION_DEMO=maybe\n",
        2,
        "a.txt:2: CONFIG_PROVISION_DEMO",
    ),
    "no section": (
        ["plan", "--answer-file", "{tmp}/a.txt"],
        b"CONFIG_PROVISION_DEMO=y\n",
        2,
        "above the line [general]",
    ),
    "an unknown verb": (["deploy"], None, 2, "deploy"),
    "an unknown flag": (["plan", "--os-nonsense=1"], None, 2, "--os-nonsense"),
    "a template": (
        ["plan", "--answer-file={tmp}/a.txt"],
        b"[general]\nCONFIG_CONTROLLER_HOST={{ ip }}\nCONFIG_NOVA_KS_PW={{ pw }}\n",
        2,
        "a.txt:2: this looks like a template: fill in 2 values first",
    ),
    "a conflict": (
        ["answers", "migrate", "{tmp}/a.txt"],
        b"[general]\n<<<<<<< a\nCONFIG_DEBUG_MODE=y\n=======\nCONFIG_DEBUG_MODE=n\n>>>>>>> b\n",
        2,
        "has merge-conflict markers (lines 2, 4, 6)",
    ),
    "two targets": (["plan", "--host", "a", "--sandbox", "b"], None, 2, "exclude each other"),
    "no such sandbox": (["plan", "--sandbox", "nowhere"], None, 2, "sandbox up nowhere"),
    "a host that refuses the connection": (["plan", "--host", "root@127.0.0.1:1"], None, 4, "127.0.0.1"),
    "an unknown host name": (["plan", "--host", "no-such-host.invalid"], None, 4, "no-such-host.invalid"),
    "an unknown profile": (["render", "--output", "{tmp}/r", "--profile", "centos5-none"], None, 2, "debian12-zed"),
    "a file as a directory": (["render", "--output", "{tmp}/a.txt/r"], b"", 2, ": Not a directory"),
    "a name too long": (["render", "--output", "{tmp}/" + "x" * 300], None, 2, "File name too long"),
    "a directory as answers": (["plan", "--answer-file", "{tmp}"], None, 2, "Is a directory"),
    "no directory": (["render"], None, 2, "--output DIR"),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the tool in this process, with a home directory of its own."""
    monkeypatch.chdir(PROJECT)
    env = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home/state"), "NO_COLOR": "1"}

    def call(*arguments):
        outcome = cli_runner(env=env).invoke(cli, arguments)
        assert isinstance(outcome.exception, SystemExit) or outcome.exception is None, outcome.exception
        return outcome

    return call


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gives_a_message_and_an_exit_code(name, tmp_path, run):
    """In this process, as all tests here: starting the tool costs more than all cases. test_cli_failures starts it."""
    arguments, content, code, message = CASES[name]
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    before = sorted(path.name for path in tmp_path.iterdir())
    outcome = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert outcome.exit_code == code, outcome.stderr
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr + outcome.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == before


def test_an_unknown_key_is_a_warning_with_the_nearest_name(tmp_path, run):
    (tmp_path / "a.txt").write_text("[general]\nCONFIG_NOVA_KS_PWD=x\n")
    outcome = run(f"--validate-answer-file={tmp_path / 'a.txt'}")
    assert outcome.exit_code == 0, outcome.stderr
    assert "did you mean CONFIG_NOVA_KS_PW?" in outcome.stderr


def test_a_generated_file_validates_and_renders(tmp_path, run):
    generated = run(f"--gen-answer-file={tmp_path / 'a.txt'}", "--os-debug-mode=y", "--install-hosts=198.18.1.10")
    assert generated.exit_code == 0, generated.stderr
    assert "CONFIG_DEBUG_MODE=y\n" in (tmp_path / "a.txt").read_text()
    assert run(f"--validate-answer-file={tmp_path / 'a.txt'}").exit_code == 0
    rendered = run("render", "--answer-file", str(tmp_path / "a.txt"), "--output", str(tmp_path / "r"))
    assert rendered.exit_code == 0, rendered.stderr
    config = (tmp_path / "r/etc/nova/nova.conf").read_text()
    assert "my_ip = 198.18.1.10" in config
    assert (tmp_path / "r/etc/nova/nova.conf").stat().st_mode & 0o077 == 0


def test_a_mistyped_name_is_reported_with_the_error_that_it_may_cause(tmp_path, run):
    (tmp_path / "a.txt").write_text("[general]\nCONFIG_PROVISION_DEMO=maybe\nCONFIG_NOVA_KS_PWD=x\n")
    outcome = run(f"--validate-answer-file={tmp_path / 'a.txt'}")
    assert outcome.exit_code == 2
    assert "a.txt:2: CONFIG_PROVISION_DEMO" in outcome.stderr
    assert "did you mean CONFIG_NOVA_KS_PW?" in outcome.stderr
