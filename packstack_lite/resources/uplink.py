"""An interface of the host as a port of a bridge that has taken over its addresses."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources as package_files
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Job, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State
from packstack_lite.resources.job_names import job_name
from packstack_lite.resources.ovs import OVS_NOT_RUNNING
from packstack_lite.secret import quote_sh

# How long the host waits for whoever deploys to come back over the bridge, in seconds. A switch with spanning
# tree lets a port that went down pass packets again after 30.
CONFIRM_TIMEOUT = 60

# Where each system that configures networks reads its files: the same on every distribution that has it. The first
# sorts before whatever anybody else has written there.
NETWORKD_FILE = "/etc/systemd/network/0-packstack-lite-{}.network"
NM_PROFILE = "/etc/NetworkManager/system-connections/packstack-lite-{}.nmconnection"
IFUPDOWN_DIR = "/etc/network/"
NETWORK_SCRIPTS_DIR = "/etc/sysconfig/network-scripts"

_PROBE_SCRIPT = r"""
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
class NetworkFile:
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
    def stdin_line(self) -> str:
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
    managed_by: str = ""
    files: Tuple[NetworkFile, ...] = ()
    addresses: Tuple[str, ...] = ()
    has_dhcp: bool = False
    datapath: str = "system"
    confirm_timeout: int = CONFIRM_TIMEOUT
    phase: Phase = Phase.PLATFORM
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"uplink:{self.interface}"

    def desired(self) -> Optional[State]:
        desired = {"bridge": self.bridge, "addresses": self._matching_addresses(self.addresses), "unconfirmed": "none"}
        return {**desired, **{file.path: file.digest for file in self.files}}

    def _matching_addresses(self, present: Sequence[str]) -> str:
        """Those that are asked for, as far as they are among the found ones; else all of those."""
        if self.has_dhcp:
            return "by DHCP" if present or present is self.addresses else ""
        matching = [address for address in self.addresses if address in present]
        return " ".join(matching if len(matching) == len(self.addresses) else present)

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(Uplink, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        def parse(reply: Reply) -> Dict[str, Observed]:
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            lines = reply.out.splitlines()
            if not reply.ok or len(lines) != 3 + len(self.files):
                raise ValueError(f"exit {reply.code}, {len(lines)} lines: {reply.err.strip()}")
            bridge, addresses, unconfirmed, *sums = lines
            observed = {
                "bridge": bridge,
                "addresses": self._matching_addresses(addresses.split()),
                "unconfirmed": unconfirmed,
            }
            return {self.id: {**observed, **{file.path: sum_ for file, sum_ in zip(self.files, sums)}}}

        script = _PROBE_SCRIPT % {"card": quote_sh(self.interface), "bridge": quote_sh(self.bridge)}
        paths = "".join(f"{file.path}\n" for file in self.files)
        return Probe(
            Command(script, stdin=paths.encode(), description=f"look at {self.interface} in {self.bridge}"), parse
        )

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(Uplink, diff.resource)._move() for diff in diffs]

    def _move(self) -> Job:
        variables = {
            "bridge": self.bridge,
            "card": self.interface,
            "system": self.managed_by,
            "datapath": self.datapath,
            "seconds": str(self.confirm_timeout),
            "addresses": " ".join(self.addresses),
            "dynamic": "yes" if self.has_dhcp else "",
        }
        body = (package_files.files("packstack_lite.resources") / "hostside" / "uplink.sh").read_text(encoding="utf-8")
        head = "".join(f"{name}={quote_sh(value)}\n" for name, value in variables.items())
        return Job(
            job_name(self.id),
            head + body,
            stdin="".join(file.stdin_line for file in self.files).encode(),
            timeout=self.confirm_timeout + 600.0,
            description=f"move {self.interface} into {self.bridge}",
        )

    def diff_texts(self, diff: Diff) -> Tuple[str, str]:
        old, new = super().diff_texts(diff)
        texts = [f"# {file.path}\n{file.content}" for file in self.files if file.path in diff.keys and file.content]
        return old, new + "".join(texts)
