"""A cloud of lists behind HTTP: as much of Keystone, Nova, Glance and Neutron as cloud_api.py talks to.

Like uwsgi's http-socket it serves one request per connection without saying so; it leaves the
connection open until somebody tries a second one, so that this goes wrong each time and not by chance.
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
    """``lists`` holds everything; ``asked`` counts requests by method and path; ``silent`` services reply 503,
    ``dazed`` ones forbid the first request, what ``refuses`` names takes no POST and says why.
    ``wakes`` are agents who answer once their list was asked for.

    A connection is closed after one reply without a word, as uwsgi does; with ``keeps`` it stays.
    """

    def __init__(self, keeps: bool = False) -> None:
        self.keeps = keeps
        self.lists: Dict[str, List[Dict[str, Any]]] = {
            "identity/projects": [{"id": "p-admin", "name": "admin", "domain_id": "default"}],
            "identity/roles": [{"id": "r-admin", "name": "admin"}],
            "identity/users": [{"id": "u-admin", "name": "admin", "password": ADMIN, "domain_id": "default"}],
        }
        self.assignments: List[Tuple[str, str, str]] = []
        self.uploads: Dict[str, bytes] = {}
        self.asked: "Counter[str]" = Counter()
        self.silent: List[str] = []
        self.dazed: List[str] = []
        self.refuses: Dict[str, str] = {}
        self.wakes: List[Dict[str, Any]] = []
        self.numbers = itertools.count(1)
        cloud = self

        class Handler(_Handler):
            fake = cloud

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def of(self, path: str) -> List[Dict[str, Any]]:
        return self.lists.setdefault(path, [])

    def named(self, path: str, name: str) -> Dict[str, Any]:
        return next(item for item in self.of(path) if item["name"] == name)

    def answer(self, method: str, url: str, body: Any) -> Tuple[int, Any]:
        """Status and JSON for a request below /SERVICE/."""
        parts = urlsplit(url)
        service, _, path = parts.path.lstrip("/").partition("/")
        path = re.sub(r"^v[0-9.]+/", "", path)
        self.asked[f"{method} {service}/{path}"] += 1
        if service in self.silent:
            return 503, {"error": "not today"}
        if service in self.dazed:
            self.dazed.remove(service)
            return 403, {"error": {"message": "You are not authorized", "code": 403}}
        if method == "POST" and f"{service}/{path}" in self.refuses:
            return 409, {"error": {"message": self.refuses[f"{service}/{path}"], "code": 409}}
        if self.wakes and self.asked[f"{method} {service}/{path}"] > 1 and path == "agents":
            self.wakes.pop()["alive"] = True
        special = self.special(method, service, path, body)
        if special is not None:
            return special
        words = path.split("/")
        return self.plain(
            method, service, words, {key: values[0] for key, values in parse_qs(parts.query).items()}, body
        )

    def special(self, method: str, service: str, path: str, body: Any) -> Optional[Tuple[int, Any]]:
        grant = re.fullmatch(r"projects/(.+)/users/(.+)/roles/(.+)", path)
        interface = re.fullmatch(r"routers/(.+)/add_router_interface", path)
        part = re.fullmatch(r"types/([^/]+)/(extra_specs|encryption)(/.+)?", path)
        if part:
            return self.of_type(method, part[1], part[2], body)
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
            self.of("network/ports").append({**port, "fixed_ips": [{"subnet_id": body["subnet_id"]}]})
            return 200, {}
        return None

    def of_type(self, method: str, identity: str, part: str, body: Any) -> Tuple[int, Any]:
        """A volume type's extra specs and encryption."""
        kind = next(item for item in self.of("volumev3/types") if item["id"] == identity)
        held = kind.setdefault(part, {})
        if method != "GET":
            held.update(body[part])
            if part == "encryption":
                held["encryption_id"] = "e"
        return 200, held

    def assignment(self, project: str, user: str, role: str) -> Dict[str, Any]:
        name = next(item["name"] for item in self.of("identity/roles") if item["id"] == role)
        return {"role": {"id": role, "name": name}, "user": {"id": user}, "scope": {"project": {"id": project}}}

    def plain(self, method: str, service: str, words: List[str], query: Dict[str, str], body: Any) -> Tuple[int, Any]:
        items, key = self.of(f"{service}/{words[0]}"), KEYS.get(words[0], words[0])
        if method == "GET":
            if service == "network" and words[0] == "security-groups" and "project_id" in query:
                self.default_group(query["project_id"])
            keep = [item for item in items if all(item.get(k) == v for k, v in query.items() if k in item)]
            return 200, {key: [{"keypair": item} for item in keep] if words[0] == "os-keypairs" else keep}
        if method == "POST":
            made = body if service == "image" else body[key[:-1]]
            return self.post(service, words[0], items, dict(made))
        item = next((item for item in items if item["id"] == words[1]), None)
        if item is None:
            return 404, {"error": "not found"}
        return self.change(method, service, words, items, item, body)

    def post(self, service: str, kind: str, items: List[Dict[str, Any]], made: Dict[str, Any]) -> Tuple[int, Any]:
        made.setdefault("id", made["name"] if kind == "os-keypairs" else str(next(self.numbers)))
        if service == "image":
            made["status"] = "queued"
        if kind == "security-groups":
            made.update(project_id="p-admin", security_group_rules=[])
        if kind == "security-group-rules":
            group = next(g for g in self.of("network/security-groups") if g["id"] == made["security_group_id"])
            group["security_group_rules"].append(made)
        items.append(made)
        key = KEYS.get(kind, kind)[:-1]
        return 201, made if service == "image" else {key: made}

    def change(
        self, method: str, service: str, words: List[str], items: List[Dict[str, Any]], item: Dict[str, Any], body: Any
    ) -> Tuple[int, Any]:
        if method == "DELETE":
            items.remove(item)
        elif words[-1] == "file":
            self.uploads[item["id"]], item["status"] = body, "active"
        elif isinstance(body, list):
            item.update({patch["path"][1:]: patch["value"] for patch in body})
        elif "cidr" in next(iter(body.values())):
            return 400, {"error": "a subnet's cidr cannot be changed"}
        else:
            item.update(next(iter(body.values())))
        return 200, {}

    def default_group(self, project: str) -> None:
        groups = self.of("network/security-groups")
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

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""

    def handle_any(self) -> None:
        data = self.content()
        self.close_connection = self.served
        if self.served:
            return
        self.served = not self.fake.keeps
        sent = self.headers.get("Content-Type", "")
        body = json.loads(data) if data and "json" in sent else data
        if self.path.endswith("/auth/tokens"):
            status, told = self.token(body)
        else:
            status, told = self.fake.answer(self.command, self.path, body)
        self.reply(status, told)

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
        told = body["auth"]["identity"]["password"]["user"]
        known = [user for user in self.fake.of("identity/users") if user["name"] == told["name"]]
        self.fake.asked["tokens"] += 1
        if not known or known[0]["password"] != told["password"]:
            return 401, {"error": {"message": "The request you have made requires authentication."}}
        return 201, {
            "token": {
                "catalog": self.fake.catalog(),
                "expires_at": "2999-01-01T00:00:00.000000Z",
                "methods": ["password"],
            }
        }

    def reply(self, status: int, told: Any) -> None:
        data = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
