# shellcheck shell=sh
# Runs in the toolchain's image: assembles /source/libc.s into /out/libc.so, the C library to link with.
set -eu
gcc -shared -nostdlib -Wl,-soname,"$1" -Wl,--hash-style=both -o /out/libc.so /source/libc.s
chmod 644 /out/libc.so
