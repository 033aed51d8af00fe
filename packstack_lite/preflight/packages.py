"""Checks of what the phase Packages meets: sources, pins, holds, locks.

``nodes.facts.package_source`` and ``nodes.facts.apt_source`` ask the package manager.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Callable, Iterable, List, Optional, Tuple

from packstack_lite.engine.events import Finding
from packstack_lite.nodes.facts.apt_source import SourceEntry, SourceRelease
from packstack_lite.nodes.node import SINGLE_NODE
from packstack_lite.preflight import fixes, node_commands, rpm_repositories
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.services.declaration import list_packages

# Debian's names of processors.
_DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# What apt says to a simulated installation that other findings say too, or that an update cures.
_NOT_OF_LIMITS = (
    *("E: Unable to locate package", "E: Couldn't find any package", "E: The list of sources", "E: Malformed"),
    *("E: Unmet dependencies", "E: Could not open", "E: Unable to parse"),
)


def _make_finding(context: CheckContext) -> Callable[..., Finding]:
    """Return ``error``, or ``warning`` on a deployed node: it has its packages."""
    return warning if context.facts.cloud.deployed_by_us else error


def check_disc_sources(context: CheckContext) -> Findings:
    """Check that no CD or DVD is among apt's sources: nobody inserts it during a run."""
    discs = [entry for entry in context.facts.software.source_entries if entry.is_disc]
    if not discs:
        return
    places = list(dict.fromkeys(entry.place for entry in discs))
    paths = list(dict.fromkeys(place.rpartition(":")[0] for place in places))
    lists = [path for path in paths if not path.endswith(".sources")]
    yield _make_finding(context)(
        f"{', '.join(places)}: a CD or DVD is a package source ({discs[0].uri}); apt-get update fails, or apt asks"
        " for the disc in the middle of an installation",
        node_commands.comment_out_disc_sources(lists)
        if lists == paths
        else f"comment the source out, in a .sources file the whole stanza: {', '.join(places)}",
        fixes.comment_out_disc_sources(paths),
    )


def check_unfinished_packages(context: CheckContext) -> Findings:
    """Check that dpkg has finished every package: apply has to finish them first."""
    unfinished = context.facts.software.unfinished_packages
    if unfinished:
        yield warning(
            f"an installation was interrupted: {', '.join(unfinished)}; apply lets dpkg finish them before it installs"
            " anything, and stops if that fails",
            node_commands.finish_packages(),
            fixes.finish_packages(),
        )


def check_package_source(context: CheckContext) -> Findings:
    """Check that the package source answers, and that its update succeeds.

    Only a warning on a deployed node, which needs it for new packages only, and with a proxy that apply sets first.
    A repository that apply rewrites to another mirror does not count.
    """
    facts, answers = context.facts, context.answers
    if not facts.software.package_source:
        yield info("the package manager is unknown, so the package source was not tested", "test it yourself")
        return
    if answers.get("CONFIG_REPO_DIRECTORY"):
        return
    redirected = (
        {repo.name for repo in rpm_repositories.find_dead_repos(context)}
        if rpm_repositories.has_replacement_mirror(context)
        else set()
    )
    discs = {entry.place for entry in facts.software.source_entries if entry.is_disc}
    places = {repo.name: f"{repo.path}:{repo.line}: " for repo in facts.software.repos}
    failures = [
        places.get(line.partition(": ")[0], "") + line
        for line in facts.software.package_source.splitlines()
        if line != "reachable" and line.partition(": ")[0] not in redirected | discs
    ]
    proxy = bool(answers.get("CONFIG_HTTP_PROXY"))
    if failures:
        details = "\n".join(failures) + (" (apply sets the proxy of CONFIG_HTTP_PROXY first)" if proxy else "")
        retry_command = node_commands.update_package_lists(bool(facts.software.repos))
        yield (warning if proxy else _make_finding(context))(
            f"packages cannot be fetched: {details}",
            f"repair the source, the proxy or DNS{_hint_for(failures)}; try: {retry_command}",
        )
    else:
        yield from _check_distribution(context)


def _hint_for(failures: Iterable[str]) -> str:
    """Return what else to repair, by what apt says."""
    text = "\n".join(failures)
    hints = [
        ("NO_PUBKEY|Missing key|not signed", "get the archive's key, and name its file in the source: signed-by="),
        ("is expired|not valid yet", "check the clock; a mirror that is not updated any more: choose another"),
        ("not have a Release file|404", "correct the suite"),
    ]
    return "".join(f"; {hint}" for pattern, hint in hints if re.search(pattern, text))


def _check_distribution(context: CheckContext) -> Findings:
    """Check that apt's sources are of the node's release and processor."""
    facts = context.facts
    entries = [entry for entry in facts.software.source_entries if not entry.is_disc]
    native = _DEBIAN_ARCHITECTURES.get(context.facts.system.arch, "")
    if entries and native and not any(_is_for(entry, native) for entry in entries):
        yield _make_finding(context)(
            f"no package source is for {native}: {_list_places(entries)}",
            f"correct the processor there: [arch={native}]",
        )
    foreign = [
        (entry, release)
        for release in facts.software.source_releases
        if release.origin == "Debian"
        and not release.codename.startswith(facts.software.os_codename or release.codename)
        for entry in entries
        if _is_release_of(entry, release)
    ]
    # Pins may keep such a source away from our packages: check_package_limits sees what apt would install.
    if foreign and not facts.software.pins:
        sources = ", ".join(dict.fromkeys(f"{entry.place}: {entry.suite} is {of.codename}" for entry, of in foreign))
        yield _make_finding(context)(
            f"packages of another release than this node's {facts.software.os_codename} would be installed: {sources}",
            f"write {facts.software.os_codename} in the place of that suite, or comment the source out",
        )


def _is_for(entry: SourceEntry, architecture: str) -> bool:
    """Return whether the source has packages for it, or does not say which."""
    return entry.architecture == architecture or not re.fullmatch(r"[a-z0-9-]+", entry.architecture)


def _is_release_of(entry: SourceEntry, release: SourceRelease) -> bool:
    """Return whether a file of apt's lists is the source's Release file."""
    # apt-pkg/contrib/strutl.cc, URItoFileName: without scheme, some characters quoted, then each / becomes _.
    path = f"{entry.uri.partition('://')[2]}dists/{entry.suite}/"
    quoted = re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match[0]):02x}", path)
    return release.file_name in (f"{quoted}InRelease".replace("/", "_"), f"{quoted}Release".replace("/", "_"))


def _list_places(entries: Iterable[SourceEntry]) -> str:
    """Return the places of sources with their architectures."""
    return ", ".join(dict.fromkeys(f"{entry.place} ({entry.architecture})" for entry in entries))


def check_package_limits(context: CheckContext) -> Findings:
    """Check that no pin, hold, exclude or version lock keeps a package from us."""
    if context.profile is None or context.has_our_packages:
        return
    if context.profile.package_manager == "apt":
        yield from _check_simulated_install(context)
    elif context.facts.software.package_excludes or context.facts.software.version_locks:
        names = list_packages(context.answers, context.profile, replace(SINGLE_NODE, roles=context.roles))
        yield from _check_excludes(context, names)
        yield from _check_version_locks(context, names)


def _check_simulated_install(context: CheckContext) -> Findings:
    """Check what apt says to an installation of our packages.

    It was asked only on a node with a pin or a hold.
    """
    facts = context.facts
    apt_lines = facts.software.simulated_install
    refusals = [line for line in apt_lines if line.startswith("E: ") and not line.startswith(_NOT_OF_LIMITS)]
    # Without them apt refuses everything.
    if refusals and not facts.software.unfinished_packages:
        details = [line.strip() for line in apt_lines if not line.startswith(("E: ", "Inst ", "The following"))]
        text = "; ".join([*(line[len("E: ") :] for line in refusals), *details[:6]])
        causes, hints = _find_limits(context, " ".join([*refusals, *details]))
        yield _make_finding(context)(f"apt refuses to install what apply needs: {text}{causes}", hints)
    others = [other for other in map(_foreign_version, apt_lines) if other]
    outside = [text for text, origins in others if not _is_of_release(origins, context.facts.system.os_version)]
    if outside and facts.software.pins:
        places = ", ".join(pin.place for pin in facts.software.pins)
        yield warning(
            f"by pins ({places}) apt would install packages that are not of this release: {', '.join(outside[:6])}",
            f"{context.profile.title if context.profile else 'the release'} is what was tested; remove those pins",
        )


def _find_limits(context: CheckContext, text: str) -> Tuple[str, str]:
    """Return the holds and pins that a refusal is about, and what to do with them.

    ``text`` is what apt says. It does not always name the package that is limited: then all are listed.
    """
    facts = context.facts
    words = set(re.findall(r"[a-z0-9][a-z0-9+.-]+", text))
    held = [entry.partition(" ")[0] for entry in facts.software.held_packages]
    named_holds = [name for name in held if name in words]
    named_pins = [pin for pin in facts.software.pins if any(_pin_matches(pin.names, word) for word in words)]
    holds, pins = (named_holds, named_pins) if named_holds or named_pins else (held, list(facts.software.pins))
    causes = [f"on hold: {', '.join(holds)}"] if holds else []
    causes += [f"pinned in {pin.place} ({pin.names}: {pin.pin}, priority {pin.priority})" for pin in pins]
    hints = [str(node_commands.unhold_packages(holds))] if holds else []
    hints += [f"remove the pin in {', '.join(pin.place for pin in pins)}"] if pins else []
    return "".join(f"; {cause}" for cause in causes), "; ".join(hints)


def _pin_matches(names: str, word: str) -> bool:
    """Return whether a pin's names and patterns may include a package."""
    return any(
        # A regular expression stands for what it may match: it is only named beside other pins.
        re.fullmatch(r"/.+/", name) or fnmatchcase(word, name.replace("src:", "").partition(":")[0])
        for name in names.split()
    )


def _foreign_version(line: str) -> Optional[Tuple[str, str]]:
    """Return a package that apt would install, and its origins; None for another line.

    Example: ``Inst nova-api (2:26.2.2-1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [all])``.
    """
    match = re.match(r"Inst (\S+) (?:\[[^]]*\] )?\((\S+) ([^[]*)\[", line)
    return (f"{match[1]} {match[2]} ({match[3].strip()})", match[3]) if match else None


def _is_of_release(origins: str, os_version: str) -> bool:
    """Return whether one of the origins is this release of the distribution."""
    return any(
        re.search(rf":{re.escape(os_version)}(\.\d+)*/", origin) and "backports" not in origin.lower()
        for origin in origins.split(", ")
    )


def _check_excludes(context: CheckContext, names: Iterable[str]) -> Findings:
    """Check that yum's and dnf's general excludes have none of our packages."""
    for place, _, patterns in (value.partition(" ") for value in context.facts.software.package_excludes):
        packages_by_pattern = {
            pattern: [name for name in names if fnmatchcase(name, pattern)] for pattern in patterns.split()
        }
        excluding_patterns = [pattern for pattern, packages in packages_by_pattern.items() if packages]
        if excluding_patterns:
            packages = sorted({name for excluded in packages_by_pattern.values() for name in excluded})
            yield error(
                f"{place} excludes packages that apply installs: {_shorten(packages)}",
                f"remove there: {' '.join(excluding_patterns)}",
            )


def _check_version_locks(context: CheckContext, names: Iterable[str]) -> Findings:
    """Check that yum's and dnf's versionlock has none of our packages."""
    for place, _, lock in (value.partition(" ") for value in context.facts.software.version_locks):
        # yum writes EPOCH:NAME-VERSION-RELEASE.ARCH, dnf NAME-EPOCH:VERSION-RELEASE.ARCH; "!" excludes.
        locked = [name for name in names if re.fullmatch(rf"!?(\d+:)?{re.escape(name)}-(\d+:)?[^-:]+-[^-]+", lock)]
        if locked and lock.startswith("!"):
            yield error(f"{place} excludes {locked[0]} ({lock}), which apply installs", "remove that line")
        elif locked:
            yield warning(
                f"{place} locks {locked[0]} at one version ({lock}): phase Packages stops unless the repositories of"
                " this release have that version",
                "remove that line",
            )


def _shorten(names: List[str]) -> str:
    """Return the first names, and how many there are more."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
