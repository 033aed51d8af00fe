"""One answer file becomes a working all-in-one OpenStack on a host reached over SSH."""

__version__ = "0.1.0"
