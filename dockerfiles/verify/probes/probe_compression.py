"""bz2, zlib and lzma (3.x): there and back, in one go and in pieces; zip and gzip files."""

import bz2
import gzip
import io
import os
import sys
import tempfile
import zipfile
import zlib

from probing import Probe, equal, expect

probe = Probe("compression")
DATA = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(5000))


def there_and_back(compress, decompress):
    small = compress(DATA)
    expect(len(small) < len(DATA) // 3, "%d bytes became %d" % (len(DATA), len(small)))
    equal(decompress(small), DATA, "what came back")


def in_pieces(compressor, decompressor):
    pieces = [compressor.compress(DATA[start : start + 999]) for start in range(0, len(DATA), 999)]
    whole = b"".join(pieces) + compressor.flush()
    half = len(whole) // 2
    back = decompressor.decompress(whole[:half]) + decompressor.decompress(whole[half:])
    equal(back, DATA, "what came back")


@probe.check
def zlib_whole():
    there_and_back(zlib.compress, zlib.decompress)
    equal(zlib.crc32(b"musl") & 0xFFFFFFFF, 0xFA245D3F, "crc32")


@probe.check
def zlib_pieces():
    in_pieces(zlib.compressobj(), zlib.decompressobj())


@probe.check
def bz2_whole():
    there_and_back(bz2.compress, bz2.decompress)


@probe.check
def bz2_pieces():
    in_pieces(bz2.BZ2Compressor(), bz2.BZ2Decompressor())


@probe.check
def bz2_file():
    path = os.path.join(tempfile.mkdtemp(), "data.bz2")
    with bz2.BZ2File(path, "w") as stream:
        stream.write(DATA)
    with bz2.BZ2File(path) as stream:
        equal(stream.read(), DATA, "what the file held")


@probe.check
def gzip_file():
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as stream:
        stream.write(DATA)
    buffer.seek(0)
    equal(gzip.GzipFile(fileobj=buffer).read(), DATA, "what the file held")


@probe.check
def zip_file():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", DATA)
    equal(zipfile.ZipFile(buffer).read("data"), DATA, "what the archive held")


if sys.version_info[0] > 2:

    @probe.check
    def lzma_whole():
        import lzma

        there_and_back(lzma.compress, lzma.decompress)

    @probe.check
    def lzma_pieces():
        import lzma

        in_pieces(lzma.LZMACompressor(), lzma.LZMADecompressor())

    @probe.check
    def lzma_formats():
        import lzma

        raw = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        small = lzma.compress(DATA, lzma.FORMAT_RAW, filters=raw)
        equal(lzma.decompress(small, lzma.FORMAT_RAW, filters=raw), DATA, "what came back")


if __name__ == "__main__":
    probe.run()
