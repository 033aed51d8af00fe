"""Kinds of resources, which services declare and ``engine`` probes and fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packstack_lite.lazy_exports import lazy_exports

if TYPE_CHECKING:
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
    from packstack_lite.resources.removed import (
        RemovedDatabaseUser,
        RemovedFile,
        RemovedMetadataAgent,
        RemovedNat,
        RemovedRabbitmqUser,
    )
    from packstack_lite.resources.run_once import RunOnce
    from packstack_lite.resources.selinux_booleans import SelinuxBooleans
    from packstack_lite.resources.selinux_mode import SelinuxPermissive
    from packstack_lite.resources.state_directory import StateDirectory
    from packstack_lite.resources.swift_rings import SwiftRings
    from packstack_lite.resources.sysctl import Sysctl
    from packstack_lite.resources.tuned import TunedProfile
    from packstack_lite.resources.unit import Unit
    from packstack_lite.resources.unit_holds import UnitHolds
    from packstack_lite.resources.uplink import NetworkFile, Uplink
    from packstack_lite.resources.user_files import UserFiles
    from packstack_lite.resources.volume_group import VolumeGroup
    from packstack_lite.resources.yum_mirrors import YumMirrors
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "allowed_peers": "AllowedPeer OnlyAllowedPeers",
            "api_object": "ApiObject Credentials",
            "base": "PHASES Diff Observed Phase Probe Resource State TypedResource Unknown job_name",
            "bridge": "LinuxBridge Nat OvsBridge",
            "database": "Database",
            "file": "Absent Directory File Symlink",
            "filesystem": "FileSystem",
            "firewalld_forward": "FirewalldForward",
            "hosts_entry": "HostsEntry",
            "ini_settings": "IniSettings",
            "key_repository": "KeyRepository",
            "open_ports": "FirewalldPorts IptablesPorts",
            "ovs": "OvsManager OvsSetting",
            "packages": "Packages",
            "port_filter": "PortFilter",
            "rabbitmq_user": "RabbitmqUser",
            "removed": "RemovedDatabaseUser RemovedFile RemovedMetadataAgent RemovedNat RemovedRabbitmqUser",
            "run_once": "RunOnce",
            "selinux_booleans": "SelinuxBooleans",
            "selinux_mode": "SelinuxPermissive",
            "state_directory": "StateDirectory",
            "swift_rings": "SwiftRings",
            "sysctl": "Sysctl",
            "tuned": "TunedProfile",
            "unit": "Unit",
            "unit_holds": "UnitHolds",
            "uplink": "NetworkFile Uplink",
            "user_files": "UserFiles",
            "volume_group": "VolumeGroup",
            "yum_mirrors": "YumMirrors",
        },
    )

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
    "RemovedDatabaseUser",
    "RemovedFile",
    "RemovedMetadataAgent",
    "RemovedNat",
    "RemovedRabbitmqUser",
    "Resource",
    "RunOnce",
    "SelinuxBooleans",
    "SelinuxPermissive",
    "State",
    "StateDirectory",
    "SwiftRings",
    "Symlink",
    "Sysctl",
    "TunedProfile",
    "TypedResource",
    "Unit",
    "UnitHolds",
    "Unknown",
    "Uplink",
    "UserFiles",
    "VolumeGroup",
    "YumMirrors",
    "job_name",
]
