"""The user's own files laid over the rendered ones: ``--config-dir``, a tree that mirrors /etc."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from packstack_lite.errors import OverlayFault
from packstack_lite.profiles import Profile
from packstack_lite.resources import Absent, Directory, File, Keys, Link, Placed, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret, names_secret
from packstack_lite.services import ini
from packstack_lite.services.option_check import check, judged, lists

ETC = "/etc/"

# Directories of /etc that belong to no single service: only what is rendered there can be overlaid.
SHARED = ("", "default", "sysconfig", "systemd", "sysctl.d", "tmpfiles.d")

_USERINFO = re.compile(r"://[^:/@\s]*:([^@\s]+)@")
_PAIR = re.compile(r"""\s*["']?([\w.\-]+)["']?\s*[=:]\s*(.*)""")


@dataclass(frozen=True)
class Given:
    """A file of the user's: ``name`` below /etc, ``source`` as the user finds it, its text."""

    name: str
    source: str
    text: str

    @property
    def path(self) -> str:
        return f"{ETC}{self.name}"

    @property
    def top(self) -> str:
        """The directory of /etc that it is in; "" when it is in /etc itself."""
        return self.name.split("/")[0] if "/" in self.name else ""

    def __repr__(self) -> str:
        return f"Given({self.source!r})"


@dataclass(frozen=True)
class Tree:
    """What --config-dir holds, and what in it could not be read."""

    files: Tuple[Given, ...] = ()
    faults: Tuple[str, ...] = ()

    def secrets(self) -> List[Secret]:
        """Values that must not be shown: those whose names say so, and passwords in URLs."""
        # A plain word or a number ("service", 3600) would be hidden wherever else it stands.
        values = [text for given in self.files for text in _secret_values(given.text)]
        return [Secret(text) for text in dict.fromkeys(values) if not re.fullmatch(r"[a-z_]*|\d{1,6}", text)]


@dataclass
class Laid:
    """The resources with the tree laid over them, and what the user should hear about it."""

    resources: List[Resource] = field(default_factory=list)
    remarks: List[str] = field(default_factory=list)


def lay(resources: Sequence[Resource], tree: Tree, profile: Profile) -> Laid:
    """Rendered files take the user's options, other files are placed, and units read both.

    Raises OverlayFault with everything that is wrong in the tree.
    """
    work = _Laying(resources, profile)
    for given in tree.files:
        work.take(given)
    faults = [*tree.faults, *work.faults]
    if faults:
        raise OverlayFault(
            f"--config-dir: {len(faults)} fault{'s' * (len(faults) > 1)}", faults, "nothing was changed on the host"
        )
    return Laid(work.result(), work.remarks)


class _Laying:
    """One laying of a tree over resources."""

    def __init__(self, resources: Sequence[Resource], profile: Profile) -> None:
        self.profile = profile
        self.resources = resources
        self.files = {resource.path: resource for resource in resources if isinstance(resource, File)}
        self.taken = _taken(resources)
        self.keys = [resource.directory for resource in resources if isinstance(resource, Keys)]
        self.tops = sorted({_top(path) for path in (*self.files, *self.taken)} - set(SHARED))
        self.new: Dict[str, File] = {}
        self.placed: Dict[str, File] = {}
        self.checks: List[Resource] = []
        self.faults: List[str] = []
        self.remarks: List[str] = []

    def take(self, given: Given) -> None:
        """Lay one file."""
        rendered, fault = self.files.get(given.path), ""
        if rendered is None:
            fault = self._why_not(given)
        if fault:
            self.faults.append(f"{given.source}: {fault}")
        elif rendered is None:
            self._place(given)
        else:
            self._over(rendered, given)

    def _over(self, rendered: File, given: Given) -> None:
        below = ini.parse(rendered.data.decode(errors="replace"))
        if below.faults or not below.options:
            self.new[given.path] = replace(rendered, content=given.text)
            self.remarks.append(
                f"{given.source}: stands in place of the whole {given.path}, which has no [sections] to merge by"
            )
            return
        over = ini.parse(_unix(given.text))
        self._faults_of(given, over)
        merged = ini.merge(below, over)
        self.new[given.path] = replace(rendered, content=merged)
        self._check(rendered, given, over, ini.parse(merged))

    def _place(self, given: Given) -> None:
        file = replace(self._like(given), path=given.path, content=given.text)
        self.placed[given.path] = file
        self.remarks.append(f"{given.source}: nothing is rendered there; it is placed as it is")
        if lists(given.name):
            over = ini.parse(_unix(given.text))
            self._faults_of(given, over)
            self._check(file, given, over, over)

    def _faults_of(self, given: Given, over: ini.Ini) -> None:
        self.faults += [f"{given.source}:{number}: {what}" for number, what in over.faults]
        if lists(given.name):
            # In files oslo.config knows an option by its name with underscores alone.
            self.faults += [
                f"{given.source}:{option.number}: {option.name} is not read: in files write "
                + option.name.replace("-", "_")
                for option in over.options
                if "-" in option.name
            ]

    def _check(self, file: File, given: Given, over: ini.Ini, merged: ini.Ini) -> None:
        packages = [resource.id for resource in self.resources if resource.kind == "packages"]
        work = check(given.name, given.source, judged(over, merged), self.profile, packages, file.tags)
        self.checks += [work] if work else []

    def _why_not(self, given: Given) -> str:
        """Why a file that is not rendered cannot be placed; "" when it can."""
        same = [path for path in self.files if _base(path) == _base(given.path)]
        if given.path in self.taken or any(given.path.startswith(f"{path}/") for path in self.keys):
            return "cannot be given: packstack-lite makes or removes it itself"
        if same:
            return "nothing reads that; " + _or(_below_etc(path) for path in same) + " is what is read"
        if given.top == "etc":
            return f"the directory stands for /etc itself: move it to {given.name[len('etc/') :]}"
        if given.top in SHARED:
            return f"{ETC}{given.top} is no single service's: only files that are rendered there can be given"
        if given.top not in self.tops:
            near = difflib.get_close_matches(given.top, self.tops, 1)
            known = f"did you mean {near[0]}/?" if near else f"known are {', '.join(self.tops)}"
            return f"nothing that is deployed reads /etc/{given.top}; {known}"
        return ""

    def _like(self, given: Given) -> File:
        """Owner, mode and phase of a placed file: those of the rendered ones in its directory."""
        beside = [file for path, file in self.files.items() if _top(path) == given.top]
        own = [file for file in beside if file.group != "root"]
        if own:
            return replace(own[0], mode=0o640)
        if not beside:
            found = [thing for thing in self.resources if _top(_path_of(thing)) == given.top]
            return File(given.path, mode=0o640, phase=Phase.CONFIGURE, tags=found[0].tags)
        user = self.profile.users.get(given.top)
        return replace(beside[0], mode=0o640, group=user) if user else beside[0]

    def result(self) -> List[Resource]:
        """All resources, the files as they shall be and the units that read them."""
        tags = frozenset().union(*(file.tags for file in self.placed.values()))
        memory = Placed(tuple(self.placed), tuple(self.files), tags=tags)
        own = [replace(file, needs=(*file.needs, memory.id)) for file in self.placed.values()]
        laid = [self._as_laid(resource) for resource in self.resources]
        return [*self.checks, memory, *own, *laid]

    def _as_laid(self, resource: Resource) -> Resource:
        if isinstance(resource, File):
            return self.new.get(resource.path, resource)
        if not isinstance(resource, Unit) or not resource.watches:
            return resource
        tops: Set[str] = {_top(_path_of(watched)) for watched in resource.watches} - set(SHARED)
        more = [file for path, file in self.placed.items() if _top(path) in tops]
        return replace(resource, watches=(*map(self._as_laid, resource.watches), *more))


def _taken(resources: Iterable[Resource]) -> Set[str]:
    """Paths that are not the user's to give: directories, links, what must not be there."""
    return {_path_of(resource) for resource in resources if isinstance(resource, (Absent, Link, Directory, Keys))}


def _path_of(resource: Resource) -> str:
    path: Optional[str] = getattr(resource, "path", None) or getattr(resource, "directory", None)
    return path or ""


def _top(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "etc" else ""


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _below_etc(path: str) -> str:
    return path[len(ETC) :] if path.startswith(ETC) else path


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _secret_values(text: str) -> Iterable[str]:
    """By line, whatever the format; indented lines go on with what is above them."""
    hidden = False
    for line in _unix(text).split("\n"):
        pair = _PAIR.fullmatch(line)
        if pair:
            hidden = names_secret(pair.group(1))
            if hidden:
                yield pair.group(2).strip().strip("\"'")
        elif hidden and line.startswith((" ", "\t")):
            yield line.strip()
        else:
            hidden = False
        yield from _USERINFO.findall(line)
