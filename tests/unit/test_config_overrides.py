"""--config-dir laid over the declared resources: what is merged, placed, refused, restarted, checked, hidden."""

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
from tests.clouds import cloud, member
from tests.rendered import text

CLOUD = cloud()
DECLARED = services.declare(CLOUD)


def tree(files):
    return UserTree(tuple(UserFile(name, f"mine/{name}", content) for name, content in files.items()))


def laid(files=()):
    return apply_overrides(DECLARED, tree(dict(files)), CLOUD.profile)


def file_at(found, path):
    (file,) = [one for one in found.resources if isinstance(one, File) and one.path == path]
    return file


def units(resources):
    return {one.id: one for one in resources if isinstance(one, Unit)}


def restarted(found):
    """Units that want something else than without the tree: those that will restart."""
    before = units(DECLARED)
    return {
        name.split(":")[1] for name, unit in units(found.resources).items() if unit.desired() != before[name].desired()
    }


def faults(files):
    with pytest.raises(ConfigOverrideError) as refused:
        laid(files)
    return refused.value.errors


def test_without_a_tree_all_is_as_declared_but_for_the_memory_of_placed_files():
    found = laid()
    assert [one for one in found.resources if not isinstance(one, UserFiles)] == DECLARED
    (memory,) = [one for one in found.resources if isinstance(one, UserFiles)]
    assert memory.desired() == {"files": "none"}
    assert not found.warnings


def test_options_are_merged_and_exactly_the_readers_restart():
    found = laid({"nova/nova.conf": "[DEFAULT]\nram_allocation_ratio = 9.5\n[mine]\na = 1\na = 2\n"})
    file, rendered = file_at(found, "/etc/nova/nova.conf"), file_at(laid(), "/etc/nova/nova.conf")
    added = set(text(file).split("\n")) - set(text(rendered).split("\n"))
    assert added == {"ram_allocation_ratio = 9.5", "[mine]", "a = 1", "a = 2"}
    assert (file.mode, file.owner, file.group, file.phase) == (0o640, "root", "nova", rendered.phase)
    readers = {unit.name for unit in units(DECLARED).values() if "file:/etc/nova/nova.conf" in unit.trigger_ids}
    assert restarted(found) == readers
    assert {"nova-api", "nova-compute", "nova-scheduler"} <= readers < {unit.name for unit in units(DECLARED).values()}


def test_a_deeper_file_has_its_own_readers():
    found = laid({"neutron/plugins/ml2/ml2_conf.ini": "[ml2]\npath_mtu = 1400\n"})
    assert "path_mtu = 1400" in text(file_at(found, "/etc/neutron/plugins/ml2/ml2_conf.ini"))
    assert restarted(found) == {
        unit.name
        for unit in units(DECLARED).values()
        if any(read.endswith("/ml2_conf.ini") for read in unit.trigger_ids)
    }


def test_a_file_without_sections_is_replaced_whole_and_that_is_said():
    found = laid({"memcached.conf": "-m 256\n"})
    assert text(file_at(found, "/etc/memcached.conf")) == "-m 256\n"
    assert restarted(found) == {"memcached"}
    assert found.warnings == [
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
        ("apache2/conf-enabled/mine.conf", "root", 0o640, "/etc/apache2/"),
    ],
)
def test_a_file_that_is_not_rendered_is_placed_as_the_service_has_its_own(name, group, mode, readers):
    found = laid({name: "as: it is\n"})
    file = file_at(found, f"/etc/{name}")
    assert (text(file), file.owner, file.group, file.mode) == ("as: it is\n", "root", group, mode)
    assert found.warnings == [f"mine/{name}: packstack-lite writes no such file; it is copied unchanged"]
    of_service = {
        unit.name
        for unit in units(DECLARED).values()
        if any(read.split(":")[1].startswith(readers) for read in unit.trigger_ids)
    }
    assert of_service and restarted(found) == of_service


def test_a_placed_file_is_written_before_its_readers_start_and_after_it_is_remembered():
    found = laid({"mysql/mariadb.conf.d/zz-mine.cnf": "[mysqld]\nskip-log-bin\n"})
    file = file_at(found, "/etc/mysql/mariadb.conf.d/zz-mine.cnf")
    (memory,) = [one for one in found.resources if isinstance(one, UserFiles)]
    assert (file.phase, memory.phase) == (Phase.PLATFORM, Phase.PLATFORM)
    assert file.needs == (memory.id,)
    assert memory.desired() == {"files": file.path}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
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
def test_what_cannot_be_laid_is_a_sentence_with_its_place(name, content, fault):
    assert faults({name: content}) == (fault,)


def test_every_fault_is_told_at_once_with_those_of_the_reading():
    given = tree({"nova/nova.conf": "a\nb\n", "nowhere/x": "", "glance/glance-api.conf": "[x\n"})
    with pytest.raises(ConfigOverrideError) as refused:
        apply_overrides(DECLARED, UserTree(given.files, ("mine/logo.png: is not a text file",)), CLOUD.profile)
    assert [fault.split(": ")[0] for fault in refused.value.errors] == [
        "mine/logo.png",
        "mine/nova/nova.conf:1",
        "mine/nova/nova.conf:2",
        "mine/nowhere/x",
        "mine/glance/glance-api.conf:1",
    ]


def checks(found):
    return [one for one in found.resources if isinstance(one, RunOnce) and one.name.startswith("your options")]


def asked(check):
    size, _, rest = check.stdin.partition(b"\n")
    return json.loads(rest[int(size) :])


def test_options_are_checked_after_the_packages_and_before_anything_else():
    found = laid({"nova/nova.conf": "[DEFAULT]\nram_allocation_ratio = 9.5\nmy_password = sesame77\n"})
    (check,) = checks(found)
    assert (check.phase, check.always_run, check.needs, check.tags) == (
        Phase.PACKAGES,
        True,
        ("packages:apt",),
        {"nova"},
    )
    told = asked(check)
    assert told["file"] == "nova/nova.conf"
    assert told["options"] == [
        ["DEFAULT", "ram_allocation_ratio", "mine/nova/nova.conf:2"],
        ["DEFAULT", "my_password", "mine/nova/nova.conf:3"],
    ]
    assert "nova.*" in told["lists"] and "oslo.*" in told["lists"]
    assert b"sesame77" not in check.stdin + check.script.encode() and b"9.5" not in check.stdin


def test_a_check_is_done_again_for_other_options_and_not_for_other_values_or_lines():
    def token(content):
        return checks(laid({"nova/nova.conf": content}))[0].fingerprint

    first = token("[DEFAULT]\na = 1\n")
    assert token("# more\n\n[DEFAULT]\na = 2\n") == first
    assert token("[DEFAULT]\nb = 1\n") != first
    assert token("[api]\na = 1\n") != first


@pytest.mark.parametrize(
    "files",
    [
        {"memcached.conf": "-m 1\n"},
        {"nova/nova-api-uwsgi.ini": "[uwsgi]\nthreads = 4\n"},
        {"nova/policy.yaml": "a: b\n"},
        {"nova/nova.conf": "# nothing yet\n"},
    ],
)
def test_what_oslo_does_not_read_is_not_checked(files):
    assert checks(laid(files)) == []


def test_sections_that_another_option_names_are_not_checked():
    content = "[DEFAULT]\nenabled_backends = fast:file, slow:file\n[fast]\na = 1\n[slow]\nb = 1\n[other]\nc = 1\n"
    (check,) = checks(laid({"glance/glance-api.conf": content}))
    assert [option[:2] for option in asked(check)["options"]] == [["DEFAULT", "enabled_backends"], ["other", "c"]]


def test_secrets_of_the_tree_are_hidden():
    found = UserTree(
        (
            UserFile(
                "nova/nova.conf",
                "x",
                "[a]\nuser_password = p4ss:w0rd\nurl = http://me:s3cr3t!@h/\nservice_token_roles = service\n",
            ),
            UserFile("x.py", "y", "SECRET_KEY = 'k3y k3y'\nsmtp_pass: abc123\n  def456\nharmless = visible1\n"),
        )
    )
    hide = Masker(found.find_secrets())
    shown = hide("p4ss:w0rd s3cr3t! k3y k3y abc123 def456 visible1 service")
    assert shown == "*** *** *** *** *** visible1 service"
    assert "p4ss" not in repr(found) and "s3cr3t" not in repr(found)


def test_of_several_hosts_each_takes_what_it_has_a_place_for():
    """The controller's dashboard and the hypervisor's own settings; what no host reads is refused once."""
    profile = CLOUD.profile
    hosts = {which: (services.declare(member(which)), profile) for which in ("controller", "compute-1")}
    glance, compute = "glance/glance-api.conf", "nova/nova-compute.conf"
    found = apply_overrides_to_nodes(
        hosts, tree({glance: "[DEFAULT]\nworkers = 7\n", compute: "[libvirt]\nimages_type = raw\n"})
    )
    assert "workers = 7" in text(file_at(found["controller"], f"/etc/{glance}"))
    assert "images_type = raw" in text(file_at(found["compute-1"], f"/etc/{compute}"))
    assert not [one for one in found["compute-1"].resources if isinstance(one, File) and "glance" in one.path]
    with pytest.raises(ConfigOverrideError) as refused:
        apply_overrides_to_nodes(
            hosts, tree({"glanse/glance-api.conf": "[DEFAULT]\n", "nova/nova.conf": "[DEFAULT]\nmax-x = 1\n"})
        )
    assert [fault.split(":")[0] for fault in refused.value.errors] == [
        "mine/glanse/glance-api.conf",
        "mine/nova/nova.conf",
    ]
