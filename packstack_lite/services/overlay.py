"""The user's own files laid over the rendered ones: ``--config-dir``, a tree that mirrors /etc."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.errors import OverlayFault
from packstack_lite.profiles import Profile
from packstack_lite.resources import Absent, Directory, File, Keys, Link, Placed, Unit
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services import ini
from packstack_lite.services.given import ETC, Given, Tree, unix
from packstack_lite.services.option_check import check, judged, lists

# Directories of /etc that belong to no single service: only what is rendered there can be overlaid.
SHARED = ("", "default", "sysconfig", "systemd", "sysctl.d", "tmpfiles.d")


@dataclass
class Laid:
    """The resources with the tree laid over them, and what the user should hear about it."""

    resources: List[Resource] = field(default_factory=list)
    remarks: List[str] = field(default_factory=list)


def lay(resources: Sequence[Resource], tree: Tree, profile: Profile) -> Laid:
    """Rendered files take the user's options, other files are placed, and units read both.

    Raises OverlayFault with everything that is wrong in the tree.
    """
    return lay_all({"": (resources, profile)}, tree)[""]


def lay_all(hosts: Mapping[str, Tuple[Sequence[Resource], Profile]], tree: Tree) -> Dict[str, Laid]:
    """The same for several hosts: a file is laid on each that has a place for it, and one at least has to."""
    works = {name: _Laying(resources, profile) for name, (resources, profile) in hosts.items()}
    faults = [*tree.faults]
    for given in tree.files:
        homeless = [work.take(given) for work in works.values()]
        faults += homeless[:1] if all(homeless) else []
        faults += [fault for work in works.values() for fault in work.faults]
    faults = [*dict.fromkeys(faults)]
    if faults:
        raise OverlayFault(
            f"--config-dir: {len(faults)} fault{'s' * (len(faults) > 1)}", faults, "nothing was changed on the host"
        )
    return {name: Laid(work.result(), work.remarks) for name, work in works.items()}


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

    def take(self, given: Given) -> str:
        """Lay one file; or why there is no place for it on this host."""
        rendered = self.files.get(given.path)
        if rendered is not None:
            self._over(rendered, given)
            return ""
        if given.path in self.taken or any(given.path.startswith(f"{path}/") for path in self.keys):
            self.faults.append(f"{given.source}: cannot be given: packstack-lite makes or removes it itself")
            return ""
        why = self._why_not(given)
        if why:
            return f"{given.source}: {why}"
        self._place(given)
        return ""

    def _over(self, rendered: File, given: Given) -> None:
        below = ini.parse(rendered.data.decode(errors="replace"))
        if below.faults or not below.options:
            self.new[given.path] = replace(rendered, content=given.text)
            self.remarks.append(
                f"{given.source}: stands in place of the whole {given.path}, which has no [sections] to merge by"
            )
            return
        over = ini.parse(unix(given.text))
        self._faults_of(given, over)
        merged = ini.merge(below, over)
        self.new[given.path] = replace(rendered, content=merged)
        self._check(rendered, given, over, ini.parse(merged))

    def _place(self, given: Given) -> None:
        file = replace(self._like(given), path=given.path, content=given.text)
        self.placed[given.path] = file
        self.remarks.append(f"{given.source}: nothing is rendered there; it is placed as it is")
        if lists(given.name):
            over = ini.parse(unix(given.text))
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
