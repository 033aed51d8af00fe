#!/bin/sh
# Install the system tools that the tests use: only missing ones, after printing their names.
# No service is left running or enabled that was not there before.
set -eu

wanted=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || wanted="$wanted $2"; }
need sshd openssh-server
need ssh openssh-client
need sudo sudo
need ip iproute2
need iptables iptables
need debootstrap debootstrap
need systemd-nspawn systemd-container
need sha256sum coreutils
[ -z "$wanted" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "These packages are needed for the tests:$wanted" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "As root, type: apt-get install$wanted" >&2; exit 1; }
    exec sudo sh "$0"
fi

echo "Installing for the tests:$wanted"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends $wanted

case "$wanted" in *openssh-server*)
    if [ -d /run/systemd/system ]; then systemctl disable --quiet ssh.service 2>/dev/null || :; fi ;;
esac
