"""Scripts that run once: schema syncs, bootstraps, mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Description, Diff, Observed, Phase, Probe, TypedResource, Unknown, job_name
from packstack_lite.resources.shell import STORED_LINE_SH
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import FINGERPRINTS_DIR

# The engine reports lines of a job's output that begin so as warnings.
WARNING_PREFIX = "packstack-lite warning: "


class RunOnceState(TypedDict):
    """The script was run, with the fingerprint ``token``.

    A script that was not run, or whose result is gone, has no state.
    """

    done: bool
    token: str


@dataclass(frozen=True)
class RunOnce(TypedResource[RunOnceState]):
    """A script that has been run, and a script that tests its result.

    ``probe_script`` exits with 0 (done), 1 (not done) or 75 (unknown before phase ``known_after``). ``fingerprint``
    stands for what the result depends on, such as a release: the script runs again when it differs from the
    fingerprint kept on the node. Lines of its output that begin with WARNING_PREFIX become warnings. ``description``
    is verb and object. ``makes`` are the manifest's entries for what the script makes.
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
    makes: Tuple[str, ...] = ()
    phase: Phase = Phase.SCHEMA
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``once:NAME``."""
        return f"once:{self.name}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``makes``."""
        return self.makes

    @property
    def fingerprint_file(self) -> str:
        """Return the path of the fingerprint on the node."""
        return f"{FINGERPRINTS_DIR}/{job_name(self.name)}"

    def desired(self) -> RunOnceState:
        """Return that the script has been run, and the fingerprint as ``token``."""
        return {"done": True, "token": self.fingerprint}

    def describe(self, diff: Diff["RunOnce"]) -> Description:
        """Describe the script's work, and that it was done before with other settings."""
        action = self.description or f"run {self.name}"
        return Description(action, "" if diff.state() is None else "done before with other settings")

    def describe_drift(self, diff: Diff["RunOnce"]) -> str:
        """Describe that the script was not run, or with other settings."""
        result = "was not done" if diff.state() is None else "was done with other settings"
        return f"{self.description or self.name}: {result}"

    @classmethod
    def probe(cls, resources: Sequence["RunOnce"]) -> List[Probe[RunOnceState]]:
        """Return one probe for all scripts: an exit code and a fingerprint of each."""

        def parse(reply: Reply) -> Dict[str, Observed[RunOnceState]]:
            """Return each script's observed state, by resource id."""
            rows = [line.split("\t") for line in reply.out.splitlines()]
            if len(rows) != len(resources):
                raise ValueError(f"{len(rows)} lines for {len(resources)} scripts: {reply.err.strip()}")
            return {
                run_once.id: _parse_state(run_once, int(code), fingerprint)
                for run_once, (code, fingerprint) in zip(resources, rows)
            }

        script = STORED_LINE_SH + "\n".join(run_once._probe_line() for run_once in resources)
        return [Probe(Command(script, timeout=60, description="probe scripts that run once"), parse)]

    def _probe_line(self) -> str:
        """Return the sh line that prints the probe script's exit code and the fingerprint."""
        print_state = f"code=$?; stored_line {quote_sh(self.fingerprint_file)}; printf '%s\\t%s\\n' $code \"$stored\""
        return f"( {self.probe_script}\n) >/dev/null 2>&1 </dev/null; {print_state}"

    @classmethod
    def fix(cls, diffs: Sequence[Diff["RunOnce"]]) -> List[Action]:
        """Return a job for each script."""
        return [diff.resource._job() for diff in diffs]

    def _job(self) -> Job:
        """Return the job that runs the script, and after a success stores the fingerprint.

        The next run compares it, and runs the script again if it differs.
        """
        save_fingerprint = (
            f"umask 077; mkdir -p {FINGERPRINTS_DIR} && "
            f"printf '%s\\n' {quote_sh(self.fingerprint)} > {quote_sh(self.fingerprint_file)}"
        )
        script = f"( {self.script}\n) || exit $?\n{save_fingerprint}\n"
        return Job(
            job_name(self.id),
            script,
            self.stdin,
            timeout=self.timeout,
            description=self.description or self.name,
            # Half a migration of a schema cannot be taken back.
            must_end=True,
        )


def _parse_state(run_once: RunOnce, code: int, fingerprint: str) -> Observed[RunOnceState]:
    """Return the state from the probe script's exit code and the stored fingerprint."""
    if code == 75:
        return Unknown(run_once.known_after)
    return None if code else {"done": True, "token": fingerprint or "none"}
