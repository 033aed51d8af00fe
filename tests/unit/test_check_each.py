"""check_each reports every failing row, and fails for an empty table."""

from __future__ import annotations

import pytest

from tests.unit.check_each import check_each


def test_every_failing_row_is_in_one_message():
    def check(number):
        assert number < 3, "too large"
        1 / number

    with pytest.raises(AssertionError) as failure:
        check_each([0, 1, 3, 4], check)
    message = str(failure.value)
    assert message.startswith("3 of 4 rows failed:\n0: ZeroDivisionError: ")
    assert "\n3: AssertionError: too large" in message and "\n4: AssertionError: too large" in message
    assert "\n1: " not in message


def test_an_empty_table_fails():
    with pytest.raises(AssertionError, match="no rows"):
        check_each([], print)
