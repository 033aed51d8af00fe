"""Throw-away nodes on this machine, made from distribution packages.

They are containers or virtual machines (``vm``).

``up`` makes or starts one and returns when SSH answers; ``down`` removes it. Base trees and downloaded packages stay
under /var/lib/packstack-lite-sandbox for the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packstack_lite.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from packstack_lite.sandbox.cable import change_cable
    from packstack_lite.sandbox.distros import DEFAULT_DISTRO
    from packstack_lite.sandbox.lifecycle import down, find, has_tree, list_all, save_tree, start, stop, up
    from packstack_lite.sandbox.model import Sandbox, SandboxError, require_matching, validate_request
    from packstack_lite.sandbox.ssh_command import ssh_argv, ssh_command_line
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "cable": "change_cable",
            "distros": "DEFAULT_DISTRO",
            "lifecycle": "down find has_tree list_all save_tree start stop up",
            "model": "Sandbox SandboxError require_matching validate_request",
            "ssh_command": "ssh_argv ssh_command_line",
        },
    )

__all__ = [
    "DEFAULT_DISTRO",
    "Sandbox",
    "SandboxError",
    "change_cable",
    "down",
    "find",
    "has_tree",
    "list_all",
    "require_matching",
    "save_tree",
    "ssh_argv",
    "ssh_command_line",
    "start",
    "stop",
    "up",
    "validate_request",
]
