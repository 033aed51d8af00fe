"""Shell for changing a file that is somebody else's: what stood there is kept once, the rest of it stays."""

from __future__ import annotations

# What remote.push keeps too: of a path in this list no further copy is made.
WRITTEN_FILES_LIST = "/var/lib/packstack-lite/files"

# keep PATH: what stands there is kept beside it, once, and the path is noted as ours.
# put PATH NEW: PATH gets the content of NEW, in one step. Mode, owner and SELinux context stay: cp -a keeps the context
# where there is one and does not mind where there is none.
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
""".replace("$HOME", WRITTEN_FILES_LIST.rsplit("/", 1)[0]).replace("$FILES", WRITTEN_FILES_LIST)

# A scratch directory of root's own, gone in the end. awk compares bytes, whatever the file's encoding is.
SCRATCH_DIR_SH = r"""
set -u
LC_ALL=C
export LC_ALL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM
"""

# Whether a text ends with a newline (1 or 0): awk would add one, so the programs print it themselves.
TRAILING_NEWLINE_SH = r"""
ends() { [ -s "$1" ] && [ -z "$(tail -c 1 -- "$1")" ] && echo 1 || echo 0; }
"""
