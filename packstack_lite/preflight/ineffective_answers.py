"""Checks of answers about the host itself: those that can do nothing on this one say so."""

from __future__ import annotations

from typing import Iterator, Tuple

from packstack_lite.preflight.check import CheckContext, Findings, info, warning
from packstack_lite.profiles.host_setup import load_host_setup


def check_ineffective_answers(context: CheckContext) -> Findings:
    """Every answer about repositories, SELinux and the firewall does something on this host."""
    if context.profile is None:
        return
    for answer, reason, hint in _ineffective_repository_answers(context):
        yield warning(f"{answer} does nothing here: {reason}", hint)
    for answer, reason, hint in _ineffective_selinux_answers(context):
        yield info(f"{answer} does nothing here: {reason}", hint)
    if context.answers.get("CONFIG_FIREWALL") and context.facts.security.firewall in ("nftables", "ufw"):
        yield warning(
            f"the firewall is {context.facts.security.firewall}, whose rules are not touched: APIs and dashboard may be closed",
            "open the ports that docs/how-to.md lists under SELinux and the firewall",
        )


def _ineffective_repository_answers(context: CheckContext) -> Iterator[Tuple[str, str, str]]:
    assert context.profile
    answers, title = context.answers, context.profile.title
    if context.profile.package_manager == "apt":
        for name in ("CONFIG_REPO", "CONFIG_REPO_DIRECTORY"):
            if answers.get(name):
                yield name, "apt needs suites and keys besides", "write a file of your own in /etc/apt/sources.list.d"
    mirror = str(answers.get("CONFIG_REPO_MIRROR") or "auto")
    if mirror != "auto" and not load_host_setup(context.profile.name).mirror_table:
        yield f"CONFIG_REPO_MIRROR={mirror}", f"the repositories of {title} are there", "leave it at auto"


def _ineffective_selinux_answers(context: CheckContext) -> Iterator[Tuple[str, str, str]]:
    if context.answers.get("CONFIG_SELINUX") != "permissive":
        return
    if context.facts.system.is_container:
        yield "CONFIG_SELINUX=permissive", "a container's SELinux is its host's", "leave it at enforcing"
    elif context.facts.security.selinux not in ("enforcing", "permissive"):
        yield "CONFIG_SELINUX=permissive", "SELinux is off, and is never switched on", "leave it at enforcing"
