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
cp installed/usr/lib/libncursesw.a /out/lib/
ln -s libncursesw.a /out/lib/libncurses.a
# They need ncurses, which PyPy names before them, and the linker reads an archive only once. So each
# is a linker script that names ncurses again.
for library in panel form menu; do
    cp "installed/usr/lib/lib${library}w.a" "/out/lib/lib${library}w_alone.a"
    echo "INPUT(-l${library}w_alone -lncursesw)" >"/out/lib/lib${library}w.a"
    ln -s "lib${library}w.a" "/out/lib/lib${library}.a"
done
ln -s libncursesw.a /out/lib/libcurses.a
cp installed/usr/include/*.h /out/include/
