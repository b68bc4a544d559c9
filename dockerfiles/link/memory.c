/* The memory functions that PyPy spends its time in. musl's go byte by byte, or start a slow
   instruction for any size. These are hidden in PyPy: nothing else calls them.

   Compile with gcc for x86_64 or aarch64, and with -fno-builtin -fno-tree-loop-distribute-patterns:
   otherwise the compiler makes a call of memset of the loop in memset.

   Branches are what costs with short strings: processors guess them wrong when sizes vary. So small
   sizes are moved in pieces that overlap, and compared in vectors of which a part is ignored.
   Larger sizes take a loop. The second part of this file, from #else, has the loops. It is included
   for vectors of 32 bytes, which AVX2 has, and of 16 bytes, which every processor has. musl has no
   IFUNC, so a flag chooses. */

#ifndef VECTOR
#include <stddef.h>
#include <stdint.h>

#ifndef HIDDEN /* Tests need functions that they see, and choose HAS_AVX2. */
#define HIDDEN __attribute__((visibility("hidden")))
#endif
#define INLINE static inline __attribute__((always_inline))
#define UNALIGNED aligned(1), may_alias

typedef unsigned char byte;
typedef uint32_t word_4 __attribute__((UNALIGNED));
typedef uint64_t word_8 __attribute__((UNALIGNED));
typedef byte vector_16 __attribute__((vector_size(16), UNALIGNED));
typedef byte vector_32 __attribute__((vector_size(32), UNALIGNED));

/* TYPE is one of these vectors, and V its size. VECTOR(move) is move_16 or move_32. */
#define V sizeof(TYPE)
#define READ(type, from) (*(const type *)(from))
#define WRITE(type, to, value) (*(type *)(to) = (value))

/* A block is four vectors. READ_BLOCK declares them: name0 to name3. */
#define READ_BLOCK(name, from)                                                                     \
    TYPE name##0 = READ(TYPE, from), name##1 = READ(TYPE, (from) + V),                             \
         name##2 = READ(TYPE, (from) + 2 * V), name##3 = READ(TYPE, (from) + 3 * V)
#define WRITE_BLOCK(to, name)                                                                      \
    (WRITE(TYPE, to, name##0), WRITE(TYPE, (to) + V, name##1),                                     \
     WRITE(TYPE, (to) + 2 * V, name##2), WRITE(TYPE, (to) + 3 * V, name##3))
#define SET_BLOCK(to, value)                                                                       \
    (WRITE(TYPE, to, value), WRITE(TYPE, (to) + V, value),                                         \
     WRITE(TYPE, (to) + 2 * V, value), WRITE(TYPE, (to) + 3 * V, value))

/* From one to almost four times the size of a type, without a branch: two pieces from the start, and
   two that reach the end. Below twice the size, the two are one. */
#define SECOND(type) ((size & 2 * sizeof(type)) / 2)
#define COPY_PIECES(type)                                                                          \
    do {                                                                                           \
        size_t at = SECOND(type), last = size - sizeof(type);                                      \
        type a = READ(type, from), b = READ(type, from + at);                                      \
        type c = READ(type, from + last - at), d = READ(type, from + last);                        \
        WRITE(type, to, a), WRITE(type, to + at, b);                                               \
        WRITE(type, to + last - at, c), WRITE(type, to + last, d);                                 \
    } while (0)
#define SET_PIECES(type, value)                                                                    \
    do {                                                                                           \
        size_t at = SECOND(type), last = size - sizeof(type);                                      \
        WRITE(type, to, value), WRITE(type, to + at, value);                                       \
        WRITE(type, to + last - at, value), WRITE(type, to + last, value);                         \
    } while (0)

/* A comparison of vectors as a number: BITS bits for each byte, the first byte lowest. */
#define NUMBER(comparison) VECTOR(number)(comparison)
#define BITS VECTOR(bits)
#define ALL (UINT64_MAX >> (64 - V * BITS))
#define FIRST(number) ((size_t)__builtin_ctzll(number) / BITS)
#define SAME(at) (READ(TYPE, a + (at)) == READ(TYPE, b + (at)))
#define FOUND(at) (READ(TYPE, at) == wanted)
#define RETURN_IF_DIFFERENT(at)                                                                    \
    do {                                                                                           \
        uint64_t differ = NUMBER(SAME(at)) ^ ALL;                                                  \
        if (differ)                                                                                \
            return a[(at) + FIRST(differ)] - b[(at) + FIRST(differ)];                              \
    } while (0)

/* Then nothing outside of the caller's pages is read, although more than the caller's bytes may. */
#define IN_ONE_PAGE(at, size) ((uintptr_t)(at) % 4096 <= 4096 - (size))

#ifdef __x86_64__
#include <immintrin.h>
#define bits_16 1
#define number_16(comparison) (uint64_t)(uint32_t)_mm_movemask_epi8((__m128i)(comparison))
#define bits_32 1
#define number_32(comparison) (uint64_t)(uint32_t)_mm256_movemask_epi8((__m256i)(comparison))
#define LOOP __attribute__((noinline, target("avx2"))) static
#define TYPE vector_32
#define VECTOR(name) name##_32
#include "memory.c"
#undef LOOP
#undef TYPE
#undef VECTOR
#ifndef HAS_AVX2
#define HAS_AVX2 has_avx2
static int has_avx2;
__attribute__((constructor)) static void look_at_the_processor(void)
{
    __builtin_cpu_init();
    has_avx2 = __builtin_cpu_supports("avx2");
}
#endif
#define BEST(name, ...) (HAS_AVX2 ? name##_32(__VA_ARGS__) : name##_16(__VA_ARGS__))
#else
#include <arm_neon.h>
#define bits_16 4
#define number_16(comparison)                                                                      \
    vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16((uint16x8_t)(comparison), 4)), 0)
#define BEST(name, ...) name##_16(__VA_ARGS__)
#endif

#define LOOP __attribute__((noinline)) static
#define TYPE vector_16
#define VECTOR(name) name##_16
#include "memory.c"

/* All is read before anything is written: source and target may overlap. */
INLINE void *copy(void *target, const void *source, size_t size)
{
    byte *to = target;
    const byte *from = source;
    if (size < 4) {
        if (size) {
            byte start = from[0], middle = from[size / 2], end = from[size - 1];
            to[0] = start, to[size / 2] = middle, to[size - 1] = end;
        }
    } else if (size < 8) {
        COPY_PIECES(word_4);
    } else if (size < 16) {
        COPY_PIECES(word_8); /* who reads 8 bytes of it soon waits if two stores wrote them */
    } else if (size < 64) {
        COPY_PIECES(TYPE);
    } else if (size <= 128) {
        READ_BLOCK(start, from);
        READ_BLOCK(end, from + size - 4 * V);
        WRITE_BLOCK(to, start), WRITE_BLOCK(to + size - 4 * V, end);
    } else {
        return BEST(move, to, from, size);
    }
    return target;
}

HIDDEN void *memmove(void *to, const void *from, size_t size) { return copy(to, from, size); }

/* Without `restrict`: the compiler would use it to write before it reads. */
HIDDEN void *memcpy(void *to, const void *from, size_t size) { return copy(to, from, size); }

HIDDEN void *memset(void *target, int value, size_t size)
{
    byte *to = target;
    TYPE filled = (TYPE){0} + (byte)value;
    if (size < 4) {
        if (size)
            to[0] = to[size / 2] = to[size - 1] = (byte)value;
    } else if (size < 8) {
        SET_PIECES(word_4, (byte)value * 0x01010101u);
    } else if (size < 16) {
        SET_PIECES(word_8, (byte)value * 0x0101010101010101u);
    } else if (size < 64) {
        SET_PIECES(TYPE, filled);
    } else if (size <= 128) {
        SET_BLOCK(to, filled), SET_BLOCK(to + size - 4 * V, filled);
    } else {
        return BEST(set, to, (byte)value, size);
    }
    return target;
}

HIDDEN int memcmp(const void *a, const void *b, size_t size)
{
    return size ? BEST(compare, a, b, size) : 0;
}

HIDDEN void *memchr(const void *from, int value, size_t size)
{
    return size ? BEST(find, from, (byte)value, size) : NULL;
}

#else

/* Copy more than a block. Both ends are read first. The loop writes aligned vectors, downwards if
   the target starts in the source: it does not overwrite what it reads later. */
LOOP void *VECTOR(move)(byte *to, const byte *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        TYPE start = READ(TYPE, from);
        READ_BLOCK(end, from + size - 4 * V);
        for (size_t at = V - (uintptr_t)to % V; at < size - 4 * V; at += 4 * V) {
            READ_BLOCK(next, from + at);
            WRITE_BLOCK(to + at, next);
        }
        WRITE_BLOCK(to + size - 4 * V, end);
        WRITE(TYPE, to, start);
    } else {
        TYPE end = READ(TYPE, from + size - V);
        READ_BLOCK(start, from);
        for (size_t left = size - (uintptr_t)(to + size) % V; left > 4 * V; left -= 4 * V) {
            READ_BLOCK(next, from + left - 4 * V);
            WRITE_BLOCK(to + left - 4 * V, next);
        }
        WRITE_BLOCK(to, start);
        WRITE(TYPE, to + size - V, end);
    }
    return to;
}

/* Set more than a block. */
LOOP void *VECTOR(set)(byte *to, byte value, size_t size)
{
    TYPE filled = (TYPE){0} + value;
    WRITE(TYPE, to, filled);
    for (size_t at = V - (uintptr_t)to % V; at < size - 4 * V; at += 4 * V)
        SET_BLOCK(to + at, filled);
    SET_BLOCK(to + size - 4 * V, filled);
    return to;
}

/* Compare one byte or more. */
LOOP int VECTOR(compare)(const byte *a, const byte *b, size_t size)
{
    if (size <= V && IN_ONE_PAGE(a, V) && IN_ONE_PAGE(b, V)) {
        size_t unused = 64 - size * BITS;
        uint64_t differ = (NUMBER(SAME(0)) ^ ALL) << unused >> unused;
        return differ ? a[FIRST(differ)] - b[FIRST(differ)] : 0;
    }
    if (size < V) {
        size_t at = 0;
        while (at < size - 1 && a[at] == b[at])
            at++;
        return a[at] - b[at];
    }
    RETURN_IF_DIFFERENT(0);
    if (size <= 4 * V) {
        if (size > 2 * V) {
            RETURN_IF_DIFFERENT(V);
            RETURN_IF_DIFFERENT(size - 2 * V);
        }
        RETURN_IF_DIFFERENT(size - V);
        return 0;
    }
    size_t at = V - (uintptr_t)a % V, last = size - 4 * V;
    for (;; at += 4 * V) {
        at = at < last ? at : last;
        if (NUMBER(SAME(at) & SAME(at + V) & SAME(at + 2 * V) & SAME(at + 3 * V)) != ALL)
            break;
        if (at == last)
            return 0;
    }
    while (NUMBER(SAME(at)) == ALL)
        at += V;
    RETURN_IF_DIFFERENT(at);
    return 0;
}

/* Find a byte in one or more: in a vector, in a block, and then in aligned blocks. */
LOOP void *VECTOR(find)(const byte *from, byte value, size_t size)
{
    TYPE wanted = (TYPE){0} + value;
    uintptr_t start = (uintptr_t)from, at = start - start % V;
    uintptr_t end = start + size < start ? UINTPTR_MAX : start + size;
    uint64_t found;
    if (IN_ONE_PAGE(start, V)) {
        found = NUMBER(FOUND(start));
        if (!found && size <= V)
            return NULL;
    } else {
        found = NUMBER(FOUND(at)) >> (start - at) * BITS;
    }
    if (found)
        return FIRST(found) < size ? (void *)(start + FIRST(found)) : NULL;
    if (IN_ONE_PAGE(start, 4 * V)
        && !NUMBER(FOUND(start + V) | FOUND(start + 2 * V) | FOUND(start + 3 * V))) {
        if (size <= 4 * V)
            return NULL;
        at = start - start % (4 * V) + 3 * V;
    }
    for (at += V; at < end;) {
        if (at % (4 * V) == 0
            && !NUMBER(FOUND(at) | FOUND(at + V) | FOUND(at + 2 * V) | FOUND(at + 3 * V))) {
            at += 4 * V;
            continue;
        }
        found = NUMBER(FOUND(at));
        if (found)
            return at + FIRST(found) < end ? (void *)(at + FIRST(found)) : NULL;
        at += V;
    }
    return NULL;
}
#endif
