"""The caller's clouds.yaml: our entries come in, nobody else's goes out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Mapping

import yaml

from packstack_lite.errors import UsageFault


def place() -> Path:
    """Where openstacksdk looks for this user's clouds (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "openstack" / "clouds.yaml"


def entry(auth_url: str, user: str, password: str, project: str, region: str) -> Dict[str, Any]:
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


def merge(path: Path, entries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Lay the entries over the file's clouds, 0600; True when something had to be written.

    YAML comments do not survive a rewrite, so a file that was not ours is kept once as
    ``*.packstack-lite.orig``. Raises UsageFault where the file is not what it should be;
    it is left alone then.
    """
    old = _read(path)
    clouds = {**(old.get("clouds") or {}), **entries}
    if clouds == old.get("clouds") and path.stat().st_mode & 0o077 == 0:
        return False
    _write(path, {**old, "clouds": clouds})
    return True


def _read(path: Path) -> Dict[str, Any]:
    if not path.exists():
        return {}
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageFault(
            f"{path} cannot be read as YAML, so nothing was added to it", "mend it and apply again"
        ) from error
    if not isinstance(held, dict) or not isinstance(held.get("clouds") or {}, dict):
        raise UsageFault(
            f"{path} does not hold a mapping of clouds, so nothing was added to it", "mend it and apply again"
        )
    return held


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = path.with_name(path.name + ".packstack-lite.orig")
    if path.exists() and not kept.exists():
        kept.touch(mode=0o600)
        kept.write_bytes(path.read_bytes())
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True), encoding="utf-8")
    os.replace(part, path)
