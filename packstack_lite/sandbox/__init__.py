"""A throw-away host on this machine, from distribution packages alone (research: sandbox.md).

``up`` brings one to where SSH answers, ``down`` leaves nothing of it; a base tree and all
downloaded packages are kept under /var/lib/packstack-lite-sandbox for the next one.
"""

from packstack_lite.sandbox.entry import ssh_argv, ssh_line
from packstack_lite.sandbox.lifecycle import down, find, has_tree, list_all, save_tree, start, stop, up
from packstack_lite.sandbox.link import change as change_link
from packstack_lite.sandbox.model import DEFAULT_DISTRO, Sandbox, SandboxFault, agree, check_request

__all__ = [
    "DEFAULT_DISTRO",
    "Sandbox",
    "SandboxFault",
    "agree",
    "change_link",
    "check_request",
    "down",
    "find",
    "has_tree",
    "list_all",
    "save_tree",
    "ssh_argv",
    "ssh_line",
    "start",
    "stop",
    "up",
]
