"""The option check's program, run against a stand-in for oslo-config-validator.

The output of the stand-in was recorded from oslo-config-validator and oslo-config-generator of Debian 12
(oslo.config 9.0); tests/e2e runs the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packstack_lite.config_overrides import ini
from packstack_lite.config_overrides.option_check import declare_option_check, option_lists
from packstack_lite.remote.command import Job
from packstack_lite.resources.run_once import WARNING_PREFIX
from tests.clouds import cloud, profile_of
from tests.rendered import files
from tests.unit.dash import Dash

# Accepts [DEFAULT] debug and cpu_ratio, an old name of cpu_ratio, [QUOTAS] limit, and plugin options in [auth].
VALIDATOR = r"""
echo "$*" >> "$T/asked"
cat > "$T/names"
section= code=0
while read -r line; do
    case $line in
        \[*) section=${line#?}; section=${section%?}; continue ;;
        *=*) name=${line%% =*} ;;
    esac
    case $section/$name in
        DEFAULT/debug|DEFAULT/cpu_ratio|QUOTAS/limit|auth/auth_type|auth/auth_url) ;;
        DEFAULT/old_ratio) echo "WARNING:root:Deprecated opt $section/$name found" >&2 ;;
        *) echo "ERROR:root:$section/$name is not part of the sample config" >&2; code=1 ;;
    esac
done < "$T/names"
exit $code
"""
GENERATOR = r"""
cat <<'END'
{"options": {"DEFAULT": {"opts": [{"name": "debug", "dest": "debug"}, {"name": "cpu-ratio", "dest": "cpu_ratio"}]},
 "auth": {"opts": [{"name": "auth_url", "dest": "auth_url"}]}}}
END
"""


@pytest.fixture
def dash(tmp_path, python_with_keystoneauth):
    shell = Dash(tmp_path, moved=("/var/lib/packstack-lite",))
    shell.tool("python3", f'exec {python_with_keystoneauth} "$@"')
    shell.tool("oslo-config-validator", VALIDATOR)
    shell.tool("oslo-config-generator", GENERATOR)
    return shell


def option_check(text, name="nova/nova.conf"):
    declared = declare_option_check(
        name, f"mine/{name}", ini.parse_ini(text).options, profile_of("debian12-zed"), (), frozenset()
    )
    assert declared is not None
    return declared


def run_check(dash, text):
    """Exit code, lines of output, and stderr of the check."""
    (job,) = type(option_check(text)).fix([type("Gap", (), {"resource": option_check(text)})()])
    assert isinstance(job, Job)
    reply = dash.run(job)
    return reply.code, reply.out.splitlines(), reply.err


def test_known_options_pass_and_no_value_is_sent(dash):
    assert run_check(dash, "[DEFAULT]\ndebug = sesame\n[quotas]\nlimit = sesame\n") == (0, [], "")
    assert "sesame" not in dash.read_note("names")
    assert "--input-file /dev/stdin" in dash.read_note("asked")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "\n[DEFAULT]\ncpu_rato = 1\n",
            "3: [DEFAULT] cpu_rato is no option of nova/nova.conf; did you mean cpu_ratio?",
        ),
        (
            "[DEFAULT]\nauth_url = 1\n",
            "2: [DEFAULT] auth_url is no option of nova/nova.conf; [auth] has one of this name",
        ),
        (
            "[atuh]\nxyz = 1\n",
            "2: [atuh] xyz is no option of nova/nova.conf; there is no section [atuh], did you mean [auth]?",
        ),
        ("[auth]\nxyz = 1\n", "2: [auth] xyz is no option of nova/nova.conf"),
    ],
)
def test_an_unknown_option_is_reported_with_file_line_and_suggestion(dash, text, line):
    assert run_check(dash, text)[:2] == (1, [f"mine/nova/nova.conf:{line}"])


def test_every_unknown_option_is_reported_at_once(dash):
    code, lines, _ = run_check(dash, "[DEFAULT]\nuuu = 1\nvvv = 1\nuuu = 2\n[auth]\nwww = 1\n")
    assert code == 1
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "6"]


def test_an_old_name_is_a_warning(dash):
    code, lines, _ = run_check(dash, "[DEFAULT]\nold_ratio = 1\n")
    assert code == 0
    assert lines == [
        f"{WARNING_PREFIX}mine/nova/nova.conf:2: [DEFAULT] old_ratio is an old name of an option, which will go"
    ]


@pytest.mark.parametrize(
    ("validator", "reason"),
    [
        (
            "echo 'Traceback (most recent call last):' >&2; echo 'ImportError: no nova' >&2; exit 1",
            "failed: ImportError: no nova",
        ),
        ("exit 3", "failed: exit code 3"),
    ],
)
def test_a_failing_validator_is_a_warning(dash, validator, reason):
    dash.tool("oslo-config-validator", validator)
    code, lines, _ = run_check(dash, "[DEFAULT]\nuuu = 1\n")
    assert (code, lines) == (
        0,
        [f"{WARNING_PREFIX}nova/nova.conf: the options were not checked: oslo-config-validator {reason}"],
    )


def test_a_node_without_the_validator_is_a_warning(dash):
    (dash.tools / "oslo-config-validator").unlink()
    code, lines, _ = run_check(dash, "[DEFAULT]\nuuu = 1\n")
    assert code == 0
    assert lines[0].startswith(
        f"{WARNING_PREFIX}nova/nova.conf: the options were not checked: oslo-config-validator cannot be run"
    )


def test_without_the_generator_only_the_suggestion_is_missing(dash):
    (dash.tools / "oslo-config-generator").unlink()
    assert run_check(dash, "[DEFAULT]\ndebgu = 1\n")[1] == [
        "mine/nova/nova.conf:2: [DEFAULT] debgu is no option of nova/nova.conf"
    ]


def test_the_same_options_are_checked_once(dash):
    check = option_check("[DEFAULT]\ndebug = 1\n")
    assert dash.probe(check)[check.id] is None
    assert run_check(dash, "[DEFAULT]\ndebug = 1\n")[0] == 0
    assert dash.probe(check)[check.id] == check.desired()
    other = option_check("[DEFAULT]\ncpu_ratio = 1\n")
    assert dash.probe(other)[other.id] != other.desired()


def test_a_failed_check_runs_again(dash):
    check = option_check("[DEFAULT]\nuuu = 1\n")
    assert run_check(dash, "[DEFAULT]\nuuu = 1\n")[0] == 1
    assert dash.probe(check)[check.id] is None


def test_every_rendered_file_of_oslo_has_option_lists():
    """A rendered file of oslo.config without option lists is missing in option_lists.yaml."""
    services = {"nova", "neutron", "keystone", "glance", "placement"}
    for path in files(cloud()):
        name = path[len("/etc/") :]
        is_oslo_file = (
            name.split("/")[0] in services and not name.endswith("uwsgi.ini") and Path(name).suffix in (".conf", ".ini")
        )
        assert bool(option_lists(name)) == is_oslo_file, name


@pytest.mark.parametrize(
    "name", ["nova/api-paste.ini", "nova/rootwrap.conf", "nova/policy.yaml", "libvirt/qemu.conf", "memcached.conf"]
)
def test_files_that_oslo_does_not_read_have_no_option_lists(name):
    assert option_lists(name) == ()


def test_the_request_is_json_after_the_program():
    size, _, remaining = option_check("[DEFAULT]\na = 1\n").stdin.partition(b"\n")
    assert json.loads(remaining[int(size) :])["options"] == [["DEFAULT", "a", "mine/nova/nova.conf:2"]]
    compile(remaining[: int(size)], "check_options.py", "exec")
