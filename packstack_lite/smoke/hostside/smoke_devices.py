# mypy: ignore-errors
"""What the host keeps of a volume, looked at from below. Python 2.7 and 3."""

from __future__ import print_function

import subprocess

from smoke_session import BLOCK, TEXT, Failed


def found_on_host(smoke, identity):
    """Whether TEXT can be read off what the host keeps of a volume, with the host's own tools."""
    kind = smoke.task["volumes"]["kind"]
    if kind == "ceph":
        told = smoke.task["volumes"]
        source = ["rbd", "--conf", told["conf"], "--id", told["user"], "export"]
        source += ["--export-format", "2", "--no-progress", "%s/volume-%s" % (told["pool"], identity), "-"]
    elif kind == "lvm":
        source = ["cat", "/dev/%s/volume-%s" % (smoke.task["volumes"]["group"], identity)]
    else:
        source = ["find", "/var/lib/cinder/mnt", "-name", "volume-%s*" % identity, "-exec", "cat", "{}", "+"]
    reader = subprocess.Popen(source, stdout=subprocess.PIPE)
    found = appears(reader.stdout, TEXT.encode())
    if reader.wait() != 0:
        raise Failed("the volume cannot be read on the host: %s ends with %d" % (source[0], reader.returncode))
    return found


def appears(stream, text):
    """Whether the text is in a stream, which is read to its end; block by block, as an empty volume is one line of
    zeros to grep, as long as the volume, and that line is kept in memory whole."""
    found, before = False, b""
    block = stream.read(BLOCK)
    while block:
        found = found or text in before + block
        before = block[-len(text) :]
        block = stream.read(BLOCK)
    return found
