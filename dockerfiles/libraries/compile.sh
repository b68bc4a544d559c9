#!/bin/sh
# Runs in the toolchain's image with the name of a library and of its licence files: compiles /source
# into /out/include, /out/lib and /out/licenses. NAME.sh beside this file has the library's own steps.
# /stub has the C library to link with, so that a configure script finds only what that one has.
set -eu

name=$1
shift
mkdir -p /out/include /out/lib "/out/licenses/$name"
cp -R /source /tmp/build
cd /tmp/build

export jobs="${JOBS:-1}"
# Hidden, a library's symbols stay inside the file that it is linked into.
export CFLAGS="-O2 -fPIC -fvisibility=hidden -ffile-prefix-map=/tmp/build=."
export LDFLAGS=-L/stub SOURCE_DATE_EPOCH=0 LC_ALL=C

configured() { # configure arguments...
    ./configure --prefix=/usr --disable-shared --enable-static --with-pic "$@"
}

# shellcheck source=/dev/null
. "/scripts/$name.sh"

for file in "$@"; do
    cp "/tmp/build/$file" "/out/licenses/$name/"
done
chmod -R u=rwX,go=rX /out
