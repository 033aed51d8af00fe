"""Build RPMs by rpmbuild.

Each is made from a payload (a directory of files) and an ``Rpm``, a row of the layout's table.

Everything is pure except ``build_rpms``, which runs rpmbuild in a tree that has it. Called by ``el_layout``.
"""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Container, Iterator, Mapping, Optional, Sequence, Tuple

from packstack_lite.sandbox.local_commands import ProgressCallback
from packstack_lite.sandbox.nspawn_run import run_script


@dataclass(frozen=True)
class User:
    """An account that a package's %pre makes, with a group of its name and number.

    ``uid`` None means the next free number.
    """

    name: str
    uid: Optional[int] = None
    groups: Tuple[str, ...] = ()
    home: str = "/"
    shell: str = "/sbin/nologin"


@dataclass(frozen=True)
class Rpm:
    """One RPM package without its files.

    ``key`` names its row in the table and its payload's directory; ``name`` is its name for rpm. ``repository`` is the
    name of the repository that it is in. ``modes`` maps a path or pattern to ``MODE OWNER:GROUP``; the mode "-" keeps
    the file's own. ``owned_dirs`` are directories that it owns besides those of its payload. ``config_patterns`` match
    its %config(noreplace) files. ``units`` are preset at installation, as %systemd_post does. ``pre`` and ``post`` are
    shell text; ``raw`` is added to the spec's header and ``triggers`` to its end, both unchanged.
    """

    key: str
    name: str
    repository: str
    version: str = "1"
    release: str = "1"
    summary: str = ""
    requires: Tuple[str, ...] = ()
    provides: Tuple[str, ...] = ()
    obsoletes: Tuple[str, ...] = ()
    conflicts: Tuple[str, ...] = ()
    users: Tuple[User, ...] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    owned_dirs: Tuple[str, ...] = ()
    config_patterns: Tuple[str, ...] = ()
    units: Tuple[str, ...] = ()
    pre: str = ""
    post: str = ""
    raw: str = ""
    triggers: str = ""


def pre_script(rpm: Rpm) -> str:
    """Return the %pre script.

    It adds missing groups and accounts, and sets group memberships, as RDO's does.
    """
    lines = []
    for user in rpm.users:
        uid_option = f"-u {user.uid} " if user.uid is not None else ""
        gid_option = f"-g {user.uid} " if user.uid is not None else ""
        lines.append(f"getent group {user.name} >/dev/null || groupadd -r {gid_option}{user.name}")
        lines.append(
            f"getent passwd {user.name} >/dev/null || "
            f"useradd -r {uid_option}-g {user.name} -d {user.home} -s {user.shell} -M {user.name}"
        )
        other_groups = [name for name in user.groups if name != user.name]
        lines += [f"getent group {name} >/dev/null || groupadd -r {name}" for name in other_groups]
        lines += [f"usermod -a -G {','.join(other_groups)} {user.name}"] if other_groups else []
    return "\n".join([*lines, rpm.pre.strip()]).strip()


def post_script(rpm: Rpm) -> str:
    """Return the %post script.

    It runs %systemd_post for the units, then the package's own text.
    """
    lines = [f'[ "$1" -ne 1 ] || systemctl --no-reload preset {" ".join(rpm.units)} >/dev/null 2>&1 || :'] * bool(
        rpm.units
    )
    return "\n".join([*lines, rpm.post.strip()]).strip()


def file_attributes(path: str, rpm: Rpm) -> str:
    """Return the %attr of a path by the longest pattern that matches, "" for none."""
    matching = sorted((p for p in rpm.modes if fnmatch.fnmatchcase(path, p.rstrip("/"))), key=len)
    if not matching:
        return ""
    mode, owner = rpm.modes[matching[-1]].split()
    user, group = owner.split(":")
    return f"%attr({mode},{user},{group}) "


def file_lines(payload: Path, rpm: Rpm, system: Path, owned: Container[str] = ()) -> Iterator[str]:
    """Yield the lines of %files.

    They are all files and links of the payload, and the directories that the package owns. It owns a directory where
    its row says so, or where neither the tree ``system`` has it nor another row owns it (``owned``): two packages that
    own one directory with different modes cannot be installed together.
    """
    for directory, directories, files in os.walk(payload):
        relative_dir = "/" + os.path.relpath(directory, payload)
        for name in sorted(directories):
            path = os.path.normpath(f"{relative_dir}/{name}")
            if os.path.islink(payload / path[1:]):
                files.append(name)
            elif (
                path in rpm.owned_dirs
                or file_attributes(path, rpm)
                or not (path in owned or (system / path[1:]).is_dir())
            ):
                yield f'%dir {file_attributes(path, rpm)}"{path}"'
        for name in sorted(files):
            path = os.path.normpath(f"{relative_dir}/{name}")
            config = any(fnmatch.fnmatchcase(path, pattern) for pattern in rpm.config_patterns)
            yield f'{"%config(noreplace) " if config else ""}{file_attributes(path, rpm)}"{path}"'


SPEC_MACROS = """\
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _empty_manifest_terminate_build 0
%global _binary_payload w1.gzdio
"""
DESCRIPTION = "A package of the test host with enterprise Linux's layout."


def header_lines(rpm: Rpm) -> str:
    """Return the lines of a spec's header that follow the package's name."""
    lists = [("Requires", rpm.requires), ("Provides", rpm.provides), ("Obsoletes", rpm.obsoletes)]
    lists += [("Conflicts", rpm.conflicts)]
    lines = [
        f"Version: {rpm.version}",
        f"Release: {rpm.release}",
        f"Summary: {rpm.summary or rpm.name}",
        "License: see the files",
        "AutoReqProv: no",
        *[f"{tag}: {value}" for tag, values in lists for value in values],
        *rpm.raw.splitlines(),
    ]
    return "".join(f"{line}\n" for line in lines)


def spec_text(rpm: Rpm, payload: str) -> str:
    """Return the spec file.

    ``payload`` is the path of the package's files inside the build tree.
    """
    parts = [("%description", DESCRIPTION)]
    parts += [("%install", f"mkdir -p %{{buildroot}}; cp -al {payload}/. %{{buildroot}}/")]
    parts += [("%pre", pre_script(rpm))] * bool(pre_script(rpm))
    parts += [("%post", post_script(rpm))] * bool(post_script(rpm))
    parts += [(f"%files -f {payload}.files", "%defattr(-,root,root,-)")]
    body = "\n\n".join(f"{title}\n{text}" for title, text in parts)
    return f"{SPEC_MACROS}Name: {rpm.name}\n{header_lines(rpm)}\n{body}\n\n{rpm.triggers}"


def empty_packages_spec_text(rpms: Sequence[Rpm]) -> str:
    """Return one spec for many packages without files.

    Starting rpmbuild takes most of the time of one.
    """
    main = header_lines(Rpm("empty", "empty", ""))
    parts = [f"%package -n {rpm.name}\n{header_lines(rpm)}%description -n {rpm.name}\n{DESCRIPTION}" for rpm in rpms]
    files = [f"%files -n {rpm.name}" for rpm in rpms]
    return f"{SPEC_MACROS}Name: empty\n{main}\n%description\n{DESCRIPTION}\n\n" + "\n\n".join([*parts, *files]) + "\n"


# $1 is the package, $2 the directory for it. Two lines of rpmbuild's output are shown where it fails. What an earlier
# attempt has built is not built again.
BUILD_SCRIPT = """#!/bin/sh
set -eu
[ ! -e "$2/.built/$1" ] || exit 0
log=/build/payload/$1.log
rpmbuild -bb --quiet --nodeps --define "_buildhost localhost" --define "_topdir /build/rpm" \\
    --define "_builddir /build/rpm/$1" --define "_rpmdir $2" \\
    --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" "/build/payload/$1.spec" >"$log" 2>&1 || {
    echo "rpmbuild $1:" "$(tail -n 2 "$log")"
    exit 255
}
rm -rf "/build/rpm/$1"
: >"$2/.built/$1"
"""
# rpmbuild makes them if they are missing: of two that run at once, the second fails ("File exists").
TOP_DIRECTORIES = ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS")


def build_rpms(tree: Path, rpms: Sequence[Rpm], repositories: str, progress: ProgressCallback) -> None:
    """Build all packages from ``tree``/build/payload/KEY, and index them.

    ``tree`` must have rpmbuild and createrepo_c; ``repositories`` is a path inside it, of a directory with one
    subdirectory for each repository. Raises SandboxError with rpmbuild's last lines of output. The directories then
    hold what was built so far; a further call builds the rest.
    """
    payloads = tree / "build/payload"
    owned = {path for rpm in rpms for path in (*rpm.owned_dirs, *rpm.modes)}
    with_content = [rpm for rpm in rpms if not _write_spec(tree, payloads / rpm.key, rpm, owned)]
    progress(f"building {len(rpms)} RPMs")
    jobs = [f"{rpm.key} {repositories}/{rpm.repository}\n" for rpm in with_content]
    repository_names = sorted({rpm.repository for rpm in rpms})
    for repository in repository_names:
        without_content = [rpm for rpm in rpms if rpm.repository == repository and rpm not in with_content]
        (payloads / f"empty-packages-of-{repository}.spec").write_text(empty_packages_spec_text(without_content))
        jobs += [f"empty-packages-of-{repository} {repositories}/{repository}\n"] if without_content else []
    (tree / "build/one").write_text(BUILD_SCRIPT)
    run_script(
        tree,
        f"cd / && mkdir -p {' '.join(f'/build/rpm/{name}' for name in TOP_DIRECTORIES)} {repositories}\n"
        f"cd {repositories} && mkdir -p {' '.join(f'{name}/.built' for name in repository_names)}\n"
        f"xargs -P {os.cpu_count() or 1} -L 1 sh /build/one <<'EOF'\n{''.join(jobs)}EOF\n"
        f"for name in {' '.join(repository_names)}; do rm -rf $name/.built; createrepo_c --quiet $name; done\n",
    )


def _write_spec(tree: Path, payload: Path, rpm: Rpm, owned: Container[str]) -> bool:
    """Write a package's spec and list of files next to its payload.

    Returns True for a package without files and scripts, which ``empty_packages_spec_text`` builds.
    """
    payload.mkdir(parents=True, exist_ok=True)
    for path in rpm.owned_dirs:
        (payload / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    payload_path = f"/build/payload/{rpm.key}"
    lines = "".join(f"{line}\n" for line in file_lines(payload, rpm, tree, owned))
    payload.with_name(rpm.key + ".files").write_text(lines)
    payload.with_name(rpm.key + ".spec").write_text(spec_text(rpm, payload_path))
    return not (lines or pre_script(rpm) or post_script(rpm) or rpm.triggers)
