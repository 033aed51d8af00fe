"""--config-dir applied to the declared resources: merged, added and refused files, restarts, option checks, secrets."""

from __future__ import annotations

import json

import pytest

from packstack_lite import services
from packstack_lite.config_overrides.overlay import apply_overrides, apply_overrides_to_nodes
from packstack_lite.config_overrides.user_files import UserFile, UserTree
from packstack_lite.errors import ConfigOverrideError
from packstack_lite.resources import File, RunOnce, Unit, UserFiles
from packstack_lite.resources.base import Phase
from packstack_lite.secret import Masker
from tests.clouds import cloud, node_context
from tests.rendered import on, text

CONTEXT = cloud()
DECLARED = services.declare(CONTEXT)


def tree(files):
    return UserTree(tuple(UserFile(name, f"mine/{name}", content) for name, content in files.items()))


def apply_files(files=()):
    return apply_overrides(DECLARED, tree(dict(files)), CONTEXT.profile)


def file_at(applied, path):
    (file,) = [resource for resource in applied.resources if isinstance(resource, File) and resource.path == path]
    return file


def units(resources):
    return {resource.id: resource for resource in resources if isinstance(resource, Unit)}


def restarted_units(applied):
    """Names of the units whose desired state differs from that without overrides."""
    before = units(DECLARED)
    return {
        name.split(":")[1]
        for name, unit in units(applied.resources).items()
        if unit.desired() != before[name].desired()
    }


def errors_of(files):
    with pytest.raises(ConfigOverrideError) as error:
        apply_files(files)
    return error.value.errors


def test_without_files_all_is_as_declared_but_for_the_record_of_added_files():
    applied = apply_files()
    assert [resource for resource in applied.resources if not isinstance(resource, UserFiles)] == DECLARED
    (record,) = [resource for resource in applied.resources if isinstance(resource, UserFiles)]
    assert record.desired() == {"files": "none"}
    assert not applied.warnings


def test_options_are_merged_and_only_the_readers_restart():
    applied = apply_files({"nova/nova.conf": "[DEFAULT]\nram_allocation_ratio = 9.5\n[mine]\na = 1\na = 2\n"})
    file, rendered = file_at(applied, "/etc/nova/nova.conf"), file_at(apply_files(), "/etc/nova/nova.conf")
    added = set(text(file).split("\n")) - set(text(rendered).split("\n"))
    assert added == {"ram_allocation_ratio = 9.5", "[mine]", "a = 1", "a = 2"}
    assert (file.mode, file.owner, file.group, file.phase) == (0o640, "root", "nova", rendered.phase)
    readers = {unit.name for unit in units(DECLARED).values() if "file:/etc/nova/nova.conf" in unit.trigger_ids}
    assert restarted_units(applied) == readers
    assert {"nova-api", "nova-compute", "nova-scheduler"} <= readers < {unit.name for unit in units(DECLARED).values()}


def test_a_file_in_a_subdirectory_has_its_own_readers():
    applied = apply_files({"neutron/plugins/ml2/ml2_conf.ini": "[ml2]\npath_mtu = 1400\n"})
    assert "path_mtu = 1400" in text(file_at(applied, "/etc/neutron/plugins/ml2/ml2_conf.ini"))
    assert restarted_units(applied) == {
        unit.name
        for unit in units(DECLARED).values()
        if any(trigger.endswith("/ml2_conf.ini") for trigger in unit.trigger_ids)
    }


def test_a_file_without_sections_is_replaced_with_a_warning():
    applied = apply_files({"memcached.conf": "-m 256\n"})
    assert text(file_at(applied, "/etc/memcached.conf")) == "-m 256\n"
    assert restarted_units(applied) == {"memcached"}
    assert applied.warnings == [
        "mine/memcached.conf: replaces the whole /etc/memcached.conf, which has no [sections] to merge into"
    ]


@pytest.mark.parametrize(
    ("name", "group", "mode", "readers"),
    [
        ("nova/policy.yaml", "nova", 0o640, "/etc/nova/"),
        ("neutron/policy.d/mine.yaml", "neutron", 0o640, "/etc/neutron/"),
        ("openstack-dashboard/local_settings.d/_99999_mine.py", "www-data", 0o640, "/etc/openstack-dashboard/"),
        ("mysql/mariadb.conf.d/zz-mine.cnf", "root", 0o644, "/etc/mysql/"),
        ("rabbitmq/conf.d/mine.conf", "rabbitmq", 0o640, "/etc/rabbitmq/"),
        ("apache2/conf-enabled/mine.conf", "www-data", 0o640, "/etc/apache2/"),
    ],
)
def test_a_file_that_is_not_rendered_is_added_with_the_services_owner_and_mode(name, group, mode, readers):
    applied = apply_files({name: "as: it is\n"})
    file = file_at(applied, f"/etc/{name}")
    assert (text(file), file.owner, file.group, file.mode) == ("as: it is\n", "root", group, mode)
    assert applied.warnings == [f"mine/{name}: packstack-lite writes no such file; it is copied unchanged"]
    units_of_service = {
        unit.name
        for unit in units(DECLARED).values()
        if any(trigger.split(":")[1].startswith(readers) for trigger in unit.trigger_ids)
    }
    assert units_of_service and restarted_units(applied) == units_of_service


@pytest.mark.parametrize("name", ["centos7-train", "centos9s-epoxy"])
def test_a_file_of_the_web_server_is_readable_for_its_account_alone(name):
    context = on(name, CONTEXT)
    files = tree({"httpd/conf.d/mine.conf": "as: it is\n"})
    file = file_at(apply_overrides(services.declare(context), files, context.profile), "/etc/httpd/conf.d/mine.conf")
    assert (file.owner, file.group, file.mode) == ("root", "apache", 0o640)


def test_an_added_file_is_recorded_then_written_and_then_its_readers_start():
    applied = apply_files({"mysql/mariadb.conf.d/zz-mine.cnf": "[mysqld]\nskip-log-bin\n"})
    file = file_at(applied, "/etc/mysql/mariadb.conf.d/zz-mine.cnf")
    (record,) = [resource for resource in applied.resources if isinstance(resource, UserFiles)]
    assert (file.phase, record.phase) == (Phase.PLATFORM, Phase.PLATFORM)
    assert file.needs == (record.id,)
    assert record.desired() == {"files": file.path}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nova/nova.conf", "[DEFAULT]\nx = 1\ny\n", "mine/nova/nova.conf:3: neither NAME = VALUE nor a [section]"),
        ("nova/nova.conf", "x = 1\n", "mine/nova/nova.conf:1: is before the first [section]"),
        (
            "nova/nova.conf",
            "[api]\nauth-strategy = x\n",
            "mine/nova/nova.conf:2: auth-strategy is not read: in files write auth_strategy",
        ),
        ("novva/nova.cnf", "", "mine/novva/nova.cnf: no deployed service reads /etc/novva; did you mean nova/?"),
        (
            "etc/nova/policy.yaml",
            "",
            "mine/etc/nova/policy.yaml: --config-dir corresponds to /etc: move the file to nova/policy.yaml",
        ),
        (
            "neutron/ml2_conf.ini",
            "",
            "mine/neutron/ml2_conf.ini: nothing reads this file; did you mean neutron/plugins/ml2/ml2_conf.ini?",
        ),
        (
            "README",
            "",
            "mine/README: in /etc, only files that packstack-lite writes can be overridden",
        ),
        (
            "default/mine",
            "",
            "mine/default/mine: in /etc/default, only files that packstack-lite writes can be overridden",
        ),
        (
            "apache2/sites-enabled/000-default.conf",
            "",
            "mine/apache2/sites-enabled/000-default.conf: cannot be overridden: packstack-lite creates or removes it",
        ),
        (
            "keystone/fernet-keys/0",
            "",
            "mine/keystone/fernet-keys/0: cannot be overridden: packstack-lite creates or removes it",
        ),
    ],
)
def test_a_refused_file_is_reported_with_path_and_line(name, content, message):
    assert errors_of({name: content}) == (message,)


def test_all_errors_are_reported_at_once_with_those_of_the_loader():
    user_tree = tree({"nova/nova.conf": "a\nb\n", "nowhere/x": "", "glance/glance-api.conf": "[x\n"})
    with pytest.raises(ConfigOverrideError) as error:
        apply_overrides(DECLARED, UserTree(user_tree.files, ("mine/logo.png: is not a text file",)), CONTEXT.profile)
    assert [message.split(": ")[0] for message in error.value.errors] == [
        "mine/logo.png",
        "mine/nova/nova.conf:1",
        "mine/nova/nova.conf:2",
        "mine/nowhere/x",
        "mine/glance/glance-api.conf:1",
    ]


def option_checks(applied):
    run_onces = [resource for resource in applied.resources if isinstance(resource, RunOnce)]
    return [run_once for run_once in run_onces if run_once.name.startswith("your options")]


def request_of(check):
    size, _, remaining = check.stdin.partition(b"\n")
    return json.loads(remaining[int(size) :])


def test_options_are_checked_after_the_packages_and_before_anything_else():
    applied = apply_files({"nova/nova.conf": "[DEFAULT]\nram_allocation_ratio = 9.5\nmy_password = sesame77\n"})
    (check,) = option_checks(applied)
    assert (check.phase, check.always_run, check.needs, check.tags) == (
        Phase.PACKAGES,
        True,
        ("packages:apt",),
        {"nova"},
    )
    request = request_of(check)
    assert request["file"] == "nova/nova.conf"
    assert request["options"] == [
        ["DEFAULT", "ram_allocation_ratio", "mine/nova/nova.conf:2"],
        ["DEFAULT", "my_password", "mine/nova/nova.conf:3"],
    ]
    assert "nova.*" in request["lists"] and "oslo.*" in request["lists"]
    assert b"sesame77" not in check.stdin + check.script.encode() and b"9.5" not in check.stdin


def test_a_check_is_repeated_for_other_options_but_not_for_other_values_or_lines():
    def fingerprint(content):
        return option_checks(apply_files({"nova/nova.conf": content}))[0].fingerprint

    first = fingerprint("[DEFAULT]\na = 1\n")
    assert fingerprint("# more\n\n[DEFAULT]\na = 2\n") == first
    assert fingerprint("[DEFAULT]\nb = 1\n") != first
    assert fingerprint("[api]\na = 1\n") != first


@pytest.mark.parametrize(
    "files",
    [
        {"memcached.conf": "-m 1\n"},
        {"nova/nova-api-uwsgi.ini": "[uwsgi]\nthreads = 4\n"},
        {"nova/policy.yaml": "a: b\n"},
        {"nova/nova.conf": "# nothing yet\n"},
    ],
)
def test_files_that_oslo_does_not_read_are_not_checked(files):
    assert option_checks(apply_files(files)) == []


def test_sections_named_by_another_option_are_not_checked():
    content = "[DEFAULT]\nenabled_backends = fast:file, slow:file\n[fast]\na = 1\n[slow]\nb = 1\n[other]\nc = 1\n"
    (check,) = option_checks(apply_files({"glance/glance-api.conf": content}))
    assert [option[:2] for option in request_of(check)["options"]] == [["DEFAULT", "enabled_backends"], ["other", "c"]]


def test_secrets_in_the_files_are_masked():
    applied = UserTree(
        (
            UserFile(
                "nova/nova.conf",
                "x",
                "[a]\nuser_password = p4ss:w0rd\nurl = http://me:s3cr3t!@h/\nservice_token_roles = service\n",
            ),
            UserFile("x.py", "y", "SECRET_KEY = 'k3y k3y'\nsmtp_pass: abc123\n  def456\nharmless = visible1\n"),
        )
    )
    mask = Masker(applied.find_secrets())
    masked = mask("p4ss:w0rd s3cr3t! k3y k3y abc123 def456 visible1 service")
    assert masked == "*** *** *** *** *** visible1 service"
    assert "p4ss" not in repr(applied) and "s3cr3t" not in repr(applied)


def test_each_node_takes_the_files_of_its_services():
    """A file that no node reads is refused, once for all nodes."""
    profile = CONTEXT.profile
    nodes = {name: (services.declare(node_context(name)), profile) for name in ("controller", "compute-1")}
    glance, compute = "glance/glance-api.conf", "nova/nova-compute.conf"
    applied = apply_overrides_to_nodes(
        nodes, tree({glance: "[DEFAULT]\nworkers = 7\n", compute: "[libvirt]\nimages_type = raw\n"})
    )
    assert "workers = 7" in text(file_at(applied["controller"], f"/etc/{glance}"))
    assert "images_type = raw" in text(file_at(applied["compute-1"], f"/etc/{compute}"))
    assert not [
        resource
        for resource in applied["compute-1"].resources
        if isinstance(resource, File) and "glance" in resource.path
    ]
    with pytest.raises(ConfigOverrideError) as error:
        apply_overrides_to_nodes(
            nodes, tree({"glanse/glance-api.conf": "[DEFAULT]\n", "nova/nova.conf": "[DEFAULT]\nmax-x = 1\n"})
        )
    assert [message.split(":")[0] for message in error.value.errors] == [
        "mine/glanse/glance-api.conf",
        "mine/nova/nova.conf",
    ]
