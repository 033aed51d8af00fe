"""The move of an uplink and its undoing, with stand-in tools, under EL's network-scripts."""

from __future__ import annotations

import base64

import pytest

from packstack_lite.nodes.facts import NetworkFacts
from packstack_lite.nodes.facts import uplinks as facts_of
from packstack_lite.remote.command import Command
from packstack_lite.remote.jobs import make_follow_command
from packstack_lite.resources import NetworkFile, Uplink
from packstack_lite.resources.base import Diff, Unknown
from tests.clouds import read_facts
from tests.unit.dash import Dash, is_as_desired, missing_diff

SCRIPTS = "/etc/sysconfig/network-scripts"
MOVED = ["/etc/sysconfig", "/etc/network", "/etc/systemd", "/etc/NetworkManager", "/sys/class/net", "/run/systemd"]
MOVED += ["/var/lib/packstack-lite", "/sbin/if", "/proc/"]
FILES = (
    NetworkFile(f"{SCRIPTS}/ifcfg-br-ex", "DEVICE=br-ex\n", 0o644),
    NetworkFile(f"{SCRIPTS}/ifcfg-ens33", "TYPE=OVSPort\n"),
)
FILES += (NetworkFile(f"{SCRIPTS}/route-ens33", None),)
ADDRESS = "198.18.1.10/24"
UPLINK = Uplink("br-ex", "ens33", "network-scripts", FILES, (ADDRESS,), confirm_timeout=2)


@pytest.fixture
def dash(tmp_path):
    """A machine whose interface has an address; ifup of the bridge gives it to that, once ``$T/good`` is there."""
    made = Dash(tmp_path, MOVED)
    for path in ("etc/sysconfig/network-scripts", "etc/systemd/system/multi-user.target.wants", "sbin"):
        (tmp_path / path).mkdir(parents=True)
    for name, index in (("ens33", 2), ("br-ex", 3)):
        (tmp_path / f"sys/class/net/{name}").mkdir(parents=True)
        (tmp_path / f"sys/class/net/{name}/ifindex").write_text(f"{index}\n")
        (tmp_path / f"sys/class/net/{name}/address").write_text("52:54:00:12:34:56\n")
        (tmp_path / f"sys/class/net/{name}/carrier").write_text("1\n")
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc/uptime").symlink_to("/proc/uptime")
    (tmp_path / "has").write_text("ens33\n")
    scripts = tmp_path / SCRIPTS.lstrip("/")
    (scripts / "ifcfg-ens33").write_text("DEVICE=ens33\nIPADDR=198.18.1.10\n")
    (scripts / "ifcfg-ens33").chmod(0o640)
    (scripts / "route-ens33").write_text("198.19.0.0/16 via 198.18.1.2\n")
    (scripts / "ifup").write_text("")
    (scripts / "ifup").chmod(0o755)
    for name in ("ifup", "ifdown"):
        made.tool(
            name,
            f'echo "{name} $1" >> $T/calls; [ -e $T/good ] || [ "$1" != br-ex ] || exit 1\n'
            f'[ {name} = ifdown ] || [ "$1" = ens33 -a -e $T/port ] || echo "$1" > $T/has\n'
            f'[ "{name} $1" != "ifup br-ex" ] || touch $T/port\n',
        )
        (tmp_path / f"sbin/{name}").symlink_to(made.tools / name)
    made.tool(
        "ovs-vsctl",
        'case "$*" in *port-to-br*) [ -e $T/port ] && echo br-ex ;;'
        ' *del-port*) rm -f $T/port; echo "del-port" >> $T/calls ;; esac',
    )
    made.tool(
        "ip",
        'case "$*" in *"addr show dev $(cat $T/has) "*|*"addr show dev $(cat $T/has)")'
        f' echo "2: x inet {ADDRESS} brd 198.18.1.255 scope global x" ;;'
        ' *"-4 route show dev $(cat $T/has)"*) echo "default via 198.18.1.1 proto static" ;;'
        ' *"route replace"*) echo "$*" >> $T/calls ;; esac',
    )
    made.tool(
        "systemd-run",
        'while [ $# -gt 0 ]; do case $1 in --unit=*) exit 0 ;; --) shift; break ;; esac; shift; done\nexec "$@"',
    )
    (scripts / "ifup-ovs").symlink_to(scripts / "ifup")
    made.tool("nmcli", "exit 1")
    made.tool("systemctl", 'case $1 in is-*) exit 1 ;; esac; echo "systemctl $*" >> $T/calls')
    return made


def run(dash, tmp_path, uplink=UPLINK):
    """Run the job from a file, as on a node: it keeps a copy of itself."""
    (job,) = Uplink.fix([missing_diff(uplink)])
    script = job.script
    for path in dash.moved:
        script = script.replace(path, f"{tmp_path}{path}")
    (tmp_path / "script").write_text(script)
    stdin = job.stdin.decode().replace(" /etc", f" {tmp_path}/etc").encode()
    return dash.run(Command(f"exec sh {tmp_path}/script", stdin=stdin))


def files(tmp_path):
    scripts = tmp_path / SCRIPTS.lstrip("/")
    return {path.name: path.read_text() for path in scripts.iterdir() if path.name.startswith(("ifcfg", "route"))}


def confirm(dash, tmp_path):
    """Let the job be confirmed: the stand-in for sleep, which it calls while waiting, touches the file."""
    (tmp_path / "good").touch()
    (tmp_path / "var/lib/packstack-lite/jobs").mkdir(parents=True)
    dash.tool("sleep", "touch $T/var/lib/packstack-lite/jobs/followed; exec /bin/sleep 0.02")


def make_each_sleep_a_second(dash, tmp_path, before=":"):
    """Let the node's clock run only while the job sleeps, a second each time; ``before`` runs first."""
    (tmp_path / "proc/uptime").unlink()
    (tmp_path / "proc/uptime").write_text("100.25 9.00\n")
    clock = "$T/proc/uptime"
    dash.tool("sleep", f"{before}; read -r now _ <{clock}; echo $((${{now%.*}} + 1)).25 9.00 >{clock}")


def test_an_interface_is_moved_under_network_scripts(dash, tmp_path):
    confirm(dash, tmp_path)
    reply = run(dash, tmp_path)
    assert reply.ok, reply.err
    assert dash.read_note("calls").splitlines() == [
        "ifdown ens33",
        "systemctl enable -q network",
        "ifup br-ex",
        "ifup ens33",
    ]
    present_files = {name: text for name, text in files(tmp_path).items() if not name.endswith(".orig")}
    assert present_files == {"ifcfg-br-ex": "DEVICE=br-ex\n", "ifcfg-ens33": "TYPE=OVSPort\n"}
    assert files(tmp_path)["ifcfg-ens33.packstack-lite.orig"] == "DEVICE=ens33\nIPADDR=198.18.1.10\n"
    assert files(tmp_path)["route-ens33.packstack-lite.orig"].startswith("198.19.0.0/16")
    assert oct((tmp_path / f"{SCRIPTS}/ifcfg-ens33".lstrip("/")).stat().st_mode & 0o777) == "0o640"
    assert not (tmp_path / "var/lib/packstack-lite/uplink/ens33/armed").exists()
    assert not list((tmp_path / "etc/systemd/system/multi-user.target.wants").iterdir())


def assert_restored(tmp_path):
    assert files(tmp_path) == {
        "ifcfg-ens33": "DEVICE=ens33\nIPADDR=198.18.1.10\n",
        "route-ens33": "198.19.0.0/16 via 198.18.1.2\n",
    }
    assert (tmp_path / "has").read_text() == "ens33\n"
    assert not (tmp_path / "var/lib/packstack-lite/uplink/ens33/armed").exists()


def test_a_move_that_fails_is_undone(dash, tmp_path):
    reply = run(dash, tmp_path)
    assert reply.code == 1
    assert reply.err.startswith("network-scripts did not bring br-ex up with ens33\nrestoring ens33 as it was")
    assert_restored(tmp_path)
    assert dash.read_note("calls").splitlines()[-1] == "-4 route replace default via 198.18.1.1 proto static dev ens33"


def test_without_open_vswitchs_scripts_nothing_is_moved(dash, tmp_path):
    (tmp_path / f"{SCRIPTS}/ifup-ovs".lstrip("/")).unlink()
    reply = run(dash, tmp_path)
    assert reply.code == 1
    assert "comes with the package openvswitch or network-scripts-openvswitch" in reply.err
    assert dash.read_note("calls") == ""
    assert_restored(tmp_path)


def test_a_move_that_nobody_confirms_is_undone(dash, tmp_path):
    (tmp_path / "good").touch()
    (tmp_path / "var/lib/packstack-lite/jobs").mkdir(parents=True)
    (tmp_path / "var/lib/packstack-lite/jobs/followed").touch()
    make_each_sleep_a_second(dash, tmp_path)
    reply = run(dash, tmp_path)
    assert reply.code == 1
    assert reply.err.startswith("after the move nobody reconnected over br-ex within 2 seconds\n"), (
        "an old request does not count"
    )
    assert_restored(tmp_path)


def test_one_round_trip_is_not_enough(dash, tmp_path):
    """The first request may have been sent before the move."""
    confirm(dash, tmp_path)
    request = "[ -e $T/once ] || touch $T/once $T/var/lib/packstack-lite/jobs/followed"
    make_each_sleep_a_second(dash, tmp_path, before=request)
    assert run(dash, tmp_path).code == 1
    assert_restored(tmp_path)


def test_an_interrupted_move_is_undone_before_the_next_one(dash, tmp_path):
    confirm(dash, tmp_path)
    run(dash, tmp_path)
    home = tmp_path / "var/lib/packstack-lite/uplink/ens33"
    (home / "armed").touch()
    (tmp_path / "calls").unlink()
    assert run(dash, tmp_path).ok
    assert dash.read_note("calls").splitlines()[0] == "ifdown br-ex"
    assert "ifup br-ex" in dash.read_note("calls").splitlines()[3:]


def test_a_changed_file_is_written_without_a_move(dash, tmp_path):
    confirm(dash, tmp_path)
    run(dash, tmp_path)
    (tmp_path / "calls").unlink()
    (tmp_path / f"{SCRIPTS}/ifcfg-br-ex".lstrip("/")).write_text("spoilt")
    assert run(dash, tmp_path).ok
    assert files(tmp_path)["ifcfg-br-ex"] == "DEVICE=br-ex\n"
    assert dash.read_note("calls") == ""


def test_an_uplink_is_probed(dash, tmp_path):
    plain = Uplink("br-ex", "ens33", addresses=(ADDRESS,))
    assert dash.probe(plain)[plain.id] == {"bridge": "", "addresses": "", "unconfirmed": "none"}
    (tmp_path / "port").touch()
    (tmp_path / "has").write_text("br-ex\n")
    assert is_as_desired(plain, dash.probe(plain)[plain.id])
    assert is_as_desired(
        Uplink("br-ex", "ens33", has_dhcp=True), dash.probe(Uplink("br-ex", "ens33", has_dhcp=True))[plain.id]
    )
    wrong = Uplink("br-ex", "ens33", addresses=("198.18.1.11/24",))
    assert dash.probe(wrong)[wrong.id]["addresses"] == ADDRESS
    dash.tool("ovs-vsctl", "exit 1")
    assert isinstance(dash.probe(plain)[plain.id], Unknown)


def test_a_changed_file_shows_in_the_text_diff():
    observed = {"bridge": "br-ex", FILES[0].path: "absent"}
    old, new = UPLINK.diff_texts(Diff(UPLINK, observed, (FILES[0].path,)))
    assert f"# {FILES[0].path}\nDEVICE=br-ex\n" in new
    assert "ens33" not in old


def test_facts_of_an_interface_under_network_scripts(dash, tmp_path):
    (command,) = facts_of.build_commands(("br-ex:ens33",))
    facts = read_facts(NetworkFacts, dash.run(command))
    card = facts.uplinks["ens33"]
    assert (card.managed_by, card.mac, card.addresses, card.has_carrier) == (
        "network-scripts",
        "52:54:00:12:34:56",
        (ADDRESS,),
        True,
    )
    assert facts.network_files == {
        f"{tmp_path}{SCRIPTS}/ifcfg-ens33": "DEVICE=ens33\nIPADDR=198.18.1.10\n",
        f"{tmp_path}{SCRIPTS}/route-ens33": "198.19.0.0/16 via 198.18.1.2\n",
    }


def test_facts_of_an_interface_under_ifupdown(dash, tmp_path):
    (tmp_path / SCRIPTS.lstrip("/") / "ifup").unlink()
    (tmp_path / "etc/network/interfaces.d").mkdir(parents=True)
    (tmp_path / "etc/network/interfaces").write_text("source interfaces.d/*\n")
    (tmp_path / "etc/network/interfaces.d/lan").write_text("iface ens33 inet dhcp\n")
    (tmp_path / "etc/network/interfaces.d/lan.packstack-lite.orig").write_text("old\n")
    facts = read_facts(NetworkFacts, dash.run(facts_of.build_commands(("br-ex:ens33",))[0]))
    assert facts.uplinks["ens33"].managed_by == "ifupdown"
    assert [path.rpartition("/")[2] for path in facts.network_files] == ["interfaces", "lan"]


def test_facts_of_an_interface_under_network_manager(dash, tmp_path):
    """Sections of a profile that may hold a password are left out."""
    (tmp_path / SCRIPTS.lstrip("/") / "ifup").unlink()
    profile = tmp_path / "Wired one.nmconnection"
    profile.write_text("[connection]\nid=x\n[802-1x]\npassword=open sesame\n[ipv4]\nmethod=auto\n")
    dash.tool("nmcli", f'case "$*" in *STATE*) echo ens33:connected ;; *FILENAME*) echo "ens33:{profile}" ;; esac')
    reply = dash.run(facts_of.build_commands(("br-ex:ens33",))[0])
    facts = read_facts(NetworkFacts, reply)
    assert (facts.uplinks["ens33"].managed_by, facts.uplinks["ens33"].config_path) == ("NetworkManager", str(profile))
    assert facts.network_files == {str(profile): "[connection]\nid=x\n[ipv4]\nmethod=auto\n"}
    assert base64.b64encode(b"open sesame").decode()[:8] not in reply.out


def test_following_a_job_touches_the_file(dash, tmp_path):
    (tmp_path / "var/lib/packstack-lite/jobs/x").mkdir(parents=True)
    (tmp_path / "var/lib/packstack-lite/jobs/x/code").write_text("0\n")
    assert dash.run(make_follow_command({"x": 0})).ok
    assert (tmp_path / "var/lib/packstack-lite/jobs/followed").exists()
