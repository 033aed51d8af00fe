"""The Vagrantfile and its tools, without starting machines."""

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
from tests.smoke.test_node import CONFIGS, PORTS, ROLES

VAGRANTFILE = (PROJECT / "Vagrantfile").read_text(encoding="utf-8")
NETWORK = (PROJECT / "tests/tools/vagrant-lxc-net.sh").read_text(encoding="utf-8")
DESTROY_STEPS = ["destroy -f debian12", "vagrant-lxc-net.sh down"]


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), PROJECT / f"tests/tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


smoke = load_tool("vagrant-smoke")
box = load_tool("vagrant-box")


def test_vagrantfile_makefile_and_tool_have_the_same_machines_and_providers():
    assert tuple(re.findall(r'(?m)^  "(\w+)" => \{$', VAGRANTFILE)) == smoke.BOXES
    assert sorted(re.findall(r'guest\.vm\.provider "(\w+)"', VAGRANTFILE)) == sorted(smoke.PROVIDERS)
    assert f'lxc.container_name = "{smoke.container_name("#{name}")}"' in VAGRANTFILE
    assert f"PROVIDER={'|'.join(smoke.PROVIDERS)} BOX={'|'.join(smoke.BOXES)}" in (PROJECT / "Makefile").read_text()


def test_dhcp_gives_each_lxc_machine_the_vagrantfiles_address():
    pairs = re.findall(r'lxc_address: "([\d.]+)", mac: "([\w:]+)"', VAGRANTFILE)
    assert len(pairs) == len(smoke.BOXES) == len(set(pairs))
    (hosts,) = re.findall(r"(?m)^hosts='(.*)'$", NETWORK)
    assert hosts.split() == [f"{mac},{address}" for address, mac in pairs]
    assert f'OWN_BRIDGE = "{re.findall(r"(?m)^bridge=(.*)$", NETWORK)[0]}"' in VAGRANTFILE


def test_a_deployment_on_lxc_uses_the_boxs_image_and_the_networks_range():
    assert f"--provision-image-url={guest_image.PATH_IN_SANDBOX}" in smoke.WORDS["lxc"]
    (external,) = re.findall(r"(?m)^external=(.*)$", NETWORK)
    assert f"--provision-demo-floatrange={external}" in smoke.WORDS["lxc"]


def test_every_address_is_in_the_range_for_benchmarks():
    addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", VAGRANTFILE + NETWORK)
    assert addresses
    assert {address for address in addresses if not address.startswith("198.18.")} <= {"127.0.1.1"}


@pytest.mark.parametrize("name", profiles.list_names())
def test_every_profile_has_the_names_that_testinfra_needs(name):
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
def test_every_shell_can_parse_the_scripts(name):
    done = subprocess.run(["sh", "-n", str(PROJECT / "tests/tools" / name)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_network_script_without_argument_prints_its_usage():
    done = subprocess.run(["sh", str(PROJECT / "tests/tools/vagrant-lxc-net.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: vagrant-lxc-net.sh up|down\n")


def test_an_unknown_provider_is_refused_with_the_known_ones():
    script = str(PROJECT / "tests/tools/vagrant-install.sh")
    done = subprocess.run(["sh", script, "hyperv"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "PROVIDER is one of lxc, libvirt, virtualbox, not: hyperv\n")


def test_a_box_without_base_tree_is_refused_with_a_remedy():
    with pytest.raises(Exception, match="no box of plan9") as error:
        box.make_box("plan9")
    assert "PROVIDER=libvirt" in error.value.hint


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose commands are only recorded in ``commands``; one that contains its ``fail`` fails."""
    run = smoke.Run("lxc", "debian12", ["--os-heat-install=n"])
    run.config, run.commands, run.fail, run.containers = tmp_path / "ssh-config", [], "", ["other"]

    def call(*argv, env, quiet=False):
        command = " ".join(argv).replace(f"{smoke.TOOLS}/", "")
        run.commands.append(command)
        if run.fail and run.fail in command:
            raise smoke.Failed(command)
        if command.startswith("vagrant up"):
            run.containers.append("packstack-lite-debian12")
        outputs = {
            "vagrant status": "1,debian12,state,not_created\n",
            "vagrant ssh-config": "Host debian12\n  HostName 127.0.0.1\n",
            "getent": "198.18.252.10   STREAM debian12.example.org\n",
            "vagrant-box.py": "/boxes/debian12-lxc-0123.box\n",
            "packstack_lite apply": '{"changes": [], "restarted": [], "flights": 9}',
            "lxc-ls": "\n".join(run.containers),
        }
        return next((output for words, output in outputs.items() if words in command), "")

    monkeypatch.setattr(smoke, "call", call)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    return run


def positions(commands, *texts):
    """Return the index of the first command that contains each text."""
    return [next(index for index, command in enumerate(commands) if text in command) for text in texts]


def test_a_run_installs_deploys_tests_and_destroys_in_this_order(run):
    smoke.run_all(run, keep=False)
    order = positions(
        run.commands,
        "vagrant-install.sh lxc",
        "vagrant-box.py debian12",
        "vagrant-lxc-net.sh up",
        "vagrant up debian12 --provider=lxc",
        "--install-hosts=198.18.252.10",
        "pytest -q tests/smoke --hosts=ssh://debian12",
        "packstack_lite smoke --host 198.18.252.10",
        "packstack_lite apply --host 198.18.252.10",
        DESTROY_STEPS[0],
        "lxc-destroy --force --name=packstack-lite-debian12",
        DESTROY_STEPS[1],
    )
    assert order == sorted(order)
    assert "--os-heat-install=n" in run.commands[order[4]]
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
def test_everything_is_destroyed_whichever_step_fails(run, broken):
    run.fail = broken
    with pytest.raises(smoke.Failed, match=re.escape(broken)):
        smoke.run_all(run, keep=False)
    later_commands = run.commands[positions(run.commands, broken)[0] :]
    steps = positions(later_commands, *DESTROY_STEPS)
    assert steps == sorted(steps)
    assert run.failed == ("vagrant destroy" if broken == "destroy -f" else run.took[-2][0])


def test_an_existing_machine_is_not_touched(run, monkeypatch):
    monkeypatch.setattr(run, "state", lambda: "running")
    with pytest.raises(smoke.Failed, match="there already"):
        smoke.run_all(run, keep=False)
    assert run.commands == ["sh vagrant-install.sh lxc"]


def test_an_existing_container_is_not_touched(run):
    run.containers.append("packstack-lite-debian12")
    with pytest.raises(smoke.Failed, match="lxc-destroy -f -n packstack-lite-debian12"):
        smoke.run_all(run, keep=False)
    assert run.commands[-1] == "lxc-ls -1"


def test_a_second_apply_that_changes_something_is_a_failure(run, monkeypatch):
    original_call = smoke.call

    def restarting_call(*argv, **options):
        return original_call(*argv, **options).replace('"restarted": []', '"restarted": ["nova-api"]')

    monkeypatch.setattr(smoke, "call", restarting_call)
    with pytest.raises(smoke.Failed, match="nova-api"):
        smoke.run_all(run, keep=False)
    assert run.failed == "second apply"


def test_vagrant_accepts_the_vagrantfile(tmp_path):
    if not shutil.which("vagrant"):
        pytest.skip("no vagrant on this machine (tests/tools/vagrant-install.sh)")
    # With a bridge every line of it is used.
    settings = {"VAGRANT_BRIDGE": "eth7", "VAGRANT_HOME": str(tmp_path), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    done = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"],
        cwd=PROJECT,
        env={**os.environ, **settings, "VAGRANT_CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
