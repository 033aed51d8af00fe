"""A machine by Vagrant, a cloud on it over SSH, testinfra's look at it, a second apply, and the machine gone again.

make vagrant-smoke [PROVIDER=lxc|libvirt|virtualbox] [BOX=debian12|centos7|centos9s] [KEEP=1]
    [WORDS="--os-cinder-install=y ..."]

Everything that the run leaves is taken away at its end, after a failure and after Ctrl-C too; the run's logs stay
after a failure, boxes stay for the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / "tests/tools"
# Beside what Vagrant itself keeps here.
WORK = PROJECT / ".vagrant/smoke"
PROVIDERS = ("lxc", "libvirt", "virtualbox")
BOXES = ("debian12", "centos7", "centos9s")
# What the deployment is told because of the machine that it is for. The second disks are the Vagrantfile's.
VOLUMES = "--os-cinder-install=y --cinder-backend=lvm --set CONFIG_CINDER_VOLUMES_DEVICE="
WORDS = {
    # The image is in the box, and the network is the one that vagrant-lxc-net.sh routes to the machine.
    "lxc": "--provision-image-url=/usr/share/packstack-lite/guest.qcow2 --set CONFIG_PROVISION_IMAGE_SSH_USER=root"
    " --provision-demo-floatrange=198.18.253.0/24",
    "libvirt": f"{VOLUMES}/dev/vdb",
    "virtualbox": f"{VOLUMES}/dev/sdb",
}


class Failed(Exception):
    """A step that did not end as it should; the text says which and how."""


class Run:
    """One run: its machine, its files, and how long each step took."""

    def __init__(self, provider: str, box: str, words: List[str]) -> None:
        self.provider, self.box, self.words = provider, box, words
        self.config = WORK / "ssh-config"
        self.took: List[Tuple[str, float]] = []
        self.address = ""
        self.failed = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that a step begins, and keep how long it took."""
        print(f"== {name}", flush=True)
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.failed = self.failed or name
            raise
        finally:
            self.took.append((name, time.monotonic() - began))

    def environment(self) -> Dict[str, str]:
        """For Vagrant: this provider, VirtualBox's second disk, no look for a newer Vagrant."""
        own = {"VAGRANT_DEFAULT_PROVIDER": self.provider, "VAGRANT_CHECKPOINT_DISABLE": "1"}
        disks = {"VAGRANT_EXPERIMENTAL": "disks"} if self.provider == "virtualbox" else {}
        return {**disks, **os.environ, **own}

    def vagrant(self, *words: str, quiet: bool = False) -> str:
        """Run Vagrant; its output where it is wanted (``quiet``)."""
        return call("vagrant", *words, env=self.environment(), quiet=quiet)

    def tool(self, *words: str, quiet: bool = False) -> str:
        """Run packstack-lite with a home of its own, towards the machine as ``vagrant ssh-config`` describes it."""
        home = {"HOME": str(WORK), "XDG_STATE_HOME": str(WORK / "state"), "XDG_CONFIG_HOME": str(WORK / "config")}
        argv = [sys.executable, "-m", "packstack_lite", *words, "--ssh-config", str(self.config)]
        return call(*argv, env={**os.environ, **home}, quiet=quiet)

    def state(self) -> str:
        """What Vagrant says of the machine: ``not_created``, ``running``, ..."""
        lines = self.vagrant("status", self.box, "--machine-readable", quiet=True).splitlines()
        fields = [line.split(",") for line in lines]
        return next((field[3] for field in fields if field[2:3] == ["state"]), "unknown")


def call(*argv: str, env: Dict[str, str], quiet: bool = False) -> str:
    """Run a command in the project's directory; its stdout where ``quiet``, else it goes where ours goes."""
    out = subprocess.PIPE if quiet else None
    done = subprocess.run(argv, cwd=PROJECT, env=env, text=True, stdin=subprocess.DEVNULL, stdout=out)
    if done.returncode:
        raise Failed(f"exit code {done.returncode}: {shlex.join(argv)}\n{done.stdout or ''}".rstrip())
    return done.stdout or ""


def tools(run: Run) -> None:
    """Vagrant and its provider. A machine that is there already is somebody's: it is left alone, and the run ends."""
    with run.step("tools"):
        call("sh", str(TOOLS / "vagrant-install.sh"), run.provider, env=dict(os.environ))
        state = run.state()
        if state != "not_created":
            raise Failed(f"the machine {run.box} is there already ({state}): vagrant destroy {run.box}")
        # Another checkout's: Vagrant knows only its own machines, but the names of containers are everybody's.
        if run.provider == "lxc" and container(run.box) in containers():
            raise Failed(f"the container {container(run.box)} is there already: lxc-destroy -f -n {container(run.box)}")


def furnish(run: Run) -> None:
    """What the lxc provider does not bring along: a box, and a network with DHCP."""
    with run.step("box and network"):
        argv = [sys.executable, str(TOOLS / "vagrant-box.py"), run.box]
        add(run, Path(call(*argv, env=dict(os.environ), quiet=True).strip()))
        call("sh", str(TOOLS / "vagrant-lxc-net.sh"), "up", env=dict(os.environ))


def add(run: Run, box: Path) -> None:
    """Give the box to Vagrant, unless it has this very one."""
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    told = home / f"boxes/packstack-lite-VAGRANTSLASH-{run.box}/0/lxc/metadata.json"
    if told.exists() and json.loads(told.read_text()).get("recipe", "") in box.name:
        return
    run.vagrant("box", "add", "--force", "--provider=lxc", f"--name=packstack-lite/{run.box}", str(box))


def bring_up(run: Run) -> None:
    """The machine, and how to reach it: by Vagrant's name for it and by the address that its services will have."""
    with run.step("vagrant up"):
        run.vagrant("up", run.box, f"--provider={run.provider}")
        told = run.vagrant("ssh-config", run.box, quiet=True)
        run.config.write_text(told)
        ask = ["ssh", "-F", str(run.config), run.box, 'getent ahostsv4 "$(hostname)"']
        run.address = call(*ask, env=dict(os.environ), quiet=True).split()[0]
        run.config.write_text(told.replace(f"Host {run.box}\n", f"Host {run.box} {run.address}\n", 1))


def deploy(run: Run) -> None:
    """The cloud, and whether it is one."""
    with run.step("packstack-lite --install-hosts"):
        words = ["--set", "CONFIG_PROVISION_DEMO=y", *shlex.split(WORDS[run.provider]), *run.words]
        run.tool(f"--install-hosts={run.address}", *words)
    with run.step("testinfra"):
        how = [f"--hosts=ssh://{run.box}", f"--ssh-config={run.config}", "--sudo"]
        call(sys.executable, "-m", "pytest", "-q", "tests/smoke", *how, env=dict(os.environ))
    with run.step("packstack-lite smoke"):
        run.tool("smoke", "--host", run.address)
    with run.step("second apply"):
        again = json.loads(run.tool("apply", "--host", run.address, "--output", "json", quiet=True))
        if again["changes"] or again["restarted"]:
            raise Failed(f"the second apply changed something: {again['changes']} {again['restarted']}")
        print(f"0 changes, nothing restarted, {again['flights']} flights")


def take_away(run: Run) -> None:
    """The machine and its network; each is tried whatever became of the others."""
    with run.step("vagrant destroy"), ExitStack() as last:
        if run.provider == "lxc":
            last.callback(call, "sh", str(TOOLS / "vagrant-lxc-net.sh"), "down", env=dict(os.environ))
            last.callback(remove_container, run.box)
        run.vagrant("destroy", "-f", run.box)


def container(box: str) -> str:
    """What the Vagrantfile calls the container."""
    return f"packstack-lite-{box}"


def containers() -> List[str]:
    """The names of all containers on this machine."""
    return call("lxc-ls", "-1", env=dict(os.environ), quiet=True).split()


def remove_container(box: str) -> None:
    """A Vagrant that was killed while it made the container does not know of it."""
    if container(box) in containers():
        call("lxc-destroy", "--force", f"--name={container(box)}", env=dict(os.environ))


def main() -> None:
    """Exits with 1 and the step's name when one failed, with 130 after Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", choices=PROVIDERS, default="lxc")
    parser.add_argument("--box", choices=BOXES, default="debian12")
    parser.add_argument("--keep", action="store_true", help="leave the machine up")
    parser.add_argument("words", nargs="*", help="more words for packstack-lite --install-hosts")
    told = parser.parse_args()
    if told.provider == "lxc" and os.geteuid() != 0:
        sys.exit("the lxc provider needs root on this machine: run it again with sudo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(told.provider, told.box, told.words)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True, mode=0o700)
    try:
        go(run, told.keep)
    except Failed as failed:
        sys.exit(f"{run.failed} failed: {failed}\nlogs and answers: {WORK}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for name, seconds in run.took:
            print(f"{seconds:8.1f} s  {name}", flush=True)
    if not told.keep:
        shutil.rmtree(WORK)


def go(run: Run, keep: bool) -> None:
    """All steps. Once something may have been made, all is taken away again whatever happens."""
    tools(run)
    try:
        if run.provider == "lxc":
            furnish(run)
        bring_up(run)
        deploy(run)
    finally:
        if not keep:
            take_away(run)
    if keep:
        print(f"the machine is up: ssh -F {run.config} {run.box}\naway with it: vagrant destroy -f {run.box}")


if __name__ == "__main__":
    main()
