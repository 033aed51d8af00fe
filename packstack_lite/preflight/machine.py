"""Checks of the machine itself: system, memory, disk, processor, clock."""

from __future__ import annotations

from packstack_lite import profiles
from packstack_lite.preflight import cures
from packstack_lite.preflight.subject import Remarks, Subject, error, warning

# Measured for an all-in-one of this project: 5.2 GiB in use (sum of PSS), one small instance included.
MEMORY_NEEDED, MEMORY_WANTED = 6 * 1024, 8 * 1024
# A host of which others do the most: libvirt, nova-compute and an agent are some 0.6 GiB. One small instance beside.
PART_NEEDED, PART_WANTED = 1536, 2 * 1024
# The kernel and the firmware keep some of what was bought: "8 GiB" shows as 7.7.
KEPT_BY_KERNEL = 0.93
# Measured: 2.9 GiB installed and 0.5 GiB of package files; the rest is for images and instances.
DISK_NEEDED, DISK_WANTED = 5 * 1024, 10 * 1024
DISK_NEEDED_AGAIN = 1024
# Packages' signatures and TLS certificates bear minutes; tokens bear less.
CLOCK_BEARS, CLOCK_MUST = 60, 3600


def system(subject: Subject) -> Remarks:
    """The operating system is one that packstack-lite deploys on, with a processor it was tried on."""
    facts, profile = subject.facts, subject.profile
    if profile is None or (facts.os_id, facts.os_version in profile.os_versions) != (profile.os_id, True):
        known = ", ".join(profiles.load(name).title for name in profiles.names())
        wanted = f"the profile {profile.name} is for {profile.title}" if profile else "it is not supported"
        yield error(f"{facts.os_name or 'an unknown system'}: {wanted}", f"deploy on one of: {known}")
    if facts.arch and facts.arch != "x86_64":
        yield warning(f"the processor is {facts.arch}; this was tried on x86_64 only", "try it in a sandbox first")


def init(subject: Subject) -> Remarks:
    """systemd runs the services."""
    if subject.facts.init != "systemd":
        yield error(
            f"process 1 is {subject.facts.init or 'unknown'}, not systemd, so services cannot be run",
            "use a machine, or a container booted with systemd: packstack-lite sandbox up",
        )


def boot(subject: Subject) -> Remarks:
    """The host has booted: units that systemd is about to start would be started a second time."""
    if subject.facts.booting:
        yield warning(
            "the host is still booting, and was waited for",
            "look at what it waits for: systemctl list-jobs",
        )


def memory(subject: Subject) -> Remarks:
    """There is memory for all services and at least one instance."""
    have = subject.facts.memory
    told = f"{have / 1024:.1f} GiB of memory"
    if not subject.has("controller"):
        yield from _memory_of_part(have, told)
    elif have < MEMORY_NEEDED * KEPT_BY_KERNEL:
        yield error(f"{told}; an all-in-one needs {MEMORY_NEEDED // 1024} GiB", "give the host 8 GiB or more")
    elif have < MEMORY_WANTED * KEPT_BY_KERNEL:
        yield warning(f"{told} leave little for instances", "give the host 8 GiB or more")


def _memory_of_part(have: int, told: str) -> Remarks:
    if have < PART_NEEDED * KEPT_BY_KERNEL:
        yield error(f"{told}; this host needs {PART_NEEDED / 1024:.1f} GiB", "give the host 2 GiB or more")
    elif have < PART_WANTED * KEPT_BY_KERNEL:
        yield warning(f"{told} leave little for instances", "give the host 2 GiB or more")


def disk(subject: Subject) -> Remarks:
    """There is room for the packages and for images, on every file system that takes them."""
    facts = subject.facts
    needed = DISK_NEEDED_AGAIN if facts.own else DISK_NEEDED
    told = set()
    for path in ("/var", "/"):
        free, mount = facts.disk_free.get(path), facts.mounts.get(path, path)
        if free is None or mount in told:
            continue
        told.add(mount)
        fix = f"make room on {mount}: {_clean(subject)}; du -xhd1 {mount} | sort -h"
        if free < needed:
            yield error(f"{free / 1024:.1f} GiB free on {mount}; {needed // 1024} GiB are needed", fix)
        elif free < DISK_WANTED and not facts.own:
            yield warning(f"{free / 1024:.1f} GiB free on {mount} leave little for images and instances", fix)


def _clean(subject: Subject) -> str:
    rpm = subject.profile is not None and subject.profile.package_manager != "apt"
    return "yum clean all" if rpm else "apt-get clean"


def clock(subject: Subject) -> Remarks:
    """The clock is right: tokens, certificates and package signatures depend on it."""
    facts = subject.facts
    ahead = facts.epoch - subject.now
    cure = None if facts.container else cures.keep_time()
    apart = f"the clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) > CLOCK_MUST:
        yield error(
            apart, "timedatectl set-ntp true, or date --set=TIME; in a container: on the machine below it", cure
        )
    elif abs(ahead) > CLOCK_BEARS:
        yield warning(apart, "timedatectl set-ntp true; in a container: on the machine below it", cure)
    elif not facts.time_synchronized and not facts.container:
        yield warning(
            "no time server keeps the clock right", "timedatectl set-ntp true, or set CONFIG_NTP_SERVERS", cure
        )
