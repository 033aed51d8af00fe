"""Work done once: schema syncs, bootstraps, mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.resources.job_names import job_name
from packstack_lite.secret import quote_sh

FINGERPRINTS_DIR = "/var/lib/packstack-lite/once"
WARNING_PREFIX = "packstack-lite warning: "


@dataclass(frozen=True)
class RunOnce(Resource):
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
    probe_script: str
    fingerprint: str = "1"
    stdin: bytes = b""
    known_after: Phase = Phase.DATABASES
    timeout: float = 600.0
    description: str = ""
    always_run: bool = False
    phase: Phase = Phase.SCHEMA
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"once:{self.name}"

    @property
    def fingerprint_file(self) -> str:
        """Where its token is kept."""
        return f"{FINGERPRINTS_DIR}/{job_name(self.name)}"

    def desired(self) -> Optional[State]:
        return {"done": True, "token": self.fingerprint}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        run_onces = cast("Sequence[RunOnce]", resources)
        print_state = "printf '%s\\t%s\\n' $? \"$(cat {} 2>/dev/null || echo none)\""
        parts = [
            f"( {run_once.probe_script}\n) >/dev/null 2>&1 </dev/null; {print_state.format(quote_sh(run_once.fingerprint_file))}"
            for run_once in run_onces
        ]

        def parse(reply: Reply) -> Dict[str, Observed]:
            lines = [line.split("\t") for line in reply.out.splitlines()]
            if len(lines) != len(run_onces):
                raise ValueError(f"{len(lines)} lines for {len(run_onces)} questions: {reply.err.strip()}")
            return {
                run_once.id: _observed(run_once, int(code), fingerprint)
                for run_once, (code, fingerprint) in zip(run_onces, lines)
            }

        return [Probe(Command("\n".join(parts), timeout=60, description="look at what was done once"), parse)]

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(RunOnce, diff.resource)._job() for diff in diffs]

    def _job(self) -> Job:
        save_fingerprint = f"umask 077; mkdir -p {FINGERPRINTS_DIR} && printf '%s\\n' {quote_sh(self.fingerprint)} > {quote_sh(self.fingerprint_file)}"
        script = f"( {self.script}\n) || exit $?\n{save_fingerprint}\n"
        return Job(
            job_name(self.id), script, self.stdin, timeout=self.timeout, description=self.description or self.name
        )


def _observed(run_once: RunOnce, code: int, fingerprint: str) -> Observed:
    if code == 75:
        return Unknown(run_once.known_after)
    return None if code else {"done": True, "token": fingerprint}
