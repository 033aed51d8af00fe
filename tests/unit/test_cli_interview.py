"""Interactive mode, through a real terminal: what is asked, what is written, what is left alone."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time

import pytest

from packstack_lite.answers import read_answer_file

NOWHERE = "root@127.0.0.1:1"
ALL_BY_ENTER = ["host", NOWHERE, *[""] * 7]
KEYS = ("\x03", "\x04")


def talk(home, *lines, words=(), seconds=30):
    """Run the tool on a terminal of its own, type a line at each question; what was seen, and the exit code."""
    child, terminal = pty.fork()
    if child == 0:
        # A runner in the background ignores Ctrl-C, and whoever it starts would inherit that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PACKSTACK_", "XDG_"))}
        os.execve(
            sys.executable,
            [sys.executable, "-m", "packstack_lite", *words],
            {**keep, "HOME": str(home), "TERM": "dumb"},
        )
    seen, left, answered, pressed = "", list(lines), 0, b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1 if pressed else 0.2)[0]:
            try:
                seen += os.read(terminal, 4096).decode()
            except OSError:
                break
        elif pressed:
            # Python loses a Ctrl-C that comes between the prompt and the first wait for a key. No person is that
            # fast, and one who was would press again.
            os.write(terminal, pressed)
        if left and seen.endswith(": ") and len(seen) > answered:
            answered = len(seen)
            line = left.pop(0)
            pressed = line.encode() if line in KEYS else b""
            os.write(terminal, pressed or line.encode() + b"\n")
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return seen, os.waitstatus_to_exitcode(status)


def written(home):
    (path,) = home.glob("packstack-answers-*.txt")
    assert path.stat().st_mode & 0o777 == 0o600
    return {name: text for name, (text, _) in read_answer_file(path).answers.items()}


def test_enter_all_along_is_the_default_cloud(tmp_path):
    seen, code = talk(tmp_path, *ALL_BY_ENTER)
    assert code == 4, seen
    told = written(tmp_path)
    assert told["CONFIG_CONTROLLER_HOST"] == "127.0.0.1"
    assert (told["CONFIG_NEUTRON_L2_AGENT"], told["CONFIG_HORIZON_INSTALL"]) == ("ovn", "y")
    assert (told["CONFIG_CINDER_INSTALL"], told["CONFIG_DEFAULT_PASSWORD"]) == ("n", "")


def test_what_is_answered_stands_in_the_file_and_the_password_nowhere_else(tmp_path):
    yes_or_no = ["n", "y", "n", "y", "y", "n"]
    seen, code = talk(tmp_path, "host", NOWHERE, "openvswitch", *yes_or_no, "s3cret word", "s3cret word")
    assert code == 4, seen
    told = written(tmp_path)
    assert told["CONFIG_NEUTRON_L2_AGENT"] == "openvswitch"
    assert told["CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"] == "vxlan"
    assert {name: told[f"CONFIG_{name}"] for name in ("HORIZON_INSTALL", "CINDER_INSTALL", "SWIFT_INSTALL")} == {
        "HORIZON_INSTALL": "n",
        "CINDER_INSTALL": "y",
        "SWIFT_INSTALL": "n",
    }
    assert (told["CONFIG_CINDER_VOLUME_ENCRYPTION"], told["CONFIG_PROVISION_DEMO"]) == ("y", "n")
    assert told["CONFIG_KEYSTONE_ADMIN_PW"] == told["CONFIG_DEFAULT_PASSWORD"] == "s3cret word"
    assert "s3cret" not in seen


def test_passwords_that_differ_are_asked_for_again(tmp_path):
    seen, code = talk(tmp_path, "host", NOWHERE, *[""] * 6, "one", "two", "three", "three")
    assert code == 4, seen
    assert "the two passwords differ" in seen
    assert written(tmp_path)["CONFIG_DEFAULT_PASSWORD"] == "three"


def test_encryption_is_asked_for_only_where_it_can_be_had(tmp_path):
    seen, _ = talk(tmp_path, *ALL_BY_ENTER)
    assert "Barbican" in seen and "Encrypted" not in seen


def test_answers_of_an_earlier_run_are_the_defaults_and_its_passwords_stay(tmp_path):
    talk(tmp_path, "host", NOWHERE, "", "n", "", "", "", "", "")
    first = written(tmp_path)
    seen, _ = talk(tmp_path, "host", NOWHERE, "", "", "", "", "", "")
    assert "answers of an earlier run are the defaults" in seen
    assert "One password" not in seen
    assert written(tmp_path) == first
    assert first["CONFIG_HORIZON_INSTALL"] == "n"


@pytest.mark.parametrize("key", KEYS)
def test_leaving_at_a_question_leaves_nothing(tmp_path, key):
    seen, code = talk(tmp_path, "host", NOWHERE, "", key)
    assert code == 130, seen
    assert "interrupted" in seen and "Traceback" not in seen
    assert list(tmp_path.glob("*.txt")) == []


def test_a_host_that_is_none_is_asked_for_again(tmp_path):
    seen, _ = talk(tmp_path, "host", "not a host", NOWHERE, "\x03")
    assert "'not a host' is not a host" in seen
    assert seen.count("Which host") == 2


def test_words_are_not_answered_with_questions(tmp_path):
    seen, code = talk(tmp_path, words=["--debug"])
    assert code == 2
    assert "nothing to do" in seen
