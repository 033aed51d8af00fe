"""Check the rows of a table in one test, reporting every row that fails.

For rows that are no cases of their own: hundreds of test ids would say nothing that the message does not.
"""

from __future__ import annotations

from typing import Callable, Iterable, TypeVar

Row = TypeVar("Row")


def check_each(rows: Iterable[Row], check: Callable[[Row], None], label: Callable[[Row], object] = str) -> None:
    """Call ``check`` for every row; raise AssertionError with all failures, each with the row's label.

    Also fails without rows, so that a table that is empty by mistake is noticed.
    """
    failures, count = [], 0
    for row in rows:
        count += 1
        try:
            check(row)
        except Exception as error:
            failures.append(f"{label(row)}: {type(error).__name__}: {error}")
    assert count, "no rows to check"
    assert not failures, f"{len(failures)} of {count} rows failed:\n" + "\n".join(failures)
