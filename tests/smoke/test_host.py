"""What a deployed host must look like from the inside, for any host that testinfra reaches and any profile.

Not part of ``make test``: ``make vagrant-smoke`` makes a host and runs them, or run them against one of your own, e.g.
``pytest tests/smoke --hosts=ssh://debian12 --ssh-config=FILE --sudo``. What things are called comes
from the profile that the host's os-release leads to; what is looked for is what that host has.
"""

from __future__ import annotations

import re

import pytest

CREDENTIALS = "/root/keystonerc_admin"
# Service -> the roles whose units run on the host. "always" is every cloud.
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
# Where passwords are: the profile's name of the path -> the service whose account reads it.
CONFIGS = {
    "always": {name: name for name in ("keystone", "glance", "placement", "nova", "neutron")},
    "cinder": {"cinder": "cinder"},
    "swift": {"swift-proxy": "swift"},
    "barbican": {"barbican": "barbican"},
}


def of(table, service, services):
    """The part of a table for one service; a skip where the host does not have it."""
    if service not in services:
        pytest.skip(f"this host has no {service}")
    return table[service]


@pytest.fixture(scope="module")
def ask(host):
    """Run a command of the client as the cloud's administrator; its output, never that of a failure."""

    def asked(command):
        done = host.run(f". {CREDENTIALS} && {command}")
        assert done.rc == 0, done.stderr
        return done.stdout

    return asked


@pytest.mark.parametrize("service", ROLES)
def test_units_run_and_come_back_after_a_reboot(host, profile, services, service):
    units = dict.fromkeys(profile.unit(role) for role in of(ROLES, service, services))
    # What another unit starts (OVN's parts) is static: systemctl is content with that.
    shown = {unit: (host.service(unit).is_running, host.service(unit).is_enabled) for unit in units}
    assert shown == dict.fromkeys(units, (True, True))


def test_what_is_of_no_use_is_masked(host, profile):
    assert {unit: host.service(unit).is_masked for unit in profile.masked_units} == dict.fromkeys(
        profile.masked_units, True
    )


@pytest.mark.parametrize("service", PORTS)
def test_apis_are_listened_for(listening, services, service):
    heard = {address.rsplit(":", 1)[1] for address in listening}
    missing = {port: name for port, name in of(PORTS, service, services).items() if str(port) not in heard}
    assert missing == {}


@pytest.mark.parametrize("port", [3306, 11211], ids=["MariaDB", "memcached"])
def test_what_only_services_need_is_not_for_everybody(listening, port):
    addresses = {address.rsplit(":", 1)[0] for address in listening if address.endswith(f":{port}")}
    assert addresses, f"nothing listens on {port}"
    assert not addresses & {"0.0.0.0", "*", "[::]"}


@pytest.mark.parametrize("service", CONFIGS)
def test_configs_are_for_root_and_their_service_only(host, profile, services, service):
    paths = of(CONFIGS, service, services)
    shown = {}
    for name in paths:
        file = host.file(profile.path(name))
        shown[profile.path(name)] = (file.user, file.group, oct(file.mode))
    assert shown == {profile.path(name): ("root", profile.user(owner), "0o640") for name, owner in paths.items()}


def test_credentials_are_private(host):
    rc = host.file(CREDENTIALS)
    assert (rc.user, rc.mode) == ("root", 0o600)


def test_credentials_give_a_token(ask):
    assert len(ask("openstack token issue -f value -c id").strip()) > 20


def test_the_hosts_name_leads_to_an_address_that_services_can_use(host):
    addresses = host.run('getent ahostsv4 "$(hostname)"').stdout.split()
    assert addresses
    assert not addresses[0].startswith("127.")


def test_every_endpoint_answers(host, ask):
    urls = set(ask("openstack endpoint list -f value -c URL").split())
    assert len(urls) >= 5
    silent = {}
    for url in sorted(urls):
        # The port's own root: below it some answer only to a token.
        root = re.sub(r"(//[^/]+/[^/$%]*).*", r"\1", url)
        shown = host.run(f"curl -sS --max-time 20 -o /dev/null -w '%{{http_code}}' '{root}'")
        if shown.rc != 0 or not 200 <= int(shown.stdout) < 500:
            silent[url] = shown.stdout + shown.stderr
    assert silent == {}


def test_agents_are_alive(ask):
    alive = ask("openstack network agent list -f value -c Alive").split()
    assert alive
    assert set(alive) <= {"True", ":-)"}


def test_compute_services_are_up(ask):
    lines = [
        line.rsplit(None, 1) for line in ask("openstack compute service list -f value -c Binary -c State").splitlines()
    ]
    assert {name for name, _ in lines} >= {"nova-conductor", "nova-scheduler", "nova-compute"}
    assert {state for _, state in lines} == {"up"}


def test_horizon_shows_its_login(host, profile, services):
    of(PORTS, "horizon", services)
    page = host.run(f"curl -sSL --max-time 60 http://127.0.0.1{profile.path('webroot')}/auth/login/")
    assert "csrfmiddlewaretoken" in page.stdout, page.stderr or page.stdout[:300]
