"""Holds: units that packages bring stay stopped until their own resource starts them."""

from __future__ import annotations

import pytest

from packstack_lite.remote.command import Reply
from packstack_lite.resources import Unit, UnitHolds
from packstack_lite.resources.shell import RELOAD_FLAG
from packstack_lite.resources.unit_holds import HOLD_FILE, UNIT_DIR
from packstack_lite.state_paths import UNIT_DIGESTS_DIR
from tests.unit.dash import Dash, is_as_desired

# Units whose names are files in $T/units exist.
SYSTEMCTL = r"""
echo "$1" >> $T/calls
[ "$1" = show ] || exit 0
first=yes
for word in "$@"; do
    case $word in --*|show) continue ;; esac
    [ $first = yes ] || echo
    first=no
    [ -e "$T/units/$word" ] && echo LoadState=loaded || echo LoadState=not-found
    case $* in *Id*) echo Id=$word; echo ActiveState=inactive; echo UnitFileState=enabled ;; esac
done
"""
HOLDS = UnitHolds(units=("db.service", "db.socket", "mon@a.service"))


@pytest.fixture
def dash(tmp_path):
    dash = Dash(tmp_path, moved=[UNIT_DIR, RELOAD_FLAG, UNIT_DIGESTS_DIR])
    (tmp_path / "run").mkdir()
    (tmp_path / "units").mkdir()
    dash.tool("systemctl", SYSTEMCTL)
    # A stand-in for a unit runs as soon as systemctl ends.
    dash.tool("sleep", "exec /bin/sleep 0.05")
    return dash


def hold_of(dash, unit):
    return dash.root / f"{UNIT_DIR[1:]}/{unit}.d/{HOLD_FILE}"


def test_units_are_held_before_their_packages_bring_them(dash):
    assert dash.probe(HOLDS)[HOLDS.id] == {"free": HOLDS.units}
    assert [reply.code for reply in dash.fix(HOLDS)] == [0]
    assert is_as_desired(HOLDS, dash.probe(HOLDS)[HOLDS.id])
    assert hold_of(dash, "db.socket").read_text().splitlines()[1:] == ["[Unit]", "ConditionPathExists=!/"]
    assert not list(dash.root.glob("**/*.new"))


def test_an_interrupted_fix_is_completed(dash):
    dash.fix(UnitHolds(units=("db.service",)))
    assert dash.probe(HOLDS)[HOLDS.id] == {"free": ("db.socket", "mon@a.service")}


def test_a_unit_that_exists_is_left_alone(dash):
    (dash.root / "units/db.service").touch()
    dash.fix(UnitHolds(units=dash.probe(HOLDS)[HOLDS.id]["free"]))
    assert is_as_desired(HOLDS, dash.probe(HOLDS)[HOLDS.id])
    assert not hold_of(dash, "db.service").exists() and hold_of(dash, "db.socket").exists()


@pytest.mark.parametrize("state", ["running", "masked"])
def test_a_units_own_phase_removes_its_hold(dash, state):
    dash.fix(HOLDS)
    (dash.root / "units/db.service").touch()
    unit = Unit(name="db", state=state)
    assert dash.probe(unit)[unit.id]["enabled"] == "held"
    (dash.root / "run/packstack-lite-units").unlink(missing_ok=True)
    dash.fix(unit)
    assert dash.probe(unit)[unit.id]["enabled"] != "held"
    assert not hold_of(dash, "db.service").parent.exists()
    assert hold_of(dash, "db.socket").exists(), "the other units stay held"
    assert "daemon-reload" in dash.read_note("calls")


def test_a_drop_in_of_ours_or_the_users_stays(dash):
    dash.fix(HOLDS)
    other = hold_of(dash, "db.service").with_name("packstack-lite.conf")
    other.write_text("[Service]\n")
    (dash.root / "units/db.service").touch()
    dash.fix(Unit(name="db"))
    assert other.exists() and not hold_of(dash, "db.service").exists()


@pytest.mark.parametrize("out", ["", "db.service held\n", "db.service held\ndb.socket free\nother free\n"])
def test_a_reply_of_another_form_is_an_error(out):
    with pytest.raises(ValueError, match="units for 3 names"):
        HOLDS.probe([HOLDS])[0].parse(Reply(0, out))
