"""The scripts of facts, run by dash on a made-up /etc, /usr and /var."""

from __future__ import annotations

import base64
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from packstack_lite.nodes.facts import (
    CloudFacts,
    NetworkFacts,
    Repo,
    SecurityFacts,
    SoftwareFacts,
    SystemFacts,
    cloud,
    network,
    package_source,
    repositories,
    security,
    software,
    system,
)
from packstack_lite.remote.command import Reply
from tests.clouds import read_facts
from tests.unit.dash import Dash

# As in CentOS 7's package centos-release (shortened), and in EPEL's.
BASE = """\
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
gpgcheck=1

[centosplus]
baseurl = http://mirror.centos.org/centos/$releasever/centosplus/$basearch/,
    http://user:hunter22@mirrors.example.com/plus/
enabled=0\r
"""
EPEL = """\
[epel]
metalink=https://mirrors.example.com/metalink?repo=epel-7&arch=$basearch
enabled = True
exclude=leatherman*, facter*
    puppet*
"""


@pytest.fixture
def dash(tmp_path):
    moved_paths = [
        "/etc/yum",
        "/etc/dnf",
        "/etc/selinux",
        "/etc/systemd/system",
        "/run/systemd/system",
        "/etc/os-release",
    ]
    moved_paths += ["/etc/default/locale", "/etc/locale.conf", "/usr/local/lib", "/var/lib/mysql", "/var/tmp/packstack"]
    return Dash(tmp_path, [*moved_paths, "/root/packstack", "/var/lib/packstack-lite", "/etc/openvswitch", "/etc/ssh"])


def put(dash, path, text=""):
    path_on_node = dash.root / path.lstrip("/")
    path_on_node.parent.mkdir(parents=True, exist_ok=True)
    path_on_node.write_text(text)


SUBJECTS = {
    repositories: SoftwareFacts,
    security: SecurityFacts,
    software: SoftwareFacts,
    system: SystemFacts,
    cloud: CloudFacts,
}


def read_subject(dash, module):
    reply = dash.run(module.build_command())
    assert (reply.code, reply.err) == (0, ""), reply
    return read_facts(SUBJECTS[module], reply)


def test_repositories_are_read_from_their_files(dash):
    put(dash, "/etc/yum.repos.d/CentOS-Base.repo", BASE)
    put(dash, "/etc/yum.repos.d/epel.repo", EPEL)
    put(dash, "/etc/yum.repos.d/epel.repo.rpmnew", "[other]\nbaseurl=http://x/\n")
    base, epel = (f"{dash.root}/etc/yum.repos.d/{name}" for name in ("CentOS-Base.repo", "epel.repo"))
    infra = "http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra"
    plus = "http://mirror.centos.org/centos/$releasever/centosplus/$basearch/"
    assert [repo.line for repo in read_subject(dash, repositories).repos] == [1, 7, 1]
    assert read_subject(dash, repositories).repos == (
        Repo("base", base, True, (infra,)),
        Repo("centosplus", base, False, (plus, "http://mirrors.example.com/plus/")),
        Repo(
            "epel",
            epel,
            True,
            ("https://mirrors.example.com/metalink?repo=epel-7&arch=$basearch",),
            ("leatherman*", "facter*", "puppet*"),
        ),
    )


@pytest.mark.parametrize("module", [repositories, security, software, cloud])
def test_a_bare_node_has_no_facts(dash, module):
    for name in ("rpm", "facter", "systemctl", "nmcli", "mariadb", "mysql", "python3", "python2"):
        dash.tool(name, "exit 1")
    assert read_subject(dash, module) == SUBJECTS[module]()


def test_selinux_units_firewall_and_networkmanager_are_read(dash):
    put(dash, "/etc/selinux/config", "# SELINUX=x\nSELINUX=enforcing\nSELINUXTYPE=targeted \n")
    put(dash, "/etc/selinux/targeted/policy/policy.31")
    put(dash, "/etc/selinux/targeted/policy/policy.33")
    put(dash, "/run/systemd/system/other.service")
    (dash.root / "etc/systemd/system").mkdir(parents=True)
    (dash.root / "etc/systemd/system/httpd.service").symlink_to("/dev/null")
    (dash.root / "etc/systemd/system/alias.service").symlink_to("other.service")
    # As systemd 219 prints it, in its own order of properties.
    dash.tool(
        "systemctl",
        "case $1 in is-active) exit 0 ;; esac\n"
        "printf 'Id=firewalld.service\\nLoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n\\n'\n"
        "printf 'Id=iptables.service\\nLoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\n\\n'\n"
        "printf 'Id=network.service\\nLoadState=loaded\\nActiveState=inactive\\nUnitFileState=\\n'",
    )
    dash.tool(
        "nmcli",
        "printf '%s\\n' eth0:connected:ethernet br-ex:connected:tun 'a\\:b:connecting (getting IP configuration):x' "
        "'lo:connected (externally):loopback' br-int:unmanaged:openvswitch br1:connected:ovs-interface",
    )
    dash.tool("nft", '[ "$1" = -c ] && echo "Error: Could not process rule" >&2; exit 1')
    dash.tool("iptables", '[ "$3 $4" = "-t nat" ] && echo "iptables: Table does not exist" >&2; exit 3')
    dash.tool("getenforce", "echo Permissive")
    assert read_subject(dash, security) == SecurityFacts(
        nft_support="no",
        nat_support="no",
        selinux="permissive",
        selinux_boot="enforcing",
        selinux_type="targeted",
        selinux_policies=("targeted",),
        masked_units=("httpd.service",),
        unit_states={"firewalld.service": "active enabled", "network.service": "inactive "},
        firewall="firewalld",
        nm_interfaces=("eth0", "br-ex", "a\\:b"),
    )


LOADER = "facter: error while loading shared libraries: leatherman_curl.so.1.3.0: cannot open shared object file"


def test_versions_of_rpms_and_facters_loader_error_are_read(dash):
    dash.tool(
        "rpm",
        "printf 'facter\\t3.9.3-7.el7\\tCentOS\\nbash\\t4.2.46-35.el7\\tCentOS\\n'\n"
        "printf 'leatherman\\t1.10.0-1.el7\\tFedora Project\\nhtop\\t2.2\\tFedora Project\\n'",
    )
    dash.tool("facter", f"echo '{LOADER}: No such file or directory' >&2; exit 127")
    facts = read_subject(dash, software)
    assert facts.rpm_versions == {"facter": "3.9.3-7.el7", "leatherman": "1.10.0-1.el7"}
    assert facts.epel_rpms == ("htop", "leatherman")
    assert facts.facter_error == f"{LOADER}: No such file or directory"


@pytest.mark.parametrize(
    ("lang", "missing"),
    [("C.UTF-8", ""), ("en_US.UTF-8", ""), ("zh_CN.GB18030", "zh_CN.GB18030"), ("POSIX", ""), ("de", "de"), ("", "")],
)
def test_a_locale_that_is_not_installed_is_found(dash, lang, missing):
    dash.tool("locale", "printf 'C\\nC.utf8\\nPOSIX\\nen_US.utf8\\n'")
    put(dash, "/etc/locale.conf", f'LANG="{lang}"\n')
    assert read_subject(dash, system).missing_locale == missing


def test_missing_and_shadowing_python_modules_are_found(dash):
    dash.tool("python2", "exit 1")
    dash.tool("python3", "case $2 in *__import__*) echo 'missing_python_module=@python@ yaml' ;; esac")
    put(dash, "/usr/local/lib/python3.9/site-packages/yaml/__init__.py")
    put(dash, "/usr/local/lib/python3.9/site-packages/six.py")
    put(dash, "/usr/local/lib/python3.9/site-packages/mine.py")
    facts = read_subject(dash, software)
    assert facts.missing_python_modules == ("python3 yaml",)
    path_on_node = f"{dash.root}/usr/local/lib/python3.9/site-packages"
    assert facts.shadowing_modules == (f"{path_on_node}/yaml", f"{path_on_node}/six.py")


def test_a_leftover_directory_is_no_python_module(dash):
    dash.tool("python2", "exit 1")
    dash.tool("python3", f'PYTHONPATH={dash.root}/left exec {sys.executable} -S "$@"')
    put(dash, "/left/yaml/__pycache__/__init__.pyc")
    put(dash, "/left/pytz.py")
    assert read_subject(dash, software).missing_python_modules == ("python3 yaml",)


def test_databases_and_a_refused_root_login_are_read(dash):
    for schema in ("mysql", "performance_schema", "sys", "keystone", "#rocksdb"):
        put(dash, f"/var/lib/mysql/{schema}/db.opt")
    dash.tool("mariadb", "echo \"ERROR 1045 (28000): Access denied for user 'root'@'localhost'\" >&2; exit 1")
    facts = read_subject(dash, cloud)
    assert facts.mariadb_databases == ("keystone",)
    assert facts.mariadb_root_error == "ERROR 1045 (28000): Access denied for user 'root'@'localhost'"
    dash.tool("mariadb", 'echo "ERROR 2002 (HY000): Can\'t connect to local server through socket" >&2; exit 1')
    assert read_subject(dash, cloud).mariadb_root_error == "", "a stopped server refuses nobody"


def test_accounts_are_read_with_digests_of_their_passwords(dash):
    put(dash, "/var/lib/mysql/mysql/db.opt")
    put(dash, "/var/lib/mysql/lost+found/x")
    dash.tool(
        "mariadb",
        'echo "$*" >> "$T/asked"\n'
        "case $* in *'SELECT 1') echo 1 ;; *mysql.user) echo '0123456789ab nova@198.18.1.10'; echo 'cd @%' ;; esac",
    )
    facts = read_subject(dash, cloud)
    assert facts.accounts == {"nova@198.18.1.10": "0123456789ab", "@%": "cd"}
    assert (facts.mariadb_databases, facts.mariadb_root_error) == ((), "")
    questions = dash.read_note("asked").split("-N ")[1:]
    assert len(questions) == 3 and "SELECT CONCAT(LEFT(SHA2(COALESCE(NULLIF(Password, '')," in questions[1]


def test_what_is_stored_under_names_of_the_answers_is_read(dash):
    """A cloud without Cinder has no such table: the client says so, and goes on with the next statement.

    It does so only for statements from standard input.
    """
    put(dash, "/var/lib/mysql/mysql/db.opt")
    rows = (
        "instances=aio a, b c",
        "volumes=aio@lvm#lvm 2",
        "image_store=file",
        "network=flat extnet public",
        "network=geneve - my net",
        "subnet=10.0.0.0/24 private_subnet",
    )
    dash.tool(
        "mariadb",
        "case $* in *-e*) echo 1 ;; *'--force') cat > $T/asked; printf '%s\\n' "
        + " ".join(f"'{row}'" for row in rows)
        + "; echo \"ERROR 1146 (42S02): Table 'cinder.volumes' doesn't exist\" >&2; exit 1 ;; esac",
    )
    facts = read_subject(dash, cloud)
    assert dash.read_note("asked").count("SELECT ") == 5
    assert (facts.instances, facts.volumes) == ({"aio": "a, b c"}, {"aio@lvm#lvm": "2"})
    assert (facts.image_stores, facts.subnets) == (("file",), ("10.0.0.0/24 private_subnet",))
    assert facts.networks == ("flat extnet public", "geneve - my net")


def test_names_that_come_too_late_are_not_taken_for_none(dash):
    """gather.parse_facts refuses the exit code of a command that timed out."""
    put(dash, "/var/lib/mysql/mysql/db.opt")
    dash.tool("mariadb", "case $* in *--force*) exit 124 ;; *) echo 1 ;; esac")
    assert dash.run(cloud.build_command()).code == 124


def test_the_manifest_and_the_switchs_name_are_read(dash):
    put(dash, "/var/lib/packstack-lite/manifest.json", '{"schema": 1,\n "resources": [{"id": "unit:nova-compute"}]}\n')
    put(dash, "/etc/openvswitch/system-id.conf", "7f3a\n")
    facts = read_subject(dash, cloud)
    assert [entry.id for entry in facts.manifest.entries] == ["unit:nova-compute"]
    assert facts.ovs_system_id == "7f3a"
    put(dash, "/var/lib/packstack-lite/manifest.json", '{"schema": 2, "ent')
    assert read_subject(dash, cloud).manifest.is_damaged


def test_unreadable_accounts_are_none(dash):
    put(dash, "/var/lib/mysql/mysql/db.opt")
    dash.tool("mariadb", "case $* in *'SELECT 1') echo 1 ;; *) echo 'ERROR 1142: denied' >&2; exit 1 ;; esac")
    assert read_subject(dash, cloud).accounts == {}


def test_packstacks_files_are_found(dash):
    put(dash, "/var/tmp/packstack/20200101/openstack-setup.log")
    put(dash, "/root/packstack-answers-20200101-000000.txt")
    assert read_subject(dash, cloud).packstack_files == (
        f"{dash.root}/var/tmp/packstack",
        f"{dash.root}/root/packstack-answers-20200101-000000.txt",
    )


def test_only_an_ipv4_address_with_a_lease_is_dhcps():
    text = """\
link 2: eth0: <UP>
addr 2: eth0    inet 198.18.1.10/24 brd 198.18.1.255 scope global dynamic eth0\\       valid_lft 3000sec
addr 2: eth0    inet 198.18.1.11/24 scope global secondary noprefixroute eth0\\       valid_lft forever
addr 2: eth0    inet6 2001:db8::1/64 scope global dynamic mngtmpaddr \\       valid_lft 86000sec
"""
    assert network.parse_dhcp_addresses(text.splitlines()) == ("198.18.1.10",)


@pytest.mark.parametrize(("route", "address"), [(" src 198.18.1.11", "198.18.1.11"), ("", "198.18.1.10")])
def test_the_address_is_the_routes_source_or_the_first_of_its_interface(dash, route, address):
    dash.tool(
        "ip",
        f"""case "$*" in
"-4 route show default") echo "default via 198.18.1.1 dev eth0 proto dhcp{route}" ;;
"-o -4 addr show dev eth0")
    echo '2: eth0    inet 198.18.1.10/24 brd 198.18.1.255 scope global eth0'
    echo '2: eth0    inet 198.18.1.11/24 scope global secondary eth0' ;;
esac""",
    )
    facts = read_facts(NetworkFacts, dash.run(network.build_commands()[0]))
    assert (facts.address, facts.default_interface, facts.default_gateway) == (address, "eth0", "198.18.1.1")


class RepositoryServer(BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []

    def do_GET(self):
        login = self.headers.get("Proxy-Authorization") or self.headers.get("Authorization") or "-"
        self.seen.append(f"{self.path} {login}")
        text = self.text()
        self.send_response(200 if text else 404)
        self.end_headers()
        self.wfile.write(text.encode())

    def text(self) -> str:
        here = f"http://{self.headers['Host']}"
        if self.path.startswith("http://"):
            return "<repomd/>" if "/proxied/" in self.path else ""
        if self.path == "/list?release=7&repo=os&infra=stock":
            return f"{here}/dead/\n{here}/good/7\n"
        if self.path.startswith("/metalink"):
            url = f'<url protocol="http" type="http">{here}/good/9-stream/repodata/repomd.xml</url>'
            return f"<metalink>\n   {url}\n</metalink>"
        return "<repomd/>" if self.path.startswith("/good/") and self.path.endswith("/repodata/repomd.xml") else ""

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def server():
    RepositoryServer.seen = []
    httpd = HTTPServer(("127.0.0.1", 0), RepositoryServer)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def package_source_of(dash, **environment):
    dash.tool("yum", "exit 1")
    put(dash, "/etc/os-release", 'ID="centos"\nVERSION_ID="7"\nID_LIKE="rhel fedora"\n')
    put(dash, "/etc/yum/vars/infra", "stock\n")
    put(dash, "/etc/dnf/vars/stream", "9-stream\n")
    scratch = dash.root / "scratch"
    scratch.mkdir(exist_ok=True)
    env = {"TMPDIR": str(scratch), "http_proxy": "", "HTTP_PROXY": "", "no_proxy": "", **environment}
    reply = dash.run(package_source.build_command(), env)
    assert reply.ok, reply
    assert not list(scratch.iterdir()), "nothing is left behind"
    return package_source.parse_result(reply)


YUM = [
    ("[a]\nbaseurl=http://{at}/good/$releasever/$basearch/", "reachable"),
    ("[a]\nbaseurl=http://{at}/dead http://{at}/good/x", "reachable"),
    ("[a]\nbaseurl=http://{at}/dead\n  http://{at}/good/x", "reachable"),
    ("[a]\nmirrorlist=http://{at}/list?release=$releasever&repo=os&infra=$infra", "reachable"),
    ("[a]\nmetalink=http://{at}/metalink?repo=x-$stream", "reachable"),
    ("[a]\nbaseurl=http://{at}/dead\nenabled=0", "no package source is configured"),
    ("[a]\nbaseurl=http://{at}/good\n[b]\nbaseurl=http://{at}/dead\nskip_if_unavailable=1", "reachable"),
    (
        "[a]\nbaseurl=http://{at}/dead\nskip_if_unavailable=1",
        "a: The requested URL returned error: 404 (http://{at}/dead)",
    ),
    ("", "no package source is configured"),
    ("[a]\nname=x", "a: lists no URL that answers (no URL)"),
    ("[a]\nbaseurl=http://nowhere.invalid/x", "a: Could not resolve host: nowhere.invalid (http://nowhere.invalid/x)"),
    ("[a]\nbaseurl=http://u:hunter22@{at}/dead", "a: The requested URL returned error: 404 (http://{at}/dead)"),
]


@pytest.mark.parametrize(("repo", "expected"), YUM)
def test_yums_repositories_are_asked_with_yums_settings(dash, server, repo, expected):
    put(dash, "/etc/yum.conf", "[main]\nproxy=_none_\n")
    put(dash, "/etc/yum.repos.d/x.repo", repo.format(at=server) + "\n")
    assert package_source_of(dash) == expected.format(at=server)


def test_yums_proxy_password_is_used_and_in_no_argument(dash, server):
    conf = f'[main]\nproxy=http://{server}\nproxy_username=me\nproxy_password=p"w\\1\n'
    put(dash, "/etc/yum.conf", conf)
    put(dash, "/etc/yum.repos.d/x.repo", "[a]\nbaseurl=http://proxied.invalid/proxied/\n")
    curl = "exec /usr/bin/curl"
    dash.tool("curl", f'printf "%s\\n" "$@" >> "$T/arguments"\n{curl} "$@"')
    assert package_source_of(dash) == "reachable"
    login = "Basic " + base64.b64encode(b'me:p"w\\1').decode()
    assert RepositoryServer.seen == [f"http://proxied.invalid/proxied/repodata/repomd.xml {login}"]
    assert 'p"w' not in dash.read_note("arguments") and "proxied" not in dash.read_note("arguments")


def test_a_repositorys_settings_override_yums(dash, server):
    put(dash, "/etc/yum.conf", "[main]\nproxy=http://127.0.0.1:9\n")
    repo = f"[a]\nbaseurl=http://{server}/good/\nproxy=_none_\nusername=me\npassword=secret\n"
    put(dash, "/etc/yum.repos.d/x.repo", repo)
    assert package_source_of(dash) == "reachable"
    assert RepositoryServer.seen == ["/good/repodata/repomd.xml Basic bWU6c2VjcmV0"]


def test_every_dead_repository_is_listed(dash, server):
    put(dash, "/etc/yum.conf", "[main]\nproxy=_none_\n")
    put(dash, "/etc/yum.repos.d/x.repo", f"[b]\nbaseurl=http://{server}/one\n[a]\nbaseurl=http://{server}/two\n")
    lines = package_source_of(dash).splitlines()
    assert [line.split(":")[0] for line in lines] == ["a", "b"]


@pytest.mark.parametrize(("identity", "manager"), [("ID=debian", "apt"), ("ID=rocky\nID_LIKE='rhel centos'", "yum")])
def test_the_distributions_package_manager_is_asked(dash, identity, manager):
    """A Debian may have yum as well as apt, and a test host of CentOS's layout apt as well as yum."""
    put(dash, "/etc/os-release", identity)
    dash.tool("yum", "exit 1")
    dash.tool("apt-get", "echo 'E: this is apt' >&2")
    expected = {"apt": "this is apt", "yum": "no package source is configured"}
    assert package_source.parse_result(dash.run(package_source.build_command())) == expected[manager]


def test_a_package_source_that_times_out_says_so():
    assert package_source.parse_result(Reply(124)) == "no answer within 50 seconds"


def test_the_ssh_host_key_is_read_without_its_comment(dash):
    assert read_subject(dash, system).ssh_host_key == ""
    put(dash, "/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAAB3 root@node\n")
    assert read_subject(dash, system).ssh_host_key == "AAAAB3"
    put(dash, "/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3 root@node\n")
    assert read_subject(dash, system).ssh_host_key == "AAAAC3"
