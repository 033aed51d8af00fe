# mypy: ignore-errors
"""The smoke test's cases for secrets and objects. Python 2.7 and 3."""

from __future__ import print_function

import hashlib
import hmac
import time

import requests
from smoke_session import BLOCK, NAME, TEXT, Failed

DATA = TEXT.encode() * (BLOCK // len(TEXT))
PLAIN = {"Accept": "text/plain"}


def other_project(smoke):
    """A user of another project, who may make secrets of his own; one for all cases."""
    if "project" not in smoke.made:
        project = smoke.post("identity", "/projects", {"project": {"name": NAME}}).json()["project"]
        smoke.made["project"] = project["id"]
        body = {"name": NAME, "password": TEXT, "default_project_id": project["id"]}
        user = smoke.post("identity", "/users", {"user": body}).json()["user"]
        for role in smoke.get("identity", "/roles")["roles"]:
            if role["name"] in ("member", "creator"):
                path = "/projects/%s/users/%s/roles/%s" % (project["id"], user["id"], role["id"])
                smoke.put("identity", path)
    return smoke.login(NAME, TEXT, NAME)


def secret(smoke):
    """A secret comes back as it was stored, and nobody of another project gets it."""
    body = {"name": NAME, "payload": TEXT, "payload_content_type": "text/plain"}
    reference = smoke.post("key-manager", "/v1/secrets", body).json()["secret_ref"]
    path = "/v1/secrets/" + reference.rsplit("/", 1)[1]
    payload = smoke.client("key-manager").get(path + "/payload", headers=PLAIN).text
    if payload != TEXT:
        raise Failed("another text came back; see /var/log/barbican")
    url = smoke.client("key-manager").endpoint_override + path
    stranger = other_project(smoke)
    for asked in (url, url + "/payload"):
        code = stranger.get(asked, headers=dict(PLAIN, Connection="close"), raise_exc=False).status_code
        if code != 403:
            raise Failed("another project's user is answered %d for %s, not 403" % (code, asked))
    smoke.delete("key-manager", path)
    code = smoke.client("key-manager").get(path, raise_exc=False).status_code
    if code != 404:
        raise Failed("the deleted secret is answered with %d, not 404" % code)
    return "stored, read, refused to another project, deleted"


def secrets_of(smoke):
    return {entry["secret_ref"] for entry in smoke.get("key-manager", "/v1/secrets?limit=1000")["secrets"]}


def objects(smoke):
    """An object goes up, is listed, comes down whole and in part, by URL alone, and for nobody without one."""
    store = smoke.client("object-store")
    store.put("/" + NAME, headers={"X-Container-Meta-Temp-URL-Key": TEXT})
    path = "/%s/%s" % (NAME, "an object")
    etag = store.put(path, data=DATA).headers["Etag"].strip('"')
    if etag != hashlib.md5(DATA).hexdigest():
        raise Failed("Swift has stored something else: its checksum is %s" % etag)
    listed = [(entry["name"], entry["bytes"]) for entry in store.get("/%s?format=json" % NAME).json()]
    if listed != [("an object", len(DATA))]:
        raise Failed("the container lists %s" % listed)
    if store.get(path).content != DATA:
        raise Failed("another content came back; see journalctl -u swift-object")
    part = store.get(path, headers={"Range": "bytes=10-99"})
    if (part.status_code, part.content) != (206, DATA[10:100]):
        raise Failed("a range of 90 bytes is answered %d with %d bytes" % (part.status_code, len(part.content)))
    by_url = requests.get(temporary(store.endpoint_override, path), timeout=30)
    if by_url.status_code != 200 or by_url.content != DATA:
        raise Failed("the temporary URL is answered %d" % by_url.status_code)
    code = requests.get(store.endpoint_override + path, timeout=30).status_code
    if code != 401:
        raise Failed("without a token the object is answered %d, not 401" % code)
    return "%d bytes up, listed, down, by range, by temporary URL" % len(DATA)


def temporary(base, path):
    """A URL that lets whoever knows it read the object for a minute (Swift's tempurl middleware)."""
    expires = int(time.time()) + 60
    where = "/" + base.split("://", 1)[1].split("/", 1)[1] + path
    signed = "GET\n%d\n%s" % (expires, where)
    signature = hmac.new(TEXT.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return "%s%s?temp_url_sig=%s&temp_url_expires=%d" % (base, path, signature, expires)


def clean_objects(smoke):
    store = smoke.client("object-store")
    for container in [entry["name"] for entry in store.get("?format=json").json() or []]:
        if container.startswith("smoke-"):
            for entry in store.get("/%s?format=json" % container).json():
                smoke.delete("object-store", "/%s/%s" % (container, entry["name"]))
            smoke.delete("object-store", "/" + container)


def clean_secrets(smoke):
    for entry in smoke.get("key-manager", "/v1/secrets?limit=1000")["secrets"]:
        if (entry["name"] or "").startswith("smoke-"):
            smoke.delete("key-manager", "/v1/secrets/" + entry["secret_ref"].rsplit("/", 1)[1])
    for path, key in (("/users", "users"), ("/projects", "projects")):
        for entry in smoke.get("identity", path)[key]:
            if entry["name"].startswith("smoke-"):
                smoke.delete("identity", "%s/%s" % (path, entry["id"]))
