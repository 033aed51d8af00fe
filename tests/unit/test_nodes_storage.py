"""Facts of storage and stored keys: the scripts run by dash on a made-up /etc, and the parser."""

from __future__ import annotations

import hashlib
import socket

import pytest

from packstack_lite.nodes.facts import CloudFacts, StorageFacts, cloud, storage
from packstack_lite.preflight.storage import key_digest
from packstack_lite.remote.command import Reply
from packstack_lite.secret import Secret, quote_percent
from packstack_lite.services.registry import STORED_KEYS
from tests.clouds import read_facts
from tests.unit.dash import Dash

KEK = "a2V-_2VrLWtlay1rZWsta2VrLWtlay1rZWsta2VrLWs="


@pytest.fixture
def dash(tmp_path):
    directories = {key.path.rsplit("/", 1)[0] for _, key in STORED_KEYS}
    return Dash(tmp_path, moved=[*sorted(directories), "/etc/ceph", "/dev/disk", "/sys/class/block"])


def storage_facts(dash, exports=()):
    return read_facts(StorageFacts, *(dash.run(command) for command in storage.build_commands(exports)))


def key_digests(dash):
    places = [(key.parameter, key.path, key.option) for _, key in STORED_KEYS]
    return read_facts(CloudFacts, dash.run(cloud.build_command(places))).key_digests


def put(dash, path, text):
    path_on_node = dash.root / path.lstrip("/")
    path_on_node.parent.mkdir(parents=True, exist_ok=True)
    path_on_node.write_text(text)


@pytest.mark.parametrize("key", ["plain", "a$b %c\"d'e\\f#g;h@i/j:k&l!m", "100%(x)s +/ end"])
def test_stored_keys_are_read_as_the_digests_that_preflight_computes(dash, key):
    put(dash, "/etc/barbican/barbican.conf", f"[simple_crypto_plugin]\n# kek = no\nkek = {KEK}\n")
    put(dash, "/etc/swift/swift.conf", f"[swift-hash]\nswift_hash_path_suffix = {quote_percent(key)}\n")
    assert key_digests(dash) == {
        "CONFIG_BARBICAN_KEK": key_digest(Secret(KEK)),
        "CONFIG_SWIFT_HASH": key_digest(Secret(key)),
    }
    assert key_digest(Secret(KEK)) == hashlib.sha256(KEK.encode()).hexdigest()


def test_a_packages_default_is_no_stored_key(dash):
    put(dash, "/etc/barbican/barbican.conf", "[simple_crypto_plugin]\n#kek = dGhpcnR5\n")
    put(dash, "/etc/swift/swift.conf", "[swift-hash]\nswift_hash_path_suffix = changeme\n")
    assert key_digests(dash) == {}


def test_devices_are_parsed_with_their_contents(dash):
    reply = Reply(
        0, "device=/dev/vdb 4096 - -\ndevice=/dev/vda1 9000 ext4 /mnt/with space\nvolume_group=a\nkernel_feature=nfs\n"
    )
    facts = read_facts(StorageFacts, reply)
    assert facts.block_devices == {"/dev/vdb": "4096 - -", "/dev/vda1": "9000 ext4 /mnt/with space"}
    assert (facts.volume_groups, facts.kernel_features, facts.nfs_export_errors) == (("a",), ("nfs",), {})


def test_our_own_ceph_configuration_is_recognised(dash):
    put(dash, "/etc/ceph/ceph.conf", "# Written by packstack-lite. A cluster\n")
    put(dash, "/etc/ceph/rbdmap", "")
    facts = storage_facts(dash).ceph_files
    assert facts[-1] == "ours" and len(facts) == 3
    put(dash, "/etc/ceph/ceph.conf", "[global]\n")
    assert "ours" not in storage_facts(dash).ceph_files


def test_nfs_exports_are_tried(dash):
    """Port 2049 of loopback: of another process, of the test, or closed."""
    dash.tool("showmount", "case $3 in 127.0.0.1) echo '/srv/one *' ;; *) exit 1 ;; esac")
    facts = storage_facts(dash, ["127.0.0.2:/srv/one"]).nfs_export_errors
    assert facts == {"127.0.0.2:/srv/one": "127.0.0.2 does not answer on port 2049"}
    with socket.create_server(("127.0.0.1", 2049)):
        facts = storage_facts(dash, ["127.0.0.1:/srv/one", "127.0.0.1:/srv/two"]).nfs_export_errors
    assert facts == {"127.0.0.1:/srv/one": "", "127.0.0.1:/srv/two": "127.0.0.1 does not export /srv/two"}
