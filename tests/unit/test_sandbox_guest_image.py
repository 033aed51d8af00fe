"""The guest image: its packages, its recipe, its scripts. No image is built here."""

import subprocess
from importlib import resources

import pytest

from packstack_lite.remote.command import Command
from packstack_lite.sandbox import guest_image
from packstack_lite.sandbox.model import SandboxError
from tests.unit.dash import Dash

DATA = resources.files("packstack_lite.sandbox")


def test_the_current_kernels_package_is_found():
    text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-40-cloud-amd64\n"
    assert guest_image.parse_kernel_package(text) == "linux-image-6.1.0-40-cloud-amd64"


def test_a_missing_kernel_is_an_error_that_names_the_package():
    with pytest.raises(SandboxError, match="linux-image-cloud-amd64"):
        guest_image.parse_kernel_package("")


def test_dependencies_are_real_packages_and_not_virtual_ones():
    text = "busybox\n  Depends: libc6\nlibc6\n  Depends: <libc6-virtual>\n<libc6-virtual>\nlibgcc-s1\n"
    assert guest_image.parse_packages(text) == ["busybox", "libc6", "libgcc-s1"]


def test_the_digest_changes_with_the_recipe(monkeypatch):
    before = guest_image.recipe_digest()
    assert guest_image.recipe_digest() == before
    monkeypatch.setattr(guest_image, "KERNEL_MODULES", (*guest_image.KERNEL_MODULES, "ext4"))
    assert guest_image.recipe_digest() != before


def test_an_image_of_the_same_recipe_is_not_built_again(tmp_path):
    target = tmp_path / "guest.qcow2"
    target.write_bytes(b"image")
    (tmp_path / "guest.qcow2.recipe").write_text(guest_image.recipe_digest())
    assert guest_image.build_image(target) == target
    assert target.read_bytes() == b"image"


@pytest.mark.parametrize("path", [*(f"guest/{name}" for name in guest_image.SCRIPTS), "data/keeper"])
def test_every_script_is_posix_sh(path):
    with resources.as_file(DATA / path) as script:
        done = subprocess.run(["dash", "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Fails as often as the file $T/failures has lines, each the error of one try; then it has everything but user data.
WGET = r"""
for url in "$@"; do :; done
error=$(head -n 1 $T/failures)
if [ -n "$error" ]; then sed -i 1d $T/failures; echo "wget: $error" >&2; exit 1; fi
case $url in
*/hostname) echo guest-1.novalocal ;;
*/openssh-key) [ ! -e $T/no-key ] || { echo "wget: server returned error: HTTP/1.1 404 Not Found" >&2; exit 1; }
    echo ssh-ed25519 AAAA ;;
*/user-data) echo '#!/bin/sh'; echo "echo ran > $T/ran" ;;
esac
"""


@pytest.fixture
def guest(tmp_path):
    dash = Dash(tmp_path, moved=["/root/", "/etc/hosts", "/var/log/"])
    for directory in ("root/.ssh", "etc", "var/log"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "root/.ssh/authorized_keys").touch()
    (tmp_path / "failures").touch()
    dash.tool("wget", WGET)
    dash.tool("timeout", 'shift; exec "$@"')
    for name in ("sleep", "hostname", "ip"):
        dash.tool(name, f"echo $* >> $T/{name}")
    return dash


@pytest.mark.parametrize("failures", [0, 1, 2, 5, 20])
def test_a_busy_metadata_service_leaves_no_guest_without_its_key(guest, failures):
    (guest.root / "failures").write_text("download timed out\n" * failures)
    assert guest.run(Command((DATA / "guest/metadata").read_text())).code == 0
    assert guest.read_note("root/.ssh/authorized_keys") == "ssh-ed25519 AAAA\n"
    assert guest.read_note("etc/hosts") == "127.0.0.1 localhost guest-1\n"
    assert guest.read_note("ran") == "ran\n"
    assert len(guest.read_note("sleep").splitlines()) == failures


def test_a_guest_without_a_key_goes_on_at_once(guest):
    (guest.root / "no-key").touch()
    assert guest.run(Command((DATA / "guest/metadata").read_text())).code == 0
    assert guest.read_note("root/.ssh/authorized_keys") == guest.read_note("sleep") == ""
    assert guest.read_note("ran") == "ran\n"
