#!/bin/sh
# Link PyPy again, with alpypy's own memory functions and the objects of /libraries/lib. The arguments
# are flags for the linker.
set -eu
gcc -O2 -fPIC -fno-builtin -fno-tree-loop-distribute-patterns -c /link/memory.c -o memory.o
echo LIBS += memory.o /libraries/lib/*.o >added.mk
# The header's source is gone, and what needed it is compiled: make leaves it alone (-o).
exec make -f Makefile -f added.mk -o singleheader.h.gch CC_LINK="gcc $*" all
