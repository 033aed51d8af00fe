"""What a sandbox can run: Debian releases, and what plug-ins bring."""

import pytest

from packstack_lite.errors import UsageError
from packstack_lite.sandbox import distros, lifecycle, model, trees
from tests.conftest import PROJECT

PLUGIN = """
from pathlib import Path

class Plan9:
    name, base = "plan9", "debian12"

    def notice(self):
        return "no OpenStack runs there"

    def ensure_tree(self, debian_tree, progress):
        progress("making plan9")
        return debian_tree() / "plan9"

DISTRO_PLUGINS = [Plan9()]
"""


@pytest.fixture
def plugins(monkeypatch):
    """Set the variable that names plug-ins."""
    return lambda *entries: monkeypatch.setenv(distros.PLUGINS_VARIABLE, ":".join(map(str, entries)))


@pytest.fixture
def no_plugins(monkeypatch):
    monkeypatch.delenv(distros.PLUGINS_VARIABLE, raising=False)


@pytest.fixture
def plan9(tmp_path, monkeypatch, plugins):
    """A plug-in in a directory of its own; the name of its package."""
    package = tmp_path / "plan9_hosts"
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    plugins(package)
    return package


def test_an_unknown_distro_is_refused_with_the_known_ones_and_the_way_to_more(no_plugins):
    with pytest.raises(UsageError, match="no sandbox of distro 'el9'") as error:
        model.validate_request("aio", "el9", "container")
    assert error.value.hint.startswith("known: debian12, debian13; PACKSTACK_LITE_SANDBOX_PLUGINS names plug-ins")


def test_a_plugin_is_one_of_the_known_distros(plan9):
    model.validate_request("aio", "plan9", "container")
    with pytest.raises(UsageError) as error:
        model.validate_request("aio", "plan10", "container")
    assert error.value.hint.startswith("known: debian12, debian13, plan9;")


def test_a_plugin_is_named_by_its_directory_or_by_its_module(plugins):
    for entry in (PROJECT / "tests/hosts", f"{PROJECT}/tests/hosts/", "tests.hosts"):
        plugins(entry)
        assert sorted(distros.load_plugins()) == ["el7", "el9"]


def test_a_plugin_makes_the_base_tree_and_its_debian_only_when_it_asks(plan9, tmp_path, monkeypatch):
    monkeypatch.setattr("packstack_lite.sandbox.local_commands.SANDBOX_HOME", tmp_path)
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    (tmp_path / f"trees/debian12/base-{trees.BASE_VERSION}").mkdir(parents=True)
    messages = []
    tree = trees.ensure_tree("plan9", model.BASE_TREE, messages.append)
    assert tree == tmp_path / f"trees/debian12/base-{trees.BASE_VERSION}/plan9"
    assert messages == ["making plan9"]
    assert distros.notice("plan9") == "no OpenStack runs there"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("no.such.module", "cannot be imported: No module named 'no'"),
        ("/no/such/place", "cannot be imported: No module named 'place'"),
        ("json", "the module has no DISTRO_PLUGINS"),
        ("tests.hosts:tests.hosts", "the distribution el7 is there already"),
    ],
)
def test_a_name_that_brings_no_plugin_is_refused(plugins, entry, reason):
    plugins(entry)
    with pytest.raises(UsageError, match="PACKSTACK_LITE_SANDBOX_PLUGINS=") as error:
        distros.load_plugins()
    assert reason in error.value.message and error.value.hint


def test_a_sandbox_that_exists_needs_no_plugin(no_plugins, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SANDBOX_HOME", tmp_path)
    record = model.Record("nine", "container", "el9", 1, "base-1", True)
    record.directory.mkdir(parents=True)
    record.save()
    assert lifecycle.find("nine").distro == "el9"
    assert [box.name for box in lifecycle.list_all()] == ["nine"]
    trees.link_cached_debs(record)
    trees.collect_debs(record)
    lifecycle._validate_new_nodes("nine", 0, "el9", "container")
    with pytest.raises(UsageError, match="no sandbox of distro 'el9'"):
        lifecycle._validate_new_nodes("ten", 0, "el9", "container")
    assert not (tmp_path / "archives").exists()
