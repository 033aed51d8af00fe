"""Add a deployed cloud to this user's clouds.yaml; other entries stay.

Used after apply.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Mapping

import yaml

from packstack_lite.answers.password_store import write_private_file
from packstack_lite.deployment.deployment import Deployment
from packstack_lite.errors import UsageError


def find_clouds_yaml() -> Path:
    """Return the path at which openstacksdk looks for this user's clouds.yaml.

    The directory follows the XDG base directory specification.
    """
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "openstack" / "clouds.yaml"


def add_to_clouds_yaml(deployment: Deployment) -> str:
    """Add a deployed cloud to this user's clouds.yaml and return its name there.

    With the demo, a second entry NAME-demo is for the demo's user. A file that cannot be changed is a warning, because
    the cloud itself works; the name is returned all the same.
    """
    target = deployment.controller_target
    name = f"packstack-lite-{target.sandbox.name if target.sandbox else target.address}"
    api = deployment.controller_context.admin_credentials
    entries = {name: make_cloud_entry(api.auth_url, api.user, api.password.reveal(), api.project, api.region)}
    if deployment.answers["CONFIG_PROVISION_DEMO"]:
        password = deployment.answers["CONFIG_KEYSTONE_DEMO_PW"].reveal()
        entries[f"{name}-demo"] = make_cloud_entry(api.auth_url, "demo", password, "demo", api.region)
    try:
        merge_clouds(find_clouds_yaml(), entries)
    except (OSError, UsageError) as error:
        deployment.callbacks.warn(str(error))
    return name


def remove_from_clouds_yaml(sandbox_name: str) -> None:
    """Remove the entries of a sandbox that is gone; other entries stay."""
    path = find_clouds_yaml()
    try:
        current = _read_yaml(path)
        names = (f"packstack-lite-{sandbox_name}", f"packstack-lite-{sandbox_name}-demo")
        clouds = {name: entry for name, entry in (current.get("clouds") or {}).items() if name not in names}
        if clouds != (current.get("clouds") or {}):
            _write_yaml(path, {**current, "clouds": clouds})
    except UsageError:
        # A damaged file holds nothing that a program could use; the user is told when the next cloud is added.
        return


def make_cloud_entry(auth_url: str, user: str, password: str, project: str, region: str) -> Dict[str, Any]:
    """Build the entry of one cloud, as openstacksdk reads it."""
    return {
        "auth": {
            "auth_url": auth_url,
            "username": user,
            "password": password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": region,
        "identity_api_version": 3,
        "interface": "public",
    }


def merge_clouds(path: Path, entries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Add or replace entries in a clouds.yaml, mode 0600.

    Return whether the file was written.
    YAML comments do not survive a rewrite, so the first version is kept once as ``*.packstack-lite.orig``.
    Raises UsageError if the file cannot be read as a mapping of clouds, or not be written; it is unchanged then.
    """
    current = _read_yaml(path)
    clouds = {**(current.get("clouds") or {}), **entries}
    if clouds == current.get("clouds") and path.stat().st_mode & 0o077 == 0:
        return False
    _write_yaml(path, {**current, "clouds": clouds})
    return True


def _read_yaml(path: Path) -> Dict[str, Any]:
    """Read a clouds.yaml; {} if there is none. Raises UsageError for a bad one."""
    try:
        if not os.path.exists(path):
            return {}
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read, so nothing was added to it: {error.strerror}", "check its owner and mode"
        ) from error
    except Exception as error:
        # A scalar that does not fit its tag (!!int x) is a KeyError, IndexError or AttributeError to PyYAML.
        mark = getattr(error, "problem_mark", None)
        raise UsageError(
            f"{path}{f':{mark.line + 1}' if mark else ''} cannot be read as YAML, so nothing was added to it",
            "correct it and apply again",
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("clouds") or {}, dict):
        raise UsageError(
            f"{path} does not hold a mapping of clouds, so nothing was added to it", "correct it and apply again"
        )
    return content


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a clouds.yaml, mode 0600; keep the first version. Raises UsageError."""
    path = Path(os.path.realpath(path))
    try:
        text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        backup = path.with_name(path.name + ".packstack-lite.orig")
        if path.exists() and not backup.exists():
            # All or nothing: a copy truncated by a full disk would never be replaced.
            write_private_file(backup, path.read_bytes().decode("utf-8"))
        write_private_file(path, text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written, so nothing was added to it: {error.strerror}",
            "free disk space or change the mode of its directory, and apply again",
        ) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path} holds what cannot be written back, so nothing was added to it", "correct it and apply again"
        ) from error
