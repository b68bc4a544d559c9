#!/bin/sh
# Puts a PyPy where actions/setup-python looks before it downloads one (docs/installers.md). Run it in
# the Alpine in which the PyPy is to run:
#
#     sh tool-cache.sh pypy-3.11-8.0.0-alpine3.23.tar.bz2 [CACHE]
#
# CACHE is the runner's folder of tools, by default RUNNER_TOOL_CACHE, which each job has.
set -eu

cache=${2:-${RUNNER_TOOL_CACHE:?name the folder of tools, or run this in a job}}
mkdir -p "$cache/PyPy"
new=$(mktemp -d "$cache/PyPy/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -xf "$1" -C "$new"
tree=$(echo "$new"/*)
# The folder is found by Python's version. The file has PyPy's, without -alpha0: setup-python does not
# take a pre-release for the PyPy of `pypy3.11`.
"$tree/bin/pypy" -c '
from __future__ import print_function
import platform, sys
arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
print("%d.%d.%d" % sys.version_info[:3], "%d.%d.%d" % sys.pypy_version_info[:3], arch)' >"$new/versions"
read -r python pypy arch <"$new/versions"
place=$cache/PyPy/$python/$arch
printf %s "$pypy" >"$tree/PYPY_VERSION"
rm -rf "$place" "$place.complete"
mkdir -p "${place%/*}"
mv "$tree" "$place"
# pip's scripts name this place.
"$place/bin/pypy" -m ensurepip --default-pip >/dev/null || {
    echo "pip could not be installed in $place" >&2
    exit 1
}
touch "$place.complete"
echo "PyPy $pypy with Python $python is in $place"
