"""The check of answers that have no effect on this node."""

from __future__ import annotations

from typing import Iterator, Tuple

from packstack_lite.preflight.check import CheckContext, Findings, info, warning
from packstack_lite.profiles.host_setup import load_host_setup


def check_ineffective_answers(context: CheckContext) -> Findings:
    """Check that answers about repositories, SELinux and the firewall have an effect.

    Packstack accepts them everywhere; on some distributions, or in a container, they cannot do anything.
    """
    if context.profile is None:
        return
    for answer, reason, hint in _ineffective_repository_answers(context):
        yield warning(f"{answer} has no effect here: {reason}", hint)
    for answer, reason, hint in _ineffective_selinux_answers(context):
        yield info(f"{answer} has no effect here: {reason}", hint)
    if context.answers.get("CONFIG_FIREWALL") and context.facts.security.firewall in ("nftables", "ufw"):
        yield warning(
            f"the firewall is {context.facts.security.firewall}, whose rules packstack-lite does not change: APIs and"
            " dashboard may be closed",
            "open the ports that docs/how-to.md lists under SELinux and the firewall",
        )


def _ineffective_repository_answers(context: CheckContext) -> Iterator[Tuple[str, str, str]]:
    """Yield (answer, why it has no effect here, what to do) about repositories."""
    assert context.profile
    answers, title = context.answers, context.profile.title
    if context.profile.package_manager == "apt":
        for name in ("CONFIG_REPO", "CONFIG_REPO_DIRECTORY"):
            if answers.get(name):
                yield name, "apt needs suites and keys as well", "write a file in /etc/apt/sources.list.d yourself"
    mirror = str(answers.get("CONFIG_REPO_MIRROR") or "auto")
    if mirror != "auto" and not load_host_setup(context.profile.name).mirror_table:
        yield f"CONFIG_REPO_MIRROR={mirror}", f"the repositories of {title} are online", "leave it at auto"


def _ineffective_selinux_answers(context: CheckContext) -> Iterator[Tuple[str, str, str]]:
    """Yield (answer, why it has no effect here, what to do) about SELinux."""
    if context.answers.get("CONFIG_SELINUX") != "permissive":
        return
    if context.facts.system.is_container:
        yield "CONFIG_SELINUX=permissive", "a container shares its host's SELinux", "leave it at enforcing"
    elif context.facts.security.selinux not in ("enforcing", "permissive"):
        yield (
            "CONFIG_SELINUX=permissive",
            "SELinux is off, and packstack-lite does not enable it",
            "leave it at enforcing",
        )
