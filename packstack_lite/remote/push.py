"""Write files on the node from one tar stream: stage, fsync, rename.

Used by ``connections``.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Sequence

from packstack_lite.counts import format_count
from packstack_lite.remote.command import Command, FileItem
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import STATE_DIR

# A path in HOME/files was written by packstack-lite before; any other existing file is kept once, as
# PATH.packstack-lite.orig. Each file is copied into its target's directory first, so that the last step is a rename
# within one file system. A symbolic link is followed, because the package that made it wants the file at its target.
# mv puts a file into a directory of its name: an empty one is removed, one with files is kept as the original is.
# "sync FILE" needs coreutils 8.24; the older one of EL7 would sync the whole machine. "dd conv=fsync" works on both.
_SCRIPT = r"""
set -u
umask 077
home=%(home)s
mkdir -p "$home"
stage=$(mktemp -d "$home/stage.XXXXXX") || exit 1
trap 'rm -rf "$stage"' EXIT
tar -x -z -f - -C "$stage" || exit 1
touch "$home/files"
failed=0
while IFS="$(printf '\t')" read -r number mode owner path; do
    [ -L "$path" ] && path=$(readlink -f -- "$path")
    if [ -d "$path" ] && ! rmdir -- "$path" 2>/dev/null; then
        [ ! -e "$path.packstack-lite.orig" ] && mv -T -- "$path" "$path.packstack-lite.orig" ||
            { echo "cannot write $path: it is a directory with files; move it away" >&2; failed=1; continue; }
    fi
    dir=${path%%/*}
    [ -d "$dir" ] || (umask 022; mkdir -p -- "$dir") || { failed=1; continue; }
    if ! grep -qxF -e "$path" "$home/files"; then
        # If the list is lost, the header still identifies our files.
        if [ -e "$path" ] && [ ! -e "$path.packstack-lite.orig" ] &&
            ! head -n 3 "$path" | grep -q 'Written by packstack-lite'; then
            cp -p -- "$path" "$path.packstack-lite.orig" || { failed=1; continue; }
        fi
        printf '%%s\n' "$path" >> "$home/files"
    fi
    new="$dir/.packstack-lite.new.$$"
    if cp -- "$stage/$number" "$new" && \
        chown -- "$owner" "$new" && chmod "$mode" "$new" && \
        dd if=/dev/null of="$new" conv=notrunc,fsync status=none && mv -f -T -- "$new" "$path"
    then :; else echo "cannot write $path" >&2; rm -f -- "$new"; failed=1; fi
done < "$stage/list"
exit $failed
"""


def make_push_command(files: Sequence[FileItem]) -> Command:
    """Return one command that writes all the files.

    It exits with 1 and names each file that it cannot write.
    """
    description = f"write {format_count(len(files), 'file')}"
    return Command(_SCRIPT % {"home": STATE_DIR}, stdin=_pack_files(files), timeout=120.0, description=description)


def _pack_files(files: Sequence[FileItem]) -> bytes:
    """Return a tar archive of the files and of the list of their modes and owners."""
    listing = "".join(
        f"{number}\t{item.mode:o}\t{item.owner}:{item.group}\t{_check_path(item.path)}\n"
        for number, item in enumerate(files)
    )
    members = [("list", listing.encode()), *((str(number), item.content) for number, item in enumerate(files))]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    # Compressed, sixty configuration files fit into TCP's initial window, which saves round trips.
    return gzip.compress(archive.getvalue())


def _check_path(path: str) -> str:
    """Return the path unchanged. Raises ValueError for one that cannot be listed."""
    if not path.startswith("/") or "\n" in path or "\t" in path:
        raise ValueError(f"files cannot be pushed to this path: {quote_sh(path)}")
    return path
