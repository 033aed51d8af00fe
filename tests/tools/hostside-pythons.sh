#!/bin/sh
# Make environments of EL7's old Pythons below the directory $1, where this machine has them: 2.7, which RDO Train's
# packages use, and 3.6, EL7's optional python3. They get the libraries of Train that the host-side programs use; unit
# tests run these programs there (tests/pythons.py). PYTHON names the interpreter that makes the environments.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=$1 python=${PYTHON:-python3}
wanted=$here/hostside-requirements.txt
digest=$(cat "$wanted" "$0" | cksum)
mkdir -p "$home"

# The same search as in tests/pythons.py. The one in PATH may be a shim of pyenv that runs nothing.
interpreter() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python; do
        if "$candidate" -c '' 2>/dev/null; then command -v "$candidate"; return; fi
    done
}

for version in 2.7 3.6; do
    environment=$home/$version
    [ "$(cat "$environment/made" 2>/dev/null)" != "$digest" ] || continue
    python_path=$(interpreter $version)
    if [ -z "$python_path" ]; then
        echo "This machine has no Python $version: the host-side programs are not run under it"
        continue
    fi
    # virtualenv 20.21 is the last version that makes environments of both.
    [ -x "$home/tool/bin/virtualenv" ] || {
        "$python" -m venv --clear "$home/tool"
        "$home/tool/bin/python" -m pip install --quiet 'virtualenv<20.22'
    }
    echo "Making an environment of Python $version for the host-side programs' tests"
    rm -rf "$environment"
    "$home/tool/bin/virtualenv" --quiet --python "$python_path" "$environment"
    grep -v '^swift' "$wanted" > "$home/list"
    "$environment/bin/python" -m pip install --quiet --requirement "$home/list" 2>"$home/pip.log" || {
        cat "$home/pip.log" >&2
        echo "The libraries for Python $version (tests/tools/hostside-requirements.txt) cannot be installed" >&2
        exit 1
    }
    # Only its rings are used; its other dependencies would have to be compiled.
    "$environment/bin/python" -m pip install --quiet --no-deps "$(grep '^swift' "$wanted")" 2>"$home/pip.log" || {
        cat "$home/pip.log" >&2
        exit 1
    }
    echo "$digest" > "$environment/made"
done
