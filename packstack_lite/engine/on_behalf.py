"""A host on which something is done for another one."""

from __future__ import annotations

from packstack_lite.remote.through import Through


class OnBehalf(Through):
    """The host, by the ``name`` of the one that it is done for: changes are told as that one's."""

    def close(self) -> None:
        """Not ours to close."""

    def end(self) -> None:
        """Not ours to end."""
