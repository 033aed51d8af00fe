# mypy: ignore-errors
"""Read a volume from its backend on the node, not through Cinder.

Used by smoke_volumes. Python 2.7 and 3.
"""

from __future__ import print_function

import subprocess

from smoke_session import BLOCK, TEXT, Failed


def backend_contains_text(smoke, identity):
    """Return whether the backend's data of a volume contain TEXT.

    The data are read with the node's own tools.
    """
    kind = smoke.task["volumes"]["kind"]
    if kind == "ceph":
        ceph = smoke.task["volumes"]
        source = ["rbd", "--conf", ceph["conf"], "--id", ceph["user"], "export"]
        source += ["--export-format", "2", "--no-progress", "%s/volume-%s" % (ceph["pool"], identity), "-"]
    elif kind == "lvm":
        source = ["cat", "/dev/%s/volume-%s" % (smoke.task["volumes"]["group"], identity)]
    else:
        source = ["find", "/var/lib/cinder/mnt", "-name", "volume-%s*" % identity, "-exec", "cat", "{}", "+"]
    reader = subprocess.Popen(source, stdout=subprocess.PIPE)
    is_found = stream_contains(reader.stdout, TEXT.encode())
    if reader.wait() != 0:
        raise Failed("the volume cannot be read on the node: %s ends with %d" % (source[0], reader.returncode))
    return is_found


def stream_contains(stream, text):
    """Return whether a stream contains the text; read it to its end, block by block.

    grep would hold an empty volume in memory, because to it the zeros are one long line.
    """
    is_found, previous_end = False, b""
    block = stream.read(BLOCK)
    while block:
        is_found = is_found or text in previous_end + block
        previous_end = block[-len(text) :]
        block = stream.read(BLOCK)
    return is_found
