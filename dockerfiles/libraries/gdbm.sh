# shellcheck shell=sh disable=SC2154
# With the times of its files, or make would write its build system again with automake.
cp -Rp /source/. .
configured --enable-libgdbm-compat --disable-nls --without-readline
make -C src -j"$jobs" libgdbm.la
make -C compat -j"$jobs" libgdbm_compat.la
cp src/.libs/libgdbm.a compat/.libs/libgdbm_compat.a /out/lib/
cp src/gdbm.h compat/dbm.h compat/ndbm.h /out/include/
