"""Files, directories, links, absent paths and key repositories, on a real file system."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd

import pytest

from packstack_lite.remote.command import Command, FileItem, Reply
from packstack_lite.resources import Absent, Directory, File, KeyRepository, Symlink
from packstack_lite.resources.shell import RELOAD_FLAG
from packstack_lite.secret import Secret, quote_ini
from tests.unit.dash import Dash, is_as_desired, missing_diff

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path)


def test_a_files_desired_state_has_the_digest_of_its_content():
    file = File(path="/etc/x", content="é\n", mode=0o640, group="nova")
    digest = hashlib.sha256("é\n".encode()).hexdigest()
    assert file.desired() == {"sha256": digest, "mode": "0640", "owner": "root", "group": "nova"}
    assert file.id == "file:/etc/x"
    assert File.fix([missing_diff(file)]) == [FileItem("/etc/x", "é\n".encode(), 0o640, "root", "nova")]


def test_writing_unit_files_sets_the_reload_flag():
    units = [File(path=f"/etc/systemd/system/{name}") for name in ("a.service", "b.service.d/x.conf")]
    actions = File.fix([missing_diff(file) for file in (File(path="/etc/x"), *units)])
    assert [action.path for action in actions[:-1]] == ["/etc/x", *(unit.path for unit in units)]
    assert actions[-1].script == f": >{RELOAD_FLAG}"
    assert not isinstance(File.fix([missing_diff(File(path="/etc/systemd/network/x"))])[-1], Command)


def test_the_repr_of_a_file_shows_no_secret():
    assert "open sesame" not in repr(File(path="/etc/x", content=quote_ini(Secret("open sesame"))))


@pytest.mark.parametrize("name", ["plain", "with space", "-dash", "quote'\"", "back\\slash", "$HOME", "*"])
def test_a_file_of_any_name_is_probed(dash, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x00\xff no text\n")
    path.chmod(0o640)
    file = File(path=str(path), content=b"\x00\xff no text\n", mode=0o640, owner=ME, group=MINE)
    assert is_as_desired(file, dash.probe(file)[file.id])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda path: path.write_text("b\n"), "sha256"),
        (lambda path: path.chmod(0o600), "mode"),
        (lambda path: (path.unlink(), path.mkdir()), "sha256"),
    ],
)
def test_a_difference_shows_in_its_key(dash, tmp_path, change, key):
    path = tmp_path / "conf"
    path.write_text("a\n")
    path.chmod(0o644)
    change(path)
    file = File(path=str(path), content="a\n", owner=ME, group=MINE)
    assert dash.probe(file)[file.id][key] != file.desired()[key]


def test_all_files_share_one_probe(dash, tmp_path):
    files = [File(path=str(tmp_path / str(n)), content=str(n), owner=ME, group=MINE) for n in range(60)]
    for file in files[1:]:
        (tmp_path / file.path).write_text(file.content)
    assert len(File.probe(files)) == 1
    observed = dash.probe(*files)
    assert observed[files[0].id] is None
    assert all(observed[file.id]["sha256"] == file.desired()["sha256"] for file in files[1:])


@pytest.mark.parametrize("reply", [Reply(1, "", "sh: sha256sum: not found"), Reply(0, "/etc/x\tonly two\n")])
def test_an_unexpected_reply_is_refused(reply):
    probe = File.probe([File(path="/etc/x", content="")])[0]
    with pytest.raises(ValueError, match=r"not found|fields"):
        probe.parse(reply)


def test_old_texts_are_read_for_a_text_diff(dash, tmp_path):
    (tmp_path / "a").write_text("old\nlines\n")
    (tmp_path / "c").write_bytes(b"\xff")
    files = [File(path=str(tmp_path / name), content="new") for name in "abc"]
    command, parse = File.content_probe(files)
    assert parse(dash.run(command)) == {files[0].path: "old\nlines\n", files[1].path: "", files[2].path: "\ufffd"}
    assert files[0].diff_texts(missing_diff(files[0])) == ("", "new")


def test_a_directory_is_created_and_corrected(dash, tmp_path):
    directory = Directory(path=str(tmp_path / "a b" / "c"), mode=0o750, owner=ME, group=MINE)
    assert dash.probe(directory)[directory.id] is None
    for _ in range(2):
        assert dash.fix(directory)[0].ok
        assert is_as_desired(directory, dash.probe(directory)[directory.id])
        os.chmod(directory.path, 0o777)
        assert not is_as_desired(directory, dash.probe(directory)[directory.id])


def test_a_removed_file_is_kept_once(dash, tmp_path):
    path = tmp_path / "default site"
    absent = Absent(path=str(path))
    for content in ("first", "second"):
        path.write_text(content)
        assert dash.probe(absent)[absent.id] is not None
        assert dash.fix(absent)[0].ok
        assert dash.probe(absent)[absent.id] is None
    assert (tmp_path / "default site.packstack-lite.orig").read_text() == "first"


def test_a_removed_file_of_ours_is_not_kept(dash, tmp_path):
    """It may hold a password, and apt warns of every unknown file in its directory."""
    path = tmp_path / "proxy"
    path.write_text("secret")
    absent = Absent(path=str(path), created_by_us=True)
    assert dash.fix(absent)[0].ok and dash.probe(absent)[absent.id] is None
    assert os.listdir(tmp_path) == ["tools"]


@pytest.mark.parametrize("target", ["there", "dangling"])
def test_an_absent_link_is_removed_and_its_target_stays(dash, tmp_path, target):
    (tmp_path / "there").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / target)
    absent = Absent(path=str(tmp_path / "link"))
    assert dash.probe(absent)[absent.id] is not None
    assert dash.fix(absent)[0].ok
    assert dash.probe(absent)[absent.id] is None
    assert sorted(os.listdir(tmp_path)) == ["there", "tools"]


@pytest.mark.parametrize("before", [None, "link", "file", "directory"])
def test_a_link_is_created_whatever_is_in_its_way(dash, tmp_path, before):
    path = tmp_path / "l"
    if before == "link":
        path.symlink_to("/elsewhere")
    elif before == "file":
        path.write_text("precious")
    elif before == "directory":
        path.mkdir()
    link = Symlink(path=str(path), target="/a directory/that is not")
    assert not is_as_desired(link, dash.probe(link)[link.id])
    assert dash.fix(link)[0].ok
    assert is_as_desired(link, dash.probe(link)[link.id])
    assert (tmp_path / "l.packstack-lite.orig").exists() == (before in ("file", "directory"))


def test_keys_are_created_once_and_never_replaced(dash, tmp_path):
    keys = KeyRepository(directory=str(tmp_path / "fernet keys"), owner=ME, group=MINE)
    assert dash.probe(keys)[keys.id] is None
    keys_by_run = []
    for _ in range(2):
        assert dash.fix(keys)[0].ok
        assert is_as_desired(keys, dash.probe(keys)[keys.id])
        keys_by_run.append([(tmp_path / "fernet keys" / name).read_bytes() for name in "01"])
    assert keys_by_run[0] == keys_by_run[1]
    assert keys_by_run[0][0] != keys_by_run[0][1]
    assert [len(base64.urlsafe_b64decode(key)) for key in keys_by_run[0]] == [32, 32]
    assert sorted(os.listdir(keys.directory)) == ["0", "1"]
    assert oct(os.stat(f"{keys.directory}/1").st_mode)[-3:] == "600"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another account")
def test_a_key_of_another_owner_or_open_to_others_is_noticed(dash, tmp_path):
    """Keystone cannot read a root's key: no token is valid any more."""
    keys = KeyRepository(directory=str(tmp_path / "keys"), owner=ME, group=MINE)
    dash.fix(keys)
    for damage in (lambda key: os.chown(key, 1, 1), lambda key: os.chmod(key, 0o644)):
        damage(tmp_path / "keys/1")
        assert not is_as_desired(keys, dash.probe(keys)[keys.id])
        dash.fix(keys)
        assert is_as_desired(keys, dash.probe(keys)[keys.id])


def test_keys_of_a_killed_run_are_completed(dash, tmp_path):
    directory = tmp_path / "k"
    directory.mkdir(mode=0o755)
    (directory / "1").write_text("primary")
    (directory / "0.new").write_text("half")
    keys = KeyRepository(directory=str(directory), owner=ME, group=MINE)
    assert dash.probe(keys)[keys.id] is None
    assert dash.fix(keys)[0].ok
    assert is_as_desired(keys, dash.probe(keys)[keys.id])
    assert (directory / "1").read_text() == "primary"
    assert len((directory / "0").read_text()) == 44
