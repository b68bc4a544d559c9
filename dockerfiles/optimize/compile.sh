#!/bin/sh
# Compile what RPython wrote with FLAGS, and link it with the program in LINK, if that is given. As
# many files as JOBS says are compiled at the same time.
set -eu
cd /work/link/build
# A precompiled header serves only the flags that it was compiled with.
rm -f ./*.o ../module_cache/*.o ./*.gch
exec make -j "$JOBS" CC="gcc $FLAGS" CC_LINK="${LINK:-gcc $FLAGS}" all
