"""What no unit test may depend on, and what several share."""

from __future__ import annotations

import pytest

from packstack_lite.cli.app import cli
from packstack_lite.deployment import connection_target, obvious_target
from packstack_lite.recommended import set_target_words
from tests.unit.preloaded_python import preloaded_python

OPTIONS_AT_FIRST = tuple(cli.params)


@pytest.fixture(scope="session")
def python_with_keystoneauth(tmp_path_factory):
    """The command line of a Python that has imported what cloud_api.py and the smoke test import."""
    modules = ("keystoneauth1.identity.v3", "requests", "multiprocessing.pool", "tempfile", "urllib.request")
    with preloaded_python(tmp_path_factory.mktemp("python"), *modules) as command:
        yield command


@pytest.fixture(autouse=True, scope="session")
def no_sandboxes_of_this_machine():
    """A sandbox that happens to run here may have an address that a test uses, or be the only one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_target, "_find_sandbox_at", lambda address: None)
        patch.setattr(obvious_target, "list_sandboxes", list)
        patch.setattr(obvious_target, "carries_cloud", lambda: False)
        yield


@pytest.fixture(autouse=True)
def no_traces_of_another_test():
    """A verb that ran in this process leaves the options that name its cloud, for every later hint.

    Options of parameters, once added, stay too: each later run would parse 300 more.
    """
    set_target_words(())
    if cli._has_parameter_options:
        cli._has_parameter_options, cli.params = False, list(OPTIONS_AT_FIRST)
