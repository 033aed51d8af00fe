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
# within one file system; a copy made there also gets SELinux's label for it. A symbolic link is followed, because the
# package that made it wants the file at its target.
# mv puts a file into a directory of its name: an empty one is removed, one with files is kept as the original is.
# Programs are what costs: two for each file, as tar extracts mode and owner, and one sync serves all.
# "sync FILE" needs coreutils 8.24; the older one of EL7 would sync the whole machine. "dd conv=fsync" works on both.
# A push that is killed leaves its stage, and files beside their targets, which HOME/pending lists. The next push
# removes both: under the node's lock there is no other.
_SCRIPT = r"""
set -u
umask 077
home=%(home)s tab='	' nl='
'
mkdir -p "$home"
[ ! -s "$home/pending" ] || while IFS= read -r new; do rm -f -- "$new"; done < "$home/pending"
for old in "$home"/stage.*; do [ ! -e "$old" ] || rm -rf -- "$old"; done
stage=$(mktemp -d "$home/stage.XXXXXX") || exit 1
trap 'rm -rf "$stage"' EXIT
tar -x -z -m -p --same-owner -f - -C "$stage" || exit 1
: > "$stage/copied"
known="$nl$(cat "$home/files" 2>/dev/null)$nl"
# tar gives the files of an account that the node does not have to root.
owners="$nl$(cut -f 1 "$stage/list" | (cd "$stage" && xargs stat -c '%%n %%U:%%G'))$nl"
failed=0
fail() { echo "cannot write $path$1" >&2; failed=1; }
while IFS="$tab" read -r number owner path; do
    case $owners in
    *"$nl$number $owner$nl"*) ;;
    *) fail ": user or group of $owner does not exist"; continue ;;
    esac
    [ -L "$path" ] && path=$(readlink -f -- "$path")
    if [ -d "$path" ] && ! rmdir -- "$path" 2>/dev/null; then
        [ ! -e "$path.packstack-lite.orig" ] && mv -T -- "$path" "$path.packstack-lite.orig" ||
            { fail ": it is a directory with files; move it away"; continue; }
    fi
    dir=${path%%/*}
    [ -d "$dir" ] || (umask 022; mkdir -p -- "$dir") || { fail ""; continue; }
    case $known in
    *"$nl$path$nl"*) ;;
    *)
        # If the list is lost, the header still identifies our files.
        if [ -e "$path" ] && [ ! -e "$path.packstack-lite.orig" ] &&
            ! head -n 3 "$path" | grep -q 'Written by packstack-lite'; then
            cp -p -- "$path" "$path.packstack-lite.orig" || { fail ""; continue; }
        fi
        printf '%%s\n' "$path" >> "$home/files" ;;
    esac
    new="$dir/.packstack-lite.new.$$.$number"
    if printf '%%s\n' "$new" >&3 && cp -p -- "$stage/$number" "$new"; then
        printf '%%s\t%%s\n' "$new" "$path" >> "$stage/copied"
    else
        rm -f -- "$new"
        fail ""
    fi
done < "$stage/list" 3> "$home/pending"
case $(sync --help) in
*'[FILE]'*) sync_files() { cut -f 1 "$stage/copied" | tr '\n' '\0' | xargs -0 -r sync --; } ;;
*)
    sync_files() {
        while IFS="$tab" read -r new path; do
            dd if=/dev/null of="$new" conv=notrunc,fsync status=none || return 1
        done < "$stage/copied"
    } ;;
esac
sync_files && synced=yes || synced=no
while IFS="$tab" read -r new path; do
    [ $synced = yes ] && mv -f -T -- "$new" "$path" || { fail ""; rm -f -- "$new"; }
done < "$stage/copied"
rm -f "$home/pending"
exit $failed
"""


def make_push_command(files: Sequence[FileItem]) -> Command:
    """Return one command that writes all the files.

    It exits with 1 and names each file that it cannot write.
    """
    description = f"write {format_count(len(files), 'file')}"
    return Command(_SCRIPT % {"home": STATE_DIR}, stdin=_pack_files(files), timeout=120.0, description=description)


def _pack_files(files: Sequence[FileItem]) -> bytes:
    """Return a tar archive of the files, with mode and owner, and their paths."""
    listing = "".join(
        f"{number}\t{item.owner}:{item.group}\t{_check_path(item.path)}\n" for number, item in enumerate(files)
    )
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add_member(tar, "list", FileItem("", listing.encode(), 0o600))
        for number, item in enumerate(files):
            _add_member(tar, str(number), item)
    # Compressed, sixty configuration files fit into TCP's initial window, which saves round trips.
    return gzip.compress(archive.getvalue())


def _add_member(tar: tarfile.TarFile, name: str, item: FileItem) -> None:
    """Add a file to the archive under a name; the node looks up its owner."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(item.content), item.mode, item.owner, item.group
    tar.addfile(member, io.BytesIO(item.content))


def _check_path(path: str) -> str:
    """Return the path unchanged. Raises ValueError for one that cannot be listed."""
    if not path.startswith("/") or "\n" in path or "\t" in path:
        raise ValueError(f"files cannot be pushed to this path: {quote_sh(path)}")
    return path
