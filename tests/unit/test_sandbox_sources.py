from hypothesis import given
from hypothesis import strategies as st

from packstack_lite.sandbox import apt_sources, debs, local_commands, model, trees

TARGETS = """\
http://mirror.test/debian/|bookworm|main|Debian
http://mirror.test/debian/|bookworm|contrib|Debian
http://mirror.test/debian/|bookworm-updates|main|Debian
http://mirror.test/security/|bookworm-security|main|Debian
http://mirror.test/debian/|bookworm-backports|main|Debian Backports
http://mirror.test/debian/|bookworm-proposed-updates|main|Debian
http://third.test/deb|bookworm|main|Someone
http://third.test/node|nodistro|main|Debian
"""


def test_only_the_distributions_own_suites_are_taken():
    found = apt_sources.distribution_sources(TARGETS, "bookworm", "bookworm")
    assert [source.to_line() for source in found] == [
        "deb http://mirror.test/debian/ bookworm main contrib",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]


def test_another_release_comes_from_the_same_places():
    found = apt_sources.distribution_sources(TARGETS, "bookworm", "trixie")
    assert [source.suite for source in found] == ["trixie", "trixie-updates", "trixie-security"]


def test_a_machine_of_another_codename_has_no_source():
    assert apt_sources.distribution_sources(TARGETS, "noble", "bookworm") == []


def test_a_suite_younger_than_the_keyring_is_told_with_the_way_out():
    """debootstrap's last line, as seen on Debian 12 with the keyring of Debian 11."""
    said = "debootstrap failed (1):    You can find the latest Debian release key at https://keys.test/"
    fault = trees.missing_keyring_error(model.SandboxError(said, hint="x"), "trixie")
    assert fault is not None
    assert fault.message == "this machine's keyring has no key of Debian trixie"
    assert "debian-archive-keyring" in fault.hint
    assert (
        trees.missing_keyring_error(model.SandboxError("debootstrap failed (1): no room", hint="x"), "trixie") is None
    )


def test_codename_is_read_with_and_without_quotes():
    assert apt_sources.parse_codename('ID=debian\nVERSION_CODENAME=bookworm\nX="1"\n') == "bookworm"
    assert apt_sources.parse_codename('VERSION_CODENAME="trixie"\n') == "trixie"
    assert apt_sources.parse_codename("ID=arch\n") == ""


DUMP = """\
APT "";
Acquire "";
Acquire::cdrom::mount "/media/cdrom/";
Acquire::IndexTargets::deb::Packages::MetaKey "x";
Acquire::Check-Valid-Until "false";
Acquire::http::Proxy "http://proxy.test:3142";
Acquire::https::Proxy "DIRECT";
Acquire::Languages:: "none";
Dir "/";
"""


def test_fetch_settings_are_kept_and_apts_own_workings_are_not():
    assert apt_sources.filter_acquire_settings(DUMP).splitlines() == [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://proxy.test:3142";',
        'Acquire::https::Proxy "DIRECT";',
    ]


def test_apts_proxy_reaches_debootstrap_through_the_environment():
    assert apt_sources.proxy_environment(DUMP) == {"http_proxy": "http://proxy.test:3142"}


@given(st.text(alphabet='Acquire:"; \n', max_size=60))
def test_any_dump_is_read_without_an_error(dump):
    assert all(line.startswith("Acquire::") for line in apt_sources.filter_acquire_settings(dump).splitlines())


def test_packages_are_linked_and_partial_ones_left_alone(tmp_path):
    archives, cache = tmp_path / "archives", tmp_path / "cache"
    (archives / "partial").mkdir(parents=True)
    (archives / "a_1.deb").write_text("a")
    (archives / "lock").touch()
    (archives / "partial/b_1.deb").write_text("half")
    debs.link_debs(archives, cache)
    debs.link_debs(archives, cache)
    assert [path.name for path in cache.iterdir()] == ["a_1.deb"]
    assert (cache / "a_1.deb").stat().st_nlink == 2


def test_missing_tools_are_named_by_their_package_once():
    lacking = {"sh": "dash", "no-such-tool-a": "pkg", "no-such-tool-b": "pkg"}
    assert local_commands.missing_packages(lacking) == ["pkg"]
