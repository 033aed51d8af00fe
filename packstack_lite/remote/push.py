"""Files as one tar stream: staged out of sight, made durable, moved into place."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Sequence

from packstack_lite.remote.command import Command, FileItem
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import STATE_DIR

# A file is ours once its path stands in HOME/files; what stood there before is kept once,
# as PATH.packstack-lite.orig. Each file is copied beside its target first, so that the
# last step is a rename within one file system. A symbolic link is followed: the package
# that made it wants the file where it points. "sync FILE" came with coreutils 8.24; before, on
# EL7, it means the whole machine: dd asks for the one file on every host.
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
    dir=${path%%/*}
    [ -d "$dir" ] || (umask 022; mkdir -p -- "$dir") || { failed=1; continue; }
    if ! grep -qxF -e "$path" "$home/files"; then
        # Where the list is lost, our own files are known by their header.
        if [ -e "$path" ] && [ ! -e "$path.packstack-lite.orig" ] &&
            ! head -n 3 "$path" | grep -q 'Written by packstack-lite'; then
            cp -p -- "$path" "$path.packstack-lite.orig" || { failed=1; continue; }
        fi
        printf '%%s\n' "$path" >> "$home/files"
    fi
    new="$dir/.packstack-lite.new.$$"
    if cp -- "$stage/$number" "$new" && \
        chown -- "$owner" "$new" && chmod "$mode" "$new" && \
        dd if=/dev/null of="$new" conv=notrunc,fsync status=none && mv -f -- "$new" "$path"
    then :; else echo "cannot write $path" >&2; rm -f -- "$new"; failed=1; fi
done < "$stage/list"
exit $failed
"""


def make_push_command(files: Sequence[FileItem]) -> Command:
    """One command that puts all the files; exit 1 and a line per file that could not be put."""
    description = f"write {len(files)} file{'s' * (len(files) > 1)}"
    return Command(_SCRIPT % {"home": STATE_DIR}, stdin=_pack_files(files), timeout=120.0, description=description)


def _pack_files(files: Sequence[FileItem]) -> bytes:
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
    # Sixty configs then fit TCP's first window: no further turn-around while it opens.
    return gzip.compress(archive.getvalue())


def _check_path(path: str) -> str:
    if not path.startswith("/") or "\n" in path or "\t" in path:
        raise ValueError(f"not a path that can be pushed to: {quote_sh(path)}")
    return path
