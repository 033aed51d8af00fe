"""Which answers count for a run, and where they come from."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from packstack_lite import answers as room
from packstack_lite.answers import BY_NAME, Answers, Vault
from packstack_lite.answers.writer import PATTERN
from packstack_lite.cli.options import Options
from packstack_lite.cli.target import LOOPBACK, Target, is_own
from packstack_lite.errors import UsageFault
from packstack_lite.report.runlog import state_home
from packstack_lite.sandbox import Sandbox, guest_image

CONTROLLER = "CONFIG_CONTROLLER_HOST"
# The second interface of a segment's hosts, and the bridge that it goes into.
TUNNEL, TUNNEL_BRIDGE = "tunnel0", "br-tunnel"
AGENTS = {"openvswitch": "OVS", "ovn": "OVN"}


def controller(options: Options) -> str:
    """The controller that the answers name, without judging the rest of them; "" when they do not."""
    return _controller(options)[0]


def _controller(options: Options) -> Tuple[str, str]:
    """The same, and where it is said; a file's place holds a colon."""
    told = ("", "")
    for path in options.answer_files:
        text, line = room.read(path).answers.get(CONTROLLER, ("", 0))
        told = (text, f"{path}:{line}") if line else told
    return room.said(os.environ, options.settings, options.flags).answers.get(CONTROLLER, told)


def controller_beside(options: Options, meant: str, here: bool) -> str:
    """The controller that beats the one that --allinone (``here``) or --install-hosts mean; "" when theirs counts.

    As with Packstack one told by a flag does, and here also by --set or in the environment. An answer
    file that names another host is refused (UsageFault): one of the two is a mistake.
    """
    told, place = _controller(options)
    if not told or told in LOOPBACK or ip_of(told) == ip_of(meant):
        return ""
    if ":" in place and not (here and is_own(told)):
        word = "--allinone" if here else "--install-hosts"
        raise UsageFault(
            f"{place}: {CONTROLLER}={told}, but {word} means {meant}",
            f"to deploy on {told} leave {word} out; to deploy on {meant} add --set {CONTROLLER}={meant}",
        )
    return told


def answers(options: Options, target: Target, needed: bool = False) -> Answers:
    """The effective answers for a target.

    Without an answer file those count that an earlier --allinone wrote for this host;
    ``needed`` refuses to go on where there are none, instead of making new passwords.
    """
    address = ip_of(target.address)
    files = list(options.answer_files) or earlier(address)
    if needed and not files:
        raise UsageFault(f"no answers are known for {address}", "name its answer file with --answer-file FILE")
    return _load(options, target, files, address)


def fresh(options: Options, target: Target, meant: str = "", others: Sequence[str] = ()) -> Path:
    """The file that holds the answers of --allinone or --install-hosts, which ``meant`` this host, and ``others`` as
    its compute hosts.

    Without an answer file those of an earlier one for the same host are kept, its passwords too.
    The user's own files are layers and stay as they are. A new file is only written when it
    would say something else than the newest one.
    """
    address = ip_of(target.address)
    known = earlier(address)
    files = list(options.answer_files) or known
    named = controller(options)
    first = named if named in LOOPBACK else ip_of(meant or target.address)
    hosts = room.host_overrides([first, *map(ip_of, others)])
    told = _load(options, target, files, address, hosts)
    if known and room.render(told) == known[0].read_text(encoding="utf-8"):
        return known[0]
    path = Path.home() / f"packstack-answers-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    room.write(path, told)
    return path


def _load(
    options: Options, target: Target, files: List[Path], address: str, hosts: Optional[Dict[str, str]] = None
) -> Answers:
    vault = Vault(state_home() / re.sub(r"[^\w.\-]", "_", address) / "passwords.json")
    how: Dict[str, Any] = {"hosts": hosts or {}, "address": address, "vault": vault}
    if not target.sandbox:
        return load(options, files, **how)
    own = {} if _names(options, files, address) else hosts or room.host_overrides([address])
    first = load(options, files, **how, over=own)
    return load(options, files, **how, over={**own, **_of_sandbox(first, target)})


def _names(options: Options, files: Sequence[Path], address: str) -> bool:
    """Whether the answers were written for this host: then they know the others too."""
    told = _controller(replace(options, answer_files=list(files)))[0]
    return told == address


def load(options: Options, files: Sequence[Path], **how: Any) -> Answers:
    """The effective answers of these files, of the environment and of the command line; the rest as answers.load."""
    return room.load(files, options.flags, environment=os.environ, settings=options.settings, **how)


def _of_sandbox(first: Answers, target: Target) -> Dict[str, str]:
    """What a sandbox brings along takes the place of defaults, never of a choice."""
    assert target.sandbox is not None
    brings = {
        "CONFIG_PROVISION_DEMO_FLOATRANGE": target.sandbox.external_network,
        "CONFIG_PROVISION_IMAGE_URL": guest_image.INSIDE,
        "CONFIG_PROVISION_IMAGE_SSH_USER": "root",
        **_tunnels(first, target.sandbox),
        # A container has no device mapper for Packstack's default, LVM.
        **(_volumes(first, target.sandbox) if target.sandbox.kind == "container" else {}),
    }
    return {name: text for name, text in brings.items() if first.text(name) == BY_NAME[name].default}


def _volumes(first: Answers, box: Sandbox) -> Dict[str, str]:
    """Ceph, which is but for its own host; none where instances are on others."""
    return {"CONFIG_CINDER_BACKEND": "ceph"} if _alone(first, box) else {"CONFIG_CINDER_INSTALL": "n"}


def _alone(first: Answers, box: Sandbox) -> bool:
    return tuple(first["CONFIG_COMPUTE_HOSTS"]) == (box.address,)


def _tunnels(first: Answers, box: Sandbox) -> Dict[str, str]:
    """Where tunnels end on hosts of one segment: on a bridge with their second interface, as Open vSwitch finds its
    way through user space from bridge to bridge alone."""
    agent = AGENTS.get(first["CONFIG_NEUTRON_L2_AGENT"])
    if not box.tunnel or not agent or _alone(first, box):
        return {}
    names = (f"CONFIG_NEUTRON_{agent}_BRIDGE_IFACES", f"CONFIG_NEUTRON_{agent}_TUNNEL_IF")
    if any(first.text(name) for name in names):
        return {}
    return dict(zip(names, (f"{TUNNEL_BRIDGE}:{TUNNEL}", TUNNEL_BRIDGE)))


def earlier(address: str) -> List[Path]:
    """The newest answer file in the home directory that is for this host, if any."""
    for path in sorted(Path.home().glob(PATTERN), key=lambda path: path.name, reverse=True):
        if room.read(path).answers.get(CONTROLLER, ("", 0))[0] == address:
            return [path]
    return []


def ip_of(host: str) -> str:
    """The address of a host by name or address; the name itself when nobody knows it here."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except OSError:
        return host
