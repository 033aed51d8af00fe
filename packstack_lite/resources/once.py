"""Work done once: schema syncs, bootstraps, mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.names import job_name
from packstack_lite.secret import sh

TOKENS = "/var/lib/packstack-lite/once"
REMARK = "packstack-lite remarks: "


@dataclass(frozen=True)
class Once(Resource):
    """A script that has been run, with a test of its outcome.

    ``done`` is sh: exit 0 done, 1 not done, 75 cannot be told before ``known_after``.
    ``token`` says for which circumstances it was done (a release, say); when it differs from
    the one kept on the host, the script runs again. Lines of its output that begin with REMARK
    are told as warnings. ``guards`` makes it part of every run that comes by its tags, from
    whichever phase that begins.
    """

    kind: ClassVar[str] = "once"
    name: str
    script: str
    done: str
    token: str = "1"
    stdin: bytes = b""
    known_after: Phase = Phase.DATABASES
    timeout: float = 600.0
    says: str = ""
    guards: bool = False
    phase: Phase = Phase.SCHEMA
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"once:{self.name}"

    @property
    def place(self) -> str:
        """Where its token is kept."""
        return f"{TOKENS}/{job_name(self.name)}"

    def want(self) -> Optional[State]:
        return {"done": True, "token": self.token}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        works = cast("Sequence[Once]", group)
        tell = "printf '%s\\t%s\\n' $? \"$(cat {} 2>/dev/null || echo none)\""
        parts = [f"( {work.done}\n) >/dev/null 2>&1 </dev/null; {tell.format(sh(work.place))}" for work in works]

        def parse(reply: Reply) -> Dict[str, Seen]:
            lines = [line.split("\t") for line in reply.out.splitlines()]
            if len(lines) != len(works):
                raise ValueError(f"{len(lines)} lines for {len(works)} questions: {reply.err.strip()}")
            return {work.id: _seen(work, int(code), token) for work, (code, token) in zip(works, lines)}

        return [Look(Command("\n".join(parts), timeout=60, says="look at what was done once"), parse)]

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Once, gap.resource)._job() for gap in gaps]

    def _job(self) -> Job:
        keep = f"umask 077; mkdir -p {TOKENS} && printf '%s\\n' {sh(self.token)} > {sh(self.place)}"
        script = f"( {self.script}\n) || exit $?\n{keep}\n"
        return Job(job_name(self.id), script, self.stdin, timeout=self.timeout, says=self.says or self.name)


def _seen(work: Once, code: int, token: str) -> Seen:
    if code == 75:
        return Unknown(work.known_after)
    return None if code else {"done": True, "token": token}
