"""Checks on a deployed node, through testinfra, for every profile.

Not part of ``make test``: ``make vagrant-smoke`` deploys a node and runs them. To check a node of your own:
``pytest tests/smoke --hosts=ssh://debian12 --ssh-config=FILE --sudo``. Names of units and paths come from the profile
for the node's os-release; only the services that the node has are checked.
"""

from __future__ import annotations

import re

import pytest

CREDENTIALS = "/root/keystonerc_admin"
# Service -> the roles whose units run on the node. "always" stands for services of every cloud.
ROLES = {
    "always": [
        *("mariadb", "rabbitmq", "memcached", "httpd", "openvswitch", "keystone", "glance-api", "placement-api"),
        *("nova-api", "nova-metadata", "nova-conductor", "nova-scheduler", "nova-novncproxy", "nova-compute"),
        *("libvirt", "neutron-api"),
    ],
    "openvswitch": ["neutron-openvswitch-agent", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"],
    "ovn": ["ovn-nb", "ovn-sb", "ovn-northd", "ovn-controller", "neutron-ovn-metadata-agent"],
    "cinder": ["cinder-api", "cinder-scheduler", "cinder-volume"],
    "swift": ["swift-proxy", "swift-account", "swift-container", "swift-object"],
    "barbican": ["barbican-api"],
}
PORTS = {
    "always": {5000: "Keystone", 9292: "Glance", 8778: "Placement", 8774: "Nova", 9696: "Neutron", 6080: "noVNC"},
    "horizon": {80: "Horizon"},
    "cinder": {8776: "Cinder"},
    "swift": {8080: "Swift"},
    "barbican": {9311: "Barbican"},
}
# Files with passwords: key of the path in the profile -> the service whose account reads it.
CONFIGS = {
    "always": {name: name for name in ("keystone", "glance", "placement", "nova", "neutron")},
    "cinder": {"cinder": "cinder"},
    "swift": {"swift-proxy": "swift"},
    "barbican": {"barbican": "barbican"},
}


def rows_for(table, service, services):
    """Return the rows of a table for one service; skip the test if the node does not have it."""
    if service not in services:
        pytest.skip(f"this node has no {service}")
    return table[service]


@pytest.fixture(scope="module")
def run_client(host):
    """A function that runs an openstack command as the administrator and returns its output; failures fail the test."""

    def run(command):
        result = host.run(f". {CREDENTIALS} && {command}")
        assert result.rc == 0, result.stderr
        return result.stdout

    return run


@pytest.mark.parametrize("service", ROLES)
def test_units_run_and_are_enabled(host, profile, services, service):
    units = dict.fromkeys(profile.unit(role) for role in rows_for(ROLES, service, services))
    # Units that another unit starts (parts of OVN) are static; is-enabled succeeds for them.
    states = {unit: (host.service(unit).is_running, host.service(unit).is_enabled) for unit in units}
    assert states == dict.fromkeys(units, (True, True))


def test_unused_units_are_masked(host, profile):
    unused_units = profile.masked_units_for(["mariadb", "nova"])
    assert {unit: host.service(unit).is_masked for unit in unused_units} == dict.fromkeys(unused_units, True)


@pytest.mark.parametrize("service", PORTS)
def test_every_api_listens(listening, services, service):
    ports = {address.rsplit(":", 1)[1] for address in listening}
    missing = {port: name for port, name in rows_for(PORTS, service, services).items() if str(port) not in ports}
    assert missing == {}


@pytest.mark.parametrize("port", [3306, 11211], ids=["MariaDB", "memcached"])
def test_internal_services_do_not_listen_on_all_addresses(listening, port):
    addresses = {address.rsplit(":", 1)[0] for address in listening if address.endswith(f":{port}")}
    assert addresses, f"nothing listens on {port}"
    assert not addresses & {"0.0.0.0", "*", "[::]"}


@pytest.mark.parametrize("service", CONFIGS)
def test_configurations_are_readable_by_root_and_their_service_only(host, profile, services, service):
    paths = rows_for(CONFIGS, service, services)
    states = {}
    for name in paths:
        file = host.file(profile.path(name))
        states[profile.path(name)] = (file.user, file.group, oct(file.mode))
    assert states == {profile.path(name): ("root", profile.user(owner), "0o640") for name, owner in paths.items()}


def test_credentials_are_private(host):
    rc = host.file(CREDENTIALS)
    assert (rc.user, rc.mode) == ("root", 0o600)


def test_credentials_give_a_token(run_client):
    assert len(run_client("openstack token issue -f value -c id").strip()) > 20


def test_the_node_s_name_does_not_resolve_to_loopback(host):
    addresses = host.run('getent ahostsv4 "$(hostname)"').stdout.split()
    assert addresses
    assert not addresses[0].startswith("127.")


def test_every_endpoint_answers(host, run_client):
    urls = set(run_client("openstack endpoint list -f value -c URL").split())
    assert len(urls) >= 5
    failures = {}
    for url in sorted(urls):
        # The root of the port, because some APIs answer other paths only with a token.
        root = re.sub(r"(//[^/]+/[^/$%]*).*", r"\1", url)
        states = host.run(f"curl -sS --max-time 20 -o /dev/null -w '%{{http_code}}' '{root}'")
        if states.rc != 0 or not 200 <= int(states.stdout) < 500:
            failures[url] = states.stdout + states.stderr
    assert failures == {}


def test_agents_are_alive(run_client):
    alive = run_client("openstack network agent list -f value -c Alive").split()
    assert alive
    assert set(alive) <= {"True", ":-)"}


def test_compute_services_are_up(run_client):
    lines = [
        line.rsplit(None, 1)
        for line in run_client("openstack compute service list -f value -c Binary -c State").splitlines()
    ]
    assert {name for name, _ in lines} >= {"nova-conductor", "nova-scheduler", "nova-compute"}
    assert {state for _, state in lines} == {"up"}


def test_horizon_shows_its_login_page(host, profile, services):
    rows_for(PORTS, "horizon", services)
    page = host.run(f"curl -sSL --max-time 60 http://127.0.0.1{profile.path('webroot')}/auth/login/")
    assert "csrfmiddlewaretoken" in page.stdout, page.stderr or page.stdout[:300]
