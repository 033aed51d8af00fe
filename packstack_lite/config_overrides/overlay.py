"""Apply --config-dir: merge the user's files into the declared resources.

A file that no service declares is added, if a service of the node reads its directory. Called by
``deployment.node_sessions`` after all services have declared theirs.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from packstack_lite.config_overrides import ini
from packstack_lite.config_overrides.option_check import checkable_options, declare_option_check, option_lists
from packstack_lite.config_overrides.user_files import ETC, UserFile, UserTree, normalize_newlines
from packstack_lite.counts import format_count
from packstack_lite.errors import ConfigOverrideError
from packstack_lite.profiles import Profile
from packstack_lite.resources import Absent, Directory, File, KeyRepository, Symlink, Unit, UserFiles
from packstack_lite.resources.base import Phase, Resource

# Directories of /etc that belong to no single service: only files that we render there can be overridden.
SHARED_DIRECTORIES = ("", "default", "sysconfig", "systemd", "sysctl.d", "tmpfiles.d")


@dataclass
class AppliedOverrides:
    """The resources of a node with the overrides applied, and warnings for the user."""

    resources: List[Resource] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def apply_overrides(resources: Sequence[Resource], tree: UserTree, profile: Profile) -> AppliedOverrides:
    """Apply the user's files to the resources of one node.

    Raises ConfigOverrideError with every error in the tree.
    """
    return apply_overrides_to_nodes({"": (resources, profile)}, tree)[""]


def apply_overrides_to_nodes(
    nodes: Mapping[str, Tuple[Sequence[Resource], Profile]], tree: UserTree
) -> Dict[str, AppliedOverrides]:
    """Apply the user's files to several nodes.

    ``nodes`` maps a node's name to its resources and profile. A rendered file takes the user's options, another file
    is added, and units restart for both. A file is applied on each node that has its service, and it is an error if
    none has. Raises ConfigOverrideError with every error in the tree.
    """
    appliers = {name: _OverrideApplier(resources, profile) for name, (resources, profile) in nodes.items()}
    errors = [*tree.errors]
    for user_file in tree.files:
        rejections = [applier.apply_file(user_file) for applier in appliers.values()]
        errors += rejections[:1] if all(rejections) else []
        errors += [error for applier in appliers.values() for error in applier.errors]
    errors = [*dict.fromkeys(errors)]
    if errors:
        raise ConfigOverrideError(
            f"--config-dir: {format_count(len(errors), 'error')}", errors, "nothing was changed on any node"
        )
    return {name: AppliedOverrides(applier.build_resources(), applier.warnings) for name, applier in appliers.items()}


class _OverrideApplier:
    """Applies the user's files to the resources of one node."""

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
        """Apply one file. Return why this node has no use for it, or ""."""
        rendered = self.files.get(user_file.path)
        if rendered is not None:
            self._override_rendered(rendered, user_file)
            return ""
        if user_file.path in self.reserved_paths or any(
            user_file.path.startswith(f"{path}/") for path in self.key_directories
        ):
            self.errors.append(f"{user_file.source}: cannot be overridden: packstack-lite creates or removes it")
            return ""
        reason = self._rejection_reason(user_file)
        if reason:
            return f"{user_file.source}: {reason}"
        self._add_file(user_file)
        return ""

    def _override_rendered(self, rendered: File, user_file: UserFile) -> None:
        """Merge the user's options into a rendered file; replace one without sections."""
        base = ini.parse_ini(rendered.data.decode(errors="replace"))
        if base.errors or not base.options:
            self.overridden[user_file.path] = replace(rendered, content=user_file.text)
            self.warnings.append(
                f"{user_file.source}: replaces the whole {user_file.path}, which has no [sections] to merge into"
            )
            return
        overrides = ini.parse_ini(normalize_newlines(user_file.text))
        self._collect_errors(user_file, overrides)
        merged = ini.merge_ini(base, overrides)
        self.overridden[user_file.path] = replace(rendered, content=merged)
        self._add_option_check(rendered, user_file, overrides, ini.parse_ini(merged))

    def _add_file(self, user_file: UserFile) -> None:
        """Add a file that is not rendered, as the service's own files are installed."""
        file = replace(self._file_template(user_file), path=user_file.path, content=user_file.text)
        self.added[user_file.path] = file
        self.warnings.append(f"{user_file.source}: packstack-lite writes no such file; it is copied unchanged")
        if option_lists(user_file.name):
            overrides = ini.parse_ini(normalize_newlines(user_file.text))
            self._collect_errors(user_file, overrides)
            self._add_option_check(file, user_file, overrides, overrides)

    def _collect_errors(self, user_file: UserFile, overrides: ini.IniFile) -> None:
        """Note errors of syntax, and option names with dashes, which oslo.config ignores."""
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
        """Declare the check of the user's options on the node, after the packages."""
        packages = [resource.id for resource in self.resources if resource.kind == "packages"]
        option_check = declare_option_check(
            user_file.name, user_file.source, checkable_options(overrides, merged), self.profile, packages, file.tags
        )
        self.option_checks += [option_check] if option_check else []

    def _rejection_reason(self, user_file: UserFile) -> str:
        """Explain why a file that is not rendered cannot be added; "" when it can."""
        same_name_paths = [path for path in self.files if _base_name(path) == _base_name(user_file.path)]
        if same_name_paths:
            names = _join_alternatives(_relative_to_etc(path) for path in same_name_paths)
            return f"nothing reads this file; did you mean {names}?"
        if user_file.etc_directory == "etc":
            return f"--config-dir corresponds to /etc: move the file to {user_file.name[len('etc/') :]}"
        if user_file.etc_directory in SHARED_DIRECTORIES:
            directory = f"{ETC}{user_file.etc_directory}".rstrip("/")
            return f"in {directory}, only files that packstack-lite writes can be overridden"
        if user_file.etc_directory not in self.etc_directories:
            close_matches = difflib.get_close_matches(user_file.etc_directory, self.etc_directories, 1)
            suggestion = (
                f"did you mean {close_matches[0]}/?"
                if close_matches
                else f"known directories: {', '.join(self.etc_directories)}"
            )
            return f"no deployed service reads /etc/{user_file.etc_directory}; {suggestion}"
        return ""

    def _file_template(self, user_file: UserFile) -> File:
        """Return a File with owner, mode and phase, to be filled in for an added file.

        They are those of the rendered files in its directory of /etc.
        """
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
        user = self._account(user_file.etc_directory)
        return replace(neighbours[0], mode=0o640, group=user) if user else neighbours[0]

    def _account(self, etc_directory: str) -> str:
        """Return the account of the service that a directory of /etc is named after.

        Its name is the service's, or that of its unit: apache2 is Debian's httpd. "" if there is none.
        """
        names = [etc_directory, *(role for role, unit in self.profile.units.items() if unit == etc_directory)]
        return next((self.profile.users[name] for name in names if name in self.profile.users), "")

    def build_resources(self) -> List[Resource]:
        """Return all resources: option checks, added files, and the declared ones.

        Files have the user's options, and units restart for overridden and added files.
        """
        tags = frozenset().union(*(file.tags for file in self.added.values()))
        user_files_record = UserFiles(tuple(self.added), tuple(self.files), tags=tags)
        added_files = [replace(file, needs=(*file.needs, user_files_record.id)) for file in self.added.values()]
        overridden = [self._with_overrides(resource) for resource in self.resources]
        return [*self.option_checks, user_files_record, *added_files, *overridden]

    def _with_overrides(self, resource: Resource) -> Resource:
        """Replace a rendered file; make units restart for overridden and added files."""
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
    """Return paths that the user cannot override.

    They are directories, links and files that must not exist.
    """
    return {
        _resource_path(resource)
        for resource in resources
        if isinstance(resource, (Absent, Symlink, Directory, KeyRepository))
    }


def _resource_path(resource: Resource) -> str:
    """Return the path of a resource on the node; "" if it has none."""
    path: Optional[str] = getattr(resource, "path", None) or getattr(resource, "directory", None)
    return path or ""


def _etc_directory(path: str) -> str:
    """Return the directory directly below /etc that a path is in, or ""."""
    parts = path.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "etc" else ""


def _base_name(path: str) -> str:
    """Return the file name at the end of a path."""
    return path.rsplit("/", 1)[-1]


def _relative_to_etc(path: str) -> str:
    """Shorten a path below /etc to the name that --config-dir uses for it."""
    return path[len(ETC) :] if path.startswith(ETC) else path


def _join_alternatives(names: Iterable[str]) -> str:
    """Join names as "a or b or c"."""
    return " or ".join(names)
