"""Deploy a cloud on a Vagrant machine, test it, apply again, and destroy the machine.

make vagrant-smoke [PROVIDER=lxc|libvirt|virtualbox] [BOX=debian12|centos7|centos9s] [KEEP=1]
    [WORDS="--os-cinder-install=y ..."]

At its end the run removes everything it made, also after a failure or Ctrl-C. Logs stay after a failure; boxes stay for
the next run.
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
# In the directory of Vagrant's own state.
WORK = PROJECT / ".vagrant/smoke"
PROVIDERS = ("lxc", "libvirt", "virtualbox")
BOXES = ("debian12", "centos7", "centos9s")
# Options of the deployment for each provider. The Vagrantfile adds the second disks.
VOLUMES = "--os-cinder-install=y --cinder-backend=lvm --set CONFIG_CINDER_VOLUMES_DEVICE="
WORDS = {
    # The image is in the box; vagrant-lxc-net.sh routes this network to the machine.
    "lxc": "--provision-image-url=/usr/share/packstack-lite/guest.qcow2 --set CONFIG_PROVISION_IMAGE_SSH_USER=root"
    " --provision-demo-floatrange=198.18.253.0/24",
    "libvirt": f"{VOLUMES}/dev/vdb",
    "virtualbox": f"{VOLUMES}/dev/sdb",
}


class Failed(Exception):
    """A step failed; the text is the error message."""


class Run:
    """One run: its machine, its files, and the seconds that each step took."""

    def __init__(self, provider: str, box: str, words: List[str]) -> None:
        self.provider, self.box, self.words = provider, box, words
        self.config = WORK / "ssh-config"
        self.took: List[Tuple[str, float]] = []
        self.address = ""
        self.failed = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print that a step begins, and record its time and whether it failed."""
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
        """Return Vagrant's environment: the provider, and VirtualBox's second disk.

        Vagrant does not look for a newer version.
        """
        own = {"VAGRANT_DEFAULT_PROVIDER": self.provider, "VAGRANT_CHECKPOINT_DISABLE": "1"}
        disks = {"VAGRANT_EXPERIMENTAL": "disks"} if self.provider == "virtualbox" else {}
        return {**disks, **os.environ, **own}

    def vagrant(self, *words: str, quiet: bool = False) -> str:
        """Run Vagrant; with ``quiet`` return its stdout in place of showing it."""
        return call("vagrant", *words, env=self.environment(), quiet=quiet)

    def tool(self, *words: str, quiet: bool = False) -> str:
        """Run packstack-lite with a home of its own and the machine's ssh_config."""
        home = {"HOME": str(WORK), "XDG_STATE_HOME": str(WORK / "state"), "XDG_CONFIG_HOME": str(WORK / "config")}
        argv = [sys.executable, "-m", "packstack_lite", *words, "--ssh-config", str(self.config)]
        return call(*argv, env={**os.environ, **home}, quiet=quiet)

    def state(self) -> str:
        """Return Vagrant's state of the machine: ``not_created``, ``running``, ..."""
        lines = self.vagrant("status", self.box, "--machine-readable", quiet=True).splitlines()
        fields = [line.split(",") for line in lines]
        return next((field[3] for field in fields if field[2:3] == ["state"]), "unknown")


def call(*argv: str, env: Dict[str, str], quiet: bool = False) -> str:
    """Run a command in the project's directory; with ``quiet`` return its stdout.

    Without it stdout is shown.

    Raises Failed for an exit code other than 0.
    """
    out = subprocess.PIPE if quiet else None
    done = subprocess.run(argv, cwd=PROJECT, env=env, text=True, stdin=subprocess.DEVNULL, stdout=out)
    if done.returncode:
        raise Failed(f"exit code {done.returncode}: {shlex.join(argv)}\n{done.stdout or ''}".rstrip())
    return done.stdout or ""


def install_tools(run: Run) -> None:
    """Install Vagrant and its provider.

    Raises Failed where the machine exists already, as another run may use it.
    """
    with run.step("tools"):
        call("sh", str(TOOLS / "vagrant-install.sh"), run.provider, env=dict(os.environ))
        state = run.state()
        if state != "not_created":
            raise Failed(f"the machine {run.box} is there already ({state}): vagrant destroy {run.box}")
        # Vagrant knows only this checkout's machines, but containers' names are global.
        if run.provider == "lxc" and container_name(run.box) in list_containers():
            raise Failed(
                f"the container {container_name(run.box)} is there already: lxc-destroy -f -n {container_name(run.box)}"
            )


def make_box_and_network(run: Run) -> None:
    """Make what the lxc provider lacks: a box, and a network with DHCP."""
    with run.step("box and network"):
        argv = [sys.executable, str(TOOLS / "vagrant-box.py"), run.box]
        add_box(run, Path(call(*argv, env=dict(os.environ), quiet=True).strip()))
        call("sh", str(TOOLS / "vagrant-lxc-net.sh"), "up", env=dict(os.environ))


def add_box(run: Run, box: Path) -> None:
    """Add a box to Vagrant, unless it has the same one."""
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    metadata = home / f"boxes/packstack-lite-VAGRANTSLASH-{run.box}/0/lxc/metadata.json"
    if metadata.exists() and json.loads(metadata.read_text()).get("recipe", "") in box.name:
        return
    run.vagrant("box", "add", "--force", "--provider=lxc", f"--name=packstack-lite/{run.box}", str(box))


def bring_up(run: Run) -> None:
    """Start the machine, and write an ssh_config for its name and address."""
    with run.step("vagrant up"):
        run.vagrant("up", run.box, f"--provider={run.provider}")
        ssh_config = run.vagrant("ssh-config", run.box, quiet=True)
        run.config.write_text(ssh_config)
        ask = ["ssh", "-F", str(run.config), run.box, 'getent ahostsv4 "$(hostname)"']
        run.address = call(*ask, env=dict(os.environ), quiet=True).split()[0]
        run.config.write_text(ssh_config.replace(f"Host {run.box}\n", f"Host {run.box} {run.address}\n", 1))


def deploy(run: Run) -> None:
    """Deploy the cloud and test it; a second apply must change nothing."""
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
        print(f"0 changes, nothing restarted, {again['flights']} round trips")


def destroy(run: Run) -> None:
    """Destroy the machine and its network; each is tried even where another fails."""
    with run.step("vagrant destroy"), ExitStack() as last:
        if run.provider == "lxc":
            last.callback(call, "sh", str(TOOLS / "vagrant-lxc-net.sh"), "down", env=dict(os.environ))
            last.callback(remove_container, run.box)
        run.vagrant("destroy", "-f", run.box)


def container_name(box: str) -> str:
    """Return the container's name in the Vagrantfile."""
    return f"packstack-lite-{box}"


def list_containers() -> List[str]:
    """Return the names of all containers on this machine."""
    return call("lxc-ls", "-1", env=dict(os.environ), quiet=True).split()


def remove_container(box: str) -> None:
    """Destroy the container if it exists.

    Vagrant does not know it where it was killed while creating it.
    """
    if container_name(box) in list_containers():
        call("lxc-destroy", "--force", f"--name={container_name(box)}", env=dict(os.environ))


def main() -> None:
    """Run everything; exit with 1 and the failed step's name, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", choices=PROVIDERS, default="lxc")
    parser.add_argument("--box", choices=BOXES, default="debian12")
    parser.add_argument("--keep", action="store_true", help="leave the machine up")
    parser.add_argument("words", nargs="*", help="more options for packstack-lite --install-hosts")
    options = parser.parse_args()
    if options.provider == "lxc" and os.geteuid() != 0:
        sys.exit("the lxc provider needs root on this machine: run it again with sudo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(options.provider, options.box, options.words)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True, mode=0o700)
    try:
        run_all(run, options.keep)
    except Failed as failed:
        sys.exit(f"{run.failed} failed: {failed}\nlogs and answers: {WORK}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for name, seconds in run.took:
            print(f"{seconds:8.1f} s  {name}", flush=True)
    if not options.keep:
        shutil.rmtree(WORK)


def run_all(run: Run, keep: bool) -> None:
    """Run all steps; remove everything at the end unless ``keep``, whatever fails."""
    install_tools(run)
    try:
        if run.provider == "lxc":
            make_box_and_network(run)
        bring_up(run)
        deploy(run)
    finally:
        if not keep:
            destroy(run)
    if keep:
        print(f"the machine is up: ssh -F {run.config} {run.box}\nremove it: vagrant destroy -f {run.box}")


if __name__ == "__main__":
    main()
