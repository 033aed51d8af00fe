"""Judge IP addresses that answers or nodes give.

Used by all rooms from ``answers`` to ``deployment``.
"""

from __future__ import annotations

from ipaddress import ip_address

# Names that mean whichever machine they are used on.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def is_reachable_by_others(text: str) -> bool:
    """Return whether other machines, such as instances, can use an address.

    False for loopback (127.0.0.53, ::1), for addresses of one link (fe80::1%eth0), and for what is no address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)
