"""Write the golden files anew: ``.venv/bin/python -m tests.golden.update``, then read the diff."""

from __future__ import annotations

import shutil
from pathlib import Path

from packstack_lite import profiles
from tests.rendered import CASES, files, on, text

HERE = Path(__file__).parent


def place(profile: str, case: str, path: str = "") -> Path:
    """Where a rendered file is kept; without a path, the directory of the case."""
    return HERE / profile / case / path.lstrip("/")


def main() -> None:
    """Replace every golden file by what is rendered now."""
    for profile in profiles.list_names():
        for case, make in CASES.items():
            shutil.rmtree(place(profile, case), ignore_errors=True)
            for path, file in files(on(profile, make())).items():
                place(profile, case, path).parent.mkdir(parents=True, exist_ok=True)
                place(profile, case, path).write_text(text(file))


if __name__ == "__main__":
    main()
