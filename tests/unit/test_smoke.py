"""The smoke test's program against a fake cloud: without an external network, with a temporary one, without an image.

Waits end at once at an error that cannot pass.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from packstack_lite.deployment.external_network import parse_external_network
from packstack_lite.engine.results import Case, unproved_essentials
from packstack_lite.errors import UsageError
from packstack_lite.report import json_output
from packstack_lite.services.registry import optional_smoke_cases
from packstack_lite.smoke.runner import ExternalNetwork, build_task, program_source
from tests.clouds import cloud as make_context
from tests.conftest import PROJECT
from tests.unit.fake_cloud import ADMIN
from tests.unit.fake_smoke_cloud import ADDRESS, FakeSmokeCloud
from tests.unit.test_hostside_pythons import every_python, python

TEMPORARY = {"cidr": "198.18.9.0/24", "first": "198.18.9.100", "last": "198.18.9.120", "gateway": "198.18.9.1"}
EXTERNAL = {"name": "public", "is_demo": False, "physnet": "extnet", "bridge": "br-ex", "has_interface": False}

# The node's own tools must not run on this machine.
NO_TOOLS = {"ip": ":", "ssh": "exit 255"}


@pytest.fixture
def cloud():
    fake = FakeSmokeCloud()
    yield fake
    fake.close()


@pytest.fixture
def smoke(cloud, tmp_path, python_with_keystoneauth):
    """Return a function that runs the program and returns its cases by name.

    ``tools`` are programs of the node, shell scripts by name. ``external`` and ``source`` are those of the task.
    """
    (tmp_path / "image").write_bytes(b"QFI\xfb")
    (tmp_path / "bin").mkdir()

    def run(version="here", source="", external=None, tools=None, proxy=""):
        for name, script in {**NO_TOOLS, **(tools or {})}.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        task = {
            "api": {
                "auth_url": cloud.url + "/identity/v3",
                "user": "admin",
                "password": ADMIN,
                "project": "admin",
                "region": "R",
            },
            "image": {"name": "cirros", "source": source or str(tmp_path / "image"), "proxy": proxy},
            "user": "root",
            "external": {**EXTERNAL, "temporary": external},
            "horizon_url": "",
            "catalog": ["compute"],
            "optional_cases": optional_smoke_cases(),
            "volumes": {"kind": "", "encrypted_type": "", "here": True},
        }
        program = program_source()
        argv = [
            *(python_with_keystoneauth.split() if version == "here" else [python(version, "keystoneauth1")]),
            "-c",
            f"import sys; exec(compile(sys.stdin.read({len(program)}), 'smoke', 'exec'))",
        ]
        environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            argv, input=program + json.dumps(task).encode(), capture_output=True, env=environment, timeout=60
        )
        assert (done.returncode, done.stderr.decode()) == (0, "")
        return {case["name"]: case for case in map(json.loads, done.stdout.decode().splitlines())}

    return run


@pytest.fixture(scope="module")
def modules():
    """Return the program's modules, imported into this process."""
    sys.path.insert(0, str(PROJECT / "packstack_lite/smoke/hostside"))
    names = ("session", "cloud", "instance", "network", "external", "image", "volumes")
    yield {name: importlib.import_module(f"smoke_{name}") for name in names}
    sys.path.pop(0)


def outcomes(cases):
    return {name: case["outcome"] for name, case in cases.items()}


def unproved(cases):
    return unproved_essentials([Case(**case) for case in cases.values()])


# --- without an external network


@every_python
def test_an_instance_on_a_private_network_proves_a_cloud_without_the_demo(version, smoke, cloud):
    cases = smoke(version)
    ended = outcomes(cases)
    assert [ended[name] for name in ("image", "network", "instance", "neighbour")] == ["passed"] * 4, cases
    assert cases["console_log"]["detail"].endswith(ADDRESS) and ended["console_log"] == "passed"
    assert cases["metadata"] == {**cases["metadata"], "outcome": "passed"}
    assert ADDRESS in cases["metadata"]["detail"]
    assert ended["external_network"] == ended["floating_ip"] == ended["ssh"] == "skipped"
    assert "--external-range" in cases["external_network"]["detail"]
    assert unproved(cases) == []
    # All that it made is gone.
    assert ended["cleanup"] == "passed"
    for kind in ("compute/servers", "network/networks", "network/routers", "network/security-groups", "image/images"):
        assert cloud.objects(kind) == [], kind


def test_an_external_network_of_the_users_is_used(smoke, cloud):
    cloud.lists["network/networks"] = [{"id": "theirs", "name": "wan", "router:external": True, "subnets": ["1"]}]
    cases = smoke()
    assert (cases["external_network"]["outcome"], cases["external_network"]["detail"]) == ("passed", "wan")
    assert [entry["name"] for entry in cloud.objects("network/networks")] == ["wan"]


def test_metadata_of_another_address_fails_and_no_metadata_too(smoke, cloud):
    cloud.console = "SMOKE-READY NAME no-metadata\n"
    cases = smoke()
    assert cases["metadata"]["outcome"] == "failed" and ADDRESS in cases["metadata"]["detail"]


def test_a_login_prompt_with_the_instances_name_proves_boot_and_metadata(smoke, cloud):
    cloud.console = "Debian GNU/Linux 12 NAME ttyS0\nNAME login: \n"
    cases = smoke()
    assert outcomes(cases)["console_log"] == outcomes(cases)["metadata"] == "passed"


# --- a temporary external network

IP = """
echo "$*" >> {log}
case "$*" in *route*) echo "198.18.9.100 via 192.0.2.1 dev eth0 src 192.0.2.2" ;; esac
"""


@every_python
def test_a_temporary_external_network_is_made_and_removed(version, smoke, cloud, tmp_path):
    log = tmp_path / "ip.log"
    cases = smoke(version, external=TEMPORARY, tools={"ip": IP.format(log=log)})
    assert cases["external_network"]["outcome"] == "passed", cases["external_network"]
    assert "198.18.9.0/24 on extnet" in cases["external_network"]["detail"]
    subnet = next(item for item in cloud.objects("network/subnets") if item["cidr"] == "198.18.9.0/24")
    assert subnet["allocation_pools"] == [{"start": "198.18.9.100", "end": "198.18.9.120"}]
    assert (subnet["gateway_ip"], subnet["enable_dhcp"]) == ("198.18.9.1", False)
    added, removed = (line for line in log.read_text().splitlines() if line.startswith("addr"))
    # The kernel removes the address if the run is killed.
    assert added.startswith("addr add 198.18.9.1/24 dev br-ex valid_lft ")
    assert removed == "addr del 198.18.9.1/24 dev br-ex"
    assert cloud.objects("network/networks") == []


def test_a_bridge_with_an_interface_keeps_its_addresses(smoke, tmp_path, monkeypatch):
    monkeypatch.setitem(EXTERNAL, "has_interface", True)
    log = tmp_path / "ip.log"
    smoke(external=TEMPORARY, tools={"ip": IP.format(log=log)})
    assert "addr" not in log.read_text()


def test_a_physical_network_that_is_used_is_named(smoke, cloud):
    cloud.lists["network/networks"] = [{"id": "1", "name": "wan", "provider:physical_network": "extnet"}]
    cloud.refusals["network/networks"] = "in use"
    # The private networks need the same path: only their creation is allowed.
    original = cloud.respond

    def respond(method, url, body):
        is_flat = method == "POST" and "provider:network_type" in json.dumps(body)
        cloud.refusals = {"network/networks": "in use"} if is_flat else {}
        return original(method, url, body)

    cloud.respond = respond
    cases = smoke(external=TEMPORARY)
    assert cases["external_network"]["outcome"] == "failed"
    assert "extnet" in cases["external_network"]["detail"] and "wan" in cases["external_network"]["detail"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("", "198.18.9.1-198.18.9.9"), "need --external-range"),
        (("198.18.9.0/24", None), "needs --external-pool"),
        (("198.18.9.1/24", "198.18.9.4-198.18.9.9"), "host bits"),
        (("198.18.9.0/31", "198.18.9.0-198.18.9.1"), "no room"),
        (("198.18.9.0/24", "some"), "FIRST-LAST"),
        (("198.18.9.0/24", "198.18.9.9-198.18.9.4"), "before"),
        (("198.18.9.0/24", "198.18.8.9-198.18.9.4"), "198.18.8.9"),
        (("198.18.9.0/24", "198.18.9.1-198.18.9.9"), "gateway"),
        (("198.18.9.0/24", "198.18.9.4-198.18.9.9", "198.18.8.1"), "--external-gateway"),
        (("198.18.9.0/24", "198.18.9.4-198.18.9.255"), "198.18.9.255"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UsageError, match=words.replace("-", r"\-")):
        parse_external_network(*options)


def test_options_are_parsed():
    expected = ExternalNetwork("198.18.9.0/24", "198.18.9.100", "198.18.9.120", "198.18.9.1")
    assert parse_external_network("198.18.9.0/24", "198.18.9.100-198.18.9.120") == expected
    # As Packstack's answer and the openstack command write a pool.
    assert parse_external_network("198.18.9.0/24", "start=198.18.9.100,end=198.18.9.120", "198.18.9.1") == expected
    assert parse_external_network(None, None) is None


def test_the_task_names_the_mapped_physical_network(make_task):
    task = make_task({}, ExternalNetwork(**TEMPORARY))
    assert task["external"] == {**EXTERNAL, "is_demo": True, "temporary": TEMPORARY}
    assert make_task({"CONFIG_PROVISION_DEMO": False})["external"]["is_demo"] is False
    bridges = {"CONFIG_NEUTRON_OVN_BRIDGE_IFACES": ("br-ex:eth1",), "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": ("br-ex:eth1",)}
    assert make_task(bridges)["external"]["has_interface"]


@pytest.fixture
def make_task():
    def make(answers, external=None):
        context = make_context(answers)
        return build_task(context.admin_credentials, context, context.profile, external)

    return make


# --- the image


def test_without_any_image_the_answer_is_named_and_the_cloud_is_not_proved(smoke, tmp_path):
    cases = smoke(source=str(tmp_path / "missing"))
    assert cases["image"]["outcome"] == "failed"
    assert str(tmp_path / "missing") in cases["image"]["detail"]
    assert "--set CONFIG_PROVISION_IMAGE_URL=" in cases["image"]["detail"]
    assert cases["instance"]["detail"] == "needs image"
    assert unproved(cases) == ["instance", "console_log", "metadata"]


def test_an_image_in_glance_is_used_by_name_else_the_smallest(smoke, cloud, tmp_path):
    common = {"status": "active", "disk_format": "qcow2"}
    cloud.lists["image/images"] = [
        {"id": "a", "name": "big", "size": 9 << 20, **common},
        {"id": "b", "name": "small", "size": 1 << 20, **common},
        {"id": "c", "name": "kernel", "size": 1, "status": "active", "disk_format": "aki"},
    ]
    cases = smoke(source=str(tmp_path / "missing"))
    assert cases["image"]["detail"] == "small, which Glance has: 1.0 MiB"
    cloud.lists["image/images"].append({"id": "d", "name": "cirros", "size": 5 << 20, **common})
    assert smoke(source="http://127.0.0.1:9/image")["image"]["detail"] == "cirros, which Glance has: 5.0 MiB"
    assert len(cloud.objects("image/images")) == 4, "none of them is deleted"


class _ImageServer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"QFI\xfb....")

    def log_message(self, *args):
        """Print nothing."""


@every_python
def test_an_image_is_downloaded_where_glance_has_none(version, smoke, cloud):
    server = HTTPServer(("127.0.0.1", 0), _ImageServer)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    # The proxy gets the request with the whole URL; without it the name could not be resolved.
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    cases = smoke(version, source="http://images.invalid/image", proxy=proxy)
    server.shutdown()
    server.server_close()
    assert cases["image"]["outcome"] == "passed" and "downloaded" in cases["image"]["detail"], cases["image"]
    assert [*cloud.uploads.values()] == [b"QFI\xfb...."]
    assert cases["instance"]["outcome"] == "passed"


def test_a_failed_download_is_explained(smoke):
    cases = smoke(source="http://127.0.0.1:9/image")
    assert "http://127.0.0.1:9/image cannot be downloaded" in cases["image"]["detail"]


# --- what is proved


def test_essential_cases_that_did_not_run_are_named():
    names = ("token", "catalog", "agents", "image", "network", "instance", "console_log", "metadata", "cleanup")
    passed = [Case(name, "passed", 1.0) for name in names]
    assert unproved_essentials(passed) == []
    assert unproved_essentials(passed[:5]) == ["instance", "console_log", "metadata", "cleanup"]
    by_login = [Case("ssh", "passed", 1.0) if case.name == "console_log" else case for case in passed]
    assert unproved_essentials([*by_login, Case("console_log", "skipped", 0.0)]) == []
    skipped = [Case("network", "skipped", 0.0) if case.name == "network" else case for case in passed]
    assert json_output.smoke_payload(skipped)["unproved"] == ["network"]


# --- errors that cannot pass


def test_an_instance_in_error_ends_the_wait_with_novas_reason(smoke, cloud):
    cloud.server_states = {"status": "ERROR", "fault": {"message": "No valid host was found"}}
    started = time.time()
    cases = smoke()
    assert time.time() - started < 30
    assert cases["instance"]["outcome"] == "failed" and "No valid host was found" in cases["instance"]["detail"]


def test_an_instance_that_stopped_ends_every_wait(smoke, cloud):
    cloud.server_states = {"status": "SHUTOFF"}
    assert "SHUTOFF" in smoke()["instance"]["detail"]


@pytest.fixture
def waiting(modules, monkeypatch):
    """Return a Smoke whose waits last at most a second without an error that ends them."""
    session = modules["session"]
    monkeypatch.setattr(session, "TIMEOUT_FACTOR", 1)
    monkeypatch.setattr(session.time, "sleep", lambda seconds: None)
    smoke = object.__new__(session.Smoke)
    smoke.created, smoke.address, smoke.outcomes = {"server": "s", "floating": "f"}, "198.18.9.100", {}
    smoke.task = {"user": "root"}
    smoke.keys = "/nonexistent"
    return smoke


def http_error(code):
    from keystoneauth1 import exceptions

    return {
        400: exceptions.BadRequest,
        401: exceptions.Unauthorized,
        403: exceptions.Forbidden,
        404: exceptions.NotFound,
        409: exceptions.Conflict,
        413: exceptions.RequestEntityTooLarge,
        429: lambda: exceptions.HttpError(http_status=429),
        500: exceptions.InternalServerError,
        503: exceptions.ServiceUnavailable,
        "refused": exceptions.ConnectFailure,
    }[code]()


@pytest.mark.parametrize("code", [404, 409, 429, 500, 503, "refused"])
def test_a_wait_outlasts_errors_that_pass(waiting, code):
    replies = [http_error(code), http_error(code), None]

    def probe():
        error = replies.pop(0)
        if error:
            raise error
        return True, "done"

    assert waiting.wait("it failed", 5, probe) == "done"


@pytest.mark.parametrize("code", [400, 401, 403, 413])
def test_a_wait_ends_at_an_error_that_does_not_pass(waiting, code):
    calls = []

    def probe():
        calls.append(1)
        raise http_error(code)

    with pytest.raises(type(http_error(code))):
        waiting.wait("it failed", 60, probe)
    assert len(calls) == 1


def test_what_was_there_and_is_gone_ends_a_wait(waiting):
    replies = [None, http_error(404)]

    def probe():
        error = replies.pop(0)
        if error:
            raise error
        return False, "there"

    with pytest.raises(type(http_error(404))):
        waiting.wait("it failed", 60, probe)
    assert not replies


def test_an_error_that_lasts_is_the_last_state(waiting):
    def probe():
        raise http_error(503)

    with pytest.raises(Exception, match="it failed after 0 s: Service Unavailable"):
        waiting.wait("it failed", 0, probe)


ACTIVE = {"server": {"name": "smoke-1", "status": "ACTIVE"}}
STOPPED = {"server": {"name": "smoke-1", "status": "ERROR", "fault": {"message": "domain is gone"}}}
FLOATING = {"floatingip": {"status": "ACTIVE"}}


def answers(server=ACTIVE, floating=FLOATING):
    return lambda service, path: server if "/servers/" in path else floating


@pytest.mark.parametrize(
    ("reply", "get", "words"),
    [
        ((2, "connect: Network is unreachable"), answers(), "Network is unreachable"),
        ((1, ""), answers(server=STOPPED), "domain is gone"),
        ((1, ""), answers(floating={"floatingip": {"status": "ERROR"}}), "floating IP 198.18.9.100 is in ERROR"),
    ],
)
def test_ping_ends_at_an_error_that_does_not_pass(modules, waiting, monkeypatch, reply, get, words):
    monkeypatch.setattr(modules["external"], "run_for_code", lambda argv: reply)
    waiting.get = get
    with pytest.raises(modules["session"].Failed, match=words):
        modules["external"].ping(waiting)


@pytest.mark.parametrize(
    ("reply", "get", "words"),
    [
        ((255, "Load key /x/key: invalid format"), answers(), "invalid format"),
        ((255, "connect to host: Connection refused"), answers(server=STOPPED), "domain is gone"),
        ((255, "root@198.18.9.100: Permission denied (publickey)."), answers(), "refuses the key of root"),
    ],
)
def test_ssh_ends_at_an_error_that_does_not_pass(modules, waiting, monkeypatch, reply, get, words):
    monkeypatch.setattr(modules["session"], "run_for_code", lambda argv: reply)
    monkeypatch.setattr(modules["external"], "KEY_TIME", 0)
    waiting.get = get
    shows(modules, waiting, modules["session"].NAME)
    with pytest.raises(modules["session"].Failed, match=words):
        modules["external"].ssh(waiting)


def shows(modules, waiting, *names):
    """Let consoles show that the instances of these names have run their user data, one more at each look."""
    lines = [f"{modules['instance'].MARKER} {name} 10.99.0.5" for name in names]
    consoles = [lines[: count + 1] for count in range(len(lines))]

    def post(service, path, body):
        output = "\n".join(["Linux", *(consoles.pop(0) if len(consoles) > 1 else consoles[0])])
        return SimpleNamespace(json=lambda: {"output": output})

    waiting.post = post


def test_a_refused_login_is_final_only_once_user_data_have_run(modules, waiting, monkeypatch):
    name = modules["session"].NAME
    monkeypatch.setattr(modules["session"], "run_for_code", lambda argv: (255, "Permission denied"))
    monkeypatch.setattr(modules["external"], "KEY_TIME", 0)
    waiting.get = answers()
    looks = []
    shows(modules, waiting, "another", "yet another", name)
    post = waiting.post
    waiting.post = lambda *words: looks.append(words) or post(*words)
    with pytest.raises(modules["session"].Failed, match="refuses the key of root"):
        modules["external"].ssh(waiting)
    assert len(looks) == 3


def test_the_second_guest_is_pinged_once_it_has_booted(modules, waiting):
    other = modules["network"].OTHER
    waiting.get, waiting.console_line = answers(), "the first one's"
    shows(modules, waiting, modules["session"].NAME, other)
    modules["instance"].wait_until_booted(waiting, "o", other)
    waiting.get = answers(server=STOPPED)
    shows(modules, waiting, modules["session"].NAME)
    with pytest.raises(modules["session"].Failed, match="domain is gone"):
        modules["instance"].wait_until_booted(waiting, "o", other)
    waiting.console_line = ""
    modules["instance"].wait_until_booted(waiting, "o", other)


def test_a_login_that_is_refused_before_the_key_is_there_is_tried_again(modules, waiting, monkeypatch):
    name = modules["session"].NAME
    replies = [(255, "Connection refused"), (255, "Permission denied"), (255, "Permission denied"), (0, name)]
    monkeypatch.setattr(modules["session"], "run_for_code", lambda argv: replies.pop(0))
    waiting.get = answers()
    assert modules["external"].ssh(waiting) == "root@198.18.9.100"


@pytest.mark.parametrize(
    ("statuses", "wanted", "words"),
    [
        (["reserved", "attaching", "in-use"], "in-use", ""),
        (["reserved", "attaching", "available"], "in-use", "available again, not in-use"),
        (["detaching", "in-use"], "available", "in-use again, not available"),
        (["creating", "error"], "available", "the volume is error"),
        (["detaching", "error_detaching"], "available", "error_detaching"),
        (["creating", "downloading", "available"], "available", ""),
    ],
)
def test_a_volume_that_cannot_get_the_status_ends_the_wait(modules, waiting, statuses, wanted, words):
    waiting.get = lambda service, path: {"volume": {"status": statuses.pop(0)}}
    if words:
        with pytest.raises(modules["session"].Failed, match=words):
            modules["volumes"].wait_for_status(waiting, "volume", "1", wanted)
    else:
        assert modules["volumes"].wait_for_status(waiting, "volume", "1", wanted) == wanted
    assert not statuses


def test_a_volume_that_is_not_deleted_ends_the_wait(modules, waiting):
    entry = {"id": "1", "name": "smoke-1", "status": "error_deleting"}
    waiting.get = lambda service, path: {"volumes": [entry]}
    with pytest.raises(modules["session"].Failed, match="error_deleting"):
        modules["volumes"].wait_until_gone(waiting, "volume", ["1"])
