#!/bin/sh
# Start the PyPy 2.7 that translates. One of musl gets the names of glibc that it lacks; by its loader,
# because the compilers that it starts would take them from LD_PRELOAD too. RPython loads libraries like
# zlib as well, which are where Debian has them.
pypy=/opt/pypy2/bin/pypy
loader=/lib/ld-musl-$(uname -m).so.1
libraries=/usr/lib/$(uname -m)-linux-gnu
if grep -q "$loader" "$pypy"; then
    LD_LIBRARY_PATH=$libraries exec "$loader" --preload /opt/glibc-names.so --argv0 "$pypy" -- "$pypy" "$@"
fi
exec "$pypy" "$@"
