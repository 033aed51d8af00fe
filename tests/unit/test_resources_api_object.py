"""Entities: what they want, how replies are read, and the host-side program against a cloud of lists."""

from __future__ import annotations

import ast
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from packstack_lite.remote.command import Reply
from packstack_lite.resources import ApiObject, Credentials, Phase, Unknown
from packstack_lite.resources.api_object import cloud_api_source
from packstack_lite.secret import Masker, Secret
from tests import pythons
from tests.conftest import PROJECT
from tests.unit.dash import Dash, is_as_desired, missing_diff
from tests.unit.fake_cloud import ADMIN, FakeCloud

HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m é"


def entity(type_, name, body=None, api=None, **more):
    api = api or Credentials("http://127.0.0.1:5/v3", "admin", Secret(ADMIN), "admin", "R")
    secrets = {key: Secret(value) for key, value in more.pop("secrets", {}).items()}
    return ApiObject(type=type_, name=name, credentials=api, body=body or {}, secrets=secrets, **more)


# --- states and replies


def test_wanted_state_is_scalar_and_holds_no_secret():
    user = entity("user", "nova", {"project": "service", "roles": ("service", "admin")}, secrets={"password": HOSTILE})
    roles = '["admin", "service"]'
    assert user.desired() == {"project": "service", "roles": roles, "password": "as answered", "exists": True}
    assert user.id == "user:nova"


def test_order_of_lists_does_not_matter():
    pools = [{"start": "b", "end": "c"}, {"end": "z", "start": "a"}]
    assert entity("subnet", "s", {"p": pools}).desired() == entity("subnet", "s", {"p": pools[::-1]}).desired()


def test_source_of_an_image_is_no_part_of_its_state():
    assert entity("image", "i", {"source": "/x", "visibility": "public"}).desired() == {
        "visibility": "public",
        "exists": True,
    }


def test_one_command_for_all_and_no_secret_in_its_script():
    users = [entity("user", f"u{n}", {}, secrets={"password": HOSTILE}) for n in range(9)]
    for made in (ApiObject.probe(users)[0].command, ApiObject.fix([missing_diff(user) for user in users])[0]):
        assert not Masker([Secret(HOSTILE), Secret(ADMIN)]).contains_secret(made.script)
        assert json.dumps(HOSTILE).encode() in made.stdin
    assert len(ApiObject.probe(users)) == len(ApiObject.fix([missing_diff(user) for user in users])) == 1


@pytest.mark.parametrize(
    ("phase", "after"), [(Phase.CATALOG, Phase.SCHEMA), (Phase.NETWORKS, Phase.SERVICES), (Phase.DEMO, Phase.SERVICES)]
)
@pytest.mark.parametrize("reply", [Reply(75), Reply(124), Reply(0, '{"role:r": {"unknown": "why"}}')])
def test_cloud_that_does_not_answer_is_known_later(phase, after, reply):
    role = entity("role", "r", phase=phase)
    seen = ApiObject.probe([role])[0].parse(reply)["role:r"]
    assert isinstance(seen, Unknown) and seen.known_after is after


@pytest.mark.parametrize("reply", [Reply(1, "", "Traceback"), Reply(0, "nonsense"), Reply(0, "[]"), Reply(0, "{}")])
def test_nonsense_is_refused(reply):
    with pytest.raises(ValueError):
        ApiObject.probe([entity("role", "r")])[0].parse(reply)


# --- the program

NEWER_THAN_PYTHON_27 = (
    ast.JoinedStr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Await, ast.Nonlocal, ast.YieldFrom, ast.NamedExpr
)  # fmt: skip


def test_program_is_python_27_too():
    """Checked on the tree, since not every machine has that Python; those that do: test_hostside_pythons.py."""
    for node in ast.walk(ast.parse(cloud_api_source())):
        assert not isinstance(node, NEWER_THAN_PYTHON_27), f"line {getattr(node, 'lineno', '?')}: {node}"
        if isinstance(node, ast.arguments):
            assert not node.kwonlyargs and not node.posonlyargs
        if isinstance(node, ast.arg):
            assert node.annotation is None, f"line {node.lineno}"
        if isinstance(node, ast.Raise):
            assert node.cause is None, f"line {node.lineno}: raise ... from"
        if isinstance(node, ast.ClassDef):
            assert node.bases and not node.keywords, f"line {node.lineno}: an old-style class"
    cloud_api_source().decode("ascii")


@pytest.fixture
def cloud():
    cloud = FakeCloud()
    yield cloud
    cloud.close()


# On EL7's Pythons too, with the libraries of Train: those tests that between them go everywhere in the program.
every_python = pytest.mark.parametrize("dash", ["here", *pythons.OLD_ONES], indirect=True)


@pytest.fixture
def dash(tmp_path, request):
    version = getattr(request, "param", "here")
    python = pythons.equipped(version, "keystoneauth1")
    if python is None:
        pytest.skip(f"no Python {version} with keystoneauth1 (make test-tools makes one where there is that Python)")
    dash = Dash(tmp_path)
    # Asked beforehand whether it has the libraries, this Python has; that it does shows when the program imports them.
    dash.tool("python3", f"""[ "$2" = 'import keystoneauth1' ] && exit 0; exec {python} "$@" """)
    return dash


@pytest.fixture
def make(cloud):
    """Entities of this cloud."""
    api = Credentials(cloud.url + "/identity/v3", "admin", Secret(ADMIN), "admin", "R")
    return lambda type_, name, body=None, **more: entity(type_, name, body, api, **more)


def settled(dash, *entities):
    """Close what differs, and see that it is right then; returns the ids that differed."""
    seen = dash.probe(*entities)
    open_ = [entity for entity in entities if not is_as_desired(entity, seen[entity.id])]
    if open_:
        replies = [dash.run(action) for action in ApiObject.fix([missing_diff(entity) for entity in open_])]
        assert all(reply.ok for reply in replies), replies
        seen = dash.probe(*entities)
    wrong = {entity.id: seen[entity.id] for entity in entities if not is_as_desired(entity, seen[entity.id])}
    assert not wrong
    return [entity.id for entity in open_]


@pytest.fixture
def catalogue(make):
    told = [
        make("user", "nova", {"project": "service", "roles": ("admin", "service")}, secrets={"password": HOSTILE}),
        make("role", "service"),
        make("project", "service", {"description": "of services"}),
        make("service", "nova", {"type": "compute", "description": "Compute"}),
    ]
    for interface in ("public", "internal"):
        body = {"service": "nova", "interface": interface, "url": "http://x:8774/v2.1", "region": "R"}
        told.append(make("endpoint", f"nova-{interface}", body))
    return told


def test_catalogue_is_made_in_its_order_and_only_once(cloud, dash, catalogue):
    assert settled(dash, *catalogue) == [entity.id for entity in catalogue]
    assert len(cloud.assignments) == 2
    cloud.asked.clear()
    assert settled(dash, *catalogue) == []
    writes = [asked for asked in cloud.asked if not asked.startswith("GET") and asked != "tokens"]
    assert not writes
    assert all(count == 1 for asked, count in cloud.asked.items() if asked != "tokens"), cloud.asked
    assert cloud.asked["tokens"] == 2


@every_python
def test_catalogue_is_mended_where_it_was_changed(cloud, dash, catalogue):
    settled(dash, *catalogue)
    cloud.named("identity/users", "nova")["password"] = "changed by hand"
    cloud.of("identity/endpoints")[0]["url"] = "http://elsewhere"
    cloud.of("identity/endpoints").pop()
    cloud.named("identity/projects", "service")["description"] = "changed"
    cloud.assignments.pop()
    assert settled(dash, *catalogue) == [
        "user:nova",
        "project:service",
        "endpoint:nova-public",
        "endpoint:nova-internal",
    ]
    assert cloud.named("identity/users", "nova")["password"] == HOSTILE
    assert len(cloud.of("identity/endpoints")) == len(cloud.assignments) == 2


def test_roles_and_things_of_others_are_left_alone(cloud, dash, catalogue):
    settled(dash, *catalogue)
    cloud.of("identity/roles").append({"id": "r-x", "name": "x"})
    user = cloud.named("identity/users", "nova")["id"]
    cloud.assignments.append((cloud.named("identity/projects", "service")["id"], user, "r-x"))
    assert settled(dash, *catalogue) == []


@pytest.fixture
def demo(make, tmp_path):
    (tmp_path / "tiny.qcow2").write_bytes(b"QFI\xfb and more")
    pools = [{"start": "198.18.2.100", "end": "198.18.2.120"}, {"start": "198.18.2.10", "end": "198.18.2.20"}]
    owner = {"project": "demo"}
    ssh = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    private = {"cidr": "198.19.0.0/24", "ip_version": 4}
    public = {"cidr": "198.18.2.0/24", "allocation_pools": pools, "enable_dhcp": False}
    image = {"disk_format": "qcow2", "visibility": "public", "source": f"file://{tmp_path}/tiny.qcow2"}
    return [
        make("security_group_rule", "demo-ssh", ssh, parents=owner),
        make("router", "router1", {"external_network": "public", "interfaces": ("private_subnet",)}, parents=owner),
        make("subnet", "public_subnet", public, parents={"network": "public"}),
        make("subnet", "private_subnet", private, parents={"network": "private", **owner}),
        make("network", "public", {"router:external": True, "provider:network_type": "flat"}),
        make("network", "private", {"provider:network_type": "vxlan"}, parents=owner),
        make("image", "cirros", image),
        make("flavor", "m1.tiny", {"id": "1", "ram": 512, "vcpus": 1, "disk": 1}),
        make("project", "demo", {}),
    ]


@every_python
def test_demo_is_made_in_its_order_and_only_once(cloud, dash, demo):
    assert len(settled(dash, *demo)) == len(demo)
    assert list(cloud.uploads.values()) == [b"QFI\xfb and more"]
    owner = cloud.named("identity/projects", "demo")["id"]
    assert cloud.named("network/networks", "private")["project_id"] == owner
    assert "project_id" not in cloud.named("network/networks", "public")
    assert settled(dash, *demo) == []


def test_demo_is_mended_where_it_was_changed(cloud, dash, demo):
    settled(dash, *demo)
    cloud.named("network/networks", "public")["router:external"] = False
    cloud.named("network/subnets", "public_subnet")["allocation_pools"].reverse()
    cloud.named("network/routers", "router1")["external_gateway_info"] = None
    cloud.of("network/ports").clear()
    cloud.named("image/images", "cirros")["visibility"] = "private"
    cloud.named("compute/flavors", "m1.tiny")["ram"] = 64
    cloud.of("network/security-groups")[0]["security_group_rules"][-1]["remote_ip_prefix"] = "198.18.0.0/16"
    assert settled(dash, *demo) == [
        "security_group_rule:demo-ssh", "router:router1", "network:public", "image:cirros", "flavor:m1.tiny"
    ]  # fmt: skip
    assert len(cloud.uploads) == len(cloud.of("compute/flavors")) == 1


def test_what_cannot_be_changed_is_said(cloud, dash, demo):
    settled(dash, *demo)
    cloud.named("network/subnets", "private_subnet")["cidr"] = "198.19.1.0/24"
    replies = [
        dash.run(action)
        for action in ApiObject.fix([missing_diff(entity) for entity in demo if entity.type == "subnet"])
    ]
    assert replies[0].code == 1
    assert replies[0].err.startswith("subnet:private_subnet: ") and len(replies[0].err.splitlines()) == 1


def test_upload_of_a_killed_run_is_completed(cloud, dash, demo):
    cloud.of("image/images").append({"id": "half", "name": "cirros", "status": "queued", "disk_format": "raw"})
    image = next(entity for entity in demo if entity.type == "image")
    assert settled(dash, image) == ["image:cirros"]
    assert list(cloud.uploads) == ["half"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>not found</html>", "is not a qcow2 image"), (None, "no file /")],
    ids=["page", "none"],
)
def test_image_that_is_none_is_not_uploaded(cloud, dash, make, tmp_path, content, words):
    if content:
        (tmp_path / "x").write_bytes(content)
    image = make("image", "x", {"disk_format": "qcow2", "source": str(tmp_path / "x")})
    reply = dash.fix(image)[0]
    assert (reply.code, words in reply.err) == (1, True)
    assert not cloud.of("image/images")


@every_python
def test_what_an_api_forbids_that_was_just_started_is_asked_again(cloud, dash, make):
    """After a boot Keystone, still reading its rules, refused the administrator a list or two."""
    project = make("project", "service", {"description": ""})
    settled(dash, project)
    cloud.dazed.append("identity")
    assert is_as_desired(project, dash.probe(project)[project.id]) and not cloud.dazed
    cloud.dazed += ["identity", "identity"]
    assert "You are not authorized" in str(dash.probe(project)[project.id])


@every_python
def test_image_is_downloaded_and_its_format_found_out(cloud, dash, make):
    # The cloud itself serves as the web server: any document of it will do for a raw image.
    image = make("image", "web", {"source": cloud.url + "/image/v2/images"})
    settled(dash, image)
    assert cloud.named("image/images", "web")["disk_format"] == "raw"
    assert json.loads(next(iter(cloud.uploads.values()))) == {"images": []}


def test_image_comes_through_the_proxy(cloud, dash, make):
    """For which the APIs themselves are not asked; and no secret is in what is seen."""
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Proxy-Authorization")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"an image")

        def log_message(self, *what):
            """Not on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = f"http://me:hid%40den@127.0.0.1:{server.server_address[1]}"
    image = make("image", "far", {"source": "http://images.invalid/x.img"}, secrets={"proxy": proxy})
    settled(dash, image)
    server.shutdown()
    server.server_close()
    login = base64.b64encode(b"me:hid@den").decode()
    assert asked == [("http://images.invalid/x.img", f"Basic {login}")]
    assert list(cloud.uploads.values()) == [b"an image"]
    assert dash.probe(image)[image.id]["proxy"] == "as answered"


def test_failed_download_is_said(cloud, dash, make):
    cloud.silent.append("web")
    reply = dash.fix(make("image", "x", {"source": cloud.url + "/web/x"}))[0]
    assert reply.code == 1 and "cannot be downloaded" in reply.err


def test_reports_are_waited_for(cloud, dash, make):
    agent = make("network_agent", "l3@host", {"alive": True})
    compute = make("compute_service", "nova-compute@host", {"alive": True})
    assert list(dash.probe(agent, compute).values()) == [None, None]
    cloud.of("network/agents").append({"binary": "l3", "host": "host", "alive": False})
    cloud.of("compute/os-services").append({"binary": "nova-compute", "host": "host", "state": "up"})
    seen = dash.probe(agent, compute)
    assert [is_as_desired(agent, seen[agent.id]), is_as_desired(compute, seen[compute.id])] == [False, True]
    cloud.of("network/agents")[0]["alive"] = True
    assert settled(dash, agent, compute) == []
    assert dash.fix(agent, compute)[0].ok


def test_an_agent_that_answers_when_its_list_is_asked_for_is_alive(cloud, dash, make):
    """OVN's, after a minute in which nobody has asked: one look in a hundred called them dead (seen with Zed)."""
    agent = make("network_agent", "ovn-controller@host", {"alive": True})
    asleep = {"binary": "ovn-controller", "host": "host", "alive": False}
    cloud.of("network/agents").append(asleep)
    cloud.wakes.append(asleep)
    assert is_as_desired(agent, dash.probe(agent)[agent.id])
    assert cloud.asked["GET network/agents"] == 2
    asleep["alive"] = False
    assert not is_as_desired(agent, dash.probe(agent)[agent.id]), "one that does not answer is dead"


LUKS = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}


@every_python
def test_volume_types_are_made_once_and_mended(cloud, dash, make):
    plain = make("volume_type", "ceph", {"extra_specs": {"volume_backend_name": "ceph"}})
    luks = make("volume_type", "LUKS", {"extra_specs": {"volume_backend_name": "ceph"}, "encryption": LUKS})
    assert settled(dash, plain, luks) == [plain.id, luks.id]
    assert settled(dash, plain, luks) == []
    cloud.named("volumev3/types", "LUKS")["encryption"]["key_size"] = 128
    cloud.named("volumev3/types", "ceph")["extra_specs"]["volume_backend_name"] = "lvm"
    cloud.named("volumev3/types", "ceph")["extra_specs"]["theirs"] = "stays"
    assert settled(dash, plain, luks) == [plain.id, luks.id]
    assert cloud.named("volumev3/types", "ceph")["extra_specs"]["theirs"] == "stays"
    assert len(cloud.of("volumev3/types")) == 2


def test_lists_of_the_same_path_are_of_their_own_service(cloud, dash, make):
    compute = make("compute_service", "nova-compute@aio", {"alive": True})
    volume = make("volume_service", "cinder-volume@aio@ceph", {"alive": True})
    cloud.of("compute/os-services").append({"id": "1", "binary": "nova-compute", "host": "aio", "state": "up"})
    cloud.of("volumev3/os-services").append({"id": "2", "binary": "cinder-volume", "host": "aio@ceph", "state": "up"})
    seen = dash.probe(compute, volume)
    assert is_as_desired(compute, seen[compute.id]) and is_as_desired(volume, seen[volume.id])


def test_silent_service_is_unknown_and_the_others_are_not(cloud, dash, make):
    cloud.silent.append("network")
    told = dash.probe(make("network", "n", phase=Phase.NETWORKS), make("role", "admin"), make("role", "none"))
    assert isinstance(told["network:n"], Unknown) and told["network:n"].known_after is Phase.SERVICES
    assert told["role:admin"] == {"exists": True} and told["role:none"] is None


@every_python
@pytest.mark.parametrize("password", [ADMIN, "wrong"])
def test_refused_login_is_unknown_to_a_look_and_a_failure_to_a_write(cloud, dash, password):
    url = cloud.url if password == "wrong" else "http://127.0.0.1:9"
    role = entity("role", "r", api=Credentials(url + "/identity/v3", "admin", Secret(password), "admin", "R"))
    assert isinstance(dash.probe(role)["role:r"], Unknown)
    reply = dash.fix(role)[0]
    assert reply.code == 1 and reply.err.strip() and "Traceback" not in reply.err


@every_python
def test_errors_may_hold_any_character(cloud, dash, make):
    """Python 2 turns them to bytes by ASCII unless told otherwise, and Python 3.6 prints ASCII only in the locale C."""
    lost = make("network", "\u00fcber", {"x": 1}, parents={"project": "fremd\u00e9"})
    refused = make("role", "gro\u00df")
    cloud.refuses["identity/roles"] = "gro\u00df gibt es nicht"
    (close,) = ApiObject.fix([missing_diff(lost), missing_diff(refused)])
    reply = dash.run(close, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert reply.code == 1
    assert [line.split(":")[0] for line in reply.err.splitlines()] == ["network", "role"]
    assert "name=fremd\u00e9" in reply.err and "gro\u00df gibt es nicht" in reply.err


def test_host_without_the_libraries_is_unknown(dash):
    for name in ("python3", "python2", "python"):
        dash.tool(name, "exit 1")
    assert isinstance(dash.probe(entity("role", "r"))["role:r"], Unknown)


def test_an_api_that_is_away_is_told_in_a_line_without_the_objects_behind():
    """requests names its pool, its connection and their addresses in memory."""
    namespace: dict = {}
    source = (PROJECT / "packstack_lite/resources/hostside/cloud_api.py").read_text()
    defined = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    function = next(node for node in defined if node.name == "one_line")
    exec(compile(ast.Module([function], []), "one_line", "exec"), namespace)
    told = "Unable to establish connection to http://198.18.3.10:9696/v2.0/agents"
    long = f"{told}: HTTPConnectionPool(host='198.18.3.10', port=9696): Max retries exceeded"
    assert namespace["one_line"](ValueError(long)) == told
    assert namespace["one_line"](ValueError("two\n words")) == "two words"
