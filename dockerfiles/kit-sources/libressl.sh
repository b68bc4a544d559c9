#!/bin/sh
# Runs in the kit's toolchain image: builds /sources/libressl/ into /out/libressl/, only the shared
# libraries and their headers.
set -eu

export CFLAGS="-O2 -fPIC" SOURCE_DATE_EPOCH=0
out=/out/libressl
cd "$(mktemp -d)"
cp -a /sources/libressl/. .
# /etc/ssl/cert.pem, where LibreSSL looks for authorities, is Alpine's.
./configure --prefix=/usr --libdir=/usr/lib --with-openssldir=/etc/ssl --disable-static --disable-tests
for folder in crypto ssl tls include; do
    make -j"${JOBS:-1}" -C "$folder"
    make -C "$folder" install DESTDIR="$out"
done
find "$out" -name '*.la' -delete
rm -rf "${out:?}/etc" "${out:?}/usr/share"
