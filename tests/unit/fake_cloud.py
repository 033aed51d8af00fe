"""A fake cloud behind HTTP: as much of Keystone, Nova, Glance, Cinder and Neutron as cloud_api.py uses.

Like uwsgi's http-socket it serves one request per connection without announcing that. The connection stays open until a
second request comes, so that a client that reuses connections fails each time and not by chance.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

ADMIN = "s3cret"
KEYS = {
    "security-groups": "security_groups",
    "security-group-rules": "security_group_rules",
    "os-services": "services",
    "types": "volume_types",
    "os-keypairs": "keypairs",
}


class FakeCloud:
    """A cloud whose objects are items of ``lists``, by "SERVICE/PATH".

    ``requests`` counts requests by method and path. ``unavailable`` services reply 503. A service forbids one request
    per entry in ``starting``. ``refusals`` are errors for POSTs by path. ``sleeping_agents`` are alive from the second
    request for the list of agents on. A connection is closed after one reply, as uwsgi does, unless ``keep_alive``.
    """

    def __init__(self, keep_alive: bool = False) -> None:
        self.keep_alive = keep_alive
        self.lists: Dict[str, List[Dict[str, Any]]] = {
            "identity/domains": [{"id": "default", "name": "Default"}],
            "identity/projects": [{"id": "p-admin", "name": "admin", "domain_id": "default"}],
            "identity/roles": [{"id": "r-admin", "name": "admin"}],
            "identity/users": [{"id": "u-admin", "name": "admin", "password": ADMIN, "domain_id": "default"}],
        }
        self.assignments: List[Tuple[str, str, str]] = []
        self.uploads: Dict[str, bytes] = {}
        self.requests: "Counter[str]" = Counter()
        self.unavailable: List[str] = []
        self.starting: List[str] = []
        self.refusals: Dict[str, str] = {}
        self.sleeping_agents: List[Dict[str, Any]] = []
        self.numbers = itertools.count(1)
        cloud = self

        class Handler(_Handler):
            fake = cloud

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def after_reopening(self, action: object) -> None:
        """Never reopened."""

    def abort(self) -> None:
        """Close the connection for good."""
        self.close()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def objects(self, path: str) -> List[Dict[str, Any]]:
        return self.lists.setdefault(path, [])

    def find(self, path: str, name: str) -> Dict[str, Any]:
        return next(item for item in self.objects(path) if item["name"] == name)

    def respond(self, method: str, url: str, body: Any) -> Tuple[int, Any]:
        """Return status and JSON for a request below /SERVICE/."""
        parts = urlsplit(url)
        service, _, path = parts.path.lstrip("/").partition("/")
        path = re.sub(r"^v[0-9.]+/", "", path)
        self.requests[f"{method} {service}/{path}"] += 1
        if service in self.unavailable:
            return 503, {"error": "not today"}
        if service in self.starting:
            self.starting.remove(service)
            return 403, {"error": {"message": "You are not authorized", "code": 403}}
        if method == "POST" and f"{service}/{path}" in self.refusals:
            return 409, {"error": {"message": self.refusals[f"{service}/{path}"], "code": 409}}
        if self.sleeping_agents and self.requests[f"{method} {service}/{path}"] > 1 and path == "agents":
            self.sleeping_agents.pop()["alive"] = True
        special = self.respond_special(method, service, path, body)
        if special is not None:
            return special
        segments = path.split("/")
        return self.respond_plain(
            method, service, segments, {key: values[0] for key, values in parse_qs(parts.query).items()}, body
        )

    def respond_special(self, method: str, service: str, path: str, body: Any) -> Optional[Tuple[int, Any]]:
        grant = re.fullmatch(r"(?:projects|domains)/(.+)/users/(.+)/roles/(.+)", path)
        interface = re.fullmatch(r"routers/(.+)/add_router_interface", path)
        part = re.fullmatch(r"types/([^/]+)/(extra_specs|encryption)(/.+)?", path)
        if path in ("os-services/enable", "os-services/disable-log-reason"):
            return self.switch_service(body, (path.endswith("enable") and "enabled") or "disabled")
        if part:
            return self.respond_volume_type(method, part[1], part[2], body)
        if path.endswith("remove_router_interface"):
            ports = self.objects("network/ports")
            ports[:] = [port for port in ports if port["id"] != body["port_id"]]
            return 200, {}
        if path == "role_assignments":
            return 200, {"role_assignments": [self.assignment(*entry) for entry in self.assignments]}
        if grant:
            self.assignments.append((grant[1], grant[2], grant[3]))
            return 204, None
        if interface:
            port = {
                "device_id": interface[1],
                "device_owner": "network:router_interface",
                "id": str(next(self.numbers)),
            }
            self.objects("network/ports").append({**port, "fixed_ips": [{"subnet_id": body["subnet_id"]}]})
            return 200, {}
        return None

    def switch_service(self, body: Any, status: str) -> Tuple[int, Any]:
        """Enable or disable a service of Nova."""
        for service in self.objects("compute/os-services"):
            if (service["binary"], service["host"]) == (body["binary"], body["host"]):
                service.update(status=status, disabled_reason=body.get("disabled_reason"))
        return 200, {}

    def respond_volume_type(self, method: str, identity: str, part: str, body: Any) -> Tuple[int, Any]:
        """Read or change a volume type's extra specs or encryption."""
        kind = next(item for item in self.objects("volumev3/types") if item["id"] == identity)
        current = kind.setdefault(part, {})
        if method != "GET":
            current.update(body[part])
            if part == "encryption":
                current["encryption_id"] = "e"
        return 200, current

    def assignment(self, scope: str, user: str, role: str) -> Dict[str, Any]:
        name = next(item["name"] for item in self.objects("identity/roles") if item["id"] == role)
        kind = "domain" if any(item["id"] == scope for item in self.objects("identity/domains")) else "project"
        return {"role": {"id": role, "name": name}, "user": {"id": user}, "scope": {kind: {"id": scope}}}

    def respond_plain(
        self, method: str, service: str, segments: List[str], query: Dict[str, str], body: Any
    ) -> Tuple[int, Any]:
        items, key = self.objects(f"{service}/{segments[0]}"), KEYS.get(segments[0], segments[0])
        if method == "GET":
            if service == "network" and segments[0] == "security-groups" and "project_id" in query:
                self.default_group(query["project_id"])
            keep = [item for item in items if all(item.get(k) == v for k, v in query.items() if k in item)]
            return 200, {key: [{"keypair": item} for item in keep] if segments[0] == "os-keypairs" else keep}
        if method == "POST":
            item = body if service == "image" else body[key[:-1]]
            return self.post(service, segments[0], items, dict(item))
        item = next((item for item in items if item["id"] == segments[1]), None)
        if item is None:
            return 404, {"error": "not found"}
        return self.change(method, service, segments, items, item, body)

    def post(self, service: str, kind: str, items: List[Dict[str, Any]], item: Dict[str, Any]) -> Tuple[int, Any]:
        item.setdefault("id", item["name"] if kind == "os-keypairs" else str(next(self.numbers)))
        if service == "image":
            item["status"] = "queued"
        if kind == "security-groups":
            item.update(project_id="p-admin", security_group_rules=[])
        if kind == "security-group-rules":
            group = next(g for g in self.objects("network/security-groups") if g["id"] == item["security_group_id"])
            group["security_group_rules"].append(item)
        items.append(item)
        key = KEYS.get(kind, kind)[:-1]
        return 201, item if service == "image" else {key: item}

    def change(
        self,
        method: str,
        service: str,
        segments: List[str],
        items: List[Dict[str, Any]],
        item: Dict[str, Any],
        body: Any,
    ) -> Tuple[int, Any]:
        if method == "DELETE":
            items.remove(item)
        elif segments[-1] == "file":
            self.uploads[item["id"]], item["status"] = body, "active"
        elif isinstance(body, list):
            item.update({patch["path"][1:]: patch["value"] for patch in body})
        elif "cidr" in next(iter(body.values())):
            return 400, {"error": "a subnet's cidr cannot be changed"}
        else:
            item.update(next(iter(body.values())))
        return 200, {}

    def default_group(self, project: str) -> None:
        groups = self.objects("network/security-groups")
        if not any(group["project_id"] == project for group in groups):
            own = {"name": "default", "project_id": project, "id": str(next(self.numbers))}
            groups.append({**own, "security_group_rules": [{"direction": "egress", "ethertype": "IPv4"}]})

    def catalog(self) -> List[Dict[str, Any]]:
        return [
            {"type": type_, "name": type_, "id": type_, "endpoints": self.endpoints(type_ + path)}
            for type_, path in (("compute", "/v2.1"), ("image", ""), ("network", ""), ("volumev3", "/v3"))
        ]

    def endpoints(self, path: str) -> List[Dict[str, str]]:
        common = {"region": "R", "region_id": "R", "id": path, "url": f"{self.url}/{path}"}
        return [{"interface": interface, **common} for interface in ("public", "internal")]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeCloud
    protocol_version = "HTTP/1.1"
    served = False
    # One packet for a reply: the kernel holds a second one back until the client acknowledges the first, after 40 ms.
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Print nothing."""

    def handle_any(self) -> None:
        data = self.content()
        self.close_connection = self.served
        if self.served:
            return
        self.served = not self.fake.keep_alive
        sent = self.headers.get("Content-Type", "")
        body = json.loads(data) if data and "json" in sent else data
        if self.path.endswith("/auth/tokens"):
            status, reply = self.token(body)
        else:
            status, reply = self.fake.respond(self.command, self.path, body)
        self.send_reply(status, reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def content(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while True:
            size = int(self.rfile.readline(), 16)
            whole += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return whole

    def token(self, body: Any) -> Tuple[int, Any]:
        login = body["auth"]["identity"]["password"]["user"]
        domain = self.fake.find("identity/domains", login["domain"]["name"])["id"]
        users = [
            user
            for user in self.fake.objects("identity/users")
            if (user["name"], user["domain_id"]) == (login["name"], domain)
        ]
        self.fake.requests["tokens"] += 1
        if not users or users[0]["password"] != login["password"]:
            return 401, {"error": {"message": "The request you have item requires authentication."}}
        return 201, {
            "token": {
                "catalog": self.fake.catalog(),
                "expires_at": "2999-01-01T00:00:00.000000Z",
                "methods": ["password"],
            }
        }

    def send_reply(self, status: int, reply: Any) -> None:
        data = b"" if reply is None else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
