"""The script that starts a systemd unit and says why it does not start.

Used by ``unit``, and in part by ``port_filter``.
"""

from __future__ import annotations

import re
from typing import Sequence

from packstack_lite.remote.command import UPTIME_SH
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import UNIT_DIGESTS_DIR

# Begins a line that says what a job waits for: of interest while it runs, and not in its failure.
WAIT_PREFIX = "waits until "

# Where journal and log files end before a start: only what comes after that is about this start. The cursor is exact,
# and known to systemd 219; --since has seconds and serves where the journal is empty. systemd 219's --after-cursor with
# -u leaves out the first line ("Starting ..."), and its -n counts from the cursor on: hence tail.
_MARK_LOGS_SH = r"""
seen=$(mktemp -d) || exit 1
trap 'rm -rf "$seen"' EXIT
cursor=$(journalctl -q --no-pager -n 1 --show-cursor 2>/dev/null | sed -n 's/^-- cursor: //p')
since=$(date +%s)
i=0
for log in LOGS; do i=$((i + 1)); stat -c '%i %s' -- "$log" > "$seen/$i" 2>/dev/null || echo '- 0' > "$seen/$i"; done
new_lines() {
    journalctl --sync 2>/dev/null
    if [ -n "$cursor" ]; then set -- --after-cursor="$cursor"; else set -- --since="@$since"; fi
    journalctl --no-pager -q "$@" -u "$unit" | tail -n 15
    i=0
    for log in LOGS; do
        i=$((i + 1))
        read -r inode size < "$seen/$i"
        set -- $(stat -c '%i %s' -- "$log" 2>/dev/null) - 0
        # Rotated or truncated meanwhile: all of it is new.
        if [ "$1" != "$inode" ] || [ "$2" -lt "$size" ]; then size=0; fi
        [ "$2" -gt "$size" ] || continue
        echo "new lines of $log:"
        tail -c "+$((size + 1))" -- "$log" | tail -n 15
    done
}
"""

# systemd.exec(5), "Process Exit Codes"; sigaction(2): CLD_EXITED, CLD_KILLED, CLD_DUMPED.
_CAUSE_SH = r"""
property() { sed -n "s/^$1=//p" "$seen/show"; }
cause() {
    systemctl show --property=Result,ExecMainStatus,FragmentPath,DropInPaths "$unit" > "$seen/show"
    status=$(property ExecMainStatus)
    case "$(property Result)" in
    '' | success) ;;
    exit-code)
        case $status in
        '' | 0) why="a process that runs before or after its main process failed" ;;
        200) why="its working directory cannot be entered" ;;
        203) why="its program cannot be run" ;;
        208 | 209 | 222) why="its input or output cannot be opened" ;;
        216 | 217) why="its user or group does not exist" ;;
        226 | 233 | 238 | 239 | 240 | 241) why="a directory or mount of its sandbox cannot be made" ;;
        *) why="its main process ended with exit status $status" ;;
        esac
        echo "systemd: Result=exit-code, ExecMainStatus=${status:-0}: $why" ;;
    signal | core-dump) echo "systemd: Result=$(property Result): its main process was killed by signal $status" ;;
    timeout) echo "systemd: Result=timeout: it did not start within its TimeoutStartSec" ;;
    watchdog) echo "systemd: Result=watchdog: it gave no sign of life within its WatchdogSec" ;;
    oom-kill) echo "systemd: Result=oom-kill: the node has too little memory" ;;
    start-limit | start-limit-hit) echo "systemd: Result=$(property Result): it ended too often after its starts" ;;
    resources) echo "systemd: Result=resources: systemd cannot set up what its unit asks for" ;;
    *) echo "systemd: Result=$(property Result)" ;;
    esac
    for path in $(property FragmentPath) $(property DropInPaths); do
        case $path in /usr/* | /lib/*) continue ;; esac
        head -n 3 "$path" 2>/dev/null | grep -q 'Written by packstack-lite' && continue
        echo "in force, and not of packstack-lite: $path (look: systemctl cat $unit)"
    done
}
"""

_START_SH = r"""
fail() {
    echo "$unit $1" >&2
    { cause; (BLOCKED); systemctl status --no-pager --lines=0 "$unit" 2>&1 | head -n 6; new_lines; } >&2
    exit 1
}
systemctl reset-failed "$unit" 2>/dev/null
systemctl restart "$unit" || fail "did not start"
begun=$(uptime_seconds)
said=$begun
until reason=$( (READY
) 2>&1); do
    reason=$(printf '%s\n' "$reason" | tail -n 1 | cut -c 1-200)
    seconds=$(($(uptime_seconds) - begun))
    systemctl is-failed -q "$unit" && fail "failed after its start"
    [ $seconds -lt SECONDS ] || fail "is not ready after SECONDS seconds${reason:+: $reason}"
    if [ $((begun + seconds - said)) -ge 10 ]; then
        said=$((begun + seconds))
        blocked=$( (BLOCKED) 2>/dev/null)
        echo "WAIT_PREFIX$unit is ready, for $seconds of SECONDS seconds: ${blocked:-${reason:-not ready}}"
    fi
    sleep 0.3
done
systemctl is-failed -q "$unit" && fail "failed after its start"
mkdir -p -m 0700 DIGESTS && echo DIGEST > "DIGESTS/$unit"
"""


# The script, split once at the words that each unit's values replace.
_START_PARTS = re.split(
    r"\b(WAIT_PREFIX|LOGS|READY|BLOCKED|SECONDS|DIGESTS|DIGEST)\b", _MARK_LOGS_SH + _CAUSE_SH + UPTIME_SH + _START_SH
)
# For a script that has $unit and restarts it: afterwards "cause" and "new_lines" say why it did not start.
EXPLAIN_START_SH = (_MARK_LOGS_SH + _CAUSE_SH).replace("LOGS", "")


def start_script(
    unit: str, digest: str, ready_script: str, ready_timeout: int, logs: Sequence[str], blocked_script: str
) -> str:
    """Return the script that starts a unit and keeps the digest of its configuration.

    It exits with 1 and says why unless ``ready_script`` succeeds within ``ready_timeout`` seconds. While it waits it
    says for what every ten seconds: what ``blocked_script`` prints, else the last line of ``ready_script``.
    """
    if ready_script == "true":
        # The start of a Type=simple service succeeds before its program is run.
        ready_script = "sleep 0.5"
    values = {
        "WAIT_PREFIX": WAIT_PREFIX,
        "LOGS": " ".join(map(quote_sh, logs)),
        "READY": ready_script,
        "BLOCKED": blocked_script,
        "SECONDS": str(ready_timeout),
        "DIGESTS": UNIT_DIGESTS_DIR,
        "DIGEST": digest,
    }
    return f"set -u\nunit={quote_sh(unit)}\n" + "".join(values.get(part, part) for part in _START_PARTS)
