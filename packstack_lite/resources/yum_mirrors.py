"""yum's repositories that lead nowhere any more, led to a mirror that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.resources.edit_sh import REPLACE_FILE_SH, SCRATCH_DIR_SH, TRAILING_NEWLINE_SH
from packstack_lite.secret import Secret, quote_sh

YUM_REPOS_DIR = "/etc/yum.repos.d"


def _read_hostside(name: str) -> str:
    return (package_files.files("packstack_lite.resources") / "hostside" / name).read_text(encoding="utf-8")


_AWK = f"program={quote_sh(_read_hostside('repositories.awk'))}\n"
_FIND_MIRRORS = SCRATCH_DIR_SH + _AWK + _read_hostside("find_mirrors.sh")
# The tables again, with the urls that were found.
_REWRITE_URLS = (
    SCRATCH_DIR_SH
    + _AWK
    + TRAILING_NEWLINE_SH
    + REPLACE_FILE_SH
    + r"""
cat > "$work/tables"
for file in PLACE/*.repo; do
    [ -f "$file" ] || continue
    awk -v mode=lead -v tree="$tree" -v ends="$(ends "$file")" "$program" "$work/tables" "$file" > "$work/new" || exit 1
    put "$file" "$work/new" || exit 1
done
"""
).replace("PLACE", YUM_REPOS_DIR)


@dataclass(frozen=True)
class YumMirrors(Resource):
    """No enabled repository in /etc/yum.repos.d leads to a host that is gone.

    Those that do are led to the first of ``roots`` (URLs above the trees, each repository by itself) whose repomd.xml
    the host can fetch. ``dead`` and ``paths`` are Mirrors' tables. ``tree`` is ``base`` (the distribution's own) or
    ``sig`` (of the special interest groups). With ``release``, a package that brings such files, nothing is known
    before that is installed. ``curl`` are lines of curl's configuration (a proxy).
    """

    kind: ClassVar[str] = "repositories"
    tree: str
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
        return f"repositories:{self.tree}"

    def desired(self) -> Optional[State]:
        return {"dead": ()}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(YumMirrors, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        require_release = (
            f"rpm -q --quiet --whatprovides {quote_sh(self.release_package)} >/dev/null 2>&1 || exit 75\n"
            if self.release_package
            else ""
        )
        script = f"{require_release}tree={self.tree}\n{_FIND_MIRRORS}"
        roots = "".join(f"root\t{root}\n" for root in self.mirror_roots)
        curl = "".join(f"curl\t{line}\n" for line in self.curl_config.reveal().splitlines())
        description = f"look at {self.tree} repositories"
        stdin = (self._tables() + roots + curl).encode()
        return Probe(Command(script, stdin=stdin, timeout=240, description=description, concurrent=True), self._parse)

    def _tables(self) -> str:
        hosts = "".join(f"dead\t{host}\n" for host in self.dead_hosts)
        return hosts + "".join(f"path\t{name}\t{path}\n" for name, path in self.mirror_paths.items())

    def _parse(self, reply: Reply) -> Dict[str, Observed]:
        if reply.code == 75:
            return {self.id: Unknown(Phase.PREPARE, f"{self.release_package} brings them")}
        if not reply.ok:
            raise ValueError(f"exit {reply.code}: {reply.err.strip()[-300:]}")
        lines = [line.split("\t") for line in reply.out.splitlines()]
        urls = {line[1]: line[2] for line in lines if line[0] == "url"}
        dead = [(line[2], line[3], line[4], line[5]) for line in lines if line[0] == "dead"]
        unusable = [entry for entry in dead if entry[1] == "on" or entry[3] in urls]
        state: Dict[str, Tuple[str, ...]] = {
            "dead": tuple(dict.fromkeys(entry[0] for entry in unusable)),
            "hosts": tuple(dict.fromkeys(entry[2] for entry in unusable)),
            "lost": tuple(dict.fromkeys(entry[0] for entry in unusable if entry[3] not in urls)),
            "urls": tuple(f"{path}\t{url}" for path, url in urls.items()),
        }
        return {self.id: state}

    def describe(self, diff: Diff) -> str:
        """Which repositories, where they lead to, and which mirror answers instead."""
        observed = cast(Mapping[str, Tuple[str, ...]], diff.observed)
        urls = dict(line.split("\t") for line in observed["urls"])
        roots = dict.fromkeys(url[: -len(path) - 1] for path, url in urls.items())
        text = f"{', '.join(observed['dead'])} lead to {', '.join(observed['hosts'])} (gone)"
        text += f" → {', '.join(roots)} (answers)" if roots else ""
        return text + (f"; no mirror answers for {', '.join(observed['lost'])}" if observed["lost"] else "")

    def diff_texts(self, diff: Diff) -> Tuple[str, str]:
        """The repositories that lead nowhere, and the URLs in their place."""
        observed = diff.observed if isinstance(diff.observed, Mapping) else {}
        dead, urls = (cast(Tuple[str, ...], observed.get(key, ())) for key in ("dead", "urls"))
        return "".join(f"{name}\n" for name in dead), "".join(line.split("\t")[1] + "\n" for line in urls)

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(YumMirrors, diff.resource)._rewrite_urls(diff) for diff in diffs]

    def _rewrite_urls(self, diff: Diff) -> Command:
        observed = diff.observed if isinstance(diff.observed, Mapping) else {}
        urls = cast(Tuple[str, ...], observed.get("urls", ()))
        lost = cast(Tuple[str, ...], observed.get("lost", ()))
        script = f"tree={self.tree}\n{_REWRITE_URLS}"
        if lost or not urls:
            message = (
                f"no mirror answers for {', '.join(lost) or 'any repository'}; tried {', '.join(self.mirror_roots)}"
            )
            script += f"echo {quote_sh(message)} >&2\nexit 1\n"
        stdin = self._tables() + "".join(f"url\t{line}\n" for line in urls)
        return Command(
            script, stdin=stdin.encode(), timeout=60, description=f"lead {self.tree} repositories to a mirror"
        )
