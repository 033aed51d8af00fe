"""Kinds of resources: what services declare and the engine makes so."""

from packstack_lite.resources.base import PHASES, Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.resources.booleans import Booleans
from packstack_lite.resources.bridge import Bridge, LinuxBridge, Nat
from packstack_lite.resources.database import Database
from packstack_lite.resources.entity import Credentials, Entity
from packstack_lite.resources.file import Absent, Directory, File, Link
from packstack_lite.resources.filesystem import FileSystem
from packstack_lite.resources.firewalld import FirewalldPorts
from packstack_lite.resources.firewalld_forward import FirewalldForward
from packstack_lite.resources.guard import Guard
from packstack_lite.resources.hosts_entry import HostsEntry
from packstack_lite.resources.iptables_ports import IptablesPorts
from packstack_lite.resources.keys import Keys
from packstack_lite.resources.message_user import MessageUser
from packstack_lite.resources.names import job_name
from packstack_lite.resources.once import Once
from packstack_lite.resources.ovs import OvsManager, OvsSetting
from packstack_lite.resources.package import Packages
from packstack_lite.resources.peer import NoOtherPeer, Peer
from packstack_lite.resources.placed import Placed
from packstack_lite.resources.repo_files import RepoFiles
from packstack_lite.resources.rings import Rings
from packstack_lite.resources.selinux import Permissive
from packstack_lite.resources.settings import Settings
from packstack_lite.resources.sysctl import Sysctl
from packstack_lite.resources.tuned import TunedProfile
from packstack_lite.resources.unit import Unit
from packstack_lite.resources.uplink import NetFile, Uplink
from packstack_lite.resources.volume_group import VolumeGroup

__all__ = [
    "PHASES",
    "Absent",
    "Booleans",
    "Bridge",
    "Credentials",
    "Database",
    "Directory",
    "Entity",
    "File",
    "FileSystem",
    "FirewalldForward",
    "FirewalldPorts",
    "Gap",
    "Guard",
    "HostsEntry",
    "IptablesPorts",
    "Keys",
    "Link",
    "LinuxBridge",
    "Look",
    "MessageUser",
    "Nat",
    "NetFile",
    "NoOtherPeer",
    "Once",
    "OvsManager",
    "OvsSetting",
    "Packages",
    "Peer",
    "Permissive",
    "Phase",
    "Placed",
    "RepoFiles",
    "Resource",
    "Rings",
    "Seen",
    "Settings",
    "State",
    "Sysctl",
    "TunedProfile",
    "Unit",
    "Unknown",
    "Uplink",
    "VolumeGroup",
    "job_name",
]
