#!/bin/sh
# Runs in an image of the kit with a compiler and with what the library needs: builds the one named
# as argument from /source into /out/<name>/. Only shared libraries, without programs; of bash
# the program alone. Of a tool, /out/<name>/ has Debian's files already.
set -eu
export CFLAGS="-O2 -fPIC" SOURCE_DATE_EPOCH=0

configured() { # name, configure arguments...
    name=$1
    shift
    ./configure --prefix=/usr --libdir=/usr/lib --disable-static "$@"
    make -j"$JOBS"
    make install DESTDIR="/out/$name"
}

shared() { # soname, version, package, compiler, objects...: what make compiles by its own rules.
    folder=/out/$3/usr/lib
    library=$1 version=$2 compiler=$4
    shift 4
    make -j"$JOBS" CFLAGS="$CFLAGS" CXXFLAGS="$CFLAGS" "$@"
    mkdir -p "$folder"
    "$compiler" -shared -Wl,-soname,"$library" -o "$folder/$library.$version" "$@"
    ln -s "$library.$version" "$folder/$library"
    ln -s "$library" "$folder/${library%.so.*}.so"
}

mkdir -p "/out/$1"
cd "$(mktemp -d)"
cp -a /source/. .
# shellcheck source=/dev/null
. "/alpypy/kit/$1.sh"
case $1 in
bash) ;;
g++) rm -rf /out/g++/usr/share ;;
*) rm -rf "/out/$1/usr/bin" ;;
esac
find "/out/$1" \( -name '*.la' -o -path '*/usr/share' -o -name '*Conf.sh' -o -path '*/lib/cmake' \) \
    -prune -exec rm -rf {} +
