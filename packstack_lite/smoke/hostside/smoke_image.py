# mypy: ignore-errors
"""Smoke case for the image of the test's instances: uploaded, downloaded or found.

Used by smoke_cloud. Python 2.7 and 3.
"""

from __future__ import print_function

import os
import tempfile

import requests
from smoke_session import NAME, Failed, short_error

QCOW2_MAGIC = b"QFI\xfb"


def download_proxies(answer, environment):
    """Return the proxies of a download, as requests takes them.

    ``answer`` is CONFIG_HTTP_PROXY; without it, those of the node's environment count.
    """
    if answer:
        return {"http": answer, "https": answer}
    return {name.lower()[: -len("_proxy")]: value for name, value in environment.items()}


def image(smoke):
    """Upload the answers' image to Glance, or use one that is there.

    A file on this node is uploaded. A URL is fetched only if Glance has no image of the answers' name. Its id goes into
    ``smoke.created``. Raises Failed if there is no image at all.
    """
    source = smoke.task["image"]["source"]
    path = source[len("file://") :] if source.startswith("file://") else source
    if path.startswith("/") and os.path.isfile(path):
        return upload(smoke, path)
    stored = find_images(smoke, smoke.task["image"]["name"])
    reason = "%s is no file on this node" % path
    if not stored and not path.startswith("/"):
        path, reason = download(source, smoke.proxies)
        if path:
            try:
                return "downloaded, %s" % upload(smoke, path)
            finally:
                os.unlink(path)
    # Any other one is better than none; the smallest boots fastest.
    stored = stored or find_images(smoke)
    if not stored:
        raise Failed(
            "there is no image to boot: %s, and Glance has none; put one on the node and add"
            " --set CONFIG_PROVISION_IMAGE_URL=PATH (or a URL that the node reaches)" % reason
        )
    smoke.created["image"] = stored[0]["id"]
    return "%s, which Glance has: %.1f MiB" % (stored[0]["name"], (stored[0].get("size") or 0) / 1048576.0)


def find_images(smoke, name=""):
    """Return Glance's active images, smallest first; ``name`` selects by name."""
    path = "/images?status=active&limit=1000"
    entries = smoke.get("image", path)["images"]
    # An image of parts boots from its kernel, which has a format of its own.
    bootable = [entry for entry in entries if entry.get("disk_format") in ("qcow2", "raw")]
    named = [entry for entry in bootable if not name or entry["name"] == name]
    return sorted(named, key=lambda entry: entry.get("size") or 0)


def download(url, proxies):
    """Download a URL; return the path of a temporary file, or None and the reason."""
    handle, path = tempfile.mkstemp(prefix="packstack-lite-smoke.", dir="/var/tmp")
    try:
        with os.fdopen(handle, "wb") as target:
            reply = requests.get(url, stream=True, timeout=60, proxies=proxies)
            reply.raise_for_status()
            for block in reply.iter_content(1 << 20):
                target.write(block)
        length = reply.headers.get("Content-Length")
        if length and int(length) != os.path.getsize(path):
            raise ValueError("received %d of %s bytes" % (os.path.getsize(path), length))
    except (requests.RequestException, EnvironmentError, ValueError) as error:
        os.unlink(path)
        return None, "%s cannot be downloaded: %s" % (url, short_error(error))
    return path, ""


def upload(smoke, path):
    """Upload a file to Glance as the test's image; return its size as text."""
    with open(path, "rb") as data:
        disk_format = "qcow2" if data.read(4) == QCOW2_MAGIC else "raw"
    body = {"name": NAME, "disk_format": disk_format, "container_format": "bare", "visibility": "private"}
    new_image = smoke.post("image", "/images", body).json()
    smoke.created["image"] = new_image["id"]
    with open(path, "rb") as data:
        smoke.put(
            "image",
            "/images/%s/file" % new_image["id"],
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )
    stored = smoke.get("image", "/images/" + new_image["id"])
    if stored["status"] != "active" or stored["size"] != os.path.getsize(path):
        raise Failed("the image is %s with %s bytes; see /var/log/glance" % (stored["status"], stored["size"]))
    return "%.1f MiB" % (stored["size"] / 1048576.0)
