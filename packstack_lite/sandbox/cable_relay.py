"""A slow cable in user space, for a kernel without netem: run as a program of its own, with the standard library alone.

``relay.py INTERFACE TAP BRIDGE SECONDS``: frames go between INTERFACE, the machine's end of a host's cable, and TAP,
which is made and put into BRIDGE; those to the host are late. Prints ``ready``, then goes on until it is ended or the
interface goes away. TAP goes with the process. Frames come and go with the kernel's own header on unfinished checksums
and segments (struct virtio_net_hdr), so that offloading works on both sides.
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
    """All frames that come from the host, and a way to send it some."""
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    cable.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    cable.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    cable.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    cable.bind((interface, ETH_P_ALL))
    return cable


def open_tap(name: str, bridge: str) -> int:
    """A new port of the bridge."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    subprocess.run(["ip", "link", "set", name, "txqueuelen", "10000", "master", bridge, "up"], check=True)
    return tap


def relay_frames(cable: socket.socket, tap: int, delay: float) -> None:
    """Until the cable goes away (OSError); ``delay`` in seconds."""
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
    """A frame that the other side cannot take, now or at all, is lost, as on a cable; a side that is gone ends all."""
    try:
        os.write(descriptor, frame)
    except (BlockingIOError, InterruptedError):
        return
    except OSError as error:
        # EINVAL, ENOBUFS, EMSGSIZE: this frame only.
        if error.errno not in (22, 105, 90):
            raise


def main() -> None:
    """What the command line says."""
    interface, tap, bridge, seconds = sys.argv[1:]
    cable = open_cable(interface)
    port = open_tap(tap, bridge)
    print("ready", flush=True)
    relay_frames(cable, port, float(seconds))


if __name__ == "__main__":
    main()
