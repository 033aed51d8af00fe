"""Write the golden files anew: ``.venv/bin/python -m tests.golden.update``, then read the diff."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.rendered import CASES, files, text

HERE = Path(__file__).parent
PROFILE = "debian12-zed"


def place(case: str, path: str) -> Path:
    """Where a rendered file is kept."""
    return HERE / PROFILE / case / path.lstrip("/")


def main() -> None:
    """Replace every golden file by what is rendered now."""
    for case, make in CASES.items():
        shutil.rmtree(HERE / PROFILE / case, ignore_errors=True)
        for path, file in files(make()).items():
            place(case, path).parent.mkdir(parents=True, exist_ok=True)
            place(case, path).write_text(text(file))


if __name__ == "__main__":
    main()
