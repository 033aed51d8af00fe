"""What is true of a host before anything is done to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Interface:
    """``addresses`` as ``a.b.c.d/len``; ``kind`` as ``ip -d link`` names it, "" for a plain NIC."""

    name: str
    is_up: bool
    mtu: int
    addresses: Tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class UplinkFacts:
    """How an interface is connected, and who configures it; asked of those only that are to go into a bridge.

    ``system`` is ``networkd``, ``ifupdown``, ``NetworkManager``, ``network-scripts`` or "" for nobody that we know;
    ``path`` the file that it reads for this interface, as far as there is one file. ``bridge`` is the Open vSwitch
    bridge that it is a port of, ``master`` what else it is a part of, ``uppers`` are interfaces made on top of it, and
    ``ports`` a bridge's own ports that are interfaces of the host. ``addresses`` are those that stay, as
    ``a.b.c.d/len``; ``dynamic``: DHCP gave it an IPv4 one; ``iaid`` is by what a DHCP server knows it (eight
    hexadecimal digits). ``armed``: a move into a bridge was begun here and neither confirmed nor taken back.
    """

    mac: str = ""
    has_carrier: bool = True
    master: str = ""
    bridge: str = ""
    upper_interfaces: Tuple[str, ...] = ()
    bridge_ports: Tuple[str, ...] = ()
    is_wireless: bool = False
    addresses: Tuple[str, ...] = ()
    has_dhcp: bool = False
    iaid: str = ""
    managed_by: str = ""
    config_path: str = ""
    is_move_pending: bool = False


@dataclass(frozen=True)
class Repo:
    """A repository of yum's or dnf's, as the file at ``path`` says.

    ``urls`` are its baseurl, mirrorlist and metalink with their variables not yet filled in, without passwords;
    ``excludes`` the patterns of packages that are not taken from it.
    """

    name: str
    path: str
    is_enabled: bool
    urls: Tuple[str, ...]
    excludes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """One flight's worth of facts. Sizes are MiB. Empty strings and 0 mean "not there".

    ``ports`` maps listening TCP ports to process names, ``port_units`` to systemd units.
    ``disk_free`` and ``mounts`` tell, for a few directories, the free space and the mount
    point of the file system they are on. ``package_source`` is ``reachable``, what went
    wrong, or "" where there is no package manager that we know. ``own`` says that an
    earlier run of ours has worked here; ``foreign`` are paths that another OpenStack may
    have left (also set on our own hosts: look at ``own`` first); ``ours`` are those of them
    whose first line says that packstack-lite wrote them. ``epoch`` is the host's clock in
    seconds. ``memory`` is what may be used: a container's limit where there is one.
    ``mechanisms`` are the ML2 drivers that an earlier run of ours has configured.
    ``kept`` maps answers that stored data depends on to the SHA-256 of what the host has.
    ``devices`` maps block devices (and the links to them below /dev/disk) to "MIB CONTENT MOUNT", where "-" is
    nothing; ``kernel`` names what it can do of ``iscsi`` and ``nfs``; ``ceph`` are the files in /etc/ceph, and
    ``ours`` when their ceph.conf is; ``exports`` maps the NFS exports that were asked for to what is wrong with them.
    ``wiring`` tells of the interfaces that go into bridges, and of these bridges; ``network_files`` are the texts that
    configure them, by path; ``nm_ovs``: NetworkManager has its plug-in for Open vSwitch. ``ovs_module``: the kernel has
    Open vSwitch's datapath, with the zones of connections that Neutron needs (CONFIG_NF_CONNTRACK_ZONES).
    ``hardware`` is the maker's name and the product's. ``leased`` are IPv4 addresses that DHCP has lent. ``booting``:
    systemd was not done with its boot. ``selinux`` is the mode of now, ``selinux_boot`` the one of the next boot,
    ``selinux_policies`` the types a policy is there for.
    ``masked`` are units that nothing can start, ``states`` maps the units of firewalls and networks to "ACTIVE ENABLED"
    in systemd's words, ``managed`` are the interfaces that NetworkManager configures. ``versions`` maps a few RPMs that
    are known for trouble to their versions, ``epel`` lists the RPMs that came from EPEL, ``facter`` is what its loader
    says where it cannot run. ``lang_missing`` is a LANG that the host does not have. ``schemas`` are the databases in
    /var/lib/mysql but its own, ``refused`` is what MariaDB answers to root's login over the socket where it refuses.
    ``accounts`` maps MariaDB's accounts (USER@HOST) to the first 12 digits of the SHA-256 of their password's hash.
    ``packstack`` are files that Packstack itself leaves. ``python_missing`` are "INTERPRETER MODULE" that cannot be
    imported, ``shadowed`` directories of modules that stand before the distribution's.
    ``firewall`` is the unit of the firewall in force (firewalld, iptables, nftables, ufw); ``nft`` is "no" where the
    kernel takes no rules of nftables, ``nat`` where iptables cannot translate addresses.
    ``functions`` maps the network cards that can give parts of themselves away (SR-IOV) to how many there are now.
    """

    hostname: str
    fqdn: str
    hostname_addresses: Tuple[str, ...]
    os_id: str
    os_version: str
    os_name: str
    arch: str
    init: str
    virtualization: str
    cpus: int
    cpu_flags: Tuple[str, ...]
    kvm_works: bool
    memory_mib: int
    swap_mib: int
    disk_free_mib: Mapping[str, int]
    default_interface: str
    default_gateway: str
    address: str
    interfaces: Tuple[Interface, ...]
    listening_ports: Mapping[int, str]
    has_ovs_module: bool
    has_device_mapper: bool
    is_time_synchronized: bool
    selinux: str
    package_source: str
    deployed_by_us: bool
    other_openstack: Tuple[str, ...]
    locale: str
    python: str
    epoch: float
    port_units: Mapping[int, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    has_kvm_device: bool = False
    ml2_mechanisms: Tuple[str, ...] = ()
    key_digests: Mapping[str, str] = field(default_factory=dict)
    block_devices: Mapping[str, str] = field(default_factory=dict)
    volume_groups: Tuple[str, ...] = ()
    kernel_features: Tuple[str, ...] = ()
    ceph_files: Tuple[str, ...] = ()
    nfs_export_errors: Mapping[str, str] = field(default_factory=dict)
    uplinks: Mapping[str, UplinkFacts] = field(default_factory=dict)
    network_files: Mapping[str, str] = field(default_factory=dict)
    nm_has_ovs_plugin: bool = False
    hardware: str = ""
    dhcp_addresses: Tuple[str, ...] = ()
    is_booting: bool = False
    selinux_boot: str = ""
    selinux_type: str = ""
    selinux_policies: Tuple[str, ...] = ()
    masked_units: Tuple[str, ...] = ()
    unit_states: Mapping[str, str] = field(default_factory=dict)
    nm_interfaces: Tuple[str, ...] = ()
    repos: Tuple[Repo, ...] = ()
    rpm_versions: Mapping[str, str] = field(default_factory=dict)
    epel_rpms: Tuple[str, ...] = ()
    facter_error: str = ""
    missing_locale: str = ""
    mariadb_databases: Tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
    mariadb_root_error: str = ""
    packstack_files: Tuple[str, ...] = ()
    missing_python_modules: Tuple[str, ...] = ()
    shadowing_modules: Tuple[str, ...] = ()
    firewall: str = ""
    nft_support: str = ""
    nat_support: str = ""
    sriov_vfs: Mapping[str, int] = field(default_factory=dict)
    ours: Tuple[str, ...] = ()

    @property
    def is_container(self) -> bool:
        """Whether the host shares its kernel with another (no clock, no modules of its own)."""
        return self.virtualization in ("systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "openvz")


def sample_facts(os_id: str, os_version: str, address: str) -> Facts:
    """A plain host of this distribution that nobody has asked: for rendering without one."""
    return Facts(
        hostname="controller",
        fqdn="controller",
        hostname_addresses=(address,),
        os_id=os_id,
        os_version=os_version,
        os_name="",
        arch="x86_64",
        init="systemd",
        virtualization="none",
        cpus=4,
        cpu_flags=(),
        kvm_works=True,
        memory_mib=16384,
        swap_mib=0,
        disk_free_mib={},
        default_interface="eth0",
        default_gateway="",
        address=address,
        interfaces=(Interface("eth0", True, 1500, (f"{address}/24",)),),
        listening_ports={},
        has_ovs_module=True,
        has_device_mapper=True,
        is_time_synchronized=True,
        selinux="",
        package_source="reachable",
        deployed_by_us=False,
        other_openstack=(),
        locale="C.UTF-8",
        python="",
        epoch=0.0,
    )
