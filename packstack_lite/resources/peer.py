"""The cloud's other hosts, as the guard lets them in: a file each, so that one comes and goes without the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.secret import sh

# Named by their addresses. Beside the guard's script, which reads it each time that it loads its rules.
DIRECTORY = "/etc/packstack-lite/peers"
_LOOK = f"ls -1 {DIRECTORY} 2>/dev/null; exit 0"
# Rules are loaded in one step; where the guard is not in force yet it finds the files when it comes.
_AGAIN = r"""
[ ! -f /run/packstack-lite/guard ] || sh %(script)s start
"""
_LET_IN = f"mkdir -p {DIRECTORY} && for name in %(names)s; do : > {DIRECTORY}/$name || exit 1; done" + _AGAIN
_SHUT_OUT = f"for name in %(names)s; do rm -f {DIRECTORY}/$name; done" + _AGAIN


@dataclass(frozen=True)
class Peer(Resource):
    """The guard by ``script`` lets in the host that the answers call ``concerns``, by all its ``addresses``."""

    kind: ClassVar[str] = "peer"
    addresses: Tuple[str, ...]
    script: str
    concerns: str = ""
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"peer:{self.concerns}"

    def want(self) -> Optional[State]:
        return {"shut out": ()}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        peers = [cast(Peer, member) for member in group]

        def parse(reply: Reply) -> Dict[str, Seen]:
            known = _listed(reply)
            return {peer.id: {"shut out": tuple(one for one in peer.addresses if one not in known)} for peer in peers}

        return [Look(Command(_LOOK, says="look at the hosts that the guard knows"), parse)]

    def words(self, gap: Gap) -> str:
        """Whom."""
        return f"let {', '.join(self.addresses)} reach internal ports"

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        peers = [cast(Peer, gap.resource) for gap in gaps]
        names = " ".join(sh(address) for peer in peers for address in peer.addresses)
        return [_command(_LET_IN, names, peers[0].script, "let hosts of the cloud in")]


@dataclass(frozen=True)
class NoOtherPeer(Resource):
    """The guard by ``script`` lets nobody in but ``addresses``."""

    kind: ClassVar[str] = "peers"
    addresses: Tuple[str, ...]
    script: str
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "peers:no other"

    def want(self) -> Optional[State]:
        return {"let in": ()}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        only = cast(NoOtherPeer, group[0])

        def parse(reply: Reply) -> Dict[str, Seen]:
            return {only.id: {"let in": tuple(one for one in _listed(reply) if one not in only.addresses)}}

        return [Look(Command(_LOOK, says="look for hosts that are none of the cloud's"), parse)]

    def words(self, gap: Gap) -> str:
        """Whom."""
        return f"no longer let {', '.join(_strangers(gap))} reach internal ports"

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        only, names = cast(NoOtherPeer, gaps[0].resource), " ".join(map(sh, _strangers(gaps[0])))
        return [_command(_SHUT_OUT, names, only.script, "shut out hosts that are none of the cloud's")]


def _listed(reply: Reply) -> List[str]:
    if not reply.ok:
        raise ValueError(f"exit {reply.code}: {reply.err.strip()}")
    return reply.out.split()


def _strangers(gap: Gap) -> Tuple[str, ...]:
    return cast(Tuple[str, ...], cast(State, gap.seen or {}).get("let in", ()))


def _command(script: str, names: str, guard: str, says: str) -> Command:
    return Command(script % {"names": names, "script": sh(guard)}, timeout=60, says=says)
