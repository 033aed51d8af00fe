"""Interactive mode on a real terminal: the questions, the written file, and what stays unchanged."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
import traceback

import pytest

from packstack_lite.answers import read_answer_file
from packstack_lite.cli.app import main

UNREACHABLE_HOST = "root@127.0.0.1:1"
ALL_BY_ENTER = ["host", UNREACHABLE_HOST, *[""] * 7]
KEYS = ("\x03", "\x04")


def become_the_tool(environment, arguments, in_a_fork):
    """Run the tool in this process, which is the child of a fork.

    Unless ``in_a_fork``, a new interpreter runs it: that imports all again, which takes most of a run.
    """
    # A runner in the background ignores SIGINT, and its children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not in_a_fork:
        os.execve(sys.executable, [sys.executable, "-m", "packstack_lite", *arguments], environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    code = 1
    try:
        main([*arguments])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Nothing of the test's own process may run here.
        os._exit(code)


def interview(home, *lines, arguments=(), seconds=30, in_a_fork=True):
    """Run the tool on a new terminal, type one line per question; return the output and the exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PACKSTACK_", "XDG_"))}
    child, terminal = pty.fork()
    if child == 0:
        become_the_tool({**environment, "HOME": str(home), "TERM": "dumb"}, arguments, in_a_fork)
    seen, remaining_lines, answered, pressed_key = "", list(lines), 0, b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1 if pressed_key else 0.2)[0]:
            try:
                seen += os.read(terminal, 4096).decode()
            except OSError:
                break
        elif pressed_key and "interrupted" not in seen:
            # Python loses a Ctrl-C between the prompt and its first read. Nobody types that fast; press it again.
            os.write(terminal, pressed_key)
        if remaining_lines and seen.endswith(": ") and len(seen) > answered:
            answered = len(seen)
            line = remaining_lines.pop(0)
            pressed_key = line.encode() if line in KEYS else b""
            os.write(terminal, pressed_key or line.encode() + b"\n")
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return seen, os.waitstatus_to_exitcode(status)


def written_answers(home):
    (path,) = home.glob("packstack-answers-*.txt")
    assert path.stat().st_mode & 0o777 == 0o600
    return {name: text for name, (text, _) in read_answer_file(path).answers.items()}


def test_enter_at_every_question_gives_the_default_cloud(tmp_path):
    seen, code = interview(tmp_path, *ALL_BY_ENTER)
    assert code == 4, seen
    answers = written_answers(tmp_path)
    assert answers["CONFIG_CONTROLLER_HOST"] == "127.0.0.1"
    assert (answers["CONFIG_NEUTRON_L2_AGENT"], answers["CONFIG_HORIZON_INSTALL"]) == ("ovn", "y")
    assert (answers["CONFIG_CINDER_INSTALL"], answers["CONFIG_DEFAULT_PASSWORD"]) == ("n", "")


def test_the_answers_are_written_to_the_file_and_the_password_nowhere_else(tmp_path):
    yes_or_no = ["n", "y", "n", "y", "y", "n"]
    seen, code = interview(tmp_path, "host", UNREACHABLE_HOST, "openvswitch", *yes_or_no, "s3cret word", "s3cret word")
    assert code == 4, seen
    answers = written_answers(tmp_path)
    assert answers["CONFIG_NEUTRON_L2_AGENT"] == "openvswitch"
    assert answers["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"] == "vxlan"
    assert {name: answers[f"CONFIG_{name}"] for name in ("HORIZON_INSTALL", "CINDER_INSTALL", "SWIFT_INSTALL")} == {
        "HORIZON_INSTALL": "n",
        "CINDER_INSTALL": "y",
        "SWIFT_INSTALL": "n",
    }
    assert (answers["CONFIG_CINDER_VOLUME_ENCRYPTION"], answers["CONFIG_PROVISION_DEMO"]) == ("y", "n")
    assert answers["CONFIG_KEYSTONE_ADMIN_PW"] == answers["CONFIG_DEFAULT_PASSWORD"] == "s3cret word"
    assert "s3cret" not in seen


def test_passwords_that_differ_are_asked_for_again(tmp_path):
    seen, code = interview(tmp_path, "host", UNREACHABLE_HOST, *[""] * 6, "one", "two", "three", "three")
    assert code == 4, seen
    assert "the two passwords differ" in seen
    assert written_answers(tmp_path)["CONFIG_DEFAULT_PASSWORD"] == "three"


def test_encryption_is_offered_only_with_cinder_and_barbican(tmp_path):
    seen, _ = interview(tmp_path, *ALL_BY_ENTER)
    assert "Barbican" in seen and "Encrypted" not in seen


def test_answers_of_an_earlier_run_are_the_defaults_and_its_passwords_are_kept(tmp_path):
    interview(tmp_path, "host", UNREACHABLE_HOST, "", "n", "", "", "", "", "")
    first = written_answers(tmp_path)
    seen, _ = interview(tmp_path, "host", UNREACHABLE_HOST, "", "", "", "", "", "")
    assert "answers of an earlier run are the defaults" in seen
    assert "One password" not in seen
    assert written_answers(tmp_path) == first
    assert first["CONFIG_HORIZON_INSTALL"] == "n"


@pytest.mark.parametrize("key", KEYS)
def test_quitting_at_a_question_writes_nothing(tmp_path, key):
    seen, code = interview(tmp_path, "host", UNREACHABLE_HOST, "", key, in_a_fork=False)
    assert code == 130, seen
    assert "interrupted" in seen and "Traceback" not in seen
    assert list(tmp_path.glob("*.txt")) == []


def test_an_invalid_host_is_asked_for_again(tmp_path):
    seen, _ = interview(tmp_path, "host", "not a host", UNREACHABLE_HOST, "\x03")
    assert "'not a host' is not a host" in seen
    assert seen.count("Which host") == 2


def test_options_prevent_the_interview(tmp_path):
    seen, code = interview(tmp_path, arguments=["--debug"], in_a_fork=False)
    assert code == 2
    assert "nothing to do" in seen
