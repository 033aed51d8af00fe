"""Passwords of any printable characters, read back as each program on the node reads them."""

from __future__ import annotations

import ast
import os
import re
import shutil
import string
import subprocess
import sys
from urllib.parse import quote, unquote, urlparse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packstack_lite import services
from packstack_lite.answers.templates import is_template
from packstack_lite.remote.command import Command, Job
from packstack_lite.resources import ApiObject, File, RabbitmqUser, Resource, RunOnce
from packstack_lite.resources.base import Diff
from packstack_lite.secret import Secret
from tests.clouds import ADDRESS, ANSWERS, cloud
from tests.conftest import PROJECT
from tests.rendered import files, text

sys.path.insert(0, str(PROJECT / "tests" / "facts"))
from check_options import read_ini

HOSTILE = [
    "a$b %c\"d'e\\f#g;h@i/j:k&l!m",
    "$(touch /tmp/owned) `id` ${HOME} %(x)s {{ y }} {% z %}",
    "'; DROP DATABASE nova; -- #\\",
    "\"quoted\" and 'quoted' = [section]",
    "@//:host:3306/db?charset=x&y=%41",
    "!#$%&()*+,-./:;<=>?@[]^_`{|}~",
    "  spaces at both ends  ",
    "'single'",
    "$$ and $DEFAULT.debug",
]
# A word that looks like a template, as $A does, is refused.
PRINTABLE = st.text(
    alphabet=string.digits + string.ascii_letters + string.punctuation + " ", min_size=2, max_size=40
).filter(lambda word: not is_template(word, True))
SECRETS = [name for name, value in ANSWERS.items() if isinstance(value, Secret)]


def with_passwords(password):
    """Return a cloud whose secrets are the password with a number in front."""
    return cloud({name: Secret(f"{number}{password}") for number, name in enumerate(SECRETS)} | _unnumbered(password))


def _unnumbered(password):
    """Return two secrets without a number, so that the password's own first character is tried too."""
    return {"CONFIG_NOVA_KS_PW": Secret(password), "CONFIG_KEYSTONE_ADMIN_PW": Secret(password)}


def oslo(context, path, tmp_path):
    """Read a file as oslo.config does: {(group, option): value}, without quotes, ``$$`` as ``$``."""
    path_on_disk = tmp_path / "read.conf"
    path_on_disk.write_text(text(files(context)[path]))
    _, items, errors = read_ini(str(path_on_disk))
    assert errors == []
    return {(item.section, item.key): string.Template(item.value).substitute() for item in items}


def url_parts(url):
    """Split a URL as SQLAlchemy and oslo.messaging do: user, password, host, port, path."""
    parsed = urlparse(url)
    return unquote(parsed.username), unquote(parsed.password), parsed.hostname, parsed.port, parsed.path


def revealed(context, name):
    return (context.queue_password if name == "queue" else context[name]).reveal()


@pytest.mark.parametrize("password", HOSTILE)
def test_oslo_config_reads_every_password_back(password, tmp_path):
    context = with_passwords(password)
    expected = {
        "/etc/keystone/keystone.conf": {},
        "/etc/glance/glance-api.conf": {("keystone_authtoken", "password"): "CONFIG_GLANCE_KS_PW"},
        "/etc/placement/placement.conf": {("keystone_authtoken", "password"): "CONFIG_NOVA_KS_PW"},
        "/etc/nova/nova.conf": {
            ("keystone_authtoken", "password"): "CONFIG_NOVA_KS_PW",
            ("service_user", "password"): "CONFIG_NOVA_KS_PW",
            ("placement", "password"): "CONFIG_NOVA_KS_PW",
            ("neutron", "password"): "CONFIG_NEUTRON_KS_PW",
            ("neutron", "metadata_proxy_shared_secret"): "CONFIG_NEUTRON_METADATA_PW",
        },
        "/etc/neutron/neutron.conf": {
            ("keystone_authtoken", "password"): "CONFIG_NEUTRON_KS_PW",
            ("nova", "password"): "CONFIG_NOVA_KS_PW",
        },
        "/etc/neutron/metadata_agent.ini": {("DEFAULT", "metadata_proxy_shared_secret"): "CONFIG_NEUTRON_METADATA_PW"},
    }
    for path, options in expected.items():
        read = oslo(context, path, tmp_path)
        assert {option: read[option] for option in options} == {
            option: revealed(context, name) for option, name in options.items()
        }


@pytest.mark.parametrize("password", HOSTILE)
def test_urls_keep_every_password(password, tmp_path):
    context = with_passwords(password)
    urls = {
        ("/etc/keystone/keystone.conf", "database", "connection"): (
            "keystone_admin",
            "CONFIG_KEYSTONE_DB_PW",
            3306,
            "/keystone",
        ),
        ("/etc/glance/glance-api.conf", "database", "connection"): ("glance", "CONFIG_GLANCE_DB_PW", 3306, "/glance"),
        ("/etc/placement/placement.conf", "placement_database", "connection"): (
            "placement",
            "CONFIG_NOVA_DB_PW",
            3306,
            "/placement",
        ),
        ("/etc/nova/nova.conf", "database", "connection"): ("nova", "CONFIG_NOVA_DB_PW", 3306, "/nova"),
        ("/etc/nova/nova.conf", "api_database", "connection"): ("nova", "CONFIG_NOVA_DB_PW", 3306, "/nova_api"),
        ("/etc/neutron/neutron.conf", "database", "connection"): ("neutron", "CONFIG_NEUTRON_DB_PW", 3306, "/neutron"),
        ("/etc/nova/nova.conf", "DEFAULT", "transport_url"): ("amqp_user", "queue", 5672, "/"),
        ("/etc/neutron/neutron.conf", "DEFAULT", "transport_url"): ("amqp_user", "queue", 5672, "/"),
    }
    for (path, group, option), (user, name, port, path_part) in urls.items():
        read = oslo(context, path, tmp_path)[group, option]
        assert url_parts(read) == (user, revealed(context, name), "198.18.1.10", port, path_part), path


@pytest.mark.parametrize("password", HOSTILE)
def test_the_broker_gets_the_password_that_oslo_messaging_sends(password, tmp_path):
    """oslo.messaging 14.0 parses its URL, quotes it again except for slashes, and kombu parses that."""
    context = with_passwords(password)
    user, sent, host, port, _ = url_parts(oslo(context, "/etc/nova/nova.conf", tmp_path)["DEFAULT", "transport_url"])
    kombu_url = f"amqp://{quote(user)}:{quote(sent)}@{host}:{port}/"
    account = next(resource for resource in services.declare(context) if isinstance(resource, RabbitmqUser))
    assert url_parts(kombu_url)[1] == account.password.reveal()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PRINTABLE)
def test_any_printable_password_survives_nova_conf(password, tmp_path):
    context = with_passwords(password)
    read = oslo(context, "/etc/nova/nova.conf", tmp_path)
    assert read["service_user", "password"] == password
    assert url_parts(read["database", "connection"])[1] == revealed(context, "CONFIG_NOVA_DB_PW")


@pytest.mark.parametrize("password", HOSTILE)
def test_horizons_settings_are_valid_python(password):
    context = with_passwords(password)
    tree = ast.parse(text(files(context)["/etc/openstack-dashboard/local_settings.d/_9999_packstack_lite.py"]))
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}
    assert values["SECRET_KEY"] == revealed(context, "CONFIG_HORIZON_SECRET_KEY")


@pytest.mark.parametrize("shell", [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)])
@pytest.mark.parametrize("password", HOSTILE)
def test_a_shell_reads_the_password_from_keystonerc(password, shell, tmp_path):
    context = with_passwords(password)
    rc = tmp_path / "keystonerc"
    rc.write_text(text(files(context)["/root/keystonerc_admin"]))
    done = subprocess.run(
        [shell, "-c", f'. {rc}; printf %s "$OS_PASSWORD"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == password


SHELLS = [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)]
# What another login leaves behind: each of these beats or contradicts a name and a password.
OTHER_LOGIN = dict.fromkeys(
    (
        *("OS_TENANT_ID", "OS_TENANT_NAME", "OS_PROJECT_ID", "OS_USER_ID", "OS_CLOUD", "OS_CLIENT_CONFIG_FILE"),
        *("OS_SERVICE_TOKEN", "OS_SERVICE_ENDPOINT", "OS_TOKEN", "OS_URL", "OS_ENDPOINT", "OS_AUTH_TYPE", "OS_CACERT"),
        *("OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_USER_DOMAIN_ID", "OS_PROJECT_DOMAIN_ID", "OS_DEFAULT_DOMAIN_ID"),
        *("OS_SYSTEM_SCOPE", "OS_TRUST_ID", "OS_APPLICATION_CREDENTIAL_SECRET", "OS_STORAGE_URL", "OS_INTERFACE"),
        *("OS_COMPUTE_ENDPOINT_OVERRIDE", "OS_USERNAME", "OS_PASSWORD", "OS_REGION_NAME", "ST_AUTH", "ST_KEY"),
    ),
    "other",
)
KEYSTONERC_NAMES = {
    *("OS_USERNAME", "OS_PASSWORD", "OS_REGION_NAME", "OS_AUTH_URL", "OS_PROJECT_NAME", "OS_USER_DOMAIN_NAME"),
    *("OS_PROJECT_DOMAIN_NAME", "OS_IDENTITY_API_VERSION"),
}


def source_keystonerc(shell, directory, environment, count=1):
    """Source keystonerc_admin and return the environment that programs then get."""
    rc = directory / "keystonerc"
    rc.write_text(text(files(cloud())["/root/keystonerc_admin"]))
    script = "set -eu; IFS=O_; " + f". {rc}; " * count + "env -0"
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, check=True, env={"PATH": os.environ["PATH"], **environment}
    )
    assert done.stderr == b""
    return dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)


@pytest.mark.parametrize("shell", SHELLS)
def test_keystonerc_replaces_every_other_login(shell, tmp_path):
    hostile = {
        "OS_TOKEN": "a\nOS_PASSWORD=b\nOS_X; touch owned",
        "OS_PROJECT_ID": "$(touch owned); `id`",
        "OS_COMPUTE_API_VERSION": "2.90",
        "OS_x1": "'",
        "OSLO": "kept",
    }
    environment = source_keystonerc(shell, tmp_path, {**OTHER_LOGIN, **hostile})
    names = {name for name in environment if name.startswith(("OS_", "ST_"))}
    assert names == KEYSTONERC_NAMES | {"OS_COMPUTE_API_VERSION"}
    assert "other" not in environment.values()
    assert (environment["OSLO"], environment["OS_COMPUTE_API_VERSION"]) == ("kept", "2.90")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, (ADDRESS, ADDRESS)),
        ({"no_proxy": "a,.b"}, (f"a,.b,{ADDRESS}", f"a,.b,{ADDRESS}")),
        ({"NO_PROXY": "c"}, (f"c,{ADDRESS}", f"c,{ADDRESS}")),
        ({"no_proxy": "a", "NO_PROXY": "c"}, (f"a,{ADDRESS}", f"c,{ADDRESS}")),
        ({"no_proxy": f"a,{ADDRESS}"}, (f"a,{ADDRESS}", f"a,{ADDRESS}")),
        ({"no_proxy": f"1{ADDRESS}0"}, (f"1{ADDRESS}0,{ADDRESS}", f"1{ADDRESS}0,{ADDRESS}")),
        ({"no_proxy": "*"}, ("*", "*")),
        ({"no_proxy": "$(id) * ?"}, (f"$(id) * ?,{ADDRESS}", f"$(id) * ?,{ADDRESS}")),
    ],
)
def test_keystonerc_keeps_a_proxy_out_of_the_way_and_what_was_there(shell, before, after, tmp_path):
    environment = source_keystonerc(shell, tmp_path, {"http_proxy": "http://198.18.0.9:3128", **before}, count=3)
    assert (environment["no_proxy"], environment["NO_PROXY"]) == after
    assert environment["http_proxy"] == "http://198.18.0.9:3128"


@pytest.mark.parametrize("password", HOSTILE)
def test_the_bootstrap_reads_the_password_from_standard_input(password):
    """Run the script's own lines, with the command replaced by one that prints its environment."""
    context = with_passwords(password)
    bootstrap = next(r for r in services.declare(context) if isinstance(r, RunOnce) and r.name == "keystone-bootstrap")
    script = re.sub(r"runuser .*", 'printf %s "$OS_BOOTSTRAP_PASSWORD"', bootstrap.script)
    done = subprocess.run(["sh", "-c", script], input=bootstrap.stdin, capture_output=True, check=True)
    assert done.stdout.decode() == password


def actions_of(resource: Resource):
    diff = Diff(resource, None, tuple(resource.desired() or ()))
    probes = [probe.command for probe in type(resource).probe([resource])]
    return [*probes, *type(resource).fix([diff])]


def test_no_script_and_no_state_contains_a_secret():
    """Only standard input and file contents may. The process list shows scripts, the plan shows states."""
    context = with_passwords("S3cr3t-")
    for resource in services.declare(context):
        for action in actions_of(resource):
            if isinstance(action, (Command, Job)):
                assert "S3cr3t-" not in action.script, resource.id
                assert "S3cr3t-" not in action.description, resource.id
        assert "S3cr3t-" not in repr(resource.desired()), resource.id
        assert "S3cr3t-" not in resource.id


def test_only_root_and_the_service_can_read_files_with_secrets():
    context = with_passwords("S3cr3t-")
    secret_files = [
        resource for resource in services.declare(context) if isinstance(resource, File) and "S3cr3t-" in text(resource)
    ]
    assert len(secret_files) >= 8
    for file in secret_files:
        assert file.mode & 0o007 == 0, file.path
        assert file.owner == "root", file.path


def test_a_secret_without_a_filter_is_refused():
    from packstack_lite.services._base.templating import _ENVIRONMENT

    with pytest.raises(TypeError, match="without a quoting filter"):
        _ENVIRONMENT.from_string("password = {{ pw }}").render(pw=Secret("x"))


def test_users_passwords_are_secrets():
    for resource in services.declare(cloud()):
        if isinstance(resource, ApiObject) and resource.type == "user":
            assert isinstance(resource.secrets["password"], Secret), resource.id
