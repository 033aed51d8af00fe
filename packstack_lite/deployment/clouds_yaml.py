"""The caller's clouds.yaml: our entries come in, nobody else's goes out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Mapping

import yaml

from packstack_lite.errors import UsageError


def find_clouds_yaml() -> Path:
    """Where openstacksdk looks for this user's clouds (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "openstack" / "clouds.yaml"


def make_cloud_entry(auth_url: str, user: str, password: str, project: str, region: str) -> Dict[str, Any]:
    """One cloud as openstacksdk reads it."""
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
    """Lay the entries over the file's clouds, 0600; True when something had to be written.

    YAML comments do not survive a rewrite, so a file that was not ours is kept once as
    ``*.packstack-lite.orig``. Raises UsageFault where the file is not what it should be;
    it is left alone then.
    """
    current = _read_yaml(path)
    clouds = {**(current.get("clouds") or {}), **entries}
    if clouds == current.get("clouds") and path.stat().st_mode & 0o077 == 0:
        return False
    _write_yaml(path, {**current, "clouds": clouds})
    return True


def _read_yaml(path: Path) -> Dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path} cannot be read as YAML, so nothing was added to it", "mend it and apply again"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("clouds") or {}, dict):
        raise UsageError(
            f"{path} does not hold a mapping of clouds, so nothing was added to it", "mend it and apply again"
        )
    return content


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    backup = path.with_name(path.name + ".packstack-lite.orig")
    if path.exists() and not backup.exists():
        backup.touch(mode=0o600)
        backup.write_bytes(path.read_bytes())
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True), encoding="utf-8")
    os.replace(partial, path)
