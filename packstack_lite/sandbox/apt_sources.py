"""Find this machine's apt sources for a Debian suite, and write them into a tree.

apt itself reads its files (``apt-get indextargets`` knows one-line, deb822 and mirror lists): nothing here parses them
a second time, and the code contains no mirror's host name.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from packstack_lite.sandbox.local_commands import run_apt_get, run_command
from packstack_lite.sandbox.model import SandboxError

_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
_SUFFIXES = ("", "-updates", "-security")
# Sections of apt's Acquire settings that do not say how to reach a mirror.
_IGNORED_SECTIONS = ("IndexTargets", "cdrom", "Changelogs", "CompressionTypes", "GzipIndexes", "Languages")
_SIGNED_BY = re.compile(r"signed-by\s*[:=]\s*(/[^\s\],]+)", re.IGNORECASE)


@dataclass(frozen=True)
class AptSource:
    """One line of sources.list."""

    uri: str
    suite: str
    components: Tuple[str, ...]

    def to_line(self) -> str:
        """Return the source as a line of sources.list."""
        return f"deb {self.uri} {self.suite} {' '.join(self.components)}"


def distribution_sources(targets: str, local_codename: str, wanted_suite: str) -> List[AptSource]:
    """Return the sources of ``wanted_suite``.

    They are those of this machine's own suite, with the suite replaced.

    ``targets`` is the output of ``apt-get indextargets`` in ``_FORMAT``; ``local_codename`` is this machine's suite.
    Sources whose Release file names another Origin than Debian are left out.
    """
    components_by_source: Dict[Tuple[str, str], List[str]] = {}
    for line in targets.splitlines():
        uri, suite, component, origin = line.split("|")
        if origin == "Debian" and suite in [local_codename + suffix for suffix in _SUFFIXES]:
            known_components = components_by_source.setdefault((uri, wanted_suite + suite[len(local_codename) :]), [])
            known_components += [component] if component not in known_components else []
    return [AptSource(uri, suite, tuple(components)) for (uri, suite), components in components_by_source.items()]


def parse_codename(os_release: str) -> str:
    """Return VERSION_CODENAME of the text of /etc/os-release, "" without one."""
    match = re.search(r'^VERSION_CODENAME="?(\w+)"?$', os_release, re.MULTILINE)
    return match.group(1) if match else ""


def _resolve_mirror(uri: str) -> str:
    """Return the first mirror of a ``mirror+file:`` list; any other URI unchanged.

    debootstrap cannot read such a list.
    """
    if not uri.startswith("mirror+file:"):
        return uri
    lines = Path(uri[len("mirror+file:") :].rstrip("/")).read_text().splitlines()
    return next(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def find_sources(suite: str) -> List[AptSource]:
    """Return the sources of a suite from this machine's apt.

    Raises SandboxError where there is none.
    """
    argv = ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]
    codename = parse_codename(Path("/etc/os-release").read_text())
    entries = distribution_sources(run_command(argv), codename, suite)
    if not entries:
        run_apt_get(["update"])
        entries = distribution_sources(run_command(argv), codename, suite)
    if not any(source.suite == suite for source in entries):
        raise SandboxError(
            f"this machine's apt has no source of Debian {suite}",
            hint="a sandbox needs a Debian machine whose /etc/apt names a Debian mirror",
        )
    return [AptSource(_resolve_mirror(s.uri), s.suite, s.components) for s in entries]


def filter_acquire_settings(dump: str) -> str:
    """Return the lines of ``apt-config dump`` about fetching packages.

    They set proxies, verification and certificates.
    """
    lines = [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and line.split("::")[1].split(" ")[0] not in _IGNORED_SECTIONS
    ]
    return "".join(line + "\n" for line in lines)


def proxy_environment(apt_settings: str) -> Dict[str, str]:
    """Return apt's proxies as environment variables.

    For debootstrap, whose wget does not read apt.conf. ``apt_settings`` are lines of ``apt-config dump``.
    """
    environment = {}
    for scheme in ("http", "https"):
        match = re.search(rf'^Acquire::{scheme}::Proxy "([^"]+)";$', apt_settings, re.MULTILINE | re.IGNORECASE)
        if match and match.group(1) != "DIRECT":
            environment[f"{scheme}_proxy"] = match.group(1)
    return environment


def read_fetch_settings() -> str:
    """Return this machine's apt settings about fetching packages (apt.conf lines)."""
    return filter_acquire_settings(run_command(["apt-config", "dump"]))


def write_sources(root: Path, sources: Sequence[AptSource]) -> None:
    """Write sources, settings, passwords and keys of this machine's apt into a tree."""
    apt = root / "etc/apt"
    (apt / "sources.list").write_text("".join(source.to_line() + "\n" for source in sources))
    conf = read_fetch_settings() + 'APT::Keep-Downloaded-Packages "true";\nAcquire::Languages "none";\n'
    (apt / "apt.conf.d/90packstack-lite-sandbox").write_text(conf)
    _copy_files(Path("/etc/apt/auth.conf.d"), apt / "auth.conf.d")
    _copy_files(Path("/etc/apt/trusted.gpg.d"), apt / "trusted.gpg.d")
    for key in _signing_keys():
        _copy_missing(key, apt / "trusted.gpg.d" / key.name)


def _signing_keys() -> List[Path]:
    """Return the existing key files that this machine's source files name (Signed-By)."""
    source_files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(
        p.read_text(errors="replace") for p in source_files if p.suffix in (".list", ".sources") and p.is_file()
    )
    return [Path(key) for key in sorted(set(_SIGNED_BY.findall(text))) if Path(key).is_file()]


def _copy_files(source: Path, target: Path) -> None:
    """Copy the files of a directory that the target lacks."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*"):
        _copy_missing(path, target / path.name)


def _copy_missing(source: Path, target: Path) -> None:
    """Copy a file with its mode, if it exists and the target does not."""
    if source.is_file() and not target.exists():
        shutil.copy2(source, target)
