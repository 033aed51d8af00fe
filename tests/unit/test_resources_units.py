"""Units and work done once: what they want, how they see it, and their scripts with a stand-in systemctl."""

from __future__ import annotations

import pytest

from packstack_lite.remote.command import Job, Reply
from packstack_lite.resources import File, Phase, RunOnce, Unit, Unknown, job_name
from packstack_lite.resources.shell import RELOAD_FLAG
from packstack_lite.state_paths import FINGERPRINTS_DIR, UNIT_DIGESTS_DIR
from tests.unit.dash import Dash, is_as_desired, missing_diff

# Knows the one unit app.service: $T/enabled, $T/active and $T/masked are its states, $T/reload that it wants reloading.
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
    return dash


def calls(dash):
    return [
        line.split()[0]
        for line in dash.read_note("calls").splitlines()
        if not line.startswith(("show", "reset-failed"))
    ]


def see(dash, unit):
    return dash.probe(unit)[unit.id]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("nova-api", "nova-api.service"),
        ("a.timer", "a.timer"),
        ("ceph-mon@a.b", "ceph-mon@a.b"),
        ("x@y", "x@y.service"),
    ],
)
def test_names(name, unit):
    assert Unit(name=name).full_name == unit


@pytest.mark.parametrize(
    ("resource", "job"),
    [
        ("unit:nova-api", "unit-nova-api"),
        ("once:Nova Schema/1", "once-nova-schema-1"),
        ("unit:a@b.c_d", "unit-a@b.c_d"),
    ],
)
def test_job_names_are_fit_for_a_unit(resource, job):
    assert job_name(resource) == job


def test_stamp_follows_what_the_unit_reads():
    def with_content(text):
        return Unit(name="app", restart_triggers=(File(path="/etc/app", content=text),))

    assert with_content("a").config_digest == with_content("a").config_digest != with_content("b").config_digest
    assert with_content("a").trigger_ids == ("file:/etc/app",)
    assert with_content("a").desired() == {
        "active": "active",
        "enabled": "enabled",
        "stamp": with_content("a").config_digest,
    }


def test_fresh_unit_is_enabled_restarted_and_stamped(dash):
    unit = Unit(name="app")
    assert see(dash, unit) == {"active": "inactive", "enabled": "disabled", "stamp": "none"}
    assert all(reply.ok for reply in dash.fix(unit))
    assert is_as_desired(unit, see(dash, unit))
    assert calls(dash) == ["is-enabled", "enable", "daemon-reload", "restart"]


def test_systemd_reads_its_units_once_for_all_that_are_enabled_and_before_any_is_started(dash):
    """Each time it starts nothing, and a unit that is just being started then was lost on a slow host."""
    assert dash.fix(Unit(name="app"), Unit(name="b"), Unit(name="c", enabled=False))[0].ok
    done = calls(dash)
    assert done.count("daemon-reload") == 1 and done.count("restart") == 3
    assert done.index("daemon-reload") < done.index("restart")
    enabling = [line for line in dash.read_note("calls").splitlines() if line.startswith("enable")]
    assert [line.split()[-1] for line in enabling] == ["app.service", "b.service"]
    assert all("--no-reload" in line for line in enabling)


def test_systemd_reads_its_units_once_for_all_that_are_masked(dash):
    for _ in range(3):
        assert dash.fix(Unit(name="app", state="masked"))[0].ok
        (dash.root / "masked").unlink()
    changing = [line for line in dash.read_note("calls").splitlines() if line.startswith(("mask", "disable"))]
    assert changing and all("--no-reload" in line for line in changing)
    assert "daemon-reload" not in calls(dash)
    for _ in range(2):
        see(dash, Unit(name="app"))
    assert calls(dash).count("daemon-reload") == 1


@pytest.mark.parametrize("why", ["reload", "masked", RELOAD_FLAG[1:]])
def test_systemd_is_made_to_read_its_units_only_when_needed(dash, tmp_path, why):
    (tmp_path / "enabled").touch()
    (tmp_path / why).touch()
    assert all(reply.ok for reply in dash.fix(Unit(name="app")))
    assert calls(dash).count("daemon-reload") == 1
    assert not (tmp_path / "masked").exists()
    assert all(reply.ok for reply in dash.fix(Unit(name="app")))
    assert calls(dash).count("daemon-reload") == 1


def test_a_unit_that_is_but_a_script_for_sysv_is_enabled_too(dash, tmp_path):
    (tmp_path / "script").touch()
    assert dash.fix(Unit(name="app"))[0].ok
    assert see(dash, Unit(name="app"))["enabled"] == "enabled"


def test_unit_whose_files_changed_is_told_apart(dash):
    old = Unit(name="app", restart_triggers=(File(path="/etc/app", content="old"),))
    new = Unit(name="app", restart_triggers=(File(path="/etc/app", content="new"),))
    dash.fix(old)
    assert is_as_desired(old, see(dash, old))
    assert [key for key, value in new.desired().items() if see(dash, new)[key] != value] == ["stamp"]


def test_forgetting_makes_a_restart_due(dash):
    unit = Unit(name="app")
    dash.fix(unit)
    forget = unit.invalidate()
    assert forget is not None and dash.run(forget).ok and dash.run(forget).ok
    assert see(dash, unit)["stamp"] == "none"


def test_unit_that_does_not_start_shows_its_logs_and_gets_no_stamp(dash, tmp_path):
    (tmp_path / "breaks").touch()
    (tmp_path / "app log").write_text("why it broke\n")
    reply = dash.fix(Unit(name="app", logs=(str(tmp_path / "app log"), "/nonexistent")))[-1]
    assert reply.code == 1
    for words in ("app.service did not start", "the status", "what the journal says", "why it broke"):
        assert words in reply.err
    assert see(dash, Unit(name="app"))["stamp"] == "none"


@pytest.mark.parametrize(
    ("failed", "words"), [(True, "failed after its start"), (False, "is not ready after 1 seconds")]
)
def test_unit_that_does_not_get_ready_gets_no_stamp(dash, tmp_path, failed, words):
    if failed:
        (tmp_path / "failed").touch()
    reply = dash.fix(Unit(name="app", ready_script="false # never", ready_timeout=1))[-1]
    assert (reply.code, words in reply.err) == (1, True)
    assert see(dash, Unit(name="app"))["stamp"] == "none"


def test_readiness_is_asked_until_it_is_there(dash, tmp_path):
    ready = f"echo x >> '{tmp_path}/asked'; [ $(wc -l < '{tmp_path}/asked') -ge 3 ] && [ 5% = 5% ]"
    assert dash.fix(Unit(name="app", ready_script=ready))[-1].ok
    assert dash.read_note("asked") == "x\n" * 3


@pytest.mark.parametrize("state", ["stopped", "masked"])
def test_unit_that_shall_not_run(dash, tmp_path, state):
    dash.fix(Unit(name="app"))
    unit = Unit(name="app", state=state)
    assert not is_as_desired(unit, see(dash, unit))
    assert dash.fix(unit)[0].ok
    assert is_as_desired(unit, see(dash, unit))
    assert (tmp_path / "masked").exists() == (state == "masked")


def test_unit_that_is_not_installed(dash):
    assert see(dash, Unit(name="other")) is None
    assert is_as_desired(Unit(name="other", state="stopped"), see(dash, Unit(name="other", state="stopped")))
    assert not is_as_desired(Unit(name="other", state="masked"), see(dash, Unit(name="other", state="masked")))


def test_failed_counts_as_stopped(dash, tmp_path):
    (tmp_path / "failed").touch()
    assert is_as_desired(Unit(name="app", state="stopped"), see(dash, Unit(name="app", state="stopped")))
    assert see(dash, Unit(name="app"))["active"] == "failed"


def test_all_units_are_one_look(dash):
    units = [Unit(name="app"), Unit(name="b"), Unit(name="c", state="masked")]
    assert len(Unit.probe(units)) == 1
    assert list(dash.probe(*units)) == ["unit:app", "unit:b", "unit:c"]


@pytest.mark.parametrize("out", ["", "System has not been booted with systemd", "Id=a\nLoadState=loaded\n\nId=b\n==\n"])
def test_nonsense_from_systemd_is_refused(out):
    with pytest.raises(ValueError):
        Unit.probe([Unit(name="a"), Unit(name="b")])[0].parse(Reply(0, out))


def test_job_waits_longer_than_its_readiness():
    job = Unit.fix([missing_diff(Unit(name="app", ready_timeout=300))])[-1]
    assert isinstance(job, Job) and job.name == "unit-app" and job.timeout > 300


def work(tmp_path, **more):
    how = {"script": f"cat > '{tmp_path}/done'", "probe_script": f"[ -f '{tmp_path}/done' ]", "stdin": b"input", **more}
    return RunOnce(name="Nova schema", **how)


def test_once_is_done_with_its_input_and_remembered(dash, tmp_path):
    once = work(tmp_path, fingerprint="it's \\t 100% $x")
    assert dash.probe(once)[once.id] is None
    assert dash.fix(once)[0].ok
    assert is_as_desired(once, dash.probe(once)[once.id])
    assert dash.read_note("done") == "input"


def test_once_for_other_circumstances_is_due_again(dash, tmp_path):
    dash.fix(work(tmp_path, fingerprint="zed"))
    later = work(tmp_path, fingerprint="epoxy")
    assert dash.probe(later)[later.id] == {"done": True, "token": "zed"}


def test_once_that_fails_is_not_remembered(dash, tmp_path):
    once = work(tmp_path, script=f"touch '{tmp_path}/done'; (exit 3)")
    assert dash.fix(once)[0].code == 3
    assert dash.probe(once)[once.id] == {"done": True, "token": "none"}


def test_once_says_when_it_cannot_tell(dash):
    works = [
        RunOnce(name=f"w{code}", script=":", probe_script=f"exit {code} # said", known_after=Phase.DATABASES)
        for code in (0, 1, 75, 127)
    ]
    assert len(RunOnce.probe(works)) == 1
    assert list(dash.probe(*works).values()) == [{"done": True, "token": "none"}, None, Unknown(Phase.DATABASES), None]


@pytest.mark.parametrize("out", ["", "0\t1\t2\n", "zero\tx\n"])
def test_nonsense_about_once_is_refused(out):
    with pytest.raises(ValueError):
        RunOnce.probe([RunOnce(name="w", script=":", probe_script=":")])[0].parse(Reply(0, out))
