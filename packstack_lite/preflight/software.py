"""Checks of what is installed: package source, leftovers, databases, wishes that cannot be met."""

from __future__ import annotations

from typing import List

from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning

_DATABASE = "/var/lib/mysql/mysql"
# Answers whose service has another name among the profile's packages.
_MODULES = {"CONFIG_HEAT_CFN_INSTALL": "heat", "CONFIG_NEUTRON_METERING_AGENT_INSTALL": "neutron"}


def packages(subject: Subject) -> Remarks:
    """The package source answers; on a host that is deployed already, only new packages need it."""
    told = subject.facts.package_source
    if told == "reachable":
        return
    if told:
        remark = warning if subject.facts.own else error
        yield remark(f"packages cannot be fetched: {told}", "mend the source, the proxy or DNS; try: apt-get update")
    else:
        yield info("it was not tried whether packages can be fetched: the package manager is unknown", "try it by hand")


def leftovers(subject: Subject) -> Remarks:
    """No other tool's OpenStack is, or was, on the host."""
    facts = subject.facts
    found = [path for path in facts.foreign if path != _DATABASE]
    if found and not facts.own:
        yield error(
            f"another OpenStack has been here: {', '.join(found)}",
            "take a fresh host, or remove it with the tool that made it, and its /etc and /var/lib directories",
        )


def database(subject: Subject) -> Remarks:
    """No MariaDB or MySQL with data of others is on the host."""
    facts = subject.facts
    if _DATABASE in facts.foreign and not facts.own and subject.answers.get("CONFIG_MARIADB_INSTALL") is not False:
        yield error(
            "a MariaDB with data is there that packstack-lite has not made; it would be reconfigured",
            "take a fresh host; or, when nobody needs the data: mv /var/lib/mysql /var/lib/mysql.old",
        )


def services(subject: Subject) -> Remarks:
    """Every service that the answers switch on can be deployed."""
    if subject.profile is None:
        return
    wanted = [name for name in subject.answers if name.endswith("_INSTALL") and _asked_for(subject, name)]
    missing: List[str] = [name for name in wanted if _module(name) not in subject.profile.packages]
    if missing:
        yield warning(
            f"asked for, but not in this version of packstack-lite: {', '.join(sorted(map(_module, missing)))}",
            "go on without, and say so: " + " ".join(f"{name}=n" for name in sorted(missing)),
        )


def _asked_for(subject: Subject, parameter: str) -> bool:
    """Switched on, and what it is a part of as well: Packstack's default for Heat's second API is y without Heat."""
    whole = f"CONFIG_{_module(parameter).upper()}_INSTALL"
    return subject.answers[parameter] is True and subject.answers.get(whole, True) is True


def _module(parameter: str) -> str:
    return _MODULES.get(parameter, parameter[len("CONFIG_") : -len("_INSTALL")].lower())
