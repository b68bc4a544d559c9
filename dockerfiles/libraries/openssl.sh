# shellcheck shell=sh disable=SC2154,SC2086
# Flags are part of what the library says of itself: those that name a folder stay out, and names of
# files are relative without them.
flags=${CFLAGS% -ffile-prefix-map=*}
unset CFLAGS
# Without what Alpine's own is without. no-module keeps the legacy provider, inside the library; no
# file of the machine is loaded into it (no-dso). Programs of PyPy still declare the functions of
# engines, so these stay. /etc/ssl has the certificates on Alpine, Void and Debian.
perl ./Configure "linux-$(uname -m)" --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
    no-shared no-module no-dso no-apps no-docs no-tests no-afalgeng no-padlockeng enable-ktls \
    no-zlib no-async no-comp no-idea no-mdc2 no-rc5 no-ec2m no-sm2 no-sm4 no-ssl3 no-seed \
    no-weak-ssl-ciphers -Wa,--noexecstack $flags "$LDFLAGS"
make -j"$jobs" build_libs
make install_dev DESTDIR=/tmp/build/installed
cp installed/usr/lib/libcrypto.a installed/usr/lib/libssl.a /out/lib/
cp -R installed/usr/include/openssl /out/include/
