"""Ceph's Python module "rbd" for the el7 test host's CPython: the part that Train's services use (see rados.py)."""

import ctypes
import errno as numbers
import os

from rados import text

_library = ctypes.CDLL("librbd.so.1")
for _name in ("rbd_read", "rbd_write"):
    getattr(_library, _name).restype = ctypes.c_ssize_t
_SIZE = 4096

RBD_FEATURE_LAYERING = 1
RBD_FEATURE_STRIPINGV2 = 2
RBD_FEATURE_EXCLUSIVE_LOCK = 4
RBD_FEATURE_OBJECT_MAP = 8
RBD_FEATURE_FAST_DIFF = 16
RBD_FEATURE_DEEP_FLATTEN = 32
RBD_FEATURE_JOURNALING = 64
RBD_OPERATION_FEATURE_CLONE_PARENT = 1


class Error(Exception):
    """An error of librbd; ``errno`` is a number above 0."""

    def __init__(self, message, errno=None):
        super().__init__(message, errno)
        self.errno = errno

    def __str__(self):
        return "[errno %s] %s" % (self.errno, self.args[0])


class OSError(Error):
    """An error that has a number."""


class ImageNotFound(OSError):
    """There is no such image or snapshot."""


class ImageExists(OSError):
    """There is one already."""


class ImageBusy(OSError):
    """It is open elsewhere, or has clones."""


class ImageHasSnapshots(OSError):
    """It has snapshots."""


class InvalidArgument(OSError):
    """An argument is not valid for this image."""


class PermissionError(OSError):
    """The user lacks the permission."""


class ReadOnlyImage(OSError):
    """It cannot be written."""


class FunctionNotSupported(OSError):
    """The image's features do not support it."""


_ERRORS = {
    numbers.ENOENT: ImageNotFound,
    numbers.EEXIST: ImageExists,
    numbers.EBUSY: ImageBusy,
    numbers.ENOTEMPTY: ImageHasSnapshots,
    numbers.EINVAL: InvalidArgument,
    numbers.EPERM: PermissionError,
    numbers.EROFS: ReadOnlyImage,
    numbers.EOPNOTSUPP: FunctionNotSupported,
}


def _check(code, action):
    if code < 0:
        raise _ERRORS.get(-code, OSError)("error %s: %s" % (action, os.strerror(-code)), -code)
    return code


def _split_names(buffer, size):
    """Return the names in a buffer, each of which ends with a zero byte."""
    return [name.decode() for name in buffer.raw[:size].split(b"\0") if name]


class RBD:
    """Operations that need no open image."""

    def create(self, ioctx, name, size, order=None, old_format=True, features=None, **others):
        order_value = ctypes.c_int(order or 0)
        size = ctypes.c_uint64(size)
        if old_format:
            code = _library.rbd_create(ioctx.io, text(name), size, ctypes.byref(order_value))
        else:
            feature_bits = ctypes.c_uint64(features or RBD_FEATURE_LAYERING)
            code = _library.rbd_create2(ioctx.io, text(name), size, feature_bits, ctypes.byref(order_value))
        _check(code, "making image %s" % name)

    def clone(self, p_ioctx, p_name, p_snapname, c_ioctx, c_name, features=None, order=None, **others):
        order_value = ctypes.c_int(order or 0)
        feature_bits = ctypes.c_uint64(features or RBD_FEATURE_LAYERING)
        code = _library.rbd_clone(
            *(
                p_ioctx.io,
                text(p_name),
                text(p_snapname),
                c_ioctx.io,
                text(c_name),
                feature_bits,
                ctypes.byref(order_value),
            )
        )
        _check(code, "cloning %s@%s" % (p_name, p_snapname))

    def remove(self, ioctx, name):
        _check(_library.rbd_remove(ioctx.io, text(name)), "removing image %s" % name)

    def rename(self, ioctx, old, new):
        _check(_library.rbd_rename(ioctx.io, text(old), text(new)), "renaming image %s" % old)

    def list(self, ioctx):
        size = ctypes.c_size_t(_SIZE)
        while True:
            buffer = ctypes.create_string_buffer(size.value)
            code = _library.rbd_list(ioctx.io, buffer, ctypes.byref(size))
            if code != -numbers.ERANGE:
                return _split_names(buffer, _check(code, "listing images"))


class _Snapshot(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64), ("size", ctypes.c_uint64), ("name", ctypes.c_char_p)]


class Image:
    """An open image."""

    def __init__(self, ioctx, name=None, snapshot=None, read_only=False, **others):
        self.name = name
        self.image = ctypes.c_void_p()
        open_image = _library.rbd_open_read_only if read_only else _library.rbd_open
        code = open_image(ioctx.io, text(name), ctypes.byref(self.image), text(snapshot))
        if code < 0:
            self.image = None
        _check(code, "opening image %s" % name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        if self.image:
            image, self.image = self.image, None
            _check(_library.rbd_close(image), "closing image %s" % self.name)

    def _do(self, function, action, *args):
        return _check(function(self.image, *args), "%s image %s" % (action, self.name))

    def _number(self, function, action):
        value = ctypes.c_uint64()
        self._do(function, action, ctypes.byref(value))
        return value.value

    def size(self):
        return self._number(_library.rbd_get_size, "measuring")

    def features(self):
        return self._number(_library.rbd_get_features, "reading")

    def op_features(self):
        return self._number(_library.rbd_get_op_features, "reading")

    def update_features(self, features, enabled):
        self._do(_library.rbd_update_features, "changing", ctypes.c_uint64(features), ctypes.c_uint8(bool(enabled)))

    def resize(self, size):
        self._do(_library.rbd_resize, "resizing", ctypes.c_uint64(size))

    def flatten(self):
        self._do(_library.rbd_flatten, "flattening")

    def copy(self, ioctx, name, **others):
        self._do(_library.rbd_copy, "copying", ioctx.io, text(name))

    def create_snap(self, name):
        self._do(_library.rbd_snap_create, "making a snapshot of", text(name))

    def remove_snap(self, name):
        self._do(_library.rbd_snap_remove, "removing a snapshot of", text(name))

    def protect_snap(self, name):
        self._do(_library.rbd_snap_protect, "protecting a snapshot of", text(name))

    def unprotect_snap(self, name):
        self._do(_library.rbd_snap_unprotect, "unprotecting a snapshot of", text(name))

    def is_protected_snap(self, name):
        is_protected = ctypes.c_int()
        self._do(_library.rbd_snap_is_protected, "reading", text(name), ctypes.byref(is_protected))
        return is_protected.value == 1

    def set_snap(self, name):
        self._do(_library.rbd_snap_set, "setting a snapshot of", text(name))

    def list_snaps(self):
        capacity = ctypes.c_int(64)
        while True:
            snapshots = (_Snapshot * capacity.value)()
            code = _library.rbd_snap_list(self.image, snapshots, ctypes.byref(capacity))
            if code != -numbers.ERANGE:
                break
        count = _check(code, "listing snapshots of image %s" % self.name)
        rows = [{"id": each.id, "size": each.size, "name": each.name.decode()} for each in snapshots[:count]]
        _library.rbd_snap_list_end(snapshots)
        return rows

    def parent_info(self):
        """Return (pool, image, snapshot) that this image is a clone of."""
        parts = [ctypes.create_string_buffer(_SIZE) for _ in range(3)]
        args = [arg for part in parts for arg in (part, ctypes.c_size_t(_SIZE))]
        self._do(_library.rbd_get_parent_info, "reading the parent of", *args)
        return tuple(part.value.decode() for part in parts)

    def list_children(self):
        """Return [(pool, image)] of the clones of the snapshot that is set."""
        sizes = ctypes.c_size_t(_SIZE), ctypes.c_size_t(_SIZE)
        while True:
            buffers = [ctypes.create_string_buffer(size.value) for size in sizes]
            args = (buffers[0], ctypes.byref(sizes[0]), buffers[1], ctypes.byref(sizes[1]))
            code = _library.rbd_list_children(self.image, *args)
            if code != -numbers.ERANGE:
                break
        _check(code, "listing children of image %s" % self.name)
        return list(zip(*[_split_names(each, size.value) for each, size in zip(buffers, sizes)]))

    def read(self, offset, length):
        buffer = ctypes.create_string_buffer(length)
        start, size = ctypes.c_uint64(offset), ctypes.c_size_t(length)
        count = self._do(_library.rbd_read, "reading", start, size, buffer)
        return buffer.raw[:count]

    def write(self, data, offset):
        start, size = ctypes.c_uint64(offset), ctypes.c_size_t(len(data))
        return self._do(_library.rbd_write, "writing", start, size, bytes(data))

    def flush(self):
        self._do(_library.rbd_flush, "flushing")
