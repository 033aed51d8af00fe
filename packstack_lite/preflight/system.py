"""Checks of the machine: operating system, systemd, boot, memory, disk, clock."""

from __future__ import annotations

from packstack_lite import profiles
from packstack_lite.counts import format_count
from packstack_lite.preflight import fixes, node_commands
from packstack_lite.preflight.check import CheckContext, Findings, error, warning
from packstack_lite.recommended import recommend

# Measured for an all-in-one of this project: 5.2 GiB in use (sum of PSS), one small instance included.
MEMORY_REQUIRED_MIB, MEMORY_RECOMMENDED_MIB = 6 * 1024, 8 * 1024
# A node that is no controller: libvirt, nova-compute and an agent take some 0.6 GiB, one small instance the rest.
NON_CONTROLLER_MEMORY_REQUIRED_MIB, NON_CONTROLLER_MEMORY_RECOMMENDED_MIB = 1536, 2 * 1024
# The kernel and the firmware reserve some of the memory: "8 GiB" shows as 7.7.
VISIBLE_MEMORY_SHARE = 0.93
# Measured: 2.9 GiB installed and 0.5 GiB of package files; the rest is for images and instances.
DISK_REQUIRED_MIB, DISK_RECOMMENDED_MIB = 5 * 1024, 10 * 1024
DISK_REQUIRED_FOR_REAPPLY_MIB = 1024
# Package signatures and TLS certificates tolerate minutes; tokens tolerate less.
CLOCK_OFFSET_WARNING_SECONDS, CLOCK_OFFSET_ERROR_SECONDS = 60, 3600


def check_operating_system(context: CheckContext) -> Findings:
    """Check that the operating system is supported and the processor is x86_64.

    A profile holds the names of packages, units and paths of one release, so another release would fail midway.
    """
    facts, profile = context.facts, context.profile
    if profile is None or (facts.system.os_id, facts.system.os_version in profile.os_versions) != (profile.os_id, True):
        supported = ", ".join(profiles.load(name).title for name in profiles.list_names())
        problem = f"the profile {profile.name} is for {profile.title}" if profile else "it is not supported"
        yield error(f"{facts.system.os_name or 'an unknown system'}: {problem}", f"deploy on one of: {supported}")
    if facts.system.arch and facts.system.arch != "x86_64":
        yield warning(
            f"the processor is {facts.system.arch}; packstack-lite was tested on x86_64 only",
            "try it in a sandbox first",
        )


def check_init_system(context: CheckContext) -> Findings:
    """Check that systemd is the init system: it runs services and jobs."""
    if context.facts.system.init != "systemd":
        yield error(
            f"process 1 is {context.facts.system.init or 'unknown'}, not systemd, so services cannot run",
            f"use a machine, or a container booted with systemd: {recommend('sandbox', 'up')}",
        )


def check_boot_finished(context: CheckContext) -> Findings:
    """Check that the node has booted.

    During the boot, units that systemd is about to start look stopped, and would be started a second time.
    """
    if context.facts.system.is_booting:
        yield warning(
            "the node is still booting after a minute's wait",
            f"{node_commands.show_boot_jobs()} shows what it waits for",
        )


def check_memory(context: CheckContext) -> Findings:
    """Check that there is memory for all services and at least one instance."""
    memory_mib = context.facts.hardware.memory_mib
    summary = f"{memory_mib / 1024:.1f} GiB of memory"
    if not context.has_role("controller"):
        yield from _check_non_controller_memory(memory_mib, summary)
    elif memory_mib < MEMORY_REQUIRED_MIB * VISIBLE_MEMORY_SHARE:
        yield error(f"{summary}; an all-in-one needs {MEMORY_REQUIRED_MIB // 1024} GiB", "give the node 8 GiB or more")
    elif memory_mib < MEMORY_RECOMMENDED_MIB * VISIBLE_MEMORY_SHARE:
        yield warning(f"{summary} leaves little for instances", "give the node 8 GiB or more")


def _check_non_controller_memory(memory_mib: int, summary: str) -> Findings:
    """Check the memory of a node that is no controller; ``summary`` names its size."""
    if memory_mib < NON_CONTROLLER_MEMORY_REQUIRED_MIB * VISIBLE_MEMORY_SHARE:
        yield error(
            f"{summary}; this node needs {NON_CONTROLLER_MEMORY_REQUIRED_MIB / 1024:.1f} GiB",
            "give the node 2 GiB or more",
        )
    elif memory_mib < NON_CONTROLLER_MEMORY_RECOMMENDED_MIB * VISIBLE_MEMORY_SHARE:
        yield warning(f"{summary} leaves little for instances", "give the node 2 GiB or more")


def check_disk_space(context: CheckContext) -> Findings:
    """Check that there is disk space for packages, images and instances.

    /var may be a file system of its own: both are checked. A deployed node needs space for upgrades only.
    """
    facts = context.facts
    required = DISK_REQUIRED_FOR_REAPPLY_MIB if facts.cloud.deployed_by_us else DISK_REQUIRED_MIB
    checked_mounts = set()
    for path in ("/var", "/"):
        free, mount = facts.storage.disk_free_mib.get(path), facts.storage.mounts.get(path, path)
        if free is None or mount in checked_mounts:
            continue
        checked_mounts.add(mount)
        hint = f"free space on {mount}: {_clean_cache_command(context)}; {node_commands.show_disk_use(mount)}"
        if free < required:
            yield error(f"{free / 1024:.1f} GiB free on {mount}; {required // 1024} GiB are needed", hint)
        elif free < DISK_RECOMMENDED_MIB and not facts.cloud.deployed_by_us:
            yield warning(f"{free / 1024:.1f} GiB free on {mount} leaves little for images and instances", hint)


def _clean_cache_command(context: CheckContext) -> str:
    """Return the command that empties the package manager's cache, for a hint."""
    uses_rpm = context.profile is not None and context.profile.package_manager != "apt"
    return node_commands.clean_package_cache(uses_rpm)


def check_clock(context: CheckContext) -> Findings:
    """Check that the clock is right, and that a time server sets it.

    Tokens, certificates and package signatures depend on it. The node's clock, as the facts have it, is compared with
    this machine's: more than an hour apart is an error, more than a minute a warning, and so is no time server.
    """
    facts = context.facts
    offset = facts.system.epoch - context.local_time
    fix = None if facts.system.is_container else fixes.enable_time_sync()
    distance = f"{format_count(round(abs(offset)), 'second')} {'ahead of' if offset > 0 else 'behind'}"
    message = f"the clock is {distance} this machine's"
    sync = node_commands.enable_time_sync()
    if abs(offset) > CLOCK_OFFSET_ERROR_SECONDS:
        yield error(message, f"{sync}, or date --set=TIME; in a container: on its host", fix)
    elif abs(offset) > CLOCK_OFFSET_WARNING_SECONDS:
        yield warning(message, f"{sync}; in a container: on its host", fix)
    elif not facts.system.is_time_synchronized and not facts.system.is_container:
        yield warning("no time server synchronises the clock", f"{sync}, or set CONFIG_NTP_SERVERS", fix)
