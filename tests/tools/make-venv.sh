#!/bin/sh
# Make the virtual environment $1, unless one that works is there. PYTHON names the interpreter (3.9 or newer).
# On a bare Debian machine Python is installed first.
set -eu
venv=$1
python=${PYTHON:-python3}

[ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && exit 0

missing() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return 1
    return 0
}

if missing; then
    command -v apt-get >/dev/null || {
        echo "make: $python with the venv module is needed; install it with your package manager" >&2
        exit 1
    }
    root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "make: as root, type: apt-get install python3-venv" >&2; exit 1; }
        root=sudo
    fi
    echo "Installing python3 python3-venv (apt)"
    $root apt-get update -q
    $root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends python3 python3-venv ca-certificates
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || {
    echo "make: $("$python" --version) is too old, 3.9 is needed; type: make PYTHON=python3.11" >&2
    exit 1
}
"$python" -m venv --clear "$venv"
