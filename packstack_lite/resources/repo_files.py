"""yum's repositories that lead nowhere any more, led to a mirror that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.edited import ENDS, PUT, SCRATCH
from packstack_lite.secret import Secret, sh

PLACE = "/etc/yum.repos.d"


def _hostside(name: str) -> str:
    return (package_files.files("packstack_lite.resources") / "hostside" / name).read_text(encoding="utf-8")


_AWK = f"program={sh(_hostside('repositories.awk'))}\n"
_FIND = SCRATCH + _AWK + _hostside("find_mirrors.sh")
# The tables again, with the urls that were found.
_LEAD = (
    SCRATCH
    + _AWK
    + ENDS
    + PUT
    + r"""
cat > "$work/tables"
for file in PLACE/*.repo; do
    [ -f "$file" ] || continue
    awk -v mode=lead -v tree="$tree" -v ends="$(ends "$file")" "$program" "$work/tables" "$file" > "$work/new" || exit 1
    put "$file" "$work/new" || exit 1
done
"""
).replace("PLACE", PLACE)


@dataclass(frozen=True)
class RepoFiles(Resource):
    """No enabled repository in /etc/yum.repos.d leads to a host that is gone.

    Those that do are led to the first of ``roots`` (URLs above the trees, each repository by itself) whose repomd.xml
    the host can fetch. ``dead`` and ``paths`` are Mirrors' tables. ``tree`` is ``base`` (the distribution's own) or
    ``sig`` (of the special interest groups). With ``release``, a package that brings such files, nothing is known
    before that is installed. ``curl`` are lines of curl's configuration (a proxy).
    """

    kind: ClassVar[str] = "repositories"
    tree: str
    roots: Tuple[str, ...]
    dead: Tuple[str, ...]
    paths: Mapping[str, str] = field(default_factory=dict, hash=False)
    release: str = ""
    curl: Secret = field(default_factory=lambda: Secret(""))
    phase: Phase = Phase.PREPARE
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"repositories:{self.tree}"

    def want(self) -> Optional[State]:
        return {"dead": ()}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(RepoFiles, member)._look() for member in group]

    def _look(self) -> Look:
        asked = f"rpm -q --quiet --whatprovides {sh(self.release)} >/dev/null 2>&1 || exit 75\n" if self.release else ""
        script = f"{asked}tree={self.tree}\n{_FIND}"
        roots = "".join(f"root\t{root}\n" for root in self.roots)
        curl = "".join(f"curl\t{line}\n" for line in self.curl.reveal().splitlines())
        says = f"look at {self.tree} repositories"
        stdin = (self._tables() + roots + curl).encode()
        return Look(Command(script, stdin=stdin, timeout=240, says=says, slow=True), self._parse)

    def _tables(self) -> str:
        hosts = "".join(f"dead\t{host}\n" for host in self.dead)
        return hosts + "".join(f"path\t{name}\t{place}\n" for name, place in self.paths.items())

    def _parse(self, reply: Reply) -> Dict[str, Seen]:
        if reply.code == 75:
            return {self.id: Unknown(Phase.PREPARE, f"{self.release} brings them")}
        if not reply.ok:
            raise ValueError(f"exit {reply.code}: {reply.err.strip()[-300:]}")
        lines = [line.split("\t") for line in reply.out.splitlines()]
        urls = {line[1]: line[2] for line in lines if line[0] == "url"}
        dead = [(line[2], line[3], line[4], line[5]) for line in lines if line[0] == "dead"]
        wrong = [entry for entry in dead if entry[1] == "on" or entry[3] in urls]
        state: Dict[str, Tuple[str, ...]] = {
            "dead": tuple(dict.fromkeys(entry[0] for entry in wrong)),
            "hosts": tuple(dict.fromkeys(entry[2] for entry in wrong)),
            "lost": tuple(dict.fromkeys(entry[0] for entry in wrong if entry[3] not in urls)),
            "urls": tuple(f"{place}\t{url}" for place, url in urls.items()),
        }
        return {self.id: state}

    def words(self, gap: Gap) -> str:
        """Which repositories, where they lead to, and which mirror answers instead."""
        seen = cast(Mapping[str, Tuple[str, ...]], gap.seen)
        found = dict(line.split("\t") for line in seen["urls"])
        roots = dict.fromkeys(url[: -len(place) - 1] for place, url in found.items())
        told = f"{', '.join(seen['dead'])} lead to {', '.join(seen['hosts'])} (gone)"
        told += f" → {', '.join(roots)} (answers)" if roots else ""
        return told + (f"; no mirror answers for {', '.join(seen['lost'])}" if seen["lost"] else "")

    def diff(self, gap: Gap) -> Tuple[str, str]:
        """The repositories that lead nowhere, and the URLs in their place."""
        seen = gap.seen if isinstance(gap.seen, Mapping) else {}
        dead, urls = (cast(Tuple[str, ...], seen.get(key, ())) for key in ("dead", "urls"))
        return "".join(f"{name}\n" for name in dead), "".join(line.split("\t")[1] + "\n" for line in urls)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(RepoFiles, gap.resource)._lead(gap) for gap in gaps]

    def _lead(self, gap: Gap) -> Command:
        seen = gap.seen if isinstance(gap.seen, Mapping) else {}
        urls = cast(Tuple[str, ...], seen.get("urls", ()))
        lost = cast(Tuple[str, ...], seen.get("lost", ()))
        script = f"tree={self.tree}\n{_LEAD}"
        if lost or not urls:
            told = f"no mirror answers for {', '.join(lost) or 'any repository'}; tried {', '.join(self.roots)}"
            script += f"echo {sh(told)} >&2\nexit 1\n"
        stdin = self._tables() + "".join(f"url\t{line}\n" for line in urls)
        return Command(script, stdin=stdin.encode(), timeout=60, says=f"lead {self.tree} repositories to a mirror")
