# mypy: ignore-errors
"""What every case of the smoke test works with: the session, waiting, and commands in the instance.

Python 2.7 and 3; needs keystoneauth1 and requests, which every OpenStack client brings.
"""

from __future__ import print_function

import os
import subprocess
import tempfile
import time
import uuid

from keystoneauth1 import adapter, exceptions, session
from keystoneauth1.identity import v3

NAME = "smoke-" + uuid.uuid4().hex[:8]
BOOT = 240
# What is stored, in blocks of BLOCK bytes, and looked for on the host's own devices.
TEXT = "written-by-" + uuid.uuid4().hex
BLOCK = 65536


def patience():
    """How much longer all takes than on a host that the processor helps to run."""
    try:
        asked = subprocess.Popen(["systemd-detect-virt"], stdout=subprocess.PIPE)
    except OSError:
        return 1
    return 5 if asked.communicate()[0].strip() in (b"uml", b"qemu") else 1


SLOW = patience()


class Failed(Exception):
    """A promise that is not kept; says what was seen and where to look."""


class Skip(Exception):
    """A promise that cannot be tried here, and why."""


class Smoke(object):
    """The session, and what the cases have made so far."""

    def __init__(self, task):
        self.task = task
        api = task["api"]
        self.session = self.login(api["user"], api["password"], api["project"])
        self.made = {}
        self.keys = tempfile.mkdtemp(prefix="packstack-lite-smoke.")
        self.clients = {}

    def login(self, user, password, project):
        """A session of somebody else's."""
        auth = v3.Password(
            auth_url=self.task["api"]["auth_url"],
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )
        return session.Session(auth, timeout=60 * SLOW)

    def client(self, service):
        if service not in self.clients:
            # uwsgi's http-socket closes after a reply without saying so; a kept connection would be reset.
            found = adapter.Adapter(
                self.session,
                service_type=service,
                interface="public",
                region_name=self.task["api"]["region"],
                additional_headers={"Connection": "close"},
                connect_retries=3,
            )
            suffix = {"network": "/v2.0", "image": "/v2"}.get(service, "")
            base = (found.get_endpoint() or "").rstrip("/")
            if not base:
                raise Failed("the catalog has no public endpoint of type %s" % service)
            found.endpoint_override = base if base.endswith(suffix) else base + suffix
            self.clients[service] = found
        return self.clients[service]

    def get(self, service, path):
        return self.client(service).get(path).json()

    def post(self, service, path, body):
        return self.client(service).post(path, json=body)

    def delete(self, service, path):
        """What is gone already is fine."""
        try:
            self.client(service).delete(path)
        except exceptions.NotFound:
            return False
        return True

    def has(self, service):
        """Whether the catalog has a service of this type."""
        access = self.session.auth.get_access(self.session)
        return any(entry["type"] == service for entry in access.service_catalog.catalog)

    def ours(self, service, path, key):
        """What this run has made, and what earlier ones have left."""
        return [thing for thing in self.get(service, path)[key] if thing["name"].startswith("smoke-")]

    def put(self, service, path, **how):
        return self.client(service).put(path, **how)

    def wait(self, what, seconds, look):
        """Poll until look() is true; its last words otherwise."""
        seconds *= SLOW
        end = time.time() + seconds
        while True:
            seen, said = look()
            if seen:
                return said
            if time.time() > end:
                raise Failed("%s after %d s: %s" % (what, seconds, said))
            time.sleep(0.5)


def run(argv):
    """Whether the command succeeds, and the end of what it prints."""
    with open(os.devnull) as nothing:
        done = subprocess.Popen(argv, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.communicate()[0].decode("utf-8", "replace").strip()
    return done.returncode == 0, text[-200:]


def run_ssh(smoke, command):
    argv = [
        "ssh",
        "-i",
        os.path.join(smoke.keys, "key"),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    argv += [
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=5",
        "-o",
        "LogLevel=ERROR",
        "-l",
        smoke.task["user"],
        "--",
        smoke.address,
        command,
    ]
    return run(argv)


def text(error):
    """An error's words; Python 2's own errors are bytes, which it takes for ASCII."""
    try:
        return getattr(error, "__unicode__", error.__str__)()
    except UnicodeError:
        return str(error).decode("utf-8", "replace")


def short(error):
    """An error's words on one line; keystoneauth keeps those of nova's faults to itself."""
    words = text(error)
    response = getattr(error, "response", None)
    if response is not None and "Unrecognized schema" in words:
        words += " " + response.text
    return " ".join(words.split())[:400]
