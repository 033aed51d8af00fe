"""The check of the processor's virtualisation, with the way to switch it on for each kind of machine."""

from __future__ import annotations

from typing import Mapping, Tuple

from packstack_lite.preflight import cures
from packstack_lite.preflight.subject import Remarks, Subject, info, warning

_SLOW = "instances will run in software (qemu), many times slower"
# What systemd-detect-virt calls it -> its name, and where nested virtualisation is switched on. Source: the
# makers' manuals; with libvirt the processor has to be the host's own.
_NESTED: Mapping[str, Tuple[str, str]] = {
    "vmware": (
        "VMware",
        "power the machine off; Settings, Processors: Virtualize Intel VT-x/EPT or AMD-V/RVI (on ESXi: Expose hardware"
        ' assisted virtualization to the guest OS; in the .vmx file: vhv.enable = "TRUE")',
    ),
    "oracle": ("VirtualBox", "power the machine off; VBoxManage modifyvm NAME --nested-hw-virt on"),
    "kvm": (
        "libvirt",
        "on the machine below: cat /sys/module/kvm_*/parameters/nested must say Y or 1 (options kvm_intel nested=1 in"
        " /etc/modprobe.d/kvm.conf); then virsh edit NAME: <cpu mode='host-passthrough'/>; virsh shutdown, start",
    ),
    "microsoft": (
        "Hyper-V",
        "power the machine off; Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true, and no dynamic"
        " memory; on Azure: take a size with nested virtualisation",
    ),
    "xen": ("Xen", "nestedhvm=1 in the machine's configuration; clouds: take a bare-metal type"),
    "amazon": ("Amazon EC2", "take a bare-metal type; others have no nested virtualisation"),
    "none": (
        "bare metal",
        "in the firmware's setup: Intel Virtualization Technology (VT-x), AMD-V or SVM Mode: Enabled; save, switch off"
        " and on again",
    ),
}
_NESTED = {**_NESTED, "qemu": _NESTED["kvm"]}
# DMI's words, where systemd does not know the hypervisor.
_MAKERS = (
    ("vmware", "vmware"),
    ("virtualbox", "oracle"),
    ("innotek", "oracle"),
    ("microsoft", "microsoft"),
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("xen", "xen"),
    ("amazon", "amazon"),
)


def virtualization(subject: Subject) -> Remarks:
    """Instances run on the processor (KVM); without it in software, which works but is slow."""
    facts = subject.facts
    asked = str(subject.answers.get("CONFIG_NOVA_LIBVIRT_VIRT_TYPE") or "")
    if facts.kvm_works or asked == "qemu" or subject.answers.get("CONFIG_NOVA_INSTALL") is False:
        return
    if facts.container and not facts.kvm_device:
        yield info(f"a container without /dev/kvm: {_SLOW}", "deploy on a machine of its own for speed")
    elif not set(facts.cpu_flags) & {"vmx", "svm"}:
        name, way = _NESTED.get(kind(subject), ("", "switch on nested virtualisation in the hypervisor below"))
        where = f" ({name})" if name else ""
        yield warning(f"the processor offers no virtualisation{where}: {_SLOW}", way)
    elif not facts.kvm_device:
        module = "kvm_intel" if "vmx" in facts.cpu_flags else "kvm_amd"
        cure = None if facts.container else cures.load(module)
        yield warning(f"/dev/kvm is not there: {_SLOW}", f"modprobe {module}; dmesg | grep -i kvm", cure)
    else:
        yield warning(
            f"/dev/kvm is there, but no virtual processor can be made: {_SLOW}",
            "dmesg | grep -i kvm; it may be switched off in the firmware, or another hypervisor has it",
        )


def kind(subject: Subject) -> str:
    """The hypervisor in systemd's words: what systemd says, or what the maker's name in DMI tells."""
    told = subject.facts.virtualization
    if told in _NESTED and told != "none":
        return told
    hardware = subject.facts.hardware.lower()
    return next((name for word, name in _MAKERS if word in hardware), told)
