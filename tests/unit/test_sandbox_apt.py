"""This machine's apt sources and settings, and the cache of downloaded packages."""

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


def test_only_debians_own_suites_are_used():
    sources = apt_sources.distribution_sources(TARGETS, "bookworm", "bookworm")
    assert [source.to_line() for source in sources] == [
        "deb http://mirror.test/debian/ bookworm main contrib",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]


def test_another_release_comes_from_the_same_mirrors():
    sources = apt_sources.distribution_sources(TARGETS, "bookworm", "trixie")
    assert [source.suite for source in sources] == ["trixie", "trixie-updates", "trixie-security"]


def test_a_machine_with_another_codename_has_no_source():
    assert apt_sources.distribution_sources(TARGETS, "noble", "bookworm") == []


def test_a_keyring_without_the_suites_key_is_an_error_with_a_remedy():
    """debootstrap's last line, as seen on Debian 12 with the keyring of Debian 11."""
    message = "debootstrap failed (1):    You can find the latest Debian release key at https://keys.test/"
    error = trees.missing_keyring_error(model.SandboxError(message, hint="x"), "trixie")
    assert error is not None
    assert error.message == "this machine's keyring has no key of Debian trixie"
    assert "debian-archive-keyring" in error.hint
    assert (
        trees.missing_keyring_error(model.SandboxError("debootstrap failed (1): no room", hint="x"), "trixie") is None
    )


def test_the_codename_is_read_with_and_without_quotes():
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


def test_only_settings_about_fetching_are_copied():
    assert apt_sources.filter_acquire_settings(DUMP).splitlines() == [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://proxy.test:3142";',
        'Acquire::https::Proxy "DIRECT";',
    ]


def test_apts_proxy_is_in_debootstraps_environment():
    assert apt_sources.proxy_environment(DUMP) == {"http_proxy": "http://proxy.test:3142"}


@given(st.text(alphabet='Acquire:"; \n', max_size=60))
def test_any_apt_configuration_is_read_without_an_error(dump):
    assert all(line.startswith("Acquire::") for line in apt_sources.filter_acquire_settings(dump).splitlines())


def test_complete_packages_are_linked_and_partial_ones_are_not(tmp_path):
    archives, cache = tmp_path / "archives", tmp_path / "cache"
    (archives / "partial").mkdir(parents=True)
    (archives / "a_1.deb").write_text("a")
    (archives / "lock").touch()
    (archives / "partial/b_1.deb").write_text("half")
    debs.link_debs(archives, cache)
    debs.link_debs(archives, cache)
    assert [path.name for path in cache.iterdir()] == ["a_1.deb"]
    assert (cache / "a_1.deb").stat().st_nlink == 2


def test_missing_tools_give_each_package_once():
    tools = {"sh": "dash", "no-such-tool-a": "pkg", "no-such-tool-b": "pkg"}
    assert local_commands.missing_packages(tools) == ["pkg"]
