# shellcheck shell=sh # sourced by kit-package.sh
# Debian's archive has no configure script, and the kit no CMake.
cat >jconfig.h <<'END'
#define JPEG_LIB_VERSION 80
#define LIBJPEG_TURBO_VERSION 2.1.5
#define LIBJPEG_TURBO_VERSION_NUMBER 2001005
#define C_ARITH_CODING_SUPPORTED 1
#define D_ARITH_CODING_SUPPORTED 1
#define MEM_SRCDST_SUPPORTED 1
#define BITS_IN_JSAMPLE 8
END
sed -e 's/@INLINE@/__inline__/; s/@THREAD_LOCAL@/__thread/; s/@BUILD@/0/; s/@SIZE_T@/8/' \
    -e 's/@CMAKE_PROJECT_NAME@/libjpeg-turbo/; s/@VERSION@/2.1.5/' \
    -e 's/#cmakedefine HAVE_BUILTIN_CTZL/#define HAVE_BUILTIN_CTZL/; /#cmakedefine/d' \
    jconfigint.h.in >jconfigint.h
sed 's/@COPYRIGHT_YEAR@/1991-2023/' jversion.h.in >jversion.h
objects=$(sed -n '/^set(JPEG_SOURCES/,/)/p' CMakeLists.txt | grep -o '[a-z0-9]*\.c' | sed 's/c$/o/')
# shellcheck disable=SC2086 # several files
shared libjpeg.so.8 2.2 libjpeg-turbo gcc $objects jaricom.o jcarith.o jdarith.o jsimd_none.o
mkdir -p /out/libjpeg-turbo/usr/include
cp jconfig.h jerror.h jmorecfg.h jpeglib.h /out/libjpeg-turbo/usr/include/
