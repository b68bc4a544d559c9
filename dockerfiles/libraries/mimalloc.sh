# shellcheck shell=sh disable=SC2154
# One object, which the linker takes whole: it replaces malloc, free and others. Each thread has its heap,
# and TLS descriptors find it fast; aarch64 has no other way. The model initial-exec would be faster,
# but programs could no longer load libpypy with dlopen.
case $(uname -m) in x86_64) CFLAGS="$CFLAGS -mtls-dialect=gnu2" ;; esac
# Without __USE_ISOC11, a macro of glibc, aligned_alloc would stay musl's, which refuses to work beside
# another malloc.
# shellcheck disable=SC2086
gcc $CFLAGS -DNDEBUG -DMI_MALLOC_OVERRIDE=1 -D__USE_ISOC11=1 -fno-builtin-malloc -Iinclude -c -o /out/lib/mimalloc.o src/static.c
