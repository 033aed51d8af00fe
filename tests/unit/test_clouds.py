"""The test clouds' answers are such as the resolver returns: a text of another type hides errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packstack_lite.answers import PARAMETERS_BY_NAME
from packstack_lite.answers.values import parse_value
from packstack_lite.secret import reveal_text
from tests.clouds import OVN, cloud, sample_secrets
from tests.rendered import CASES

KEY = PARAMETERS_BY_NAME["CONFIG_HEAT_AUTH_ENC_KEY"]


def format_answer(value):
    """Return an answer as an answer file has it."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return ",".join(value) if isinstance(value, tuple) else reveal_text(value)


@pytest.mark.parametrize("name", [*CASES, "default agent"])
def test_answers_have_the_types_and_patterns_of_their_parameters(name):
    answers = CASES[name]().answers if name in CASES else cloud(OVN).answers
    parsed = {one: parse_value(PARAMETERS_BY_NAME[one], format_answer(value)) for one, value in answers.items()}
    assert parsed == {**answers}


@pytest.mark.parametrize("length", [16, 24, 32, 64])
def test_a_sample_of_a_secret_is_as_long_as_its_pattern_demands(length):
    (secret,) = sample_secrets([replace(KEY, pattern=f".{{{length}}}|.{{{2 * length}}}")]).values()
    assert len(secret.reveal()) == length and secret.reveal()[:16] == "config_heat_auth"


def test_a_secret_that_must_be_more_than_long_has_no_sample():
    assert sample_secrets([PARAMETERS_BY_NAME["CONFIG_BARBICAN_KEK"]]) == {}
