"""The hostside programs on the Pythons of nodes: this one, EL 7's 2.7 and its optional 3.6.

cloud_api.py is tested on all three in test_resources_api_object.py, against a fake cloud.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess

import pytest

from packstack_lite.config_overrides import option_check
from packstack_lite.resources import SwiftRings
from packstack_lite.resources.api_object import cloud_api_modules
from packstack_lite.services._base import schema
from packstack_lite.services.registry import optional_smoke_cases
from packstack_lite.smoke.runner import hostside_sources
from packstack_lite.smoke.runner import program_source as smoke_program
from tests import pythons
from tests.conftest import PROJECT
from tests.unit.dash import Dash, is_as_desired
from tests.unit.fake_cloud import ADMIN, FakeCloud

PROGRAMS = sorted((PROJECT / "packstack_lite").glob("*/hostside/*.py"))
every_python = pytest.mark.parametrize("version", ["here", *pythons.OLD_ONES])
# For tests that need OpenStack's own code, which the tool itself does not use.
every_old_python = pytest.mark.parametrize("version", pythons.OLD_ONES)


def python(version, module=""):
    """Return an interpreter, with a module if one is named; skip the test if there is none."""
    interpreter = pythons.equipped(version, module) if module else pythons.bare(version)
    if interpreter is None:
        suffix = f" with {module} (make test-tools makes one where there is that Python)" if module else ""
        pytest.skip(f"no Python {version}{suffix} on this machine")
    return interpreter


@pytest.fixture
def openstack_python(python_with_keystoneauth):
    """Return a function that returns the command line of an interpreter with keystoneauth1."""

    def choose(version):
        return python_with_keystoneauth.split() if version == "here" else [python(version, "keystoneauth1")]

    return choose


def run(args, text="", **env):
    """Run a program with ``text`` on standard input; return exit code, output and errors."""
    # Without a locale, as a service on EL 7: only ASCII can be printed without an explicit encoding.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    # Python 2.7 would write NAME.pyc beside each module that it imports, into the tree of the product.
    environment = {**environment, "PYTHONDONTWRITEBYTECODE": "1", **env}
    done = subprocess.run(args, input=text.encode(), capture_output=True, env=environment, timeout=100, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_every_program_is_included():
    names = {path.name for path in PROGRAMS}
    assert names >= {"cloud_api.py", "swift_rings.py", "check_options.py", "keystone_db_sync.py", "nova_cells.py"}
    assert names >= {"smoke_cloud.py", *(f"{name}.py" for name in hostside_sources())}


COMPILE = """
import json, sys
for name, source in json.loads(sys.stdin.read()).items():
    try:
        compile(source.encode("ascii"), name.encode("ascii"), "exec")
    except SyntaxError as error:
        print("%s: %s" % (name, error))
"""


def syntax_errors(version, **sources):
    """Return the syntax errors of a Python in these sources."""
    code, out, errors = run([python(version), "-c", COMPILE], json.dumps(sources))
    assert (code, errors) == (0, "")
    return out


@every_python
def test_every_python_compiles_the_programs(version):
    assert not syntax_errors(version, **{path.name: path.read_text(encoding="ascii") for path in PROGRAMS})


@every_python
def test_syntax_that_is_too_new_is_detected(version):
    assert syntax_errors(version, f="x: int = 1\n").startswith("f") == (version == "2.7")
    assert syntax_errors(version, g="(x := 1)\n").startswith("g") == (version in pythons.OLD)


# --- Nova's and Keystone's programs, with a fake nova and keystone


FAKE_NOVA = """
import sys
def main():
    with open({calls!r}, "a") as calls:
        calls.write(" ".join(sys.argv) + "\\n")
    if sys.argv[2] == "list_cells":
        print("+-------+\\n|  Name | UUID |\\n| {cell} | 0a1b |\\n+-------+")
    return {codes}.get(" ".join(sys.argv[1:3]), 0)
"""


@pytest.fixture
def put_module(tmp_path):
    """Return a function that adds a module to the Pythons' path."""

    def put(name, source):
        directory = tmp_path / "modules"
        for package in name.split(".")[:-1]:
            directory.mkdir(exist_ok=True)
            (directory / "__init__.py").touch()
            directory = directory / package
        directory.mkdir(exist_ok=True)
        (directory / "__init__.py").touch()
        (directory / f"{name.split('.')[-1]}.py").write_text(source)
        return str(tmp_path / "modules")

    return put


@every_python
@pytest.mark.parametrize(
    ("codes", "cell", "ends", "steps"),
    [
        ({}, "cell0", 0, 5),
        ({}, "cell1", 0, 4),
        ({}, "cell10", 0, 5),
        ({"cell_v2 create_cell": 1}, "cell0", 1, 5),
        ({"cell_v2 list_cells": 1}, "cell1", 1, 4),
        ({"db sync": 1}, "cell0", 1, 3),
    ],
)
def test_novas_steps_run_in_order_and_make_no_second_cell(version, put_module, tmp_path, codes, cell, ends, steps):
    path = put_module("nova.cmd.manage", FAKE_NOVA.format(calls=str(tmp_path / "calls"), codes=codes, cell=cell))
    code, _, errors = run([python(version), "-"], schema.read_program("nova_cells.py").decode(), PYTHONPATH=path)
    calls = (tmp_path / "calls").read_text().splitlines()
    expected = [
        "nova-manage api_db sync",
        "nova-manage cell_v2 map_cell0",
        "nova-manage db sync",
        "nova-manage cell_v2 list_cells",
        "nova-manage cell_v2 create",
    ]
    assert (code, len(calls)) == (ends, steps), errors
    assert all(call.startswith(want) for call, want in zip(calls, expected))
    assert not ends or f"ended with exit code {ends}" in errors


@every_python
def test_a_failing_step_of_nova_is_reported(version, put_module):
    path = put_module("nova.cmd.manage", "def main():\n    raise ValueError('no database')\n")
    code, _, errors = run([python(version), "-"], schema.read_program("nova_cells.py").decode(), PYTHONPATH=path)
    assert code == 1 and "no database" in errors and "exit code 255" in errors


FAKE_KEYSTONE = """
import sys
def main():
    try:
        from alembic.config import Config
        Config().set_main_option("sqlalchemy.url", "mysql://a:%40b@c/d")
    except ImportError:
        pass
    print(" ".join(sys.argv))
"""
FAKE_ALEMBIC = """
class Config(object):
    def set_main_option(self, name, value):
        if "%" in value.replace("%%", ""):
            raise ValueError("invalid interpolation syntax")
"""


@every_python
@pytest.mark.parametrize("alembic", [True, False], ids=["with alembic", "as of Train, without it"])
def test_keystones_migration_accepts_a_percent_sign(version, put_module, alembic):
    path = put_module("keystone.cmd.manage", FAKE_KEYSTONE)
    if alembic:
        put_module("alembic.config", FAKE_ALEMBIC)
    args = [python(version), "-c", "import sys; exec(compile(sys.stdin.read(), 'k', 'exec'))"]
    program = schema.read_program("keystone_db_sync.py").decode()
    if not alembic:
        program = "import sys; sys.modules['alembic'] = None\n" + program
    code, out, errors = run(args, program, PYTHONPATH=path)
    assert (code, out) == (0, "keystone-manage db_sync\n"), errors


# --- Swift's rings, with Train's own Swift


@every_old_python
def test_rings_are_created_and_extended(version, tmp_path):
    dash = Dash(tmp_path)
    dash.tool("python3", f'exec {python(version, "swift.common.ring")} "$@"')
    common = {"directory": str(tmp_path / "rings"), "devices_root": str(tmp_path / "node"), "ip": "127.0.0.1"}
    (tmp_path / "rings").mkdir()
    one_device = SwiftRings(ports={"object": 6200}, devices={"a": 1}, partition_power=4, **common)
    two_devices = SwiftRings(ports={"object": 6200}, devices={"a": 1, "b": 2}, replicas=2, partition_power=4, **common)
    for rings in (one_device, two_devices):
        reply = dash.fix(rings)[0]
        assert reply.ok, reply.err
    observed = dash.probe(two_devices)[two_devices.id]
    assert is_as_desired(two_devices, observed) and not is_as_desired(one_device, observed)


# --- options, with Train's own oslo.config


OPTIONS = """
from oslo_config import cfg
def list_opts():
    return [("DEFAULT", [cfg.StrOpt("colour", deprecated_name="color")]), ("here", [cfg.IntOpt("number")])]
"""


@every_old_python
def test_oslo_config_decides_about_options(version, tmp_path):
    interpreter = python(version, "oslo_config.validator")
    (tmp_path / "mine.py").write_text(OPTIONS)
    described = tmp_path / "mine-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[oslo.config.opts]\nmine = mine:list_opts\n")
    given = [
        ("DEFAULT", "colour"),
        ("DEFAULT", "color"),
        ("DEFAULT", "colours"),
        ("here", "number"),
        ("there", "number"),
    ]
    options = [[*option, f"my.conf:{directory}"] for directory, option in enumerate(given, 1)]
    request = {"file": "nova/nova.conf", "lists": ["mi*"], "options": options}
    path = f"{os.path.dirname(interpreter)}:{os.environ['PATH']}"
    source = schema.read_program(option_check.CHECK_PROGRAM).decode()
    args = [interpreter, "-c", f"import sys; exec(compile(sys.stdin.read({len(source)}), 'c', 'exec'))"]
    code, out, errors = run(args, source + json.dumps(request), PATH=path, PYTHONPATH=str(tmp_path))
    assert (code, out.splitlines()) == (
        1,
        [
            "packstack-lite warning: my.conf:2: [DEFAULT] color is an old name of an option, which will go",
            "my.conf:3: [DEFAULT] colours is no option of nova/nova.conf; did you mean colour?",
            "my.conf:5: [there] number is no option of nova/nova.conf; [here] has one of this name",
        ],
    ), errors


# --- the smoke test, against a fake cloud


@pytest.fixture
def cloud():
    fake = FakeCloud(keep_alive=True)
    yield fake
    fake.close()


@every_python
def test_smoke_reports_every_case_and_cleans_up(version, openstack_python, cloud, tmp_path):
    (tmp_path / "image").write_bytes(b"QFI\xfb")
    cloud.objects("compute/servers")
    api = {
        "auth_url": cloud.url + "/identity/v3",
        "user": "admin",
        "password": ADMIN,
        "project": "admin",
        "region": "R",
    }
    task = {
        "api": api,
        "image": {"name": "cirros", "source": str(tmp_path / "image"), "proxy": ""},
        "user": "root",
        "external": {"name": "\u00e4u\u00dferes", "is_demo": True, "temporary": None},
        "horizon_url": "",
        "catalog": ["compute", "orchestration"],
        "optional_cases": optional_smoke_cases(),
        "volumes": {"kind": "", "encrypted_type": ""},
    }
    source = smoke_program()
    args = [
        *openstack_python(version),
        "-c",
        f"import sys; exec(compile(sys.stdin.read({len(source)}), 'smoke', 'exec'))",
    ]
    code, out, errors = run(args, source.decode() + json.dumps(task))
    assert (code, errors) == (0, "")
    cases = {case["name"]: case for case in map(json.loads, out.splitlines())}
    assert cases["token"]["outcome"] == "passed" and cases["flavor"]["outcome"] == "passed"
    assert cases["horizon"] == {**cases["horizon"], "outcome": "skipped", "detail": "CONFIG_HORIZON_INSTALL=n"}
    assert cases["ping"]["detail"] == "needs floating_ip"
    assert cases["network"]["outcome"] == "passed"
    assert cases["catalog"]["outcome"] == "failed"
    assert cases["catalog"]["detail"].startswith("the catalog has no orchestration")
    assert "\u00e4u\u00dferes" in cases["external_network"]["detail"]
    assert cases["cleanup"]["detail"] == "nothing left" and not cloud.objects("compute/flavors")


# A volume of zeros is one line of half a gigabyte, of which only a few blocks may be kept in memory.
SEARCH_PROGRAM = """
from __future__ import print_function
import io, sys
sys.path.insert(0, sys.argv[1])
import smoke_devices
from smoke_session import BLOCK
class Zeros:
    left = 8192
    def read(self, size):
        self.left -= 1
        return b"\\0" * size if self.left > 0 else b""
for before in (0, BLOCK - 5, BLOCK, 3 * BLOCK - 1):
    stream = io.BytesIO(b"\\0" * before + b"the text" + b"\\0" * BLOCK)
    print("%s %d" % (smoke_devices.stream_contains(stream, b"the text"), len(stream.read())))
print(smoke_devices.stream_contains(io.BytesIO(b"the texx" * BLOCK), b"the text"))
print(smoke_devices.stream_contains(Zeros(), b"the text"))
# Not getrusage's value, which a program inherits from its parent.
peak, = [line.split()[1] for line in io.open("/proc/self/status") if line.startswith("VmHWM:")]
print(int(peak) < 200000)
"""


@every_python
def test_text_is_found_in_a_volume_without_keeping_it_in_memory(version, openstack_python):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    code, out, errors = run([*openstack_python(version), "-c", SEARCH_PROGRAM, directory])
    assert (code, errors) == (0, "")
    assert out == "True 0\n" * 4 + "False\nFalse\nTrue\n"


# Every listed object is gone when it is to be deleted.
CLEANUP_PROGRAM = """
from __future__ import print_function
import collections, sys
sys.path.insert(0, sys.argv[1])
import smoke_cloud
from keystoneauth1 import exceptions
class Reply(object):
    def __init__(self, body):
        self.json = lambda: body
class Client(object):
    def __init__(self):
        self.seen = set()
    def get(self, path):
        key = path.split("?")[0].strip("/").split("/")[0].replace("os-", "").replace("-", "_")
        there = key != "ports" and key not in self.seen
        self.seen.add(key)
        return Reply({key: [{"id": "1", "name": "smoke-1", "keypair": {"name": "smoke-1"}}] * there})
    def delete(self, path):
        print(path, end=" ")
        raise exceptions.NotFound()
smoke = object.__new__(smoke_cloud.Smoke)
smoke.created, smoke.clients = {"floating": "1"}, collections.defaultdict(Client)
smoke.client = lambda service: smoke.clients[service]
smoke.has = lambda service: False
print(smoke_cloud.cleanup(smoke))
"""


@every_python
def test_cleanup_ignores_objects_that_are_gone_already(version, openstack_python):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    code, out, errors = run([*openstack_python(version), "-c", CLEANUP_PROGRAM, directory])
    assert (code, errors) == (0, "")
    things = ("floatingips/1", "servers/1", "routers/1", "networks/1", "security-groups/1", "images/1", "flavors/1")
    assert out == "".join(f"/{thing} " for thing in (*things, "os-keypairs/smoke-1")) + "nothing left\n"


# The smoke test's program without its last part, main(), which would use a cloud.
SMOKE_TABLES_PROGRAM = """
from __future__ import print_function
import sys
source = sys.stdin.read()
exec(source.replace("sys.exit(main())", "pass"))
print(" ".join(case.__name__ for case, _ in all_cases()))
print(" ".join(clean.__name__ for _, clean in reversed(collect_rows("CLEANERS"))))
"""


def functions_in(table, position):
    """Return the names of the functions in a table of the smoke test's modules, by their names' order."""
    return [
        getattr(row.elts[position], "attr", "") or row.elts[position].id
        for _, source in sorted(hostside_sources().items())
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == table
        for row in node.value.elts
    ]


@every_python
def test_the_smoke_test_collects_cases_and_cleaners_of_its_modules_in_order(version, openstack_python):
    code, out, errors = run([*openstack_python(version), "-c", SMOKE_TABLES_PROGRAM], smoke_program().decode("ascii"))
    assert (code, errors) == (0, "")
    cases, cleaners = (line.split() for line in out.splitlines())
    assert cases == [*functions_in("FIRST_CASES", 0), *functions_in("CASES", 0), *functions_in("LAST_CASES", 0)]
    assert cases[:2] == ["token", "catalog"] and cases[-1] == "cleanup" and "secret" in cases
    # Later modules' objects first: encrypted volumes need their secrets.
    assert cleaners == functions_in("CLEANERS", 1)[::-1]
    assert cleaners.index("clean_volumes") < cleaners.index("clean_secrets")


# Each module of a program in a process of its own, as an import error of one would hide the others'.
IMPORT_PROGRAM = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
"""
# Directory and prefix of the programs that consist of modules, and their modules.
BUNDLES = [("smoke", "smoke_", hostside_sources()), ("resources", "cloud_", cloud_api_modules())]


@pytest.mark.parametrize(("room", "name"), [(room, name) for room, _, sources in BUNDLES for name in sources])
@every_python
def test_each_module_of_a_program_imports_what_it_uses(version, openstack_python, room, name):
    directory = str(PROJECT / "packstack_lite" / room / "hostside")
    assert run([*openstack_python(version), "-c", IMPORT_PROGRAM, directory, name]) == (0, "", "")


@pytest.mark.parametrize(("room", "prefix", "sources"), BUNDLES)
def test_a_module_of_a_program_is_sent_after_those_that_it_imports(room, prefix, sources):
    names = list(sources)
    directory = PROJECT / "packstack_lite" / room / "hostside"
    assert set(names) == {path.stem for path in directory.glob(f"{prefix}*.py")}
    for name, source in sources.items():
        imported = re.findall(rf"^(?:import|from) ({prefix}\w+)", source, re.M)
        assert all(names.index(other) < names.index(name) for other in imported), name


# An error of Nova as keystoneauth reports it: without the API's message, whose format it does not know.
API_ERROR_PROGRAM = """
from __future__ import print_function
import sys
sys.path.insert(0, sys.argv[1])
import requests, smoke_session
from keystoneauth1 import exceptions
reply = requests.Response()
reply.status_code, reply.headers = 400, {"Content-Type": "application/json"}
for body in (b'{"badRequest": {"code": 400, "message": "no room"}}', b'{"error": {"code": 400, "message": "none"}}'):
    reply._content = body
    print(smoke_session.short_error(exceptions.from_response(reply, "POST", "/")))
"""


@every_python
def test_smoke_reports_an_apis_message_where_the_client_does_not(version, openstack_python):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    code, out, errors = run([*openstack_python(version), "-c", API_ERROR_PROGRAM, directory])
    assert (code, errors) == (0, "")
    first, second = out.splitlines()
    assert first.endswith('{"badRequest": {"code": 400, "message": "no room"}}')
    assert second == "none (HTTP 400)"


# Where the paths of a web server end after redirects, and what the search for the login page says.
LOGIN_PAGE_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import smoke_cloud
class Page:
    status_code = 200
class Web:
    def get(self, url, timeout):
        page = Page()
        page.url = json.loads(sys.argv[2]).get(url[len("http://host"):], url)
        page.status_code = 200 if "login" in page.url else 404
        return page
try:
    sys.stdout.write(smoke_cloud.find_login_page(Web(), "http://host/horizon/auth/login/").url)
except smoke_cloud.Failed as failure:
    sys.stdout.write("failed: %s" % failure)
"""
LOGIN = "http://host/horizon/auth/login/?next=/horizon/"


@pytest.mark.parametrize(
    ("redirects", "outcome"),
    [
        ({"/": LOGIN, "/dashboard": LOGIN, "/horizon": LOGIN}, LOGIN),
        ({"/dashboard": LOGIN, "/horizon": LOGIN}, "failed: http://host/ leads to http://host/, which says 404"),
        ({"/": LOGIN, "/horizon": LOGIN}, "failed: http://host/dashboard leads to http://host/dashboard"),
        ({"/": LOGIN, "/dashboard": "http://host/login", "/horizon": LOGIN}, "failed: http://host/dashboard leads to"),
    ],
)
@every_python
def test_the_hosts_root_and_both_known_paths_must_lead_to_the_login_page(version, openstack_python, redirects, outcome):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    argv = [*openstack_python(version), "-c", LOGIN_PAGE_PROGRAM, directory, json.dumps(redirects)]
    code, out, errors = run(argv)
    assert (code, errors) == (0, "") and out.startswith(outcome)


# The networks of the test, beside the node's routes.
RANGES_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import smoke_network
try:
    sys.stdout.write(" ".join(smoke_network.find_free_ranges(json.loads(sys.argv[2]), 2)))
except smoke_network.Failed as failure:
    sys.stdout.write("failed: %s" % failure)
"""


@pytest.mark.parametrize(
    ("routes", "ranges"),
    [
        ([], "10.99.0.0/24 10.99.1.0/24"),
        (["198.18.1.0/24", "10.0.0.0/24", "192.168.0.0/16"], "10.99.0.0/24 10.99.1.0/24"),
        (["10.99.0.0/24"], "10.99.1.0/24 10.99.2.0/24"),
        (["10.99.0.7", "10.99.1.128/25"], "10.99.2.0/24 10.99.3.0/24"),
        (["10.96.0.0/11"], "failed: the node has routes to all of 10.99.0.0"),
        (["0.0.0.0/0"], "failed: the node has routes to all of 10.99.0.0"),
        (["10.99.0.0/16"], "10.100.0.0/24 10.100.1.0/24"),
    ],
)
@every_python
def test_the_smoke_tests_networks_are_none_that_the_node_uses(version, openstack_python, routes, ranges):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    code, out, errors = run([*openstack_python(version), "-c", RANGES_PROGRAM, directory, json.dumps(routes)])
    assert (code, errors) == (0, "") and out.startswith(ranges)


# What the case says of a guest's /etc/resolv.conf, and of a name that the node resolves and the guest does or not.
NAME_SERVER_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import smoke_network
replies = json.loads(sys.argv[2])
class Smoke:
    task = {"image": {"source": "http://localhost/image"}}
smoke_network.run_ssh = lambda smoke, command: tuple(replies["lookup" if "lookup" in command else "servers"])
try:
    sys.stdout.write(smoke_network.name_server(Smoke()))
except smoke_network.Failed as failure:
    sys.stdout.write("failed: %s" % failure)
"""


@pytest.mark.parametrize(
    ("servers", "lookup", "outcome"),
    [
        ("nameserver 198.18.0.1\nnameserver fd00::1", True, "given 198.18.0.1 fd00::1, resolves localhost"),
        ("nameserver 198.18.0.1", False, "given 198.18.0.1, cannot resolve localhost"),
        ("", True, "given no name server"),
        ("nameserver 127.0.0.53", True, "failed: the instance was given 127.0.0.53, which is itself"),
        ("nameserver ::1", True, "failed: the instance was given ::1, which is itself"),
    ],
)
@every_python
def test_the_smoke_test_says_what_name_servers_its_instance_was_given(
    version, openstack_python, servers, lookup, outcome
):
    directory = str(PROJECT / "packstack_lite/smoke/hostside")
    replies = json.dumps({"servers": [bool(servers), servers], "lookup": [lookup, ""]})
    code, out, errors = run([*openstack_python(version), "-c", NAME_SERVER_PROGRAM, directory, replies])
    assert (code, errors) == (0, "") and out.startswith(outcome)
