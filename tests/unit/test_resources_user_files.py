"""The user's files are removed when they are no longer given. Run by dash on real files."""

from __future__ import annotations

import pytest

from packstack_lite.remote.command import FileItem
from packstack_lite.remote.push import make_push_command
from packstack_lite.resources import UserFiles
from tests.unit.dash import Dash, is_as_desired


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path, moved=("/var/lib/packstack-lite",))


def apply(dash, *paths, managed=()):
    resource = UserFiles(tuple(map(str, paths)), tuple(map(str, managed)))
    (reply,) = dash.fix(resource)
    assert reply.code == 0, reply.err
    assert is_as_desired(resource, dash.probe(resource)[resource.id])


def push(tmp_path, *paths, before=""):
    """Write files like remote.push: the path is in the list of written files, the original is kept."""
    written_files = tmp_path / "var/lib/packstack-lite/files"
    for path in paths:
        with written_files.open("a") as list_file:
            list_file.write(f"{path}\n")
        path.write_text("mine")
        if before:
            path.with_name(f"{path.name}.packstack-lite.orig").write_text(before)


def test_a_fresh_node_has_no_user_files(dash):
    assert is_as_desired(UserFiles(), dash.probe(UserFiles())[UserFiles().id])
    resource = UserFiles(("/etc/x",))
    assert not is_as_desired(resource, dash.probe(resource)[resource.id])


def test_a_file_that_is_no_longer_given_is_removed_and_others_stay(dash, tmp_path):
    first, second = tmp_path / "first", tmp_path / "with space"
    apply(dash, first, second)
    push(tmp_path, first, second)
    apply(dash, first)
    assert first.exists() and not second.exists()
    apply(dash)
    assert not first.exists()


def test_the_original_is_restored_and_no_longer_listed(dash, tmp_path):
    path, other, written_files = tmp_path / "f", tmp_path / "other", tmp_path / "var/lib/packstack-lite/files"
    apply(dash, path)
    push(tmp_path, other)
    push(tmp_path, path, before="the package's")
    apply(dash)
    assert path.read_text() == "the package's" and not (tmp_path / "f.packstack-lite.orig").exists()
    assert written_files.read_text() == f"{other}\n"


def test_a_file_that_existed_and_was_never_written_stays(dash, tmp_path):
    path = tmp_path / "f"
    path.write_text("the same as given")
    apply(dash, path)
    apply(dash)
    assert path.exists()


def test_a_file_that_another_resource_manages_now_stays(dash, tmp_path):
    path = tmp_path / "f"
    apply(dash, path)
    push(tmp_path, path)
    apply(dash, managed=[path])
    assert path.read_text() == "mine"


def test_a_link_stays_and_its_target_is_removed(dash, tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    apply(dash, link)
    push(tmp_path, target)
    apply(dash)
    assert link.is_symlink() and not target.exists()


@pytest.mark.parametrize("before", ["", "the package's"])
def test_a_removal_that_was_killed_can_be_repeated(dash, tmp_path, before):
    path, record = tmp_path / "f", tmp_path / "var/lib/packstack-lite/placed"
    apply(dash, path)
    push(tmp_path, path, before=before)
    list_before = record.read_text()
    apply(dash)
    record.write_text(list_before)
    apply(dash)
    assert (path.read_text() if path.exists() else "") == before


@pytest.mark.parametrize(
    ("before", "kept"), [("#!/bin/sh\n# Written by packstack-lite.\n", False), ("the package's\n", True)]
)
def test_a_file_of_ours_is_not_kept_as_original_when_the_list_is_lost(dash, tmp_path, before, kept):
    """Without /var/lib/packstack-lite a copy of our own file would be restored as the original one day."""
    dash.tool("chown", "exit 0")
    path = tmp_path / "a.conf"
    path.write_text(before)
    assert dash.run(make_push_command([FileItem(str(path), b"new")])).code == 0
    assert path.read_text() == "new"
    assert (tmp_path / "a.conf.packstack-lite.orig").exists() == kept
