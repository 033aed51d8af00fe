"""Checks of what is kept for long: keys and hashes that data depends on, devices, kernel support."""

from __future__ import annotations

import hashlib

from packstack_lite.preflight.subject import Remarks, Subject, error
from packstack_lite.secret import Secret

# Answer -> the switch of its service, where the host keeps it, what is lost with it.
_KEPT = {
    "CONFIG_BARBICAN_KEK": ("CONFIG_BARBICAN_INSTALL", "kek in /etc/barbican/barbican.conf", "every secret"),
    "CONFIG_SWIFT_HASH": ("CONFIG_SWIFT_INSTALL", "swift_hash_path_suffix in /etc/swift/swift.conf", "every object"),
}


def keys(subject: Subject) -> Remarks:
    """What stored data can only be read with is not changed."""
    for name, (switch, where, lost) in _KEPT.items():
        answer, there = subject.answers.get(name), subject.facts.kept.get(name)
        if there and subject.answers.get(switch) and isinstance(answer, Secret) and digest(answer) != there:
            yield error(
                f"{name} is not the one that this host has ({where}): with another one {lost} would be lost",
                f"answer {name} with the one that is there; to lose {lost}: --ignore keys",
            )


def digest(secret: Secret) -> str:
    """As the host's facts tell it: of either alphabet of base64 the one for URLs."""
    text = secret.reveal().translate(str.maketrans("+/", "-_"))
    return hashlib.sha256(text.encode()).hexdigest()
