"""yum repository files pointed to a mirror that answers, by real sh, awk and curl."""

from __future__ import annotations

import hashlib
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.profiles.host_setup import load_mirror_table
from packstack_lite.remote.command import Command
from packstack_lite.resources import Unknown, YumMirrors
from packstack_lite.resources.yum_mirrors import YUM_REPOS_DIR
from packstack_lite.secret import Secret
from packstack_lite.state_paths import WRITTEN_FILES_LIST
from tests.unit.dash import Dash, is_as_desired, missing_diff

TABLE = load_mirror_table("centos-7")
BASE = """\
# CentOS-Base.repo
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7

#additional packages that may be useful
[extras]
name=CentOS-$releasever - Extras
baseurl = http://mirror.centos.org/centos/$releasever/extras/$basearch/
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=extras
[centosplus]
name=CentOS-$releasever - Plus
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=centosplus
enabled=0
"""
TRAIN = """\
[centos-openstack-train]
name=CentOS-7 - OpenStack train
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=cloud-openstack-train
#baseurl=http://mirror.centos.org/$contentdir/$releasever/cloud/$basearch/openstack-train/
gpgcheck=1
enabled=1
exclude=sip,PyQt4
"""
REPOMD = "<?xml version='1.0'?>\n<repomd xmlns='http://linux.duke.edu/metadata/repo'></repomd>\n"


@pytest.fixture
def dash(tmp_path):
    (tmp_path / YUM_REPOS_DIR[1:]).mkdir(parents=True)
    dash = Dash(tmp_path, moved=["/var/lib/packstack-lite", YUM_REPOS_DIR])
    dash.tool("rpm", "[ -e $T/released ]")
    return dash


@pytest.fixture
def mirror(tmp_path):
    """A mirror with some of the repositories, on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *what):
            requested.append(self.path)

    requested = []
    served = tmp_path / "served"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.was_requested, server.url = requested, f"http://127.0.0.1:{server.server_address[1]}"
    server.serve = lambda *paths: [_write_repomd(served / path) for path in paths]
    yield server
    server.shutdown()
    server.server_close()


def _write_repomd(directory: Path, text: str = REPOMD) -> None:
    (directory / "repodata").mkdir(parents=True)
    (directory / "repodata/repomd.xml").write_text(text)


def repo_files(*roots, repo_group="base", **more):
    return YumMirrors(
        repo_group=repo_group,
        mirror_roots=roots,
        dead_hosts=TABLE.retired_hosts,
        mirror_paths=TABLE.repository_paths,
        **more,
    )


def write(dash, name, text):
    path = dash.root / YUM_REPOS_DIR[1:] / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def fix(dash, resource):
    """Fix the resource; return the description that plan prints, and the replies."""
    (diff,) = diff_resources([resource], dash.probe(resource))
    replies = [dash.run(action) for action in YumMirrors.fix([diff])]
    return describe_diff(diff), replies


def test_dead_repositories_get_the_first_mirror_that_answers(dash, mirror):
    mirror.serve("second/os/x86_64", "second/extras/x86_64")
    path = write(dash, "CentOS-Base.repo", BASE)
    path.chmod(0o640)
    resource = repo_files(f"{mirror.url}/first", f"{mirror.url}/second")
    description, (reply,) = fix(dash, resource)
    assert description == (
        f"point base, extras, centosplus to {mirror.url}/second (mirrorlist.centos.org, mirror.centos.org are gone)"
    )
    assert reply.ok, reply.err
    root = f"{mirror.url}/second"
    assert path.read_text() == (
        BASE.replace(_line(BASE, 3), f"baseurl={root}/os/x86_64/")
        .replace("http://mirror.centos.org/centos/$releasever/extras/$basearch/", f"{root}/extras/x86_64/")
        .replace(_line(BASE, 12), "#" + _line(BASE, 12))
        .replace(_line(BASE, 15), f"baseurl={root}/centosplus/x86_64/")
    )
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("CentOS-Base.repo.packstack-lite.orig").read_text() == BASE
    assert dash.read_note(WRITTEN_FILES_LIST[1:]).splitlines() == [str(path)]
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    # A disabled repository is not fetched.
    assert not [requested for requested in mirror.was_requested if "centosplus" in requested]


def _line(text, number):
    return text.splitlines()[number]


def test_each_repository_may_get_another_mirror(dash, mirror):
    """tuna and others may lack the repositories of clouds."""
    mirror.serve("a/os/x86_64", "b/extras/x86_64", "b/os/x86_64")
    path = write(dash, "CentOS-Base.repo", BASE)
    description, (reply,) = fix(dash, repo_files(f"{mirror.url}/a", f"{mirror.url}/b"))
    assert reply.ok and f" to {mirror.url}/a, {mirror.url}/b (" in description
    assert f"baseurl={mirror.url}/a/os/x86_64/" in path.read_text()
    assert f"{mirror.url}/b/extras/x86_64/" in path.read_text()


def test_a_repository_without_a_mirror_is_a_failure(dash, mirror):
    mirror.serve("a/os/x86_64")
    write(dash, "CentOS-Base.repo", BASE)
    resource = repo_files(f"{mirror.url}/a")
    description, (reply,) = fix(dash, resource)
    assert description.endswith("; no mirror answers for extras)")
    assert reply.code == 1 and f"no mirror answers for extras; tried {mirror.url}/a" in reply.err
    assert dash.probe(resource)[resource.id]["dead"] == ("extras",)


def test_a_reply_that_is_no_repository_is_refused(dash, mirror):
    """A captive portal replies 200 to each URL."""
    _write_repomd(dash.root / "served/a/os/x86_64", "<html>log in first</html>")
    write(dash, "CentOS-Base.repo", BASE)
    resource = repo_files(f"{mirror.url}/a")
    assert dash.probe(resource)[resource.id]["lost"] == ("base", "extras")


def test_an_unreachable_mirror_is_tried_once(dash, mirror):
    """127.0.0.1:1 refuses connections: another path on it is not tried."""
    mirror.serve("a/os/x86_64", "a/extras/x86_64")
    write(dash, "CentOS-Base.repo", BASE)
    dash.tool("curl", 'echo "$*" >> $T/curls; exec /usr/bin/curl "$@"')
    resource = repo_files("http://127.0.0.1:1/x", "http://127.0.0.1:1/y", f"{mirror.url}/a")
    assert not dash.probe(resource)[resource.id]["lost"]
    assert "127.0.0.1:1/y" not in dash.read_note("curls")
    allowed = {"-K", "--silent", "--fail", "--location", "--connect-timeout", "--max-time", "--output"}
    options = set(re.findall(r"(?:^|\s)(--?[A-Za-z][a-z-]*)", dash.read_note("curls")))
    assert options == allowed, "curl 7.29 of CentOS 7 knows these"


def test_the_release_packages_repositories_are_unknown_before_prepare(dash, mirror):
    mirror.serve("a/cloud/x86_64/openstack-train")
    write(dash, "CentOS-Base.repo", BASE)
    resource = repo_files(f"{mirror.url}/a", repo_group="sig", release_package="centos-release-openstack-train")
    observed = dash.probe(resource)[resource.id]
    assert isinstance(observed, Unknown)
    assert describe_diff(diff_resources([resource], {resource.id: observed})[0]) == (
        "point sig repositories to a mirror if needed (known after Prepare: centos-release-openstack-train brings them)"
    )
    (dash.root / "released").touch()
    path = write(dash, "CentOS-OpenStack-train.repo", TRAIN)
    description, (reply,) = fix(dash, resource)
    assert reply.ok and description.startswith(f"point centos-openstack-train to {mirror.url}/a (mirrorlist.centos.org")
    assert f"\nbaseurl={mirror.url}/a/cloud/x86_64/openstack-train/\n" in path.read_text()
    assert "\nexclude=sip,PyQt4\n" in path.read_text() and "\ngpgcheck=1\n" in path.read_text()
    # The base repositories belong to the other resource.
    assert (dash.root / YUM_REPOS_DIR[1:] / "CentOS-Base.repo").read_text() == BASE
    assert is_as_desired(resource, dash.probe(resource)[resource.id])


def test_a_proxy_is_used_and_its_password_is_in_no_argument(dash, mirror):
    """The test's server acts as the proxy: it gets the whole URL."""
    write(dash, "CentOS-Base.repo", BASE)
    dash.tool("curl", 'echo "$*" >> $T/curls; exec /usr/bin/curl "$@"')
    curl = Secret(f'proxy = "{mirror.url}"\nproxy-user = "me:hidden-\\"word"\n')
    resource = repo_files("http://mirror.invalid/7", curl_config=curl)
    dash.probe(resource)
    assert "http://mirror.invalid/7/os/x86_64/repodata/repomd.xml" in mirror.was_requested
    (probe,) = YumMirrors.probe([resource])
    assert "hidden" not in dash.read_note("curls") and "hidden" not in probe.command.script


def test_healthy_repositories_are_not_fetched(dash):
    dash.tool("curl", "touch $T/curled")
    write(
        dash,
        "CentOS-Base.repo",
        BASE.replace("mirrorlist.centos.org", "mirror.example").replace("mirror.centos.org", "a.b"),
    )
    resource = repo_files("http://127.0.0.1:1/x")
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    assert not (dash.root / "curled").exists()


def test_dead_repositories_that_are_disabled_are_left_alone(dash):
    dash.tool("curl", "touch $T/curled")
    write(
        dash, "CentOS-Vault.repo", BASE.replace("gpgcheck=1", "enabled=0").replace("[extras]", "[extras]\nenabled = no")
    )
    resource = repo_files("http://127.0.0.1:1/x")
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    assert not (dash.root / "curled").exists()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra", "os/x86_64"),
        (
            "http://mirrorlist.centos.org?arch=$basearch&release=7&repo=cloud-openstack-train",
            "cloud/x86_64/openstack-train",
        ),
        ("http://mirrorlist.centos.org/?repo=sclo-rh&release=7", "sclo/x86_64/rh"),
        ("http://mirrorlist.centos.org/?repo=odd", "?"),
        ("http://mirrorlist.centos.org/?release=7", "?"),
        ("http://mirror.centos.org/centos/$releasever/updates/$basearch/", "updates/x86_64"),
        ("https://MIRROR.centos.org:80/centos/7.8.2003/os/x86_64", "os/x86_64"),
        (
            "http://mirror.centos.org/$contentdir/$releasever/cloud/$basearch/openstack-train/",
            "cloud/x86_64/openstack-train",
        ),
        ("http://mirror.centos.org/$contentdir/$releasever/virt/$basearch/kvm-common/", "virt/x86_64/kvm-common"),
        (
            "http://mirror.centos.org/centos/${releasever}/storage/${basearch}/ceph-nautilus",
            "storage/x86_64/ceph-nautilus",
        ),
        ("http://mirror.centos.org/centos/$releasever/$other/", "?"),
        ("http://user:word@mirror.centos.org/centos/7/os/x86_64/", "os/x86_64"),
        ("http://mirror.centos.org.example/centos/7/os/x86_64/", None),
        ("http://buildlogs.centos.org/centos/7/cloud/x86_64/openstack-train/", None),
    ],
)
def test_the_path_of_a_dead_url_is_found(dash, url, path):
    """$releasever is 7, $contentdir depends on the architecture, and a mirror list hides the path."""
    dash.tool("curl", "exit 22")
    write(dash, "a.repo", f"[a]\nbaseurl={url}\n")
    paths = []
    for repo_group in ("base", "sig"):
        (probe,) = YumMirrors.probe([repo_files("http://127.0.0.1:1", repo_group=repo_group)])
        out = dash.run(probe.command).out
        paths += [line.split("\t")[5] for line in out.splitlines()]
    assert paths == ([path] if path else [])


NAMES = st.sampled_from(["a", "base", "x-y", "C7.8.2003"])
LIVE = st.sampled_from(
    ["http://mirror.example/7/os/x86_64/", "file:///srv/rpms", "https://a.b/centos/$releasever/os/$basearch/"]
)
DEAD = st.sampled_from(
    [
        "http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os",
        "http://mirror.centos.org/centos/$releasever/updates/$basearch/",
        "http://mirror.centos.org/centos/$releasever/extras/$basearch",
    ]
)
LINES = st.one_of(
    st.builds("[{}]".format, NAMES),
    st.builds("{}={}".format, st.sampled_from(["name", "enabled", "gpgcheck", "exclude", "baseurl2", "Baseurl"]), DEAD),
    st.builds(
        "{}{}{}".format, st.sampled_from(["baseurl", "mirrorlist", "metalink"]), st.sampled_from(["=", " = "]), LIVE
    ),
    st.builds("{}={}".format, st.sampled_from(["baseurl", "mirrorlist", "metalink"]), DEAD),
    st.builds("baseurl={} {}".format, DEAD, LIVE),
    st.builds("    {}".format, st.one_of(DEAD, LIVE)),
    st.builds("{}baseurl={}".format, st.sampled_from(["#", ";", "# "]), DEAD),
    st.sampled_from(["", "  ", "enabled=0", "# ä ö", "name=x\ty\r"]),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12),
)
URL = "http://m.example/7"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=12), last=st.sampled_from(["\n", ""]))
def test_only_dead_urls_change_and_a_second_fix_changes_nothing(dash, lines, last):
    text = ("[s]\n" + "\n".join(lines) + last).encode()
    path = write(dash, "x.repo", text)
    rewrite(dash)
    once = path.read_bytes()
    before, after = text.split(b"\n"), once.split(b"\n")
    assert len(before) == len(after)
    for old, new in zip(before, after):
        if old != new:
            assert re.match(rb"(baseurl|mirrorlist|metalink)[ \t]*=|[ \t]", old), (old, new)
            # Further lines of a mirror list are commented out with it.
            assert _dead(old) or (new == b"#" + old and old[:1].isspace()), (old, new)
            assert new == b"#" + old or _others(old) == _others(new), (old, new)
    rewrite(dash)
    assert path.read_bytes() == once
    for line in (line for line in after if re.match(rb"(baseurl|mirrorlist|metalink)[ \t]*=", line)):
        assert not _dead(line), line


def rewrite(dash):
    """Run the fix with mirrors for three repositories."""
    paths = ("os/x86_64", "updates/x86_64", "extras/x86_64")
    observed = {"urls": tuple(f"{path}\t{URL}/{path}" for path in paths), "lost": ()}
    (command,) = YumMirrors.fix([missing_diff(repo_files(URL), observed)])
    assert isinstance(command, Command)
    reply = dash.run(command)
    assert reply.ok, reply.err


def _dead(line):
    return re.search(rb"//(mirrorlist|mirror)\.centos\.org[/?]", line)


def _others(line):
    """Return a line without its key and without dead and new URLs."""
    line = re.sub(rb"^(baseurl|mirrorlist|metalink)[ \t]*=[ \t]*", b"", line)
    line = re.sub(rb"http://(mirrorlist|mirror)\.centos\.org[^ \t\r,]*", b"@", line)
    return re.sub(rb"http://m\.example/7[^ \t\r,]*", b"@", line)


def test_the_original_is_kept_once(dash):
    """A later change by somebody else is not kept as the original."""
    path = write(dash, "x.repo", BASE)
    rewrite(dash)
    path.write_text(path.read_text() + "[more]\nbaseurl=http://mirror.centos.org/centos/7/os/x86_64/\n")
    rewrite(dash)
    orig = path.with_name("x.repo.packstack-lite.orig")
    assert hashlib.sha256(orig.read_bytes()).digest() == hashlib.sha256(BASE.encode()).digest()
    assert not list(path.parent.glob(".packstack-lite.new*"))
