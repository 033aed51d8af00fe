"""Images as API objects: where their content comes from, and its upload.

Part of the program cloud_api. Python 2.7 and 3.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
# ruff: noqa: B904
from __future__ import print_function

import json
import os
import tempfile

from cloud_objects import ObjectType
from cloud_session import Absent, Impossible, one_line

try:
    from urllib.request import ProxyHandler, build_opener
except ImportError:
    from urllib2 import ProxyHandler, build_opener

# Seconds that the socket of an upload may be silent.
UPLOAD_TIMEOUT = 900
JSON_PATCH = "application/openstack-images-v2.1-json-patch"


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
    """Download a URL into an open file, through the proxy's URL if there is one.

    Raises Impossible when the connection ends early.
    """
    # Without a proxy, that of the environment.
    handlers = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    reply = build_opener(*handlers).open(source, timeout=60)
    for block in iter(lambda: reply.read(1 << 20), b""):
        target.write(block)
    length = reply.headers.get("Content-Length")
    if length and int(length) != target.tell():
        raise Impossible("received %d of %s bytes" % (target.tell(), length))
