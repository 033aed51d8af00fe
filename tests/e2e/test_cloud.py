"""The main job on a bare host, told in the order in which a user lives it."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Set

import pytest

from tests.e2e.cloud_contract import second_apply_changes_nothing, smoke_proves
from tests.e2e.scan import assert_public_alone

FRESH: dict = {}


def test_plan_of_a_bare_host_tells_everything_and_touches_nothing(sandbox: Any) -> None:
    before = sandbox.fingerprint()
    planned = sandbox("plan", "--exit-code", "--output", "json")
    assert planned.code == 10, planned.err
    resources = [change["resource"] for change in planned.data["changes"]]
    assert "file:/etc/nova/nova.conf" in resources
    assert any("known after" in change["gap"] for change in planned.data["changes"])
    assert sandbox.fingerprint() == before
    FRESH["planned"] = set(resources)


def test_apply_ends_with_a_cloud(sandbox: Any) -> None:
    applied = sandbox("apply", "--output", "json")
    assert applied.code == 0, applied.err[-6000:]
    FRESH["applied"] = applied.data
    changed = {change["resource"] for change in applied.data["changes"]}
    assert changed <= FRESH["planned"], "apply did what plan had not announced"
    phases = [phase["name"] for phase in applied.data["phases"]]
    assert phases.index("Packages") < phases.index("Schema") < phases.index("Demo")


def test_smoke_proves_each_promise(sandbox: Any) -> None:
    smoke_proves(sandbox)
    logs = (sandbox.tool.home / "state/packstack-lite").glob("*/*/run.log")
    newest = max(logs, key=lambda log: log.stat().st_mtime).read_text()
    assert "passed  token" in newest and "project admin" in newest


def test_second_apply_changes_nothing_and_restarts_nothing(sandbox: Any) -> None:
    assert second_apply_changes_nothing(sandbox).data["flights"] <= 24


def test_plan_of_the_deployed_host_is_empty_and_touches_nothing(sandbox: Any) -> None:
    before = sandbox.fingerprint()
    planned = sandbox("plan", "--exit-code", "--output", "json")
    assert (planned.code, planned.data["changes"]) == (0, [])
    assert sandbox.fingerprint() == before


def test_one_answer_changed_is_one_line_and_only_its_readers_restart(sandbox: Any) -> None:
    text = sandbox.answers.read_text()
    changed = re.sub(r"(?m)^CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=.*$", "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=7.5", text)
    assert changed != text
    sandbox.answers.write_text(changed)
    planned = sandbox("plan", "--diff", "--output", "json")
    by_resource = {change["resource"]: change for change in planned.data["changes"]}
    diff = by_resource["file:/etc/nova/nova.conf"]["diff"].splitlines()
    touched = [line for line in diff if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    assert touched == ["-cpu_allocation_ratio = 16.0", "+cpu_allocation_ratio = 7.5"]
    others = set(by_resource) - {"file:/etc/nova/nova.conf"}
    assert others and all(name.startswith("unit:nova-") for name in others)
    before = sandbox.started()
    applied = sandbox("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    after = sandbox.started()
    restarted = {unit for unit in after if after[unit] != before.get(unit)}
    assert restarted == {unit if "." in unit else f"{unit}.service" for unit in applied.data["restarted"]}
    assert {f"unit:{unit.removesuffix('.service')}" for unit in restarted} == {
        name.removesuffix(".service") for name in others
    }


def test_an_option_of_the_users_that_nova_does_not_know_is_refused_before_anything_restarts(
    sandbox: Any, tmp_path: Path
) -> None:
    config = tmp_path / "mine" / "nova" / "nova.conf"
    config.parent.mkdir(parents=True)
    config.write_text("# mine\n[DEFAULT]\nremove_unused_base_imagse = true\ncompute_monitors =\n")
    fingerprint, started = sandbox.fingerprint(), sandbox.started()
    applied = sandbox("apply", "--config-dir", str(tmp_path / "mine"), "--output", "json")
    assert applied.code == 5, applied.err[-3000:]
    assert f"{config}:3: [DEFAULT] remove_unused_base_imagse is no option of nova/nova.conf" in applied.err
    assert "compute_monitors is no option" not in applied.err
    assert sandbox.started() == started
    assert sandbox.fingerprint() == fingerprint


def test_own_options_are_laid_over_restart_their_readers_alone_and_go_again(sandbox: Any, tmp_path: Path) -> None:
    """A harmless option, one of several values, a file that is not rendered, a secret; then without them."""
    mine = tmp_path / "mine"
    (mine / "nova").mkdir(parents=True)
    (mine / "nova" / "nova.conf").write_text(
        "[DEFAULT]\nresize_confirm_window = 7\n"
        '[pci]\nalias = { "name": "a" }\nalias = { "name": "b" }\n'
        "[vendordata_dynamic_auth]\nauth_type = password\npassword = sesame77\n"
    )
    (mine / "nova" / "policy.yaml").write_text('"os_compute_api:os-hypervisors:list": "role:admin"\n')
    words = ("--config-dir", str(mine), "--output", "json")
    planned = sandbox("plan", "--diff", *words)
    by_resource = {change["resource"]: change for change in planned.data["changes"]}
    diff = by_resource["file:/etc/nova/nova.conf"]["diff"]
    assert "+resize_confirm_window = 7" in diff and "+password = ***" in diff and "sesame77" not in planned.out
    units = {name for name in by_resource if name.startswith("unit:")}
    assert units and all(name.startswith("unit:nova-") for name in units)
    assert by_resource["file:/etc/nova/policy.yaml"]["gap"] == "write /etc/nova/policy.yaml (new)"

    before = sandbox.started()
    applied = sandbox("apply", *words)
    assert applied.code == 0, applied.err[-3000:]
    assert "sesame77" not in applied.out + applied.err
    assert _restarted(before, sandbox.started()) == {f"{unit.split(':')[1]}.service" for unit in units}
    shown = sandbox.sh("stat -c '%a %U:%G' /etc/nova/policy.yaml; grep -c '^alias = ' /etc/nova/nova.conf").split("\n")
    assert shown[:2] == ["640 root:nova", "2"]

    before = sandbox.started()
    again = sandbox("apply", *words)
    assert (again.code, again.data["changes"], again.data["restarted"]) == (0, [], []), again.err[-3000:]
    assert again.data["flights"] <= 24
    assert sandbox.started() == before

    without = sandbox("apply", "--output", "json")
    assert without.code == 0, without.err[-3000:]
    assert _restarted(before, sandbox.started()) == {f"{unit.split(':')[1]}.service" for unit in units}
    left = sandbox.sh(
        "ls /etc/nova/policy.yaml 2>&1; grep -n 'resize_confirm_window\\|sesame77' /etc/nova/nova.conf; true"
    )
    assert "No such file" in left and "resize_confirm_window" not in left
    assert sandbox("plan", "--output", "json").data["changes"] == []


def _restarted(before: Dict[str, str], after: Dict[str, str]) -> Set[str]:
    return {unit for unit in after if after[unit] != before.get(unit)}


def test_an_apply_killed_at_any_point_is_made_good_by_the_next(sandbox: Any) -> None:
    text = sandbox.answers.read_text()
    sandbox.answers.write_text(
        re.sub(r"(?m)^CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=.*$", "CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=5.5", text)
    )
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox("apply", timeout=2.5)
    for seconds in (6.0, 9.0):
        # On a fast machine it may be through by then, which is fine too.
        with contextlib.suppress(subprocess.TimeoutExpired):
            sandbox("apply", timeout=seconds)
        sandbox.sh("sleep 1")
    applied = sandbox("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    assert "cpu_allocation_ratio = 5.5" in sandbox.sh("cat /etc/nova/nova.conf")
    assert sandbox("plan", "--output", "json").data["changes"] == []
    config = float(sandbox.sh("stat -c %Y /etc/nova/nova.conf"))
    for unit in ("nova-scheduler", "nova-compute"):
        began = sandbox.sh(f'date -d "$(systemctl show -P ActiveEnterTimestamp {unit})" +%s')
        assert float(began) >= config, f"{unit} runs with what nova.conf said before"


def test_drift_is_named_and_healed(sandbox: Any) -> None:
    sandbox.sh("systemctl stop nova-scheduler; echo '# by hand' >> /etc/glance/glance-api.conf")
    sandbox.sh(
        ". /root/keystonerc_admin; openstack endpoint delete "
        "$(openstack endpoint list --service placement --interface public -f value -c ID)"
    )
    verified = sandbox("verify", "--output", "json")
    assert verified.code == 6, verified.err
    named = {fault["resource"] for fault in verified.data["faults"]}
    assert "file:/etc/glance/glance-api.conf" in named
    assert any(name.startswith("unit:nova-scheduler") for name in named)
    assert any(name.startswith("endpoint:") and "placement" in name for name in named)
    assert len(named) == 3, named
    applied = sandbox("apply", "--output", "json")
    assert applied.code == 0, applied.err[-3000:]
    healed = sandbox("verify", "--output", "json")
    assert (healed.code, healed.data["faults"]) == (0, [])


def test_no_secret_lies_open(sandbox: Any) -> None:
    """World-readable files, logs and the process list hold none of the passwords."""
    passwords = re.findall(r"(?m)^CONFIG_\w+_PW=(.{6,})$", sandbox.answers.read_text())
    assert len(passwords) > 8
    open_files = sandbox.sh(
        "find /etc /var/lib/packstack-lite /var/log /root /tmp -xdev -type f -perm -o=r -size -2000k"
        " -not -path '*/nova/instances/*' -exec cat {} + 2>/dev/null; ps axww -o args"
    )
    found = [password for password in passwords if password in open_files]
    assert found == []


def test_config_files_belong_to_root_and_the_service(sandbox: Any) -> None:
    for service in ("keystone", "glance", "nova", "neutron", "placement"):
        shown = sandbox.sh(
            f"stat -c '%a %U:%G' /etc/{service}/{service}{'-api' if service == 'glance' else ''}.conf"
        ).strip()
        assert shown == f"640 root:{service}", service


def test_database_queue_and_cache_listen_only_where_needed(sandbox: Any) -> None:
    shown = sandbox.sh("ss -ltnH | awk '{print $4}'").split()
    for port in ("3306", "11211"):
        addresses = {address.rsplit(":", 1)[0] for address in shown if address.endswith(f":{port}")}
        assert addresses and not addresses & {"0.0.0.0", "*", "[::]"}, (port, addresses)


def test_a_port_scan_finds_public_apis_dashboard_console_and_ssh_alone(sandbox: Any) -> None:
    assert_public_alone(sandbox)


@pytest.mark.parametrize("user", ["guest"])
def test_no_default_account(sandbox: Any, user: str) -> None:
    assert user not in sandbox.sh("rabbitmqctl -q list_users").split()


def test_everything_comes_back_after_a_reboot_is_enabled(sandbox: Any) -> None:
    listed = sandbox("plan", "--output", "json").data["changes"]
    assert listed == []
    disabled = sandbox.sh(
        "for u in $(ls /var/lib/packstack-lite/units); do s=$(systemctl is-enabled $u 2>/dev/null);"
        " case $s in enabled|alias|static|generated|indirect) ;; *) echo $u $s;; esac; done"
    )
    assert disabled == ""
