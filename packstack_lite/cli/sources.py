"""Which answers count for a run, and where they come from."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Dict, List, Optional

from packstack_lite import answers as room
from packstack_lite.answers import BY_NAME, Answers, Vault
from packstack_lite.answers.writer import PATTERN
from packstack_lite.cli.options import Options
from packstack_lite.cli.target import Target
from packstack_lite.errors import UsageFault
from packstack_lite.report.runlog import state_home
from packstack_lite.sandbox import guest_image

CONTROLLER = "CONFIG_CONTROLLER_HOST"


def controller(options: Options) -> str:
    """The controller that the answers name, without judging the rest of them; "" when they do not."""
    told = ""
    for path in options.answer_files:
        told = room.read(path).answers.get(CONTROLLER, (told, 0))[0]
    return options.flags.get(CONTROLLER, told)


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


def fresh(options: Options, target: Target) -> Path:
    """The file that holds the answers of --allinone or --install-hosts.

    Passwords of an earlier file for the same host are kept. A new file is only written when
    it would say something else than the newest one.
    """
    address = ip_of(target.address)
    known = earlier(address)
    told = _load(options, target, known, address, room.host_overrides([address]))
    if known and room.render(told) == known[0].read_text(encoding="utf-8"):
        return known[0]
    path = Path.home() / f"packstack-answers-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    room.write(path, told)
    return path


def _load(
    options: Options, target: Target, files: List[Path], address: str, hosts: Optional[Dict[str, str]] = None
) -> Answers:
    vault = Vault(state_home() / re.sub(r"[^\w.\-]", "_", address) / "passwords.json")
    how = {"files": files, "flags": options.flags, "hosts": hosts or {}, "address": address, "vault": vault}
    if not target.sandbox:
        return room.load(**how)  # type: ignore[arg-type]
    own = room.host_overrides([address])
    first = room.load(**{**how, "over": own})  # type: ignore[arg-type]
    return room.load(**{**how, "over": {**own, **_of_sandbox(first, target)}})  # type: ignore[arg-type]


def _of_sandbox(first: Answers, target: Target) -> Dict[str, str]:
    """What a sandbox brings along takes the place of defaults, never of a choice."""
    assert target.sandbox is not None
    brings = {
        "CONFIG_PROVISION_DEMO_FLOATRANGE": target.sandbox.external_network,
        "CONFIG_PROVISION_IMAGE_URL": guest_image.INSIDE,
        "CONFIG_PROVISION_IMAGE_SSH_USER": "root",
        # A container has no device mapper for Packstack's default, LVM.
        **({"CONFIG_CINDER_BACKEND": "ceph"} if target.sandbox.kind == "container" else {}),
    }
    return {name: text for name, text in brings.items() if first.text(name) == BY_NAME[name].default}


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
