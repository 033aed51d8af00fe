"""Reading --config-dir: a tree of the user's own files that mirrors the host's /etc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from packstack_lite.config_overrides.user_files import UserFile, UserTree
from packstack_lite.errors import UsageError

# More than any configuration file has; keeps a wrong directory from being read whole.
MAX_FILE_SIZE = 1024 * 1024


def load_directory(directory: Optional[Path]) -> UserTree:
    """Every file below the directory, in the order of their names; an empty tree without one.

    Hidden files and editors' backups (NAME~) are left out. Files that cannot be used are
    faults of the tree; raises UsageFault when the directory itself is not there.
    """
    if directory is None:
        return UserTree()
    if not os.path.isdir(directory):
        raise UsageError(
            f"--config-dir {directory}: there is no such directory",
            "make it, with files named as below /etc, for example nova/nova.conf",
        )
    files: List[UserFile] = []
    errors: List[str] = []
    for path in _walk_files(directory, errors):
        text, error = _read_text(path)
        if error:
            errors.append(f"{path}: {error}")
        else:
            files.append(UserFile(path.relative_to(directory).as_posix(), str(path), text))
    return UserTree(tuple(files), tuple(errors))


def _walk_files(directory: Path, errors: List[str]) -> Iterator[Path]:
    def record_error(error: OSError) -> None:
        errors.append(f"{error.filename}: cannot be read: {error.strerror}")

    for parent, directories, names in os.walk(directory, onerror=record_error):
        for name in sorted(directories):
            if os.path.islink(os.path.join(parent, name)) and not _is_ignored(name):
                errors.append(f"{os.path.join(parent, name)}: a link to a directory, which is not followed")
        directories[:] = sorted(name for name in directories if not _is_ignored(name))
        yield from (Path(parent, name) for name in sorted(names) if not _is_ignored(name))


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.endswith("~")


def _read_text(path: Path) -> Tuple[str, str]:
    """A file's text, or what is wrong with it."""
    try:
        if not path.is_file():
            return "", "is not a file"
        if path.stat().st_size > MAX_FILE_SIZE:
            return "", f"is larger than {MAX_FILE_SIZE // 1024} KiB"
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", "is not a text file"
    if "\0" in text:
        return "", "is not a text file"
    if not str(path.name).isprintable():
        return "", "has a line break, a control character or what is not UTF-8 in its name"
    return text, ""
