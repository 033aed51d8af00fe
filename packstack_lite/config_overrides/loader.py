"""Read --config-dir, a directory that mirrors the node's /etc.

Called by the verbs that take ``--config-dir``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from packstack_lite.config_overrides.user_files import UserFile, UserTree
from packstack_lite.errors import UsageError

# In bytes. Larger than any configuration file: a wrong directory is not read as a whole.
MAX_FILE_SIZE = 1024 * 1024


def load_directory(directory: Optional[Path]) -> UserTree:
    """Read every file below the directory, sorted by name.

    Without a directory the tree is empty. Hidden files and editors' backups (NAME~) are skipped. Files that cannot be
    used are errors of the tree. Raises UsageError if the directory does not exist.
    """
    if directory is None:
        return UserTree()
    if not os.path.isdir(directory):
        raise UsageError(
            f"--config-dir {directory}: there is no such directory",
            "create it, with files named as they are below /etc, for example nova/nova.conf",
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
    """Yield the paths of all files; append what cannot be walked to ``errors``."""

    def record_error(error: OSError) -> None:
        """Note a directory that cannot be listed."""
        errors.append(f"{error.filename}: cannot be read: {error.strerror}")

    for parent, directories, names in os.walk(directory, onerror=record_error):
        for name in sorted(directories):
            if os.path.islink(os.path.join(parent, name)) and not _is_ignored(name):
                errors.append(f"{os.path.join(parent, name)}: a link to a directory, which is not followed")
        directories[:] = sorted(name for name in directories if not _is_ignored(name))
        yield from (Path(parent, name) for name in sorted(names) if not _is_ignored(name))


def _is_ignored(name: str) -> bool:
    """Return whether a name is that of a hidden file or of an editor's backup."""
    return name.startswith(".") or name.endswith("~")


def _read_text(path: Path) -> Tuple[str, str]:
    """Return a file's text and "", or "" and what is wrong with it."""
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
        return "", "has a line break, a control character or bytes that are not UTF-8 in its name"
    return text, ""
