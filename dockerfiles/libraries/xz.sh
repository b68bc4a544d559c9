# shellcheck shell=sh disable=SC2154
# With the times of its files, or make would write its build system again with automake.
cp -Rp /source/. .
configured --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-lzma-links \
    --disable-scripts --disable-doc --disable-nls
make -C src/liblzma -j"$jobs"
make -C src/liblzma install DESTDIR=/tmp/build/installed
cp installed/usr/lib/liblzma.a /out/lib/
cp -R installed/usr/include/lzma.h installed/usr/include/lzma /out/include/
