"""Runs on the host: reads and writes what OpenStack's APIs hold, in one process.

Standard input (JSON): {"mode": "read"|"write", "api": {...}, "wants": [{"id", "type",
"name", "body", "secrets", "parents"}]}. Standard output (JSON): for read {id: state, null
when absent, or {"unknown": why}}; for write {id: {"ok": bool, "error": text}}.
Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""
from __future__ import print_function

import json
import os
import sys
import tempfile
import time
from multiprocessing.pool import ThreadPool

from keystoneauth1 import adapter, exceptions, session
from keystoneauth1.identity import v3

try:
    from urllib.request import urlopen
except ImportError:
    from urllib2 import urlopen

WAIT = 120
ORDER = (
    "project", "role", "user", "service", "endpoint", "compute_service", "network_agent", "flavor", "image", "network",
    "subnet", "router", "security_group_rule",
)


class Absent(Exception):
    pass


class Unknown(Exception):
    pass


class Cloud(object):
    """A session as the given account; lists are fetched once per run and path."""

    def __init__(self, api):
        self.api = api
        auth = v3.Password(
            auth_url=api["auth_url"].rstrip("/").replace("/v3", "") + "/v3", username=api["user"], password=api["password"],
            project_name=api["project"], user_domain_name="Default", project_domain_name="Default",
        )
        # uwsgi's http-socket closes after a reply without saying so; a kept connection would be reset.
        self.session = session.Session(auth, additional_headers=[], timeout=60)
        self.lists = {}

    def client(self, service):
        headers = {"Connection": "close"}
        if service == "identity":
            base = self.api["auth_url"].rstrip("/").replace("/v3", "") + "/v3"
            return adapter.Adapter(self.session, endpoint_override=base, additional_headers=headers, connect_retries=3)
        found = adapter.Adapter(
            self.session, service_type=service, interface="internal", region_name=self.api["region"], additional_headers=headers,
            connect_retries=3,
        )
        if service == "network":
            return _under(found, "/v2.0")
        if service == "image":
            return _under(found, "/v2")
        return found

    def get(self, service, path):
        try:
            return self.client(service).get(path).json()
        except (exceptions.ConnectFailure, exceptions.EndpointNotFound, exceptions.CatalogException) as error:
            raise Unknown(short(error))

    def listing(self, service, path, key):
        if path not in self.lists:
            self.lists[path] = self.get(service, path)[key]
        return self.lists[path]

    def post(self, service, path, body):
        self.lists.clear()
        return self.client(service).post(path, json=body)

    def patch(self, service, path, body):
        self.lists.clear()
        return self.client(service).patch(path, json=body)

    def put(self, service, path, body=None, **more):
        self.lists.clear()
        if body is not None:
            more["json"] = body
        return self.client(service).put(path, **more)

    def one(self, service, path, key, **match):
        for item in self.listing(service, path, key):
            if all(item.get(name) == value for name, value in match.items()):
                return item
        raise Absent("%s %s" % (key, match))


def _under(found, suffix):
    base = found.get_endpoint()
    if base is None:
        raise Unknown("no endpoint of %s in the catalog" % found.service_type)
    base = base.rstrip("/")
    if not base.endswith(suffix):
        base += suffix
    return adapter.Adapter(found.session, endpoint_override=base, additional_headers=found.additional_headers, connect_retries=3)


def short(error):
    return " ".join(str(error).split())[:300]


class Plain(object):
    """A type that is found by name in one list, made by one POST and mended by one PATCH."""

    def __init__(self, service, path, key, mendable=True):
        self.service, self.path, self.key, self.mendable = service, path, key, mendable

    def find(self, cloud, want):
        return cloud.one(self.service, self.path, self.key + "s", name=want["name"])

    def make_body(self, cloud, want):
        return dict(want["body"], name=want["name"])

    def read(self, cloud, want):
        item = self.find(cloud, want)
        return dict((key, item.get(key)) for key in want["body"])

    def write(self, cloud, want):
        body = self.make_body(cloud, want)
        try:
            item = self.find(cloud, want)
        except Absent:
            cloud.post(self.service, self.path, {self.key: body})
            return
        wrong = dict((key, body[key]) for key in want["body"] if key in body and item.get(key) != body[key])
        if wrong and self.mendable:
            cloud.patch(self.service, "%s/%s" % (self.path, item["id"]), {self.key: wrong})


class User(Plain):
    """Body: project, roles. The password is tried by logging in with it."""

    def read(self, cloud, want):
        user = self.find(cloud, want)
        project = cloud.one("identity", "/projects", "projects", name=want["body"]["project"])
        path = "/role_assignments?include_names=true"
        given = [
            a["role"]["name"] for a in cloud.listing("identity", path, "role_assignments")
            if a.get("user", {}).get("id") == user["id"] and a.get("scope", {}).get("project", {}).get("id") == project["id"]
        ]
        seen = {"project": want["body"]["project"], "roles": sorted(set(given) & set(want["body"]["roles"]))}
        if "password" in want["secrets"]:
            seen["password"] = "as answered" if self.can_log_in(cloud, want) else "another"
        return seen

    def can_log_in(self, cloud, want):
        plugin = v3.Password(
            auth_url=cloud.api["auth_url"].rstrip("/").replace("/v3", "") + "/v3", username=want["name"],
            password=want["secrets"]["password"], user_domain_name="Default", unscoped=True,
        )
        try:
            session.Session(plugin, timeout=30).get_token()
            return True
        except exceptions.Unauthorized:
            return False

    def write(self, cloud, want):
        project = cloud.one("identity", "/projects", "projects", name=want["body"]["project"])
        body = {"name": want["name"], "password": want["secrets"]["password"], "default_project_id": project["id"]}
        try:
            user = self.find(cloud, want)
            if not self.can_log_in(cloud, want):
                cloud.patch("identity", "/users/" + user["id"], {"user": {"password": body["password"]}})
        except Absent:
            user = cloud.post("identity", "/users", {"user": body}).json()["user"]
        for name in want["body"]["roles"]:
            role = cloud.one("identity", "/roles", "roles", name=name)
            cloud.put("identity", "/projects/%s/users/%s/roles/%s" % (project["id"], user["id"], role["id"]))


class Service(Plain):
    def make_body(self, cloud, want):
        return dict(want["body"], name=want["name"], enabled=True)


class Endpoint(Plain):
    """Body: service, interface, url, region."""

    def find(self, cloud, want):
        body = want["body"]
        service = cloud.one("identity", "/services", "services", name=body["service"])
        return cloud.one("identity", "/endpoints", "endpoints", service_id=service["id"], interface=body["interface"], region_id=body["region"])

    def read(self, cloud, want):
        item = self.find(cloud, want)
        body = want["body"]
        return {"service": body["service"], "interface": item["interface"], "region": item["region_id"], "url": item["url"]}

    def write(self, cloud, want):
        body = want["body"]
        service = cloud.one("identity", "/services", "services", name=body["service"])
        made = {"service_id": service["id"], "interface": body["interface"], "url": body["url"], "region_id": body["region"]}
        try:
            item = self.find(cloud, want)
            cloud.patch("identity", "/endpoints/" + item["id"], {"endpoint": made})
        except Absent:
            cloud.post("identity", "/endpoints", {"endpoint": made})


class Flavor(Plain):
    def read(self, cloud, want):
        item = cloud.one("compute", "/flavors/detail?is_public=None", "flavors", name=want["name"])
        return dict((key, str(item[key]) if key == "id" else item.get(key)) for key in want["body"])

    def write(self, cloud, want):
        try:
            item = cloud.one("compute", "/flavors/detail?is_public=None", "flavors", name=want["name"])
            # A flavor cannot be changed, only made anew; instances keep a copy of what it was.
            cloud.lists.clear()
            cloud.client("compute").delete("/flavors/" + item["id"])
        except Absent:
            pass
        cloud.post("compute", "/flavors", {"flavor": dict(want["body"], name=want["name"])})


class Image(Plain):
    """Body: disk_format, container_format, visibility, source (a path on this host, or a URL)."""

    def find(self, cloud, want):
        return cloud.one("image", "/images?limit=1000", "images", name=want["name"], status="active")

    def read(self, cloud, want):
        item = self.find(cloud, want)
        return dict((key, item.get(key)) for key in want["body"] if key != "source")

    def write(self, cloud, want):
        body = dict((key, value) for key, value in want["body"].items() if key != "source")
        try:
            self.find(cloud, want)
            return
        except Absent:
            pass
        path, borrowed = fetched(want["body"]["source"])
        try:
            item = cloud.post("image", "/images", dict(body, name=want["name"])).json()
            with open(path, "rb") as data:
                headers = {"Content-Type": "application/octet-stream"}
                cloud.put("image", "/images/%s/file" % item["id"], data=data, headers=headers, timeout=900)
        finally:
            if borrowed:
                os.unlink(path)


def fetched(source):
    """A path on this host that holds the source, and whether it is ours to remove."""
    if source.startswith("file://"):
        source = source[7:]
    if source.startswith("/"):
        return source, False
    handle, path = tempfile.mkstemp(prefix="packstack-lite-image.")
    with os.fdopen(handle, "wb") as target:
        reply = urlopen(source, timeout=60)
        for block in iter(lambda: reply.read(1 << 20), b""):
            target.write(block)
    return path, True


class Network(Plain):
    def make_body(self, cloud, want):
        body = dict(want["body"], name=want["name"])
        if want["parents"].get("project"):
            body["project_id"] = cloud.one("identity", "/projects", "projects", name=want["parents"]["project"])["id"]
        return body


class Subnet(Network):
    def make_body(self, cloud, want):
        body = Network.make_body(self, cloud, want)
        body["network_id"] = cloud.one("network", "/networks", "networks", name=want["parents"]["network"])["id"]
        return body


class Router(Network):
    """Body: external_network, interfaces (names of subnets)."""

    def read(self, cloud, want):
        item = self.find(cloud, want)
        external = (item.get("external_gateway_info") or {}).get("network_id")
        networks = dict((n["id"], n["name"]) for n in cloud.listing("network", "/networks", "networks"))
        subnets = dict((s["id"], s["name"]) for s in cloud.listing("network", "/subnets", "subnets"))
        ports = cloud.listing("network", "/ports?device_id=" + item["id"], "ports")
        inside = [
            subnets.get(ip["subnet_id"]) for port in ports if port["device_owner"] == "network:router_interface" for ip in port["fixed_ips"]
        ]
        return {"external_network": networks.get(external), "interfaces": sorted(name for name in inside if name)}

    def write(self, cloud, want):
        gateway = {"network_id": cloud.one("network", "/networks", "networks", name=want["body"]["external_network"])["id"]}
        try:
            item = self.find(cloud, want)
            if (item.get("external_gateway_info") or {}).get("network_id") != gateway["network_id"]:
                cloud.put("network", "/routers/" + item["id"], {"router": {"external_gateway_info": gateway}})
        except Absent:
            body = {"name": want["name"], "external_gateway_info": gateway}
            if want["parents"].get("project"):
                body["project_id"] = cloud.one("identity", "/projects", "projects", name=want["parents"]["project"])["id"]
            item = cloud.post("network", "/routers", {"router": body}).json()["router"]
        for name in set(want["body"]["interfaces"]) - set(self.read(cloud, want)["interfaces"]):
            subnet = cloud.one("network", "/subnets", "subnets", name=name)
            cloud.put("network", "/routers/%s/add_router_interface" % item["id"], {"subnet_id": subnet["id"]})


class Rule(Network):
    """A rule in the default security group of a project."""

    def group(self, cloud, want):
        project = cloud.one("identity", "/projects", "projects", name=want["parents"]["project"])
        # Asking for a project's groups makes its default one.
        path = "/security-groups?project_id=" + project["id"]
        return cloud.one("network", path, "security_groups", name="default")

    def read(self, cloud, want):
        body = want["body"]
        for rule in self.group(cloud, want)["security_group_rules"]:
            if all(rule.get(key) == value for key, value in body.items()) and not rule.get("remote_group_id"):
                return dict((key, rule.get(key)) for key in body)
        raise Absent("rule")

    def write(self, cloud, want):
        try:
            self.read(cloud, want)
        except Absent:
            body = dict(want["body"], security_group_id=self.group(cloud, want)["id"])
            cloud.post("network", "/security-group-rules", {"security_group_rule": body})


class Alive(object):
    """Something that reports itself; writing is waiting until it does."""

    def write(self, cloud, want):
        end = time.time() + WAIT
        while True:
            cloud.lists.clear()
            try:
                if self.read(cloud, want) == want["body"]:
                    return
                error = "not alive"
            except (Absent, Unknown) as missing:
                error = "has not reported itself: %s" % missing
            if time.time() > end:
                raise Absent("%s after %d seconds" % (error, WAIT))
            time.sleep(0.5)


class NetworkAgent(Alive):
    """Name: binary@host."""

    def read(self, cloud, want):
        binary, host = want["name"].split("@", 1)
        item = cloud.one("network", "/agents", "agents", binary=binary, host=host)
        return {"alive": bool(item["alive"])}


class ComputeService(Alive):
    """Name: binary@host."""

    def read(self, cloud, want):
        binary, host = want["name"].split("@", 1)
        item = cloud.one("compute", "/os-services", "services", binary=binary, host=host)
        return {"alive": item["state"] == "up"}


TYPES = {
    "project": Plain("identity", "/projects", "project"),
    "role": Plain("identity", "/roles", "role"),
    "user": User("identity", "/users", "user"),
    "service": Service("identity", "/services", "service"),
    "endpoint": Endpoint("identity", "/endpoints", "endpoint"),
    "flavor": Flavor("compute", "/flavors", "flavor"),
    "image": Image("image", "/images", "image"),
    "network": Network("network", "/networks", "network", mendable=False),
    "subnet": Subnet("network", "/subnets", "subnet", mendable=False),
    "router": Router("network", "/routers", "router"),
    "security_group_rule": Rule("network", "/security-group-rules", "security_group_rule"),
    "network_agent": NetworkAgent(),
    "compute_service": ComputeService(),
}


def look(cloud, want):
    try:
        return dict(TYPES[want["type"]].read(cloud, want), exists=True)
    except Absent:
        return None
    except (Unknown, exceptions.ConnectFailure, exceptions.HttpError) as error:
        return {"unknown": short(error)}


def make(cloud, want):
    try:
        TYPES[want["type"]].write(cloud, want)
        return {"ok": True, "error": ""}
    except (Absent, Unknown, exceptions.ClientException, EnvironmentError) as error:
        return {"ok": False, "error": "%s: %s" % (want["id"], short(error))}


def can_start(cloud):
    """Why nothing can be read at all; None when Keystone lets us in."""
    try:
        cloud.session.get_token()
        return None
    except exceptions.ClientException as error:
        return short(error)


def main():
    task = json.loads(sys.stdin.read())
    cloud = Cloud(task["api"])
    refused = can_start(cloud)
    wants = task["wants"]
    if task["mode"] == "read":
        if refused:
            told = dict((want["id"], {"unknown": refused}) for want in wants)
        else:
            # Four at once: Keystone hashes a password for each login, in threads of its own.
            told = dict(zip([want["id"] for want in wants], ThreadPool(4).map(lambda want: look(cloud, want), wants)))
        print(json.dumps(told))
        return 0
    if refused:
        print(refused, file=sys.stderr)
        return 1
    wants = sorted(wants, key=lambda want: ORDER.index(want["type"]))
    told = dict((want["id"], make(cloud, want)) for want in wants)
    print(json.dumps(told))
    errors = [result["error"] for result in told.values() if not result["ok"]]
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


sys.exit(main())
