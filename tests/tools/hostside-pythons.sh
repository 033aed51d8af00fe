#!/bin/sh
# Make, below the directory $1, an environment for each old Python of EL7 that this machine has (2.7, of every RDO Train
# package, and 3.6, of EL7's optional python3), with the libraries of Train that the host-side programs use. The unit
# tests run these programs there (tests/pythons.py). PYTHON names the interpreter that makes the environments.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=$1 python=${PYTHON:-python3}
wanted=$here/hostside-requirements.txt
digest=$(cat "$wanted" "$0" | cksum)
mkdir -p "$home"

# As tests/pythons.py looks for them. The one in the PATH may be pyenv's stand-in, which runs nothing.
interpreter() {
    for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python; do
        if "$found" -c '' 2>/dev/null; then command -v "$found"; return; fi
    done
}

for version in 2.7 3.6; do
    place=$home/$version
    [ "$(cat "$place/made" 2>/dev/null)" != "$digest" ] || continue
    found=$(interpreter $version)
    if [ -z "$found" ]; then
        echo "This machine has no Python $version: the host-side programs are not run under it"
        continue
    fi
    # virtualenv 20.21 is the last that makes environments of both.
    [ -x "$home/tool/bin/virtualenv" ] || {
        "$python" -m venv --clear "$home/tool"
        "$home/tool/bin/python" -m pip install --quiet 'virtualenv<20.22'
    }
    echo "Making an environment of Python $version for the host-side programs' tests"
    rm -rf "$place"
    "$home/tool/bin/virtualenv" --quiet --python "$found" "$place"
    grep -v '^swift' "$wanted" > "$home/list"
    "$place/bin/python" -m pip install --quiet --requirement "$home/list" 2>"$home/said" || {
        cat "$home/said" >&2
        echo "The libraries for Python $version (tests/tools/hostside-requirements.txt) cannot be installed" >&2
        exit 1
    }
    # Its rings alone are used; what else it needs has to be compiled.
    "$place/bin/python" -m pip install --quiet --no-deps "$(grep '^swift' "$wanted")" 2>"$home/said" || {
        cat "$home/said" >&2
        exit 1
    }
    echo "$digest" > "$place/made"
done
