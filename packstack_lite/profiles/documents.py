"""Profile files: read one, merge it with its family, check its keys.

A profile is NAME.yaml; ``extends: FAMILY`` names families/FAMILY.yaml, whose values it inherits. Mappings are merged
key by key, lists and single values replace what was inherited, and ``null`` removes it (docs/decisions/0020). Used by
``profiles`` and ``profiles.host_setup``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Dict, Mapping, Tuple

import yaml

from packstack_lite.errors import PackstackLiteError

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from yaml import SafeLoader as YamlLoader
else:
    # libyaml's parser is about five times faster; PyYAML may be built without it.
    YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

FAMILIES = "families"
# Keys of a service's block, by the type of their values. In a mapping, keys are names that services look up.
STRING_KEYS = ("user", "marker_table")
LIST_KEYS = ("packages", "masked_units", "quirks")
STRING_MAPPING_KEYS = ("units", "paths", "logs", "commands", "drivers")
RECORD_KEYS = ("uwsgi", "mod_wsgi", "directories")
BLOCK_KEYS = (*STRING_KEYS, *LIST_KEYS, *STRING_MAPPING_KEYS, *RECORD_KEYS)
# Keys of a whole file: a profile or a family.
REQUIRED_KEYS = ("title", "os_id", "os_versions", "release", "package_manager", "python", "log_pattern", "services")
OPTIONAL_KEYS = ("api_threads",)
FILE_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS, "extends", "host_setup")


class ProfileError(PackstackLiteError):
    """A profile's file is invalid. The message names file, service and key."""


class _UniqueKeyLoader(YamlLoader):
    """Load YAML; raise YAMLError for a key that occurs twice in a mapping.

    YAML itself would keep the second and drop the first silently.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Any, Any]:
        """Construct a mapping. Raises YAMLError for a key that occurs twice."""
        keys = [self.construct_object(key_node, deep=True) for key_node, _ in node.value]
        duplicates = sorted({str(key) for key in keys if keys.count(key) > 1})
        if duplicates:
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"{', '.join(duplicates)} occurs twice in the mapping that starts at line {line}")
        return super().construct_mapping(node, deep=deep)


def packaged_directory() -> Traversable:
    """Return the directory of the profiles that are part of packstack-lite."""
    return resources.files("packstack_lite.profiles")


def list_profile_files(directory: Traversable) -> Tuple[str, ...]:
    """List the names of the profiles in ``directory``, sorted.

    Families are in a folder of their own and are not listed.
    """
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in directory.iterdir() if entry.name.endswith(".yaml")))


def read_merged(directory: Traversable, name: str) -> Mapping[str, Any]:
    """Read a profile, merged with its family.

    The value of ``services`` maps each service to its block. Raises ProfileError for an unknown or missing key, a
    value of the wrong type and a ``null`` that removes nothing.
    """
    if directory == packaged_directory():
        return _read_merged_packaged(name)
    return _read_merged(directory, name)


@lru_cache(maxsize=None)
def _read_merged_packaged(name: str) -> Mapping[str, Any]:
    """Read a packaged profile once; later calls return the same object."""
    return _read_merged(packaged_directory(), name)


def _read_merged(directory: Traversable, name: str) -> Mapping[str, Any]:
    """Read a profile and merge it over its family. Raises ProfileError."""
    own = read_yaml(directory / f"{name}.yaml")
    _check_file(f"{name}.yaml", own)
    family: Mapping[str, Any] = {}
    if "extends" in own:
        family_path = directory / FAMILIES / f"{own['extends']}.yaml"
        if not family_path.is_file():
            raise ProfileError(f"{name}.yaml: extends: there is no family {own['extends']!r}")
        family = read_yaml(family_path)
        _check_file(f"{FAMILIES}/{own['extends']}.yaml", family)
        if "extends" in family:
            raise ProfileError(f"{FAMILIES}/{own['extends']}.yaml: a family cannot extend another")
    merged = _merge(family, {key: value for key, value in own.items() if key != "extends"}, f"{name}.yaml")
    missing = [key for key in REQUIRED_KEYS if key not in merged]
    if missing:
        raise ProfileError(f"{name}.yaml: {', '.join(missing)}: missing, in this file and in its family")
    return merged


def read_yaml(path: Traversable) -> Mapping[str, Any]:
    """Parse a YAML file whose top level is a mapping. Raises ProfileError."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ProfileError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ProfileError(f"{path.name}: not a mapping of keys to values")
    return data


def freeze(value: Any) -> Any:
    """Turn lists into tuples of strings, at every level, and keys into strings."""
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        return {str(key): freeze(entry) for key, entry in value.items()}
    return value


def _merge(inherited: Mapping[str, Any], own: Mapping[str, Any], file_name: str, *keys: str) -> Dict[str, Any]:
    """Merge ``own`` over ``inherited``.

    ``keys`` are the keys that lead to both from the top of the file, for error messages.
    """
    merged = dict(inherited)
    for key, value in own.items():
        if value is None:
            if key not in inherited:
                position = format_position(file_name, *keys, key)
                raise ProfileError(f"{position}: null removes nothing, because no such key is inherited")
            del merged[key]
        elif isinstance(value, dict):
            inherited_value = inherited.get(key)
            inherited_mapping = inherited_value if isinstance(inherited_value, dict) else {}
            merged[key] = _merge(inherited_mapping, value, file_name, *keys, key)
        else:
            merged[key] = value
    return merged


def format_position(file_name: str, *keys: str) -> str:
    """Name file, service and key for an error message.

    Example: ``el.yaml: service nova, units.nova-api``.
    """
    if keys[:1] == ("services",) and len(keys) > 1:
        file_name, keys = f"{file_name}: service {keys[1]}", keys[2:]
        return f"{file_name}, {'.'.join(map(str, keys))}" if keys else file_name
    return f"{file_name}: {'.'.join(map(str, keys))}" if keys else file_name


def _check_file(file_name: str, data: Mapping[str, Any]) -> None:
    """Check the keys and types of one file, before it is merged.

    None is left to ``_merge``.
    """
    _check_keys(file_name, data, FILE_KEYS)
    for key in ("services", "host_setup"):
        if not isinstance(data.get(key, {}), dict):
            raise ProfileError(f"{format_position(file_name, key)}: not a mapping; leave it out if nothing differs")
    for key in ("title", "os_id", "release", "package_manager", "python", "log_pattern"):
        if not isinstance(data.get(key) or "", str):
            raise ProfileError(f"{format_position(file_name, key)}: not a string")
    _check_os_versions(file_name, data.get("os_versions"))
    threads = data.get("api_threads")
    if threads is not None and not (type(threads) is int and threads > 0):
        raise ProfileError(f"{format_position(file_name, 'api_threads')}: not a number above 0")
    for service, block in data.get("services", {}).items():
        position = format_position(file_name, "services", service)
        if block is None:
            continue
        if not isinstance(block, dict):
            raise ProfileError(f"{position}: not a mapping; its keys are {', '.join(BLOCK_KEYS)}")
        _check_keys(position, block, BLOCK_KEYS)
        for key, value in block.items():
            if value is not None:
                _check_value(file_name, ("services", service, key), value)


def _check_os_versions(file_name: str, versions: Any) -> None:
    """Check that the VERSION_IDs are strings.

    YAML reads 24.10 without quotation marks as the number 24.1.
    """
    if versions is not None and not (isinstance(versions, list) and versions and all(map(_is_string, versions))):
        raise ProfileError(
            f"{format_position(file_name, 'os_versions')}: not a list of strings; put each VERSION_ID of "
            '/etc/os-release into quotation marks, as in ["24.04"]'
        )


def _is_string(value: Any) -> bool:
    """Return whether a value is a string that is not empty."""
    return isinstance(value, str) and bool(value)


def _check_keys(position: str, data: Mapping[str, Any], known_keys: Tuple[str, ...]) -> None:
    """Raise ProfileError for keys that are not known."""
    unknown = [str(key) for key in data if key not in known_keys]
    if unknown:
        raise ProfileError(f"{position}: unknown key {', '.join(unknown)} (known: {', '.join(known_keys)})")


def _check_value(file_name: str, keys: Tuple[str, str, str], value: Any) -> None:
    """Check the type of one value of a block."""
    position, key = format_position(file_name, *keys), keys[-1]
    if key == "marker_table" and isinstance(value, dict):
        if not all(_is_string(entry) for entry in (*value, *value.values())):
            raise ProfileError(f"{position}: not a mapping of releases to strings")
    elif key in STRING_KEYS:
        if not isinstance(value, str):
            raise ProfileError(f"{position}: not a string")
    elif key in LIST_KEYS:
        if not (isinstance(value, list) and all(isinstance(entry, str) for entry in value)):
            raise ProfileError(f"{position}: not a list of strings")
    elif not isinstance(value, dict):
        raise ProfileError(f"{position}: not a mapping")
    else:
        entry_type, type_name = (str, "string") if key in STRING_MAPPING_KEYS else (dict, "mapping")
        for name, entry in value.items():
            if entry is not None and not isinstance(entry, entry_type):
                raise ProfileError(f"{format_position(file_name, *keys, name)}: not a {type_name}")
