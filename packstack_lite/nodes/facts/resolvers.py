"""Facts of the name servers that a node uses, and which of them others can use.

``network.NetworkFacts`` holds the result in ``resolvers`` and ``upstream_resolvers``.
"""

from __future__ import annotations

from typing import Iterable, Tuple

from packstack_lite.ip_addresses import is_reachable_by_others
from packstack_lite.nodes.facts.fields import SAY_FUNCTION
from packstack_lite.remote.command import Command

# A server on the node itself forwards to servers that it keeps elsewhere: systemd-resolved in the first file,
# NetworkManager (with dnsmasq or systemd-resolved) in the second, or only in its devices before 1.20, and dnsmasq with
# resolvconf in the last. nmcli escapes colons.
_SCRIPT = (
    SAY_FUNCTION
    + r"""
nameservers() { sed -n 's/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]#;]*\).*/\1/p' "$1" 2>/dev/null; }
nameservers /etc/resolv.conf | while read -r server; do say resolver "$server"; done
{
    nameservers /run/systemd/resolve/resolv.conf
    nameservers /run/NetworkManager/no-stub-resolv.conf
    nmcli -t -f IP4.DNS,IP6.DNS device show 2>/dev/null | sed -n 's/^IP[46]\.DNS[^:]*://p' | sed 's/\\:/:/g'
    nameservers /run/dnsmasq/resolv.conf
} | while read -r server; do say upstream_resolver "$server"; done
exit 0
"""
)


def build_command() -> Command:
    """Return the command that prints the name servers."""
    return Command(_SCRIPT, description="gather name servers")


def usable_resolvers(resolvers: Iterable[str], upstream_resolvers: Iterable[str]) -> Tuple[str, ...]:
    """Return the name servers that an instance can use as well, in their order.

    They are the node's own, without those that only the node reaches; if none is left, those that a server on the node
    forwards to.
    """
    for servers in (resolvers, upstream_resolvers):
        usable = tuple(dict.fromkeys(server for server in servers if is_reachable_by_others(server)))
        if usable:
            return usable
    return ()
