#!/usr/bin/env bash
# Makes .venv, or brings it up to date: setup.sh [GROUP], a group of pyproject.toml beside "run".
#
# uv installs, some ten times as fast as pip. It comes from the index that pip is set up for. Where
# uv cannot install from there, pip does.
set -euo pipefail
cd "$(dirname "$0")/.."
env=.venv
python=$env/bin/python
uv=$env/bin/uv
log=$env/setup.log
group=${1:-run}
packages=(-c constraints.txt -r src/requirements.txt --group run)
ours=(--no-build-isolation --no-deps -e .)  # built with what the packages bring: no network is needed
[ "$group" = run ] || packages+=(--group "$group")
PATH=${PATH//"$PWD/.venv/bin:"/}  # make puts it first; the environment must not be used to make itself

# Whether a Python runs and can make an environment: pyenv's shims exist for versions that are not
# installed, and Debian's python3.12 may lack venv.
runs() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 12))' &>/dev/null; }

# The requirement for package $1 in pyproject.toml.
pinned() { awk -F'"' -v name="$1==" 'index($2, name) == 1 { print $2; exit }' pyproject.toml; }

# Changes with the packages that are listed, not with the rest of pyproject.toml.
lists() { { awk '/^\[/ { on = /^\[dependency-groups\]/ } on' pyproject.toml; cat constraints.txt src/requirements.txt; } | cksum; }

# Keeps all output in the log. Shows on a terminal one line that changes, else the large files.
progress() {
    awk -v log_file="$log" -v tty="$([ -t 1 ] && echo 1)" '
        { print >log_file }
        !/^(Collecting|  Downloading|Downloading|Building|Installing)/ { next }
        { sub(/^ +/, "") }
        tty { printf "\r\033[K  %.70s", $0; fflush(); next }
        /^Downloading.*\([0-9][0-9][0-9.]* ?Mi?B\)/ || /^Installing/ { printf "  %.70s\n", $0; fflush() }
        END { if (tty) printf "\r\033[K" }'
}

# Why the index cannot be reached, if that is what the log says.
connection_error() {
    awk '/WARNING: Retrying/ { reason = "no answer"
             if (match($0, /Errno -?[0-9]+\] [A-Za-z ]+/)) { reason = substr($0, RSTART, RLENGTH); sub(/.*\] /, "", reason) } }
         END { print reason }' "$log"
}

has_pip() { "$1" -c 'import pip' &>/dev/null; }

pip() { "$python" -m pip --disable-pip-version-check "$@"; }

# Installs uv into the environment, by the pip of the Python that made it: one of its own would take
# two seconds more.
install_uv() {
    local installer=("$python" -m pip)
    if ! has_pip "$python"; then
        if has_pip python3.12; then installer=(python3.12 -m pip --python "$python"); else "$python" -m ensurepip &>"$log"; fi
    fi
    local pin
    pin=$(pinned uv)
    if [[ $("$uv" --version 2>/dev/null) != "uv ${pin#uv==} "* ]]; then
        "${installer[@]}" install --disable-pip-version-check --retries 1 "$pin" 2>&1 | progress || return
    fi
    local name value  # uv does not read pip's settings
    while IFS='=' read -r name value; do export "$name=$value"; done \
        < <("${installer[@]}" config list 2>/dev/null | "$python" tools/uv_settings.py)
}

uv_installs() {
    local install=("$uv" pip install --python "$python")
    if [ -z "$is_complete" ]; then  # It would ask the index again.
        # On a terminal it shows bars, and a list at the end.
        if [ -t 2 ]; then "${install[@]}" "${packages[@]}"; else "${install[@]}" "${packages[@]}" 2>&1 | progress; fi || return
    fi
    "${install[@]}" "${ours[@]}" 2>&1 | progress
}

pip_installs() {
    has_pip "$python" || "$python" -m ensurepip &>"$log"
    pip install "$(pinned pip)" 2>&1 | progress &&  # an older one knows no groups
        pip install "${packages[@]}" 2>&1 | progress &&
        pip install "${ours[@]}" 2>&1 | progress
}

fail() {
    echo "Error: $*" >&2
    exit 1
}

fail_offline() {
    fail "the package index cannot be reached ($1): connect this machine, or name an index that it" \
        "reaches (pip config set global.index-url URL, or the variable PIP_INDEX_URL)"
}

# The groups of pyproject.toml, with commas.
groups=$(awk '/^\[/ { on = /^\[dependency-groups\]/ } on && /^[a-z]+ = \[/ { printf "%s%s", comma, $1; comma = ", " }' pyproject.toml)
[[ ", $groups, " == *", $group, "* ]] || fail "GROUP=$group: there is no such group; there is $groups"

# An environment holds its own paths: one that was made in another folder is of no use here.
if [ -s "$env/ready" ] && [ "$(cat "$env/ready")" != "$(pwd -P)" ]; then
    echo "$env was made in $(cat "$env/ready"); it is made anew."
    rm -rf "$env"
fi
is_complete=
[ ! -e "$env/ready" ] || [ "$(cat "$env/$group" 2>/dev/null)" != "$(lists)" ] || is_complete=1
rm -f "$env/ready" "$env/$group"
if runs python3.12; then
    runs "$python" || python3.12 -m venv --clear --without-pip "$env"
    echo "Setting up $env with $(python3.12 --version): the packages of \"$group\"."
    if ! install_uv; then
        reason=$(connection_error)
        [ -z "$reason" ] || fail_offline "$reason"
        uv=
    fi
elif command -v uv >/dev/null; then
    uv=uv
    runs "$python" || uv venv --quiet --clear --seed --python 3.12 "$env"
    echo "Setting up $env with $(uv --version): the packages of \"$group\"."
else
    echo "Python 3.12 is missing: install it (apt install python3.12-venv, dnf install python3.12," \
        "brew install python@3.12, pyenv install 3.12) or uv (https://docs.astral.sh/uv)." >&2
    exit 1
fi
status=1
if [ -n "$uv" ]; then uv_installs && status=0 || status=$?; fi
if [ "$status" != 0 ]; then
    runs "$python" || exit "$status"
    echo "uv cannot install from the index that pip is set up for; pip installs, which takes longer."
    if ! pip_installs; then
        reason=$(connection_error)
        [ -z "$reason" ] || fail_offline "$reason"
        fail "pip cannot install the packages: $(awk '/^ERROR: / { last = $0 } END { print substr(last, 8) }' "$log") ($log has all of it)"
    fi
fi
# Every Python of the environment runs this line: `import mxnet` works then.
echo 'import importlib.util; importlib.util.find_spec("tools") and __import__("tools.mxnet_import")' \
    >"$env/lib/python3.12/site-packages/mxnet_import.pth"
pwd -P >"$env/ready"
lists >"$env/$group"
