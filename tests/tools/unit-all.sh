#!/bin/sh
# Run the unit and golden tests on every Python that setup.cfg supports and that this machine has (pyenv's or the PATH's),
# then once on Python 3.9 with the oldest library versions that setup.cfg allows. Environments are kept below $1.
# A version that is missing is named; the exit code is that of the worst run. Further arguments are the only ones to run:
# unit-all.sh .pythons 3.9 oldest
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
home=$(cd "$1" && pwd)
shift
wanted=${*:-3.9 3.10 3.11 3.12 3.13 oldest}
# With the path of this tree: an environment has the package of the tree that it was made for.
digest=$(echo "$root" | cat - "$root/setup.cfg" "$here/oldest-versions.txt" "$0" | cksum)
worst=0

interpreter() {
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python "python$1"; do
        if "$candidate" -c '' 2>/dev/null; then command -v "$candidate"; return; fi
    done
}

# run NAME VERSION PIP-ARGUMENT...
run() {
    name=$1 version=$2
    shift 2
    python=$(interpreter "$version")
    if [ -z "$python" ]; then
        echo "$name: this machine has no Python $version, so nothing was run on it"
        return
    fi
    venv=$home/unit-$name
    if [ "$(cat "$venv/made" 2>/dev/null)" != "$digest" ]; then
        echo "$name: making an environment of Python $version"
        rm -rf "$venv"
        "$python" -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" --editable "$root[test]" &&
            echo "$digest" > "$venv/made" || { worst=1; echo "$name: FAILED to make the environment"; return; }
    fi
    if ! (cd "$root" && "$venv/bin/python" -m pytest -q -p no:cacheprovider -m "not old_python" -n auto --dist worksteal \
        tests/unit tests/golden); then
        worst=1
        echo "$name: FAILED"
    fi
}

for version in $wanted; do
    case $version in
        oldest) run oldest 3.9 --constraint "$here/oldest-versions.txt" ;;
        *) run "$version" "$version" ;;
    esac
done
exit $worst
