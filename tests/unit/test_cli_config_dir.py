"""--config-dir: the loader, and ``render`` with it on the command line."""

from __future__ import annotations

import os

import pytest

from packstack_lite.config_overrides.loader import MAX_FILE_SIZE, load_directory
from packstack_lite.errors import UsageError


def write_file(path, data=b"[DEFAULT]\na = 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_without_a_directory_the_tree_is_empty():
    assert load_directory(None).files == ()


def test_files_are_named_by_their_path_below_etc_and_sorted(tmp_path):
    write_file(tmp_path / "nova/nova.conf", "\ufeff[DEFAULT]\r\nä = 1\r\n".encode())
    write_file(tmp_path / "neutron/plugins/ml2/ml2_conf.ini")
    write_file(tmp_path / "memcached.conf")
    tree = load_directory(tmp_path)
    assert [(user_file.name, user_file.path) for user_file in tree.files] == [
        ("memcached.conf", "/etc/memcached.conf"),
        ("neutron/plugins/ml2/ml2_conf.ini", "/etc/neutron/plugins/ml2/ml2_conf.ini"),
        ("nova/nova.conf", "/etc/nova/nova.conf"),
    ]
    assert tree.files[2].source == str(tmp_path / "nova/nova.conf")
    assert tree.files[2].text == "[DEFAULT]\r\nä = 1\r\n"
    assert tree.errors == ()


def test_hidden_files_and_backups_are_skipped(tmp_path):
    for name in (".git/config", ".gitignore", "nova/.nova.conf.swp", "nova/nova.conf~"):
        write_file(tmp_path / name)
    assert load_directory(tmp_path).files == ()


def test_all_unusable_files_are_reported_at_once(tmp_path):
    write_file(tmp_path / "a/binary", b"\x00\x01")
    write_file(tmp_path / "b/latin1", b"\xe4\n")
    write_file(tmp_path / "c/large", b"#" * (MAX_FILE_SIZE + 1))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/link").symlink_to(tmp_path / "a")
    (tmp_path / "d/dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "e")
    tree = load_directory(tmp_path)
    assert tree.files == ()
    assert set(tree.errors) == {
        f"{tmp_path}/a/binary: is not a text file",
        f"{tmp_path}/b/latin1: is not a text file",
        f"{tmp_path}/c/large: is larger than 1024 KiB",
        f"{tmp_path}/d/link: a link to a directory, which is not followed",
        f"{tmp_path}/d/dangling: is not a file",
        f"{tmp_path}/e: is not a file",
    }


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x")])
def test_a_missing_directory_is_refused(tmp_path, make):
    make(tmp_path / "mine")
    with pytest.raises(UsageError, match="there is no such directory"):
        load_directory(tmp_path / "mine")


@pytest.fixture
def answers(tool, tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\nCONFIG_DEFAULT_PASSWORD=hunter22\n")
    return path


def test_render_merges_the_directory_into_its_output(tool, tmp_path, answers):
    write_file(tmp_path / "mine/nova/nova.conf", b"[DEFAULT]\nram_allocation_ratio = 9.5\n")
    write_file(tmp_path / "mine/nova/policy.yaml", b"a: b\n")
    options = ("--answer-file", str(answers), "--config-dir", str(tmp_path / "mine"))
    result = tool("render", "--to", str(tmp_path / "out"), *options)
    assert result.code == 0, result.err
    assert "ram_allocation_ratio = 9.5\n" in (tmp_path / "out/etc/nova/nova.conf").read_text()
    assert (tmp_path / "out/etc/nova/policy.yaml").read_text() == "a: b\n"
    assert "nova/policy.yaml: packstack-lite writes no such file; it is copied unchanged" in result.err


def test_errors_exit_with_usage_and_show_no_value(tool, tmp_path, answers):
    write_file(tmp_path / "mine/nova/nova.conf", b"[DEFAULT]\nsesame77\n")
    write_file(tmp_path / "mine/novva/x", b"sesame77\n")
    options = ("--answer-file", str(answers), "--config-dir", str(tmp_path / "mine"))
    result = tool("render", "--to", str(tmp_path / "out"), *options)
    assert result.code == 2
    assert "--config-dir: 2 errors" in result.err
    assert f"{tmp_path}/mine/nova/nova.conf:2: neither NAME = VALUE nor a [section]" in result.err
    assert "did you mean nova/?" in result.err
    assert "sesame77" not in result.err + result.out
    assert not (tmp_path / "out").exists()
