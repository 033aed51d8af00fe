"""Shell fragments and reply parsers that several kinds of resources share."""

from __future__ import annotations

from typing import Dict, List

from packstack_lite.remote.command import Reply
from packstack_lite.state_paths import STATE_DIR, WRITTEN_FILES_LIST

# --- changing a file that packstack-lite does not own: the original is kept once, the rest of its content stays

# keep PATH: copy PATH to PATH.packstack-lite.orig, once, and add it to the list of written files.
# put PATH NEW: replace the content of PATH by that of NEW, in one step. Mode, owner and SELinux context stay: cp -a
# keeps the context where there is one and does not mind where there is none.
REPLACE_FILE_SH = r"""
keep() {
    ( umask 077; mkdir -p "$HOME" && touch "$FILES" ) || return 1
    grep -qxF -e "$1" "$FILES" && return 0
    [ -e "$1.packstack-lite.orig" ] || cp -a -- "$1" "$1.packstack-lite.orig" || return 1
    printf '%s\n' "$1" >> "$FILES"
}
put() {
    to=$1
    [ ! -L "$to" ] || to=$(readlink -f -- "$to")
    cmp -s -- "$to" "$2" && return 0
    keep "$to" || return 1
    fresh=${to%/*}/.packstack-lite.new.$$
    cp -a -- "$to" "$fresh" && cat -- "$2" > "$fresh" &&
        dd if=/dev/null of="$fresh" conv=notrunc,fsync status=none && mv -f -- "$fresh" "$to" && return 0
    rm -f -- "$fresh"
    echo "cannot write $to" >&2
    return 1
}
""".replace("$HOME", STATE_DIR).replace("$FILES", WRITTEN_FILES_LIST)

# stored_line PATH: set $stored to the first line of a file of ours; to nothing if there is none, or it is damaged. No
# process is started: each run reads dozens of such files.
STORED_LINE_SH = r"""
stored_line() {
    stored=
    [ ! -f "$1" ] || IFS= read -r stored <"$1" || :
    case $stored in *[![:print:]]*) stored= ;; esac
}
"""

# A scratch directory $work that only root can read, removed at the end. LC_ALL=C: awk compares bytes, whatever the
# file's encoding is.
SCRATCH_DIR_SH = r"""
set -u
LC_ALL=C
export LC_ALL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM
"""

# ends PATH: print whether the file ends with a newline (1 or 0). awk would always add one.
TRAILING_NEWLINE_SH = r"""
ends() { [ -s "$1" ] && [ -z "$(tail -c 1 -- "$1")" ] && echo 1 || echo 0; }
"""

# --- systemd's daemon-reload, deferred

# A flag file, set when units were written, enabled or masked. A reload takes systemd 0.1 to 0.7 s, in which it starts
# nothing; and systemd 252 was seen to abort during a reload while it started a unit. So it reloads once, before units
# are started or probed, and not after each change.
RELOAD_FLAG = "/run/packstack-lite-units"
RELOAD_IF_FLAGGED = f"[ ! -e {RELOAD_FLAG} ] || {{ rm -f {RELOAD_FLAG} && systemctl daemon-reload; }}"

# --- what a device or file holds

# holds PATH: print the file system, another format that blkid knows, "partitions", or "-" for nothing.
CONTENT_TYPE_SH = r"""
holds() {
    local content
    content=$(blkid -p -o value -s TYPE -- "$1" 2>/dev/null) || :
    [ -n "$content" ] || [ -z "$(blkid -p -o value -s PTTYPE -- "$1" 2>/dev/null)" ] || content=partitions
    echo "${content:--}"
}
"""

# --- replies


def require_ok(reply: Reply, has_expected_form: bool = True) -> None:
    """Raise ValueError unless the reply succeeded and has the expected form."""
    if not reply.ok or not has_expected_form:
        raise ValueError(f"exit {reply.code}: {reply.err.strip()[-1500:] or repr(reply.out[-1500:])}")


def parse_tsv(reply: Reply, value_count: int) -> Dict[str, List[str]]:
    """Parse a reply of tab-separated lines into values by first field.

    Raises ValueError when the command failed or a line has not ``value_count`` values.
    """
    require_ok(reply)
    rows = {}
    for line in reply.out.splitlines():
        key, *values = line.split("\t")
        if len(values) != value_count:
            raise ValueError(f"not {value_count} fields: {line!r}")
        rows[key] = values
    return rows


def parse_pairs(text: str) -> Dict[str, str]:
    """Parse lines of ``key TAB value``; lines without a tab are skipped."""
    return dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
