#!/bin/sh
# Runs in an image of the kit with a compiler: builds the libraries named as arguments, in their
# order, each from /sources/<name>/ into /out/<name>/. Only shared libraries, without programs; of
# git and bash the program alone.
set -eu
export CFLAGS="-O2 -fPIC" SOURCE_DATE_EPOCH=0

configured() { # name, configure arguments...
    name=$1
    shift
    ./configure --prefix=/usr --libdir=/usr/lib --disable-static "$@"
    make -j"$JOBS"
    make install DESTDIR="/out/$name"
}

build_yaml() { # Debian's archive has no configure script: eight files and their version.
    folder=/out/yaml/usr
    mkdir -p "$folder/lib/pkgconfig" "$folder/include"
    # shellcheck disable=SC2086 # several flags
    gcc $CFLAGS -Iinclude -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
        -DYAML_VERSION_STRING='"0.2.5"' -shared -Wl,-soname,libyaml-0.so.2 \
        -o "$folder/lib/libyaml-0.so.2.0.9" src/*.c
    ln -s libyaml-0.so.2.0.9 "$folder/lib/libyaml-0.so.2"
    ln -s libyaml-0.so.2.0.9 "$folder/lib/libyaml.so"
    cp include/yaml.h "$folder/include/"
    printf 'Name: yaml\nDescription: YAML\nVersion: 0.2.5\nLibs: -lyaml\n' \
        >"$folder/lib/pkgconfig/yaml-0.1.pc"
}

build_libxml2() { configured libxml2 --without-python --with-zlib --with-lzma --without-icu; }

build_libxslt() {
    xml=/out/libxml2/usr
    export LIBXML_CFLAGS="-I$xml/include/libxml2" LIBXML_LIBS="-L$xml/lib -lxml2"
    export LDFLAGS="-Wl,-rpath-link,$xml/lib"
    configured libxslt --without-python --without-crypto
}

build_git() { # Without what talks to a server: a build asks a checkout.
    make -j"$JOBS" CFLAGS="$CFLAGS" NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_GETTEXT=1 NO_PERL=1 \
        NO_PYTHON=1 NO_TCLTK=1 NO_REGEX=NeedsStartEnd ICONV_OMITS_BOM=Yes prefix=/usr git
    mkdir -p /out/git/usr/bin /out/git/usr/lib
    cp git /out/git/usr/bin/
    strip /out/git/usr/bin/git
}

build_bash() { # musl's malloc, as Alpine's; the kit has no readline.
    ./configure --prefix=/usr --without-bash-malloc --disable-readline --disable-nls
    make -j"$JOBS" bash
    mkdir -p /out/bash/usr/bin /out/bash/usr/lib
    cp bash /out/bash/usr/bin/
    strip /out/bash/usr/bin/bash
}

# One library a process: `set -e` does not hold inside a condition.
if [ "${ONE:-}" ]; then
    cd "$(mktemp -d)"
    cp -a "/sources/$ONE/." .
    "build_$ONE"
    exit 0
fi

for library; do
    echo "== $library"
    ONE=$library sh "$0" >"/out/$library.log" 2>&1 || {
        tail -n 30 "/out/$library.log"
        exit 1
    }
done
for library; do
    case $library in
    bash | git) ;;
    *) rm -rf "/out/$library/usr/bin" ;;
    esac
    find "/out/$library" \( -name '*.la' -o -name '*.a' -o -path '*/usr/share' \
        -o -name '*Conf.sh' -o -path '*/lib/cmake' \) -prune -exec rm -rf {} +
done
