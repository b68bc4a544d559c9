# shellcheck shell=sh # sourced by kit-package.sh
# As for libjpeg-turbo. CURVE is by the tweetnacl in it.
cat >src/platform.hpp <<'END'
#define ZMQ_HAVE_LINUX
#define ZMQ_HAVE_CURVE
#define ZMQ_USE_TWEETNACL
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC
#define ZMQ_POLL_BASED_ON_POLL
#define ZMQ_HAVE_PPOLL
#define ZMQ_USE_CV_IMPL_STL11
#define ZMQ_CACHELINE_SIZE 64
#define ZMQ_HAVE_POSIX_MEMALIGN 1
#define ZMQ_HAVE_EVENTFD
#define ZMQ_HAVE_EVENTFD_CLOEXEC
#define ZMQ_HAVE_IFADDRS
#define ZMQ_HAVE_UIO
#define ZMQ_HAVE_IPC
#define ZMQ_HAVE_STRUCT_SOCKADDR_UN
#define ZMQ_HAVE_SOCK_CLOEXEC
#define ZMQ_HAVE_O_CLOEXEC
#define ZMQ_HAVE_SO_BINDTODEVICE
#define ZMQ_HAVE_SO_PEERCRED
#define ZMQ_HAVE_SO_KEEPALIVE
#define ZMQ_HAVE_TCP_KEEPCNT
#define ZMQ_HAVE_TCP_KEEPIDLE
#define ZMQ_HAVE_TCP_KEEPINTVL
#define ZMQ_HAVE_PTHREAD_SETNAME_2
#define ZMQ_HAVE_FORK
#define ZMQ_HAVE_CLOCK_GETTIME
#define ZMQ_HAVE_MKDTEMP
#define ZMQ_HAVE_STRLCPY
#define HAVE_ACCEPT4
#define HAVE_FORK
#define HAVE_CLOCK_GETTIME
#define HAVE_MKDTEMP
#define HAVE_STRNLEN
#define HAVE_IF_NAMETOINDEX
END
rm -f src/ws_*.cpp src/wss_*.cpp
objects=$(find src -maxdepth 1 -name "*.cpp" | sed "s/cpp$/o/")
export CFLAGS="$CFLAGS -Iinclude -std=gnu++11 -pthread"
# shellcheck disable=SC2086 # several files
shared libzmq.so.5 2.4 zeromq g++ $objects src/tweetnacl.o
mkdir -p /out/zeromq/usr/include /out/zeromq/usr/lib/pkgconfig
cp include/*.h /out/zeromq/usr/include/
printf 'Name: libzmq\nDescription: 0MQ\nVersion: 4.3.4\nLibs: -lzmq\n' \
    >/out/zeromq/usr/lib/pkgconfig/libzmq.pc
