"""Facts of software: package sources, RPMs that cause trouble, Python modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

from packstack_lite.nodes.facts.apt_source import (
    Pin,
    SourceEntry,
    SourceRelease,
    parse_entries,
    parse_pins,
    parse_releases,
)
from packstack_lite.nodes.facts.fields import SAY_FUNCTION, Values, fact, first_text, named_texts, texts
from packstack_lite.nodes.facts.repositories import Repo, parse_repos
from packstack_lite.remote.command import Command

# RPMs whose versions are read: the checks know trouble with them.
REPORTED_RPMS = (
    *("selinux-policy-targeted", "openstack-selinux", "facter", "leatherman", "erlang", "erlang-erts"),
    *("qpid-proton-c", "rabbitmq-server", "firewalld", "iptables-services", "httpd"),
)
# What OpenStack's programs import that pip, run by hand, likes to put before the distribution's.
CHECKED_MODULES = (
    *("yaml", "pytz", "six", "requests", "urllib3", "eventlet", "greenlet", "sqlalchemy", "jinja2"),
    *("cryptography", "oslo_config", "oslo_db", "oslo_messaging", "keystoneauth1"),
)


def _sorted_texts(values: Values) -> Tuple[str, ...]:
    """Return the values as a sorted tuple."""
    return tuple(sorted(values))


@dataclass(frozen=True)
class SoftwareFacts:
    """Package sources and what is installed.

    ``package_source`` is ``reachable``, what went wrong, or "" if the package manager is unknown. ``repos`` are the
    repositories of yum or dnf, disabled ones included. ``rpm_versions`` maps installed RPMs of ``REPORTED_RPMS`` to
    their versions; ``epel_rpms`` are the RPMs that came from EPEL. ``facter_error`` is the loader's message if facter
    cannot run. ``missing_python_modules`` are "INTERPRETER MODULE" that cannot be imported, ``shadowing_modules`` the
    paths of modules that come before the distribution's.

    Of apt: ``source_entries`` are the enabled sources, ``source_releases`` what those that answer say of themselves;
    ``os_codename`` is the distribution's. ``pins`` are the preferences, ``held_packages`` "NAME installed" or "NAME
    absent"; only with one of these ``simulated_install`` has what apt says to an installation of our packages.
    ``unfinished_packages`` are those that dpkg has not finished, with their state.

    Of yum and dnf: ``package_excludes`` are "FILE:LINE PATTERNS" for all repositories, ``version_locks`` "FILE:LINE
    VERSION".
    """

    package_source: str = fact("package_source", first_text)
    repos: Tuple[Repo, ...] = fact("repo", parse_repos)
    rpm_versions: Mapping[str, str] = fact("rpm_version", named_texts)
    epel_rpms: Tuple[str, ...] = fact("epel_rpm", _sorted_texts)
    facter_error: str = fact("facter_error", first_text)
    missing_python_modules: Tuple[str, ...] = fact("missing_python_module", texts)
    shadowing_modules: Tuple[str, ...] = fact("shadowing_module", texts)
    source_entries: Tuple[SourceEntry, ...] = fact("source_entry", parse_entries)
    source_releases: Tuple[SourceRelease, ...] = fact("source_release", parse_releases)
    os_codename: str = fact("os_codename", first_text)
    pins: Tuple[Pin, ...] = fact("pin", parse_pins)
    held_packages: Tuple[str, ...] = fact("held_package", texts)
    simulated_install: Tuple[str, ...] = fact("simulated_install", texts)
    unfinished_packages: Tuple[str, ...] = fact("unfinished_package", texts)
    package_excludes: Tuple[str, ...] = fact("package_exclude", texts)
    version_locks: Tuple[str, ...] = fact("version_lock", texts)


_SCRIPT = (
    SAY_FUNCTION
    + r"""
if command -v rpm >/dev/null; then
    timeout 20 rpm -qa --qf '%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n' 2>/dev/null | awk -F '\t' '
        BEGIN {count = split("@rpms@", list, " "); while (count) known[list[count--]] = 1}
        $1 in known {print "rpm_version=" $1 " " $2}
        $3 == "Fedora Project" {print "epel_rpm=" $1}'
fi
if command -v facter >/dev/null; then
    reply=$(timeout 10 facter --version 2>&1) ||
        say facter_error "$(printf '%s\n' "$reply" | grep 'shared libraries' | head -n 1)"
fi

for python in python3 python2; do
    command -v "$python" >/dev/null || continue
    "$python" -c '
for name in ("yaml", "pytz"):
    try:
        # A directory that is left of one can be imported as well, from no file.
        file = getattr(__import__(name), "__file__", None)
    except Exception:
        file = None
    if not file:
        print("missing_python_module=@python@ " + name)' 2>/dev/null | sed "s/@python@/$python/"
done
for dir in /usr/local/lib*/python*/site-packages /usr/local/lib*/python*/dist-packages; do
    for module in @modules@; do
        for path in "$dir/$module" "$dir/$module.py"; do [ ! -e "$path" ] || say shadowing_module "$path"; done
    done
done

exit 0
""".replace("@rpms@", " ".join(REPORTED_RPMS)).replace("@modules@", " ".join(CHECKED_MODULES))
)


def build_command() -> Command:
    """Return the command that prints the facts of software.

    It runs concurrently, because listing all RPMs takes a second or two.
    """
    return Command(_SCRIPT, description="gather facts of software", concurrent=True)
