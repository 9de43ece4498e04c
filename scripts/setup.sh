#!/usr/bin/env bash
# Makes .venv, or brings it up to date: with python3.12 from the PATH, else with uv.
set -euo pipefail
cd "$(dirname "$0")/.."
env=.venv
requirements=requirements-dev.txt
PATH=${PATH//"$PWD/.venv/bin:"/}  # make puts it first; the environment must not be used to make itself

# Whether a Python runs and can make an environment: pyenv's shims exist for versions that are not
# installed, and Debian's python3.12 may lack venv.
runs() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 12))' &>/dev/null; }

# On a terminal one line that changes; in a log only the large files.
progress() {
    awk -v tty="$([ -t 1 ] && echo 1)" '
        /^(ERROR|error|WARNING: Retrying|  ×|  ╰)/ { print; fflush(); next }
        !/^(Collecting|  Downloading|Downloading|Building|Installing)/ { next }
        tty { sub(/^ +/, ""); printf "\r\033[K  %.70s", $0; fflush(); next }
        /Downloading.*\([0-9][0-9][0-9.]* MB\)/ || /^Installing/ { printf "  %.70s\n", $0; fflush() }
        END { if (tty) printf "\r\033[K" }'
}

# An environment holds its own paths: one that was made in another folder is of no use here.
if [ -s "$env/ready" ] && [ "$(cat "$env/ready")" != "$(pwd -P)" ]; then
    echo "$env was made in $(cat "$env/ready"); it is made anew."
    rm -rf "$env"
fi
rm -f "$env/ready"
if runs python3.12; then
    "$env/bin/python" -c 'import pip' &>/dev/null && runs "$env/bin/python" || python3.12 -m venv --clear "$env"
    echo "Setting up $env with $(python3.12 --version); the first time takes some minutes."
    "$env/bin/python" -m pip install --disable-pip-version-check -r "$requirements" 2>&1 | progress
elif command -v uv >/dev/null; then
    runs "$env/bin/python" || uv venv --quiet --clear --seed --python 3.12 "$env"
    echo "Setting up $env with $(uv --version); the first time takes some minutes."
    # On a terminal uv shows a bar, and a list at the end.
    uv pip install $([ -t 2 ] || echo --quiet) --compile-bytecode --python "$env/bin/python" -r "$requirements"
else
    echo "Python 3.12 is missing: install it (apt install python3.12-venv, dnf install python3.12," \
        "brew install python@3.12, pyenv install 3.12) or uv (https://docs.astral.sh/uv)." >&2
    exit 1
fi
pwd -P >"$env/ready"
