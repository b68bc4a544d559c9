#!/bin/sh
# Asks musl's own loader about each file: "== <file>", then the loader's complaints.
# Usage: load.sh <loader> <file>...
loader=$1
shift
for file in "$@"; do
    echo "== $file"
    # shellcheck disable=SC2069 # only what it complains about
    "$loader" --list "$file" 2>&1 >/dev/null
done
# The complaints count, not the exit code of the last file.
true
