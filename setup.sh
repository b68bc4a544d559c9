# shellcheck shell=sh
# Read by quickstart, test and .ci/run: makes the virtual environment that alpypy runs in.

setup_python() { # lock file
    stamp=.venv/$1.sum
    if [ -x .venv/bin/python ] && sha256sum --status --check "$stamp" 2>/dev/null; then return; fi
    python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "setup: alpypy needs Python 3.11 or newer, and this is $("$python" --version)." \
            "Set PYTHON to a newer one." >&2
        exit 1
    }
    # If making it was interrupted, it has a python and no pip.
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
        patiently "virtual environment in .venv" 10 "$python" -m venv --clear .venv
    fi
    patiently "installing $1 into .venv" 20 .venv/bin/python -m pip install --quiet \
        --disable-pip-version-check --require-hashes --requirement "$1"
    sha256sum "$1" >"$stamp"
}

install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: these packages are missing: $*. Installing them needs root and apt." \
            "Install them with your system's package manager, then run this again." >&2
        exit 1
    fi
    patiently "apt-get update" 10 apt-get update -qq
    DEBIAN_FRONTEND=noninteractive patiently "apt-get install $*" 30 \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Runs a command, and says every 12 seconds that it still runs.
patiently() { # what it does, the seconds that it usually takes, command
    "${python:-python3}" -c '
import subprocess, sys, time
what, usual, *command = sys.argv[1:]
print(f"setup: {what}", file=sys.stderr, flush=True)
started = time.monotonic()
process = subprocess.Popen(command)
while True:
    try:
        sys.exit(process.wait(timeout=12))
    except subprocess.TimeoutExpired:
        passed = f"{time.monotonic() - started:.0f} s so far, usually {usual} s"
        print(f"setup: {what}: {passed}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        process.wait()
        sys.exit(130)
' "$@"
}
