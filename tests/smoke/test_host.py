"""What a deployed host must look like from the inside, for any host that testinfra reaches.

Not part of ``make test``: run it against a host of your own (see Vagrantfile), e.g.
``pytest tests/smoke --hosts=ssh://debian12 --sudo``.
"""

from __future__ import annotations

import pytest

APIS = {
    5000: "Keystone",
    9292: "Glance",
    8778: "Placement",
    8774: "Nova",
    9696: "Neutron",
    6080: "noVNC",
    80: "Horizon",
}


@pytest.mark.parametrize("port", sorted(APIS), ids=lambda port: APIS[port])
def test_api_is_listened_for(host, port):
    assert host.socket(f"tcp://{port}").is_listening


def test_credentials_are_private(host):
    rc = host.file("/root/keystonerc_admin")
    assert (rc.user, rc.mode) == ("root", 0o600)


def test_a_token_is_given(host):
    token = host.run(". /root/keystonerc_admin && openstack token issue -f value -c id")
    assert token.rc == 0, token.stderr
    assert token.stdout.strip()


def test_agents_are_alive(host):
    alive = host.run(". /root/keystonerc_admin && openstack network agent list -f value -c Alive")
    assert set(alive.stdout.split()) <= {"True", ":-)"}
    assert alive.stdout.strip()
