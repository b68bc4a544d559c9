# shellcheck shell=sh disable=SC2164 # sourced by kit-package.sh
# The library of C++ for musl, static: what is linked with it needs no other package.

cxx_exceptions() { # In the object that all code with exceptions is linked with.
    # shellcheck disable=SC2086 # several flags
    gcc $CFLAGS -c /alpypy/kit/g++.c -o find_object.o
    ar x /out/g++/usr/lib/libstdc++.a eh_personality.o
    ld -r -o both.o eh_personality.o find_object.o
    mv both.o eh_personality.o
    ar r /out/g++/usr/lib/libstdc++.a eh_personality.o
}

cxx_programs() { # Debian's g++ is called with the kit's settings for musl, as its gcc is.
    folder=usr/lib/gcc/x86_64-linux-gnu/12
    cat >/out/g++/usr/bin/g++ <<END
#!/bin/sh
exec /usr/bin/x86_64-linux-gnu-g++-12 -specs=/$folder/musl.specs "\$@"
END
    # gcc starts this one for C++ as g++ does, and the settings name no headers of C++. They come
    # first: they include those of C by #include_next.
    mv "/out/g++/$folder/cc1plus" "/out/g++/$folder/cc1plus-12"
    cat >"/out/g++/$folder/cc1plus" <<END
#!/bin/sh
case " \$* " in
*" -nostdinc++ "*) exec /$folder/cc1plus-12 "\$@" ;;
esac
exec /$folder/cc1plus-12 -isystem /usr/include/c++/12 \\
    -isystem /usr/include/c++/12/x86_64-alpine-linux-musl -isystem /usr/include/c++/12/backward "\$@"
END
    chmod 755 /out/g++/usr/bin/g++ "/out/g++/$folder/cc1plus"
    ln -s g++ /out/g++/usr/bin/c++
}

tar -xJf gcc-12.2.0-dfsg.tar.xz
cd gcc-12.2.0
ln -s gthr-posix.h libgcc/gthr-default.h
mkdir build
cd build
host=x86_64-alpine-linux-musl
compiler="gcc -B/out/g++/usr/lib/gcc/x86_64-linux-gnu/12/"
../libstdc++-v3/configure --build="$host" --host="$host" --prefix=/usr --libdir=/usr/lib \
    --disable-multilib --disable-nls --disable-shared --disable-libstdcxx-pch \
    --with-gxx-include-dir=/usr/include/c++/12 CXX="$compiler" CXXFLAGS="$CFLAGS"
make -j"$JOBS"
make install DESTDIR=/out/g++
cxx_exceptions
cxx_programs
