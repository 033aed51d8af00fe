"""Files, directories, links, and what must not be there."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Callable, ClassVar, Container, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union, cast

from packstack_lite.remote.command import Action, Command, FileItem, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.records import records
from packstack_lite.resources.unread import UNREAD
from packstack_lite.secret import sh

# One line per path: sha256 (or "-"), type, mode, owner, group, link target (or "-").
_LOOK = r"""
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
_ASIDE = (
    "if [ -e %(path)s ] && [ ! -L %(path)s ] && [ ! -e %(path)s.packstack-lite.orig ]; "
    "then mv %(path)s %(path)s.packstack-lite.orig; else rm -f %(path)s; fi"
)

_UNITS = "/etc/systemd/system/"
_NOTE_UNITS = Command(f": >{UNREAD}", says="note that systemd has units to read")


def _look(paths: Sequence[str], says: str) -> Command:
    return Command(_LOOK, stdin="".join(f"{path}\n" for path in paths).encode(), says=says)


@dataclass(frozen=True)
class _Path(Resource):
    """What all things with a path share: one look for all of them."""

    path: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.path}"

    def see(self, sum_: str, type_: str, mode: str, owner: str, group: str, target: str) -> Seen:
        """The state, from one line of the look."""
        return {"sha256": sum_, "type": type_, "mode": mode.zfill(4), "owner": owner, "group": group}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        members = cast("Sequence[_Path]", group)

        def parse(reply: Reply) -> Dict[str, Seen]:
            lines = records(reply, 6)
            return {
                member.id: member.see(*lines[member.path]) if member.path in lines else member.not_there(lines)
                for member in members
            }

        paths = [path for member in members for path in (member.path, *member.beside)]
        return [Look(_look(paths, f"look at {cls.kind} resources"), parse)]

    @property
    def beside(self) -> Tuple[str, ...]:
        """Further paths that tell what it means when this one is not there."""
        return ()

    def not_there(self, lines: Container[str]) -> Seen:
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
    hidden: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def want(self) -> Optional[State]:
        digest = hashlib.sha256(self.data).hexdigest()
        return {"sha256": digest, "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        files = [cast(File, gap.resource) for gap in gaps]
        items = [FileItem(file.path, file.data, file.mode, file.owner, file.group) for file in files]
        units = any(file.path.startswith(_UNITS) for file in files)
        return [*items, _NOTE_UNITS] if units else [*items]

    def diff(self, gap: Gap) -> Tuple[str, str]:
        """Only the new text; the old one stands on the host, see read_command."""
        return "", "" if self.hidden else self.data.decode(errors="replace")

    @staticmethod
    def read_command(gaps: Sequence[Gap]) -> Tuple[Command, Callable[[Reply], Dict[str, str]]]:
        """A command that reads the present texts of these gaps' files, and its parser (path to text)."""
        paths = [cast(File, gap.resource).path for gap in gaps]
        script = 'while IFS= read -r path; do printf "%s\\n" "$(base64 -w0 "$path" 2>/dev/null)"; done'
        command = Command(script, stdin="".join(f"{path}\n" for path in paths).encode(), says="read files")
        return command, lambda reply: dict(zip(paths, map(_text, reply.out.splitlines())))


def _text(encoded: str) -> str:
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

    def want(self) -> Optional[State]:
        return {"type": "directory", "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Directory, gap.resource)._make() for gap in gaps]

    def _make(self) -> Command:
        path = sh(self.path)
        script = f"mkdir -p {path} && chown {self.owner}:{self.group} {path} && chmod {self.mode:04o} {path}"
        return Command(script, says=f"make {self.path}")


@dataclass(frozen=True)
class Absent(_Path):
    """A file or link that must not be there; a file is kept as PATH.packstack-lite.orig unless it is ``ours`` alone.

    ``comes_with`` is a directory of the package that brings it: as long as that is missing
    too, nobody can say yet whether there will be something to remove.
    """

    kind: ClassVar[str] = "absent"
    comes_with: str = ""
    ours: bool = False
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def beside(self) -> Tuple[str, ...]:
        return (self.comes_with,) if self.comes_with else ()

    def not_there(self, lines: Container[str]) -> Seen:
        if self.comes_with and self.comes_with not in lines:
            return Unknown(Phase.PACKAGES, f"{self.comes_with} is not there yet")
        return None

    def want(self) -> Optional[State]:
        return None

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Absent, gap.resource)._remove() for gap in gaps]

    def _remove(self) -> Command:
        script = f"rm -f -- {sh(self.path)}" if self.ours else _ASIDE % {"path": sh(self.path)}
        return Command(script, says=f"remove {self.path}")


@dataclass(frozen=True)
class Link(_Path):
    """A symbolic link."""

    kind: ClassVar[str] = "link"
    target: str = ""
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def see(self, sum_: str, type_: str, mode: str, owner: str, group: str, target: str) -> Seen:
        return {"target": target}

    def want(self) -> Optional[State]:
        return {"target": self.target}

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Link, gap.resource)._make() for gap in gaps]

    def _make(self) -> Command:
        script = f"{_ASIDE % {'path': sh(self.path)}} && ln -s {sh(self.target)} {sh(self.path)}"
        return Command(script, says=f"link {self.path}")
