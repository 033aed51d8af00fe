"""Firewalls, SELinux and tuned, with stand-in tools that keep state."""

from __future__ import annotations

import shutil

import pytest

from packstack_lite.engine.diff import describe_diff, diff_resources
from packstack_lite.remote.command import Job
from packstack_lite.resources import (
    FirewalldForward,
    FirewalldPorts,
    IptablesPorts,
    SelinuxBooleans,
    SelinuxPermissive,
    TunedProfile,
    Unknown,
)
from packstack_lite.state_paths import WRITTEN_FILES_LIST
from tests.unit.dash import Dash, is_as_desired


@pytest.fixture
def dash(tmp_path):
    return Dash(tmp_path, moved=["/var/lib/packstack-lite", "/etc/"])


def diff_of(dash, resource):
    (diff,) = diff_resources([resource], dash.probe(resource))
    return diff


# --- firewalld: ports per zone in files "now" and "boot"

FIREWALL_CMD = r"""
echo "$*" >> $T/calls
when=now zone=
for word in "$@"; do
    case $word in
    --permanent) when=boot ;;
    --zone=*) zone=${word#*=} ;;
    --get-zone-of-interface=eth1) echo internal ;;
    --get-zone-of-interface=*) echo "no zone" >&2; exit 2 ;;
    --get-default-zone) echo public ;;
    --list-ports) cat "$T/$zone.$when" 2>/dev/null || echo ;;
    --add-port=*)
        [ ! -e $T/refuses ] || { echo "Error: INVALID_PORT" >&2; exit 102; }
        printf '%s ' "${word#*=}" >> "$T/$zone.$when" ;;
    --list-rich-rules) sed 's/=\([^ ]*\)/="\1"/g' "$T/$zone.$when.rules" 2>/dev/null ;;
    --add-rich-rule=*) echo "${word#*=}" >> "$T/$zone.$when.rules" ;;
    esac
done
"""
# As CentOS 7's firewalld 0.6.3 has them.
OPTIONS = {"-q", "--permanent", "--zone", "--get-zone-of-interface", "--get-default-zone", "--list-ports", "--add-port"}
OPTIONS |= {"--list-rich-rules", "--add-rich-rule"}


@pytest.fixture
def firewalld(dash):
    dash.tool("firewall-cmd", FIREWALL_CMD)
    return dash


@pytest.mark.parametrize(("interface", "zone"), [("eth0", "public"), ("eth1", "internal")])
def test_ports_are_opened_in_the_interfaces_zone_now_and_after_a_boot(firewalld, interface, zone):
    resource = FirewalldPorts(ports=(5000, 8774), interface=interface)
    diff = diff_of(firewalld, resource)
    assert describe_diff(diff) == f"open ports 5000, 8774 in zone {zone}"
    (command,) = FirewalldPorts.fix([diff])
    assert firewalld.run(command).ok
    assert firewalld.read_note(f"{zone}.now") == firewalld.read_note(f"{zone}.boot") == "5000/tcp 8774/tcp "
    assert is_as_desired(resource, firewalld.probe(resource)[resource.id])
    options_used = {word.partition("=")[0] for word in firewalld.read_note("calls").split()}
    assert options_used <= OPTIONS and "--permanent" in options_used


def test_every_port_is_open_to_peers(firewalld, tmp_path):
    resource = FirewalldPorts(ports=(5000,), interface="eth0", peers=("198.18.1.11", "2001:db8::2"))
    assert describe_diff(diff_of(firewalld, resource)) == (
        "open ports 5000 and allow 198.18.1.11, 2001:db8::2 in zone public"
    )
    assert firewalld.fix(resource)[0].ok
    rules = "rule family=ipv4 source address=198.18.1.11 accept\nrule family=ipv6 source address=2001:db8::2 accept\n"
    assert firewalld.read_note("public.now.rules") == firewalld.read_note("public.boot.rules") == rules
    assert is_as_desired(resource, firewalld.probe(resource)[resource.id])
    (tmp_path / "public.boot.rules").unlink()
    assert firewalld.probe(resource)[resource.id]["closed after a boot"] == ("198.18.1.11", "2001:db8::2")


def test_port_ranges_count_and_udp_does_not(firewalld, tmp_path):
    for when in ("now", "boot"):
        (tmp_path / f"public.{when}").write_text("5000-6000/tcp 8774/udp\n")
    resource = FirewalldPorts(ports=(5000, 5999, 8774), interface="eth0")
    assert firewalld.probe(resource)[resource.id]["closed"] == ("8774",)


def test_ports_that_a_reload_would_close_are_a_difference(firewalld, tmp_path):
    (tmp_path / "public.now").write_text("5000/tcp\n")
    resource = FirewalldPorts(ports=(5000,), interface="eth0")
    assert describe_diff(diff_of(firewalld, resource)) == "open ports 5000 in zone public (closed after a boot)"


def test_an_error_of_firewalld_is_reported(firewalld, tmp_path):
    (tmp_path / "refuses").touch()
    (reply,) = firewalld.fix(FirewalldPorts(ports=(5000,), interface="eth0"))
    assert reply.code == 1 and "INVALID_PORT" in reply.err


def test_a_firewalld_that_does_not_run_has_no_state(dash):
    dash.tool("firewall-cmd", "echo FirewallD is not running >&2; exit 252")
    with pytest.raises(ValueError, match="not running"):
        dash.probe(FirewalldPorts(ports=(5000,), interface="eth0"))


# --- forwarding in firewalld: rules as it lists and quotes them, in files "now" and "boot"

FORWARDING = r"""
when=now rule= add=
case "$*" in
*--get-policies*) [ ! -e $T/down ] || { echo "FirewallD is not running" >&2; exit 252; }
    [ ! -e $T/old ] || { echo "unrecognized arguments: --get-policies" >&2; exit 2; }; exit 0 ;;
*--reload*) echo reload >> $T/calls; cp $T/boot $T/now; exit 0 ;;
*--permanent*) when=boot ;;
esac
case "$*" in
*--list-rich-rules*) sed 's/=\([^ ]*\)/="\1"/g' $T/$when 2>/dev/null ;;
*--get-all-rules*) sed "s/ ! / '!' /" $T/$when 2>/dev/null ;;
*--direct*--query-rule*) grep -qxF -e "${*#*--query-rule }" $T/$when 2>/dev/null ;;
*--direct*--add-rule*) echo "${*#*--add-rule }" >> $T/$when ;;
*--add-rich-rule*) for word in "$@"; do :; done; grep -qxF -e "$word" $T/boot 2>/dev/null || echo "$word" >> $T/boot ;;
*--info-policy*) [ -e $T/policy ] ;;
*--new-policy*) touch $T/policy ;;
*--query-*-zone*) exit 1 ;;
esac
"""


@pytest.mark.parametrize("old", [False, True], ids=["policies", "direct rules"])
def test_floating_addresses_pass_firewalld_now_and_after_a_boot(dash, tmp_path, old):
    """CentOS 7's firewalld has no policies. The stand-in replies like real firewalls of both kinds."""
    dash.tool("firewall-cmd", FORWARDING)
    if old:
        (tmp_path / "old").touch()
    resource = FirewalldForward(source_cidr="198.18.2.0/24", bridge="br-ex")
    assert dash.probe(resource)[resource.id] == {"passes": False, "passes after a boot": False}
    (reply,) = dash.fix(resource)
    assert reply.ok, reply.err
    assert is_as_desired(resource, dash.probe(resource)[resource.id])
    rules = dash.read_note("boot")
    assert dash.read_note("now") == rules and len(rules.splitlines()) == 3
    assert ("masquerade" in rules, "! -o br-ex -j MASQUERADE" in rules) == (not old, old)
    assert dash.fix(resource)[0].ok and dash.read_note("boot") == rules
    assert dash.read_note("calls") == ("" if old else "reload\n"), "a reload interrupts other connections"


def test_forwarding_in_a_firewalld_that_does_not_run_has_no_state(dash, tmp_path):
    dash.tool("firewall-cmd", FORWARDING)
    (tmp_path / "down").touch()
    with pytest.raises(ValueError, match="does not run"):
        dash.probe(FirewalldForward(source_cidr="198.18.2.0/24", bridge="br-ex"))


# --- iptables-services: rules in a file, as "iptables -S" prints them

SAVED = """\
# sample configuration for iptables service
*nat
-A INPUT -p tcp -m tcp --dport 1 -j ACCEPT
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""
IPTABLES = r"""
shift 2
case $1 in
-S) cat $T/rules ;;
-C) shift; grep -qxF -e "-A $*" $T/rules ;;
-I) shift; { echo "-A $*"; cat $T/rules; } > $T/rules.new; mv $T/rules.new $T/rules ;;
esac
"""
RULE = "-A INPUT -p tcp -m tcp --dport {} -m comment --comment packstack-lite -j ACCEPT"


@pytest.fixture
def iptables(dash, tmp_path):
    dash.tool("iptables", IPTABLES)
    (tmp_path / "etc/sysconfig").mkdir(parents=True)
    (tmp_path / "etc/sysconfig/iptables").write_text(SAVED)
    (tmp_path / "rules").write_text("-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n")
    return dash


def test_rules_precede_the_one_that_rejects_and_nothing_else_is_saved(iptables):
    resource = IptablesPorts(ports=(5000, 8774))
    diff = diff_of(iptables, resource)
    assert describe_diff(diff) == "open ports 5000, 8774"
    (command,) = IptablesPorts.fix([diff])
    assert iptables.run(command).ok
    our_rules = "".join(RULE.format(port) + "\n" for port in (5000, 8774))
    state = "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"
    assert iptables.read_note("etc/sysconfig/iptables") == SAVED.replace(state, our_rules + state)
    assert iptables.read_note("etc/sysconfig/iptables.packstack-lite.orig") == SAVED
    assert "sysconfig/iptables" in iptables.read_note(WRITTEN_FILES_LIST[1:])
    assert iptables.read_note("rules").index("8774") < iptables.read_note("rules").index("REJECT")
    assert is_as_desired(resource, iptables.probe(resource)[resource.id])
    before = iptables.read_note("rules")
    assert iptables.run(command).ok and iptables.read_note("rules") == before


def test_an_added_port_leaves_the_others(iptables):
    assert iptables.fix(IptablesPorts(ports=(5000,)))[0].ok
    resource = IptablesPorts(ports=(80, 5000))
    assert iptables.probe(resource)[resource.id] == {"closed": ("80",), "closed after a boot": ("80",)}
    assert iptables.fix(resource)[0].ok
    assert iptables.read_note("etc/sysconfig/iptables").count("packstack-lite") == 2
    assert iptables.read_note("rules").count("packstack-lite") == 2


def test_rules_for_peers_precede_the_one_that_rejects(iptables):
    resource = IptablesPorts(ports=(5000,), peers=("198.18.1.11", "2001:db8::2"))
    assert iptables.probe(resource)[resource.id]["closed"] == ("5000", "198.18.1.11")
    assert iptables.fix(resource)[0].ok
    for text in (iptables.read_note("rules"), iptables.read_note("etc/sysconfig/iptables")):
        assert text.index("-s 198.18.1.11/32 ") < text.index("REJECT")
    assert is_as_desired(resource, iptables.probe(resource)[resource.id])


def test_rules_for_networks_precede_the_one_that_rejects(iptables, tmp_path):
    saved_rules = SAVED.replace("prohibited\n", "prohibited\n-A FORWARD -j REJECT\n")
    (tmp_path / "etc/sysconfig/iptables").write_text(saved_rules)
    resource = IptablesPorts(ports=(5000,), forwarded_networks=("198.18.2.0/24",))
    assert iptables.probe(resource)[resource.id]["closed"] == ("5000", "198.18.2.0/24")
    assert iptables.fix(resource)[0].ok
    saved = iptables.read_note("etc/sysconfig/iptables").splitlines()
    line_numbers = [saved.index(line) for line in saved if line.startswith("-A FORWARD")]
    assert [saved[number].split()[2] for number in line_numbers] == ["-s", "-d", "-j"]
    assert is_as_desired(resource, iptables.probe(resource)[resource.id])


def test_rules_are_saved_into_an_empty_table(iptables, tmp_path):
    (tmp_path / "etc/sysconfig/iptables").write_text("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert iptables.fix(IptablesPorts(ports=(5000,)))[0].ok
    assert (
        iptables.read_note("etc/sysconfig/iptables") == f"*filter\n:INPUT ACCEPT [0:0]\n{RULE.format(5000)}\nCOMMIT\n"
    )


# --- SELinux

CONFIG = """\
# SELINUX= can take one of these three values: enforcing, permissive, disabled
SELINUX=enforcing
SELINUXTYPE=targeted
"""


@pytest.fixture
def selinux(dash, tmp_path):
    dash.tool("getenforce", "cat $T/mode")
    dash.tool("setenforce", '[ "$1" = 0 ] && echo Permissive > $T/mode')
    dash.tool("rpm", "[ -e $T/policy ]")
    dash.tool("getsebool", 'if [ "$1" = -a ]; then cat $T/booleans; else grep "^$1 --> " $T/booleans; fi')
    dash.tool(
        "setsebool",
        '[ "$1" = -P ] || exit 1; shift; echo "$*" > $T/set\n'
        'for word in "$@"; do sed -i "s/^${word%=1} --> off/${word%=1} --> on/" $T/booleans; done',
    )
    (tmp_path / "etc/selinux").mkdir(parents=True)
    (tmp_path / "etc/selinux/config").write_text(CONFIG)
    (tmp_path / "mode").write_text("Enforcing\n")
    (tmp_path / "booleans").write_text("a --> on\nb --> off\nc --> off\n")
    return dash


def test_selinux_is_permissive_now_and_after_a_boot(selinux):
    resource = SelinuxPermissive()
    diff = diff_of(selinux, resource)
    assert describe_diff(diff) == "set SELinux to permissive (was enforcing)"
    assert selinux.fix(resource)[0].ok
    assert selinux.read_note("etc/selinux/config") == CONFIG.replace("SELINUX=enforcing", "SELINUX=permissive")
    assert selinux.read_note("etc/selinux/config.packstack-lite.orig") == CONFIG
    assert selinux.read_note("mode") == "Permissive\n"
    assert is_as_desired(resource, selinux.probe(resource)[resource.id])


@pytest.mark.parametrize("boot", ["permissive", "disabled"])
def test_a_looser_mode_is_left_alone(selinux, tmp_path, boot):
    (tmp_path / "mode").write_text("Permissive\n")
    (tmp_path / "etc/selinux/config").write_text(f"SELINUX={boot}\n")
    resource = SelinuxPermissive()
    assert is_as_desired(resource, selinux.probe(resource)[resource.id])
    assert selinux.fix(resource)[0].ok
    assert selinux.read_note("etc/selinux/config") == f"SELINUX={boot}\n"


def test_booleans_are_unknown_before_packages_and_switched_on_together(selinux, tmp_path):
    resource = SelinuxBooleans(names=("a", "b", "c"), package="openstack-selinux")
    assert isinstance(selinux.probe(resource)[resource.id], Unknown)
    (tmp_path / "policy").touch()
    diff = diff_of(selinux, resource)
    assert describe_diff(diff) == "switch on SELinux booleans b, c"
    (job,) = SelinuxBooleans.fix([diff])
    assert isinstance(job, Job) and selinux.run(job).ok
    assert selinux.read_note("set") == "b=1 c=1\n"
    assert is_as_desired(resource, selinux.probe(resource)[resource.id])


def test_a_boolean_that_is_not_in_the_policy_fails(selinux, tmp_path):
    (tmp_path / "policy").touch()
    resource = SelinuxBooleans(names=("a", "os_x"), package="openstack-selinux")
    assert describe_diff(diff_of(selinux, resource)) == "switch on SELinux booleans os_x (not in the policy: os_x)"
    (job,) = SelinuxBooleans.fix([diff_of(selinux, resource)])
    reply = selinux.run(job)
    assert reply.code == 1 and "the SELinux policy has no boolean os_x" in reply.err
    assert not selinux.read_note("set")


# --- tuned


def test_tuneds_profile_is_set(dash):
    resource = TunedProfile(name="virtual-host")
    dash.tool(
        "tuned-adm",
        'case $1 in active) [ ! -e $T/profile ] || echo "Current active profile: $(cat $T/profile)" ;;\n'
        'profile) echo "$2" > $T/profile ;; esac',
    )
    assert describe_diff(diff_of(dash, resource)) == "set tuned's profile to virtual-host (was none)"
    assert dash.fix(resource)[0].ok
    assert is_as_desired(resource, dash.probe(resource)[resource.id])


@pytest.mark.skipif(bool(shutil.which("tuned-adm")), reason="tuned is on this machine")
def test_tuneds_profile_is_unknown_before_it_is_installed(dash):
    observed = dash.probe(TunedProfile(name="virtual-host"))["tuned:profile"]
    assert isinstance(observed, Unknown) and observed.known_after.value == "Packages"
