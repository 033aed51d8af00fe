"""The fuzzer's targets on a node: a strategy of ``fuzz.Input`` for each kind of reply.

The node's journal and manifest are written and never read: preflight asks whether they exist. Used by ``test_fuzz``.
"""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from hypothesis import strategies as st

from packstack_lite.remote.command import Reply
from tests.unit.fuzz import ADDRESS, FACTS, Input
from tests.unit.fuzz_inputs import HOST, IGNORE, decoded, texts, to_answer_file

FACT_LINES = """\
uplink=eth0 mac aa:bb:cc:dd:ee:ff
uplink=eth0 manager ifupdown
uplink=eth0 path /etc/network/interfaces
uplink=eth0 address 198.18.1.10/24
uplink=eth0 route default via 198.18.1.1 dev eth0
uplink=eth0 carrier 1
network_file=YXV0byBldGgwCmlmYWNlIGV0aDAgaW5ldCBkaGNwCg== /etc/network/interfaces
resolver=198.18.0.1
upstream_resolver=198.18.0.1
hostname_address=127.0.1.1
port=80\tnginx\tnginx.service
device=/dev/vdb 100 ext4 /srv
disk=/var 900 /var
volume_group=cinder-volumes
nfs_export=a:/b no
sriov_vfs=eth0 4
kernel_feature=nfs
ceph_file=/etc/ceph/ceph.conf
repo=base\t/etc/yum.repos.d/x.repo\t1\thttp://mirror.centos.org/x\tpython*\t1
rpm_version=httpd 2.4.6
epel_rpm=leatherman
masked_unit=httpd.service
unit_state=firewalld.service active enabled
unit_state=nftables.service active enabled
selinux=enforcing
selinux_boot=disabled
selinux_type=targeted
nft_support=no
nat_support=no
key_digest=CONFIG_SWIFT_HASH 0a
mariadb_account=0a nova@localhost
mariadb_database=nova
mariadb_root_error=ERROR 1698 (28000): Access denied for user
packstack_file=/root/packstackca
other_openstack=/etc/nova/nova.conf
our_file=/etc/nova/nova.conf
missing_python_module=/usr/bin/python3 yaml
shadowing_module=/usr/local/lib/python3/dist-packages/yaml.py
facter_error=Could not load
locale=C
missing_locale=de_DE.UTF-8
machine_id=0123456789abcdef
booting=multi-user.target
epoch=1795457920
memory=7950
cpus=4
os_id=centos
os_version=7
interface=link 4: eth1: <BROADCAST> mtu 1500 qdisc x\\    link/ether aa:cc promiscuity 0 \\ bond x
interface=addr 4: eth1 inet 198.18.2.10/24 scope global dynamic eth1
default_interface=eth1
default_gateway=198.18.1.1
address=198.18.1.10
ml2_mechanisms=openvswitch, ovn
virtualization=lxc
init=sysvinit
""".splitlines()
FACT_KEYS = sorted({line.partition("=")[0] for line in FACT_LINES})
FACT_ANSWERS = ((), ("--set=CONFIG_NEUTRON_OVN_BRIDGE_IFACES=br-ex:eth0",), ("--set=CONFIG_CINDER_INSTALL=y",))


@st.composite
def fact_runs(draw: st.DrawFn) -> Input:
    """The facts of a node, read by preflight and by what is declared from them."""
    lines = st.sampled_from(FACT_LINES) | st.builds("{}={}".format, st.sampled_from(FACT_KEYS), texts(*FACT_LINES))
    changed = texts(*(line.partition("=")[2] for line in FACT_LINES))
    lines |= st.builds("{}={}".format, st.sampled_from(FACT_KEYS), changed)
    added = "\n".join(draw(st.lists(lines, max_size=8))).encode(errors="replace").decode()
    replies = {"gather facts of software": Reply(0, added)}
    name = draw(st.sampled_from((*FACTS, "gather facts of uplinks", "")))
    if name:
        valid = f"{added}\n{FACTS.get(name, '')}"
        replies[name] = Reply(
            draw(st.sampled_from((0, 0, 0, 1, 124))), draw(decoded(valid)), draw(decoded("x: No such"))
        )
    verb = draw(st.sampled_from(("preflight", "preflight", "plan", "verify")))
    return Input((verb, *HOST, *draw(st.sampled_from(FACT_ANSWERS))), replies=replies)


# A line of a probe's reply by the kind of the resources. %EACH% is repeated for each name on the probe's stdin.
STATES: Mapping[str, Sequence[str]] = {
    "file": (
        "%EACH%\tfile\t640\troot\tnova\t0\tZm9v\n",
        "%EACH%\t0a\tfile\t640\troot\tnova\t-\n",
        "%EACH%\t-\t-\t-\t-\t-\t-\n",
    ),
    "unit": (
        "%EACH_BLOCK%Id=nova-api.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=disabled\n%END%"
        "==\nmariadb.service 0a\nrabbitmq-server.service 0a 0b\n",
    ),
    "packages": ("curl\t1.0\nnova-api\t-\n", "%EACH%\tinstalled\n", "%EACH%\t1:2.3\n"),
    "sysctl": ("1\n0\n1024 65535\n", "1\n"),
    "database": ("schema\tnova\tutf8\nuser\tnova@localhost\t*0A\ngrant\tnova@localhost nova\t\n",),
    "entity": ('{"project:admin": {"exists": true}, "account": {"block_devices": [1]}, "object": null}', "{}"),
    "guard": ("now\t80/tcp 5000-6000/tcp\nboot\t\nmode\t600\n",),
    "once": ("nova-db\t0a\t\n", "a\tb\tc\n"),
    "message_user": ("{ok,[{amqp_user,<<1,2>>,[administrator]}]}", "yes"),
    "bridge": ("port\teth0\naddress\t198.18.1.10/24\n", ""),
    "keys": ("/etc/keystone/fernet-keys\t2\t0\n", "%EACH%\t1\t2\n"),
    "ovs_setting": ('"br-ex"\n{}\n', "[]\n"),
    "nat": ("now\nboot\n", "1\n"),
    "directory": ("%EACH%\tdirectory\t755\troot\troot\t-\t-\n", "%EACH%\t-\tdirectory\t755\tglance\tglance\t-\n"),
}


@st.composite
def state_runs(draw: st.DrawFn) -> Input:
    """The states of resources, of one kind at a time: unit digests are among those of units."""
    kind = draw(st.sampled_from(sorted(STATES)))
    out = draw(st.sampled_from(STATES[kind]) | decoded(*STATES[kind], size=20_000))
    reply = Reply(draw(st.sampled_from((0, 0, 0, 1, 75))), out, draw(decoded("No such file", size=2000)))
    verb = draw(st.sampled_from((("plan", "--diff"), ("plan", "--output=json"), ("verify",))))
    return Input((*verb, *HOST), replies={"probe": reply, "read": reply}, kind=kind)


def lock_runs() -> st.SearchStrategy[Input]:
    """The owner of the node's lock, and what the shell says when it cannot be taken."""
    owners = decoded('{"who": "me@here (process 12)"}\n', '{"who": %s}' % ("[" * 20_000), '{"who": "(process ')
    replies = st.builds(Reply, st.sampled_from((7, 7, 1)), owners, owners)
    return replies.map(lambda reply: Input(("apply", *HOST, *IGNORE), replies={"take the lock": reply}))


def smoke_runs() -> st.SearchStrategy[Input]:
    """What the smoke test prints on the node."""
    case = json.dumps({"name": "catalog", "outcome": "passed", "seconds": 1.5, "detail": "x"})
    output = decoded(f"{case}\n", case.replace("1.5", "1e999"), case.replace("1.5", "NaN"), case.replace("passed", "x"))
    verbs = st.sampled_from((("smoke", *HOST), ("smoke", *HOST, "--output=json")))
    files = {"packstack-answers-20260101-120000.txt": to_answer_file([], ADDRESS)}
    return st.builds(lambda verb, text: Input(verb, files, job_output=text), verbs, output)


NODE_TARGETS: Mapping[str, st.SearchStrategy[Input]] = {
    "facts": fact_runs(),
    "states": state_runs(),
    "lock": lock_runs(),
    "smoke": smoke_runs(),
}
