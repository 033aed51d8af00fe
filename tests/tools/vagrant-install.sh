#!/bin/sh
# Install Vagrant and the packages of one provider: vagrant-install.sh lxc|libvirt|virtualbox.
# Only missing packages, after printing their names. lxc's services are not left running or enabled: the network of its
# machines comes from vagrant-lxc-net.sh.
set -eu

provider=$1
wanted=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || wanted="$wanted $2"; }
plugin() { [ -e "/usr/share/vagrant-plugins/plugins.d/$1.json" ] || [ -n "$(find "$HOME/.vagrant.d/gems" -maxdepth 3 -name "$1-*" 2>/dev/null)" ] || wanted="$wanted $1"; }
need vagrant vagrant
need ssh openssh-client
case $provider in
    lxc)
        plugin vagrant-lxc
        need lxc-start lxc
        need dnsmasq dnsmasq-base
        need iptables iptables
        need ip iproute2
        need sudo sudo
        ;;
    libvirt) plugin vagrant-libvirt ;;
    virtualbox)
        command -v VBoxManage >/dev/null || {
            echo "VirtualBox is needed, and Debian has no package of it: install it, then run this again" >&2
            exit 1
        }
        ;;
    *)
        echo "PROVIDER is one of lxc, libvirt, virtualbox, not: $provider" >&2
        exit 2
        ;;
esac
[ -z "$wanted" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "These packages are needed for Vagrant:$wanted" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "As root, type: apt-get install$wanted" >&2; exit 1; }
    exec sudo sh "$0" "$provider"
fi

echo "Installing for Vagrant:$wanted"
policy=/usr/sbin/policy-rc.d
if [ "$provider" = lxc ] && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $wanted

case "$wanted " in *" lxc "*)
    if [ -d /run/systemd/system ]; then systemctl disable --quiet lxc.service lxc-net.service 2>/dev/null || :; fi ;;
esac
