"""Where each service listens, for all that speak to it."""

from __future__ import annotations

from typing import Mapping

# Where each API listens: the field's own well-known ports (source: the packages' defaults).
PORTS: Mapping[str, int] = {
    "keystone": 5000,
    "glance": 9292,
    "placement": 8778,
    "nova": 8774,
    "metadata": 8775,
    "neutron": 9696,
    "novnc": 6080,
    "barbican": 9311,
    "cinder": 8776,
    "ceph": 3300,
    "ceph-old": 6789,
    "swift": 8080,
    "swift-object": 6200,
    "swift-container": 6201,
    "swift-account": 6202,
    "memcached": 11211,
    "mariadb": 3306,
    "rabbitmq": 5672,
}
