"""Units and RunOnce scripts: desired states, probes, and fixes with a stand-in systemctl."""

from __future__ import annotations

import pytest

from packstack_lite.remote.command import Job, Reply
from packstack_lite.resources import File, Phase, RunOnce, Unit, Unknown, job_name
from packstack_lite.resources.rabbitmq_user import QUEUE_ALARM_SH
from packstack_lite.resources.shell import RELOAD_FLAG
from packstack_lite.state_paths import FINGERPRINTS_DIR, UNIT_DIGESTS_DIR
from tests.unit.dash import Dash, is_as_desired, missing_diff

# Knows one unit, app.service. Files $T/enabled, $T/active and $T/masked are its states; $T/reload: it needs a reload.
SYSTEMCTL = r"""
echo "$*" >> $T/calls
word() { [ -e "$T/$1" ] && echo "$2" || echo "$3"; }
case "$1" in
show)
    shift
    first=yes
    for word in "$@"; do
        case $word in --*) continue ;; esac
        [ $first = yes ] || echo
        first=no
        echo "Id=$word"
        case $word in
        app.service)
            [ -e $T/masked ] && echo LoadState=masked || echo LoadState=loaded
            echo ActiveState=$(word active active $(word failed failed inactive))
            echo UnitFileState=$(word enabled enabled disabled)
            echo NeedDaemonReload=$(word reload yes no) ;;
        *) echo LoadState=not-found; echo ActiveState=inactive; echo UnitFileState= ;;
        esac
    done ;;
restart) [ ! -e $T/breaks ] && : > $T/active ;;
stop) rm -f $T/active ;;
enable) [ ! -e $T/script ] || [ -z "${SYSTEMCTL_SKIP_SYSV:-}" ] || exit 1
    : > $T/enabled; [ -n "${SYSTEMCTL_SKIP_SYSV:-}" ] || echo daemon-reload >> $T/calls ;;
is-enabled) case "$*" in *" app.service") [ -e $T/enabled ] ;; *) false ;; esac ;;
is-failed) [ -e $T/failed ] ;;
mask) : > $T/masked ;;
unmask) rm -f $T/masked ;;
disable) rm -f $T/enabled $T/active; [ -n "${SYSTEMCTL_SKIP_SYSV:-}" ] || echo daemon-reload >> $T/calls ;;
daemon-reload) rm -f $T/reload ;;
status) echo "the status" ;;
esac
"""


@pytest.fixture
def dash(tmp_path):
    dash = Dash(tmp_path, moved=[UNIT_DIGESTS_DIR, FINGERPRINTS_DIR, RELOAD_FLAG])
    (tmp_path / "run").mkdir()
    dash.tool("systemctl", SYSTEMCTL)
    dash.tool("journalctl", "echo what the journal says")
    # A stand-in for a unit runs as soon as systemctl ends.
    dash.tool("sleep", "exec /bin/sleep 0.05")
    return dash


def calls(dash):
    return [
        line.split()[0]
        for line in dash.read_note("calls").splitlines()
        if not line.startswith(("show", "reset-failed", "is-failed"))
    ]


def observe(dash, unit):
    return dash.probe(unit)[unit.id]


@pytest.mark.parametrize(
    ("name", "full_name"),
    [
        ("nova-api", "nova-api.service"),
        ("a.timer", "a.timer"),
        ("ceph-mon@a.b", "ceph-mon@a.b"),
        ("x@y", "x@y.service"),
    ],
)
def test_a_unit_has_a_suffix(name, full_name):
    assert Unit(name=name).full_name == full_name


@pytest.mark.parametrize(
    ("resource", "job"),
    [
        ("unit:nova-api", "unit-nova-api"),
        ("once:Nova Schema/1", "once-nova-schema-1"),
        ("unit:a@b.c_d", "unit-a@b.c_d"),
    ],
)
def test_job_names_fit_a_systemd_unit(resource, job):
    assert job_name(resource) == job


def test_the_digest_follows_the_restart_triggers():
    def with_content(text):
        return Unit(name="app", restart_triggers=(File(path="/etc/app", content=text),))

    assert with_content("a").config_digest == with_content("a").config_digest != with_content("b").config_digest
    assert with_content("a").trigger_ids == ("file:/etc/app",)
    assert with_content("a").desired() == {
        "active": "active",
        "enabled": "enabled",
        "stamp": with_content("a").config_digest,
    }


def test_a_fresh_unit_is_enabled_and_started(dash):
    unit = Unit(name="app")
    assert observe(dash, unit) == {"active": "inactive", "enabled": "disabled", "stamp": "none"}
    assert all(reply.ok for reply in dash.fix(unit))
    assert is_as_desired(unit, observe(dash, unit))
    assert calls(dash) == ["is-enabled", "enable", "daemon-reload", "restart"]


def test_systemd_reloads_once_before_any_unit_starts(dash):
    """During a reload systemd starts nothing; a unit that was just starting was lost on a slow node."""
    assert dash.fix(Unit(name="app"), Unit(name="b"), Unit(name="c", enabled=False))[0].ok
    commands = calls(dash)
    assert commands.count("daemon-reload") == 1 and commands.count("restart") == 3
    assert commands.index("daemon-reload") < commands.index("restart")
    enable_calls = [line for line in dash.read_note("calls").splitlines() if line.startswith("enable")]
    assert [line.split()[-1] for line in enable_calls] == ["app.service", "b.service"]
    assert all("--no-reload" in line for line in enable_calls)


def test_systemd_reloads_once_for_all_masked_units(dash):
    for _ in range(3):
        assert dash.fix(Unit(name="app", state="masked"))[0].ok
        (dash.root / "masked").unlink()
    mask_calls = [line for line in dash.read_note("calls").splitlines() if line.startswith(("mask", "disable"))]
    assert mask_calls and all("--no-reload" in line for line in mask_calls)
    assert "daemon-reload" not in calls(dash)
    for _ in range(2):
        observe(dash, Unit(name="app"))
    assert calls(dash).count("daemon-reload") == 1


@pytest.mark.parametrize("why", ["reload", "masked", RELOAD_FLAG[1:]])
def test_systemd_reloads_only_when_needed(dash, tmp_path, why):
    (tmp_path / "enabled").touch()
    (tmp_path / why).touch()
    assert all(reply.ok for reply in dash.fix(Unit(name="app")))
    assert calls(dash).count("daemon-reload") == 1
    assert not (tmp_path / "masked").exists()
    assert all(reply.ok for reply in dash.fix(Unit(name="app")))
    assert calls(dash).count("daemon-reload") == 1


def test_a_unit_that_is_only_a_sysv_script_is_enabled(dash, tmp_path):
    (tmp_path / "script").touch()
    assert dash.fix(Unit(name="app"))[0].ok
    assert observe(dash, Unit(name="app"))["enabled"] == "enabled"


def test_a_changed_file_shows_as_another_digest(dash):
    old = Unit(name="app", restart_triggers=(File(path="/etc/app", content="old"),))
    new = Unit(name="app", restart_triggers=(File(path="/etc/app", content="new"),))
    dash.fix(old)
    assert is_as_desired(old, observe(dash, old))
    assert [key for key, value in new.desired().items() if observe(dash, new)[key] != value] == ["stamp"]


GARBAGE = [b"", b"\n\n", b"a b\nc d\n", b"\x00\xff\t\n\x80\n" * 50, b"\tone\ttwo"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_digest_counts_as_none(dash, tmp_path, garbage):
    unit = Unit(name="app")
    dash.fix(unit)
    (tmp_path / UNIT_DIGESTS_DIR.lstrip("/") / "app.service").write_bytes(garbage)
    assert observe(dash, unit)["stamp"] == "none"
    dash.fix(unit)
    assert is_as_desired(unit, observe(dash, unit))


def test_an_invalidated_unit_needs_a_restart(dash):
    unit = Unit(name="app")
    dash.fix(unit)
    command = unit.invalidate()
    assert command is not None and dash.run(command).ok and dash.run(command).ok
    assert observe(dash, unit)["stamp"] == "none"


# A journal of lines "UNIT TEXT" in $T/journal. A cursor is the number of a line, as --show-cursor and --after-cursor
# know it; without a line there is none.
JOURNALCTL = r"""
after=0 since=
for word in "$@"; do
    case $word in
    --show-cursor) n=$(wc -l < $T/journal); [ $n = 0 ] || echo "-- cursor: $n"; exit ;;
    --after-cursor=*) after=${word#*=} ;;
    --since=@*) since=yes ;;
    esac
done
[ "$after$since" != 0 ] || { echo "all of the journal was asked for"; exit; }
tail -n +$((after + 1)) $T/journal | sed -n 's/^app.service //p'
"""


@pytest.fixture
def broken(dash, tmp_path):
    """A unit app that does not start: what it says at a start, and what it said before."""
    (tmp_path / "breaks").touch()
    (tmp_path / "journal").write_text("other.service boots\napp.service an error of ten minutes ago\n")
    (tmp_path / "app log").write_text("an old line\n")
    (tmp_path / "show").write_text("Result=exit-code\nExecMainStatus=203\n")
    dash.tool("journalctl", JOURNALCTL)
    restart = "restart) echo 'app.service why it broke' >> $T/journal; echo 'a new line' >> \"$T/app log\"; exit 1 ;;"
    show = 'case "$*" in *Result*) cat $T/show; exit ;; esac'
    systemctl = SYSTEMCTL.replace("restart) ", f"{restart}\nnever) ")
    dash.tool("systemctl", systemctl.replace('case "$1" in\nshow', f'{show}\ncase "$1" in\nshow'))
    return lambda **fields: dash.fix(Unit(name="app", logs=(str(tmp_path / "app log"), "/nonexistent"), **fields))[-1]


def test_a_unit_that_does_not_start_shows_why_and_gets_no_digest(dash, broken):
    reply = broken()
    assert reply.code == 1
    cause = "systemd: Result=exit-code, ExecMainStatus=203: its program cannot be run"
    for message in ("app.service did not start", cause, "the status", "why it broke", "app log:\na new line\n"):
        assert message in reply.err
    assert observe(dash, Unit(name="app"))["stamp"] == "none"


def test_only_what_was_logged_since_the_start_is_shown(broken):
    err = broken().err
    assert "ten minutes ago" not in err and "an old line" not in err
    assert err.count("a new line") == 1


def test_an_empty_journal_has_no_cursor(broken, tmp_path):
    (tmp_path / "journal").write_text("")
    assert "why it broke" in broken().err


def test_a_log_that_was_rotated_at_the_start_is_new(broken, dash, tmp_path):
    (tmp_path / "app log").write_text("an old line\n" * 50)
    tool = (tmp_path / "tools" / "systemctl").read_text()
    (tmp_path / "tools" / "systemctl").write_text(tool.replace("restart) ", 'restart) rm "$T/app log";'))
    err = broken().err
    assert "a new line" in err and "an old line" not in err


@pytest.mark.parametrize(
    ("properties", "cause"),
    [
        ("Result=exit-code\nExecMainStatus=1\n", "ExecMainStatus=1: its main process ended with exit status 1"),
        ("Result=exit-code\nExecMainStatus=0\n", "a process that runs before or after its main process failed"),
        ("Result=exit-code\nExecMainStatus=217\n", "its user or group does not exist"),
        ("Result=signal\nExecMainStatus=9\n", "Result=signal: its main process was killed by signal 9"),
        ("Result=timeout\n", "it did not start within its TimeoutStartSec"),
        ("Result=start-limit\n", "Result=start-limit: it ended too often"),
        ("Result=start-limit-hit\n", "Result=start-limit-hit: it ended too often"),
        ("Result=oom-kill\n", "too little memory"),
        ("Result=resources\n", "systemd cannot set up what its unit asks for"),
        ("Result=protocol\n", "systemd: Result=protocol"),
    ],
)
def test_systemds_own_result_is_the_first_cause(broken, tmp_path, properties, cause):
    (tmp_path / "show").write_text(properties)
    assert cause in broken().err.splitlines()[1]


def test_drop_ins_that_are_not_ours_are_named(broken, dash, tmp_path):
    directory = tmp_path / "etc"
    directory.mkdir()
    (directory / "theirs.conf").write_text("[Service]\nUser=nobody-here\n")
    (directory / "ours.conf").write_text("# Written by packstack-lite.\n")
    (tmp_path / "show").write_text(
        f"Result=exit-code\nExecMainStatus=217\nFragmentPath=/usr/lib/systemd/system/app.service\n"
        f"DropInPaths={directory}/theirs.conf {directory}/ours.conf\n"
    )
    err = broken().err
    assert f"in force, and not of packstack-lite: {directory}/theirs.conf (look: systemctl cat app.service)" in err
    assert "ours.conf" not in err and "/usr/lib" not in err


def make_each_sleep_ten_seconds(dash):
    (dash.root / "proc").mkdir()
    (dash.root / "proc/uptime").write_text("100.25 9.00\n")
    dash.moved = [*dash.moved, "/proc/uptime"]
    dash.tool("sleep", "read -r now _ <$T/proc/uptime; echo $((${now%.*} + 10)).25 9.00 >$T/proc/uptime")


def test_a_unit_says_what_it_waits_for(dash, tmp_path):
    make_each_sleep_ten_seconds(dash)
    unit = Unit(name="app", ready_script="echo first; echo 'port 80 is closed' >&2; false", ready_timeout=40)
    reply = dash.fix(unit)[-1]
    waits = [line for line in reply.out.splitlines() if line.startswith("waits")]
    assert waits[0] == "waits until app.service is ready, for 10 of 40 seconds: port 80 is closed"
    assert len(waits) >= 3
    assert "app.service is not ready after 40 seconds: port 80 is closed" in reply.err


ALARMS = [
    ("[{{resource_limit,memory,rabbit@a},[]}]", "RabbitMQ takes no messages: its memory alarm is set"),
    ("[{{resource_limit,disk,rabbit@a},[]}]", "RabbitMQ takes no messages: its disk alarm is set"),
    ("[]", ""),
]


@pytest.mark.parametrize(("alarms", "reason"), ALARMS)
def test_an_alarm_of_the_queue_is_the_reason(dash, tmp_path, alarms, reason):
    dash.tool("rabbitmqctl", f"echo '{alarms}'")
    make_each_sleep_ten_seconds(dash)
    reply = dash.fix(Unit(name="app", ready_script="false", ready_timeout=40, blocked_script=QUEUE_ALARM_SH))[-1]
    waits = [line for line in reply.out.splitlines() if line.startswith("waits")]
    assert waits and all((reason or "not ready") in line for line in waits)
    assert reason in reply.err


@pytest.mark.parametrize(
    ("failed", "message"), [(True, "failed after its start"), (False, "is not ready after 1 seconds")]
)
def test_a_unit_that_does_not_become_ready_gets_no_digest(dash, tmp_path, failed, message):
    if failed:
        (tmp_path / "failed").touch()
    reply = dash.fix(Unit(name="app", ready_script="false # never", ready_timeout=1))[-1]
    assert (reply.code, message in reply.err) == (1, True)
    assert observe(dash, Unit(name="app"))["stamp"] == "none"


def test_the_ready_script_runs_until_it_succeeds(dash, tmp_path):
    ready = f"echo x >> '{tmp_path}/asked'; [ $(wc -l < '{tmp_path}/asked') -ge 3 ] && [ 5% = 5% ]"
    assert dash.fix(Unit(name="app", ready_script=ready))[-1].ok
    assert dash.read_note("asked") == "x\n" * 3


@pytest.mark.parametrize("state", ["stopped", "masked"])
def test_a_running_unit_is_stopped_or_masked(dash, tmp_path, state):
    dash.fix(Unit(name="app"))
    unit = Unit(name="app", state=state)
    assert not is_as_desired(unit, observe(dash, unit))
    assert dash.fix(unit)[0].ok
    assert is_as_desired(unit, observe(dash, unit))
    assert (tmp_path / "masked").exists() == (state == "masked")


def test_a_missing_unit_has_no_state_and_counts_as_stopped(dash):
    assert observe(dash, Unit(name="other")) is None
    assert is_as_desired(Unit(name="other", state="stopped"), observe(dash, Unit(name="other", state="stopped")))
    assert not is_as_desired(Unit(name="other", state="masked"), observe(dash, Unit(name="other", state="masked")))


def test_a_failed_unit_counts_as_stopped(dash, tmp_path):
    (tmp_path / "failed").touch()
    assert is_as_desired(Unit(name="app", state="stopped"), observe(dash, Unit(name="app", state="stopped")))
    assert observe(dash, Unit(name="app"))["active"] == "failed"


def test_all_units_share_one_probe(dash):
    units = [Unit(name="app"), Unit(name="b"), Unit(name="c", state="masked")]
    assert len(Unit.probe(units)) == 1
    assert list(dash.probe(*units)) == ["unit:app", "unit:b", "unit:c"]


@pytest.mark.parametrize("out", ["", "System has not been booted with systemd", "Id=a\nLoadState=loaded\n\nId=b\n==\n"])
def test_an_unexpected_reply_of_systemctl_is_refused(out):
    with pytest.raises(ValueError):
        Unit.probe([Unit(name="a"), Unit(name="b")])[0].parse(Reply(0, out))


def test_the_jobs_timeout_is_longer_than_the_ready_timeout():
    job = Unit.fix([missing_diff(Unit(name="app", ready_timeout=300))])[-1]
    assert isinstance(job, Job) and job.name == "unit-app" and job.timeout > 300


def run_once(tmp_path, **fields):
    defaults = {
        "script": f"cat > '{tmp_path}/done'",
        "probe_script": f"[ -f '{tmp_path}/done' ]",
        "stdin": b"input",
        **fields,
    }
    return RunOnce(name="Nova schema", **defaults)


def test_a_script_runs_with_its_input_and_is_recorded(dash, tmp_path):
    script = run_once(tmp_path, fingerprint="it's \\t 100% $x")
    assert dash.probe(script)[script.id] is None
    assert dash.fix(script)[0].ok
    assert is_as_desired(script, dash.probe(script)[script.id])
    assert dash.read_note("done") == "input"


def test_another_fingerprint_makes_the_script_run_again(dash, tmp_path):
    dash.fix(run_once(tmp_path, fingerprint="zed"))
    later = run_once(tmp_path, fingerprint="epoxy")
    assert dash.probe(later)[later.id] == {"done": True, "token": "zed"}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_fingerprint_makes_the_script_run_again(dash, tmp_path, garbage):
    script = run_once(tmp_path, fingerprint="zed")
    dash.fix(script)
    (tmp_path / script.fingerprint_file.lstrip("/")).write_bytes(garbage)
    assert not is_as_desired(script, dash.probe(script)[script.id])
    dash.fix(script)
    assert is_as_desired(script, dash.probe(script)[script.id])


def test_a_failed_script_is_not_recorded(dash, tmp_path):
    script = run_once(tmp_path, script=f"touch '{tmp_path}/done'; (exit 3)")
    assert dash.fix(script)[0].code == 3
    assert dash.probe(script)[script.id] == {"done": True, "token": "none"}


def test_the_probe_scripts_exit_code_is_the_state(dash):
    scripts = [
        RunOnce(name=f"w{code}", script=":", probe_script=f"exit {code} # a comment", known_after=Phase.DATABASES)
        for code in (0, 1, 75, 127)
    ]
    assert len(RunOnce.probe(scripts)) == 1
    assert list(dash.probe(*scripts).values()) == [
        {"done": True, "token": "none"},
        None,
        Unknown(Phase.DATABASES),
        None,
    ]


@pytest.mark.parametrize("out", ["", "0\t1\t2\n", "zero\tx\n"])
def test_an_unexpected_reply_about_scripts_is_refused(out):
    with pytest.raises(ValueError):
        RunOnce.probe([RunOnce(name="w", script=":", probe_script=":")])[0].parse(Reply(0, out))
