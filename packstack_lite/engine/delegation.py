"""A host on which something is done for another one."""

from __future__ import annotations

from packstack_lite.remote.connection_proxy import ConnectionProxy


class DelegatedConnection(ConnectionProxy):
    """The host, by the ``name`` of the one that it is done for: changes are told as that one's."""

    def close(self) -> None:
        """Not ours to close."""

    def abort(self) -> None:
        """Not ours to end."""
