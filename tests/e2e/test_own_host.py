"""Install the wheel on a bare Debian, and deploy on that machine itself as a new user does: as root, without SSH.

The command line is the one of RDO's guide for an all-in-one whose instances are reached from the outside: no demo, and
the machine's only interface in the external bridge. Every command after it is typed without options that name the
cloud.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from packstack_lite import sandbox as sandbox_api
from packstack_lite.sandbox import guest_image
from tests.conftest import Tool
from tests.e2e.conftest import Sandbox, bare_node, other_sandboxes_stopped
from tests.e2e.scan import assert_only_public_ports_open
from tests.wheel import build_wheel

pytestmark = pytest.mark.slow

INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq -y install --no-install-recommends python3-venv >/dev/null
python3 -m venv /opt/packstack-lite
/opt/packstack-lite/bin/pip install --quiet --no-index --find-links /root/wheels packstack-lite
ln -s /opt/packstack-lite/bin/packstack-lite /usr/local/bin/
"""
# Without the Internet smoke has to be given an image, as docs/how-to.md says. This one's user is root.
IMAGE = "/root/image.qcow2"
IMAGE_OPTIONS = f"--set CONFIG_PROVISION_IMAGE_URL={IMAGE} --set CONFIG_PROVISION_IMAGE_SSH_USER=root"
DEPLOY = (
    "packstack-lite --allinone --provision-demo=n"
    " --os-neutron-ovs-bridge-mappings=extnet:br-ex --os-neutron-ovs-bridge-interfaces=br-ex:host0"
    " --os-neutron-ml2-type-drivers=vxlan,flat --os-neutron-ml2-mechanism-drivers=openvswitch"
    " --os-neutron-l2-agent=openvswitch"
)


@pytest.fixture(scope="module")
def host(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A bare Debian with the wheel and its libraries installed, from files."""
    work = tmp_path_factory.mktemp("own-host")
    with other_sandboxes_stopped(), bare_node(tool, work, "e2e-own-host", {}) as node:
        root = Path(sandbox_api.find(node.name).root)
        copy_wheels(build_wheel(work), root / "root/wheels")
        shutil.copy(guest_image.build_image(), root / IMAGE.lstrip("/"))
        node.sh(INSTALL)
        yield node


def copy_wheels(wheel: Path, directory: Path) -> None:
    """Put the wheel and those of its libraries into a directory."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "-w", str(directory), str(wheel)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    shutil.copy(wheel, directory)


def run_there(host: Sandbox, command: str) -> str:
    """Run a command in root's shell on the host; return stdout and stderr as printed. Fail where it fails."""
    print(f"# {command}")
    output = host.sh(f"cd /root && {command} 2>&1")
    print(output)
    return output


def test_the_guides_command_line_deploys(host: Sandbox) -> None:
    output = run_there(host, DEPLOY)
    assert "uplink" in output or "br-ex" in output
    assert host.sh("ip -4 route show default").split()[4] == "br-ex"
    assert "packstack-lite smoke" in output


def test_verify_needs_no_options(host: Sandbox) -> None:
    assert json.loads(host.sh("cd /root && packstack-lite verify --output json"))["faults"] == []
    run_there(host, "packstack-lite verify")


def test_the_recommended_smoke_test_passes(host: Sandbox) -> None:
    output = run_there(host, f"packstack-lite smoke {IMAGE_OPTIONS}")
    assert "the last apply had" not in output
    assert "failed" not in output.splitlines()[-1]


def test_smoke_reaches_an_instance_on_a_temporary_external_network(host: Sandbox) -> None:
    prefix = sandbox_api.find(host.name).address.rpartition(".")[0]
    external = f"--external-range {prefix}.0/24 --external-pool {prefix}.100-{prefix}.120 --external-gateway {prefix}.1"
    result = json.loads(host.sh(f"cd /root && packstack-lite smoke {external} {IMAGE_OPTIONS} --output json"))
    passed = {case["name"] for case in result["cases"] if case["outcome"] == "passed"}
    assert {"floating_ip", "ping", "ssh", "metadata"} <= passed, result


def test_a_second_apply_changes_nothing(host: Sandbox) -> None:
    run_there(host, "packstack-lite apply")
    result = json.loads(host.sh("cd /root && packstack-lite apply --output json"))
    assert (result["changes"], result["restarted"]) == ([], [])


def test_only_public_ports_are_open_from_outside(host: Sandbox) -> None:
    assert_only_public_ports_open(host)
