"""Reading --config-dir: a tree of the user's own files that mirrors the host's /etc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from packstack_lite.errors import UsageFault
from packstack_lite.services.given import Given, Tree

# More than any configuration file has; keeps a wrong directory from being read whole.
LARGEST = 1024 * 1024


def read(directory: Optional[Path]) -> Tree:
    """Every file below the directory, in the order of their names; an empty tree without one.

    Hidden files and editors' backups (NAME~) are left out. Files that cannot be used are
    faults of the tree; raises UsageFault when the directory itself is not there.
    """
    if directory is None:
        return Tree()
    if not directory.is_dir():
        raise UsageFault(
            f"--config-dir {directory}: there is no such directory",
            "make it, with files named as below /etc, for example nova/nova.conf",
        )
    files: List[Given] = []
    faults: List[str] = []
    for path in _below(directory, faults):
        text, fault = _text(path)
        if fault:
            faults.append(f"{path}: {fault}")
        else:
            files.append(Given(path.relative_to(directory).as_posix(), str(path), text))
    return Tree(tuple(files), tuple(faults))


def _below(directory: Path, faults: List[str]) -> Iterator[Path]:
    def cannot(error: OSError) -> None:
        faults.append(f"{error.filename}: cannot be read: {error.strerror}")

    for place, directories, names in os.walk(directory, onerror=cannot):
        for name in sorted(directories):
            if os.path.islink(os.path.join(place, name)) and not _hidden(name):
                faults.append(f"{os.path.join(place, name)}: a link to a directory, which is not followed")
        directories[:] = sorted(name for name in directories if not _hidden(name))
        yield from (Path(place, name) for name in sorted(names) if not _hidden(name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.endswith("~")


def _text(path: Path) -> Tuple[str, str]:
    """A file's text, or what is wrong with it."""
    try:
        if not path.is_file():
            return "", "is not a file"
        if path.stat().st_size > LARGEST:
            return "", f"is larger than {LARGEST // 1024} KiB"
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", "is not a text file"
    if "\0" in text:
        return "", "is not a text file"
    if "\n" in str(path):
        return "", "has a line break in its name"
    return text, ""
