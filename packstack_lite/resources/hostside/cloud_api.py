"""Runs on the host: reads and writes what OpenStack's APIs hold, in one process.

Standard input (JSON): {"mode": "read"|"write", "api": {...}, "wants": [{"id", "type",
"name", "body", "secrets", "parents"}]}. Standard output (JSON): for read {id: state, null
when absent, or {"unknown": why}}; for write {id: {"ok": bool, "error": text}}, and exit 1
with the errors on standard error when there are any.
Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
# ruff: noqa: B904
from __future__ import print_function

import json
import os
import sys
import tempfile
import threading
import time
from multiprocessing.pool import ThreadPool

import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

try:
    from urllib.request import ProxyHandler, build_opener
except ImportError:
    from urllib2 import ProxyHandler, build_opener

# Seconds: a request that reads (tried twice), one that writes, all waiting for agents together, an upload's socket.
PATIENCE = {"read": 15, "write": 120}
WAIT, UPLOAD = 180, 900
# Until an API that was just started has read its rules.
STARTING = {"status_code_retries": 1, "retriable_status_codes": [403], "status_code_retry_delay": 1}
ORDER = (
    "project", "role", "user", "service", "endpoint", "compute_service", "network_agent", "flavor", "image", "network",
    "subnet", "router", "security_group_rule", "volume_type", "volume_service",
)  # fmt: skip
# What stands between an endpoint in the catalogue and the paths below, where it is not part of the endpoint.
SUFFIXES = {"network": "/v2.0", "image": "/v2"}
JSON_PATCH = "application/openstack-images-v2.1-json-patch"


class Absent(Exception):
    """Something that is looked for, or needed, is not there."""


class Unknown(Exception):
    """Whoever could answer does not."""


class Wrong(Exception):
    """What was asked for cannot be made."""


def short(error):
    """An error in a line; of a connection that failed, not also the objects it went through."""
    try:
        told = getattr(error, "__unicode__", error.__str__)()
    except UnicodeError:
        # Python 2's own errors are bytes, which it takes for ASCII.
        told = str(error).decode("utf-8", "replace")
    return " ".join(told.split()).split(": HTTPConnectionPool", 1)[0].split(": HTTPSConnectionPool", 1)[0][:300]


def canonical(value):
    """Lists compare without their order: the APIs do not keep it."""
    if isinstance(value, (list, tuple)):
        return sorted((canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


class Fresh(requests.Session):
    """A connection for each request.

    uwsgi's http-socket closes after a reply without saying so: a kept connection is reset
    under the next request, and asking it to close does not make the client forget it.
    """

    def request(self, *args, **more):
        with requests.Session() as once:
            once.headers["Connection"] = "close"
            # These are calls to this very cloud: not through a proxy that is meant for downloads.
            once.trust_env = False
            return once.request(*args, **more)


class Cloud(object):
    """A session as the given account; lists are fetched once per run and path."""

    def __init__(self, api, patience):
        self.api, self.patience = api, patience
        self.identity = api["auth_url"].rstrip("/")
        if not self.identity.endswith("/v3"):
            self.identity += "/v3"
        scope = {"project_name": api["project"], "project_domain_name": "Default"}
        self.session = self.login(api["user"], api["password"], **scope)
        self.bases = {"identity": self.identity}
        self.deadline = None
        self.forget()

    def login(self, user, password, **scope):
        plugin = v3.Password(
            auth_url=self.identity, username=user, password=password, user_domain_name="Default", **scope
        )
        return session.Session(plugin, session=Fresh(), timeout=self.patience)

    def forget(self):
        self.lists, self.locks, self.guard = {}, {}, threading.Lock()

    def base(self, service):
        if service not in self.bases:
            found = self.session.get_endpoint(
                service_type=service, interface="internal", region_name=self.api["region"]
            )
            if not found:
                raise Unknown("no endpoint of type %s in the catalogue" % service)
            suffix, found = SUFFIXES.get(service, ""), found.rstrip("/")
            self.bases[service] = found if found.endswith(suffix) else found + suffix
        return self.bases[service]

    def get(self, service, path):
        """Only reading is tried again when the connection breaks: a write may have been done already. And when it is
        forbidden: an API just started is still reading its rules, and knows none for those who ask meanwhile."""
        try:
            return self.session.get(self.base(service) + path, connect_retries=1, **STARTING).json()
        except (exceptions.ClientException, ValueError) as error:
            raise Unknown(short(error))

    def asked(self, service, path, key):
        """A list as it is now.

        Neutron asks OVN's agents for a sign of life when it is asked for their list, and takes them for dead that
        nobody has asked for a minute (agent_down_time): their answer is in the next list.
        """
        found = self.get(service, path)[key]
        if path == "/agents" and self.deadline is None and not all(agent["alive"] for agent in found):
            time.sleep(1)
            found = self.get(service, path)[key]
        return found

    def listing(self, service, path, key):
        """A list, once: the first thread fetches, the others wait for it, and share its failure too."""
        place = service, path
        with self.guard:
            lock = self.locks.setdefault(place, threading.Lock())
        with lock:
            if place not in self.lists:
                try:
                    self.lists[place] = self.asked(service, path, key)
                except Unknown as error:
                    self.lists[place] = error
            if isinstance(self.lists[place], Unknown):
                raise self.lists[place]
            return self.lists[place]

    def write(self, method, service, path, **more):
        self.forget()
        return self.session.request(self.base(service) + path, method, **more)

    def one(self, service, path, key, **match):
        for item in self.listing(service, path, key):
            if all(item.get(name) == value for name, value in match.items()):
                return item
        raise Absent("no %s with %s" % (key[:-1], ", ".join("%s=%s" % pair for pair in sorted(match.items()))))

    def project(self, name):
        return self.one("identity", "/projects?domain_id=default", "projects", name=name)["id"]

    def service(self, name):
        return self.one("identity", "/services", "services", name=name)["id"]

    def network(self, name):
        return self.one("network", "/networks", "networks", name=name)["id"]


class Plain(object):
    """A type that is found by name in one list, made by one POST and mended by one PATCH or PUT."""

    def __init__(self, service, path, key, query="", mend="PATCH"):
        self.service, self.path, self.key, self.query, self.mend = service, path, key, query, mend

    def match(self, cloud, want):
        return {"name": want["name"]}

    def find(self, cloud, want):
        return cloud.one(self.service, self.path + self.query, self.key + "s", **self.match(cloud, want))

    def body(self, cloud, want):
        """What is sent; the keys of the wanted body are also what is compared."""
        return dict(want["body"], name=want["name"])

    def read(self, cloud, want):
        item = self.find(cloud, want)
        return {key: item.get(key) for key in want["body"]}

    def write(self, cloud, want):
        body = self.body(cloud, want)
        try:
            item = self.find(cloud, want)
        except Absent:
            cloud.write("POST", self.service, self.path, json={self.key: body})
            return
        wrong = {key: body[key] for key in want["body"] if canonical(item.get(key)) != canonical(body.get(key))}
        if wrong:
            cloud.write(self.mend, self.service, "%s/%s" % (self.path, item["id"]), json={self.key: wrong})


class User(Plain):
    """Body: project, roles (in that project).

    The password is tried by logging in with it.
    """

    def read(self, cloud, want):
        user, body = self.find(cloud, want), want["body"]
        given = self.roles(cloud, user["id"], cloud.project(body["project"]))
        # Roles that somebody gave besides are not ours to judge.
        seen = {"project": body["project"], "roles": sorted(given & set(body["roles"]))}
        if "password" in want["secrets"]:
            seen["password"] = "as answered" if self.can_log_in(cloud, want) else "another"
        return seen

    def roles(self, cloud, user, project):
        given = cloud.listing("identity", "/role_assignments?include_names=true", "role_assignments")
        return {
            entry["role"]["name"]
            for entry in given
            if entry.get("user", {}).get("id") == user and entry["scope"].get("project", {}).get("id") == project
        }

    def can_log_in(self, cloud, want):
        try:
            cloud.login(want["name"], want["secrets"]["password"], unscoped=True).get_token()
            return True
        except exceptions.Unauthorized:
            return False

    def write(self, cloud, want):
        project = cloud.project(want["body"]["project"])
        try:
            user = self.find(cloud, want)
            self.set_password(cloud, want, user["id"])
        except Absent:
            body = dict(want["secrets"], name=want["name"], default_project_id=project, domain_id="default")
            user = cloud.write("POST", "identity", "/users", json={"user": body}).json()["user"]
        for name in sorted(set(want["body"]["roles"]) - self.roles(cloud, user["id"], project)):
            role = cloud.one("identity", "/roles", "roles", name=name)["id"]
            cloud.write("PUT", "identity", "/projects/%s/users/%s/roles/%s" % (project, user["id"], role))

    def set_password(self, cloud, want, user):
        if "password" in want["secrets"] and not self.can_log_in(cloud, want):
            body = {"password": want["secrets"]["password"], "enabled": True}
            cloud.write("PATCH", "identity", "/users/" + user, json={"user": body})


class Endpoint(Plain):
    """Body: service, interface, url, region."""

    def match(self, cloud, want):
        body = want["body"]
        found = {"interface": body["interface"], "region_id": body["region"]}
        return dict(found, service_id=cloud.service(body["service"]))

    def read(self, cloud, want):
        item = self.find(cloud, want)
        told = {"service": want["body"]["service"], "interface": item["interface"], "region": item["region_id"]}
        return dict(told, url=item["url"])

    def write(self, cloud, want):
        body = dict(self.match(cloud, want), url=want["body"]["url"])
        try:
            path, method = "/endpoints/" + self.find(cloud, want)["id"], "PATCH"
        except Absent:
            path, method = "/endpoints", "POST"
        cloud.write(method, "identity", path, json={"endpoint": body})


class Flavor(Plain):
    def write(self, cloud, want):
        # A flavor cannot be changed, only made anew; servers keep a copy of what it was.
        for item in cloud.listing("compute", self.path + self.query, "flavors"):
            if item["name"] == want["name"]:
                cloud.write("DELETE", "compute", "/flavors/" + item["id"])
        cloud.write("POST", "compute", "/flavors", json={"flavor": self.body(cloud, want)})


class Image(Plain):
    """Body: source (a path on this host, or a URL), disk_format (found out if not given), ... Secret: proxy, a URL."""

    def match(self, cloud, want):
        return {"name": want["name"], "status": "active"}

    def read(self, cloud, want):
        item = self.find(cloud, want)
        told = {key: item.get(key) for key in want["body"] if key != "source"}
        return dict(told, **dict.fromkeys(want["secrets"], "as answered"))

    def write(self, cloud, want):
        body = {key: value for key, value in want["body"].items() if key != "source"}
        try:
            self.mended(cloud, self.find(cloud, want), body)
        except Absent:
            path, borrowed = fetched(want["body"]["source"], want["secrets"].get("proxy"))
            try:
                self.upload(cloud, want["name"], dict(body, disk_format=checked_format(path, body, want)), path)
            finally:
                if borrowed:
                    os.unlink(path)

    def mended(self, cloud, item, body):
        wrong = {key: value for key, value in body.items() if item.get(key) != value}
        verbs = {key: "replace" if key in item else "add" for key in wrong}
        patch = [{"op": verbs[key], "path": "/" + key, "value": wrong[key]} for key in sorted(wrong)]
        if patch:
            data, headers = json.dumps(patch), {"Content-Type": JSON_PATCH}
            cloud.write("PATCH", "image", "/images/" + item["id"], data=data, headers=headers)

    def upload(self, cloud, name, body, path):
        try:
            # A run that was killed has left it so.
            item = cloud.one("image", self.path + self.query, "images", name=name, status="queued")
            self.mended(cloud, item, body)
        except Absent:
            item = cloud.write("POST", "image", "/images", json=dict(body, name=name)).json()
        headers = {"Content-Type": "application/octet-stream"}
        with open(path, "rb") as data:
            cloud.write("PUT", "image", "/images/%s/file" % item["id"], data=data, headers=headers, timeout=UPLOAD)


def checked_format(path, body, want):
    """The image's format by its first bytes; Wrong when a qcow2 was promised and is not one."""
    with open(path, "rb") as data:
        found = "qcow2" if data.read(4) == b"QFI\xfb" else "raw"
    told = body.get("disk_format") or found
    if told == "qcow2" and found != told:
        raise Wrong("%s is not a qcow2 image" % want["body"]["source"])
    return told


def fetched(source, proxy):
    """A path on this host that holds the source, and whether it is ours to remove."""
    path = source[7:] if source.startswith("file://") else source
    if path.startswith("/"):
        if not os.path.isfile(path):
            raise Absent("no file %s on this host" % path)
        return path, False
    handle, path = tempfile.mkstemp(prefix="packstack-lite-image.", dir="/var/tmp")
    try:
        with os.fdopen(handle, "wb") as target:
            download(source, target, proxy)
    except (EnvironmentError, ValueError, Wrong) as error:
        os.unlink(path)
        raise Wrong("%s cannot be downloaded: %s" % (source, short(error)))
    return path, True


def download(source, target, proxy):
    # Without one, the environment's.
    ways = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    reply = build_opener(*ways).open(source, timeout=60)
    for block in iter(lambda: reply.read(1 << 20), b""):
        target.write(block)
    promised = reply.headers.get("Content-Length")
    if promised and int(promised) != target.tell():
        raise Wrong("%d of %s bytes came" % (target.tell(), promised))


class VolumeType(Plain):
    """Body: extra_specs, encryption (provider, cipher, key_size, control_location; left out for none)."""

    def read(self, cloud, want):
        item = self.find(cloud, want)
        specs = item.get("extra_specs") or {}
        seen = {"extra_specs": {key: specs.get(key) for key in want["body"]["extra_specs"]}}
        if "encryption" in want["body"]:
            found = cloud.get(self.service, "/types/%s/encryption" % item["id"])
            seen["encryption"] = {key: found.get(key) for key in want["body"]["encryption"]}
        return seen

    def write(self, cloud, want):
        body = want["body"]
        try:
            item = self.find(cloud, want)
            specs = {"extra_specs": body["extra_specs"]}
            cloud.write("POST", self.service, "/types/%s/extra_specs" % item["id"], json=specs)
        except Absent:
            made = {"name": want["name"], "extra_specs": body["extra_specs"]}
            item = cloud.write("POST", self.service, "/types", json={"volume_type": made}).json()["volume_type"]
        if "encryption" in body:
            self.encrypt(cloud, item["id"], body["encryption"])

    def encrypt(self, cloud, identity, wanted):
        # Cinder refuses this while volumes of the type are there: they would be read wrongly.
        path = "/types/%s/encryption" % identity
        found = cloud.get(self.service, path)
        if not found.get("encryption_id"):
            cloud.write("POST", self.service, path, json={"encryption": wanted})
        elif any(found.get(key) != value for key, value in wanted.items()):
            cloud.write("PUT", self.service, "%s/%s" % (path, found["encryption_id"]), json={"encryption": wanted})


class Owned(Plain):
    """Something in neutron that belongs to the project among its parents."""

    def match(self, cloud, want):
        found = {"name": want["name"]}
        if want["parents"].get("project"):
            found["project_id"] = cloud.project(want["parents"]["project"])
        return found

    def body(self, cloud, want):
        return dict(want["body"], **self.match(cloud, want))


class Subnet(Owned):
    def match(self, cloud, want):
        return dict(Owned.match(self, cloud, want), network_id=cloud.network(want["parents"]["network"]))


class Router(Owned):
    """Body: external_network, interfaces (names of subnets)."""

    def read(self, cloud, want):
        item = self.find(cloud, want)
        external = (item.get("external_gateway_info") or {}).get("network_id")
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/networks", "networks")}
        # Subnets that somebody attached besides are not ours to judge.
        inside = self.inside(cloud, item["id"]) & set(want["body"]["interfaces"])
        return {"external_network": names.get(external), "interfaces": sorted(inside)}

    def inside(self, cloud, router):
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/subnets", "subnets")}
        ports = [
            port
            for port in cloud.listing("network", "/ports?device_id=" + router, "ports")
            if "router_interface" in port["device_owner"] or "router_replicated_interface" in port["device_owner"]
        ]
        return {names.get(ip["subnet_id"], "") for port in ports for ip in port["fixed_ips"]}

    def write(self, cloud, want):
        gateway = {"external_gateway_info": {"network_id": cloud.network(want["body"]["external_network"])}}
        try:
            item = self.find(cloud, want)
        except Absent:
            body = dict(self.match(cloud, want), **gateway)
            item = cloud.write("POST", "network", "/routers", json={"router": body}).json()["router"]
        if self.read(cloud, want)["external_network"] != want["body"]["external_network"]:
            cloud.write("PUT", "network", "/routers/" + item["id"], json={"router": gateway})
        for name in sorted(set(want["body"]["interfaces"]) - self.inside(cloud, item["id"])):
            subnet = {"subnet_id": cloud.one("network", "/subnets", "subnets", name=name)["id"]}
            cloud.write("PUT", "network", "/routers/%s/add_router_interface" % item["id"], json=subnet)


class Rule(Plain):
    """A rule in the default security group of a project."""

    def group(self, cloud, want):
        # Asking for a project's groups makes its default one.
        path = "/security-groups?project_id=" + cloud.project(want["parents"]["project"])
        return cloud.one("network", path, "security_groups", name="default")

    def read(self, cloud, want):
        wanted = dict({"remote_group_id": None, "remote_ip_prefix": None}, **want["body"])
        for rule in self.group(cloud, want)["security_group_rules"]:
            if all(rule.get(key) == value for key, value in wanted.items()):
                return want["body"]
        raise Absent("no such rule")

    def write(self, cloud, want):
        body = dict(want["body"], security_group_id=self.group(cloud, want)["id"])
        cloud.write("POST", "network", "/security-group-rules", json={"security_group_rule": body})


class Alive(object):
    """Something that reports itself, named BINARY@HOST; writing is waiting until it does."""

    def __init__(self, service, path, key, field, value):
        self.service, self.path, self.key, self.field, self.value = service, path, key, field, value

    def read(self, cloud, want):
        binary, host = want["name"].split("@", 1)
        item = cloud.one(self.service, self.path, self.key, binary=binary, host=host)
        return {"alive": item[self.field] == self.value}

    def write(self, cloud, want):
        cloud.deadline = cloud.deadline or time.time() + WAIT
        while True:
            cloud.forget()
            try:
                if self.read(cloud, want) == want["body"]:
                    return
                error = "has reported itself, and no longer does"
            except (Absent, Unknown) as missing:
                error = "has not reported itself: %s" % missing
            if time.time() > cloud.deadline:
                raise Wrong("%s, after %d seconds" % (error, WAIT))
            time.sleep(0.5)


TYPES = {
    "project": Plain("identity", "/projects", "project", "?domain_id=default"),
    "role": Plain("identity", "/roles", "role"),
    "user": User("identity", "/users", "user", "?domain_id=default"),
    "service": Plain("identity", "/services", "service"),
    "endpoint": Endpoint("identity", "/endpoints", "endpoint"),
    "flavor": Flavor("compute", "/flavors", "flavor", "/detail?is_public=None"),
    "image": Image("image", "/images", "image", "?limit=1000"),
    "network": Owned("network", "/networks", "network", mend="PUT"),
    "subnet": Subnet("network", "/subnets", "subnet", mend="PUT"),
    "router": Router("network", "/routers", "router"),
    "security_group_rule": Rule("network", "/security-group-rules", "security_group_rule"),
    "network_agent": Alive("network", "/agents", "agents", "alive", True),
    "volume_type": VolumeType("volumev3", "/types", "volume_type", "?is_public=None"),
    "volume_service": Alive("volumev3", "/os-services", "services", "state", "up"),
    "compute_service": Alive("compute", "/os-services", "services", "state", "up"),
}


def look(cloud, want):
    try:
        return dict(TYPES[want["type"]].read(cloud, want), exists=True)
    except Absent:
        return None
    except (Unknown, exceptions.ClientException) as error:
        return {"unknown": short(error)}


def make(cloud, want):
    try:
        TYPES[want["type"]].write(cloud, want)
        return {"ok": True, "error": ""}
    except (Absent, Unknown, Wrong, exceptions.ClientException, EnvironmentError) as error:
        return {"ok": False, "error": "%s: %s" % (want["id"], short(error))}


def read_all(cloud, wants, refused):
    if refused:
        return {want["id"]: {"unknown": refused} for want in wants}
    # Four at once: Keystone hashes a password for each login, in threads of its own.
    states = ThreadPool(4).map(lambda want: look(cloud, want), wants)
    return dict(zip([want["id"] for want in wants], states))


def write_all(cloud, wants, refused):
    if refused:
        return {want["id"]: {"ok": False, "error": refused} for want in wants}
    return {want["id"]: make(cloud, want) for want in sorted(wants, key=lambda want: ORDER.index(want["type"]))}


def refusal(cloud):
    """Why nothing can be read at all; None when Keystone lets us in."""
    try:
        cloud.session.get_token()
        return None
    except exceptions.ClientException as error:
        return short(error)


def main():
    task = json.loads(sys.stdin.read())
    cloud = Cloud(task["api"], PATIENCE[task["mode"]])
    act = read_all if task["mode"] == "read" else write_all
    told = act(cloud, task["wants"], refusal(cloud))
    print(json.dumps(told))
    if act is read_all:
        return 0
    errors = sorted({result["error"] for result in told.values() if not result["ok"]})
    # Whatever the locale: Python 2 and 3.6 would take it for ASCII without one.
    getattr(sys.stderr, "buffer", sys.stderr).write("".join(error + "\n" for error in errors).encode("utf-8"))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
