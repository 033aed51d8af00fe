"""Checks of what is installed: package source, leftovers, databases, wishes that cannot be met."""

from __future__ import annotations

from typing import List

from packstack_lite.preflight import cures, rpm
from packstack_lite.preflight.subject import Remarks, Subject, error, info, warning
from packstack_lite.profiles import Profile

_DATABASE = "/var/lib/mysql/mysql"
# How the schemas of OpenStack's services begin.
_SCHEMAS = (
    *("keystone", "glance", "nova", "placement", "neutron", "cinder", "barbican", "heat", "swift", "manila", "magnum"),
    *("aodh", "gnocchi", "panko", "ceilometer", "sahara", "trove", "ironic", "designate", "octavia", "ovs_neutron"),
)
_RESET = (
    "systemctl stop mariadb; mysqld_safe --skip-grant-tables --skip-networking & then, in mysql: FLUSH PRIVILEGES;"
    " ALTER USER root@localhost IDENTIFIED VIA unix_socket; mysqladmin shutdown; systemctl start mariadb"
)
# Module -> its package on Debian, on CentOS with Python 3, on CentOS 7.
_PACKAGES = {"yaml": ("python3-yaml", "python3-pyyaml", "PyYAML"), "pytz": ("python3-tz", "python3-pytz", "pytz")}
# Answers whose service has another name among the profile's packages.
_MODULES = {"CONFIG_HEAT_CFN_INSTALL": "heat", "CONFIG_NEUTRON_METERING_AGENT_INSTALL": "neutron"}


def packages(subject: Subject) -> Remarks:
    """The package source answers; on a host that is deployed already, only new packages need it."""
    facts, answers = subject.facts, subject.answers
    if not facts.package_source:
        yield info("it was not tried whether packages can be fetched: the package manager is unknown", "try it by hand")
        return
    led = {repo.name for repo in rpm.dead_repos(subject)} if rpm.chosen(subject) else set()
    wrong = [line for line in facts.package_source.splitlines() if line.partition(": ")[0] not in led]
    if facts.package_source == "reachable" or not wrong or answers.get("CONFIG_REPO_DIRECTORY"):
        return
    proxy = bool(answers.get("CONFIG_HTTP_PROXY"))
    remark = warning if facts.own or proxy else error
    said = "\n".join(wrong) + (" (apply sets the proxy of CONFIG_HTTP_PROXY first)" if proxy else "")
    again = "yum makecache" if facts.repos else "apt-get update"
    yield remark(f"packages cannot be fetched: {said}", f"mend the source, the proxy or DNS; try: {again}")


def leftovers(subject: Subject) -> Remarks:
    """No other tool's OpenStack is, or was, on the host; Packstack's own files are not in the way of anything."""
    facts = subject.facts
    if facts.own:
        return
    found = [path for path in facts.foreign if path != _DATABASE]
    left = [path for path in facts.packstack if not path.endswith(".txt")]
    if found:
        yield error(
            f"another OpenStack has been here: {', '.join([*found, *left])}",
            "take a fresh host, or remove it with the tool that made it, and its /etc and /var/lib directories",
        )
    elif left:
        kept = [path for path in facts.packstack if path.endswith(".txt")]
        yield warning(
            f"Packstack has left {', '.join(left)}, but no OpenStack",
            "rm -r, or rename it"
            + (f"; its answers load as they are: --answer-file with a copy of {kept[-1]}" if kept else ""),
            cures.move_aside(left),
        )


def database(subject: Subject) -> Remarks:
    """No MariaDB or MySQL with data of others is on the host, and root's login over the socket works."""
    facts = subject.facts
    if _DATABASE not in facts.foreign or subject.answers.get("CONFIG_MARIADB_INSTALL") is False:
        return
    if facts.own:
        if facts.refused:
            yield error(f"MariaDB refuses root's login over the socket: {facts.refused}", _RESET)
        return
    others = [name for name in facts.schemas if not _openstacks(name)]
    if others:
        yield error(
            f"a MariaDB with data is there that packstack-lite has not made ({', '.join(others)});"
            " it would be reconfigured",
            "take a fresh host; or, when nobody needs the data: mv /var/lib/mysql /var/lib/mysql.old",
        )
    elif facts.schemas or facts.refused:
        what = f" with an earlier OpenStack's data ({', '.join(facts.schemas)})" if facts.schemas else ""
        said = f" ({facts.refused})" if facts.refused else ""
        yield error(
            f"an old MariaDB{what} is there; its root password is not that of the answers, so that making databases"
            f" would end in an authentication error{said}",
            "systemctl stop mariadb; mv /var/lib/mysql /var/lib/mysql.old",
            cures.old_database(),
        )


def _openstacks(schema: str) -> bool:
    return schema.startswith(_SCHEMAS)


def python(subject: Subject) -> Remarks:
    """The Python that OpenStack runs on has its modules, and none of pip's before the distribution's."""
    facts, profile = subject.facts, subject.profile
    if profile is None:
        return
    lost = [told.split(" ")[1] for told in facts.python_missing if profile.python.startswith(told.split(" ")[0])]
    if subject.deployed and lost:
        rpms = profile.package_manager != "apt"
        names = [_PACKAGES[module][_place(profile)] for module in lost]
        yield warning(
            f"{profile.python} cannot import {', '.join(lost)}, which OpenStack's programs need",
            f"{'yum' if rpms else 'apt-get'} install {' '.join(names)}",
            cures.install(names, rpm.dead_repos(subject)) if rpms else cures.apt_install(names),
        )
    if facts.shadowed:
        yield warning(
            f"modules that pip has installed stand before the distribution's: {', '.join(facts.shadowed)}",
            "pip uninstall them, as they may not fit OpenStack's: what needs them gets a virtual environment",
        )


def _place(profile: Profile) -> int:
    return 0 if profile.package_manager == "apt" else 1 if profile.python.startswith("python3") else 2


def language(subject: Subject) -> Remarks:
    """The language that the host sets is there and writes UTF-8: programs print and read names in it."""
    facts = subject.facts
    charset = facts.locale.partition(".")[2].partition("@")[0].lower().replace("-", "")
    # CentOS 7 has no C.UTF-8.
    old = subject.profile is not None and subject.profile.package_manager == "yum"
    way = f"set LANG={'en_US' if old else 'C'}.UTF-8 in /etc/locale.conf{'' if old else ' or /etc/default/locale'}"
    if facts.lang_missing:
        yield warning(
            f"LANG={facts.lang_missing}, which the host does not have: programs warn about it in the midst of their"
            " output, and some stop",
            way,
            cures.language(),
        )
    elif charset not in ("", "utf8"):
        yield warning(
            f"LANG={facts.locale} is not UTF-8: OpenStack's programs cannot print every name",
            way,
            cures.language(),
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
