"""An interface of the host as a port of a bridge that has taken over its addresses."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources as package_files
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State
from packstack_lite.resources.names import job_name
from packstack_lite.resources.ovs import NO_SWITCH
from packstack_lite.secret import sh

# How long the host waits for whoever deploys to come back over the bridge, in seconds. A switch with spanning
# tree lets a port that went down pass packets again after 30.
SECONDS = 60

# Where each system that configures networks reads its files: the same on every distribution that has it. The first
# sorts before whatever anybody else has written there.
NETWORKD = "/etc/systemd/network/0-packstack-lite-{}.network"
PROFILE = "/etc/NetworkManager/system-connections/packstack-lite-{}.nmconnection"
IFUPDOWN = "/etc/network/"
SCRIPTS = "/etc/sysconfig/network-scripts"

_LOOK = r"""
command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 show >/dev/null 2>&1 || exit 75
ovs-vsctl port-to-br %(card)s 2>/dev/null || echo
ip -o addr show dev %(bridge)s scope global 2>/dev/null | awk '{print $4}' | tr '\n' ' '; echo
[ -e /var/lib/packstack-lite/uplink/%(card)s/armed ] && echo open || echo none
while IFS= read -r path; do
    sum=absent; [ -f "$path" ] && sum=$(sha256sum < "$path") && sum=${sum%%%% *}
    echo "$sum"
done
"""


@dataclass(frozen=True)
class NetFile:
    """A file that configures the network; no ``content``: it must not be there. ``mode`` 0: as the file has it."""

    path: str
    content: Optional[str]
    mode: int = 0

    @property
    def data(self) -> bytes:
        return (self.content or "").encode(errors="surrogateescape")

    @property
    def digest(self) -> str:
        """SHA-256 of the content, or ``absent``."""
        return "absent" if self.content is None else hashlib.sha256(self.data).hexdigest()

    @property
    def line(self) -> str:
        """As the script on the host reads it: mode, content, path."""
        text = "-" if self.content is None else "." + base64.b64encode(self.data).decode()
        return f"{self.mode:o} {text} {self.path}\n"


@dataclass(frozen=True)
class Uplink(Resource):
    """``interface`` is a port of ``bridge``; the bridge has ``addresses`` (or, with ``dynamic``, one by DHCP).

    ``system`` (as in facts: ``networkd`` and so on, "" for none) makes it so at each boot, by ``files``. The move is
    one job: it saves what is there, moves, and puts everything back when it is cut off or when within ``seconds``
    nobody comes back over the bridge to ask how it went.
    """

    kind: ClassVar[str] = "uplink"
    bridge: str
    interface: str
    system: str = ""
    files: Tuple[NetFile, ...] = ()
    addresses: Tuple[str, ...] = ()
    dynamic: bool = False
    datapath: str = "system"
    seconds: int = SECONDS
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"uplink:{self.interface}"

    def want(self) -> Optional[State]:
        wanted = {"bridge": self.bridge, "addresses": self._addresses(self.addresses), "unconfirmed": "none"}
        return {**wanted, **{file.path: file.digest for file in self.files}}

    def _addresses(self, found: Sequence[str]) -> str:
        """Those that are asked for, as far as they are among the found ones; else all of those."""
        if self.dynamic:
            return "by DHCP" if found or found is self.addresses else ""
        kept = [address for address in self.addresses if address in found]
        return " ".join(kept if len(kept) == len(self.addresses) else found)

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(Uplink, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {self.id: NO_SWITCH}
            lines = reply.out.splitlines()
            if not reply.ok or len(lines) != 3 + len(self.files):
                raise ValueError(f"exit {reply.code}, {len(lines)} lines: {reply.err.strip()}")
            bridge, addresses, unconfirmed, *sums = lines
            seen = {"bridge": bridge, "addresses": self._addresses(addresses.split()), "unconfirmed": unconfirmed}
            return {self.id: {**seen, **{file.path: sum_ for file, sum_ in zip(self.files, sums)}}}

        script = _LOOK % {"card": sh(self.interface), "bridge": sh(self.bridge)}
        paths = "".join(f"{file.path}\n" for file in self.files)
        return Look(Command(script, stdin=paths.encode(), says=f"look at {self.interface} in {self.bridge}"), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(Uplink, gap.resource)._move() for gap in gaps]

    def _move(self) -> Job:
        told = {
            "bridge": self.bridge,
            "card": self.interface,
            "system": self.system,
            "datapath": self.datapath,
            "seconds": str(self.seconds),
            "addresses": " ".join(self.addresses),
            "dynamic": "yes" if self.dynamic else "",
        }
        body = (package_files.files("packstack_lite.resources") / "hostside" / "uplink.sh").read_text(encoding="utf-8")
        head = "".join(f"{name}={sh(value)}\n" for name, value in told.items())
        return Job(
            job_name(self.id),
            head + body,
            stdin="".join(file.line for file in self.files).encode(),
            timeout=self.seconds + 600.0,
            says=f"move {self.interface} into {self.bridge}",
        )

    def diff(self, gap: Gap) -> Tuple[str, str]:
        old, new = super().diff(gap)
        texts = [f"# {file.path}\n{file.content}" for file in self.files if file.path in gap.keys and file.content]
        return old, new + "".join(texts)
