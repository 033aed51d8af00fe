"""--config-dir as it is read, and as render and the command line tell of it."""

from __future__ import annotations

import os

import pytest

from packstack_lite.config_overrides.loader import MAX_FILE_SIZE, load_directory
from packstack_lite.errors import UsageError


def write(path, data=b"[DEFAULT]\na = 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_no_directory_is_an_empty_tree():
    assert load_directory(None).files == ()


def test_files_are_named_as_below_etc_and_come_in_order(tmp_path):
    write(tmp_path / "nova/nova.conf", "\ufeff[DEFAULT]\r\nä = 1\r\n".encode())
    write(tmp_path / "neutron/plugins/ml2/ml2_conf.ini")
    write(tmp_path / "memcached.conf")
    found = load_directory(tmp_path)
    assert [(given.name, given.path) for given in found.files] == [
        ("memcached.conf", "/etc/memcached.conf"),
        ("neutron/plugins/ml2/ml2_conf.ini", "/etc/neutron/plugins/ml2/ml2_conf.ini"),
        ("nova/nova.conf", "/etc/nova/nova.conf"),
    ]
    assert found.files[2].source == str(tmp_path / "nova/nova.conf")
    assert found.files[2].text == "[DEFAULT]\r\nä = 1\r\n"
    assert found.errors == ()


def test_hidden_files_and_backups_are_left_out(tmp_path):
    for name in (".git/config", ".gitignore", "nova/.nova.conf.swp", "nova/nova.conf~"):
        write(tmp_path / name)
    assert load_directory(tmp_path).files == ()


def test_whatever_cannot_be_used_is_told_at_once(tmp_path):
    write(tmp_path / "a/binary", b"\x00\x01")
    write(tmp_path / "b/latin1", b"\xe4\n")
    write(tmp_path / "c/large", b"#" * (MAX_FILE_SIZE + 1))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/link").symlink_to(tmp_path / "a")
    (tmp_path / "d/dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "e")
    found = load_directory(tmp_path)
    assert found.files == ()
    assert set(found.errors) == {
        f"{tmp_path}/a/binary: is not a text file",
        f"{tmp_path}/b/latin1: is not a text file",
        f"{tmp_path}/c/large: is larger than 1024 KiB",
        f"{tmp_path}/d/link: a link to a directory, which is not followed",
        f"{tmp_path}/d/dangling: is not a file",
        f"{tmp_path}/e: is not a file",
    }


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x")])
def test_a_directory_that_is_none_is_a_sentence(tmp_path, make):
    make(tmp_path / "mine")
    with pytest.raises(UsageError, match="there is no such directory"):
        load_directory(tmp_path / "mine")


@pytest.fixture
def answers(tool, tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("[general]\nCONFIG_CONTROLLER_HOST=198.18.1.10\nCONFIG_DEFAULT_PASSWORD=hunter22\n")
    return path


def test_render_lays_the_directory_over_what_it_writes(tool, tmp_path, answers):
    write(tmp_path / "mine/nova/nova.conf", b"[DEFAULT]\nram_allocation_ratio = 9.5\n")
    write(tmp_path / "mine/nova/policy.yaml", b"a: b\n")
    words = ("--answer-file", str(answers), "--config-dir", str(tmp_path / "mine"))
    ended = tool("render", "--to", str(tmp_path / "out"), *words)
    assert ended.code == 0, ended.err
    assert "ram_allocation_ratio = 9.5\n" in (tmp_path / "out/etc/nova/nova.conf").read_text()
    assert (tmp_path / "out/etc/nova/policy.yaml").read_text() == "a: b\n"
    assert "nova/policy.yaml: packstack-lite writes no such file; it is copied unchanged" in ended.err


def test_faults_are_usage_and_no_value_is_shown(tool, tmp_path, answers):
    write(tmp_path / "mine/nova/nova.conf", b"[DEFAULT]\nsesame77\n")
    write(tmp_path / "mine/novva/x", b"sesame77\n")
    words = ("--answer-file", str(answers), "--config-dir", str(tmp_path / "mine"))
    ended = tool("render", "--to", str(tmp_path / "out"), *words)
    assert ended.code == 2
    assert "--config-dir: 2 errors" in ended.err
    assert f"{tmp_path}/mine/nova/nova.conf:2: neither NAME = VALUE nor a [section]" in ended.err
    assert "did you mean nova/?" in ended.err
    assert "sesame77" not in ended.err + ended.out
    assert not (tmp_path / "out").exists()
