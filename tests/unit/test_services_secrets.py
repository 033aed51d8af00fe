"""Passwords of any printable character, read back as each reader on the host would read them."""

from __future__ import annotations

import ast
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
from packstack_lite.remote.command import Command, Job
from packstack_lite.resources import ApiObject, File, RabbitmqUser, Resource, RunOnce
from packstack_lite.resources.base import Diff
from packstack_lite.secret import Secret
from tests.clouds import ANSWERS, cloud
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
PRINTABLE = st.text(alphabet=string.digits + string.ascii_letters + string.punctuation + " ", min_size=2, max_size=40)
SECRETS = [name for name, value in ANSWERS.items() if isinstance(value, Secret)]


def with_passwords(password):
    """A cloud in which each secret is the password with its own number, at an end that nobody strips."""
    return cloud({name: Secret(f"{place}{password}") for place, name in enumerate(SECRETS)} | _unnumbered(password))


def _unnumbered(password):
    """Two of them bare, so that the password's own edges are tried too."""
    return {"CONFIG_NOVA_KS_PW": Secret(password), "CONFIG_KEYSTONE_ADMIN_PW": Secret(password)}


def oslo(of, path, tmp_path):
    """{(group, option): value} as oslo.config reads a file: quotes taken off, ``$$`` come down to ``$``."""
    place = tmp_path / "read.conf"
    place.write_text(text(files(of)[path]))
    _, items, errors = read_ini(str(place))
    assert errors == []
    return {(item.section, item.key): string.Template(item.value).substitute() for item in items}


def url_parts(url):
    """User, password and the rest, as SQLAlchemy and oslo.messaging take a URL apart."""
    parsed = urlparse(url)
    return unquote(parsed.username), unquote(parsed.password), parsed.hostname, parsed.port, parsed.path


def revealed(of, name):
    return (of.queue_password if name == "queue" else of[name]).reveal()


@pytest.mark.parametrize("password", HOSTILE)
def test_oslo_reads_every_password_back(password, tmp_path):
    of = with_passwords(password)
    wanted = {
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
    for path, options in wanted.items():
        read = oslo(of, path, tmp_path)
        assert {option: read[option] for option in options} == {
            option: revealed(of, name) for option, name in options.items()
        }


@pytest.mark.parametrize("password", HOSTILE)
def test_urls_hold_every_password(password, tmp_path):
    of = with_passwords(password)
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
    for (path, group, option), (user, name, port, rest) in urls.items():
        read = oslo(of, path, tmp_path)[group, option]
        assert url_parts(read) == (user, revealed(of, name), "198.18.1.10", port, rest), path


@pytest.mark.parametrize("password", HOSTILE)
def test_the_broker_gets_the_password_that_oslo_messaging_sends(password, tmp_path):
    """As oslo.messaging 14.0 hands its URL to kombu: taken apart, quoted anew but for slashes, taken apart again."""
    of = with_passwords(password)
    user, sent, host, port, _ = url_parts(oslo(of, "/etc/nova/nova.conf", tmp_path)["DEFAULT", "transport_url"])
    handed_on = f"amqp://{quote(user)}:{quote(sent)}@{host}:{port}/"
    account = next(resource for resource in services.declare(of) if isinstance(resource, RabbitmqUser))
    assert url_parts(handed_on)[1] == account.password.reveal()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PRINTABLE)
def test_any_printable_password_survives_nova_conf(password, tmp_path):
    of = with_passwords(password)
    read = oslo(of, "/etc/nova/nova.conf", tmp_path)
    assert read["service_user", "password"] == password
    assert url_parts(read["database", "connection"])[1] == revealed(of, "CONFIG_NOVA_DB_PW")


@pytest.mark.parametrize("password", HOSTILE)
def test_horizon_settings_are_python(password):
    of = with_passwords(password)
    tree = ast.parse(text(files(of)["/etc/openstack-dashboard/local_settings.d/_9999_packstack_lite.py"]))
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}
    assert values["SECRET_KEY"] == revealed(of, "CONFIG_HORIZON_SECRET_KEY")


@pytest.mark.parametrize("shell", [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)])
@pytest.mark.parametrize("password", HOSTILE)
def test_keystonerc_gives_the_password_to_the_shell(password, shell, tmp_path):
    of = with_passwords(password)
    rc = tmp_path / "keystonerc"
    rc.write_text(text(files(of)["/root/keystonerc_admin"]))
    done = subprocess.run(
        [shell, "-c", f'. {rc}; printf %s "$OS_PASSWORD"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == password


@pytest.mark.parametrize("password", HOSTILE)
def test_bootstrap_reads_the_password_from_its_input(password):
    """The very lines of the script, with the command replaced by one that shows its environment."""
    of = with_passwords(password)
    bootstrap = next(r for r in services.declare(of) if isinstance(r, RunOnce) and r.name == "keystone-bootstrap")
    script = re.sub(r"runuser .*", 'printf %s "$OS_BOOTSTRAP_PASSWORD"', bootstrap.script)
    done = subprocess.run(["sh", "-c", script], input=bootstrap.stdin, capture_output=True, check=True)
    assert done.stdout.decode() == password


def actions_of(resource: Resource):
    gap = Diff(resource, None, tuple(resource.desired() or ()))
    looks = [look.command for look in type(resource).probe([resource])]
    return [*looks, *type(resource).fix([gap])]


def test_no_script_and_no_state_holds_a_secret():
    """Only standard input and file contents may; scripts show in the process list, states in the plan."""
    of = with_passwords("S3cr3t-")
    for resource in services.declare(of):
        for action in actions_of(resource):
            if isinstance(action, (Command, Job)):
                assert "S3cr3t-" not in action.script, resource.id
                assert "S3cr3t-" not in action.description, resource.id
        assert "S3cr3t-" not in repr(resource.desired()), resource.id
        assert "S3cr3t-" not in resource.id


def test_files_with_secrets_are_for_root_and_the_service_alone():
    of = with_passwords("S3cr3t-")
    holding = [
        resource for resource in services.declare(of) if isinstance(resource, File) and "S3cr3t-" in text(resource)
    ]
    assert len(holding) >= 8
    for file in holding:
        assert file.mode & 0o007 == 0, file.path
        assert file.owner == "root", file.path


def test_a_secret_without_a_filter_is_refused():
    from packstack_lite.services._base.templating import _ENVIRONMENT

    with pytest.raises(TypeError, match="without a quoting filter"):
        _ENVIRONMENT.from_string("password = {{ pw }}").render(pw=Secret("x"))


def test_passwords_of_users_are_secrets():
    for resource in services.declare(cloud()):
        if isinstance(resource, ApiObject) and resource.type == "user":
            assert isinstance(resource.secrets["password"], Secret), resource.id
