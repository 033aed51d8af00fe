"""Ceph's Python module "rados" for the CPython of the el7 test host: the part that Train's services use.

Debian's module is compiled for another Python. This one calls the same library, librados, through ctypes.
"""

import ctypes
import errno as numbers
import os

_library = ctypes.CDLL("librados.so.2")
_SIZE = 4096


class Error(Exception):
    """An error of librados; ``errno`` is a number above 0."""

    def __init__(self, message, errno=None):
        super().__init__(message, errno)
        self.errno = errno

    def __str__(self):
        return "[errno %s] %s" % (self.errno, self.args[0])


class ObjectNotFound(Error):
    """There is no such object, pool or file."""


class TimedOut(Error):
    """The cluster did not answer in time."""


class PermissionDeniedError(Error):
    """The user lacks the permission."""


_ERRORS = {
    numbers.ENOENT: ObjectNotFound,
    numbers.ETIMEDOUT: TimedOut,
    numbers.EPERM: PermissionDeniedError,
    numbers.EACCES: PermissionDeniedError,
}


def text(word):
    """Encode a str for C; bytes and None stay as they are."""
    return word.encode() if isinstance(word, str) else word


def check(code, action):
    """Return a result code of librados; raise Error, with the action, for a negative one."""
    if code < 0:
        raise _ERRORS.get(-code, Error)("error %s: %s" % (action, os.strerror(-code)), -code)
    return code


class Ioctx:
    """An open pool."""

    def __init__(self, name, handle):
        self.name = name
        self.io = handle

    def close(self):
        if self.io:
            _library.rados_ioctx_destroy(self.io)
            self.io = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class Rados:
    """A connection to a cluster."""

    def __init__(self, rados_id=None, name=None, clustername=None, conffile=None, conf=None):
        self.handle = ctypes.c_void_p()
        user = name or "client." + (rados_id or "admin")
        code = _library.rados_create2(
            ctypes.byref(self.handle), text(clustername or "ceph"), text(user), ctypes.c_uint64(0)
        )
        check(code, "creating a client")
        check(_library.rados_conf_read_file(self.handle, text(conffile or None)), "reading %s" % conffile)
        for key, value in (conf or {}).items():
            self.conf_set(key, value)

    def conf_set(self, key, value):
        check(_library.rados_conf_set(self.handle, text(key), text(value)), "setting %s" % key)

    def conf_get(self, key):
        buffer = ctypes.create_string_buffer(_SIZE)
        code = _library.rados_conf_get(self.handle, text(key), buffer, ctypes.c_size_t(_SIZE))
        if code == -numbers.ENOENT:
            return None
        check(code, "reading %s" % key)
        return buffer.value.decode()

    def connect(self, timeout=0):
        if timeout:
            self.conf_set("client_mount_timeout", str(timeout))
        check(_library.rados_connect(self.handle), "connecting to the cluster")

    def shutdown(self):
        if self.handle:
            _library.rados_shutdown(self.handle)
            self.handle = None

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, *exc_info):
        self.shutdown()

    def open_ioctx(self, pool):
        handle = ctypes.c_void_p()
        check(_library.rados_ioctx_create(self.handle, text(pool), ctypes.byref(handle)), "opening pool %s" % pool)
        return Ioctx(pool, handle)

    def get_fsid(self):
        buffer = ctypes.create_string_buffer(_SIZE)
        check(_library.rados_cluster_fsid(self.handle, buffer, ctypes.c_size_t(_SIZE)), "reading the cluster's id")
        return buffer.value

    def mon_command(self, command, given, timeout=0):
        """Send a command (JSON) to the monitors; return (code, output, status)."""
        commands = (ctypes.c_char_p * 1)(text(command))
        out, status = ctypes.c_void_p(), ctypes.c_void_p()
        sizes = ctypes.c_size_t(), ctypes.c_size_t()
        code = _library.rados_mon_command(
            self.handle,
            commands,
            ctypes.c_size_t(1),
            text(given),
            ctypes.c_size_t(len(given)),
            ctypes.byref(out),
            ctypes.byref(sizes[0]),
            ctypes.byref(status),
            ctypes.byref(sizes[1]),
        )
        texts = [ctypes.string_at(buffer, size.value) if buffer else b"" for buffer, size in zip((out, status), sizes)]
        for buffer in (out, status):
            if buffer:
                _library.rados_buffer_free(buffer)
        return code, texts[0], texts[1].decode()
