"""Single settings in files of other owners, and the node's own name, by real sh and awk."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packstack_lite.resources import HostsEntry, IniSettings
from packstack_lite.secret import Secret
from packstack_lite.state_paths import WRITTEN_FILES_LIST
from tests.unit.dash import Dash, is_as_desired

YUM = """\
[main]
cachedir=/var/cache/yum/$basearch/$releasever
gpgcheck=1
#proxy=http://old.example:1
distroverpkg=centos-release


#  This is the default
[other]
proxy=http://other.example:1"""
EPEL = """\
[epel]
name=Extra Packages
metalink=https://mirrors.example/metalink?repo=epel-7
exclude=mine, facter*
  more
enabled=1

[epel-source]
enabled=0
"""


@pytest.fixture
def dash(tmp_path):
    (tmp_path / "etc").mkdir()
    return Dash(tmp_path, moved=["/var/lib/packstack-lite", "/etc/"])


def write(dash, text, name="yum.conf"):
    path = dash.root / "etc" / name
    path.write_text(text)
    return path


def test_a_setting_is_added_to_its_section_and_nothing_else_changes(dash):
    path = write(dash, YUM)
    resource = IniSettings(path="/etc/yum.conf", section="main", values=(("proxy", "http://198.18.0.9:3128"),))
    assert resource.id == "settings:/etc/yum.conf[main]"
    assert dash.probe(resource)[resource.id]["proxy"] == "nothing"
    assert dash.fix(resource)[0].ok
    assert path.read_text() == YUM.replace("[main]\n", "[main]\nproxy=http://198.18.0.9:3128\n")
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    assert path.with_name("yum.conf.packstack-lite.orig").read_text() == YUM
    assert dash.read_note(WRITTEN_FILES_LIST[1:]) == f"{path}\n"
    again = IniSettings(path="/etc/yum.conf", section="main", values=(("proxy", "http://198.18.0.8:3128"),))
    assert dash.probe(again)[again.id]["proxy"] == "http://198.18.0.9:3128"
    assert dash.fix(again)[0].ok
    assert path.read_text() == YUM.replace("[main]\n", "[main]\nproxy=http://198.18.0.8:3128\n")
    assert path.with_name("yum.conf.packstack-lite.orig").read_text() == YUM


HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m"


def test_a_password_is_in_no_reply_and_the_files_mode_is_set(dash):
    path = write(dash, YUM)
    path.chmod(0o644)
    values = (("proxy", "http://198.18.0.9:3128"), ("proxy_username", "me"), ("proxy_password", Secret(HOSTILE)))
    resource = IniSettings(path="/etc/yum.conf", section="main", values=values, mode="0600")
    assert dash.fix(resource)[0].ok
    assert f"\nproxy_password={HOSTILE}\n" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    # The original holds no password: it keeps its own mode.
    assert path.with_name("yum.conf.packstack-lite.orig").stat().st_mode & 0o777 == 0o644
    observed = dash.probe(resource)[resource.id]
    assert is_as_desired(resource, observed)
    (probe,) = IniSettings.probe([resource])
    reply = dash.run(probe.command)
    assert HOSTILE not in reply.out + probe.command.script + repr(observed) + repr(resource.desired())
    changed = IniSettings(path="/etc/yum.conf", section="main", values=(("proxy_password", Secret("other")),))
    assert not is_as_desired(changed, dash.probe(changed)[changed.id])
    path.chmod(0o644)
    assert dash.probe(resource)[resource.id]["mode"] == "0644"


def test_words_are_appended_to_present_ones(dash):
    path = write(dash, EPEL, "epel.repo")
    values = (("exclude", "leatherman* facter* cpp-hocon*"),)
    resource = IniSettings(path="/etc/epel.repo", section="epel", values=values, append=True)
    assert dash.probe(resource)[resource.id]["exclude"] == "mine, facter* more"
    assert dash.fix(resource)[0].ok
    expected = EPEL.replace("mine, facter*\n  more\n", "mine  facter* more leatherman* cpp-hocon*\n")
    assert path.read_text() == expected
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    assert dash.fix(resource)[0].ok and path.read_text() == expected


@pytest.mark.parametrize("text", [None, "[epel-source]\nenabled=0\n"])
def test_a_missing_file_can_be_ignored(dash, text):
    if text is not None:
        write(dash, text, "epel.repo")
    fields = {"path": "/etc/epel.repo", "section": "epel", "values": (("exclude", "a"),), "append": True}
    optional, needed = IniSettings(**fields, ignore_missing=True), IniSettings(**fields)
    assert is_as_desired(optional, dash.probe(optional)[optional.id])
    assert dash.probe(needed)[needed.id] is None
    (reply,) = dash.fix(needed)
    assert reply.code == 1
    assert reply.err.strip() == f"{dash.root}/etc/epel.repo with a section [epel] does not exist"


def test_a_repository_is_enabled(dash):
    path = write(dash, "[baseos]\nenabled=1\n[crb]\nname=CRB\nenabled=0\n[crb-debug]\nenabled=0\n", "centos.repo")
    resource = IniSettings(path="/etc/centos.repo", section="crb", values=(("enabled", "1"),))
    assert dash.probe(resource)[resource.id]["enabled"] == "0"
    assert dash.fix(resource)[0].ok
    assert path.read_text() == "[baseos]\nenabled=1\n[crb]\nname=CRB\nenabled=1\n[crb-debug]\nenabled=0\n"


def test_a_file_without_sections_is_edited(dash):
    path = write(dash, "# mode\nA = 1\nB=2\n", "plain")
    resource = IniSettings(path="/etc/plain", values=(("A", "3"), ("C", "4")))
    assert dash.fix(resource)[0].ok
    assert path.read_text() == "# mode\nA=3\nB=2\nC=4\n"
    assert is_as_desired(resource, dash.probe(resource)[resource.id])


LINES = st.one_of(
    st.sampled_from(
        ["[main]", "[other]", "", "# proxy=1", ";proxy=2", "proxy=3", "proxy = 4", "  and more", "gpgcheck=1"]
    ),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=10), last=st.sampled_from(["\n", ""]))
def test_other_lines_stay_and_a_second_fix_changes_nothing(dash, lines, last):
    text = "[first]\nx=1\n[main]\ny=1\n" + "\n".join(lines) + last
    path = write(dash, text)
    resource = IniSettings(path="/etc/yum.conf", section="main", values=(("proxy", "http://p:1"),))
    assert dash.fix(resource)[0].ok
    once = path.read_text()
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    kept = iter(text.split("\n"))
    for line in once.split("\n"):
        assert line == "proxy=http://p:1" or line in kept, (line, text)
    assert dash.fix(resource)[0].ok
    assert path.read_text() == once


# --- the node's own name

HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
GETENT = r"""
[ "$1" = ahostsv4 ] || exit 2
sed 's/#.*//' $T/etc/hosts | awk -v name="$2" '{for (i = 2; i <= NF; i++) if ($i == name) print $1, "STREAM"}'
"""


@pytest.fixture
def resolver(dash):
    dash.tool("getent", GETENT)
    return dash


def entry(address="198.18.1.10", names=("aio.lab", "aio")):
    return HostsEntry(address=address, names=names)


def test_a_name_that_does_not_resolve_gets_one_line(resolver):
    path = write(resolver, HOSTS, "hosts")
    assert resolver.probe(entry())[entry().id] == {"leads to": "elsewhere"}
    assert resolver.fix(entry())[0].ok
    assert path.read_text() == f"198.18.1.10 aio.lab aio # packstack-lite\n{HOSTS}"
    assert is_as_desired(entry(), resolver.probe(entry())[entry().id])
    assert path.with_name("hosts.packstack-lite.orig").read_text() == HOSTS


def test_a_name_that_resolves_to_the_loopback_gets_the_address(resolver):
    path = write(resolver, f"127.0.1.1 aio\n{HOSTS}", "hosts")
    assert not is_as_desired(entry(), resolver.probe(entry())[entry().id])
    assert resolver.fix(entry())[0].ok
    assert path.read_text().splitlines()[1:] == ["127.0.1.1 aio", *HOSTS.splitlines()]
    assert is_as_desired(entry(), resolver.probe(entry())[entry().id])


def test_a_name_that_resolves_rightly_is_left_alone(resolver):
    write(resolver, f"{HOSTS}198.18.1.10 aio aio.lab\n", "hosts")
    assert is_as_desired(entry(), resolver.probe(entry())[entry().id])


def test_our_line_is_updated_with_the_address(resolver):
    path = write(resolver, HOSTS, "hosts")
    resolver.fix(entry())
    moved = entry(address="198.18.1.11")
    assert resolver.probe(moved)[moved.id] == {"leads to": "198.18.1.10"}
    assert resolver.fix(moved)[0].ok
    assert path.read_text() == f"198.18.1.11 aio.lab aio # packstack-lite\n{HOSTS}"
    other = entry(names=("new.lab", "new"))
    assert not is_as_desired(other, resolver.probe(other)[other.id])
