"""yum repositories whose server is gone, rewritten to a mirror that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, FrozenSet, Mapping, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, Unknown
from packstack_lite.resources.hostside_programs import read_program
from packstack_lite.resources.shell import REPLACE_FILE_SH, SCRATCH_DIR_SH, TRAILING_NEWLINE_SH, require_ok
from packstack_lite.secret import Secret, quote_sh

YUM_REPOS_DIR = "/etc/yum.repos.d"

_AWK = f"program={quote_sh(read_program('repositories.awk'))}\n"
_FIND_MIRRORS = SCRATCH_DIR_SH + _AWK + read_program("find_mirrors.sh")
# Standard input: the same tables, with the URLs that answer.
_REWRITE_URLS = (
    SCRATCH_DIR_SH
    + _AWK
    + TRAILING_NEWLINE_SH
    + REPLACE_FILE_SH
    + r"""
cat > "$work/tables"
for file in REPOS_DIR/*.repo; do
    [ -f "$file" ] || continue
    awk -v mode=edit -v repo_group="$repo_group" -v ends="$(ends "$file")" "$program" "$work/tables" "$file" \
        > "$work/new" || exit 1
    put "$file" "$work/new" || exit 1
done
"""
).replace("REPOS_DIR", YUM_REPOS_DIR)


class MirrorsState(TypedDict, total=False):
    """Repositories with dead URLs, and the mirrors that answer instead.

    ``dead`` are repositories, ``hosts`` the servers that are gone, ``lost`` repositories without a mirror, ``urls``
    lines of ``path TAB url``. The desired state has ``dead`` alone.
    """

    dead: Tuple[str, ...]
    hosts: Tuple[str, ...]
    lost: Tuple[str, ...]
    urls: Tuple[str, ...]


@dataclass(frozen=True)
class YumMirrors(IndividualResource[MirrorsState]):
    """Repositories in /etc/yum.repos.d, none of which uses a host that is gone.

    Dead URLs are replaced by the first of ``mirror_roots`` (tried for each repository) whose repomd.xml the node can
    fetch. ``dead_hosts`` and ``mirror_paths`` come from the profile's Mirrors. ``repo_group`` is ``base`` (the
    distribution's own repositories) or ``sig`` (those of special interest groups). With ``release_package``, which
    brings the repository files, the state is unknown until that is installed. ``curl_config`` are lines of curl's
    configuration (a proxy).
    """

    kind: ClassVar[str] = "repositories"
    repo_group: str
    mirror_roots: Tuple[str, ...]
    dead_hosts: Tuple[str, ...]
    mirror_paths: Mapping[str, str] = field(default_factory=dict, hash=False)
    release_package: str = ""
    curl_config: Secret = field(default_factory=lambda: Secret(""))
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``repositories:base`` or ``repositories:sig``."""
        return f"repositories:{self.repo_group}"

    @property
    def label(self) -> str:
        """Return ``base repositories`` or ``sig repositories``."""
        return f"{self.repo_group} repositories"

    def desired(self) -> MirrorsState:
        """Return that no repository has a dead URL."""
        return {"dead": ()}

    def describe(self, diff: Diff["YumMirrors"]) -> Description:
        """Describe the repositories, the mirrors they are pointed to, and the dead hosts."""
        state = diff.state()
        if state is None:
            return Description(f"point {self.repo_group} repositories to a mirror")
        urls = dict(line.split("\t") for line in state["urls"])
        roots = dict.fromkeys(url[: -len(path) - 1] for path, url in urls.items())
        target = ", ".join(roots) or "a mirror"
        reason = f"{', '.join(state['hosts'])} {_is_or_are(state['hosts'])} gone"
        reason += f"; no mirror answers for {', '.join(state['lost'])}" if state["lost"] else ""
        return Description(f"point {', '.join(state['dead'])} to {target}", reason)

    def describe_drift(self, diff: Diff["YumMirrors"]) -> str:
        """Describe the repositories that use hosts that are gone."""
        state = diff.state()
        if state is None:
            return f"{self.label} are missing"
        gone = f"{', '.join(state['hosts'])}, which {_is_or_are(state['hosts'])} gone"
        return f"repositories {', '.join(state['dead'])} use {gone}"

    def probe_one(self) -> Probe[MirrorsState]:
        """Return the probe that finds dead URLs and, for each, a mirror that answers.

        It takes up to 240 seconds. curl's settings hold proxy passwords and go through standard input.
        """
        require_release = (
            f"rpm -q --quiet --whatprovides {quote_sh(self.release_package)} >/dev/null 2>&1 || exit 75\n"
            if self.release_package
            else ""
        )
        script = f"{require_release}repo_group={self.repo_group}\n{_FIND_MIRRORS}"
        roots = "".join(f"root\t{root}\n" for root in self.mirror_roots)
        curl = "".join(f"curl\t{line}\n" for line in self.curl_config.reveal().splitlines())
        description = f"probe {self.repo_group} repositories"
        stdin = (self._tables() + roots + curl).encode()
        return Probe(Command(script, stdin=stdin, timeout=240, description=description, concurrent=True), self._parse)

    def _tables(self) -> str:
        """Return the script's input: dead hosts and the paths on mirrors, tab-separated."""
        hosts = "".join(f"dead\t{host}\n" for host in self.dead_hosts)
        return hosts + "".join(f"path\t{name}\t{path}\n" for name, path in self.mirror_paths.items())

    def _parse(self, reply: Reply) -> Dict[str, Observed[MirrorsState]]:
        """Return dead repositories, their hosts, those without a mirror, and new URLs.

        Unknown until the package that brings the repositories is installed.
        """
        if reply.code == 75:
            return {self.id: Unknown(Phase.PREPARE, f"{self.release_package} brings them")}
        require_ok(reply)
        rows = [line.split("\t") for line in reply.out.splitlines()]
        urls = {row[1]: row[2] for row in rows if row[0] == "url"}
        dead = [(row[2], row[3], row[4], row[5]) for row in rows if row[0] == "dead"]
        unusable = [entry for entry in dead if entry[1] == "on" or entry[3] in urls]
        state: MirrorsState = {
            "dead": tuple(dict.fromkeys(entry[0] for entry in unusable)),
            "hosts": tuple(dict.fromkeys(entry[2] for entry in unusable)),
            "lost": tuple(dict.fromkeys(entry[0] for entry in unusable if entry[3] not in urls)),
            "urls": tuple(f"{path}\t{url}" for path, url in urls.items()),
        }
        return {self.id: state}

    def diff_texts(self, diff: Diff["YumMirrors"]) -> Tuple[str, str]:
        """Return the repositories with dead URLs, and the URLs that replace those."""
        state: MirrorsState = diff.state() or {}
        urls = (line.split("\t")[1] + "\n" for line in state.get("urls", ()))
        return "".join(f"{name}\n" for name in state.get("dead", ())), "".join(urls)

    def fix_one(self, diff: Diff["YumMirrors"]) -> Command:
        """Return the command that points the repositories to mirrors.

        Where no mirror answers, the command fails and names the repositories and the mirrors that were tried.
        """
        state: MirrorsState = diff.state() or {}
        urls, lost = state.get("urls", ()), state.get("lost", ())
        script = f"repo_group={self.repo_group}\n{_REWRITE_URLS}"
        if lost or not urls:
            message = (
                f"no mirror answers for {', '.join(lost) or 'any repository'}; tried {', '.join(self.mirror_roots)}"
            )
            script += f"echo {quote_sh(message)} >&2\nexit 1\n"
        stdin = self._tables() + "".join(f"url\t{line}\n" for line in urls)
        description = f"point {self.repo_group} repositories to a mirror"
        return Command(script, stdin=stdin.encode(), timeout=60, description=description)


def _is_or_are(names: Tuple[str, ...]) -> str:
    """Return the verb for the number of names: "is" or "are"."""
    return "is" if len(names) == 1 else "are"
