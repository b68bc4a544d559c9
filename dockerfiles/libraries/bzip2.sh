# shellcheck shell=sh disable=SC2154
# Its Makefile has no place for flags that say where files were.
make -j"$jobs" libbz2.a CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64"
cp libbz2.a /out/lib/
cp bzlib.h /out/include/
