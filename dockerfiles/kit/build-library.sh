#!/bin/sh
# Runs in the kit's toolchain image with the name of a library: builds /sources/<name>/ into
# /out/<name>/. Only shared libraries: translation loads them, and Alpine's -dev packages hold no
# others. With the name gcc it makes Debian's libgcc fit for musl.
set -eu

jobs=${JOBS:-1}
export CFLAGS="-O2 -fPIC" SOURCE_DATE_EPOCH=0

configured() { # name, configure arguments...
    name=$1
    shift
    ./configure --prefix=/usr --libdir=/usr/lib "$@"
    make -j"$jobs"
    make install DESTDIR="/out/$name"
}

build_zlib() { configured zlib --shared; }

build_libffi() {
    configured libffi --disable-static --disable-docs --disable-multi-os-directory
}

build_bzip2() {
    objects="blocksort huffman crctable randtable compress decompress bzlib"
    mkdir -p /out/bzip2/usr/lib /out/bzip2/usr/include /out/bzip2/usr/bin
    for object in $objects; do
        gcc $CFLAGS -D_FILE_OFFSET_BITS=64 -c "$object.c"
    done
    # bzip2's own Makefile says libbz2.so.1.0; Alpine's soname is libbz2.so.1.
    gcc -shared -Wl,-soname,libbz2.so.1 -o /out/bzip2/usr/lib/libbz2.so.1.0.8 $(printf '%s.o ' $objects)
    ln -s libbz2.so.1.0.8 /out/bzip2/usr/lib/libbz2.so.1
    ln -s libbz2.so.1.0.8 /out/bzip2/usr/lib/libbz2.so
    make -j"$jobs" bzip2 CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64"
    cp bzip2 /out/bzip2/usr/bin/
    cp bzlib.h /out/bzip2/usr/include/
}

build_expat() {
    # Debian's archive is upstream's tree without a configure script: three files, one setting each.
    cd expat/lib
    mkdir -p /out/expat/usr/lib /out/expat/usr/include
    cat >expat_config.h <<'END'
#define BYTEORDER 1234
#define HAVE_GETRANDOM 1
#define XML_CONTEXT_BYTES 1024
#define XML_DTD 1
#define XML_NS 1
END
    gcc $CFLAGS -I. -shared -Wl,-soname,libexpat.so.1 -o /out/expat/usr/lib/libexpat.so.1.8.10 \
        xmlparse.c xmlrole.c xmltok.c
    ln -s libexpat.so.1.8.10 /out/expat/usr/lib/libexpat.so.1
    ln -s libexpat.so.1.8.10 /out/expat/usr/lib/libexpat.so
    cp expat.h expat_external.h /out/expat/usr/include/
}

build_ncurses() {
    # One wide library that also answers to the narrow names, which RPython and cffi ask for.
    ./configure --prefix=/usr --libdir=/usr/lib --mandir=/usr/share/man --with-shared \
        --without-normal --without-debug --without-ada --without-cxx --without-cxx-binding \
        --without-tests --without-manpages --enable-widec --disable-rpath-hack --disable-stripping \
        --with-default-terminfo-dir=/etc/terminfo --with-terminfo-dirs=/etc/terminfo:/usr/share/terminfo \
        --without-progs --disable-db-install
    make -j"$jobs" libs
    make install.libs install.includes DESTDIR=/out/ncurses
    rm -rf /out/ncurses/usr/bin
    for library in ncurses panel form menu; do
        ln -sf "lib${library}w.so" "/out/ncurses/usr/lib/lib${library}.so"
    done
    ln -sf libncursesw.so /out/ncurses/usr/lib/libcurses.so
}

build_xz() {
    configured xz --disable-static --disable-xz --disable-xzdec --disable-lzmadec \
        --disable-lzmainfo --disable-lzma-links --disable-scripts --disable-doc --disable-nls
}

build_sqlite() {
    CFLAGS="$CFLAGS -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS4 \
-DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_JSON1 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_UNLOCK_NOTIFY \
-DSQLITE_SECURE_DELETE -DSQLITE_USE_URI" \
        ./configure --prefix=/usr --libdir=/usr/lib --disable-static --disable-tcl \
        --disable-readline --enable-threadsafe
    make -j"$jobs" libsqlite3.la
    make lib_install DESTDIR=/out/sqlite
    mkdir -p /out/sqlite/usr/include
    cp sqlite3.h src/sqlite3ext.h /out/sqlite/usr/include/
}

build_gdbm() {
    configured gdbm --disable-static --enable-libgdbm-compat --disable-nls --without-readline
    rm -r /out/gdbm/usr/bin
}

# Debian's libgcc asks glibc where an object's unwind table is. Answered with "not found" it walks
# the loaded objects with dl_iterate_phdr, as it does on musl.
build_gcc() {
    folder=/usr/lib/gcc/x86_64-linux-gnu/12
    mkdir -p "/out/gcc$folder"
    cp "$folder/libgcc_eh.a" "/out/gcc$folder/"
    echo 'int _dl_find_object(void *pc, void *result) { (void)pc; (void)result; return -1; }' |
        gcc -O2 -fPIC -x c -c - -o /tmp/find_object.o
    ar r "/out/gcc$folder/libgcc_eh.a" /tmp/find_object.o
}

cd "$(mktemp -d)"
if [ -d "/sources/$1" ]; then cp -a "/sources/$1/." .; fi
"build_$1"
[ "$1" = gcc ] || # whose own static libraries stay
    find "/out/$1" \( -name '*.la' -o -name '*.a' -o -path '*/share/doc' -o -path '*/share/man' \
        -o -path '*/share/info' -o -path '*/share/locale' \) -prune -exec rm -rf {} +
