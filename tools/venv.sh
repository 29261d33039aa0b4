#!/bin/sh
# Make a virtual environment with the locked dependencies and Penstock itself.  usage: PYTHON=python3 tools/venv.sh .venv
set -eu
venv="$1"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Penstock needs Python 3.11 or newer; $PYTHON is $("$PYTHON" --version 2>&1). Try: make PYTHON=python3.12 …" >&2
    exit 1
}
if [ ! -x "$venv/bin/python" ]; then
    "$PYTHON" -m venv "$venv" 2>/dev/null || "$PYTHON" -m virtualenv "$venv" 2>/dev/null || {
        rm -rf "$venv"
        echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
