"""The faults that are built on a deployed cloud, as data. Used by test_faults.py.

Each is a shell script for the node. The same apply as ever has to end with the cloud as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

# Rewrites nova.conf and restarts Nova, so that a fault which matters only to a change is met.
CHANGED_ANSWER = {"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO": "7.25"}

_ACCOUNT = "mariadb -N -e \"SELECT CONCAT('{verb} ', QUOTE(user), '@', QUOTE(host), ';') FROM mysql.user"
_ACCOUNT += " WHERE user IN ('nova', 'glance')\""
# The files of a job that runs, and of the lock, belong to a run that goes on.
_STATE_FILES = "find /var/lib/packstack-lite -type f"
_FILL = "head -c 100000000 /dev/zero > {directory}/filler 2>/dev/null || true"
# MariaDB's data on a file system that is full but for one page: moved there, and back with what was written since.
_FILL_DATABASE = """
systemctl stop mariadb
mkdir -p /root/faults/mysql
mount -t tmpfs -o size=$(($(du -sm /var/lib/mysql | cut -f1) + 40))m none /root/faults/mysql
cp -a /var/lib/mysql/. /root/faults/mysql/ && chown --reference=/var/lib/mysql /root/faults/mysql
mount --bind /root/faults/mysql /var/lib/mysql
systemctl start mariadb
head -c 1000000000 /dev/zero > /var/lib/mysql/filler 2>/dev/null || true
"""
_EMPTY_DATABASE = """
rm -f /var/lib/mysql/filler
systemctl stop mariadb
umount /var/lib/mysql
cp -a /root/faults/mysql/. /var/lib/mysql/
umount /root/faults/mysql
systemctl start mariadb
"""
_HIDE_SOURCES = """
apt-get -qq -y remove nova-consoleproxy >/dev/null || exit 1
mkdir -p /root/faults/apt
mv /etc/apt/sources.list.d /etc/apt/sources.list /root/faults/apt/ 2>/dev/null
mv /var/cache/apt/archives /root/faults/apt/
mkdir -p /etc/apt/sources.list.d /var/cache/apt/archives/partial
echo 'deb [trusted=yes] file:/nowhere bookworm main' > /etc/apt/sources.list
"""
_SHOW_SOURCES = """
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /var/cache/apt/archives
mv /root/faults/apt/sources.list* /etc/apt/
mv /root/faults/apt/archives /var/cache/apt/
"""


@dataclass(frozen=True)
class Fault:
    """A fault: ``build`` makes it on the node.

    ``refusal``: the first apply has to fail and name this text. ``repair`` is then what a person does.
    ``with_change``: the answers change as well.
    """

    name: str
    build: str
    refusal: str = ""
    repair: str = ""
    with_change: bool = False


FAULTS: Tuple[Fault, ...] = (
    Fault("keystone's keys are gone", "rm -rf /etc/keystone/fernet-keys /etc/keystone/credential-keys"),
    Fault("configuration is binary", "head -c 5000 /dev/urandom > /etc/nova/nova.conf"),
    Fault("configuration is gone", "rm /etc/neutron/neutron.conf /etc/glance/glance-api.conf /root/keystonerc_admin"),
    Fault("configuration is a directory", "rm /etc/nova/nova.conf && mkdir /etc/nova/nova.conf"),
    Fault("grants are revoked", _ACCOUNT.format(verb="REVOKE ALL PRIVILEGES, GRANT OPTION FROM") + " | mariadb"),
    Fault("database accounts are gone", _ACCOUNT.format(verb="DROP USER") + " | mariadb"),
    Fault("the external bridge is gone", "ovs-vsctl del-br br-ex"),
    Fault("instances belong to root", "chown -R root:root /var/lib/nova/instances"),
    Fault("images belong to root", "chown root:root /var/lib/glance /var/lib/glance/images 2>/dev/null; true"),
    Fault("objects belong to root", "chown -R root:root /srv/node/*"),
    Fault("secrets are readable by everybody", "chmod 666 /etc/nova/nova.conf /root/keystonerc_admin"),
    Fault("units are masked", "systemctl mask --now nova-scheduler neutron-api neutron-server 2>/dev/null; true"),
    Fault("database and queue are killed", "systemctl kill -s KILL mariadb rabbitmq-server; sleep 1"),
    Fault("every state file is garbage", _STATE_FILES + " -exec sh -c 'head -c 300 /dev/urandom > \"$1\"' . {} \\;"),
    Fault("every state file is empty", _STATE_FILES + " -exec truncate -s 0 {} +"),
    Fault(
        "state files are directories", "cd /var/lib/packstack-lite && rm -r files units && mkdir -p files/a units/b/c"
    ),
    Fault("the state directory is gone", "rm -rf /var/lib/packstack-lite"),
    Fault(
        "a lock of a process that has ended",
        "mkdir -p /var/lib/packstack-lite/lock && cd /var/lib/packstack-lite/lock"
        ' && printf \'{"who": "x@y (process 1)"}\\n4194303 1\\n\' > holder',
    ),
    Fault("a lock without a name", "mkdir -p /var/lib/packstack-lite/lock"),
    Fault("a service's password was changed", ". /root/keystonerc_admin; openstack user set --password other nova"),
    Fault(
        "endpoints are gone",
        ". /root/keystonerc_admin; openstack endpoint delete"
        " $(openstack endpoint list --service compute -f value -c ID)",
    ),
    Fault("the queue is reset", "rabbitmqctl -q stop_app; rabbitmqctl -q force_reset; rabbitmqctl -q start_app"),
    Fault(
        "a drop-in breaks a unit",
        "mkdir -p /etc/systemd/system/nova-scheduler.service.d && cd /etc/systemd/system/nova-scheduler.service.d"
        " && printf '[Service]\\nExecStartPre=/bin/false\\n' > broken.conf && systemctl daemon-reload"
        " && { systemctl restart nova-scheduler || true; }",
        refusal="/etc/systemd/system/nova-scheduler.service.d/broken.conf",
        repair="rm -r /etc/systemd/system/nova-scheduler.service.d; systemctl daemon-reload",
    ),
    Fault(
        "the queue's memory alarm is set",
        "rabbitmqctl -q set_vm_memory_high_watermark 0.00001",
        with_change=True,
        refusal="RabbitMQ takes no messages: its memory alarm is set",
        repair="rabbitmqctl -q set_vm_memory_high_watermark 0.4",
    ),
    Fault(
        "/tmp is full",
        "mount -t tmpfs -o size=16k none /tmp; " + _FILL.format(directory="/tmp"),
        with_change=True,
        repair="umount /tmp",
    ),
    Fault(
        "/var/log/nova is full",
        "mount -t tmpfs -o size=16k,mode=1777 none /var/log/nova; " + _FILL.format(directory="/var/log/nova"),
        with_change=True,
        repair="umount /var/log/nova; chown nova:adm /var/log/nova",
    ),
    Fault(
        "the state directory's disk is full",
        "mkdir -p /root/faults && cp -a /var/lib/packstack-lite /root/faults/state"
        " && mount -t tmpfs -o size=2m none /var/lib/packstack-lite"
        " && cp -a /root/faults/state/. /var/lib/packstack-lite/; " + _FILL.format(directory="/var/lib/packstack-lite"),
        with_change=True,
        refusal="look for a full disk",
        repair="umount /var/lib/packstack-lite",
    ),
    Fault(
        "/etc's disk is full",
        "mkdir -p /root/faults && cp -a /etc/nova /root/faults/nova && mount -t tmpfs -o size=256k none /etc/nova"
        " && cp -a /root/faults/nova/. /etc/nova/; chmod 755 /etc/nova; " + _FILL.format(directory="/etc/nova"),
        with_change=True,
        refusal="space",
        repair="umount /etc/nova",
    ),
    Fault("the database's disk is full", _FILL_DATABASE, with_change=True, repair=_EMPTY_DATABASE),
    Fault(
        "a package is gone, and its source too",
        _HIDE_SOURCES,
        refusal="nova-consoleproxy",
        repair=_SHOW_SOURCES,
    ),
)
