"""Warn about an answer file that seems to have lost its end.

Used by ``reader``. Only a generated file can tell: nobody knows where a file written by hand ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

# Written by packstack-lite into the first and the last line of each file.
FILE_HEADING = "# Answers for packstack-lite, in Packstack's format. It contains passwords: keep its mode 0600."
END_ANNOUNCEMENT = "# The last line of this file is: # End."
FILE_END = "# End."
# Packstack's files end with one of these, whatever its release: Magnum's group was the last one from newton on, before
# it was Nagios (order of plugins/*.py). A file with fewer names is not generated; folsom's has some 90.
_LAST_NAMES = ("CONFIG_MAGNUM_KS_PW", "CONFIG_NAGIOS_PW")
_FEWEST_GENERATED = 80


def find_warnings(path: Path, lines: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Yield a warning if a generated file lacks its end.

    ``lines`` are the file's, the last one "" after a line break; ``names`` are the parameters that it answers.
    """
    number = len(lines) if lines[-1] else len(lines) - 1
    is_ours = END_ANNOUNCEMENT in lines
    is_packstacks = not is_ours and FILE_HEADING not in lines and len(names) >= _FEWEST_GENERATED
    text = "\n".join(lines)
    if is_ours and FILE_END not in lines:
        yield f"{path}:{number}: the file seems to have lost its end: its last line should be {FILE_END!r}"
    elif is_packstacks and not any(name in text for name in _LAST_NAMES):
        yield (
            f"{path}:{number}: the file seems to have lost its end: every file that Packstack generates has"
            f" {' or '.join(_LAST_NAMES)}"
        )
    elif lines[-1] and (is_ours or is_packstacks):
        yield f"{path}:{number}: the file ends in the middle of a line"
