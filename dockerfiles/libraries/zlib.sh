# shellcheck shell=sh disable=SC2154
./configure --static
make -j"$jobs" libz.a
cp libz.a /out/lib/
cp zlib.h zconf.h /out/include/
