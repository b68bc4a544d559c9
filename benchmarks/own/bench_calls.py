"""Calls of C functions. cffi is a part of PyPy; a CPython without it skips these benchmarks."""

from own import run


def with_cffi():
    """The C library, as cffi gives it without a compiler."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("int abs(int); size_t strlen(const char *); void *memset(void *, int, size_t);")
    return ffi, ffi.dlopen(None)


def cffi_():
    """Call two functions 20,000 times."""
    ffi, library = with_cffi()
    text = ffi.new("char[]", b"a short text")

    def called():
        return sum(library.abs(-number) + library.strlen(text) for number in range(20000))

    return called


def cffi_buffer():
    """Fill, copy and read buffers that C has allocated."""
    ffi, library = with_cffi()

    def copied():
        for number in range(2000):
            buffer = ffi.new("char[]", 1000)
            library.memset(buffer, number & 255, 1000)
            ffi.buffer(buffer, 1000)[:100]

    return copied


def ctypes_():
    """Call a function 5,000 times."""
    import ctypes

    library = ctypes.CDLL(None)
    library.abs.argtypes, library.abs.restype = [ctypes.c_int], ctypes.c_int

    def called():
        return sum(library.abs(-number) for number in range(5000))

    return called


def ctypes_callback():
    """Let the C library sort 300 numbers with a function of Python."""
    import ctypes

    pointer = ctypes.POINTER(ctypes.c_int)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)
    sort = ctypes.CDLL(None).qsort
    sort.argtypes, sort.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, kind], None
    compare = kind(lambda left, right: left[0] - right[0])
    size = ctypes.sizeof(ctypes.c_int)

    def sorted_():
        numbers = (ctypes.c_int * 300)(*range(300, 0, -1))
        sort(numbers, 300, size, compare)
        return numbers[0]

    return sorted_


BENCHMARKS = {
    "cffi": cffi_,
    "cffi_buffer": cffi_buffer,
    "ctypes": ctypes_,
    "ctypes_callback": ctypes_callback,
}

if __name__ == "__main__":
    run("calls", BENCHMARKS)
