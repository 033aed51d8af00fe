"""Files, directories, symbolic links, and paths that must not exist."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Callable, ClassVar, Dict, FrozenSet, List, Mapping, Sequence, Tuple, TypeVar, Union

from packstack_lite.remote.command import Action, Command, FileItem, Reply
from packstack_lite.resources.base import (
    Description,
    Diff,
    Observed,
    Phase,
    Probe,
    TypedResource,
    describe_keys,
)
from packstack_lite.resources.shell import RELOAD_FLAG, parse_tsv
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

# A file in the way is kept once, as it was before packstack-lite; a link holds nothing worth keeping.
_MOVE_ASIDE = (
    "if [ -e %(path)s ] && [ ! -L %(path)s ] && [ ! -e %(path)s.packstack-lite.orig ]; "
    "then mv %(path)s %(path)s.packstack-lite.orig; else rm -f %(path)s; fi"
)

_UNIT_DIR = "/etc/systemd/system/"
_SET_RELOAD_FLAG = Command(f": >{RELOAD_FLAG}", description="flag units for systemd's reload")


def _probe_command(paths: Sequence[str], description: str) -> Command:
    """Return the command that prints the state of each path."""
    return Command(_PROBE_SCRIPT, stdin="".join(f"{path}\n" for path in paths).encode(), description=description)


PathState = Mapping[str, str]
"""``sha256`` (of a file), ``type``, ``mode`` (four octal digits), ``owner``, ``group``; of a link only ``target``."""

PathT = TypeVar("PathT", bound="_PathResource")


@dataclass(frozen=True)
class _PathResource(TypedResource[PathState]):
    """The base of the kinds that have a path: one probe reads all of a kind."""

    path: str

    @property
    def id(self) -> str:
        """Return ``KIND:PATH``, such as ``file:/etc/nova/nova.conf``."""
        return f"{self.kind}:{self.path}"

    @property
    def label(self) -> str:
        """Return the path, which names the resource in plan and apply."""
        return self.path

    def parse_state(self, sha256: str, type_: str, mode: str, owner: str, group: str, target: str) -> PathState:
        """Return the state from the fields of one line of the probe."""
        return {"sha256": sha256, "type": type_, "mode": mode.zfill(4), "owner": owner, "group": group}

    @classmethod
    def probe(cls, resources: "Sequence[_PathResource]") -> List[Probe[PathState]]:
        """Return one probe for all paths of this kind.

        Its command gets the paths on standard input and prints a line of tab-separated fields for each that exists.
        """

        def parse(reply: Reply) -> Dict[str, Observed[PathState]]:
            """Return each path's observed state, by resource id."""
            rows = parse_tsv(reply, 6)
            return {item.id: item.parse_state(*rows[item.path]) if item.path in rows else None for item in resources}

        paths = [item.path for item in resources]
        return [Probe(_probe_command(paths, f"probe {cls.kind} resources"), parse)]


@dataclass(frozen=True)
class File(_PathResource):
    """A file with exactly this content, mode, owner and group.

    The content of a secret file is never shown.
    """

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
        """Return the content as bytes, a text encoded as UTF-8."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``file:PATH``."""
        return (self.id,)

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def desired(self) -> PathState:
        """Return the content's sha256, the mode, the owner and the group."""
        digest = hashlib.sha256(self.data).hexdigest()
        return {"sha256": digest, "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    def describe(self, diff: Diff["File"]) -> Description:
        """Describe the write: ``write PATH``, new or with the keys that differ."""
        return Description(f"write {self.path}", "new" if diff.state() is None else f"changed: {describe_keys(diff)}")

    @classmethod
    def fix(cls, diffs: Sequence[Diff["File"]]) -> List[Action]:
        """Return the files for a single push, and systemd's reload flag for unit files.

        The flag makes the run call ``systemctl daemon-reload`` before units start.
        """
        files = [diff.resource for diff in diffs]
        items = [FileItem(file.path, file.data, file.mode, file.owner, file.group) for file in files]
        has_units = any(file.path.startswith(_UNIT_DIR) for file in files)
        return [*items, _SET_RELOAD_FLAG] if has_units else [*items]

    def diff_texts(self, diff: Diff["File"]) -> Tuple[str, str]:
        """Return only the new text; the old one is on the node, see ``content_probe``."""
        return "", "" if self.is_secret else self.data.decode(errors="replace")

    @staticmethod
    def content_probe(files: Sequence["File"]) -> Tuple[Command, Callable[[Reply], Dict[str, str]]]:
        """Return a command that reads the files' texts, and its parser.

        The parser returns texts by path, "" for a missing file.
        """
        paths = [file.path for file in files]
        script = 'while IFS= read -r path; do printf "%s\\n" "$(base64 -w0 "$path" 2>/dev/null)"; done'
        command = Command(script, stdin="".join(f"{path}\n" for path in paths).encode(), description="read files")
        return command, lambda reply: dict(zip(paths, map(_decode_text, reply.out.splitlines())))


def _decode_text(encoded: str) -> str:
    """Return the text of a file's content in Base64; invalid UTF-8 is replaced."""
    return base64.b64decode(encoded).decode(errors="replace")


@dataclass(frozen=True)
class Directory(_PathResource):
    """A directory with this mode and owner. What is in it is not looked at."""

    kind: ClassVar[str] = "directory"
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return ``directory PATH``."""
        return f"directory {self.path}"

    def desired(self) -> PathState:
        """Return the type "directory", the mode, the owner and the group."""
        return {"type": "directory", "mode": f"{self.mode:04o}", "owner": self.owner, "group": self.group}

    @classmethod
    def fix(cls, diffs: Sequence[Diff["Directory"]]) -> List[Action]:
        """Return a command for each directory, which creates it or sets mode and owner."""
        return [diff.resource._create_command() for diff in diffs]

    def _create_command(self) -> Command:
        """Return the command that creates the directory and sets its owner and mode."""
        path = quote_sh(self.path)
        script = f"mkdir -p {path} && chown {self.owner}:{self.group} {path} && chmod {self.mode:04o} {path}"
        return Command(script, description=f"create {self.path}")


@dataclass(frozen=True)
class Absent(_PathResource):
    """A file or link that must not exist.

    A file is kept as PATH.packstack-lite.orig unless ``created_by_us``.
    """

    kind: ClassVar[str] = "absent"
    created_by_us: bool = False
    brought_by: Tuple[str, ...] = ()
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def desired(self) -> None:
        """Return None: the path must not exist."""

    @classmethod
    def fix(cls, diffs: Sequence[Diff["Absent"]]) -> List[Action]:
        """Return a command for each path, which removes it or moves it aside.

        A file that we created is removed; any other is kept under another name.
        """
        return [diff.resource._remove_command() for diff in diffs]

    def _remove_command(self) -> Command:
        """Return the command that removes a file of ours and moves another one aside.

        It is moved to PATH.packstack-lite.orig, unless that exists already.
        """
        script = (
            f"rm -f -- {quote_sh(self.path)}" if self.created_by_us else _MOVE_ASIDE % {"path": quote_sh(self.path)}
        )
        return Command(script, description=f"remove {self.path}")


@dataclass(frozen=True)
class Symlink(_PathResource):
    """A symbolic link to ``target``.

    A file in its way is kept as PATH.packstack-lite.orig.
    """

    kind: ClassVar[str] = "link"
    target: str = ""
    phase: Phase = Phase.CONFIGURE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    def parse_state(self, sha256: str, type_: str, mode: str, owner: str, group: str, target: str) -> PathState:
        """Return the link's target, "-" if the path is no link."""
        return {"target": target}

    def desired(self) -> PathState:
        """Return the link's target."""
        return {"target": self.target}

    def describe(self, diff: Diff["Symlink"]) -> Description:
        """Describe the new link, and the file or the target that it replaces."""
        state = diff.state()
        old_target = "" if state is None else state["target"]
        # The probe prints "-" where the path is no link.
        reason = "new" if state is None else f"was {'a file' if old_target == '-' else f'a link to {old_target}'}"
        return Description(f"link {self.path} to {self.target}", reason)

    @classmethod
    def fix(cls, diffs: Sequence[Diff["Symlink"]]) -> List[Action]:
        """Return a command for each link, which replaces what is at its path."""
        return [diff.resource._link_command() for diff in diffs]

    def _link_command(self) -> Command:
        """Return the command that moves a file in the way aside and creates the link."""
        script = f"{_MOVE_ASIDE % {'path': quote_sh(self.path)}} && ln -s {quote_sh(self.target)} {quote_sh(self.path)}"
        return Command(script, description=f"link {self.path}")
