# shellcheck shell=sh
# Read by quickstart and test: brings a machine to where `invoke` works. Says what it installs.

setup_python() { # lock file
    python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "setup: Python 3.11 or newer is needed; $("$python" --version) is there." \
            "Set PYTHON to a newer one." >&2
        exit 1
    }
    stamp=.venv/$1.sum
    if [ -x .venv/bin/python ] && sha256sum --status --check "$stamp" 2>/dev/null; then return; fi
    # One whose making was interrupted has a python and no pip.
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
        echo "setup: virtual environment in .venv"
        "$python" -m venv --clear .venv
    fi
    echo "setup: installing $1 into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --requirement "$1"
    sha256sum "$1" >"$stamp"
}

# An engine that answers is used; one that is installed is started by alpypy for each run.
setup_engine() {
    needs engine || install_packages docker.io iptables
}

# Where Alpine's mirrors are out of reach, the kit takes their place.
setup_kit() { # Alpine version
    if needs kit "$1"; then return; fi
    missing=""
    command -v qemu-img >/dev/null || missing="$missing qemu-utils"
    command -v debugfs >/dev/null || missing="$missing e2fsprogs"
    # shellcheck disable=SC2086 # one word a package
    [ -z "$missing" ] || install_packages $missing
    echo "setup: Alpine's mirrors are out of reach; the kit for Alpine $1 takes their place"
    .venv/bin/invoke kit --alpine "$1"
}

# 0: nothing is missing, 1: it is; an error has been printed and ends the script.
needs() {
    code=0
    .venv/bin/python -m alpypy.cli.needs "$@" || code=$?
    [ "$code" -le 1 ] || exit "$code"
    return "$code"
}

install_packages() {
    echo "setup: apt-get install $*"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: not done: it needs root and apt. Install these with your system's package" \
            "manager, then run this again: $*" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The value of --alpine among the arguments of `invoke bootstrap`.
alpine_of() {
    found=3.23
    while [ $# -gt 0 ]; do
        case "$1" in
        --alpine=*) found=${1#--alpine=} ;;
        --alpine) found=${2:-$found} ;;
        esac
        shift
    done
    echo "$found"
}
