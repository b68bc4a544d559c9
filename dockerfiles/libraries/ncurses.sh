# shellcheck shell=sh disable=SC2154
# One wide library, which answers to the narrow names too. Built twice: the descriptions of common
# terminals inside the library are written by the programs of the first build.
configure_in() { # folder, configure arguments...
    folder=$1
    shift
    mkdir "$folder"
    (cd "$folder" && ../configure --prefix=/usr --without-shared --with-normal --without-debug --without-ada \
        --without-cxx --without-cxx-binding --without-tests --without-manpages --without-gpm \
        --enable-widec --enable-overwrite --disable-stripping --disable-db-install \
        --with-default-terminfo-dir=/etc/terminfo \
        --with-terminfo-dirs=/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo "$@")
}
terminals=xterm,xterm-256color,linux,screen,screen-256color,tmux,tmux-256color,vt100,dumb,ansi
configure_in tools
make -C tools -j"$jobs" libs
make -C tools/progs -j"$jobs" tic infocmp
configure_in wide --without-progs --with-fallbacks="$terminals" \
    --with-tic-path=/tmp/build/tools/progs/tic --with-infocmp-path=/tmp/build/tools/progs/infocmp
make -C wide -j"$jobs" libs
make -C wide install.libs install.includes DESTDIR=/tmp/build/installed
for library in ncurses panel form menu; do
    cp "installed/usr/lib/lib${library}w.a" /out/lib/
    ln -s "lib${library}w.a" "/out/lib/lib${library}.a"
done
ln -s libncursesw.a /out/lib/libcurses.a
cp installed/usr/include/*.h /out/include/
