"""Checks of yum's repositories: dead mirrors, EPEL with RDO, EPEL's leatherman."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import List

from packstack_lite.nodes.facts import Repo
from packstack_lite.preflight import fixes, node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.profiles.host_setup import load_host_setup

# Switched off at CentOS 7's end of life in June 2024. mirror.stream.centos.org is another host and still online.
_DEAD_MIRROR = re.compile(r"^\w+://(mirrorlist|mirror)\.centos\.org([:/?]|$)")
_LEATHERMAN_PACKAGES = ("leatherman*", "facter*", "puppet*", "hiera*", "cpp-hocon*")
_MIRROR_PARAMETER = "CONFIG_REPO_MIRROR"


def check_centos_mirrors(context: CheckContext) -> Findings:
    """Check that no enabled repository points to CentOS hosts that no longer exist."""
    dead = find_dead_repos(context)
    if not dead:
        return
    names, files = ", ".join(repo.name for repo in dead), sorted({repo.path for repo in dead})
    mirror_host = re.split(r"[/:?]", next(url for url in dead[0].urls if _DEAD_MIRROR.match(url)).split("://")[1])[0]
    message = f"{names}: fetched from {mirror_host}, which no longer exists (CentOS 7's end of life was in June 2024)"
    if has_replacement_mirror(context):
        answer = f"{_MIRROR_PARAMETER}={context.answers[_MIRROR_PARAMETER]}"
        yield info(f"{message}; apply rewrites {', '.join(files)} to a mirror that answers ({answer})")
    else:
        yield error(
            message,
            f"answer {_MIRROR_PARAMETER}=auto (or vault, aliyun, tuna, tencent, huawei, a URL): apply then rewrites"
            f" {', '.join(files)} to the first mirror that answers, and keeps the originals",
        )


def find_dead_repos(context: CheckContext) -> List[Repo]:
    """Return the enabled repositories with URLs on hosts that no longer exist only."""
    return [repo for repo in _enabled_repos(context) if repo.urls and all(_DEAD_MIRROR.match(url) for url in repo.urls)]


def has_replacement_mirror(context: CheckContext) -> bool:
    """Return whether apply will rewrite the repositories to a mirror."""
    mirror_table = load_host_setup(context.profile.name).mirror_table if context.profile else ""
    return bool(context.answers.get(_MIRROR_PARAMETER) and mirror_table)


def check_epel_excludes(context: CheckContext) -> Findings:
    """Check that EPEL is disabled, or excludes the packages that RDO has too.

    EPEL's versions are newer and replace RDO's, and OpenStack does not run with them.
    """
    conflicting = load_host_setup(context.profile.name).epel_exclude if context.profile else ()
    for repo in _epel_repos(context):
        missing = [pattern for pattern in conflicting if not _is_excluded(pattern, repo)]
        if missing:
            yield warning(
                f"EPEL is enabled ({repo.name} in {repo.path}); it replaces RDO's versions of {', '.join(missing)}"
                + _installed_from_epel(context, missing),
                f"exclude={' '.join(missing)} below [{repo.name}] in {repo.path}; or disable it: enabled=0 there",
                fixes.exclude_packages(repo, missing),
            )


def check_leatherman(context: CheckContext) -> Findings:
    """Check that facter finds the version of leatherman that it was linked with.

    Packstack and Puppet run facter; EPEL's leatherman breaks it. packstack-lite does not use it.
    """
    facts = context.facts
    facter_version, leatherman_version = (
        facts.software.rpm_versions.get("facter", ""),
        facts.software.rpm_versions.get("leatherman", ""),
    )
    is_mismatched = (
        facter_version.startswith("3.9.") and leatherman_version and not leatherman_version.startswith("1.3.")
    )
    if not facts.software.facter_error and not is_mismatched:
        return
    reason = (
        facts.software.facter_error
        or f"facter {facter_version} needs leatherman 1.3.0, and leatherman {leatherman_version} is installed"
    )
    yield warning(
        f"facter cannot run: {reason}"
        + (f" (leatherman {leatherman_version} is from EPEL)" if "leatherman" in facts.software.epel_rpms else "")
        + "; packstack-lite does not need it, Packstack and Puppet do",
        f"{node_commands.yum_downgrade('leatherman', [*_epel_repos(context), *find_dead_repos(context)])}; and exclude="
        + " ".join(_LEATHERMAN_PACKAGES)
        + " in EPEL's repo file",
        fixes.downgrade_package("leatherman", _epel_repos(context), _LEATHERMAN_PACKAGES, find_dead_repos(context)),
    )


def _installed_from_epel(context: CheckContext, patterns: List[str]) -> str:
    """Return the end of a message: the matching packages that came from EPEL, or ""."""
    names = [
        name for name in context.facts.software.epel_rpms if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    return f"; installed from it already: {', '.join(names)}" if names else ""


def _is_excluded(pattern: str, repo: Repo) -> bool:
    """Return whether one of the repository's excludes covers the pattern.

    Both are glob patterns of package names: ``python*`` covers ``python-six*``, ``erlang`` does not cover ``erlang*``.
    """
    # A name that the pattern matches and that no exclude names by chance stands for all of them.
    sample = pattern.replace("*", "-packstack-lite")
    return any(fnmatchcase(sample, excluded) for excluded in repo.excludes)


def _epel_repos(context: CheckContext) -> List[Repo]:
    """List the enabled repositories that are EPEL's, by name or URL."""
    return [
        repo
        for repo in _enabled_repos(context)
        if repo.name.startswith("epel") or any(re.search(r"/epel/|[?&]repo=epel", url) for url in repo.urls)
    ]


def _enabled_repos(context: CheckContext) -> List[Repo]:
    """Return the node's enabled yum repositories."""
    return [repo for repo in context.facts.software.repos if repo.is_enabled]
