"""The nodes that the port filter lets in.

There is one file per address, so that nodes come and go independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Sequence, Tuple, TypedDict

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, TypedResource
from packstack_lite.resources.shell import require_ok
from packstack_lite.secret import quote_sh

# Files named by address, next to the port filter's script, which reads the directory each time it loads its rules.
PEERS_DIR = "/etc/packstack-lite/peers"
_PROBE_SCRIPT = f"ls -1 {PEERS_DIR} 2>/dev/null; exit 0"
# Rules are loaded in one step. Where the port filter is not in force yet, it reads the files when it starts.
_RELOAD_RULES = r"""
[ ! -f /run/packstack-lite/guard ] || sh %(script)s start
"""
_ALLOW_SCRIPT = (
    f"mkdir -p {PEERS_DIR} && for name in %(names)s; do : > {PEERS_DIR}/$name || exit 1; done" + _RELOAD_RULES
)
_REVOKE_SCRIPT = f"for name in %(names)s; do rm -f {PEERS_DIR}/$name; done" + _RELOAD_RULES

BlockedState = TypedDict("BlockedState", {"shut out": Tuple[str, ...]})
"""Addresses of the node that the port filter does not let in."""
ExtraState = TypedDict("ExtraState", {"let in": Tuple[str, ...]})
"""Addresses that the port filter lets in and that belong to no node."""


@dataclass(frozen=True)
class AllowedPeer(TypedResource[BlockedState]):
    """A node that the port filter lets in, by all its ``addresses``.

    ``attributed_to`` is that node's name; ``filter_script`` is the path of the port filter's script.
    """

    kind: ClassVar[str] = "peer"
    addresses: Tuple[str, ...]
    filter_script: str
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``peer:NODE``, for the node that is let in."""
        return f"peer:{self.attributed_to}"

    def desired(self) -> BlockedState:
        """Return that no address of the node is shut out."""
        return {"shut out": ()}

    @classmethod
    def probe(cls, resources: Sequence["AllowedPeer"]) -> List[Probe[BlockedState]]:
        """Return one probe for all peers: a listing of the addresses that are let in."""

        def parse(reply: Reply) -> Dict[str, Observed[BlockedState]]:
            """Return each peer's addresses that the listing lacks, by resource id."""
            allowed = _parse_listing(reply)
            return {
                peer.id: {"shut out": tuple(address for address in peer.addresses if address not in allowed)}
                for peer in resources
            }

        return [Probe(Command(_PROBE_SCRIPT, description="probe the port filter's peers"), parse)]

    def describe(self, diff: Diff["AllowedPeer"]) -> Description:
        """Describe that internal ports are opened to the node's addresses."""
        return Description(f"open internal ports to {', '.join(self.addresses)}")

    def describe_drift(self, diff: Diff["AllowedPeer"]) -> str:
        """Describe the node's addresses that the port filter blocks."""
        state = diff.state()
        blocked = state["shut out"] if state else self.addresses
        return f"the port filter blocks {', '.join(blocked)} (should not)"

    @classmethod
    def fix(cls, diffs: Sequence[Diff["AllowedPeer"]]) -> List[Action]:
        """Return one command that lets in all these nodes and reloads the port filter."""
        peers = [diff.resource for diff in diffs]
        names = " ".join(quote_sh(address) for peer in peers for address in peer.addresses)
        return [_command(_ALLOW_SCRIPT, names, peers[0].filter_script, "open internal ports to nodes")]


@dataclass(frozen=True)
class OnlyAllowedPeers(IndividualResource[ExtraState]):
    """The rule that the port filter lets in no address but ``addresses``."""

    kind: ClassVar[str] = "peers"
    addresses: Tuple[str, ...]
    filter_script: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``peers:no other``: there is one such resource on a node."""
        return "peers:no other"

    def desired(self) -> ExtraState:
        """Return that no address of another machine is let in."""
        return {"let in": ()}

    def probe_one(self) -> Probe[ExtraState]:
        """Return the probe that lists the addresses that are let in."""

        def parse(reply: Reply) -> Dict[str, Observed[ExtraState]]:
            """Return the listed addresses that belong to no node of the cloud."""
            extra = [address for address in _parse_listing(reply) if address not in self.addresses]
            return {self.id: {"let in": tuple(extra)}}

        return Probe(Command(_PROBE_SCRIPT, description="probe the port filter's peers"), parse)

    def describe(self, diff: Diff["OnlyAllowedPeers"]) -> Description:
        """Describe that internal ports are closed to the addresses of no node."""
        return Description(f"close internal ports to {', '.join(_extra_addresses(diff))}", "not a node of this cloud")

    def describe_drift(self, diff: Diff["OnlyAllowedPeers"]) -> str:
        """Describe the addresses that are let in and belong to no node of the cloud."""
        return f"the port filter allows {', '.join(_extra_addresses(diff))} (should not: not a node of this cloud)"

    def fix_one(self, diff: Diff["OnlyAllowedPeers"]) -> Command:
        """Return the command that shuts these addresses out and reloads the port filter."""
        names = " ".join(map(quote_sh, _extra_addresses(diff)))
        return _command(_REVOKE_SCRIPT, names, self.filter_script, "close internal ports to other machines")


def _parse_listing(reply: Reply) -> List[str]:
    """Return the addresses that are let in, one per file in PEERS_DIR."""
    require_ok(reply)
    return reply.out.split()


def _extra_addresses(diff: Diff[OnlyAllowedPeers]) -> Tuple[str, ...]:
    """Return the observed addresses that are let in and belong to no node."""
    state = diff.state()
    return state["let in"] if state else ()


def _command(script: str, names: str, filter_script: str, description: str) -> Command:
    """Return the command that runs a script for peers.

    ``names`` are addresses, quoted for sh; ``filter_script`` is the path of the port filter's own script.
    """
    return Command(script % {"names": names, "script": quote_sh(filter_script)}, timeout=60, description=description)
