"""Files, directories, links, and what must not be there."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Callable, ClassVar, Container, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union, cast

from packstack_lite.remote.command import Action, Command, FileItem, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.resources.daemon_reload import RELOAD_FLAG
from packstack_lite.resources.tsv import parse_tsv
from packstack_lite.secret import quote_sh

# One line per path: sha256 (or "-"), type, mode, owner, group, link target (or "-").
_PROBE_SCRIPT = r"""
while IFS= read -r path; do
    if [ -L "$path" ]; then target=$(readlink -- "$path"); else target=-; fi
    if [ -e "$path" ]; then
        sum=-; [ -f "$path" ] && sum=$(sha256sum < "$path") && sum=${sum%% *}
        printf '%s\t%s\t%s\t%s\n' "$path" "$sum" "$(stat -L -c '%F	%a	%U	%G' -- "$path")" "$target"
    elif [ -L "$path" ]; then
        printf '%s\t-\tdangling\t-\t-\t-\t%s\n' "$path" "$target"
    fi
done
"""

# What is in the way is kept once, as it was before us; a link holds nothing worth keeping.
_MOVE_ASIDE = (
    "if [ -e %(path)s ] && [ ! -L %(path)s ] && [ ! -e %(path)s.packstack-lite.orig ]; "
    "then mv %(path)s %(path)s.packstack-lite.orig; else rm -f %(path)s; fi"
)

_UNIT_DIR = "/etc/systemd/system/"
_SET_RELOAD_FLAG = Command(f": >{RELOAD_FLAG}", description="note that systemd has units to read")


def _probe_command(paths: Sequence[str], description: str) -> Command:
    return Command(_PROBE_SCRIPT, stdin="".join(f"{path}\n" for path in paths).encode(), description=description)


@dataclass(frozen=True)
class _Path(Resource):
    """What all things with a path share: one look for all of them."""

    path: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.path}"

    def parse_state(self, sha256: str, type_: str, mode: str, owner: str, group: str, target: str) -> Observed:
        """The state, from one line of the look."""
        return {"sha256": sha256, "type": type_, "mode": mode.zfill(4), "owner": owner, "group": group}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        items = cast("Sequence[_Path]", resources)

        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = parse_tsv(reply, 6)
            return {
                item.id: item.parse_state(*lines[item.path]) if item.path in lines else item.absent_state(lines)
                for item in items
            }

        paths = [path for item in items for path in (item.path, *item.extra_paths)]
        return [Probe(_probe_command(paths, f"look at {cls.kind} resources"), parse)]

    @property
    def extra_paths(self) -> Tuple[str, ...]:
        """Further paths that tell what it means when this one is not there."""
        return ()

    def absent_state(self, existing_paths: Container[str]) -> Observed:
        """The state when the path does not exist; ``lines`` are the paths that do."""
        return None


@dataclass(frozen=True)
class File(_Path):
    """A file with exactly this content, mode and owner. What is in one that is ``hidden`` is never shown."""

    kind: ClassVar[str] = "file"
    content: Union[str, bytes] = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    is_secret: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def desired(self) -> Optional[State]:
        digest = hashlib.sha256(self.data).hexdigest()
        return {"sha256": digest, "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        files = [cast(File, diff.resource) for diff in diffs]
        items = [FileItem(file.path, file.data, file.mode, file.owner, file.group) for file in files]
        has_units = any(file.path.startswith(_UNIT_DIR) for file in files)
        return [*items, _SET_RELOAD_FLAG] if has_units else [*items]

    def diff_texts(self, diff: Diff) -> Tuple[str, str]:
        """Only the new text; the old one stands on the host, see read_command."""
        return "", "" if self.is_secret else self.data.decode(errors="replace")

    @staticmethod
    def content_probe(diffs: Sequence[Diff]) -> Tuple[Command, Callable[[Reply], Dict[str, str]]]:
        """A command that reads the present texts of these gaps' files, and its parser (path to text)."""
        paths = [cast(File, diff.resource).path for diff in diffs]
        script = 'while IFS= read -r path; do printf "%s\\n" "$(base64 -w0 "$path" 2>/dev/null)"; done'
        command = Command(script, stdin="".join(f"{path}\n" for path in paths).encode(), description="read files")
        return command, lambda reply: dict(zip(paths, map(_decode_text, reply.out.splitlines())))


def _decode_text(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="replace")


@dataclass(frozen=True)
class Directory(_Path):
    """A directory with this mode and owner; its content is its own."""

    kind: ClassVar[str] = "directory"
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def desired(self) -> Optional[State]:
        return {"type": "directory", "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Directory, diff.resource)._make() for diff in diffs]

    def _make(self) -> Command:
        path = quote_sh(self.path)
        script = f"mkdir -p {path} && chown {self.owner}:{self.group} {path} && chmod {self.mode:04o} {path}"
        return Command(script, description=f"make {self.path}")


@dataclass(frozen=True)
class Absent(_Path):
    """A file or link that must not be there; a file is kept as PATH.packstack-lite.orig unless it is ``ours`` alone.

    ``comes_with`` is a directory of the package that brings it: as long as that is missing
    too, nobody can say yet whether there will be something to remove.
    """

    kind: ClassVar[str] = "absent"
    package_directory: str = ""
    created_by_us: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def extra_paths(self) -> Tuple[str, ...]:
        return (self.package_directory,) if self.package_directory else ()

    def absent_state(self, existing_paths: Container[str]) -> Observed:
        if self.package_directory and self.package_directory not in existing_paths:
            return Unknown(Phase.PACKAGES, f"{self.package_directory} is not there yet")
        return None

    def desired(self) -> Optional[State]:
        return None

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Absent, diff.resource)._remove() for diff in diffs]

    def _remove(self) -> Command:
        script = (
            f"rm -f -- {quote_sh(self.path)}" if self.created_by_us else _MOVE_ASIDE % {"path": quote_sh(self.path)}
        )
        return Command(script, description=f"remove {self.path}")


@dataclass(frozen=True)
class Symlink(_Path):
    """A symbolic link."""

    kind: ClassVar[str] = "link"
    target: str = ""
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def parse_state(self, sha256: str, type_: str, mode: str, owner: str, group: str, target: str) -> Observed:
        return {"target": target}

    def desired(self) -> Optional[State]:
        return {"target": self.target}

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Symlink, diff.resource)._make() for diff in diffs]

    def _make(self) -> Command:
        script = f"{_MOVE_ASIDE % {'path': quote_sh(self.path)}} && ln -s {quote_sh(self.target)} {quote_sh(self.path)}"
        return Command(script, description=f"link {self.path}")
