"""The guest image: its packages, its recipe, its scripts. No image is built here."""

import subprocess
from importlib import resources

import pytest

from packstack_lite.sandbox import guest_image
from packstack_lite.sandbox.model import SandboxError

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
