"""Text from an answer never runs on a node: it is refused, or quoted where it lands."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace

import pytest

from packstack_lite import profiles
from packstack_lite.answers import PARAMETERS, resolve_answers
from packstack_lite.answers.values import parse_value
from packstack_lite.errors import AnswersError
from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.secret import quote_ovs, quote_sh, quote_sh_inner, quote_unit, quote_unit_inner
from tests.clouds import ADDRESS, MACHINE, change_facts, cloud, node_context
from tests.rendered import on
from tests.unit.injection import HOSTILE, LINES, WORD, Node, exec_words, injected, wrong_in_line

# Every answer that is not one of a few words, or a number.
FREE = [
    parameter
    for parameter in PARAMETERS
    if not parameter.choices and parameter.kind not in ("boolean", "integer", "float", "port")
]
# An answer that is taken, where the default is none.
SAMPLES = {
    "CONFIG_CINDER_NFS_MOUNTS": "198.18.9.9:/srv/volumes",
    "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vdb",
    "CONFIG_HTTP_PROXY": "http://198.18.0.9:3128",
    "CONFIG_NEUTRON_LB_INTERFACE_MAPPINGS": "extnet:eth1",
    "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": "extnet:eth1",
    "CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES": "1:100",
    "CONFIG_NEUTRON_ML2_VLAN_RANGES": "extnet:100:199",
    "CONFIG_NEUTRON_ML2_VXLAN_GROUP": "239.1.1.1",
    "CONFIG_NEUTRON_OVN_BRIDGES_COMPUTE": "br-ex",
    "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": "br-lab:eth1",
    "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": "extnet:br-ex,lab:br-lab",
    "CONFIG_NEUTRON_OVN_TUNNEL_IF": "eth1",
    "CONFIG_NEUTRON_OVS_BRIDGES_COMPUTE": "br-ex",
    "CONFIG_NEUTRON_OVS_BRIDGE_IFACES": "br-lab:eth1",
    "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": "extnet:br-ex,lab:br-lab",
    "CONFIG_NEUTRON_OVS_TUNNEL_IF": "eth1",
    "CONFIG_NTP_SERVERS": "198.18.0.1",
    "CONFIG_REPO": "http://198.18.0.9/more/",
    "CONFIG_REPO_DIRECTORY": "/srv/packages",
    "CONFIG_SWIFT_STORAGES": "/dev/vdb,/dev/vdc",
    "EXCLUDE_SERVERS": "198.18.1.99",
}
EVERYTHING = {
    "CONFIG_CONTROLLER_HOST": ADDRESS,
    "CONFIG_CINDER_INSTALL": "y",
    "CONFIG_CINDER_VOLUME_ENCRYPTION": "y",
    "CONFIG_SWIFT_INSTALL": "y",
    "CONFIG_GLANCE_BACKEND": "swift",
    "CONFIG_BARBICAN_INSTALL": "y",
    "CONFIG_PROVISION_DEMO": "y",
}
# What decides which of the answers are used at all.
WAYS = {
    "ovn": {**EVERYTHING, "CONFIG_NEUTRON_L2_AGENT": "ovn", "CONFIG_CINDER_BACKEND": "lvm,nfs,ceph"},
    "openvswitch": {
        **EVERYTHING,
        "CONFIG_NEUTRON_L2_AGENT": "openvswitch",
        "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "openvswitch,sriovnicswitch",
        "CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS": "extnet:eth4",
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,vlan,gre,flat",
        "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
        "CONFIG_CINDER_BACKEND": "ceph,lvm",
        "CONFIG_CINDER_CEPH_CREATE": "n",
        "CONFIG_CINDER_VOLUMES_DEVICE": "/dev/vdd",
        "CONFIG_MARIADB_INSTALL": "n",
        "CONFIG_MARIADB_HOST": "198.18.1.50",
    },
    "linuxbridge": {
        **EVERYTHING,
        "CONFIG_NEUTRON_L2_AGENT": "linuxbridge",
        "CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS": "linuxbridge",
        "CONFIG_NEUTRON_ML2_TYPE_DRIVERS": "vxlan,flat",
        "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES": "vxlan",
        "CONFIG_CINDER_BACKEND": "nfs",
    },
}


ALL = profiles.list_names()


@pytest.fixture(scope="module")
def node():
    made = Node()
    yield made
    made.close()


def sample(parameter):
    """An answer that is taken; "" where any text is."""
    text = SAMPLES.get(parameter.name) or ("" if parameter.computed else parameter.default)
    return ADDRESS if parameter.default == "address" else text


def mutations(parameter, text):
    """The text in the place of the answer, at both ends and behind each mark within it; of a list, in the last item."""
    is_list = parameter.kind in ("list", "hosts")
    kept, comma, word = sample(parameter).rpartition(",") if is_list else ("", "", sample(parameter))
    marks = [found.end() for found in re.finditer(r"[:/=,@\[\"]+", word)]
    changed = [word + text, text + word, text, *(word[:at] + text + word[at:] for at in marks)]
    return dict.fromkeys(kept + comma + one for one in changed)


def taken(parameter, text):
    try:
        parse_value(parameter, text)
    except ValueError as fault:
        assert str(fault)
        return False
    return True


def accepted(way, texts):
    """The answers with as many of these texts as are taken together."""
    texts = {name: text for name, text in texts.items() if name not in WAYS[way]}
    while True:
        try:
            return resolve_answers(flags={**WAYS[way], **texts}), texts
        except AnswersError as faults:
            # The first one that a fault names is the one at fault; what it is compared with stays.
            named = [re.findall(r"CONFIG_\w+|EXCLUDE_SERVERS", fault) for fault in faults.errors]
            dropped = [next((name for name in names if name in texts), "") for names in named]
            assert all(dropped), faults.errors
            texts = {name: text for name, text in texts.items() if name not in dropped}


def clouds(way, answers, names=ALL):
    """One host of each profile that has the agent, and two of several."""
    values, old = dict(answers), {"firewall": "firewalld"}
    for name in names:
        if way != "linuxbridge" or "neutron-linuxbridge" in profiles.load(name).packages:
            yield on(name, cloud(values, **MACHINE, **(old if "centos" in name else {})))
    spread = on("centos7-train", node_context("controller", values, **MACHINE))
    yield from (spread, on("debian12-zed", node_context("compute-1", values, **MACHINE)))


def test_every_free_answer_has_a_sample_that_is_taken():
    """Without one a text might be refused for the rest of the answer alone."""
    for parameter in FREE:
        assert taken(parameter, sample(parameter)) or (parameter.required and not sample(parameter)), parameter.name
        assert sample(parameter) or not parameter.pattern or parameter.is_secret or parameter.condition, parameter.name


NAMES = [one for one in PARAMETERS if one.grammar and not one.is_secret and one.grammar != "repository"]


@pytest.mark.parametrize("parameter", NAMES, ids=lambda one: one.name)
def test_a_name_holds_nothing_that_a_shell_or_systemd_reads(parameter):
    word = sample(parameter) or "x"
    slash = "" if parameter.grammar in ("path", "device") else "/"
    for mark in "\"'`\\;&|<>()# $%*?![]{}^\u00e9\u0663" + slash:
        assert not taken(parameter, word + mark + "a")
        assert not taken(parameter, mark + word) or mark == " "
    assert not taken(parameter, "-" + word)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_of_an_answer_runs(node, way, hostile):
    node.done.clear()
    texts = {}
    for parameter in FREE:
        found = [text for text in mutations(parameter, hostile) if taken(parameter, text)]
        if found:
            texts[parameter.name] = found[0]
    assert texts
    answers, kept = accepted(way, texts)
    assert "CONFIG_KEYSTONE_ADMIN_PW" in kept
    for of in clouds(way, answers):
        assert injected(node, of) == [], of.profile.name


def bare(parameter, text):
    """The answer that this text would be if nothing checked it."""
    if parameter.grammar in ("path", "device"):
        word = f"/dev/x{text}" if parameter.grammar == "device" else f"/srv/x{text}/y"
    else:
        word = ":".join(f"{part.lower()[0]}{text}" for part in parameter.grammar.split(":"))
    return (word,) if parameter.kind == "list" else word


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_name_that_nothing_checks_is_quoted_where_it_lands(node, way, hostile):
    """A second wall: a value may come from elsewhere, and a grammar may grow."""
    node.done.clear()
    names = {one.name: bare(one, hostile) for one in NAMES if not one.name.endswith("_TUNNEL_IF")}
    # The bridge of the mappings has no interface, or no address would be translated.
    for agent in ("OVN", "OVS"):
        names[f"CONFIG_NEUTRON_{agent}_BRIDGE_IFACES"] = (f"o{hostile}:i{hostile}",)
    interface = f"i{hostile}"
    path = f"/etc/sysconfig/network-scripts/ifcfg-{interface}"
    wiring = {
        interface: UplinkFacts(
            managed_by="network-scripts", config_path=path, addresses=("198.18.9.10/24",), mac="02:00:00:0:1"
        )
    }
    texts = {path: "BOOTPROTO=dhcp\nONBOOT=yes\n"}
    answers, _ = accepted(way, {})
    for of in clouds(way, {**answers, **names}, ("debian12-zed",) if way == "ovn" else ("centos7-train",)):
        moved = replace(of, facts=change_facts(of.facts, uplinks=wiring, network_files=texts))
        assert injected(node, moved) == [], of.profile.name


WAYS_IN = [*HOSTILE, LINES, "", "-", "a b", "\t", "é", ";", "$", "%", "\\", "'", '"', "$$", "%%", "'\\''"]


@pytest.mark.parametrize("text", WAYS_IN)
def test_systemd_reads_back_what_is_written_into_a_unit(text):
    assert exec_words(f"/bin/a {quote_unit(text)} b") == ["/bin/a", text, "b"]
    assert exec_words(f"/bin/a 'b {quote_unit_inner(text)}'") == ["/bin/a", f"b {text}"]
    assert exec_words(f'/bin/a "b {quote_unit_inner(text)}"') == ["/bin/a", f"b {text}"]


@pytest.mark.parametrize("text", WAYS_IN)
def test_a_shell_within_a_unit_reads_it_back(text):
    line = f"/bin/sh -c 'printf %%s {quote_unit_inner(quote_sh(text))} \"{quote_unit_inner(quote_sh_inner(text))}\"'"
    done = subprocess.run(exec_words(line), stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == text * 2


@pytest.mark.parametrize("text", WAYS_IN)
def test_open_vswitch_reads_a_string_back(text):
    assert json.loads(f'"{quote_ovs(text)}"') == text


INJECTIONS = [
    f"echo $({WORD})",
    f"echo 'a'`{WORD}`''",
    f"exit 75\n{WORD}",
    f"set -eu\nls -l /nowhere\n{WORD}",
    f"[ -e /nowhere ] && {WORD}",
    f"[ -e / ] && {WORD}",
    f"until ready; do sleep 1; done\n{WORD}",
    f"rabbitmqctl eval 'a $({WORD})'",
    f"echo 'a{WORD}",
]


@pytest.mark.parametrize("script", INJECTIONS)
def test_what_runs_is_found(node, script):
    node.done.clear()
    assert node.runs(script)


@pytest.mark.parametrize(
    "line",
    [
        f"ExecStart=/bin/sh -c 'echo $$({WORD})'",
        f"ExecStart=/bin/sh -c 'a; {WORD}'",
        f"ExecStart=/bin/sh -c 'a' %i{WORD}",
        f"ExecStart=/bin/a '{WORD}",
        f"ExecStart=/bin/a ${{{WORD}}}",
        f"ExecStart={WORD} a",
        f"Description=%n {WORD}",
        f"Description={WORD} \\",
    ],
)
def test_what_systemd_would_run_or_replace_is_found(node, line):
    node.done.clear()
    assert list(wrong_in_line(node, line))


def test_harmless_text_is_not_taken_for_what_runs(node):
    node.done.clear()
    assert node.runs(f"echo {quote_sh(f'$({WORD})')} 'a`{WORD}`' \"{quote_sh_inner(f'`{WORD}`')}\"") == ""
    assert list(wrong_in_line(node, f"ExecStart=/bin/sh -c 'echo {quote_unit_inner(quote_sh(f'$({WORD})'))}'")) == []
