"""The package source: the one this machine's own apt is configured with.

apt itself reads its files (``apt-get indextargets`` knows one-line, deb822 and mirror lists),
so that nothing here parses them a second time, and no host name stands in the code.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from packstack_lite.sandbox.machine import apt_get, run
from packstack_lite.sandbox.model import SandboxFault

_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
_SUFFIXES = ("", "-updates", "-security")
# What describes apt's own workings and not the way to the source.
_NOT_COPIED = ("IndexTargets", "cdrom", "Changelogs", "CompressionTypes", "GzipIndexes", "Languages")
_SIGNED_BY = re.compile(r"signed-by\s*[:=]\s*(/[^\s\],]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One line of sources.list."""

    uri: str
    suite: str
    components: Tuple[str, ...]

    def line(self) -> str:
        """As sources.list wants it."""
        return f"deb {self.uri} {self.suite} {' '.join(self.components)}"


def distribution_sources(targets: str, own: str, wanted: str) -> List[Source]:
    """The distribution's own entries among apt's targets, turned to the wanted suite.

    ``targets`` is the output of indextargets in ``_FORMAT``; ``own`` is this machine's
    codename. An entry of another maker (its Release file's Origin) is no distribution source.
    """
    found: Dict[Tuple[str, str], List[str]] = {}
    for line in targets.splitlines():
        uri, suite, component, origin = line.split("|")
        if origin == "Debian" and suite in [own + suffix for suffix in _SUFFIXES]:
            kept = found.setdefault((uri, wanted + suite[len(own) :]), [])
            kept += [component] if component not in kept else []
    return [Source(uri, suite, tuple(components)) for (uri, suite), components in found.items()]


def own_codename(os_release: str) -> str:
    """VERSION_CODENAME of an os-release text, "" without one."""
    match = re.search(r'^VERSION_CODENAME="?(\w+)"?$', os_release, re.MULTILINE)
    return match.group(1) if match else ""


def _resolved(uri: str) -> str:
    """The first mirror of a ``mirror+file:`` list, which debootstrap cannot read; else the URI itself."""
    if not uri.startswith("mirror+file:"):
        return uri
    lines = Path(uri[len("mirror+file:") :].rstrip("/")).read_text().splitlines()
    return next(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def find(suite: str) -> List[Source]:
    """The sources for a suite from this machine's apt; SandboxFault when it has none."""
    ask = ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]
    own = own_codename(Path("/etc/os-release").read_text())
    found = distribution_sources(run(ask), own, suite)
    if not found:
        apt_get(["update"])
        found = distribution_sources(run(ask), own, suite)
    if not any(source.suite == suite for source in found):
        raise SandboxFault(
            f"this machine's apt has no source of Debian {suite}",
            hint="a container sandbox needs a Debian machine whose /etc/apt names a Debian mirror",
        )
    return [Source(_resolved(s.uri), s.suite, s.components) for s in found]


def acquire_settings(dump: str) -> str:
    """The lines of ``apt-config dump`` that say how packages are fetched: proxy, checks, certificates."""
    kept = [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and line.split("::")[1].split(" ")[0] not in _NOT_COPIED
    ]
    return "".join(line + "\n" for line in kept)


def proxy_environment(settings: str) -> Dict[str, str]:
    """apt's proxy as environment for debootstrap, whose wget does not read apt.conf."""
    found = {}
    for scheme in ("http", "https"):
        match = re.search(rf'^Acquire::{scheme}::Proxy "([^"]+)";$', settings, re.MULTILINE | re.IGNORECASE)
        if match and match.group(1) != "DIRECT":
            found[f"{scheme}_proxy"] = match.group(1)
    return found


def settings() -> str:
    """This machine's fetch settings."""
    return acquire_settings(run(["apt-config", "dump"]))


def write(root: Path, sources: Sequence[Source]) -> None:
    """Make the tree's apt use the sources as this machine does: settings, passwords, keys."""
    apt = root / "etc/apt"
    (apt / "sources.list").write_text("".join(source.line() + "\n" for source in sources))
    conf = settings() + 'APT::Keep-Downloaded-Packages "true";\nAcquire::Languages "none";\n'
    (apt / "apt.conf.d/90packstack-lite-sandbox").write_text(conf)
    _copy_files(Path("/etc/apt/auth.conf.d"), apt / "auth.conf.d")
    _copy_files(Path("/etc/apt/trusted.gpg.d"), apt / "trusted.gpg.d")
    for key in _signing_keys():
        _copy_missing(key, apt / "trusted.gpg.d" / key.name)


def _signing_keys() -> List[Path]:
    """The key files which this machine's source files name."""
    places = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(p.read_text(errors="replace") for p in places if p.suffix in (".list", ".sources") and p.is_file())
    return [Path(key) for key in sorted(set(_SIGNED_BY.findall(text))) if Path(key).is_file()]


def _copy_files(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*"):
        _copy_missing(path, target / path.name)


def _copy_missing(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        shutil.copy2(source, target)
