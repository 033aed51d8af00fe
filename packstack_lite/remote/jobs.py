"""Run long scripts as transient systemd units, in parallel, and follow them.

Used by ``connections``.

A job's directory, /var/lib/packstack-lite/jobs/NAME, holds its script, input, output and, at the end, its exit code.
A run that reconnects finds it there. A job that already runs with the same script and input is joined, not restarted.
A job of the same name with another script or input, of an earlier run, is stopped; if it must end, it is followed to
its end first.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Set

from packstack_lite import activity
from packstack_lite.activity import Activity
from packstack_lite.errors import PackstackLiteError, PhaseError
from packstack_lite.remote.command import UPTIME_SH, Command, Job, JobResult, JobWatcher, Reply
from packstack_lite.state_paths import JOBS_DIR

FOLLOW_SECONDS = 20
FOLLOW_DESCRIPTION = "follow jobs"
# Exit code of a start command where another job of that name runs, which must end first (EX_TEMPFAIL).
_OTHER_RUNS = 75

# Works with systemd 219 of CentOS 7, whose systemd-run has neither --collect (236) nor RuntimeMaxSec= (229): "timeout"
# kills what takes too long, and the unit always exits with 0, so that systemd does not keep it as failed.
# Processes that a job leaves behind are killed with its unit (KillMode=control-group, the default).
_START = r"""
set -eu
umask 077
job=%(home)s/%(name)s
unit=packstack-lite-job-%(name)s.service
if systemctl is-active -q "$unit"; then
    [ "$(cat "$job/digest" 2>/dev/null)" != %(digest)s ] || exit 0
    [ %(must_end)s = no ] || exit %(other_runs)d
fi
systemctl stop "$unit" 2>/dev/null || :
systemctl reset-failed "$unit" 2>/dev/null || :
rm -rf "$job"
mkdir -p "$job"
tar -x -f - -C "$job"
echo %(digest)s > "$job/digest"
: > "$job/out"
cat > "$job/run" <<'END'
: > "$1/begun"
cd / || exit 1
%(uptime_seconds)s
began=$(uptime_seconds)
timeout -k 60 "$2" sh "$1/script" < "$1/stdin" >> "$1/out" 2>&1
code=$?
[ $code != 137 ] || [ $(($(uptime_seconds) - began)) -lt "$2" ] || code=124
rm -f "$1/stdin"
echo $code > "$1/code.new"
mv "$1/code.new" "$1/code"
END
exec systemd-run --quiet --unit="$unit" --setenv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --setenv=LC_ALL="${LC_ALL:-}" --setenv=LC_CTYPE="${LC_CTYPE:-}" --setenv=LANG="${LANG:-}" --setenv=HOME=/root \
    /bin/sh "$job/run" "$job" %(timeout)d
"""

# Wait until one of the jobs (NAME:OFFSET) has ended or has written output for up to two seconds. Then print, for each:
# its exit code ("-" while it runs, 124 if it vanished without one), the number of new bytes, and the new output.
# A unit may not be active yet just after its start: systemd-run 219 does not wait for it. Without --collect a killed
# unit stays loaded as failed. The file "followed" shows a job that a run is connected (resources.uplink).
_FOLLOW = r"""
cat > /dev/null
: > "%(home)s/followed"
jobs='%(jobs)s'
code() {
    if [ -f "%(home)s/$1/code" ]; then cat "%(home)s/$1/code"
    elif systemctl is-active -q "packstack-lite-job-$1.service"; then echo -
    elif [ -f "%(home)s/$1/code" ]; then cat "%(home)s/$1/code"
    elif [ ! -e "%(home)s/$1/begun" ] && [ -n "$(find "%(home)s/$1/digest" -mmin -1 2>/dev/null)" ]; then echo -
    else
        systemctl reset-failed "packstack-lite-job-$1.service" 2>/dev/null
        echo 124
    fi
}
i=0
while [ $i -lt %(turns)d ]; do
    ended=
    for pair in $jobs; do [ -f "%(home)s/${pair%%%%:*}/code" ] && ended=1; done
    [ -n "$ended" ] && break
    i=$((i + 1))
    if [ $((i %% 20)) = 0 ]; then
        for pair in $jobs; do
            [ "$(code "${pair%%%%:*}")" = - ] || ended=1
            [ "$(wc -c < "%(home)s/${pair%%%%:*}/out" 2>/dev/null || echo 0)" -gt "${pair##*:}" ] && ended=1
        done
        [ -n "$ended" ] && break
    fi
    sleep 0.1
done
for pair in $jobs; do
    name=${pair%%%%:*} from=${pair##*:}
    code=$(code "$name")
    size=$(wc -c < "%(home)s/$name/out" 2>/dev/null || echo 0)
    [ "$size" -gt "$from" ] || from=$size
    new=$(tail -c +$((from + 1)) "%(home)s/$name/out" 2>/dev/null | head -c $((size - from)) | base64 -w0)
    echo "$name $code $((size - from)) $new"
done
exit 0
"""

RunCommands = Callable[[Sequence[Command]], List[Reply]]


@dataclass
class _RunningJob:
    """A job that was started.

    ``bytes_read`` counts its output so far, ``partial_line`` has no newline yet. ``is_awaited``: what runs is another
    job of the same name, which an earlier run started; this one starts when it has ended.
    """

    job: Job
    started_at: float
    output: str = ""
    bytes_read: int = 0
    partial_line: str = field(default="")
    is_awaited: bool = False


def make_start_command(job: Job) -> Command:
    """Return the command that starts a job, or joins it if it already runs.

    Script and input go through stdin. Its exit code is 75 while another job of the same name must end.
    """
    digest = hashlib.sha256(job.script.encode() + b"\0" + job.stdin).hexdigest()[:32]
    values = {
        "home": JOBS_DIR,
        "name": job.name,
        "digest": digest,
        "timeout": int(job.timeout),
        "must_end": "yes" if job.must_end else "no",
        "other_runs": _OTHER_RUNS,
        "uptime_seconds": UPTIME_SH,
    }
    return Command(_START % values, stdin=_pack_job(job), description=f"start {job.description or job.name}")


def make_follow_command(offsets: Dict[str, int], seconds: float = FOLLOW_SECONDS) -> Command:
    """Return the command that waits until one of the jobs ends, at most ``seconds``.

    ``offsets`` maps job names to the bytes of output that were read already.
    """
    jobs = " ".join(f"{name}:{offset}" for name, offset in offsets.items())
    script = _FOLLOW % {"home": JOBS_DIR, "jobs": jobs, "turns": int(seconds * 10)}
    return Command(script, timeout=seconds + 30, description=FOLLOW_DESCRIPTION)


def unit_name(job: Job) -> str:
    """Return the name of the job's systemd unit, as in _START and _FOLLOW."""
    return f"packstack-lite-job-{job.name}.service"


def _pack_job(job: Job) -> bytes:
    """Return a tar archive of the job's script and input."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in (("script", job.script.encode()), ("stdin", job.stdin)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


class JobRunner:
    """Run a batch of jobs as their needs allow.

    ``run`` is the function that runs commands on the node.
    """

    def __init__(self, run: RunCommands, node_name: str, watcher: JobWatcher) -> None:
        self._run = run
        self._node_name = node_name
        self._watcher = watcher
        self._running: Dict[str, _RunningJob] = {}
        self._waiting: List[Job] = []
        self._announced: Set[str] = set()
        self._results: Dict[str, JobResult] = {}

    def run_all(self, jobs: Sequence[Job]) -> List[JobResult]:
        """Run the jobs and return their results in order.

        A job whose needs failed is not started; its code is -1.
        """
        self._waiting = list(jobs)
        while self._waiting or self._running:
            self._cancel_dependents()
            ready = [job for job in self._waiting if all(need in self._results for need in job.needs)]
            if not ready and not self._running and self._waiting:
                names = ", ".join(job.name for job in self._waiting)
                raise PackstackLiteError(f"the needs of jobs form a loop: {names}")
            self._waiting = [job for job in self._waiting if job not in ready]
            self._advance(ready)
        return [self._results[job.name] for job in jobs]

    def _cancel_dependents(self) -> None:
        """Finish the waiting jobs whose needs failed, with code -1."""
        runnable = []
        for job in self._waiting:
            failed_needs = [need for need in job.needs if need in self._results and not self._results[need].ok]
            if failed_needs:
                self._finish(job, JobResult(job.name, -1, f"not started: {', '.join(failed_needs)} failed", 0.0))
            else:
                runnable.append(job)
        self._waiting = runnable

    def _advance(self, ready: Sequence[Job]) -> None:
        """Start the ready jobs and follow all running ones, in one round trip."""
        for job in ready:
            self._running[job.name] = _RunningJob(job, time.monotonic())
            activity.begin(Activity(self._node_name, job.description or job.name, unit_name(job)))
            if job.name not in self._announced:
                self._announced.add(job.name)
                self._watcher.job_started(job)
        if not self._running:
            return
        starts = [make_start_command(job) for job in ready]
        offsets = {name: running.bytes_read for name, running in self._running.items()}
        replies = self._run([*starts, make_follow_command(offsets)])
        for job, reply in zip(ready, replies):
            if reply.code == _OTHER_RUNS:
                self._running[job.name].is_awaited = True
                self._watcher.job_output(job, "an earlier run began this with other input: waiting for its end")
            elif not reply.ok:
                del self._running[job.name]
                self._finish(job, JobResult(job.name, reply.code, f"could not be started: {reply.err.strip()}", 0.0))
        self._parse_follow_reply(replies[-1].out)

    def _parse_follow_reply(self, reply_text: str) -> None:
        """Take output and exit codes from the reply of the follow command."""
        for line in reply_text.splitlines():
            try:
                name, code, size, text = (line + " ").split(" ")[:4]
                output = base64.b64decode(text).decode(errors="replace")
                length, ended = int(size), None if code == "-" else int(code)
            except ValueError as error:
                raise PhaseError(
                    f"{self._node_name}: the stored state of a job cannot be read: {line[:100]!r}",
                    f"look for a full disk (df {JOBS_DIR}), then run the same command again",
                ) from error
            running = self._running.get(name)
            if running is not None:
                self._process_output(running, output, length, ended)

    def _process_output(self, running: _RunningJob, output: str, size: int, code: Optional[int]) -> None:
        """Pass a job's new lines to the watcher; with an exit code, finish the job.

        ``size`` is the number of bytes that ``output`` had on the node.
        """
        running.bytes_read += size
        running.output += output
        *lines, running.partial_line = (running.partial_line + output).split("\n")
        for line in lines:
            self._watcher.job_output(running.job, line)
        if code is not None:
            del self._running[running.job.name]
            if running.is_awaited:
                self._waiting.append(running.job)
                return
            seconds = time.monotonic() - running.started_at
            self._finish(running.job, JobResult(running.job.name, code, running.output, seconds))

    def _finish(self, job: Job, result: JobResult) -> None:
        """Record a job's result and tell the watcher."""
        self._results[job.name] = result
        activity.end(self._node_name, unit_name(job))
        self._watcher.job_finished(job, result)
