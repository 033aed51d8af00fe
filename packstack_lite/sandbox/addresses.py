"""A sandbox's addresses and interface names, derived from two numbers.

Pure; a base class of ``model.Record``.
"""

from __future__ import annotations

# The last octet of the first node's address; the other nodes of the segment count up from it.
FIRST_HOST_OCTET = 10


class Addresses:
    """Derive networks, addresses and interfaces from ``number`` and ``member``.

    All are in 198.18.0.0/15 (RFC 2544).

    ``number`` (1 to 127) stands for the management network; ``member`` counts the nodes of a segment from 1, and is 0
    for a single node.
    """

    number: int
    segment: str
    member: int

    @property
    def local_interface(self) -> str:
        """This machine's end of the sandbox's virtual cable.

        It has at most 15 characters and is unique on this machine.
        """
        return f"{self.management_interface}-{self.member}" if self.segment else self.management_interface

    @property
    def management_interface(self) -> str:
        """This machine's interface on the management network.

        A segment has a bridge, a single node its cable's end.
        """
        return f"plsandbox{self.number}"

    @property
    def tunnel_bridge(self) -> str:
        """The bridge between the second interfaces of a segment's nodes.

        This machine has no address there.
        """
        return f"pltunnel{self.number}"

    @property
    def local_tunnel_interface(self) -> str:
        """This machine's end of the second cable, "" for a single node, which has none."""
        return f"{self.tunnel_bridge}-{self.member}" if self.segment else ""

    @property
    def management_network(self) -> str:
        """The network that this machine and the node share, for SSH and the cloud's APIs."""
        return f"198.18.{2 * self.number - 1}.0/24"

    @property
    def gateway(self) -> str:
        """This machine's address on the management network: the sandbox's default route."""
        return f"198.18.{2 * self.number - 1}.1"

    @property
    def address(self) -> str:
        """The node's address on the management network."""
        return f"198.18.{2 * self.number - 1}.{FIRST_HOST_OCTET + max(self.member - 1, 0)}"

    @property
    def first_address(self) -> str:
        """The address of the segment's first node.

        The external network is routed to it.
        """
        return f"198.18.{2 * self.number - 1}.{FIRST_HOST_OCTET}"

    @property
    def tunnel_address(self) -> str:
        """The address of the second interface, "" for a single node, which has none."""
        return f"198.19.{self.number}.{FIRST_HOST_OCTET + self.member - 1}" if self.segment else ""

    @property
    def external_network(self) -> str:
        """The network for floating addresses, which this machine routes to the sandbox."""
        return f"198.18.{2 * self.number}.0/24"
