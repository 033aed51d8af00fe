"""The APIs of a cloud: login, requests, lists that are fetched once, errors.

Part of the program cloud_api. Python 2.7 and 3.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
# ruff: noqa: B904
from __future__ import print_function

import json
import threading
import time

import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

# Seconds for measuring a wait. The time of day jumps when chrony sets the clock; Python 2.7 has nothing else.
monotonic_seconds = getattr(time, "monotonic", time.time)
# An API that was just started forbids everything until it has read its policy.
POLICY_RETRIES = {"status_code_retries": 1, "retriable_status_codes": [403], "status_code_retry_delay": 1}
# The part of a URL between the endpoint in the catalog and the paths below, added where the endpoint lacks it.
SUFFIXES = {"network": "/v2.0", "image": "/v2"}


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

    def make_session(self, user, password, domain="Default", **scope):
        """Return a session of a user of a domain; nothing is sent yet.

        ``scope`` are keystoneauth's arguments: project_name and project_domain_name, or unscoped.
        """
        plugin = v3.Password(auth_url=self.identity, username=user, password=password, user_domain_name=domain, **scope)
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

    def domain_id(self, name):
        """Return the id of the domain of this name. Raises Absent without one."""
        return self.find("identity", "/domains", "domains", name=name)["id"]

    def service_id(self, name):
        """Return the id of the catalog's service of this name. Raises Absent."""
        return self.find("identity", "/services", "services", name=name)["id"]

    def network_id(self, name):
        """Return the id of the network of this name. Raises Absent without one."""
        return self.find("network", "/networks", "networks", name=name)["id"]
