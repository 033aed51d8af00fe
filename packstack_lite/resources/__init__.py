"""Kinds of resources, which services declare and ``engine`` probes and fixes."""

from packstack_lite.resources.allowed_peers import AllowedPeer, OnlyAllowedPeers
from packstack_lite.resources.api_object import ApiObject, Credentials
from packstack_lite.resources.base import (
    PHASES,
    Diff,
    Observed,
    Phase,
    Probe,
    Resource,
    State,
    TypedResource,
    Unknown,
    job_name,
)
from packstack_lite.resources.bridge import LinuxBridge, Nat, OvsBridge
from packstack_lite.resources.database import Database
from packstack_lite.resources.file import Absent, Directory, File, Symlink
from packstack_lite.resources.filesystem import FileSystem
from packstack_lite.resources.firewalld_forward import FirewalldForward
from packstack_lite.resources.hosts_entry import HostsEntry
from packstack_lite.resources.ini_settings import IniSettings
from packstack_lite.resources.key_repository import KeyRepository
from packstack_lite.resources.open_ports import FirewalldPorts, IptablesPorts
from packstack_lite.resources.ovs import OvsManager, OvsSetting
from packstack_lite.resources.packages import Packages
from packstack_lite.resources.port_filter import PortFilter
from packstack_lite.resources.rabbitmq_user import RabbitmqUser
from packstack_lite.resources.run_once import RunOnce
from packstack_lite.resources.selinux_booleans import SelinuxBooleans
from packstack_lite.resources.selinux_mode import SelinuxPermissive
from packstack_lite.resources.swift_rings import SwiftRings
from packstack_lite.resources.sysctl import Sysctl
from packstack_lite.resources.tuned import TunedProfile
from packstack_lite.resources.unit import Unit
from packstack_lite.resources.uplink import NetworkFile, Uplink
from packstack_lite.resources.user_files import UserFiles
from packstack_lite.resources.volume_group import VolumeGroup
from packstack_lite.resources.yum_mirrors import YumMirrors

__all__ = [
    "PHASES",
    "Absent",
    "AllowedPeer",
    "ApiObject",
    "Credentials",
    "Database",
    "Diff",
    "Directory",
    "File",
    "FileSystem",
    "FirewalldForward",
    "FirewalldPorts",
    "HostsEntry",
    "IniSettings",
    "IptablesPorts",
    "KeyRepository",
    "LinuxBridge",
    "Nat",
    "NetworkFile",
    "Observed",
    "OnlyAllowedPeers",
    "OvsBridge",
    "OvsManager",
    "OvsSetting",
    "Packages",
    "Phase",
    "PortFilter",
    "Probe",
    "RabbitmqUser",
    "Resource",
    "RunOnce",
    "SelinuxBooleans",
    "SelinuxPermissive",
    "State",
    "SwiftRings",
    "Symlink",
    "Sysctl",
    "TunedProfile",
    "TypedResource",
    "Unit",
    "Unknown",
    "Uplink",
    "UserFiles",
    "VolumeGroup",
    "YumMirrors",
    "job_name",
]
