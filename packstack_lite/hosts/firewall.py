"""The part of a host's facts that is about its firewall: which one is in force."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from packstack_lite.remote.command import Command, Reply

# In this order: where several are active, firewalld rules. Its reload would drop what the others have loaded.
KNOWN = ("firewalld", "iptables", "nftables", "ufw")

_ASK = r"""
[ -d /run/systemd/system ] || exit 0
for name in KNOWN; do
    systemctl is-active --quiet "$name.service" 2>/dev/null && { echo "firewall=$name"; break; }
done
exit 0
""".replace("KNOWN", " ".join(KNOWN))


def command() -> Command:
    """What to ask. Nothing is started by asking."""
    return Command(_ASK, says="gather the firewall")


def parse(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the reply fills."""
    lines = [line for reply in replies for line in reply.out.splitlines() if line.startswith("firewall=")]
    return {"firewall": lines[0].partition("=")[2] if lines else ""}
