"""State directories: a wrong owner or mode is found and mended, and what is not the service's stays."""

from __future__ import annotations

import os
import pwd

import pytest

from packstack_lite.engine.diff import diff_resources
from packstack_lite.resources import StateDirectory, Unknown
from packstack_lite.resources.state_directory import OWNER_ACCESS
from tests.unit.dash import Dash, is_as_desired

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another account")
OWNER, OTHER = "daemon", "games"


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path)


@pytest.fixture
def place(tmp_path):
    """A state directory with files, directories and a mount's place in it, all the owner's."""
    place = tmp_path / "state"
    for name in ("a/b", "mnt/share"):
        (place / name).mkdir(parents=True)
    for name in ("file", "a/file", "mnt/share/file", "debian-1.flag"):
        (place / name).touch()
    give(OWNER, place, *place.rglob("*"))
    return place


def give(owner, *paths):
    for path in paths:
        os.chown(path, pwd.getpwnam(owner).pw_uid, -1)


def make(place, **changes):
    return StateDirectory(**{"path": str(place), "owner": OWNER, **changes})


def drift(dash, resource):
    """Return what verify says, "" for nothing; apply mends it."""
    diffs = diff_resources([resource], dash.probe(resource))
    text = "".join(resource.describe_drift(diff) for diff in diffs)
    for diff in diffs:
        assert [dash.run(action).code for action in StateDirectory.fix([diff])] == [0]
        assert is_as_desired(resource, dash.probe(resource)[resource.id])
    return text


def test_a_wrong_owner_and_mode_are_named_and_mended(dash, place):
    resource = make(place, mode="0750")
    os.chmod(place, 0o750)
    assert drift(dash, resource) == ""
    give(OTHER, place)
    os.chmod(place, 0o755)
    assert drift(dash, resource) == f"{place}: mode is 0755 (should be 0750), owner is {OTHER} (should be {OWNER})"


@pytest.mark.parametrize(("mode", "is_fine"), [(0o700, True), (0o755, True), (0o711, True), (0o500, False), (0, False)])
def test_without_a_mode_the_owner_has_to_get_in_and_write(dash, place, mode, is_fine):
    os.chmod(place, mode)
    text = drift(dash, make(place))
    assert text == ("" if is_fine else f"{place}: mode is {mode:04o} (should be {OWNER_ACCESS})")
    assert place.stat().st_mode & 0o777 == mode | 0o700


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", set()),
        ("all", {"file", "a/file", "a/b", "a"}),
        ("instances", {"a/b", "a", "locks", "locks/nova-0", "compute_nodes", "a/disk.info"}),
        ("top", {"file", "a"}),
    ],
)
def test_what_is_the_owners_in_it_follows_from_content(dash, place, content, found):
    if content == "instances":
        (place / "locks").mkdir()
        for name in ("locks/nova-0", "compute_nodes", "a/disk.info", "a/disk"):
            (place / name).touch()
        give(OWNER, place, *place.rglob("*"))
    resource = make(place, content=content, excluded=("mnt", "debian-*.flag"))
    for path in sorted(place.rglob("*")):
        give(OTHER, path)
        name = str(path.relative_to(place))
        text = drift(dash, resource)
        assert text == (f"{place}: {path} is not {OWNER}'s" if name in found else ""), name
        assert path.owner() == (OWNER if name in found else OTHER)


def test_a_recursive_chown_of_roots_is_mended_at_once(dash, place):
    give("root", place, *place.rglob("*"))
    assert "owner is root" in drift(dash, make(place, content="all", excluded=("mnt",)))
    assert {path.owner() for path in place.rglob("*") if "mnt" not in str(path)} == {OWNER}
    assert {path.owner() for path in place.rglob("mnt*")} == {"root"}


def test_a_store_is_looked_at_on_its_first_levels_and_given_back_whole(dash, place):
    deep = place / "objects/17/abc/data"
    deep.parent.mkdir(parents=True)
    deep.touch()
    give(OWNER, place, *place.rglob("*"))
    resource = make(place, content="store", excluded=("mnt",))
    give(OTHER, deep)
    assert drift(dash, resource) == ""
    give("root", *(place / "objects").rglob("*"))
    assert drift(dash, resource) == f"{place}: {place}/objects/17 is not {OWNER}'s"
    assert deep.owner() == OWNER


def test_links_are_given_and_not_followed(dash, place, tmp_path):
    outside = tmp_path / "outside"
    outside.touch()
    (place / "link").symlink_to(outside)
    assert "link is not" in drift(dash, make(place, content="all"))
    assert outside.owner() == "root"


def test_a_missing_directory_is_made_once_its_account_exists(dash, tmp_path):
    resource = make(tmp_path / "new/state", mode="0700", content="all")
    assert drift(dash, resource) == f"directory {tmp_path}/new/state is missing"
    nobody_yet = make(tmp_path / "later", owner="packstack-lite-nobody")
    assert isinstance(dash.probe(nobody_yet)[nobody_yet.id], Unknown)


def test_several_directories_are_one_probe(dash, place, tmp_path):
    first, second = make(place, content="all"), make(tmp_path / "none")
    assert len(StateDirectory.probe([first, second])) == 1
    assert dash.probe(first, second)[second.id] is None
