"""Checks of software: leftovers, databases, Python, locale."""

from __future__ import annotations

import re
from typing import List

from packstack_lite.answers import PARAMETERS
from packstack_lite.engine.events import Finding
from packstack_lite.preflight import adoption, fixes, node_commands, rpm_repositories
from packstack_lite.preflight.check import CheckContext, Findings, error, info, warning
from packstack_lite.profiles import Profile
from packstack_lite.recommended import recommend_here

_MYSQL_SYSTEM_DIR = "/var/lib/mysql/mysql"
# Prefixes of the names of OpenStack's databases.
_SCHEMA_PREFIXES = (
    *("keystone", "glance", "nova", "placement", "neutron", "cinder", "barbican", "heat", "swift", "manila", "magnum"),
    *("aodh", "gnocchi", "panko", "ceilometer", "sahara", "trove", "ironic", "designate", "octavia", "ovs_neutron"),
)
# Module -> its package on Debian, on CentOS with Python 3, on CentOS 7.
_PYTHON_PACKAGES = {
    "yaml": ("python3-yaml", "python3-pyyaml", "PyYAML"),
    "pytz": ("python3-tz", "python3-pytz", "pytz"),
}
# Install parameter of a part of a service (an API, an agent) -> that of the service, by the table's conditions.
_PARENT_PARAMETERS = {
    parameter.name: condition[1]
    for parameter in PARAMETERS
    for condition in [re.fullmatch(r"(CONFIG_\w+_INSTALL) == y", parameter.condition)]
    if condition and parameter.name.endswith("_INSTALL")
}


def check_leftovers(context: CheckContext) -> Findings:
    """Check that no other tool's OpenStack is, or was, on the node.

    Reports Packstack's own files too, and a cloud of ours whose record is gone and which apply adopts.
    """
    facts = context.facts
    if context.adopted:
        evidence = ", ".join(facts.cloud.ours) or "the accounts in MariaDB, which have the answers' passwords"
        yield info(
            f"/var/lib/packstack-lite, the record of earlier runs, is gone; this cloud is recognised by: {evidence}",
            "nothing to do: apply writes the record again",
        )
    if facts.cloud.deployed_by_us:
        return
    foreign_paths = [path for path in facts.cloud.other_openstack if path != _MYSQL_SYSTEM_DIR]
    packstack_files = [path for path in facts.cloud.packstack_files if not path.endswith(".txt")]
    if foreign_paths:
        yield error(
            f"another OpenStack is or was here: {', '.join([*foreign_paths, *packstack_files])}",
            "use a fresh node, or remove it with the tool that made it, and its /etc and /var/lib directories",
        )
    elif packstack_files:
        answer_files = [path for path in facts.cloud.packstack_files if path.endswith(".txt")]
        yield warning(
            f"Packstack has left {', '.join(packstack_files)}, but no OpenStack",
            f"leave it, or rename it: {fixes.move_data_command(fixes.PACKSTACK)}"
            + (
                f"; its answer files can be used: --answer-file with a copy of {answer_files[-1]}"
                if answer_files
                else ""
            ),
            fixes.rename_to_orig(packstack_files),
        )


def check_database(context: CheckContext) -> Findings:
    """Check that MariaDB is empty or this cloud's, and lets root in by the socket.

    Data of another cloud, or of another application, would be reconfigured or lost.
    """
    facts = context.facts
    if _MYSQL_SYSTEM_DIR not in facts.cloud.other_openstack or context.answers.get("CONFIG_MARIADB_INSTALL") is False:
        return
    if facts.cloud.deployed_by_us:
        if facts.cloud.mariadb_root_error:
            yield error(
                f"MariaDB refuses root's login over the socket: {facts.cloud.mariadb_root_error}",
                node_commands.restore_root_login(),
            )
        elif context.adopted:
            yield from _check_passwords(context)
        return
    if adoption.database_matches(facts, context.answers):
        return
    foreign_schemas = _foreign_databases(context)
    if foreign_schemas:
        yield error(
            f"a MariaDB has databases that are not OpenStack's ({', '.join(foreign_schemas)}); it would be"
            " reconfigured",
            "use a fresh node; or, if nobody needs the data:"
            " systemctl stop mariadb; mv /var/lib/mysql /var/lib/mysql.old",
        )
    elif adoption.differing_passwords(facts, context.answers):
        yield from _check_passwords(context)
    elif facts.cloud.mariadb_databases or facts.cloud.mariadb_root_error:
        yield _old_database(context)


def _check_passwords(context: CheckContext) -> Findings:
    """Report the password answers that differ from an earlier cloud's accounts."""
    wrong_answers = adoption.differing_passwords(context.facts, context.answers)
    is_movable = not _foreign_databases(context)
    if wrong_answers:
        yield error(
            f"a MariaDB with an earlier cloud's data ({', '.join(context.facts.cloud.mariadb_databases)}) has accounts"
            f" with other passwords than the answers: {', '.join(wrong_answers)}",
            "deploy with that cloud's answer file\n"
            "to give the accounts the passwords of these answers: --ignore database"
            + (f"\n{_move_data_hint()}" if is_movable else ""),
            fixes.replace_old_database() if is_movable else None,
        )


def _old_database(context: CheckContext) -> Finding:
    """Report data that cannot be recognised as this cloud's, with the reason."""
    facts = context.facts
    contents = (
        f" with an earlier cloud's data ({', '.join(facts.cloud.mariadb_databases)})"
        if facts.cloud.mariadb_databases
        else ""
    )
    if facts.cloud.mariadb_root_error:
        reason = (
            f"it refuses root's login over the socket, so that apply cannot use it: {facts.cloud.mariadb_root_error}"
        )
        hint = str(node_commands.restore_root_login())
    elif facts.cloud.accounts:
        reason = (
            f"it has no database {adoption.KEYSTONE.schema} whose account has {adoption.KEYSTONE.password_parameter}"
        )
        hint = "deploy with that cloud's answer file"
    else:
        reason = "its accounts could not be read and compared with the answers"
        hint = f"systemctl start mariadb, then {recommend_here('preflight')}, which recognises this cloud's data"
    return error(
        f"an old MariaDB{contents} is there; {reason}", f"{hint}\n{_move_data_hint()}", fixes.replace_old_database()
    )


def _move_data_hint() -> str:
    """Return the hint that names the command line which renames an old MariaDB's data."""
    return f"if nobody needs the data (they are renamed): {fixes.move_data_command(fixes.MARIADB)}"


def _foreign_databases(context: CheckContext) -> List[str]:
    """Return the databases that are not OpenStack's.

    With one there, no fix moves the directory that holds them all.
    """
    return [name for name in context.facts.cloud.mariadb_databases if not _is_openstack_schema(name)]


def _is_openstack_schema(schema: str) -> bool:
    """Return whether a database's name begins like those of OpenStack's services."""
    return schema.startswith(_SCHEMA_PREFIXES)


def check_python_modules(context: CheckContext) -> Findings:
    """Check that OpenStack's Python imports its modules, and from the distribution.

    A module that was removed stops services; one that pip installed may be a version that they do not work with.
    """
    facts, profile = context.facts, context.profile
    if profile is None:
        return
    missing = [
        module
        for interpreter, _, module in (entry.partition(" ") for entry in facts.software.missing_python_modules)
        if module in _PYTHON_PACKAGES and profile.python.startswith(interpreter)
    ]
    if context.has_our_packages and missing:
        uses_rpm = profile.package_manager != "apt"
        names = [_PYTHON_PACKAGES[module][_package_column(profile)] for module in missing]
        yield warning(
            f"{profile.python} cannot import {', '.join(missing)}, which OpenStack's programs need",
            node_commands.yum_install(names, rpm_repositories.find_dead_repos(context))
            if uses_rpm
            else node_commands.apt_install(names),
            fixes.yum_install(names, rpm_repositories.find_dead_repos(context))
            if uses_rpm
            else fixes.apt_install(names),
        )
    if facts.software.shadowing_modules:
        yield warning(
            f"modules installed by pip come before the distribution's: {', '.join(facts.software.shadowing_modules)}",
            "pip uninstall them, as OpenStack may not work with them; use a virtual environment for what needs them",
        )


def _package_column(profile: Profile) -> int:
    """Return the column of _PYTHON_PACKAGES: 0 for apt, 1 for Python 3's RPMs, else 2."""
    return 0 if profile.package_manager == "apt" else 1 if profile.python.startswith("python3") else 2


def check_locale(context: CheckContext) -> Findings:
    """Check that the node's locale (LANG) is installed and UTF-8.

    Programs warn about a missing one in their output, and cannot print every name without UTF-8.
    """
    facts = context.facts
    charset = facts.system.locale.partition(".")[2].partition("@")[0].lower().replace("-", "")
    # CentOS 7 has no C.UTF-8.
    lacks_c_utf8 = context.profile is not None and context.profile.package_manager == "yum"
    lang, files = ("en_US", "") if lacks_c_utf8 else ("C", " or /etc/default/locale")
    hint = f"set LANG={lang}.UTF-8 in /etc/locale.conf{files}"
    if facts.system.missing_locale:
        yield warning(
            f"LANG={facts.system.missing_locale}, which is not installed: programs warn about it in the"
            " middle of their output, and some stop",
            hint,
            fixes.set_locale(),
        )
    elif charset not in ("", "utf8"):
        yield warning(
            f"LANG={facts.system.locale} is not UTF-8: OpenStack's programs cannot print every name",
            hint,
            fixes.set_locale(),
        )


def check_requested_services(context: CheckContext) -> Findings:
    """Check that packstack-lite can deploy every service that the answers switch on."""
    if context.profile is None:
        return
    requested = [name for name in context.answers if name.endswith("_INSTALL") and _is_requested(context, name)]
    missing: List[str] = [name for name in requested if _service_name(name) not in context.profile.packages]
    if missing:
        services = sorted({_service_name(name) for name in missing})
        yield warning(
            f"requested, but not in this version of packstack-lite: {', '.join(services)}",
            "to go on without them: " + " ".join(f"{name}=n" for name in sorted(missing)),
        )


def _is_requested(context: CheckContext, parameter: str) -> bool:
    """Return whether the answer is y, and its parent service's too.

    Packstack's default for Heat's CFN API is y without Heat.
    """
    parent_parameter = _PARENT_PARAMETERS.get(parameter, parameter)
    return context.answers[parameter] is True and context.answers.get(parent_parameter, True) is True


def _service_name(parameter: str) -> str:
    """Return the service of an install parameter, as its package group is called."""
    return _PARENT_PARAMETERS.get(parameter, parameter)[len("CONFIG_") : -len("_INSTALL")].lower()
