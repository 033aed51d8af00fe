"""Test where the dashboard is found, and that large bodies pass every web server and wait on disk."""

from __future__ import annotations

import re

import pytest

from packstack_lite import profiles
from packstack_lite.resources import Unit
from tests.clouds import cloud
from tests.rendered import CASES, files, files_of_case, on, resources_of, text

EVERY_PROFILE = pytest.mark.parametrize("profile", profiles.list_names())
# Directives and settings that limit what a web server accepts: of Apache (core), uwsgi and gunicorn.
BODY_LIMITS = r"^\s*(LimitRequestBody|limit-post|limit_request_body|SecRequestBodyLimit)\b[\s=]*(.*?)\s*$"


def site(profile):
    context = on(profile, cloud())
    return text(files(context)[context.profile.path("horizon-site")])


@EVERY_PROFILE
def test_the_root_and_the_paths_of_packstack_and_debian_lead_to_the_dashboard(profile):
    webroot = profiles.load(profile).path("webroot")
    lines = [line.strip() for line in site(profile).splitlines()]
    assert f'RedirectMatch "^/$" "{webroot}/"' in lines
    redirected = [line for line in lines if line.startswith("Redirect ")]
    assert redirected == [f'Redirect "{path}" "{webroot}"' for path in ("/dashboard", "/horizon") if path != webroot]


@EVERY_PROFILE
def test_the_redirects_hold_on_port_80_alone(profile):
    """Outside a site they would hold in Keystone's and Placement's too, as mod_alias merges them."""
    inside = site(profile).split("<VirtualHost *:80>")[1].split("</VirtualHost>")[0]
    assert inside.count("Redirect") == site(profile).count("Redirect") == 2


@EVERY_PROFILE
def test_horizon_runs_in_the_main_interpreter_of_its_own_processes(profile):
    context = on(profile, cloud())
    location = site(profile).split("<Location")[1].split("</Location>")[0]
    assert "WSGIApplicationGroup %{GLOBAL}" in location
    assert f"WSGIProcessGroup {'horizon' if context.profile.os_id == 'debian' else 'dashboard'}\n" in location
    (httpd,) = [unit for unit in resources_of(context, Unit) if unit.name == context.profile.unit("httpd")]
    assert f"file:{context.profile.path('horizon-site')}" in httpd.trigger_ids


def test_without_the_dashboard_port_80_is_left_alone():
    assert not [path for path in files(cloud({"CONFIG_HORIZON_INSTALL": False})) if "packstack-lite-horizon" in path]


@pytest.mark.parametrize("case", CASES)
@EVERY_PROFILE
def test_no_web_server_limits_bodies(profile, case):
    """Apache has a limit of 1 GiB by itself; the others have none unless it is set."""
    for path, file in files_of_case(profile, case).items():
        content = text(file)
        limits = [limit for _, limit in re.findall(BODY_LIMITS, content, re.M)]
        assert set(limits) <= {"0"}, path
        assert len(limits) == content.count("<VirtualHost"), path


@pytest.mark.parametrize("case", CASES)
@EVERY_PROFILE
def test_uploads_wait_on_disk(profile, case):
    for path, file in files_of_case(profile, case).items():
        content = "".join(line for line in text(file).splitlines(True) if not line.startswith("#"))
        if "horizon" in path or "openstack-dashboard" in path:
            directories = re.findall(r"^FILE_UPLOAD_TEMP_DIR = (.*)$", content, re.M)
            assert directories == (['"/var/tmp"'] if "SECRET_KEY" in content else []), path
        if path.endswith("glance-api.conf"):
            # With it, Glance keeps what it imports below /var/lib/glance (glance_store/multi_backend.py), and does
            # not use node_staging_uri, which is /tmp/staging.
            assert re.search(r"^enabled_backends = .+", content, re.M)
        assert not re.search(r"[\"'= ](/tmp|/dev/shm|/run/shm)\b", content), path
