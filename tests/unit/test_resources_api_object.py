"""API objects: desired states, parsed replies, and cloud_api.py against the fake cloud."""

from __future__ import annotations

import ast
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from packstack_lite.remote.command import Reply
from packstack_lite.resources import ApiObject, Credentials, Phase, Unknown
from packstack_lite.resources.api_object import cloud_api_modules, cloud_api_source
from packstack_lite.secret import Masker, Secret
from tests import pythons
from tests.unit.dash import Dash, is_as_desired, missing_diff
from tests.unit.fake_cloud import ADMIN, FakeCloud

HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m é"


def api_object(type_, name, body=None, api=None, **fields):
    api = api or Credentials("http://127.0.0.1:5/v3", "admin", Secret(ADMIN), "admin", "R")
    secrets = {key: Secret(value) for key, value in fields.pop("secrets", {}).items()}
    return ApiObject(type=type_, name=name, credentials=api, body=body or {}, secrets=secrets, **fields)


# --- states and replies


def test_the_desired_state_holds_json_and_no_secret():
    user = api_object(
        "user", "nova", {"project": "service", "roles": ("service", "admin")}, secrets={"password": HOSTILE}
    )
    roles = '["admin", "service"]'
    assert user.desired() == {"project": "service", "roles": roles, "password": "as answered", "exists": True}
    assert user.id == "user:nova"


def test_the_order_of_lists_does_not_matter():
    pools = [{"start": "b", "end": "c"}, {"end": "z", "start": "a"}]
    assert api_object("subnet", "s", {"p": pools}).desired() == api_object("subnet", "s", {"p": pools[::-1]}).desired()


def test_an_images_source_is_no_part_of_its_state():
    assert api_object("image", "i", {"source": "/x", "visibility": "public"}).desired() == {
        "visibility": "public",
        "exists": True,
    }


def test_all_objects_share_one_command_without_a_secret_in_its_script():
    users = [api_object("user", f"u{n}", {}, secrets={"password": HOSTILE}) for n in range(9)]
    for command in (ApiObject.probe(users)[0].command, ApiObject.fix([missing_diff(user) for user in users])[0]):
        assert not Masker([Secret(HOSTILE), Secret(ADMIN)]).contains_secret(command.script)
        assert json.dumps(HOSTILE).encode() in command.stdin
    assert len(ApiObject.probe(users)) == len(ApiObject.fix([missing_diff(user) for user in users])) == 1


@pytest.mark.parametrize(
    ("phase", "after"), [(Phase.CATALOG, Phase.SCHEMA), (Phase.NETWORKS, Phase.SERVICES), (Phase.DEMO, Phase.SERVICES)]
)
@pytest.mark.parametrize("reply", [Reply(75), Reply(124), Reply(0, '{"role:r": {"unknown": "why"}}')])
def test_a_silent_api_makes_the_state_unknown(phase, after, reply):
    role = api_object("role", "r", phase=phase)
    observed = ApiObject.probe([role])[0].parse(reply)["role:r"]
    assert isinstance(observed, Unknown) and observed.known_after is after


@pytest.mark.parametrize("reply", [Reply(1, "", "Traceback"), Reply(0, "nonsense"), Reply(0, "[]"), Reply(0, "{}")])
def test_an_unexpected_reply_is_refused(reply):
    with pytest.raises(ValueError):
        ApiObject.probe([api_object("role", "r")])[0].parse(reply)


# --- the program

NEWER_THAN_PYTHON_27 = (
    ast.JoinedStr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Await, ast.Nonlocal, ast.YieldFrom, ast.NamedExpr
)  # fmt: skip


def test_the_program_is_python_27_too():
    """Check the syntax tree: not every machine has that Python. test_hostside_pythons.py runs it where it is."""
    for node in (node for source in cloud_api_modules().values() for node in ast.walk(ast.parse(source))):
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


# Also on EL 7's Pythons, with Train's libraries: tests that together reach every part of the program.
every_python = pytest.mark.parametrize("dash", ["here", *pythons.OLD_ONES], indirect=True)


@pytest.fixture
def dash(tmp_path, request, python_with_keystoneauth):
    version = getattr(request, "param", "here")
    python = pythons.equipped(version, "keystoneauth1")
    if python is None:
        pytest.skip(f"no Python {version} with keystoneauth1 (make test-tools makes one where there is that Python)")
    quick = python_with_keystoneauth if version == "here" else python
    dash = Dash(tmp_path)
    # The probe for the libraries succeeds at once; the program's own imports show whether they are there. An
    # interpreter reads its own variables only when it starts.
    dash.tool(
        "python3",
        f"""[ "$2" = 'import keystoneauth1' ] && exit 0
[ -z "$PYTHONUTF8" ] || exec {python} "$@"
exec {quick} "$@" """,
    )
    return dash


@pytest.fixture
def make(cloud):
    """Return a function that makes objects of this cloud."""
    api = Credentials(cloud.url + "/identity/v3", "admin", Secret(ADMIN), "admin", "R")
    return lambda type_, name, body=None, **fields: api_object(type_, name, body, api, **fields)


def fix_all(dash, *objects):
    """Fix what differs and check that nothing does then; return the ids that differed."""
    observed = dash.probe(*objects)
    differing = [item for item in objects if not is_as_desired(item, observed[item.id])]
    if differing:
        replies = [dash.run(action) for action in ApiObject.fix([missing_diff(item) for item in differing])]
        assert all(reply.ok for reply in replies), replies
        observed = dash.probe(*objects)
    still_wrong = {item.id: observed[item.id] for item in objects if not is_as_desired(item, observed[item.id])}
    assert not still_wrong
    return [item.id for item in differing]


@pytest.fixture
def catalog(make):
    objects = [
        make("user", "nova", {"project": "service", "roles": ("admin", "service")}, secrets={"password": HOSTILE}),
        make("role", "service"),
        make("project", "service", {"description": "of services"}),
        make("service", "nova", {"type": "compute", "description": "Compute"}),
    ]
    for interface in ("public", "internal"):
        body = {"service": "nova", "interface": interface, "url": "http://x:8774/v2.1", "region": "R"}
        objects.append(make("endpoint", f"nova-{interface}", body))
    return objects


def test_the_catalog_is_created_in_order_and_only_once(cloud, dash, catalog):
    assert fix_all(dash, *catalog) == [api_object.id for api_object in catalog]
    assert len(cloud.assignments) == 2
    cloud.requests.clear()
    assert fix_all(dash, *catalog) == []
    writes = [request for request in cloud.requests if not request.startswith("GET") and request != "tokens"]
    assert not writes
    assert all(count == 1 for request, count in cloud.requests.items() if request != "tokens"), cloud.requests
    assert cloud.requests["tokens"] == 2


@every_python
def test_changes_of_the_catalog_are_corrected(cloud, dash, catalog):
    fix_all(dash, *catalog)
    cloud.find("identity/users", "nova")["password"] = "changed by hand"
    cloud.objects("identity/endpoints")[0]["url"] = "http://elsewhere"
    cloud.objects("identity/endpoints").pop()
    cloud.find("identity/projects", "service")["description"] = "changed"
    cloud.assignments.pop()
    assert fix_all(dash, *catalog) == [
        "user:nova",
        "project:service",
        "endpoint:nova-public",
        "endpoint:nova-internal",
    ]
    assert cloud.find("identity/users", "nova")["password"] == HOSTILE
    assert len(cloud.objects("identity/endpoints")) == len(cloud.assignments) == 2


def test_further_roles_are_left_alone(cloud, dash, catalog):
    fix_all(dash, *catalog)
    cloud.objects("identity/roles").append({"id": "r-x", "name": "x"})
    user = cloud.find("identity/users", "nova")["id"]
    cloud.assignments.append((cloud.find("identity/projects", "service")["id"], user, "r-x"))
    assert fix_all(dash, *catalog) == []


@every_python
def test_a_user_of_a_domain_has_roles_in_it(cloud, dash, make):
    """Heat's and Magnum's administrator, in a domain of the service's own."""
    admin = make("user", "admin", {"domain": "stacks", "roles": ("admin",)}, secrets={"password": HOSTILE})
    domain = make("domain", "stacks", {"description": "users of stacks"})
    assert fix_all(dash, admin, domain) == [admin.id, domain.id]
    identity = cloud.find("identity/domains", "stacks")["id"]
    (user,) = [user for user in cloud.objects("identity/users") if user["domain_id"] == identity]
    assert (user["name"], "default_project_id" in user) == ("admin", False)
    assert cloud.assignments == [(identity, user["id"], "r-admin")]
    assert fix_all(dash, admin, domain) == []
    user["password"] = "changed by hand"
    cloud.assignments.pop()
    assert fix_all(dash, admin, domain) == [admin.id]
    assert user["password"] == HOSTILE and cloud.find("identity/users", "admin")["password"] == ADMIN


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
def test_the_demo_project_is_created_in_order_and_only_once(cloud, dash, demo):
    assert len(fix_all(dash, *demo)) == len(demo)
    assert list(cloud.uploads.values()) == [b"QFI\xfb and more"]
    owner = cloud.find("identity/projects", "demo")["id"]
    assert cloud.find("network/networks", "private")["project_id"] == owner
    assert "project_id" not in cloud.find("network/networks", "public")
    assert fix_all(dash, *demo) == []


def test_changes_of_the_demo_project_are_corrected(cloud, dash, demo):
    fix_all(dash, *demo)
    cloud.find("network/networks", "public")["router:external"] = False
    cloud.find("network/subnets", "public_subnet")["allocation_pools"].reverse()
    cloud.find("network/routers", "router1")["external_gateway_info"] = None
    cloud.objects("network/ports").clear()
    cloud.find("image/images", "cirros")["visibility"] = "private"
    cloud.find("compute/flavors", "m1.tiny")["ram"] = 64
    cloud.objects("network/security-groups")[0]["security_group_rules"][-1]["remote_ip_prefix"] = "198.18.0.0/16"
    assert fix_all(dash, *demo) == [
        "security_group_rule:demo-ssh", "router:router1", "network:public", "image:cirros", "flavor:m1.tiny"
    ]  # fmt: skip
    assert len(cloud.uploads) == len(cloud.objects("compute/flavors")) == 1


def test_a_change_that_the_api_refuses_is_an_error(cloud, dash, demo):
    fix_all(dash, *demo)
    cloud.find("network/subnets", "private_subnet")["cidr"] = "198.19.1.0/24"
    replies = [
        dash.run(action)
        for action in ApiObject.fix([missing_diff(api_object) for api_object in demo if api_object.type == "subnet"])
    ]
    assert replies[0].code == 1
    assert replies[0].err.startswith("subnet:private_subnet: ") and len(replies[0].err.splitlines()) == 1


def test_the_upload_of_a_killed_run_is_completed(cloud, dash, demo):
    cloud.objects("image/images").append({"id": "half", "name": "cirros", "status": "queued", "disk_format": "raw"})
    image = next(api_object for api_object in demo if api_object.type == "image")
    assert fix_all(dash, image) == ["image:cirros"]
    assert list(cloud.uploads) == ["half"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>not found</html>", "is not a qcow2 image"), (None, "no file /")],
    ids=["page", "none"],
)
def test_a_file_that_is_no_image_is_not_uploaded(cloud, dash, make, tmp_path, content, message):
    if content:
        (tmp_path / "x").write_bytes(content)
    image = make("image", "x", {"disk_format": "qcow2", "source": str(tmp_path / "x")})
    reply = dash.fix(image)[0]
    assert (reply.code, message in reply.err) == (1, True)
    assert not cloud.objects("image/images")


@every_python
def test_a_read_that_a_starting_api_forbids_is_retried(cloud, dash, make):
    """After a boot Keystone refused the administrator a list or two until it had read its policy."""
    project = make("project", "service", {"description": ""})
    fix_all(dash, project)
    cloud.starting.append("identity")
    assert is_as_desired(project, dash.probe(project)[project.id]) and not cloud.starting
    cloud.starting += ["identity", "identity"]
    assert "You are not authorized" in str(dash.probe(project)[project.id])


@every_python
def test_an_image_is_downloaded_and_its_format_detected(cloud, dash, make):
    # The fake cloud is the web server: any reply of it will do for a raw image.
    image = make("image", "web", {"source": cloud.url + "/image/v2/images"})
    fix_all(dash, image)
    assert cloud.find("image/images", "web")["disk_format"] == "raw"
    assert json.loads(next(iter(cloud.uploads.values()))) == {"images": []}


def test_an_image_is_downloaded_through_the_proxy(cloud, dash, make):
    """API requests do not go through it, and the state holds no secret."""
    requests = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.path, self.headers.get("Proxy-Authorization")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"an image")

        def log_message(self, *args):
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    proxy = f"http://me:hid%40den@127.0.0.1:{server.server_address[1]}"
    image = make("image", "far", {"source": "http://images.invalid/x.img"}, secrets={"proxy": proxy})
    fix_all(dash, image)
    server.shutdown()
    server.server_close()
    login = base64.b64encode(b"me:hid@den").decode()
    assert requests == [("http://images.invalid/x.img", f"Basic {login}")]
    assert list(cloud.uploads.values()) == [b"an image"]
    assert dash.probe(image)[image.id]["proxy"] == "as answered"


def test_a_failed_download_is_an_error(cloud, dash, make):
    cloud.unavailable.append("web")
    reply = dash.fix(make("image", "x", {"source": cloud.url + "/web/x"}))[0]
    assert reply.code == 1 and "cannot be downloaded" in reply.err


def test_agents_and_services_are_awaited(cloud, dash, make):
    agent = make("network_agent", "l3@host", {"alive": True})
    compute = make("compute_service", "nova-compute@host", {"alive": True})
    assert list(dash.probe(agent, compute).values()) == [None, None]
    cloud.objects("network/agents").append({"binary": "l3", "host": "host", "alive": False})
    cloud.objects("compute/os-services").append({"binary": "nova-compute", "host": "host", "state": "up"})
    observed = dash.probe(agent, compute)
    assert [is_as_desired(agent, observed[agent.id]), is_as_desired(compute, observed[compute.id])] == [False, True]
    cloud.objects("network/agents")[0]["alive"] = True
    assert fix_all(dash, agent, compute) == []
    assert dash.fix(agent, compute)[0].ok


def test_an_agent_that_is_alive_in_the_second_list_is_alive(cloud, dash, make):
    """Neutron reports OVN agents as dead after a minute without a request for their list (observed with Zed)."""
    agent = make("network_agent", "ovn-controller@host", {"alive": True})
    agent_item = {"binary": "ovn-controller", "host": "host", "alive": False}
    cloud.objects("network/agents").append(agent_item)
    cloud.sleeping_agents.append(agent_item)
    assert is_as_desired(agent, dash.probe(agent)[agent.id])
    assert cloud.requests["GET network/agents"] == 2
    agent_item["alive"] = False
    assert not is_as_desired(agent, dash.probe(agent)[agent.id]), "an agent that does not reply is dead"


LUKS = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}


@every_python
def test_volume_types_are_created_once_and_corrected(cloud, dash, make):
    plain = make("volume_type", "ceph", {"extra_specs": {"volume_backend_name": "ceph"}})
    luks = make("volume_type", "LUKS", {"extra_specs": {"volume_backend_name": "ceph"}, "encryption": LUKS})
    assert fix_all(dash, plain, luks) == [plain.id, luks.id]
    assert fix_all(dash, plain, luks) == []
    cloud.find("volumev3/types", "LUKS")["encryption"]["key_size"] = 128
    cloud.find("volumev3/types", "ceph")["extra_specs"]["volume_backend_name"] = "lvm"
    cloud.find("volumev3/types", "ceph")["extra_specs"]["theirs"] = "stays"
    assert fix_all(dash, plain, luks) == [plain.id, luks.id]
    assert cloud.find("volumev3/types", "ceph")["extra_specs"]["theirs"] == "stays"
    assert len(cloud.objects("volumev3/types")) == 2


def test_lists_with_the_same_path_belong_to_their_service(cloud, dash, make):
    compute = make("compute_service", "nova-compute@aio", {"alive": True})
    volume = make("volume_service", "cinder-volume@aio@ceph", {"alive": True})
    cloud.objects("compute/os-services").append({"id": "1", "binary": "nova-compute", "host": "aio", "state": "up"})
    cloud.objects("volumev3/os-services").append(
        {"id": "2", "binary": "cinder-volume", "host": "aio@ceph", "state": "up"}
    )
    observed = dash.probe(compute, volume)
    assert is_as_desired(compute, observed[compute.id]) and is_as_desired(volume, observed[volume.id])


def test_an_unavailable_service_does_not_hide_the_others(cloud, dash, make):
    cloud.unavailable.append("network")
    observed = dash.probe(make("network", "n", phase=Phase.NETWORKS), make("role", "admin"), make("role", "none"))
    assert isinstance(observed["network:n"], Unknown) and observed["network:n"].known_after is Phase.SERVICES
    assert observed["role:admin"] == {"exists": True} and observed["role:none"] is None


@every_python
@pytest.mark.parametrize("password", [ADMIN, "wrong"])
def test_a_refused_login_makes_states_unknown_and_fixes_fail(cloud, dash, password):
    url = cloud.url if password == "wrong" else "http://127.0.0.1:9"
    role = api_object("role", "r", api=Credentials(url + "/identity/v3", "admin", Secret(password), "admin", "R"))
    assert isinstance(dash.probe(role)["role:r"], Unknown)
    reply = dash.fix(role)[0]
    assert reply.code == 1 and reply.err.strip() and "Traceback" not in reply.err


@every_python
def test_errors_may_hold_any_character(cloud, dash, make):
    """Python 2 encodes them as ASCII by default, and Python 3.6 prints only ASCII in the locale C."""
    lost = make("network", "\u00fcber", {"x": 1}, parents={"project": "fremd\u00e9"})
    refused = make("role", "gro\u00df")
    cloud.refusals["identity/roles"] = "gro\u00df gibt es nicht"
    (command,) = ApiObject.fix([missing_diff(lost), missing_diff(refused)])
    reply = dash.run(command, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert reply.code == 1
    assert [line.split(":")[0] for line in reply.err.splitlines()] == ["network", "role"]
    assert "name=fremd\u00e9" in reply.err and "gro\u00df gibt es nicht" in reply.err


def test_states_are_unknown_without_the_libraries(dash):
    for name in ("python3", "python2", "python"):
        dash.tool(name, "exit 1")
    assert isinstance(dash.probe(api_object("role", "r"))["role:r"], Unknown)


def test_a_connection_error_is_one_line_without_object_names():
    """requests names its pool, its connection and their addresses in memory."""
    namespace: dict = {}
    defined = [
        node for node in ast.parse(cloud_api_modules()["cloud_session"]).body if isinstance(node, ast.FunctionDef)
    ]
    function = next(node for node in defined if node.name == "one_line")
    exec(compile(ast.Module([function], []), "one_line", "exec"), namespace)
    cause = "Unable to establish connection to http://198.18.3.10:9696/v2.0/agents"
    long = f"{cause}: HTTPConnectionPool(host='198.18.3.10', port=9696): Max retries exceeded"
    assert namespace["one_line"](ValueError(long)) == cause
    assert namespace["one_line"](ValueError("two\n words")) == "two words"
