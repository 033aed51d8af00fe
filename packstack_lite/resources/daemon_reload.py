"""What systemd has not read yet of its units: it reads them once for all, while it starts nothing of ours."""

from __future__ import annotations

# Made when units were put, enabled or masked. Reading them takes systemd 0.1 to 0.7 s, in which it starts nothing; and
# systemd 252 was seen to abort over a unit that it was just starting. So it is done once for all, before units are
# started or looked at, and not by each.
RELOAD_FLAG = "/run/packstack-lite-units"

RELOAD_IF_FLAGGED = f"[ ! -e {RELOAD_FLAG} ] || {{ rm -f {RELOAD_FLAG} && systemctl daemon-reload; }}"
