# shellcheck shell=sh # sourced by kit-package.sh
# musl's malloc, as Alpine's; the kit has no readline.
./configure --prefix=/usr --without-bash-malloc --disable-readline --disable-nls
make -j"$JOBS" bash
mkdir -p /out/bash/usr/bin /out/bash/usr/lib
cp bash /out/bash/usr/bin/
strip /out/bash/usr/bin/bash
