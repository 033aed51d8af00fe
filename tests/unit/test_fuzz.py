"""Inputs of every kind, damaged: no traceback, nothing raw on the terminal, no program started, 2 s at most.

``make unit`` runs the same few inputs each time. ``make fuzz`` runs new ones for FUZZ_MINUTES in all. What it finds
becomes a test of the module that was wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from packstack_lite.cli import answers
from tests.unit import fuzz
from tests.unit.fuzz import Input, patched
from tests.unit.fuzz_inputs import SERVER_KEY, USER_TARGETS
from tests.unit.fuzz_replies import NODE_TARGETS

TARGETS = {**USER_TARGETS, **NODE_TARGETS}

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
# Inputs of a target: in ``make unit``, and between two looks at the clock.
EXAMPLES = 100 if MINUTES else 3


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with patched(tmp_path_factory.mktemp("fuzz") / "home", SERVER_KEY) as made:
        made.home.mkdir()
        yield made


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_ends_in_a_message_and_an_exit_code(runner, target):
    @settings(
        max_examples=EXAMPLES,
        derandomize=not MINUTES,
        database=None,
        suppress_health_check=[*HealthCheck],
        # Explaining a failure traces each line, which makes a run ten times slower.
        phases=[Phase.generate, Phase.shrink],
    )
    @given(TARGETS[target])
    def check(given):
        runner.run(given)

    runner.codes.clear()
    end = time.monotonic() + 60 * MINUTES / len(TARGETS)
    check()
    while time.monotonic() < end:
        check()
    print(f"\n{target}: {sum(runner.codes.values())} inputs, by exit code {dict(runner.codes)}")


def loop_without_end():
    while True:
        pass


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: print("\x1b[2J"), "x1b"),
        (loop_without_end, "took more than"),
        (lambda: subprocess.run(["true"]), "started a program"),
        (lambda: 1 / 0, "division by zero"),
        (lambda: sys.exit(9), "exit code 9"),
    ],
)
def test_the_fuzzer_finds_what_must_not_happen(runner, monkeypatch, bad, message):
    monkeypatch.setattr(fuzz, "HARD_LIMIT", 0.2)
    monkeypatch.setattr(answers, "_match_names", lambda names: bad() or set())
    with pytest.raises((AssertionError, ZeroDivisionError), match=message):
        runner.run(Input(("answers", "show", "CONFIG_DEBUG_MODE")))
