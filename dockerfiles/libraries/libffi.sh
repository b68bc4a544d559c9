# shellcheck shell=sh disable=SC2154
configured --disable-docs --disable-multi-os-directory
make -j"$jobs"
make install DESTDIR=/tmp/build/installed
cp installed/usr/lib/libffi.a /out/lib/
cp installed/usr/include/*.h /out/include/
