"""RPMs from payloads: a directory of files for each name, and a row of a table that says what goes with them.

Pure but for ``build``. The packages are built by the real rpmbuild, inside a tree that holds it.
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
    """An account that a package's %pre makes, with a group of its name; ``uid`` None is the next free one."""

    name: str
    uid: Optional[int] = None
    groups: Tuple[str, ...] = ()
    home: str = "/"
    shell: str = "/sbin/nologin"


@dataclass(frozen=True)
class Rpm:
    """One package but for its files.

    ``key`` is its row of the table and the directory of its payload, ``name`` what rpm calls it.
    ``repository`` is the name of the one it is kept in. ``modes`` maps a path or a pattern to ``MODE OWNER:GROUP``
    ("-" keeps the mode it has). ``dirs`` are directories that it owns besides those of its payload. ``config`` are
    patterns of %config(noreplace) files. ``units`` are preset at installation, as %systemd_post does. ``pre`` and
    ``post`` are shell text, ``raw`` lines of the spec's head and ``triggers`` its last sections, as they are.
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
    """What RDO's %pre does: groups and accounts that are not there, memberships always."""
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
    """%systemd_post, then the package's own."""
    lines = [f'[ "$1" -ne 1 ] || systemctl --no-reload preset {" ".join(rpm.units)} >/dev/null 2>&1 || :'] * bool(
        rpm.units
    )
    return "\n".join([*lines, rpm.post.strip()]).strip()


def file_attributes(path: str, rpm: Rpm) -> str:
    """The %attr of a path, "" where it keeps what it has; the longest pattern that fits decides."""
    matching = sorted((p for p in rpm.modes if fnmatch.fnmatchcase(path, p.rstrip("/"))), key=len)
    if not matching:
        return ""
    mode, owner = rpm.modes[matching[-1]].split()
    user, group = owner.split(":")
    return f"%attr({mode},{user},{group}) "


def file_lines(payload: Path, rpm: Rpm, system: Path, owned: Container[str] = ()) -> Iterator[str]:
    """The lines of %files: every file and link, and its directories.

    A directory is its own where the row says so, or else where neither the system has it nor another row
    owns it (``owned``): two packages that own one in different ways cannot be installed together.
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
    """The lines of a package's head that follow its name."""
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
    """The spec file; ``payload`` is the directory of its files inside the tree where it is built."""
    parts = [("%description", DESCRIPTION)]
    parts += [("%install", f"mkdir -p %{{buildroot}}; cp -al {payload}/. %{{buildroot}}/")]
    parts += [("%pre", pre_script(rpm))] * bool(pre_script(rpm))
    parts += [("%post", post_script(rpm))] * bool(post_script(rpm))
    parts += [(f"%files -f {payload}.files", "%defattr(-,root,root,-)")]
    body = "\n\n".join(f"{title}\n{text}" for title, text in parts)
    return f"{SPEC_MACROS}Name: {rpm.name}\n{header_lines(rpm)}\n{body}\n\n{rpm.triggers}"


def hollow_spec_text(rpms: Sequence[Rpm]) -> str:
    """One spec for many packages of which each is but its name: rpmbuild's start is most of what one takes."""
    main = header_lines(Rpm("hollow", "hollow", ""))
    parts = [f"%package -n {rpm.name}\n{header_lines(rpm)}%description -n {rpm.name}\n{DESCRIPTION}" for rpm in rpms]
    files = [f"%files -n {rpm.name}" for rpm in rpms]
    return f"{SPEC_MACROS}Name: hollow\n{main}\n%description\n{DESCRIPTION}\n\n" + "\n\n".join([*parts, *files]) + "\n"


# $1 is the package, $2 the directory for it; rpmbuild's own words are kept until it has succeeded.
BUILD_SCRIPT = """#!/bin/sh
set -eu
log=/build/payload/$1.log
rpmbuild -bb --quiet --nodeps --define "_buildhost localhost" --define "_topdir /build/rpm" \\
    --define "_builddir /build/rpm/$1" --define "_rpmdir $2" \\
    --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" "/build/payload/$1.spec" >"$log" 2>&1 || {
    echo "rpmbuild $1:" "$(tail -n 2 "$log")"
    exit 255
}
rm -rf "/build/rpm/$1"
"""


def build_rpms(tree: Path, rpms: Sequence[Rpm], repositories: str, progress: ProgressCallback) -> None:
    """Build every package from ``tree``/build/payload/KEY into its directory of ``repositories``, and index these.

    ``tree`` must hold rpmbuild and createrepo_c; ``repositories`` is a place inside it. SandboxError with rpmbuild's
    last words.
    """
    payloads = tree / "build/payload"
    owned = {path for rpm in rpms for path in (*rpm.owned_dirs, *rpm.modes)}
    with_content = [rpm for rpm in rpms if not _write_spec(tree, payloads / rpm.key, rpm, owned)]
    progress(f"building {len(rpms)} RPMs")
    jobs = [f"{rpm.key} {repositories}/{rpm.repository}\n" for rpm in with_content]
    repository_names = sorted({rpm.repository for rpm in rpms})
    for repository in repository_names:
        without_content = [rpm for rpm in rpms if rpm.repository == repository and rpm not in with_content]
        (payloads / f"hollow-of-{repository}.spec").write_text(hollow_spec_text(without_content))
        jobs += [f"hollow-of-{repository} {repositories}/{repository}\n"] if without_content else []
    (tree / "build/one").write_text(BUILD_SCRIPT)
    run_script(
        tree,
        f"cd / && mkdir -p /build/rpm {repositories} && cd {repositories} && mkdir -p {' '.join(repository_names)}\n"
        f"xargs -P {os.cpu_count() or 1} -L 1 sh /build/one <<'EOF'\n{''.join(jobs)}EOF\n"
        f"for place in {' '.join(repository_names)}; do createrepo_c --quiet $place; done\n",
    )


def _write_spec(tree: Path, payload: Path, rpm: Rpm, owned: Container[str]) -> bool:
    """Have the package's spec and list of files beside its payload; True where it is hollow: no file, no script."""
    payload.mkdir(parents=True, exist_ok=True)
    for path in rpm.owned_dirs:
        (payload / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    payload_path = f"/build/payload/{rpm.key}"
    lines = "".join(f"{line}\n" for line in file_lines(payload, rpm, tree, owned))
    payload.with_name(rpm.key + ".files").write_text(lines)
    payload.with_name(rpm.key + ".spec").write_text(spec_text(rpm, payload_path))
    return not (lines or pre_script(rpm) or post_script(rpm) or rpm.triggers)
