"""What the tests of pitfalls share: preflight's findings on a host, before and after --fix."""

from __future__ import annotations

from typing import Dict, Mapping

from tests.conftest import Outcome
from tests.e2e.conftest import Sandbox

# Another web server on port 80, and a host name that leads elsewhere.
ELSEWHERE = r"""cat > /etc/systemd/system/otherweb.service <<'UNIT'
[Service]
ExecStart=/usr/bin/perl -MIO::Socket::INET -e 'my $$s = IO::Socket::INET->new(Listen => 5, LocalPort => 80); sleep'
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now otherweb
sed -i "/[[:space:]]$(hostname)/d" /etc/hosts
echo "198.18.255.9 $(hostname) other" >> /etc/hosts
"""

Findings = Dict[str, Dict[str, object]]


def found(ended: Outcome) -> Findings:
    """The findings that are more than good to know, by name; one of each."""
    told = [one for one in ended.data["findings"] if one["level"] != "info"]
    names = [one["name"] for one in told]
    assert len(set(names)) == len(names), told
    return {one["name"]: one for one in told}


def looked(host: Sandbox, *words: str) -> Findings:
    return found(host("preflight", "--output", "json", *words))


# Data are moved only where they are named.
MOVE = ("--move-data", "mariadb", "--move-data", "packstack")


def mended(host: Sandbox, *words: str) -> Findings:
    """What --fix says of each finding, the data that it may move named; it must have had no trouble."""
    ended = host("preflight", "--fix", *MOVE, "--output", "json", *words)
    assert "--fix failed" not in ended.err, ended.err
    return found(ended)


def are(findings: Findings, wanted: Mapping[str, str]) -> None:
    """These findings and no others, each with these words."""
    assert set(findings) == set(wanted), findings
    for name, words in wanted.items():
        assert words in str(findings[name]["message"]), findings[name]


def goes(host: Sandbox, wanted: Mapping[str, str], *words: str) -> None:
    """What is built by now is found, explained and mended by --fix, and is gone."""
    before = looked(host, *words)
    are(before, wanted)
    assert all(one["fix"] and (one["fixable"] or one["move_data"]) for one in before.values()), before
    assert not any(one["fixed"] for one in before.values()), before
    after = mended(host, *words)
    assert {name: one["fixed"] for name, one in after.items()} == dict.fromkeys(wanted, True), after
    assert looked(host, *words) == {}


def stays(host: Sandbox, wanted: Mapping[str, str], *words: str) -> None:
    """What is built by now is found and explained, and left to the user: message and way out in one text."""
    told = looked(host, *words)
    assert set(told) == set(wanted), told
    for name, said in wanted.items():
        for part in said.split(" ... "):
            assert part in f"{told[name]['message']} {told[name]['fix']}", told[name]
        assert not told[name]["fixable"], told[name]
