"""Relay a cable's frames in user space with a delay, for a kernel without netem.

A program of its own, started by ``cable``, with the standard library only: ``cable_relay.py INTERFACE TAP BRIDGE
SECONDS``. It copies frames between INTERFACE, this machine's end of a node's cable, and TAP, which it creates as a port
of BRIDGE; frames to the node are delayed by SECONDS. It prints ``ready`` and runs until it is killed or INTERFACE goes
away; TAP goes with it. Frames carry the kernel's header about unfinished checksums and segments (struct
virtio_net_hdr), so that offloading works on both sides.
"""

from __future__ import annotations

import collections
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from typing import Deque, Tuple

# linux/if_ether.h, linux/if_packet.h, linux/if_tun.h
ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0002, 0x1000, 0x4000
MAX_FRAME_BYTES = 65536 + 64


def open_cable(interface: str) -> socket.socket:
    """Open a packet socket on ``interface``, this machine's end of a node's cable.

    It receives the frames that the node sends; what is sent on it goes to the node.
    """
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    cable.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    cable.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    cable.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    cable.bind((interface, ETH_P_ALL))
    return cable


def open_tap(name: str, bridge: str) -> int:
    """Create a tap as a new port of the bridge and return its file descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    subprocess.run(["ip", "link", "set", name, "txqueuelen", "10000", "master", bridge, "up"], check=True)
    return tap


def relay_frames(cable: socket.socket, tap: int, delay: float) -> None:
    """Relay frames until the cable goes away (OSError).

    Frames to the node wait ``delay`` seconds.
    """
    delayed: Deque[Tuple[float, bytes]] = collections.deque()
    while True:
        wait = max(0.0, delayed[0][0] - time.monotonic()) if delayed else None
        ready, _, _ = select.select([cable.fileno(), tap], [], [], wait)
        if cable.fileno() in ready:
            send_frame(tap, cable.recv(MAX_FRAME_BYTES))
        if tap in ready:
            delayed.append((time.monotonic() + delay, os.read(tap, MAX_FRAME_BYTES)))
        while delayed and delayed[0][0] <= time.monotonic():
            send_frame(cable.fileno(), delayed.popleft()[1])


def send_frame(descriptor: int, frame: bytes) -> None:
    """Send a frame; drop one that the receiver cannot take, as a cable does.

    Raises OSError where the receiver is gone.
    """
    try:
        os.write(descriptor, frame)
    except (BlockingIOError, InterruptedError):
        return
    except OSError as error:
        # EINVAL, ENOBUFS, EMSGSIZE: only this frame cannot be sent.
        if error.errno not in (22, 105, 90):
            raise


def main() -> None:
    """Relay as the command line says."""
    interface, tap, bridge, seconds = sys.argv[1:]
    cable = open_cable(interface)
    port = open_tap(tap, bridge)
    print("ready", flush=True)
    relay_frames(cable, port, float(seconds))


if __name__ == "__main__":
    main()
