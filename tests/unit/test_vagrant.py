"""The Vagrantfile and its tools, as far as they can be tried without Vagrant's machines."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess

import pytest

from packstack_lite import profiles
from packstack_lite.sandbox import guest_image
from tests.conftest import PROJECT
from tests.smoke.test_host import CONFIGS, PORTS, ROLES

VAGRANTFILE = (PROJECT / "Vagrantfile").read_text(encoding="utf-8")
NETWORK = (PROJECT / "tests/tools/vagrant-lxc-net.sh").read_text(encoding="utf-8")
STEPS = ["destroy -f debian12", "vagrant-lxc-net.sh down"]


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), PROJECT / f"tests/tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


smoke = load("vagrant-smoke")
box = load("vagrant-box")


def test_the_machines_are_the_ones_that_make_knows():
    assert tuple(re.findall(r'(?m)^  "(\w+)" => \{$', VAGRANTFILE)) == smoke.BOXES
    assert sorted(re.findall(r'guest\.vm\.provider "(\w+)"', VAGRANTFILE)) == sorted(smoke.PROVIDERS)
    assert f'lxc.container_name = "{smoke.container("#{name}")}"' in VAGRANTFILE
    assert f"PROVIDER={'|'.join(smoke.PROVIDERS)} BOX={'|'.join(smoke.BOXES)}" in (PROJECT / "Makefile").read_text()


def test_the_network_gives_each_lxc_machine_the_address_that_the_vagrantfile_expects():
    pairs = re.findall(r'lxc_address: "([\d.]+)", mac: "([\w:]+)"', VAGRANTFILE)
    assert len(pairs) == len(smoke.BOXES) == len(set(pairs))
    (hosts,) = re.findall(r"(?m)^hosts='(.*)'$", NETWORK)
    assert hosts.split() == [f"{mac},{address}" for address, mac in pairs]
    assert f'OWN_BRIDGE = "{re.findall(r"(?m)^bridge=(.*)$", NETWORK)[0]}"' in VAGRANTFILE


def test_a_deployment_on_lxc_uses_what_box_and_network_have():
    assert f"--provision-image-url={guest_image.PATH_IN_SANDBOX}" in smoke.WORDS["lxc"]
    (external,) = re.findall(r"(?m)^external=(.*)$", NETWORK)
    assert f"--provision-demo-floatrange={external}" in smoke.WORDS["lxc"]


def test_every_address_is_of_the_range_for_tests():
    addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", VAGRANTFILE + NETWORK)
    assert addresses
    assert {address for address in addresses if not address.startswith("198.18.")} <= {"127.0.1.1"}


@pytest.mark.parametrize("name", profiles.list_names())
def test_every_profile_has_a_name_for_what_is_looked_for(name):
    profile = profiles.load(name)
    assert all(profile.unit(role) for roles in ROLES.values() for role in roles)
    for paths in CONFIGS.values():
        for path, service in paths.items():
            assert profile.path(path).startswith("/etc/")
            assert profile.user(service)
    assert profile.path("ml2")
    assert profile.path("webroot")
    assert all(profile.packages_for(service) for service in PORTS if service != "always")


@pytest.mark.parametrize("name", ["vagrant-lxc-net.sh", "vagrant-install.sh"])
def test_the_scripts_are_read_by_any_shell(name):
    done = subprocess.run(["sh", "-n", str(PROJECT / "tests/tools" / name)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_network_script_wants_a_word():
    done = subprocess.run(["sh", str(PROJECT / "tests/tools/vagrant-lxc-net.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: vagrant-lxc-net.sh up|down\n")


def test_an_unknown_provider_is_told_the_known_ones():
    script = str(PROJECT / "tests/tools/vagrant-install.sh")
    done = subprocess.run(["sh", script, "hyperv"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "PROVIDER is one of lxc, libvirt, virtualbox, not: hyperv\n")


def test_a_box_that_has_no_base_is_refused_with_the_way_out():
    with pytest.raises(Exception, match="no box of plan9") as fault:
        box.make("plan9")
    assert "PROVIDER=libvirt" in fault.value.hint


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose commands are only noted; ``fail`` on the run names a text whose command fails."""
    made = smoke.Run("lxc", "debian12", ["--os-heat-install=n"])
    made.config, made.given_texts, made.fail, made.live_connection = tmp_path / "ssh-config", [], "", ["other"]

    def call(*argv, env, quiet=False):
        words = " ".join(argv).replace(f"{smoke.TOOLS}/", "")
        made.given_texts.append(words)
        if made.fail and made.fail in words:
            raise smoke.Failed(words)
        if words.startswith("vagrant up"):
            made.live_connection.append("packstack-lite-debian12")
        answers = {
            "vagrant status": "1,debian12,state,not_created\n",
            "vagrant ssh-config": "Host debian12\n  HostName 127.0.0.1\n",
            "getent": "198.18.252.10   STREAM debian12.example.org\n",
            "vagrant-box.py": "/boxes/debian12-lxc-0123.box\n",
            "packstack_lite apply": '{"changes": [], "restarted": [], "flights": 9}',
            "lxc-ls": "\n".join(made.live_connection),
        }
        return next((answer for what, answer in answers.items() if what in words), "")

    monkeypatch.setattr(smoke, "call", call)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    return made


def placed(said, *texts):
    """The places of the first commands with these texts."""
    return [next(place for place, words in enumerate(said) if text in words) for text in texts]


def test_a_run_goes_from_the_tools_to_the_end_of_the_machine(run):
    smoke.go(run, keep=False)
    places = placed(
        run.given_texts,
        "vagrant-install.sh lxc",
        "vagrant-box.py debian12",
        "vagrant-lxc-net.sh up",
        "vagrant up debian12 --provider=lxc",
        "--install-hosts=198.18.252.10",
        "pytest -q tests/smoke --hosts=ssh://debian12",
        "packstack_lite smoke --host 198.18.252.10",
        "packstack_lite apply --host 198.18.252.10",
        STEPS[0],
        "lxc-destroy --force --name=packstack-lite-debian12",
        STEPS[1],
    )
    assert places == sorted(places)
    assert "--os-heat-install=n" in run.given_texts[places[4]]
    assert run.config.read_text().startswith("Host debian12 198.18.252.10\n")


@pytest.mark.parametrize(
    "broken",
    [
        "vagrant-box.py",
        "box add",
        "net.sh up",
        "vagrant up",
        "ssh-config debian12",
        "--install-hosts",
        "pytest",
        "packstack_lite smoke",
        "packstack_lite apply",
        "destroy -f",
    ],
)
def test_all_is_taken_away_whatever_fails(run, broken):
    run.fail = broken
    with pytest.raises(smoke.Failed, match=re.escape(broken)):
        smoke.go(run, keep=False)
    after = run.given_texts[placed(run.given_texts, broken)[0] :]
    assert placed(after, *STEPS) == sorted(placed(after, *STEPS))
    assert run.failed == ("vagrant destroy" if broken == "destroy -f" else run.took[-2][0])


def test_a_machine_of_somebodys_is_left_alone(run, monkeypatch):
    monkeypatch.setattr(run, "state", lambda: "running")
    with pytest.raises(smoke.Failed, match="there already"):
        smoke.go(run, keep=False)
    assert run.given_texts == ["sh vagrant-install.sh lxc"]


def test_a_container_of_another_checkout_is_left_alone(run):
    run.live_connection.append("packstack-lite-debian12")
    with pytest.raises(smoke.Failed, match="lxc-destroy -f -n packstack-lite-debian12"):
        smoke.go(run, keep=False)
    assert run.given_texts[-1] == "lxc-ls -1"


def test_a_second_apply_that_changes_something_is_a_fault(run, monkeypatch):
    noted = smoke.call

    def changing(*argv, **how):
        return noted(*argv, **how).replace('"restarted": []', '"restarted": ["nova-api"]')

    monkeypatch.setattr(smoke, "call", changing)
    with pytest.raises(smoke.Failed, match="nova-api"):
        smoke.go(run, keep=False)
    assert run.failed == "second apply"


def test_vagrant_reads_the_vagrantfile(tmp_path):
    if not shutil.which("vagrant"):
        pytest.skip("no vagrant on this machine (tests/tools/vagrant-install.sh)")
    # With the bridge no line of it is left out.
    own = {"VAGRANT_BRIDGE": "eth7", "VAGRANT_HOME": str(tmp_path), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    done = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"],
        cwd=PROJECT,
        env={**os.environ, **own, "VAGRANT_CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
