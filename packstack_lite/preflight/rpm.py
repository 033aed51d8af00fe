"""Checks of yum's and dnf's world: dead mirrors, EPEL beside RDO, and the library that EPEL replaces."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import List

from packstack_lite.hosts.facts import Repo
from packstack_lite.preflight import cures
from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning
from packstack_lite.profiles.preparation import preparation

# Switched off when CentOS 7 came to its end in June 2024; mirror.stream.centos.org is another one, and lives.
_DEAD = re.compile(r"^\w+://(mirrorlist|mirror)\.centos\.org([:/?]|$)")
_LEATHERMAN = ("leatherman*", "facter*", "puppet*", "hiera*", "cpp-hocon*")
_MIRROR = "CONFIG_REPO_MIRROR"


def mirrors(subject: Subject) -> Remarks:
    """No enabled repository is looked for at addresses of CentOS that are gone."""
    dead = dead_repos(subject)
    if not dead:
        return
    names, files = ", ".join(repo.name for repo in dead), sorted({repo.path for repo in dead})
    host = re.split(r"[/:?]", next(url for url in dead[0].urls if _DEAD.match(url)).split("://")[1])[0]
    told = f"{names}: looked for at {host}, which no longer exists (CentOS 7 came to its end in June 2024)"
    if chosen(subject):
        yield info(
            f"{told}; apply leads {', '.join(files)} to a mirror that answers ({_MIRROR}={subject.answers[_MIRROR]})"
        )
    else:
        yield error(
            told,
            f"answer {_MIRROR}=auto (or vault, aliyun, tuna, tencent, huawei, a URL): apply then rewrites"
            f" {', '.join(files)} to the first mirror that answers, and keeps the originals",
        )


def dead_repos(subject: Subject) -> List[Repo]:
    """Enabled repositories whose every address is gone."""
    return [repo for repo in _enabled(subject) if repo.urls and all(_DEAD.match(url) for url in repo.urls)]


def chosen(subject: Subject) -> bool:
    """Whether the answers say where packages come from instead, and apply has a table of what is there."""
    table = preparation(subject.profile.name).mirrors if subject.profile else ""
    return bool(subject.answers.get(_MIRROR) and table)


def epel(subject: Subject) -> Remarks:
    """EPEL does not replace RDO's packages by its own: it is off, or they are excluded from it."""
    rivals = preparation(subject.profile.name).epel_exclude if subject.profile else ()
    for repo in _epel(subject):
        missing = [pattern for pattern in rivals if not _excluded(pattern, repo)]
        if missing:
            yield warning(
                f"EPEL is enabled ({repo.name} in {repo.path}); it has other versions than RDO of {', '.join(missing)}"
                + _taken(subject, missing),
                f"exclude={' '.join(missing)} below [{repo.name}] in {repo.path}; or switch it off:"
                f" yum-config-manager --disable {repo.name}",
                cures.exclude(repo, missing),
            )


def leatherman(subject: Subject) -> Remarks:
    """facter, which Packstack and Puppet run, has the version of leatherman that it was linked with."""
    facts = subject.facts
    facter, there = facts.versions.get("facter", ""), facts.versions.get("leatherman", "")
    old = facter.startswith("3.9.") and there and not there.startswith("1.3.")
    if not facts.facter and not old:
        return
    told = facts.facter or f"facter {facter} needs leatherman 1.3.0, and leatherman {there} is installed"
    yield warning(
        f"facter cannot run: {told}"
        + (f" (leatherman {there} is EPEL's)" if "leatherman" in facts.epel else "")
        + "; packstack-lite does without it, Packstack and Puppet do not",
        "yum --disablerepo='epel*' downgrade leatherman; and exclude=" + " ".join(_LEATHERMAN) + " in EPEL's repo file",
        cures.take_back("leatherman", _epel(subject), _LEATHERMAN, dead_repos(subject)),
    )


def _taken(subject: Subject, patterns: List[str]) -> str:
    names = [name for name in subject.facts.epel if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return f"; installed from it already: {', '.join(names)}" if names else ""


def _excluded(pattern: str, repo: Repo) -> bool:
    return any(fnmatchcase(pattern.rstrip("*"), excluded) for excluded in repo.excludes)


def _epel(subject: Subject) -> List[Repo]:
    return [
        repo
        for repo in _enabled(subject)
        if repo.name.startswith("epel") or any(re.search(r"/epel/|[?&]repo=epel", url) for url in repo.urls)
    ]


def _enabled(subject: Subject) -> List[Repo]:
    return [repo for repo in subject.facts.repos if repo.enabled]
