# mypy: ignore-errors
"""Shared by all smoke cases: Keystone session, API calls, waiting, guest commands.

A case is a function that takes the Smoke and returns the detail to report, a text. It raises Failed or Skip.
Python 2.7 and 3; needs keystoneauth1 and requests, on which every OpenStack client depends.
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
# Seconds that an instance may take to boot.
BOOT = 240
# Seconds for which a refused login may be one that comes before the instance has its key.
KEY_TIME = 60
# ssh's own errors (exit code 255) that the next try gives again: options, the key, the server's algorithms.
PERMANENT_SSH_ERRORS = (
    "Bad owner or permissions",
    "Bad configuration option",
    "Load key",
    "Could not resolve hostname",
    "Unable to negotiate",
    "Too many authentication failures",
)
# Seconds for measuring a wait. The time of day jumps when chrony sets the clock; Python 2.7 has nothing else.
monotonic_seconds = getattr(time, "monotonic", time.time)
# The text that is stored, in blocks of BLOCK bytes, and searched for on the node's devices.
TEXT = "written-by-" + uuid.uuid4().hex
BLOCK = 65536


def timeout_factor():
    """Return the factor for timeouts; above 1 on an emulated node."""
    try:
        process = subprocess.Popen(["systemd-detect-virt"], stdout=subprocess.PIPE)
    except OSError:
        return 1
    return 5 if process.communicate()[0].strip() in (b"uml", b"qemu") else 1


TIMEOUT_FACTOR = timeout_factor()


class Failed(Exception):
    """A case failed; the message says what was observed and where to look."""


class Skip(Exception):
    """A case cannot be tried in this cloud; the message says why."""


def may_pass(error, has_answered):
    """Return whether an API's error may pass by waiting.

    Services that start or are busy give 5xx, 409 and 429, and 404 for what is not there yet: ``has_answered`` says that
    it was there. Any other 4xx, such as a wrong password or a full quota, is the answer to the next try too.
    """
    if isinstance(error, exceptions.ConnectFailure):
        return True
    code = getattr(error, "http_status", None) or 0
    return code >= 500 or code in (409, 429) or (code == 404 and not has_answered)


class Smoke(object):
    """The administrator's session and what the cases have created.

    ``created`` maps short names to the ids of what was created so far.
    """

    def __init__(self, task):
        """Prepare the administrator's session; it logs in with its first request.

        ``task`` is the input from packstack-lite, a dict: ``api`` (auth_url, user, password, project, region) and
        what the cases need.
        """
        self.task = task
        api = task["api"]
        self.session = self.make_session(api["user"], api["password"], api["project"])
        self.created = {}
        # The outcome of each case that has ended, by its name.
        self.outcomes = {}
        self.keys = tempfile.mkdtemp(prefix="packstack-lite-smoke.")
        self.clients = {}

    def make_session(self, user, password, project):
        """Return a session of a user of a project, both of the domain Default.

        It logs in with its first request.
        """
        auth = v3.Password(
            auth_url=self.task["api"]["auth_url"],
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )
        return session.Session(auth, timeout=60 * TIMEOUT_FACTOR)

    def client(self, service):
        """Return the API client of a service by its type in the catalog.

        Raises Failed without such an endpoint.
        """
        if service not in self.clients:
            # uwsgi's http-socket closes connections without "Connection: close"; a reused one would be reset.
            client = adapter.Adapter(
                self.session,
                service_type=service,
                interface="public",
                region_name=self.task["api"]["region"],
                additional_headers={"Connection": "close"},
                connect_retries=3,
            )
            suffix = {"network": "/v2.0", "image": "/v2"}.get(service, "")
            base = (client.get_endpoint() or "").rstrip("/")
            if not base:
                raise Failed("the catalog has no public endpoint of type %s" % service)
            client.endpoint_override = base if base.endswith(suffix) else base + suffix
            self.clients[service] = client
        return self.clients[service]

    def get(self, service, path):
        """Send a GET request and return the reply's JSON.

        ``service`` is the type in the catalog. This and the other methods raise keystoneauth's errors for HTTP errors.
        """
        return self.client(service).get(path).json()

    def post(self, service, path, body):
        """Send ``body`` as JSON in a POST request; return the reply (requests.Response)."""
        return self.client(service).post(path, json=body)

    def delete(self, service, path):
        """Delete a path; return False if it does not exist."""
        try:
            self.client(service).delete(path)
        except exceptions.NotFound:
            return False
        return True

    def has(self, service):
        """Return whether the catalog has a service of this type."""
        access = self.session.auth.get_access(self.session)
        return any(entry["type"] == service for entry in access.service_catalog.catalog)

    def list_own(self, service, path, key):
        """List the entries named smoke-*, those of earlier runs included.

        ``key`` is the one that holds the list in the reply's JSON.
        """
        return [entry for entry in self.get(service, path)[key] if entry["name"].startswith("smoke-")]

    def put(self, service, path, **arguments):
        """Send a PUT request and return the reply (requests.Response).

        ``arguments`` are those of requests, such as ``data`` and ``headers``.
        """
        return self.client(service).put(path, **arguments)

    def wait(self, failure, seconds, probe):
        """Call probe(), which returns (is_done, state), until it is done.

        Return the last state. After ``seconds``, raise Failed with the failure and the last state. An error that cannot
        pass ends the wait at once: an API's (``may_pass``), and a Failed that the probe raises.
        """
        seconds *= TIMEOUT_FACTOR
        deadline = monotonic_seconds() + seconds
        has_answered = False
        while True:
            try:
                is_done, state = probe()
                has_answered = True
            except exceptions.ClientException as error:
                if not may_pass(error, has_answered):
                    raise
                is_done, state = False, short_error(error)
            if is_done:
                return state
            if monotonic_seconds() > deadline:
                raise Failed("%s after %d s: %s" % (failure, seconds, state))
            time.sleep(0.5)


def run(argv):
    """Run a command; return whether it succeeded, and the end of its output.

    The output includes standard error; its end is 200 characters.
    """
    code, output = run_for_code(argv)
    return code == 0, output


def run_for_code(argv):
    """Run a command; return its exit code, and the end of its output as ``run`` does."""
    with open(os.devnull) as empty:
        process = subprocess.Popen(argv, stdin=empty, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate()[0].decode("utf-8", "replace").strip()
    return process.returncode, output[-200:]


def run_ssh(smoke, command):
    """Run a command in the test instance over SSH, once: a failure is not retried.

    The instance is the one at ``smoke.address``. Return whether it succeeded, and the end of its output. Raises Failed
    for an error of ssh itself that the next try would give again.
    """
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
    code, output = run_for_code(argv)
    if code == 255 and any(error in output for error in PERMANENT_SSH_ERRORS):
        raise Failed("ssh cannot log in: %s" % output)
    return code == 0, output


def error_text(error):
    """Return an error's message as text.

    Those of Python 2 itself are bytes, which it would decode as ASCII.
    """
    try:
        return getattr(error, "__unicode__", error.__str__)()
    except UnicodeError:
        return str(error).decode("utf-8", "replace")


def short_error(error):
    """Return an error's message on one line.

    Keystoneauth does not include the text of some Nova errors.
    """
    message = error_text(error)
    response = getattr(error, "response", None)
    if response is not None and "Unrecognized schema" in message:
        message += " " + response.text
    return " ".join(message.split())[:400]
