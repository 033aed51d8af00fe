"""The program that asks the host's validator, run for real against a stand-in that answers as the validator does.

What the stand-in prints was recorded from oslo-config-validator and oslo-config-generator of Debian 12
(oslo.config 9.0); the real ones are asked in tests/e2e.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from packstack_lite.config_overrides import ini
from packstack_lite.config_overrides.option_check import declare_option_check, option_lists
from packstack_lite.remote.command import Job
from packstack_lite.resources.run_once import WARNING_PREFIX
from tests.clouds import cloud, profile_of
from tests.rendered import files
from tests.unit.dash import Dash

# Knows [DEFAULT] debug and cpu_ratio, an old name of it, [QUOTAS] limit, and an [auth] with plugin options.
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
def dash(tmp_path):
    made = Dash(tmp_path, moved=("/var/lib/packstack-lite",))
    made.tool("python3", f'exec {sys.executable} "$@"')
    made.tool("oslo-config-validator", VALIDATOR)
    made.tool("oslo-config-generator", GENERATOR)
    return made


def once(text, name="nova/nova.conf"):
    found = declare_option_check(
        name, f"mine/{name}", ini.parse_ini(text).options, profile_of("debian12-zed"), (), frozenset()
    )
    assert found is not None
    return found


def asked(dash, text):
    (job,) = type(once(text)).fix([type("Gap", (), {"resource": once(text)})()])
    assert isinstance(job, Job)
    reply = dash.run(job)
    return reply.code, reply.out.splitlines(), reply.err


def test_known_options_pass_and_no_value_leaves(dash):
    assert asked(dash, "[DEFAULT]\ndebug = sesame\n[quotas]\nlimit = sesame\n") == (0, [], "")
    assert "sesame" not in dash.noted("names")
    assert "--input-file /dev/stdin" in dash.noted("asked")


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
def test_an_unknown_option_is_named_with_file_line_and_the_nearest(dash, text, line):
    assert asked(dash, text)[:2] == (1, [f"mine/nova/nova.conf:{line}"])


def test_every_unknown_option_is_told_at_once(dash):
    code, lines, _ = asked(dash, "[DEFAULT]\nuuu = 1\nvvv = 1\nuuu = 2\n[auth]\nwww = 1\n")
    assert code == 1
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "6"]


def test_an_old_name_is_a_remark(dash):
    code, lines, _ = asked(dash, "[DEFAULT]\nold_ratio = 1\n")
    assert code == 0
    assert lines == [
        f"{WARNING_PREFIX}mine/nova/nova.conf:2: [DEFAULT] old_ratio is an old name of an option, which will go"
    ]


@pytest.mark.parametrize(
    ("validator", "why"),
    [
        (
            "echo 'Traceback (most recent call last):' >&2; echo 'ImportError: no nova' >&2; exit 1",
            "failed: ImportError: no nova",
        ),
        ("exit 3", "failed: exit code 3"),
    ],
)
def test_a_validator_that_fails_forbids_nothing_and_that_is_said(dash, validator, why):
    dash.tool("oslo-config-validator", validator)
    code, lines, _ = asked(dash, "[DEFAULT]\nuuu = 1\n")
    assert (code, lines) == (
        0,
        [f"{WARNING_PREFIX}nova/nova.conf: the options were not checked: oslo-config-validator {why}"],
    )


def test_a_host_without_the_validator_forbids_nothing_and_that_is_said(dash):
    (dash.tools / "oslo-config-validator").unlink()
    code, lines, _ = asked(dash, "[DEFAULT]\nuuu = 1\n")
    assert code == 0
    assert lines[0].startswith(
        f"{WARNING_PREFIX}nova/nova.conf: the options were not checked: oslo-config-validator cannot be run"
    )


def test_without_the_generator_only_the_nearest_name_is_missing(dash):
    (dash.tools / "oslo-config-generator").unlink()
    assert asked(dash, "[DEFAULT]\ndebgu = 1\n")[1] == [
        "mine/nova/nova.conf:2: [DEFAULT] debgu is no option of nova/nova.conf"
    ]


def test_it_is_done_once_for_the_same_options(dash):
    work = once("[DEFAULT]\ndebug = 1\n")
    assert dash.see(work)[work.id] is None
    assert asked(dash, "[DEFAULT]\ndebug = 1\n")[0] == 0
    assert dash.see(work)[work.id] == work.desired()
    other = once("[DEFAULT]\ncpu_ratio = 1\n")
    assert dash.see(other)[other.id] != other.desired()


def test_a_failed_check_is_not_taken_for_done(dash):
    work = once("[DEFAULT]\nuuu = 1\n")
    assert asked(dash, "[DEFAULT]\nuuu = 1\n")[0] == 1
    assert dash.see(work)[work.id] is None


def test_every_rendered_file_of_oslo_has_its_lists():
    """A file that we render for oslo.config and that nobody would check is a gap in option_lists.yaml."""
    services = {"nova", "neutron", "keystone", "glance", "placement"}
    for path in files(cloud()):
        name = path[len("/etc/") :]
        of_oslo = (
            name.split("/")[0] in services and not name.endswith("uwsgi.ini") and Path(name).suffix in (".conf", ".ini")
        )
        assert bool(option_lists(name)) == of_oslo, name


@pytest.mark.parametrize(
    "name", ["nova/api-paste.ini", "nova/rootwrap.conf", "nova/policy.yaml", "libvirt/qemu.conf", "memcached.conf"]
)
def test_files_that_oslo_does_not_read_have_none(name):
    assert option_lists(name) == ()


def test_the_task_is_json_after_the_program():
    size, _, rest = once("[DEFAULT]\na = 1\n").stdin.partition(b"\n")
    assert json.loads(rest[int(size) :])["options"] == [["DEFAULT", "a", "mine/nova/nova.conf:2"]]
    compile(rest[: int(size)], "check_options.py", "exec")
