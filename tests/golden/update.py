"""Rewrite the golden files: ``.venv/bin/python -m tests.golden.update``, then review the diff."""

from __future__ import annotations

import shutil
from pathlib import Path

from packstack_lite import profiles
from tests.rendered import CASES, files, on, text

HERE = Path(__file__).parent


def golden_path(profile: str, case: str, path: str = "") -> Path:
    """Return the golden file of a rendered path; without a path, the directory of the case."""
    return HERE / profile / case / path.lstrip("/")


def main() -> None:
    """Replace every golden file by the file that is rendered now."""
    for profile in profiles.list_names():
        for case, make in CASES.items():
            shutil.rmtree(golden_path(profile, case), ignore_errors=True)
            for path, file in files(on(profile, make())).items():
                golden_path(profile, case, path).parent.mkdir(parents=True, exist_ok=True)
                golden_path(profile, case, path).write_text(text(file))


if __name__ == "__main__":
    main()
