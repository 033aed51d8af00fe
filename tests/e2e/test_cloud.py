"""Plan, apply, smoke, change and verify one cloud on a bare node.

The tests run in the order in which a user does it.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Dict, Set

import pytest

from tests.e2e.cloud_contract import assert_second_apply_changes_nothing, assert_smoke_passes
from tests.e2e.conftest import Sandbox, change_answers
from tests.e2e.scan import assert_only_public_ports_open

FIRST_RUN: dict = {}


def test_plan_of_a_bare_node_lists_every_change_and_makes_none(sandbox: Sandbox) -> None:
    before = sandbox.fingerprint()
    plan_result = sandbox("plan", "--exit-code", "--output", "json")
    assert plan_result.code == 10, plan_result.err
    resources = [change["resource"] for change in plan_result.data["changes"]]
    assert "file:/etc/nova/nova.conf" in resources
    assert any("known after" in change["gap"] for change in plan_result.data["changes"])
    assert sandbox.fingerprint() == before
    FIRST_RUN["planned"] = set(resources)


def test_apply_ends_with_a_cloud(sandbox: Sandbox) -> None:
    apply_result = sandbox("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-6000:]
    FIRST_RUN["applied"] = apply_result.data
    changed_resources = {change["resource"] for change in apply_result.data["changes"]}
    assert changed_resources <= FIRST_RUN["planned"], "apply made changes that plan did not announce"
    phases = [phase["name"] for phase in apply_result.data["phases"]]
    assert phases.index("Packages") < phases.index("Schema") < phases.index("Demo")


def test_smoke_passes(sandbox: Sandbox) -> None:
    assert_smoke_passes(sandbox)
    logs = (sandbox.tool.home / "state/packstack-lite").glob("*/*/run.log")
    newest = max(logs, key=lambda log: log.stat().st_mtime).read_text()
    assert "passed  token" in newest and "project admin" in newest


def test_the_dashboards_web_server_accepts_a_body_of_more_than_a_gibibyte(sandbox: Sandbox) -> None:
    """Only announced: Apache refuses it by its length (413), or waits for it until curl gives up."""
    code = sandbox.sh(
        ". /root/keystonerc_admin; host=${OS_AUTH_URL#*://}; host=${host%%:*};"
        " curl --silent --output /dev/null --write-out '%{http_code}' --max-time 5 --request POST"
        " --header 'Content-Length: 1500000000' --data x http://$host/horizon/auth/login/; true"
    )
    assert code.strip() != "413"


def test_the_client_works_beside_a_proxy_and_another_login(sandbox: Sandbox) -> None:
    other_login = "OS_TENANT_ID=x OS_CLOUD=none OS_TOKEN=y OS_AUTH_TYPE=v3token OS_PROJECT_ID=z OS_SERVICE_TOKEN=s"
    output = sandbox.sh(
        f"export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 {other_login};"
        " . /root/keystonerc_admin; openstack token issue -f value -c user_id"
    )
    assert len(output.strip()) == 32


def test_second_apply_changes_nothing_and_restarts_nothing(sandbox: Sandbox) -> None:
    assert assert_second_apply_changes_nothing(sandbox).data["flights"] <= 24


def test_plan_of_the_deployed_node_is_empty_and_changes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.fingerprint()
    plan_result = sandbox("plan", "--exit-code", "--output", "json")
    assert (plan_result.code, plan_result.data["changes"]) == (0, [])
    assert sandbox.fingerprint() == before


def test_a_changed_answer_changes_one_line_and_restarts_only_units_that_use_the_file(sandbox: Sandbox) -> None:
    text = sandbox.answers.read_text()
    changed_text = re.sub(r"(?m)^CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=.*$", "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=7.5", text)
    assert changed_text != text
    sandbox.answers.write_text(changed_text)
    plan_result = sandbox("plan", "--diff", "--output", "json")
    by_resource = {change["resource"]: change for change in plan_result.data["changes"]}
    diff = by_resource["file:/etc/nova/nova.conf"]["diff"].splitlines()
    changed_lines = [line for line in diff if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    assert changed_lines == ["-cpu_allocation_ratio = 16.0", "+cpu_allocation_ratio = 7.5"]
    restarting_units = set(by_resource) - {"file:/etc/nova/nova.conf"}
    assert restarting_units and all(name.startswith("unit:nova-") for name in restarting_units)
    before = sandbox.service_start_times()
    apply_result = sandbox("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    after = sandbox.service_start_times()
    restarted = {unit for unit in after if after[unit] != before.get(unit)}
    assert restarted == {unit if "." in unit else f"{unit}.service" for unit in apply_result.data["restarted"]}
    assert {f"unit:{unit.removesuffix('.service')}" for unit in restarted} == {
        name.removesuffix(".service") for name in restarting_units
    }


def test_an_override_that_nova_does_not_know_is_refused_before_any_change(sandbox: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "mine" / "nova" / "nova.conf"
    config.parent.mkdir(parents=True)
    config.write_text("# mine\n[DEFAULT]\nremove_unused_base_imagse = true\ncompute_monitors =\n")
    fingerprint, started = sandbox.fingerprint(), sandbox.service_start_times()
    apply_result = sandbox("apply", "--config-dir", str(tmp_path / "mine"), "--output", "json")
    assert apply_result.code == 5, apply_result.err[-3000:]
    assert f"{config}:3: [DEFAULT] remove_unused_base_imagse is no option of nova/nova.conf" in apply_result.err
    assert "compute_monitors is no option" not in apply_result.err
    assert sandbox.service_start_times() == started
    assert sandbox.fingerprint() == fingerprint


def test_overrides_are_applied_restart_only_their_units_and_can_be_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    """An option, a multi-valued option, a file that is not rendered, a secret.

    The last apply is without all of them.
    """
    overrides = tmp_path / "mine"
    (overrides / "nova").mkdir(parents=True)
    (overrides / "nova" / "nova.conf").write_text(
        "[DEFAULT]\nresize_confirm_window = 7\n"
        '[pci]\nalias = { "name": "a" }\nalias = { "name": "b" }\n'
        "[vendordata_dynamic_auth]\nauth_type = password\npassword = sesame77\n"
    )
    (overrides / "nova" / "policy.yaml").write_text('"os_compute_api:os-hypervisors:list": "role:admin"\n')
    options = ("--config-dir", str(overrides), "--output", "json")
    plan_result = sandbox("plan", "--diff", *options)
    by_resource = {change["resource"]: change for change in plan_result.data["changes"]}
    diff = by_resource["file:/etc/nova/nova.conf"]["diff"]
    assert "+resize_confirm_window = 7" in diff and "+password = ***" in diff and "sesame77" not in plan_result.out
    units = {name for name in by_resource if name.startswith("unit:")}
    assert units and all(name.startswith("unit:nova-") for name in units)
    assert by_resource["file:/etc/nova/policy.yaml"]["gap"] == "write /etc/nova/policy.yaml (new)"

    before = sandbox.service_start_times()
    apply_result = sandbox("apply", *options)
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert "sesame77" not in apply_result.out + apply_result.err
    assert _restarted(before, sandbox.service_start_times()) == {f"{unit.split(':')[1]}.service" for unit in units}
    output = sandbox.sh("stat -c '%a %U:%G' /etc/nova/policy.yaml; grep -c '^alias = ' /etc/nova/nova.conf").split("\n")
    assert output[:2] == ["640 root:nova", "2"]

    before = sandbox.service_start_times()
    again = sandbox("apply", *options)
    assert (again.code, again.data["changes"], again.data["restarted"]) == (0, [], []), again.err[-3000:]
    assert again.data["flights"] <= 24
    assert sandbox.service_start_times() == before

    without = sandbox("apply", "--output", "json")
    assert without.code == 0, without.err[-3000:]
    assert _restarted(before, sandbox.service_start_times()) == {f"{unit.split(':')[1]}.service" for unit in units}
    remaining = sandbox.sh(
        "ls /etc/nova/policy.yaml 2>&1; grep -n 'resize_confirm_window\\|sesame77' /etc/nova/nova.conf; true"
    )
    assert "No such file" in remaining and "resize_confirm_window" not in remaining
    assert sandbox("plan", "--output", "json").data["changes"] == []


def _restarted(before: Dict[str, str], after: Dict[str, str]) -> Set[str]:
    return {unit for unit in after if after[unit] != before.get(unit)}


def test_an_apply_killed_at_any_point_is_completed_by_the_next(sandbox: Sandbox) -> None:
    text = sandbox.answers.read_text()
    sandbox.answers.write_text(
        re.sub(r"(?m)^CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=.*$", "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=5.5", text)
    )
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox("apply", timeout=2.5)
    for seconds in (6.0, 9.0):
        # A fast machine may have finished by then.
        with contextlib.suppress(subprocess.TimeoutExpired):
            sandbox("apply", timeout=seconds)
        sandbox.sh("sleep 1")
    apply_result = sandbox("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert "cpu_allocation_ratio = 5.5" in sandbox.sh("cat /etc/nova/nova.conf")
    assert sandbox("plan", "--output", "json").data["changes"] == []
    config = float(sandbox.sh("stat -c %Y /etc/nova/nova.conf"))
    for unit in ("nova-scheduler", "nova-compute"):
        started_at = sandbox.sh(f'date -d "$(systemctl show -P ActiveEnterTimestamp {unit})" +%s')
        assert float(started_at) >= config, f"{unit} was not restarted after nova.conf had changed"


def test_drift_is_reported_by_verify_and_fixed_by_apply(sandbox: Sandbox) -> None:
    sandbox.sh("systemctl stop nova-scheduler; echo '# by hand' >> /etc/glance/glance-api.conf")
    sandbox.sh(
        ". /root/keystonerc_admin; openstack endpoint delete "
        "$(openstack endpoint list --service placement --interface public -f value -c ID)"
    )
    verified = sandbox("verify", "--output", "json")
    assert verified.code == 6, verified.err
    drifted = {fault["resource"] for fault in verified.data["faults"]}
    assert "file:/etc/glance/glance-api.conf" in drifted
    assert any(name.startswith("unit:nova-scheduler") for name in drifted)
    assert any(name.startswith("endpoint:") and "placement" in name for name in drifted)
    assert len(drifted) == 3, drifted
    apply_result = sandbox("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    verify_result = sandbox("verify", "--output", "json")
    assert (verify_result.code, verify_result.data["faults"]) == (0, [])


def _names_in_force(sandbox: Sandbox) -> Dict[str, Set[str]]:
    """Return RabbitMQ's users, Keystone's users and the regions of endpoints and of Keystone."""
    login = ". /root/keystonerc_admin; openstack"
    commands = {
        "queue": "rabbitmqctl -q list_users | tail -n +2 | cut -f1",
        "users": f"{login} user list -f value -c Name",
        "endpoints": f"{login} endpoint list -f value -c Region",
        "regions": f"{login} region list -f value -c Region",
    }
    return {name: set(sandbox.sh(command).split()) for name, command in commands.items()}


def test_what_was_made_under_old_names_is_taken_back_and_again_on_the_way_back(sandbox: Sandbox) -> None:
    """Row F4 and F5: accounts with their old passwords, and endpoints of an old region, stayed in force."""
    original, before = sandbox.answers.read_text(), _names_in_force(sandbox)
    change_answers(
        sandbox.answers,
        {
            "CONFIG_AMQP_AUTH_USER": "new_queue_user",
            "CONFIG_KEYSTONE_ADMIN_USERNAME": "new_admin",
            "CONFIG_KEYSTONE_REGION": "NewRegion",
        },
    )
    planned = [change["gap"] for change in sandbox("plan", "--output", "json").data["changes"]]
    assert "remove RabbitMQ user amqp_user (no longer in the answers)" in planned
    # The new administrator cannot log in yet, so plan does not know what the APIs have.
    assert any(line.startswith("remove user admin if needed (known after Services") for line in planned)
    assert any(line.startswith("remove endpoint nova-internal of region RegionOne if needed") for line in planned)
    apply_result = sandbox("apply", "--output", "json")
    assert apply_result.code == 0, apply_result.err[-3000:]
    assert "the region RegionOne becomes NewRegion" in apply_result.err
    after = _names_in_force(sandbox)
    assert after["queue"] == before["queue"] - {"amqp_user"} | {"new_queue_user"}
    assert after["users"] == before["users"] - {"admin"} | {"new_admin"}
    assert after["endpoints"] == after["regions"] == {"NewRegion"}
    assert_second_apply_changes_nothing(sandbox)
    assert sandbox("verify", "--output", "json").data["faults"] == []

    sandbox.answers.write_text(original)
    back = sandbox("apply", "--output", "json")
    assert back.code == 0, back.err[-3000:]
    assert _names_in_force(sandbox) == before
    assert_second_apply_changes_nothing(sandbox)


def test_what_neutron_cannot_change_is_refused_before_anything_is_changed(sandbox: Sandbox) -> None:
    """Row F13: another physical network ended with HTTP 400 in Networks, after all else was changed."""
    original = sandbox.answers.read_text()
    change_answers(
        sandbox.answers,
        {
            "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET": "lab",
            "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS": "lab:br-ex",
        },
    )
    fingerprint = sandbox.fingerprint()
    refused = sandbox("apply", "--output", "json")
    sandbox.answers.write_text(original)
    assert refused.code == 3, refused.err[-3000:]
    assert "public is flat on extnet, and the answers want flat on lab: that cannot be changed" in refused.err
    assert sandbox.fingerprint() == fingerprint


def test_no_secret_is_readable_by_other_users(sandbox: Sandbox) -> None:
    """Check world-readable files, logs and the process list for the passwords."""
    passwords = re.findall(r"(?m)^CONFIG_\w+_PW=(.{6,})$", sandbox.answers.read_text())
    assert len(passwords) > 8
    open_files = sandbox.sh(
        "find /etc /var/lib/packstack-lite /var/log /root /tmp -xdev -type f -perm -o=r -size -2000k"
        " -not -path '*/nova/instances/*' -exec cat {} + 2>/dev/null; ps axww -o args"
    )
    open_passwords = [password for password in passwords if password in open_files]
    assert open_passwords == []


def test_config_files_belong_to_root_and_the_service(sandbox: Sandbox) -> None:
    for service in ("keystone", "glance", "nova", "neutron", "placement"):
        output = sandbox.sh(
            f"stat -c '%a %U:%G' /etc/{service}/{service}{'-api' if service == 'glance' else ''}.conf"
        ).strip()
        assert output == f"640 root:{service}", service


def test_database_queue_and_cache_listen_only_where_needed(sandbox: Sandbox) -> None:
    output = sandbox.sh("ss -ltnH | awk '{print $4}'").split()
    for port in ("3306", "11211"):
        addresses = {address.rsplit(":", 1)[0] for address in output if address.endswith(f":{port}")}
        assert addresses and not addresses & {"0.0.0.0", "*", "[::]"}, (port, addresses)


def test_only_public_apis_dashboard_console_and_ssh_are_open(sandbox: Sandbox) -> None:
    assert_only_public_ports_open(sandbox)


@pytest.mark.parametrize("user", ["guest"])
def test_default_rabbitmq_account_is_removed(sandbox: Sandbox, user: str) -> None:
    assert user not in sandbox.sh("rabbitmqctl -q list_users").split()


def test_every_unit_is_enabled_at_boot(sandbox: Sandbox) -> None:
    changes = sandbox("plan", "--output", "json").data["changes"]
    assert changes == []
    disabled = sandbox.sh(
        "for u in $(ls /var/lib/packstack-lite/units); do s=$(systemctl is-enabled $u 2>/dev/null);"
        " case $s in enabled|alias|static|generated|indirect) ;; *) echo $u $s;; esac; done"
    )
    assert disabled == ""
