# mypy: ignore-errors
"""Smoke cases for secrets (Barbican) and objects (Swift).

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import hashlib
import hmac
import time

import requests
from smoke_session import BLOCK, NAME, TEXT, Failed

DATA = TEXT.encode() * (BLOCK // len(TEXT))
PLAIN = {"Accept": "text/plain"}


def login_to_other_project(smoke):
    """Return a session of a user of another project, who may create secrets.

    The project is created once.
    """
    if "project" not in smoke.created:
        project = smoke.post("identity", "/projects", {"project": {"name": NAME}}).json()["project"]
        smoke.created["project"] = project["id"]
        body = {"name": NAME, "password": TEXT, "default_project_id": project["id"]}
        smoke.created["user"] = smoke.post("identity", "/users", {"user": body}).json()["user"]["id"]
        grant_roles(smoke, "member", "creator")
    return smoke.make_session(NAME, TEXT, NAME)


def grant_roles(smoke, *names):
    """Give those of the roles that exist to the user of the other project."""
    for role in smoke.get("identity", "/roles")["roles"]:
        if role["name"] in names:
            path = "/projects/%s/users/%s/roles/%s" % (smoke.created["project"], smoke.created["user"], role["id"])
            smoke.put("identity", path)


def secret(smoke):
    """Store and read a secret; a user of another project is refused."""
    body = {"name": NAME, "payload": TEXT, "payload_content_type": "text/plain"}
    reference = smoke.post("key-manager", "/v1/secrets", body).json()["secret_ref"]
    path = "/v1/secrets/" + reference.rsplit("/", 1)[1]
    payload = smoke.client("key-manager").get(path + "/payload", headers=PLAIN).text
    if payload != TEXT:
        raise Failed("another text came back; see /var/log/barbican")
    url = smoke.client("key-manager").endpoint_override + path
    other_session = login_to_other_project(smoke)
    for secret_url in (url, url + "/payload"):
        code = other_session.get(secret_url, headers=dict(PLAIN, Connection="close"), raise_exc=False).status_code
        if code != 403:
            raise Failed("another project's user is answered %d for %s, not 403" % (code, secret_url))
    smoke.delete("key-manager", path)
    code = smoke.client("key-manager").get(path, raise_exc=False).status_code
    if code != 404:
        raise Failed("the deleted secret is answered with %d, not 404" % code)
    return "stored, read, refused to another project, deleted"


def list_secret_refs(smoke):
    """Return the references of all secrets of the project."""
    return {entry["secret_ref"] for entry in smoke.get("key-manager", "/v1/secrets?limit=1000")["secrets"]}


def objects(smoke):
    """Upload, list and download an object.

    Whole, by range, by temporary URL, and refused without a token. Another project's user needs the role ResellerAdmin.
    """
    store = smoke.client("object-store")
    store.put("/" + NAME, headers={"X-Container-Meta-Temp-URL-Key": TEXT})
    path = "/%s/%s" % (NAME, "an object")
    etag = store.put(path, data=DATA).headers["Etag"].strip('"')
    if etag != hashlib.md5(DATA).hexdigest():
        raise Failed("Swift has stored something else: its checksum is %s" % etag)
    listing = [(entry["name"], entry["bytes"]) for entry in store.get("/%s?format=json" % NAME).json()]
    if listing != [("an object", len(DATA))]:
        raise Failed("the container lists %s" % listing)
    if store.get(path).content != DATA:
        raise Failed("another content came back; see journalctl -u swift-object")
    part = store.get(path, headers={"Range": "bytes=10-99"})
    if (part.status_code, part.content) != (206, DATA[10:100]):
        raise Failed("a range of 90 bytes is answered %d with %d bytes" % (part.status_code, len(part.content)))
    reply = requests.get(sign_temporary_url(store.endpoint_override, path), timeout=30)
    if reply.status_code != 200 or reply.content != DATA:
        raise Failed("the temporary URL is answered %d" % reply.status_code)
    code = requests.get(store.endpoint_override + path, timeout=30).status_code
    if code != 401:
        raise Failed("without a token the object is answered %d, not 401" % code)
    url = store.endpoint_override + path
    for role, expected_code in (("member", 403), ("ResellerAdmin", 200)):
        session = login_to_other_project(smoke)
        grant_roles(smoke, role)
        code = session.get(url, headers={"Connection": "close"}, raise_exc=False).status_code
        if code != expected_code:
            message = "another project's user with the role %s is answered %d, not %d"
            raise Failed(message % (role, code, expected_code))
    return "%d bytes up, listed, down, by range, by temporary URL, by ResellerAdmin" % len(DATA)


def sign_temporary_url(base, path):
    """Return a URL of an object that needs no token and is valid for a minute.

    Source: Swift's middleware tempurl.
    """
    expires = int(time.time()) + 60
    object_path = "/" + base.split("://", 1)[1].split("/", 1)[1] + path
    message = "GET\n%d\n%s" % (expires, object_path)
    signature = hmac.new(TEXT.encode(), message.encode(), hashlib.sha256).hexdigest()
    return "%s%s?temp_url_sig=%s&temp_url_expires=%d" % (base, path, signature, expires)


def clean_objects(smoke):
    """Delete the containers named smoke-* with their objects."""
    store = smoke.client("object-store")
    for container in [entry["name"] for entry in store.get("?format=json").json() or []]:
        if container.startswith("smoke-"):
            for entry in store.get("/%s?format=json" % container).json():
                smoke.delete("object-store", "/%s/%s" % (container, entry["name"]))
            smoke.delete("object-store", "/" + container)


def clean_secrets(smoke):
    """Delete the secrets named smoke-*."""
    for entry in smoke.get("key-manager", "/v1/secrets?limit=1000")["secrets"]:
        if (entry["name"] or "").startswith("smoke-"):
            smoke.delete("key-manager", "/v1/secrets/" + entry["secret_ref"].rsplit("/", 1)[1])


def clean_logins(smoke):
    """Delete the users and projects named smoke-*."""
    for path, key in (("/users", "users"), ("/projects", "projects")):
        for entry in smoke.get("identity", path)[key]:
            if entry["name"].startswith("smoke-"):
                smoke.delete("identity", "%s/%s" % (path, entry["id"]))


CASES = (
    (secret, ("token",)),
    (objects, ("token",)),
)
CLEANERS = (
    ("identity", clean_logins),
    ("key-manager", clean_secrets),
    ("object-store", clean_objects),
)
