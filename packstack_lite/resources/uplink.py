"""The uplink: an interface of the node in an Open vSwitch bridge.

The bridge has taken over the interface's addresses.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

from packstack_lite.remote.command import Command, Job, Reply
from packstack_lite.resources.base import Description, Diff, IndividualResource, Observed, Phase, Probe, job_name
from packstack_lite.resources.hostside_programs import read_program
from packstack_lite.resources.ovs import OVS_NOT_RUNNING
from packstack_lite.resources.shell import require_ok
from packstack_lite.secret import quote_sh
from packstack_lite.state_paths import UPLINKS_DIR

# Seconds that the node waits for this run to reconnect over the bridge. A switch with spanning tree lets a port that
# went down pass packets again after 30.
CONFIRM_TIMEOUT = 60

# Where each system that configures networks reads its files, the same on every distribution that has it. networkd's
# file name sorts before those of others.
NETWORKD_FILE = "/etc/systemd/network/0-packstack-lite-{}.network"
NM_PROFILE = "/etc/NetworkManager/system-connections/packstack-lite-{}.nmconnection"
IFUPDOWN_DIR = "/etc/network/"
NETWORK_SCRIPTS_DIR = "/etc/sysconfig/network-scripts"

_PROBE_SCRIPT = r"""
command -v ovs-vsctl >/dev/null && ovs-vsctl --timeout=5 show >/dev/null 2>&1 || exit 75
ovs-vsctl port-to-br %(card)s 2>/dev/null || echo
ip -o addr show dev %(bridge)s scope global 2>/dev/null | awk '{print $4}' | tr '\n' ' '; echo
[ -e UPLINKS/%(card)s/armed ] && echo open || echo none
while IFS= read -r path; do
    sum=absent; [ -f "$path" ] && sum=$(sha256sum < "$path") && sum=${sum%%%% *}
    echo "$sum"
done
""".replace("UPLINKS", UPLINKS_DIR)


@dataclass(frozen=True)
class NetworkFile:
    """A file that configures the network.

    ``content`` None: it must not exist. ``mode`` 0: the mode it has.
    """

    path: str
    content: Optional[str]
    mode: int = 0

    @property
    def data(self) -> bytes:
        """Return the content as bytes; none for a file that is to be removed."""
        return (self.content or "").encode(errors="surrogateescape")

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content, or "absent"."""
        return "absent" if self.content is None else hashlib.sha256(self.data).hexdigest()

    @property
    def stdin_line(self) -> str:
        """Return mode, content and path as hostside/uplink.sh reads them."""
        text = "-" if self.content is None else "." + base64.b64encode(self.data).decode()
        return f"{self.mode:o} {text} {self.path}\n"


UplinkState = Mapping[str, str]
"""``bridge`` that has the interface, its ``addresses``, an ``unconfirmed`` move, and a digest per file's path."""


@dataclass(frozen=True)
class Uplink(IndividualResource[UplinkState]):
    """An interface that is a port of ``bridge``, which has the interface's addresses.

    These are ``addresses`` or, with ``has_dhcp``, one by DHCP. ``managed_by`` (as in the facts: ``networkd`` and so on,
    "" for none) sets it up at each boot, from ``files``. The move is one job: it saves the present state, moves the
    interface, and restores everything when it is interrupted or when nobody reconnects over the bridge within
    ``confirm_timeout`` seconds.
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
        """Return ``uplink:INTERFACE``."""
        return f"uplink:{self.interface}"

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the files' paths: their values in the state are digests."""
        return frozenset(file.path for file in self.files)

    def desired(self) -> UplinkState:
        """Return the bridge, its addresses, no unconfirmed move, and the files' digests."""
        desired = {"bridge": self.bridge, "addresses": self._matching_addresses(self.addresses), "unconfirmed": "none"}
        return {**desired, **{file.path: file.digest for file in self.files}}

    def describe(self, diff: Diff["Uplink"]) -> Description:
        """Describe the move of the interface into the bridge, or the files to write."""
        state = diff.state()
        if state is None or {"bridge", "addresses", "unconfirmed"} & set(diff.keys):
            addresses = "its address by DHCP" if self.has_dhcp else ", ".join(self.addresses)
            action = f"move {self.interface}{f' with {addresses}' if addresses else ''} into {self.bridge}"
            reason = "an earlier move was not confirmed" if state and state["unconfirmed"] != "none" else ""
            return Description(action, reason)
        return Description(f"write {', '.join(diff.keys)}", "changed: content")

    def _matching_addresses(self, present: Sequence[str]) -> str:
        """Return the desired addresses if all are present, else all present ones."""
        if self.has_dhcp:
            return "by DHCP" if present or present is self.addresses else ""
        matching = [address for address in self.addresses if address in present]
        return " ".join(matching if len(matching) == len(self.addresses) else present)

    def probe_one(self) -> Probe[UplinkState]:
        """Return the probe of the interface's bridge, its addresses and the files."""

        def parse(reply: Reply) -> Dict[str, Observed[UplinkState]]:
            """Return the uplink's state; Unknown while Open vSwitch does not run."""
            if reply.code == 75:
                return {self.id: OVS_NOT_RUNNING}
            lines = reply.out.splitlines()
            require_ok(reply, len(lines) == 3 + len(self.files))
            bridge, addresses, unconfirmed, *digests = lines
            observed = {
                "bridge": bridge,
                "addresses": self._matching_addresses(addresses.split()),
                "unconfirmed": unconfirmed,
            }
            return {self.id: {**observed, **{file.path: digest for file, digest in zip(self.files, digests)}}}

        script = _PROBE_SCRIPT % {"card": quote_sh(self.interface), "bridge": quote_sh(self.bridge)}
        paths = "".join(f"{file.path}\n" for file in self.files)
        return Probe(
            Command(script, stdin=paths.encode(), description=f"probe {self.interface} in {self.bridge}"), parse
        )

    def fix_one(self, diff: Diff["Uplink"]) -> Job:
        """Return the job that moves the interface and undoes it unless confirmed in time."""
        variables = {
            "bridge": self.bridge,
            "card": self.interface,
            "system": self.managed_by,
            "datapath": self.datapath,
            "seconds": str(self.confirm_timeout),
            "addresses": " ".join(self.addresses),
            "dynamic": "yes" if self.has_dhcp else "",
        }
        head = "".join(f"{name}={quote_sh(value)}\n" for name, value in variables.items())
        return Job(
            job_name(self.id),
            head + read_program("uplink.sh"),
            stdin="".join(file.stdin_line for file in self.files).encode(),
            timeout=self.confirm_timeout + 600.0,
            description=f"move {self.interface} into {self.bridge}",
            # Stopped half way, the node may have no address.
            must_end=True,
        )

    def diff_texts(self, diff: Diff["Uplink"]) -> Tuple[str, str]:
        """Return the base's texts, and the new content of files that differ."""
        old, new = super().diff_texts(diff)
        texts = [f"# {file.path}\n{file.content}" for file in self.files if file.path in diff.keys and file.content]
        return old, new + "".join(texts)
