"""A sandbox's addresses, and the names of its interfaces on this machine: all of them follow from two numbers. Pure."""

from __future__ import annotations

# The last part of the first host's address; the others of its segment follow.
FIRST_HOST_OCTET = 10


class Addresses:
    """``number`` is the management network's; ``member`` counts a segment's hosts from 1, 0 for a host that is alone.

    Addresses come from 198.18.0.0/15 (RFC 2544).
    """

    number: int
    segment: str
    member: int

    @property
    def local_interface(self) -> str:
        """The machine's end of the virtual cable; at most 15 characters, unique by number and member."""
        return f"{self.management_interface}-{self.member}" if self.segment else self.management_interface

    @property
    def management_interface(self) -> str:
        """The machine's interface on the management network: a bridge for a segment, the cable's end for one host."""
        return f"plsandbox{self.number}"

    @property
    def tunnel_bridge(self) -> str:
        """The bridge between the second interfaces of a segment; this machine has no address there."""
        return f"pltunnel{self.number}"

    @property
    def local_tunnel_interface(self) -> str:
        """The machine's end of the second cable, "" where there is none."""
        return f"{self.tunnel_bridge}-{self.member}" if self.segment else ""

    @property
    def management_network(self) -> str:
        """The management network."""
        return f"198.18.{2 * self.number - 1}.0/24"

    @property
    def gateway(self) -> str:
        """The machine's own address on the management network."""
        return f"198.18.{2 * self.number - 1}.1"

    @property
    def address(self) -> str:
        """The sandbox's address on the management network."""
        return f"198.18.{2 * self.number - 1}.{FIRST_HOST_OCTET + max(self.member - 1, 0)}"

    @property
    def first_address(self) -> str:
        """The address to which the network for floating addresses is routed: the segment's first host."""
        return f"198.18.{2 * self.number - 1}.{FIRST_HOST_OCTET}"

    @property
    def tunnel_address(self) -> str:
        """The second interface's address, "" where there is none."""
        return f"198.19.{self.number}.{FIRST_HOST_OCTET + self.member - 1}" if self.segment else ""

    @property
    def external_network(self) -> str:
        """The network for floating addresses, which the machine routes to the sandbox."""
        return f"198.18.{2 * self.number}.0/24"
