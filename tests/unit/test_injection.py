"""Text of an answer never runs on a node: it is refused, or quoted where it is used."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from packstack_lite import profiles
from packstack_lite.answers import PARAMETERS, resolve_answers
from packstack_lite.answers.values import parse_value
from packstack_lite.errors import AnswersError
from packstack_lite.nodes.facts import UplinkFacts
from packstack_lite.secret import quote_ovs, quote_sh, quote_sh_inner, quote_unit, quote_unit_inner
from tests.clouds import ADDRESS, MACHINE, change_facts, cloud, node_context
from tests.rendered import on
from tests.unit.injection import (
    COMMAND,
    HOSTILE,
    LINES,
    ShellSandbox,
    find_injections,
    find_problems_in_line,
    split_exec_line,
)

# Parameters that take more than a choice or a number.
FREE_PARAMETERS = [
    parameter
    for parameter in PARAMETERS
    if not parameter.choices and parameter.kind not in ("boolean", "integer", "float", "port")
]
# A valid answer for parameters whose default is empty.
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
    "CONFIG_NEUTRON_DNS_SERVERS": "198.18.0.1",
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
# Answers that decide which other answers are used.
SCENARIOS = {
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


ALL_PROFILES = profiles.list_names()


@pytest.fixture(scope="module")
def sandbox():
    sandbox = ShellSandbox()
    yield sandbox
    sandbox.close()


def sample(parameter):
    """Return a valid answer; "" where any text is valid."""
    text = SAMPLES.get(parameter.name) or ("" if parameter.computed else parameter.default)
    return ADDRESS if parameter.default == "address" else text


def mutations(parameter, text):
    """Put the text in place of an answer, at its ends and after each separator; in a list, into the last item."""
    is_list = parameter.kind in ("list", "hosts")
    kept, comma, word = sample(parameter).rpartition(",") if is_list else ("", "", sample(parameter))
    marks = [found.end() for found in re.finditer(r"[:/=,@\[\"]+", word)]
    changed = [word + text, text + word, text, *(word[:at] + text + word[at:] for at in marks)]
    return dict.fromkeys(kept + comma + one for one in changed)


def is_valid(parameter, text):
    try:
        parse_value(parameter, text)
    except ValueError as error:
        assert str(error)
        return False
    return True


def resolve_valid(scenario, texts):
    """Resolve the answers with as many of these texts as are valid together; return answers and texts."""
    texts = {name: text for name, text in texts.items() if name not in SCENARIOS[scenario]}
    while True:
        try:
            return resolve_answers(flags={**SCENARIOS[scenario], **texts}), texts
        except AnswersError as error:
            # An error names the wrong parameter first; the one that it is compared with stays.
            named = [re.findall(r"CONFIG_\w+|EXCLUDE_SERVERS", message) for message in error.errors]
            dropped = [next((name for name in names if name in texts), "") for names in named]
            assert all(dropped), error.errors
            texts = {name: text for name, text in texts.items() if name not in dropped}


def make_contexts(scenario, answers, names=ALL_PROFILES):
    """Iterate over a single node of each profile that has the agent, and two nodes of a larger cloud."""
    values, centos_facts = dict(answers), {"firewall": "firewalld"}
    for name in names:
        if scenario != "linuxbridge" or "neutron-linuxbridge" in profiles.load(name).packages:
            yield on(name, cloud(values, **MACHINE, **(centos_facts if "centos" in name else {})))
    spread = on("centos7-train", node_context("controller", values, **MACHINE))
    yield from (spread, on("debian12-zed", node_context("compute-1", values, **MACHINE)))


def test_every_free_parameter_has_a_valid_sample():
    """Without one, an answer might be refused for another reason than the text."""
    for parameter in FREE_PARAMETERS:
        assert is_valid(parameter, sample(parameter)) or (parameter.required and not sample(parameter)), parameter.name
        has_sample = sample(parameter) or not parameter.pattern or parameter.is_secret or parameter.condition
        assert has_sample, f"{parameter.name}: add a valid answer to SAMPLES of test_injection.py"


NAME_PARAMETERS = [one for one in PARAMETERS if one.grammar and not one.is_secret and one.grammar != "repository"]


@pytest.mark.parametrize("parameter", NAME_PARAMETERS, ids=lambda one: one.name)
def test_a_name_has_no_character_that_a_shell_or_systemd_interprets(parameter):
    word = sample(parameter) or "x"
    slash = "" if parameter.grammar in ("path", "device") else "/"
    for mark in "\"'`\\;&|<>()# $%*?![]{}^\u00e9\u0663" + slash:
        assert not is_valid(parameter, word + mark + "a")
        assert not is_valid(parameter, mark + word) or mark == " "
    assert not is_valid(parameter, "-" + word)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_of_an_answer_runs(sandbox, scenario, hostile):
    sandbox.done.clear()
    texts = {}
    for parameter in FREE_PARAMETERS:
        valid = [text for text in mutations(parameter, hostile) if is_valid(parameter, text)]
        if valid:
            texts[parameter.name] = valid[0]
    assert texts
    answers, kept = resolve_valid(scenario, texts)
    assert "CONFIG_KEYSTONE_ADMIN_PW" in kept
    for context in make_contexts(scenario, answers):
        assert find_injections(sandbox, context) == [], context.profile.name


def unchecked_value(parameter, text):
    """Return the answer with this text, as it would be without validation."""
    if parameter.grammar in ("path", "device"):
        word = f"/dev/x{text}" if parameter.grammar == "device" else f"/srv/x{text}/y"
    else:
        word = ":".join(f"{part.lower()[0]}{text}" for part in parameter.grammar.split(":"))
    return (word,) if parameter.kind == "list" else word


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_name_is_quoted_even_without_validation(sandbox, scenario, hostile):
    """The second barrier: a value may come from elsewhere, and a grammar may become wider."""
    sandbox.done.clear()
    names = {one.name: unchecked_value(one, hostile) for one in NAME_PARAMETERS if not one.name.endswith("_TUNNEL_IF")}
    # The bridge of the mappings gets no interface; otherwise no address would be translated.
    for agent in ("OVN", "OVS"):
        names[f"CONFIG_NEUTRON_{agent}_BRIDGE_IFACES"] = (f"o{hostile}:i{hostile}",)
    interface = f"i{hostile}"
    path = f"/etc/sysconfig/network-scripts/ifcfg-{interface}"
    uplink_facts = {
        interface: UplinkFacts(
            managed_by="network-scripts", config_path=path, addresses=("198.18.9.10/24",), mac="02:00:00:0:1"
        )
    }
    texts = {path: "BOOTPROTO=dhcp\nONBOOT=yes\n"}
    answers, _ = resolve_valid(scenario, {})
    for context in make_contexts(
        scenario, {**answers, **names}, ("debian12-zed",) if scenario == "ovn" else ("centos7-train",)
    ):
        changed = replace(context, facts=change_facts(context.facts, uplinks=uplink_facts, network_files=texts))
        assert find_injections(sandbox, changed) == [], context.profile.name


TEXTS = [*HOSTILE, LINES, "", "-", "a b", "\t", "é", ";", "$", "%", "\\", "'", '"', "$$", "%%", "'\\''"]


@pytest.mark.parametrize("text", TEXTS)
def test_systemd_reads_quoted_text_back(text):
    assert split_exec_line(f"/bin/a {quote_unit(text)} b") == ["/bin/a", text, "b"]
    assert split_exec_line(f"/bin/a 'b {quote_unit_inner(text)}'") == ["/bin/a", f"b {text}"]
    assert split_exec_line(f'/bin/a "b {quote_unit_inner(text)}"') == ["/bin/a", f"b {text}"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_shell_in_a_unit_reads_quoted_text_back(text):
    line = f"/bin/sh -c 'printf %%s {quote_unit_inner(quote_sh(text))} \"{quote_unit_inner(quote_sh_inner(text))}\"'"
    done = subprocess.run(split_exec_line(line), stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == text * 2


@pytest.mark.parametrize("text", TEXTS)
def test_open_vswitch_reads_a_string_back(text):
    assert json.loads(f'"{quote_ovs(text)}"') == text


INJECTING_SCRIPTS = [
    f"echo $({COMMAND})",
    f"echo 'a'`{COMMAND}`''",
    f"exit 75\n{COMMAND}",
    f"set -eu\nls -l /nowhere\n{COMMAND}",
    f"[ -e /nowhere ] && {COMMAND}",
    f"[ -e / ] && {COMMAND}",
    f"until ready; do sleep 1; done\n{COMMAND}",
    f"rabbitmqctl eval 'a $({COMMAND})'",
    f"echo 'a{COMMAND}",
]


@pytest.mark.parametrize("script", INJECTING_SCRIPTS)
def test_text_that_runs_is_detected(sandbox, script):
    sandbox.done.clear()
    assert sandbox.find_problem(script)


def test_text_that_runs_is_detected_among_other_scripts(sandbox):
    sandbox.done.clear()
    harmless = [(f"echo '{COMMAND} {number}'", b"") for number in range(3)]
    injecting = [(f"{script} # among others", b"") for script in INJECTING_SCRIPTS]
    problems = sandbox.find_problems([*harmless, *injecting, *harmless, ("kill -9 $$", b"")])
    assert [bool(problem) for problem in problems] == [False] * 3 + [True] * len(injecting) + [False] * 4


def test_a_script_that_ends_its_shell_hides_no_other(sandbox):
    sandbox.done.clear()
    assert any(sandbox.find_problems([(f"{COMMAND} # last", b""), ("kill -9 $$", b"")]))
    sandbox.done.clear()
    assert any(sandbox.find_problems([("kill -9 $$ # 1", b""), (f"{COMMAND} # first", b"")]))


@pytest.mark.parametrize(
    "line",
    [
        f"ExecStart=/bin/sh -c 'echo $$({COMMAND})'",
        f"ExecStart=/bin/sh -c 'a; {COMMAND}'",
        f"ExecStart=/bin/sh -c 'a' %i{COMMAND}",
        f"ExecStart=/bin/a '{COMMAND}",
        f"ExecStart=/bin/a ${{{COMMAND}}}",
        f"ExecStart={COMMAND} a",
        f"Description=%n {COMMAND}",
        f"Description={COMMAND} \\",
    ],
)
def test_text_that_systemd_runs_or_replaces_is_detected(sandbox, line):
    sandbox.done.clear()
    assert list(find_problems_in_line(sandbox, line))


def test_a_script_without_end_leaves_no_process(sandbox, monkeypatch):
    """A subshell with a loop took a processor for as long as the machine ran."""
    monkeypatch.setattr(sandbox, "timeout", 0.5)
    sandbox.done.clear()
    assert sandbox.find_problem("while true; do true; done") == ""
    mark, end = str(sandbox.root).encode(), time.monotonic() + 10
    while any(mark in read_arguments(path) for path in Path("/proc").glob("[0-9]*/cmdline")):
        assert time.monotonic() < end
        time.sleep(0.1)


def read_arguments(path):
    """Return a process's command line, or b"" if it has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_quoted_text_is_not_reported(sandbox):
    sandbox.done.clear()
    assert (
        sandbox.find_problem(f"echo {quote_sh(f'$({COMMAND})')} 'a`{COMMAND}`' \"{quote_sh_inner(f'`{COMMAND}`')}\"")
        == ""
    )
    assert (
        list(
            find_problems_in_line(sandbox, f"ExecStart=/bin/sh -c 'echo {quote_unit_inner(quote_sh(f'$({COMMAND})'))}'")
        )
        == []
    )
