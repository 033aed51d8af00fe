"""The cloud's other hosts, as the guard lets them in: a file each, so that one comes and goes without the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.secret import quote_sh

# Named by their addresses. Beside the guard's script, which reads it each time that it loads its rules.
PEERS_DIR = "/etc/packstack-lite/peers"
_PROBE_SCRIPT = f"ls -1 {PEERS_DIR} 2>/dev/null; exit 0"
# Rules are loaded in one step; where the guard is not in force yet it finds the files when it comes.
_RELOAD_RULES = r"""
[ ! -f /run/packstack-lite/guard ] || sh %(script)s start
"""
_ALLOW_SCRIPT = (
    f"mkdir -p {PEERS_DIR} && for name in %(names)s; do : > {PEERS_DIR}/$name || exit 1; done" + _RELOAD_RULES
)
_REVOKE_SCRIPT = f"for name in %(names)s; do rm -f {PEERS_DIR}/$name; done" + _RELOAD_RULES


@dataclass(frozen=True)
class AllowedPeer(Resource):
    """The guard by ``script`` lets in the host that the answers call ``concerns``, by all its ``addresses``."""

    kind: ClassVar[str] = "peer"
    addresses: Tuple[str, ...]
    filter_script: str
    attributed_to: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"peer:{self.attributed_to}"

    def desired(self) -> Optional[State]:
        return {"shut out": ()}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        peers = [cast(AllowedPeer, resource) for resource in resources]

        def parse(reply: Reply) -> Dict[str, Observed]:
            allowed = _parse_listing(reply)
            return {
                peer.id: {"shut out": tuple(address for address in peer.addresses if address not in allowed)}
                for peer in peers
            }

        return [Probe(Command(_PROBE_SCRIPT, description="look at the hosts that the guard knows"), parse)]

    def describe(self, diff: Diff) -> str:
        """Whom."""
        return f"let {', '.join(self.addresses)} reach internal ports"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        peers = [cast(AllowedPeer, diff.resource) for diff in diffs]
        names = " ".join(quote_sh(address) for peer in peers for address in peer.addresses)
        return [_command(_ALLOW_SCRIPT, names, peers[0].filter_script, "let hosts of the cloud in")]


@dataclass(frozen=True)
class OnlyAllowedPeers(Resource):
    """The guard by ``script`` lets nobody in but ``addresses``."""

    kind: ClassVar[str] = "peers"
    addresses: Tuple[str, ...]
    filter_script: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "peers:no other"

    def desired(self) -> Optional[State]:
        return {"let in": ()}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        resource = cast(OnlyAllowedPeers, resources[0])

        def parse(reply: Reply) -> Dict[str, Observed]:
            return {
                resource.id: {
                    "let in": tuple(address for address in _parse_listing(reply) if address not in resource.addresses)
                }
            }

        return [Probe(Command(_PROBE_SCRIPT, description="look for hosts that are none of the cloud's"), parse)]

    def describe(self, diff: Diff) -> str:
        """Whom."""
        return f"no longer let {', '.join(_peers_to_revoke(diff))} reach internal ports"

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        resource, names = cast(OnlyAllowedPeers, diffs[0].resource), " ".join(map(quote_sh, _peers_to_revoke(diffs[0])))
        return [_command(_REVOKE_SCRIPT, names, resource.filter_script, "shut out hosts that are none of the cloud's")]


def _parse_listing(reply: Reply) -> List[str]:
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
    return reply.out.split()


def _peers_to_revoke(diff: Diff) -> Tuple[str, ...]:
    return cast(Tuple[str, ...], cast(State, diff.observed or {}).get("let in", ()))


def _command(script: str, names: str, filter_script: str, description: str) -> Command:
    return Command(script % {"names": names, "script": quote_sh(filter_script)}, timeout=60, description=description)
