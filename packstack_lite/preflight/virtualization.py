"""The check of KVM, with how to enable virtualisation on each hypervisor."""

from __future__ import annotations

from typing import Mapping, Tuple

from packstack_lite.preflight import fixes, node_commands
from packstack_lite.preflight.check import CheckContext, Findings, info, warning

_SLOW_NOTE = "instances will run in software (qemu), many times slower"
# Word of systemd-detect-virt -> product, and how to enable nested virtualisation. Source: the vendors' manuals;
# with libvirt the guest needs the host's processor (host-passthrough).
_NESTED_HINTS: Mapping[str, Tuple[str, str]] = {
    "vmware": (
        "VMware",
        "power the machine off; Settings, Processors: Virtualize Intel VT-x/EPT or AMD-V/RVI (on ESXi: Expose hardware"
        ' assisted virtualization to the guest OS; in the .vmx file: vhv.enable = "TRUE")',
    ),
    "oracle": ("VirtualBox", "power the machine off; VBoxManage modifyvm NAME --nested-hw-virt on"),
    "kvm": (
        "libvirt",
        "on the hypervisor's host: cat /sys/module/kvm_*/parameters/nested must print Y or 1 (options kvm_intel"
        " nested=1 in /etc/modprobe.d/kvm.conf); then virsh edit NAME: <cpu mode='host-passthrough'/>; virsh shutdown,"
        " start",
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
_NESTED_HINTS = {**_NESTED_HINTS, "qemu": _NESTED_HINTS["kvm"]}
# Word in DMI -> word of systemd-detect-virt, for hypervisors that systemd does not recognise.
_DMI_VENDORS = (
    ("vmware", "vmware"),
    ("virtualbox", "oracle"),
    ("innotek", "oracle"),
    ("microsoft", "microsoft"),
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("xen", "xen"),
    ("amazon", "amazon"),
)


def check_virtualization(context: CheckContext) -> Findings:
    """Check that KVM works: without it instances run in software (qemu), slowly."""
    facts = context.facts
    virt_type = str(context.answers.get("CONFIG_NOVA_LIBVIRT_VIRT_TYPE") or "")
    if facts.hardware.kvm_works or virt_type == "qemu" or context.answers.get("CONFIG_NOVA_INSTALL") is False:
        return
    if facts.system.is_container and not facts.hardware.has_kvm_device:
        yield info(
            f"a container without /dev/kvm: {_SLOW_NOTE}", "for speed, deploy on a machine instead of a container"
        )
    elif not set(facts.hardware.cpu_flags) & {"vmx", "svm"}:
        name, hint = _NESTED_HINTS.get(
            detect_hypervisor(context), ("", "enable nested virtualisation in the hypervisor")
        )
        suffix = f" ({name})" if name else ""
        yield warning(f"the processor has no virtualisation enabled{suffix}: {_SLOW_NOTE}", hint)
    elif not facts.hardware.has_kvm_device:
        module = "kvm_intel" if "vmx" in facts.hardware.cpu_flags else "kvm_amd"
        fix = None if facts.system.is_container else fixes.load_kernel_module(module)
        hint = f"{node_commands.load_kvm_module(module)}; {node_commands.show_kvm_messages()}"
        yield warning(f"/dev/kvm is missing: {_SLOW_NOTE}", hint, fix)
    else:
        yield warning(
            f"/dev/kvm is there, but no virtual processor can be created: {_SLOW_NOTE}",
            f"{node_commands.show_kvm_messages()}; it may be disabled in the firmware, or another hypervisor uses it",
        )


def detect_hypervisor(context: CheckContext) -> str:
    """Return the hypervisor in systemd's words, or derived from DMI."""
    detected = context.facts.system.virtualization
    if detected in _NESTED_HINTS and detected != "none":
        return detected
    hardware = context.facts.hardware.product.lower()
    return next((name for vendor, name in _DMI_VENDORS if vendor in hardware), detected)
