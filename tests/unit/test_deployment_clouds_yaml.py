"""clouds.yaml: our entries are added, others are kept."""

from __future__ import annotations

import pytest
import yaml

from packstack_lite.deployment import clouds_yaml
from packstack_lite.errors import UsageError

ENTRIES = {
    "packstack-lite-aio": clouds_yaml.make_cloud_entry(
        "http://198.18.1.10:5000/v3", "admin", "p: #'\"x", "admin", "RegionOne"
    )
}


def test_a_new_file_is_private(tmp_path):
    path = tmp_path / "openstack" / "clouds.yaml"
    assert clouds_yaml.merge_clouds(path, ENTRIES)
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text())["clouds"]["packstack-lite-aio"]["auth"]["password"] == "p: #'\"x"


def test_other_entries_stay_and_the_original_file_is_kept(tmp_path):
    path = tmp_path / "clouds.yaml"
    before = "# mine\ncache:\n  class: x\nclouds:\n  prod:\n    auth: {auth_url: 'https://prod'}\n"
    path.write_text(before)
    clouds_yaml.merge_clouds(path, ENTRIES)
    after = yaml.safe_load(path.read_text())
    assert after["cache"] == {"class": "x"}
    assert after["clouds"]["prod"] == {"auth": {"auth_url": "https://prod"}}
    assert (tmp_path / "clouds.yaml.packstack-lite.orig").read_text() == before


def test_a_second_merge_writes_nothing(tmp_path):
    path = tmp_path / "clouds.yaml"
    clouds_yaml.merge_clouds(path, ENTRIES)
    stamp = path.stat().st_mtime_ns
    assert not clouds_yaml.merge_clouds(path, ENTRIES)
    assert path.stat().st_mtime_ns == stamp


def test_a_symbolic_link_stays_one(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "clouds.yaml"
    real.write_text("clouds: {}\n")
    link.symlink_to(real)
    clouds_yaml.merge_clouds(link, ENTRIES)
    assert link.is_symlink()
    assert "packstack-lite-aio" in real.read_text()


@pytest.mark.parametrize("content", ["- a list\n", "clouds: text\n", "a: [\n", b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_parsed_is_left_alone(tmp_path, content):
    path = tmp_path / "clouds.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="nothing was added"):
        clouds_yaml.merge_clouds(path, ENTRIES)
    assert path.read_bytes() == before
