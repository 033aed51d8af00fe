"""Deploy an OpenStack cloud from one answer file on nodes reached over SSH."""

__version__ = "0.1.0"
