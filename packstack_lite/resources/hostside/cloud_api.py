"""Read and write objects in OpenStack's APIs. Runs on the node, as one process.

Sent by ``resources.api_object``. Standard input (JSON): {"mode": "read"|"write", "api": {...}, "wants": [{"id", "type",
"name", "body", "secrets", "parents"}]}. Standard output (JSON): for read {id: state, null when absent, or {"unknown":
reason}}; for write {id: {"ok": bool, "error": text}}, and exit 1 with the errors on standard error when there are any.
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

# Seconds: a request that reads (tried twice), one that writes; all waiting for agents together; an upload's socket.
REQUEST_TIMEOUT = {"read": 15, "write": 120}
AGENTS_TIMEOUT, UPLOAD_TIMEOUT = 180, 900
# An API that was just started forbids everything until it has read its policy.
POLICY_RETRIES = {"status_code_retries": 1, "retriable_status_codes": [403], "status_code_retry_delay": 1}
WRITE_ORDER = (
    "project", "role", "user", "service", "endpoint", "compute_service", "network_agent", "flavor", "image", "network",
    "subnet", "router", "security_group_rule", "volume_type", "volume_service",
)  # fmt: skip
# The part of a URL between the endpoint in the catalog and the paths below, added where the endpoint lacks it.
SUFFIXES = {"network": "/v2.0", "image": "/v2"}
JSON_PATCH = "application/openstack-images-v2.1-json-patch"


class Absent(Exception):
    """An object that is looked for, or needed by another one, does not exist."""


class Unknown(Exception):
    """The API that could answer does not."""


class Impossible(Exception):
    """The wanted object cannot be created."""


def one_line(error):
    """Return an error in one line, without requests' names of connection objects."""
    try:
        text = getattr(error, "__unicode__", error.__str__)()
    except UnicodeError:
        # Python 2's own errors are bytes, which it takes for ASCII.
        text = str(error).decode("utf-8", "replace")
    return " ".join(text.split()).split(": HTTPConnectionPool", 1)[0].split(": HTTPSConnectionPool", 1)[0][:300]


def comparable(value):
    """Return a value that compares: lists sorted, as the APIs do not keep their order."""
    if isinstance(value, (list, tuple)):
        return sorted((comparable(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


class OneRequestSession(requests.Session):
    """Opens a new connection for each request.

    uwsgi's http-socket closes after a reply without saying so: a kept connection is reset under the next request, and
    "Connection: close" does not make the client drop it.
    """

    def request(self, *args, **kwargs):
        """Send a request over a connection of its own, without a proxy."""
        with requests.Session() as single_use:
            single_use.headers["Connection"] = "close"
            # These calls go to this cloud, not through a proxy that is meant for downloads.
            single_use.trust_env = False
            return single_use.request(*args, **kwargs)


class Cloud(object):
    """The APIs of the cloud, used with the login of the task.

    Lists are fetched once per path until something is written.
    """

    def __init__(self, api, timeout):
        """Prepare the session; it logs in with its first request.

        ``api`` is a dict: auth_url, user, password, project, region. ``timeout`` is for each request, in seconds.
        """
        self.api, self.timeout = api, timeout
        self.identity = api["auth_url"].rstrip("/")
        if not self.identity.endswith("/v3"):
            self.identity += "/v3"
        scope = {"project_name": api["project"], "project_domain_name": "Default"}
        self.session = self.make_session(api["user"], api["password"], **scope)
        self.bases = {"identity": self.identity}
        self.deadline = None
        self.drop_lists()

    def make_session(self, user, password, **scope):
        """Return a session of a user of the domain Default; nothing is sent yet.

        ``scope`` are keystoneauth's arguments: project_name and project_domain_name, or unscoped.
        """
        plugin = v3.Password(
            auth_url=self.identity, username=user, password=password, user_domain_name="Default", **scope
        )
        return session.Session(plugin, session=OneRequestSession(), timeout=self.timeout)

    def drop_lists(self):
        """Forget the fetched lists, as a write may have changed them."""
        self.lists, self.list_locks, self.locks_lock = {}, {}, threading.Lock()

    def base_url(self, service):
        """Return the URL before a service's paths; raises Unknown for no endpoint."""
        if service not in self.bases:
            url = self.session.get_endpoint(service_type=service, interface="internal", region_name=self.api["region"])
            if not url:
                raise Unknown("no endpoint of type %s in the catalog" % service)
            suffix, url = SUFFIXES.get(service, ""), url.rstrip("/")
            self.bases[service] = url if url.endswith(suffix) else url + suffix
        return self.bases[service]

    def get(self, service, path):
        """Return a reply's JSON; raises Unknown for any failure.

        Only reads are retried when the connection breaks: a write may have been done already. They are retried too when
        forbidden: an API that was just started has not read its policy yet.
        """
        try:
            return self.session.get(self.base_url(service) + path, connect_retries=1, **POLICY_RETRIES).json()
        except (exceptions.ClientException, ValueError) as error:
            raise Unknown(one_line(error))

    def fetch_list(self, service, path, key):
        """Return a list as it is now.

        Neutron pings OVN's agents only when their list is requested, and reports agents as dead that nobody has pinged
        for a minute (agent_down_time). Their replies show in the next list.
        """
        items = self.get(service, path)[key]
        if path == "/agents" and self.deadline is None and not all(agent["alive"] for agent in items):
            time.sleep(1)
            items = self.get(service, path)[key]
        return items

    def listing(self, service, path, key):
        """Return a list, fetched once.

        The first thread fetches it. The others wait, and share its failure too.
        """
        list_key = service, path
        with self.locks_lock:
            lock = self.list_locks.setdefault(list_key, threading.Lock())
        with lock:
            if list_key not in self.lists:
                try:
                    self.lists[list_key] = self.fetch_list(service, path, key)
                except Unknown as error:
                    self.lists[list_key] = error
            if isinstance(self.lists[list_key], Unknown):
                raise self.lists[list_key]
            return self.lists[list_key]

    def send(self, method, service, path, **kwargs):
        """Send a request that writes; drops all lists."""
        self.drop_lists()
        return self.session.request(self.base_url(service) + path, method, **kwargs)

    def find(self, service, path, key, **match):
        """Return the list's first item with these values. Raises Absent or Unknown.

        ``key`` is the one that holds the list in the reply's JSON.
        """
        for item in self.listing(service, path, key):
            if all(item.get(name) == value for name, value in match.items()):
                return item
        raise Absent("no %s with %s" % (key[:-1], ", ".join("%s=%s" % pair for pair in sorted(match.items()))))

    def project_id(self, name):
        """Return the id of the project of this name. Raises Absent without one."""
        return self.find("identity", "/projects?domain_id=default", "projects", name=name)["id"]

    def service_id(self, name):
        """Return the id of the catalog's service of this name. Raises Absent."""
        return self.find("identity", "/services", "services", name=name)["id"]

    def network_id(self, name):
        """Return the id of the network of this name. Raises Absent without one."""
        return self.find("network", "/networks", "networks", name=name)["id"]


class ObjectType(object):
    """A type of object in an API.

    Objects are found by name in one list, created by one POST, and changed by one PATCH or PUT.
    """

    def __init__(self, service, path, key, query="", update_method="PATCH"):
        """Set how the type is called in its API.

        ``service`` is the API's type in the catalog. ``path`` is that of the list, to which ``query`` is added for
        reading. ``key`` holds one object in the JSON, ``key`` with an "s" the list.
        """
        self.service, self.path, self.key, self.query, self.update_method = service, path, key, query, update_method

    def match(self, cloud, want):
        """Return the values by which the object is found in the list."""
        return {"name": want["name"]}

    def find(self, cloud, want):
        """Return the object as the API lists it. Raises Absent or Unknown."""
        return cloud.find(self.service, self.path + self.query, self.key + "s", **self.match(cloud, want))

    def body(self, cloud, want):
        """Return what is sent. Only the keys of the wanted body are compared."""
        return dict(want["body"], name=want["name"])

    def read(self, cloud, want):
        """Return the object's state, with the keys of the wanted body."""
        item = self.find(cloud, want)
        return {key: item.get(key) for key in want["body"]}

    def write(self, cloud, want):
        """Create the object, or change the keys that differ from the wanted body."""
        body = self.body(cloud, want)
        try:
            item = self.find(cloud, want)
        except Absent:
            cloud.send("POST", self.service, self.path, json={self.key: body})
            return
        wrong = {key: body[key] for key in want["body"] if comparable(item.get(key)) != comparable(body.get(key))}
        if wrong:
            cloud.send(self.update_method, self.service, "%s/%s" % (self.path, item["id"]), json={self.key: wrong})


class User(ObjectType):
    """A user. Body: project, roles in that project.

    A login tests the password.
    """

    def read(self, cloud, want):
        """Return the user's project, its wanted roles there, and the password's state."""
        user, body = self.find(cloud, want), want["body"]
        granted = self.roles(cloud, user["id"], cloud.project_id(body["project"]))
        # Further roles are left alone.
        seen = {"project": body["project"], "roles": sorted(granted & set(body["roles"]))}
        if "password" in want["secrets"]:
            seen["password"] = "as answered" if self.can_log_in(cloud, want) else "another"
        return seen

    def roles(self, cloud, user, project):
        """Return the names of the user's roles in a project; both are ids."""
        assignments = cloud.listing("identity", "/role_assignments?include_names=true", "role_assignments")
        return {
            entry["role"]["name"]
            for entry in assignments
            if entry.get("user", {}).get("id") == user and entry["scope"].get("project", {}).get("id") == project
        }

    def can_log_in(self, cloud, want):
        """Return whether the wanted password is accepted."""
        try:
            cloud.make_session(want["name"], want["secrets"]["password"], unscoped=True).get_token()
            return True
        except exceptions.Unauthorized:
            return False

    def write(self, cloud, want):
        """Create the user or set its password, and grant missing roles."""
        project = cloud.project_id(want["body"]["project"])
        try:
            user = self.find(cloud, want)
            self.set_password(cloud, want, user["id"])
        except Absent:
            body = dict(want["secrets"], name=want["name"], default_project_id=project, domain_id="default")
            user = cloud.send("POST", "identity", "/users", json={"user": body}).json()["user"]
        for name in sorted(set(want["body"]["roles"]) - self.roles(cloud, user["id"], project)):
            role = cloud.find("identity", "/roles", "roles", name=name)["id"]
            cloud.send("PUT", "identity", "/projects/%s/users/%s/roles/%s" % (project, user["id"], role))

    def set_password(self, cloud, want, user):
        """Set the wanted password, unless the user can log in with it."""
        if "password" in want["secrets"] and not self.can_log_in(cloud, want):
            body = {"password": want["secrets"]["password"], "enabled": True}
            cloud.send("PATCH", "identity", "/users/" + user, json={"user": body})


class Endpoint(ObjectType):
    """An endpoint of a service. Body: service, interface, url, region."""

    def match(self, cloud, want):
        """Return the query for an endpoint: its service, interface and region."""
        body = want["body"]
        query = {"interface": body["interface"], "region_id": body["region"]}
        return dict(query, service_id=cloud.service_id(body["service"]))

    def read(self, cloud, want):
        """Return the endpoint's service, interface, region and URL."""
        item = self.find(cloud, want)
        state = {"service": want["body"]["service"], "interface": item["interface"], "region": item["region_id"]}
        return dict(state, url=item["url"])

    def write(self, cloud, want):
        """Create the endpoint, or change its URL."""
        body = dict(self.match(cloud, want), url=want["body"]["url"])
        try:
            path, method = "/endpoints/" + self.find(cloud, want)["id"], "PATCH"
        except Absent:
            path, method = "/endpoints", "POST"
        cloud.send(method, "identity", path, json={"endpoint": body})


class Flavor(ObjectType):
    """A flavor. Changing one deletes it and creates it again."""

    def write(self, cloud, want):
        """Create the flavor; one of that name is deleted first."""
        # The API cannot change a flavor. Servers keep a copy of the old one.
        for item in cloud.listing("compute", self.path + self.query, "flavors"):
            if item["name"] == want["name"]:
                cloud.send("DELETE", "compute", "/flavors/" + item["id"])
        cloud.send("POST", "compute", "/flavors", json={"flavor": self.body(cloud, want)})


class Image(ObjectType):
    """An image.

    Body: source (a path on this node, or a URL), disk_format, visibility and others. Without disk_format the file's
    first bytes decide. Secret: proxy, a URL.
    """

    def match(self, cloud, want):
        """Return the query for an image of this name that is active."""
        return {"name": want["name"], "status": "active"}

    def read(self, cloud, want):
        """Return the image's wanted properties, and "as answered" for each secret."""
        item = self.find(cloud, want)
        state = {key: item.get(key) for key in want["body"] if key != "source"}
        return dict(state, **dict.fromkeys(want["secrets"], "as answered"))

    def write(self, cloud, want):
        """Change the image's properties, or fetch its file and upload it."""
        body = {key: value for key, value in want["body"].items() if key != "source"}
        try:
            self.update(cloud, self.find(cloud, want), body)
        except Absent:
            path, is_temporary = fetch_source(want["body"]["source"], want["secrets"].get("proxy"))
            try:
                self.upload(cloud, want["name"], dict(body, disk_format=check_format(path, body, want)), path)
            finally:
                if is_temporary:
                    os.unlink(path)

    def update(self, cloud, item, body):
        """Set the image's properties that differ from ``body``."""
        wrong = {key: value for key, value in body.items() if item.get(key) != value}
        verbs = {key: "replace" if key in item else "add" for key in wrong}
        patch = [{"op": verbs[key], "path": "/" + key, "value": wrong[key]} for key in sorted(wrong)]
        if patch:
            data, headers = json.dumps(patch), {"Content-Type": JSON_PATCH}
            cloud.send("PATCH", "image", "/images/" + item["id"], data=data, headers=headers)

    def upload(self, cloud, name, body, path):
        """Upload the file as an image, into one that a killed run left if there is one."""
        try:
            # A run that was killed during the upload left the image in this state.
            item = cloud.find("image", self.path + self.query, "images", name=name, status="queued")
            self.update(cloud, item, body)
        except Absent:
            item = cloud.send("POST", "image", "/images", json=dict(body, name=name)).json()
        headers = {"Content-Type": "application/octet-stream"}
        with open(path, "rb") as data:
            cloud.send(
                "PUT", "image", "/images/%s/file" % item["id"], data=data, headers=headers, timeout=UPLOAD_TIMEOUT
            )


def check_format(path, body, want):
    """Return the image's format; raises Impossible for a false qcow2."""
    with open(path, "rb") as data:
        actual_format = "qcow2" if data.read(4) == b"QFI\xfb" else "raw"
    wanted_format = body.get("disk_format") or actual_format
    if wanted_format == "qcow2" and actual_format != "qcow2":
        raise Impossible("%s is not a qcow2 image" % want["body"]["source"])
    return wanted_format


def fetch_source(source, proxy):
    """Return a path of the source on this node, and whether it is temporary."""
    path = source[7:] if source.startswith("file://") else source
    if path.startswith("/"):
        if not os.path.isfile(path):
            raise Absent("no file %s on this node" % path)
        return path, False
    handle, path = tempfile.mkstemp(prefix="packstack-lite-image.", dir="/var/tmp")
    try:
        with os.fdopen(handle, "wb") as target:
            download(source, target, proxy)
    except (EnvironmentError, ValueError, Impossible) as error:
        os.unlink(path)
        raise Impossible("%s cannot be downloaded: %s" % (source, one_line(error)))
    return path, True


def download(source, target, proxy):
    """Download to an open file; raises Impossible when the connection ends early."""
    # Without a proxy, that of the environment.
    handlers = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    reply = build_opener(*handlers).open(source, timeout=60)
    for block in iter(lambda: reply.read(1 << 20), b""):
        target.write(block)
    length = reply.headers.get("Content-Length")
    if length and int(length) != target.tell():
        raise Impossible("received %d of %s bytes" % (target.tell(), length))


class VolumeType(ObjectType):
    """A volume type. Body: extra_specs, and encryption or not.

    Encryption: provider, cipher, key_size, control_location.
    """

    def read(self, cloud, want):
        """Return the type's wanted extra specs and its encryption."""
        item = self.find(cloud, want)
        specs = item.get("extra_specs") or {}
        seen = {"extra_specs": {key: specs.get(key) for key in want["body"]["extra_specs"]}}
        if "encryption" in want["body"]:
            encryption = cloud.get(self.service, "/types/%s/encryption" % item["id"])
            seen["encryption"] = {key: encryption.get(key) for key in want["body"]["encryption"]}
        return seen

    def write(self, cloud, want):
        """Create the volume type or set its extra specs, then its encryption."""
        body = want["body"]
        try:
            item = self.find(cloud, want)
            specs = {"extra_specs": body["extra_specs"]}
            cloud.send("POST", self.service, "/types/%s/extra_specs" % item["id"], json=specs)
        except Absent:
            new_type = {"name": want["name"], "extra_specs": body["extra_specs"]}
            item = cloud.send("POST", self.service, "/types", json={"volume_type": new_type}).json()["volume_type"]
        if "encryption" in body:
            self.encrypt(cloud, item["id"], body["encryption"])

    def encrypt(self, cloud, type_id, wanted):
        """Create the type's encryption, or change it where it differs."""
        # Cinder refuses this while there are volumes of the type: they could no longer be read.
        path = "/types/%s/encryption" % type_id
        current = cloud.get(self.service, path)
        if not current.get("encryption_id"):
            cloud.send("POST", self.service, path, json={"encryption": wanted})
        elif any(current.get(key) != value for key, value in wanted.items()):
            cloud.send("PUT", self.service, "%s/%s" % (path, current["encryption_id"]), json={"encryption": wanted})


class ProjectObject(ObjectType):
    """An object in Neutron that belongs to the project among its parents."""

    def match(self, cloud, want):
        """Return the query for the object: its name and its project."""
        query = {"name": want["name"]}
        if want["parents"].get("project"):
            query["project_id"] = cloud.project_id(want["parents"]["project"])
        return query

    def body(self, cloud, want):
        """Return the request's body: the wanted one, with name and project."""
        return dict(want["body"], **self.match(cloud, want))


class Subnet(ProjectObject):
    """A subnet of the network among its parents."""

    def match(self, cloud, want):
        """Return the query for the subnet: name, project and network."""
        return dict(ProjectObject.match(self, cloud, want), network_id=cloud.network_id(want["parents"]["network"]))


class Router(ProjectObject):
    """A router. Body: external_network, interfaces (names of subnets)."""

    def read(self, cloud, want):
        """Return the router's external network, and which wanted subnets it serves."""
        item = self.find(cloud, want)
        external = (item.get("external_gateway_info") or {}).get("network_id")
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/networks", "networks")}
        # Further subnets are left alone.
        attached = self.attached_subnets(cloud, item["id"]) & set(want["body"]["interfaces"])
        return {"external_network": names.get(external), "interfaces": sorted(attached)}

    def attached_subnets(self, cloud, router):
        """Return the names of the subnets that the router has a port in."""
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/subnets", "subnets")}
        ports = [
            port
            for port in cloud.listing("network", "/ports?device_id=" + router, "ports")
            if "router_interface" in port["device_owner"] or "router_replicated_interface" in port["device_owner"]
        ]
        return {names.get(ip["subnet_id"], "") for port in ports for ip in port["fixed_ips"]}

    def write(self, cloud, want):
        """Create the router, set its external network, and attach missing subnets."""
        gateway = {"external_gateway_info": {"network_id": cloud.network_id(want["body"]["external_network"])}}
        try:
            item = self.find(cloud, want)
        except Absent:
            body = dict(self.match(cloud, want), **gateway)
            item = cloud.send("POST", "network", "/routers", json={"router": body}).json()["router"]
        if self.read(cloud, want)["external_network"] != want["body"]["external_network"]:
            cloud.send("PUT", "network", "/routers/" + item["id"], json={"router": gateway})
        for name in sorted(set(want["body"]["interfaces"]) - self.attached_subnets(cloud, item["id"])):
            subnet = {"subnet_id": cloud.find("network", "/subnets", "subnets", name=name)["id"]}
            cloud.send("PUT", "network", "/routers/%s/add_router_interface" % item["id"], json=subnet)


class SecurityGroupRule(ObjectType):
    """A rule in the default security group of a project."""

    def group(self, cloud, want):
        """Return the project's security group "default", with its rules."""
        # Listing a project's groups creates its default group.
        path = "/security-groups?project_id=" + cloud.project_id(want["parents"]["project"])
        return cloud.find("network", path, "security_groups", name="default")

    def read(self, cloud, want):
        """Return the wanted rule if the group has it. Raises Absent otherwise."""
        wanted = dict({"remote_group_id": None, "remote_ip_prefix": None}, **want["body"])
        for rule in self.group(cloud, want)["security_group_rules"]:
            if all(rule.get(key) == value for key, value in wanted.items()):
                return want["body"]
        raise Absent("no such rule")

    def write(self, cloud, want):
        """Create the rule in the project's security group "default"."""
        body = dict(want["body"], security_group_id=self.group(cloud, want)["id"])
        cloud.send("POST", "network", "/security-group-rules", json={"security_group_rule": body})


class ReportingType(object):
    """A service or agent that reports itself, named BINARY@HOST.

    Writing waits until it reports.
    """

    def __init__(self, service, path, key, field, value):
        """Set where the API lists what reports, and how.

        ``service`` is the API's type in the catalog, ``path`` that of the list, ``key`` the one that holds the list in
        the JSON. What is alive has ``value`` in ``field``.
        """
        self.service, self.path, self.key, self.field, self.value = service, path, key, field, value

    def read(self, cloud, want):
        """Return {"alive": whether it is}. Raises Absent before its first report."""
        binary, host = want["name"].split("@", 1)
        item = cloud.find(self.service, self.path, self.key, binary=binary, host=host)
        return {"alive": item[self.field] == self.value}

    def write(self, cloud, want):
        """Wait until the service or agent is alive.

        All objects of a run share one deadline; Impossible is raised after it.
        """
        cloud.deadline = cloud.deadline or time.time() + AGENTS_TIMEOUT
        while True:
            cloud.drop_lists()
            try:
                if self.read(cloud, want) == want["body"]:
                    return
                error = "reported itself, and no longer does"
            except (Absent, Unknown) as missing:
                error = "does not report itself: %s" % missing
            if time.time() > cloud.deadline:
                raise Impossible("%s, after %d seconds" % (error, AGENTS_TIMEOUT))
            time.sleep(0.5)


TYPES = {
    "project": ObjectType("identity", "/projects", "project", "?domain_id=default"),
    "role": ObjectType("identity", "/roles", "role"),
    "user": User("identity", "/users", "user", "?domain_id=default"),
    "service": ObjectType("identity", "/services", "service"),
    "endpoint": Endpoint("identity", "/endpoints", "endpoint"),
    "flavor": Flavor("compute", "/flavors", "flavor", "/detail?is_public=None"),
    "image": Image("image", "/images", "image", "?limit=1000"),
    "network": ProjectObject("network", "/networks", "network", update_method="PUT"),
    "subnet": Subnet("network", "/subnets", "subnet", update_method="PUT"),
    "router": Router("network", "/routers", "router"),
    "security_group_rule": SecurityGroupRule("network", "/security-group-rules", "security_group_rule"),
    "network_agent": ReportingType("network", "/agents", "agents", "alive", True),
    "volume_type": VolumeType("volumev3", "/types", "volume_type", "?is_public=None"),
    "volume_service": ReportingType("volumev3", "/os-services", "services", "state", "up"),
    "compute_service": ReportingType("compute", "/os-services", "services", "state", "up"),
}


def read_one(cloud, want):
    """Return an object's state, None when absent, or {"unknown": reason}."""
    try:
        return dict(TYPES[want["type"]].read(cloud, want), exists=True)
    except Absent:
        return None
    except (Unknown, exceptions.ClientException) as error:
        return {"unknown": one_line(error)}


def write_one(cloud, want):
    """Create or change an object; return {"ok", "error"}."""
    try:
        TYPES[want["type"]].write(cloud, want)
        return {"ok": True, "error": ""}
    except (Absent, Unknown, Impossible, exceptions.ClientException, EnvironmentError) as error:
        return {"ok": False, "error": "%s: %s" % (want["id"], one_line(error))}


def read_all(cloud, wants, login_error):
    """Return the state of each object by its id; all unknown after a failed login."""
    if login_error:
        return {want["id"]: {"unknown": login_error} for want in wants}
    # Four at once: Keystone hashes a password for each login, in its own threads.
    states = ThreadPool(4).map(lambda want: read_one(cloud, want), wants)
    return dict(zip([want["id"] for want in wants], states))


def write_all(cloud, wants, login_error):
    """Create or change the objects in WRITE_ORDER; return each outcome by its id."""
    if login_error:
        return {want["id"]: {"ok": False, "error": login_error} for want in wants}
    return {
        want["id"]: write_one(cloud, want) for want in sorted(wants, key=lambda want: WRITE_ORDER.index(want["type"]))
    }


def try_login(cloud):
    """Log in; return the error, or None."""
    try:
        cloud.session.get_token()
        return None
    except exceptions.ClientException as error:
        return one_line(error)


def main():
    """Read or write the objects of the task on standard input; print JSON."""
    task = json.loads(sys.stdin.read())
    cloud = Cloud(task["api"], REQUEST_TIMEOUT[task["mode"]])
    is_read = task["mode"] == "read"
    results = (read_all if is_read else write_all)(cloud, task["wants"], try_login(cloud))
    print(json.dumps(results))
    if is_read:
        return 0
    errors = sorted({result["error"] for result in results.values() if not result["ok"]})
    # As UTF-8 in any locale: without one, Python 2 and 3.6 would use ASCII.
    getattr(sys.stderr, "buffer", sys.stderr).write("".join(error + "\n" for error in errors).encode("utf-8"))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
