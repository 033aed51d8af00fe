"""Checks of answers about the host itself: those that can do nothing on this one say so."""

from __future__ import annotations

from typing import Iterator, Tuple

from packstack_lite.preflight.subject import Remarks, Subject, info, warning
from packstack_lite.profiles.preparation import preparation


def preparation_answers(subject: Subject) -> Remarks:
    """Every answer about repositories, SELinux and the firewall does something on this host."""
    if subject.profile is None:
        return
    for answer, why, fix in _repositories(subject):
        yield warning(f"{answer} does nothing here: {why}", fix)
    for answer, why, fix in _selinux(subject):
        yield info(f"{answer} does nothing here: {why}", fix)
    if subject.answers.get("CONFIG_FIREWALL") and subject.facts.firewall in ("nftables", "ufw"):
        yield warning(
            f"the firewall is {subject.facts.firewall}, whose rules are not touched: APIs and dashboard may be closed",
            "open the ports that docs/how-to.md lists under SELinux and the firewall",
        )


def _repositories(subject: Subject) -> Iterator[Tuple[str, str, str]]:
    assert subject.profile
    answers, title = subject.answers, subject.profile.title
    if subject.profile.package_manager == "apt":
        for name in ("CONFIG_REPO", "CONFIG_REPO_DIRECTORY"):
            if answers.get(name):
                yield name, "apt needs suites and keys besides", "write a file of your own in /etc/apt/sources.list.d"
    mirror = str(answers.get("CONFIG_REPO_MIRROR") or "auto")
    if mirror != "auto" and not preparation(subject.profile.name).mirrors:
        yield f"CONFIG_REPO_MIRROR={mirror}", f"the repositories of {title} are there", "leave it at auto"


def _selinux(subject: Subject) -> Iterator[Tuple[str, str, str]]:
    if subject.answers.get("CONFIG_SELINUX") != "permissive":
        return
    if subject.facts.container:
        yield "CONFIG_SELINUX=permissive", "a container's SELinux is its host's", "leave it at enforcing"
    elif subject.facts.selinux not in ("enforcing", "permissive"):
        yield "CONFIG_SELINUX=permissive", "SELinux is off, and is never switched on", "leave it at enforcing"
