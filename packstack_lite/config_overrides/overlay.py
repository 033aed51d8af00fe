"""The user's own files laid over the rendered ones: ``--config-dir``, a tree that mirrors /etc."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.config_overrides import ini
from packstack_lite.config_overrides.option_check import checkable_options, declare_option_check, option_lists
from packstack_lite.config_overrides.user_files import ETC, UserFile, UserTree, normalize_newlines
from packstack_lite.errors import ConfigOverrideError
from packstack_lite.profiles import Profile
from packstack_lite.resources import Absent, Directory, File, KeyRepository, Symlink, Unit, UserFiles
from packstack_lite.resources.base import Phase, Resource

# Directories of /etc that belong to no single service: only what is rendered there can be overlaid.
SHARED_DIRECTORIES = ("", "default", "sysconfig", "systemd", "sysctl.d", "tmpfiles.d")


@dataclass
class AppliedOverrides:
    """The resources with the tree laid over them, and what the user should hear about it."""

    resources: List[Resource] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def apply_overrides(resources: Sequence[Resource], tree: UserTree, profile: Profile) -> AppliedOverrides:
    """Rendered files take the user's options, other files are placed, and units read both.

    Raises OverlayFault with everything that is wrong in the tree.
    """
    return apply_overrides_to_nodes({"": (resources, profile)}, tree)[""]


def apply_overrides_to_nodes(
    nodes: Mapping[str, Tuple[Sequence[Resource], Profile]], tree: UserTree
) -> Dict[str, AppliedOverrides]:
    """The same for several hosts: a file is laid on each that has a place for it, and one at least has to."""
    appliers = {name: _OverrideApplier(resources, profile) for name, (resources, profile) in nodes.items()}
    errors = [*tree.errors]
    for user_file in tree.files:
        rejections = [applier.apply_file(user_file) for applier in appliers.values()]
        errors += rejections[:1] if all(rejections) else []
        errors += [error for applier in appliers.values() for error in applier.errors]
    errors = [*dict.fromkeys(errors)]
    if errors:
        raise ConfigOverrideError(
            f"--config-dir: {len(errors)} fault{'s' * (len(errors) > 1)}", errors, "nothing was changed on the host"
        )
    return {name: AppliedOverrides(applier.build_resources(), applier.warnings) for name, applier in appliers.items()}


class _OverrideApplier:
    """One laying of a tree over resources."""

    def __init__(self, resources: Sequence[Resource], profile: Profile) -> None:
        self.profile = profile
        self.resources = resources
        self.files = {resource.path: resource for resource in resources if isinstance(resource, File)}
        self.reserved_paths = _reserved_paths(resources)
        self.key_directories = [resource.directory for resource in resources if isinstance(resource, KeyRepository)]
        self.etc_directories = sorted(
            {_etc_directory(path) for path in (*self.files, *self.reserved_paths)} - set(SHARED_DIRECTORIES)
        )
        self.overridden: Dict[str, File] = {}
        self.added: Dict[str, File] = {}
        self.option_checks: List[Resource] = []
        self.errors: List[str] = []
        self.warnings: List[str] = []

    def apply_file(self, user_file: UserFile) -> str:
        """Lay one file; or why there is no place for it on this host."""
        rendered = self.files.get(user_file.path)
        if rendered is not None:
            self._override_rendered(rendered, user_file)
            return ""
        if user_file.path in self.reserved_paths or any(
            user_file.path.startswith(f"{path}/") for path in self.key_directories
        ):
            self.errors.append(f"{user_file.source}: cannot be given: packstack-lite makes or removes it itself")
            return ""
        reason = self._rejection_reason(user_file)
        if reason:
            return f"{user_file.source}: {reason}"
        self._add_file(user_file)
        return ""

    def _override_rendered(self, rendered: File, user_file: UserFile) -> None:
        base = ini.parse_ini(rendered.data.decode(errors="replace"))
        if base.errors or not base.options:
            self.overridden[user_file.path] = replace(rendered, content=user_file.text)
            self.warnings.append(
                f"{user_file.source}: stands in place of the whole {user_file.path}, which has no [sections] to merge by"
            )
            return
        overrides = ini.parse_ini(normalize_newlines(user_file.text))
        self._collect_errors(user_file, overrides)
        merged = ini.merge_ini(base, overrides)
        self.overridden[user_file.path] = replace(rendered, content=merged)
        self._add_option_check(rendered, user_file, overrides, ini.parse_ini(merged))

    def _add_file(self, user_file: UserFile) -> None:
        file = replace(self._file_template(user_file), path=user_file.path, content=user_file.text)
        self.added[user_file.path] = file
        self.warnings.append(f"{user_file.source}: nothing is rendered there; it is placed as it is")
        if option_lists(user_file.name):
            overrides = ini.parse_ini(normalize_newlines(user_file.text))
            self._collect_errors(user_file, overrides)
            self._add_option_check(file, user_file, overrides, overrides)

    def _collect_errors(self, user_file: UserFile, overrides: ini.IniFile) -> None:
        self.errors += [f"{user_file.source}:{number}: {message}" for number, message in overrides.errors]
        if option_lists(user_file.name):
            # In files oslo.config knows an option by its name with underscores alone.
            self.errors += [
                f"{user_file.source}:{option.line_number}: {option.name} is not read: in files write "
                + option.name.replace("-", "_")
                for option in overrides.options
                if "-" in option.name
            ]

    def _add_option_check(self, file: File, user_file: UserFile, overrides: ini.IniFile, merged: ini.IniFile) -> None:
        packages = [resource.id for resource in self.resources if resource.kind == "packages"]
        option_check = declare_option_check(
            user_file.name, user_file.source, checkable_options(overrides, merged), self.profile, packages, file.tags
        )
        self.option_checks += [option_check] if option_check else []

    def _rejection_reason(self, user_file: UserFile) -> str:
        """Why a file that is not rendered cannot be placed; "" when it can."""
        same_name_paths = [path for path in self.files if _base_name(path) == _base_name(user_file.path)]
        if same_name_paths:
            return (
                "nothing reads that; "
                + _join_alternatives(_relative_to_etc(path) for path in same_name_paths)
                + " is what is read"
            )
        if user_file.etc_directory == "etc":
            return f"the directory stands for /etc itself: move it to {user_file.name[len('etc/') :]}"
        if user_file.etc_directory in SHARED_DIRECTORIES:
            return f"{ETC}{user_file.etc_directory} is no single service's: only files that are rendered there can be given"
        if user_file.etc_directory not in self.etc_directories:
            close_matches = difflib.get_close_matches(user_file.etc_directory, self.etc_directories, 1)
            suggestion = (
                f"did you mean {close_matches[0]}/?"
                if close_matches
                else f"known are {', '.join(self.etc_directories)}"
            )
            return f"nothing that is deployed reads /etc/{user_file.etc_directory}; {suggestion}"
        return ""

    def _file_template(self, user_file: UserFile) -> File:
        """Owner, mode and phase of a placed file: those of the rendered ones in its directory."""
        neighbours = [file for path, file in self.files.items() if _etc_directory(path) == user_file.etc_directory]
        group_owned = [file for file in neighbours if file.group != "root"]
        if group_owned:
            return replace(group_owned[0], mode=0o640)
        if not neighbours:
            matching = [
                resource
                for resource in self.resources
                if _etc_directory(_resource_path(resource)) == user_file.etc_directory
            ]
            return File(user_file.path, mode=0o640, phase=Phase.CONFIGURE, tags=matching[0].tags)
        user = self.profile.users.get(user_file.etc_directory)
        return replace(neighbours[0], mode=0o640, group=user) if user else neighbours[0]

    def build_resources(self) -> List[Resource]:
        """All resources, the files as they shall be and the units that read them."""
        tags = frozenset().union(*(file.tags for file in self.added.values()))
        user_files_record = UserFiles(tuple(self.added), tuple(self.files), tags=tags)
        added_files = [replace(file, needs=(*file.needs, user_files_record.id)) for file in self.added.values()]
        overridden = [self._with_overrides(resource) for resource in self.resources]
        return [*self.option_checks, user_files_record, *added_files, *overridden]

    def _with_overrides(self, resource: Resource) -> Resource:
        if isinstance(resource, File):
            return self.overridden.get(resource.path, resource)
        if not isinstance(resource, Unit) or not resource.restart_triggers:
            return resource
        watched_directories: Set[str] = {
            _etc_directory(_resource_path(watched)) for watched in resource.restart_triggers
        } - set(SHARED_DIRECTORIES)
        added_files = [file for path, file in self.added.items() if _etc_directory(path) in watched_directories]
        return replace(resource, restart_triggers=(*map(self._with_overrides, resource.restart_triggers), *added_files))


def _reserved_paths(resources: Iterable[Resource]) -> Set[str]:
    """Paths that are not the user's to give: directories, links, what must not be there."""
    return {
        _resource_path(resource)
        for resource in resources
        if isinstance(resource, (Absent, Symlink, Directory, KeyRepository))
    }


def _resource_path(resource: Resource) -> str:
    path: Optional[str] = getattr(resource, "path", None) or getattr(resource, "directory", None)
    return path or ""


def _etc_directory(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "etc" else ""


def _base_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _relative_to_etc(path: str) -> str:
    return path[len(ETC) :] if path.startswith(ETC) else path


def _join_alternatives(names: Iterable[str]) -> str:
    return " or ".join(names)
